"""What `spectral.bench.measure` has measured, as a file, as tables, and as text for the page and the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectral.bench.loops import ONE_THREAD, PLAIN_LOOPS
from spectral.bench.measure import FORMAT
from spectral.bench.timing import Spread
from spectral.lab.config import ConfigError
from spectral.lab.files import REPOSITORY, checksum, write_atomically
from spectral.lab.presets import STUDENTS
from spectral.train import SAVE_EVERY

REQUIRED, WANTED, SAVE_PERCENT = 10, 20, 2
"""How many times as fast as the plain loop the engine has to be, and should be; percent that checkpoints may take."""

STORED = REPOSITORY / "book" / "bench.json"

NOT_MEASURED, RANGE = "not measured", "median [lowest, highest]"
STEPS = {
    "plain": "plain loop",
    "eager": "engine: all students at once, gradient written down",
    "compiled": "and compiled",
    "dropping": "and dead nodes leave; the whole run, compiling included",
}
PARTS = {
    "eager": "an eager epoch",
    "compiled": "a compiled epoch",
    "products": "the five products",
    "elementwise": "activations and residuals, not compiled",
    "factors": "weights from factors, gradients of factors",
    "update": "penalties and Adam",
    "shuffle": "shuffling",
    "rest": "rest, by difference",
    "recording": "besides: recording, spread over all epochs",
}

Rows = list[tuple[str, ...]]


class Table(NamedTuple):
    """A table as text: what it shows and in which units, its header, its rows."""

    title: str
    header: tuple[str, ...]
    rows: Rows

    def __str__(self) -> str:
        lines = [self.header, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        rows = ("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)) for line in lines)
        return "\n".join([self.title, *(f"  {row}".rstrip() for row in rows)])


def save(result: dict[str, Any], path: Path) -> None:
    """Write a result of `bench` as JSON with its checksum, or raise `StoreError`."""
    write_atomically(path, (json.dumps(result | {"digest": checksum(result)}, indent=1) + "\n").encode())


def load(path: str | Path = "") -> dict[str, Any]:
    """What `save` wrote, by default ``book/bench.json`` of the repository.

    Raises
    ------
    ConfigError
        If it is missing, or not what was written.
    """
    path = Path(path) if str(path) else STORED
    advice = f"Measure, some ten minutes on an idle machine, with: python -m spectral bench --to {path}"
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        digest, version = result.pop("digest"), result["format"]
    except OSError as error:
        raise ConfigError(f"the measurements {path} cannot be read: {error.strerror}. {advice}") from None
    except (ValueError, KeyError, AttributeError, TypeError):
        raise ConfigError(f"{path} is damaged, or holds no measurements. {advice}") from None
    if digest != checksum(result):
        raise ConfigError(f"{path} is damaged: its checksum does not fit its content. {advice}")
    if version != FORMAT:
        raise ConfigError(f"{path} has format {version}; this version reads format {FORMAT}. {advice}")
    return result


def tables(result: dict[str, Any]) -> dict[str, Table]:
    """A result as tables by name, in the order in which they are read; equal results give equal text."""
    sizes, config, loops = result["sizes"], result["sizes"]["config"], result["loops"]["ms_per_epoch"]
    setting = f"{config['teachers'] * config['trials']} spectral students of {config['student_hidden']} nodes"
    steps = [(label, result["steps"][name]) for name, label in STEPS.items()]
    ratio, eager = result["step_cost_ratio"], result["step_cost_ratio_eager"]
    ratios = [(f"as in long runs{', compiled' if ratio['compiled'] else ''}", ratio), ("not compiled", eager)]
    saved, roofline = result["checkpoint"], f"The five products against what the machine can do; {RANGE}"
    found: dict[str, tuple[str, tuple[str, ...], Rows]] = {
        "whole": (f"{setting}, {config['epochs']:,} epochs, seconds; {RANGE}", ("", "measured", "n"), _whole(result)),
        "loops": (
            f"Ways to write the plain loop, one student, ms per epoch; {RANGE}",
            ("plain loop", "ms per epoch", "n"),
            [(name, median_text(loops[name]), f"{loops[name]['n']}") for name in PLAIN_LOOPS if name in loops],
        ),
        "steps": (
            f"What each means brings, {setting}, ms per student and epoch; {RANGE}",
            ("", "ms", "times as fast as the plain loop"),
            [(label, median_text(s and s["ms"]), median_text(s and s["gain"])) for label, s in steps],
        ),
        "parts": (
            f"Parts of an epoch, each timed alone, {setting}, none dropped, ms per epoch; {RANGE}",
            ("part", "ms", "% of the eager epoch", "% of the compiled one"),
            _parts(result["parts"]["ms_per_epoch"]),
        ),
        "roofline": (roofline, ("", "measured"), _roofline(result["parts"])),
        "members": _growth(result, "members", "students E", f"h_S = {sizes['members_width']}"),
        "widths": _growth(result, "widths", "nodes h_S", f"E = {sizes['widths_members']}"),
        "step_cost_ratio": (
            f"Time of a spectral step over that of a direct one, {setting}, none dropped; mean [95 % interval]",
            ("step", "ratio", "pairs"),
            [(kind, "{mean:.3f} [{low:.3f}, {high:.3f}]".format(**r), f"{r['n']}") for kind, r in ratios],
        ),
        "checkpoint": (
            f"Saving {config['teachers'] * config['trials']} students of {sizes['checkpoint_width']:,} nodes, "
            f"{saved['mebibytes']:.1f} MiB, every {SAVE_EVERY:.0f} s",
            ("", RANGE),
            [
                ("ms", median_text(saved["ms"])),
                (f"% of the time, at most {SAVE_PERCENT}", median_text(saved["percent"])),
            ],
        ),
        "grid": _grid(result),
    }
    return {name: Table(*parts) for name, parts in found.items()}


def machine_line(result: dict[str, Any]) -> str:
    """Where, when and by what a result was measured, in one line."""
    m = result["machine"]
    revision = f"revision {m['git'][:12]}{', changed' if m['dirty'] else ''}" if m["git"] else "revision unknown"
    quick = "A QUICK RUN, ITS NUMBERS MEAN NOTHING. " if result["quick"] else ""
    return f"{quick}{m['machine']}; torch {m['torch']}, Python {m['python']}; {revision}; {m['date'][:10]}"


def number(value: float) -> str:
    """Three digits, never an exponent where digits will do: 0.0350, 18.0, 1,116."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:#.3g}".rstrip(".")


def median_text(measured: Spread | None) -> str:
    """Median and range, as in ``18.0 [16.5, 19.1]``, or that they were not measured."""
    if measured is None:
        return NOT_MEASURED
    return f"{number(measured['median'])} [{number(measured['low'])}, {number(measured['high'])}]"


def met(measured: Spread, bound: float) -> str:
    """Whether a ratio reaches a bound: in all of its range, by its median, or not."""
    if measured["low"] >= bound:
        return "met"
    return "met by the median" if measured["median"] >= bound else "missed"


def at_once(result: dict[str, Any]) -> Spread:
    """Seconds of the plain loop if a loop on one thread ran on every core, and none of them slowed another down."""
    alone = result["loops"]["ms_per_epoch"][ONE_THREAD]
    scale = 1e-3 * result["whole"]["student_epochs"] / result["machine"]["threads"]
    return {key: value if key == "n" else scale * value for key, value in alone.items()}


def percentages(parts: dict[str, Any], mode: str) -> dict[str, float]:
    """Percent of an epoch, eager or compiled, that its parts take by their medians; "rest" is what they leave."""
    percent = {name: 100 * part["median"] / parts[mode]["median"] for name, part in parts.items() if part}
    names = ["products", "factors", "update", "shuffle"] + (["elementwise"] if mode == "eager" else [])
    found = {name: percent[name] for name in names}
    return found | {"rest": 100 - sum(found.values()), "recording": percent["recording"], mode: 100}


def roof(parts: dict[str, Any]) -> float:
    """GFLOP/s that the products cannot exceed: those of a square product, or what memory feeds, if that is less."""
    fed: float = parts["operations_per_byte"] * parts["gigabytes_per_second"]["median"]
    return min(parts["gflops_square"]["median"], fed)


def power_of_growth(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Exponent p of the power law ``cost ~ size^p`` that fits best, least squares in the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def _whole(result: dict[str, Any]) -> Rows:
    whole, loops, plain = result["whole"], result["machine"]["threads"], at_once(result)
    engine, ratio = whole["engine_seconds"], whole["ratio"]
    measured = {
        "plain loop, one student after the other": whole["plain_seconds"],
        "the engine": engine,
        "plain loop over engine": ratio,
        f"{loops} plain loops at once, one thread each, at best": plain,
    }
    return [
        *((label, median_text(value), f"{value['n']}") for label, value in measured.items()),
        ("these over engine, medians", number(plain["median"] / engine["median"]), ""),
        (f"required: {REQUIRED} times as fast as one after the other", met(ratio, REQUIRED), ""),
        (f"wanted: {WANTED} times", met(ratio, WANTED), ""),
    ]


def _parts(parts: dict[str, Any]) -> Rows:
    share = [percentages(parts, mode) if parts[mode] else {} for mode in ("eager", "compiled")]
    rows: Rows = []
    for name, label in PARTS.items():
        percent = (f"{part[name]:.1f}" if name in part else "–" for part in share)
        rows.append((label, "–" if name == "rest" else median_text(parts[name]), *percent))
    return rows


def _roofline(parts: dict[str, Any]) -> Rows:
    return [
        ("the products: GFLOP/s", median_text(parts["gflops"])),
        ("a large square product: GFLOP/s", median_text(parts["gflops_square"])),
        ("copying what a step holds of activations: GB/s", median_text(parts["gigabytes_per_second"])),
        ("operations of the products for each byte of activations", number(parts["operations_per_byte"])),
        ("roof, the lower of square product and memory: GFLOP/s", number(roof(parts))),
        ("the products over the roof, medians: %", number(100 * parts["gflops"]["median"] / roof(parts))),
    ]


def _growth(result: dict[str, Any], axis: str, what: str, fixed: str) -> tuple[str, tuple[str, ...], Rows]:
    title = f"Cost against {what} at {fixed}, none dropped, ms per student and epoch; {RANGE}"
    sizes, costs = result["sizes"][axis], result["growth"][axis]
    columns = ([median_text(cost) for cost in costs[mode] or [None] * len(sizes)] for mode in ("eager", "compiled"))
    return title, (what, "eager", "compiled"), list(zip((f"{size:,}" for size in sizes), *columns, strict=True))


def _grid(result: dict[str, Any]) -> tuple[str, tuple[str, ...], Rows]:
    grid, gpu, kinds = result["grid"], result["whole"]["gpu"], result["grid"]["students"]
    total = {key: sum(kind[key] for kind in kinds.values()) for key in kinds[STUDENTS[0]]}
    rows: Rows = []
    for name, kind in (*((name, kinds[name]) for name in STUDENTS), ("all", total)):
        complete = kind["there"] == kind["runs"]
        hours = [number(kind[key] / 3600) if complete else NOT_MEASURED for key in ("seconds", "busy_seconds")]
        memory = f"{grid['peak_memory_mib'] / 1024:.2f} GiB" if name == "all" and complete else "–"
        rows.append((name, f"{kind['there']} of {kind['runs']}", *hours, memory))
    time = f"{number(gpu['seconds'] / 3600)} ({gpu['device']})" if gpu else NOT_MEASURED
    width = result["sizes"]["config"]["student_hidden"]
    rows.append((f"on a GPU: spectral, {width} nodes", "1 of 1" if gpu else "0 of 1", time, "–", "–"))
    title = f"The main grid, from the records of its stored runs, hours; on: {'; '.join(grid['machines']) or 'none'}"
    return title, ("students", "runs", "wall time", "processor time / cores", "peak memory"), rows
