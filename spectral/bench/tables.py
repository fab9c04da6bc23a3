"""What `spectral.bench.measure` has measured, as a file, as tables, and as text for the page and the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectral.bench.measure import FORMAT
from spectral.bench.timing import Spread
from spectral.engine.plan import SAVE_EVERY
from spectral.lab.config import ConfigError
from spectral.lab.files import checksum, kept, write_atomically
from spectral.lab.presets import STUDENTS
from spectral.stats.intervals import Interval

STORED = kept("bench.json")

RANGE = "median [lowest, highest]"
PARTS = {
    "epoch": "an epoch",
    "shuffle": "order of the patterns",
    "forward": "forward",
    "backward": "backward and gradients, by difference",
    "update": "weights from factors, penalties, Adam",
}
STARTS = {"cold": "the kernel is compiled first", "warm": "it was compiled before"}

Rows = list[tuple[str, ...]]


class Table(NamedTuple):
    """A table as text.

    Attributes
    ----------
    title:
        What it shows and in which units.
    header, rows:
        The columns' names, and the cells.
    """

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
    sizes, config = result["sizes"], result["sizes"]["config"]
    setting = f"{config['teachers'] * config['trials']} spectral students of {config['student_hidden']} nodes"
    ratio, saved, nodes = result["step_cost_ratio"], result["checkpoint"], f"{config['student_hidden']} nodes"
    shares = {width: percentages(parts) for width, parts in result["parts"].items()}
    found: dict[str, tuple[str, tuple[str, ...], Rows]] = {
        "whole": (
            f"{setting}, {config['epochs']:,} epochs; {RANGE}",
            ("trained by", "seconds", "times as long as the engine", "n"),
            _whole(result),
        ),
        "loops": (
            f"One spectral student of {nodes}, none dropped, ms per epoch; {RANGE}",
            ("loop", "ms per epoch", "n"),
            _loops(result["loops"]),
        ),
        "rate": (
            "The kernel, GFLOP/s by number of nodes, none dropped; medians",
            ("d = m", "threads", *(f"{width:,}" for width in sizes["widths"]), "roof"),
            _rate(result["rate"]),
        ),
        "members": _growth(result, "members", "students E", f"h_S = {sizes['members_width']}"),
        "widths": _growth(result, "widths", "nodes h_S", f"E = {sizes['widths_members']}"),
        "parts": (
            "Parts of an epoch of one student, each timed alone, medians",
            ("part", *(f"{width} nodes: {unit}" for width in shares for unit in ("ms", "%"))),
            [
                (label, *(cell for width in shares for cell in _part(result["parts"][width], shares[width], name)))
                for name, label in PARTS.items()
            ],
        ),
        "start": (
            f"A new process that trains one student of {nodes} for one epoch, seconds; {RANGE}",
            ("start", "seconds", "n"),
            [(label, *_measured(result["start"][name])) for name, label in STARTS.items()],
        ),
        "step_cost_ratio": (
            f"Time of spectral steps over that of direct ones, {setting}, none dropped; mean [95 % interval]",
            ("ratio", "pairs"),
            [(mean_text(ratio, 3), f"{ratio['n']}")],
        ),
        "torch_cost_ratio": _torch(result["torch_cost_ratio"]),
        "checkpoint": (
            f"Saving {config['teachers'] * config['trials']} students of {sizes['checkpoint_width']:,} nodes, "
            f"{saved['mebibytes']:.1f} MiB, every {SAVE_EVERY:.0f} s",
            ("unit", RANGE),
            [("ms", median_text(saved["ms"])), ("% of the time", median_text(saved["percent"]))],
        ),
        "grid": _grid(result),
    }
    return {name: Table(*parts) for name, parts in found.items()}


def machine_line(result: dict[str, Any]) -> str:
    """Where, when and by what a result was measured, in one line."""
    m = result["machine"]
    revision = f"revision {m['git'][:12]}{', changed' if m['dirty'] else ''}" if m["git"] else "revision unknown"
    quick = "A QUICK RUN, ITS NUMBERS MEAN NOTHING. " if result["quick"] else ""
    software = f"torch {m['torch']}, numba {m['numba']}, Python {m['python']}"
    return f"{quick}{m['machine']}; {software}; {revision}; {m['date'][:10]}"


def unmeasured(result: dict[str, Any]) -> str:
    """What a result does not hold, in one sentence."""
    kinds = result["grid"]["students"].values()
    runs, there = (sum(kind[name] for kind in kinds) for name in ("runs", "there"))
    missing = [] if result["whole"]["gpu"] else ["a GPU, which was not there"]
    if there < runs:
        missing.append(f"the main grid, of whose {runs} runs {there} were stored")
    return f"Not measured: {'; '.join(missing)}." if missing else "Nothing was left out."


def number(value: float) -> str:
    """Three digits, never an exponent where digits will do: 0.0350, 18.0, 1,116."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:#.3g}".rstrip(".")


def median_text(measured: Spread) -> str:
    """Median and range, as in ``18.0 [16.5, 19.1]``."""
    return f"{number(measured['median'])} [{number(measured['low'])}, {number(measured['high'])}]"


def mean_text(ratio: Mapping[str, float], digits: int) -> str:
    """Mean and interval of timings in pairs, as in ``1.01 [0.99, 1.03]``."""
    return f"{Interval(ratio['mean'], ratio['low'], ratio['high']):.{digits}f}"


def percentages(parts: dict[str, Spread]) -> dict[str, float]:
    """Percent of an epoch that its parts take by their medians; "backward" is what the others leave."""
    found = {name: 100 * part["median"] / parts["epoch"]["median"] for name, part in parts.items()}
    return found | {"backward": 100 - found["shuffle"] - found["forward"] - found["update"]}


def of_roof(rate: dict[str, Any], inputs: int, threads: int) -> list[float]:
    """Percent of the roof that the kernel reaches at each width, by the medians."""
    (found,) = (r["gflops"] for r in rate["kernel"] if (r["inputs"], r["threads"]) == (inputs, threads))
    return [100 * cell["median"] / rate["roof"][f"{threads}"]["median"] for cell in found]


def power_of_growth(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Exponent p of the power law ``cost ~ size^p`` that fits best, least squares in the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def _measured(spread: Spread) -> tuple[str, str]:
    return median_text(spread), f"{spread['n']}"


def _whole(result: dict[str, Any]) -> Rows:
    whole, count = result["whole"], result["machine"]["threads"]
    ways = {
        "alone": "plain loop, one student after the other",
        "at_once": f"{count} plain loops at once, one thread each",
    }
    rows: Rows = [
        (label, median_text(whole["plain"][way]), *_measured(whole["ratio"][way])) for way, label in ways.items()
    ]
    engine, n = _measured(whole["engine"])
    rows.append(("the engine", engine, "–", n))
    if whole["gpu"]:
        seconds = whole["gpu"]["seconds"]
        part = number(seconds / whole["engine"]["median"])
        rows.append((f"PyTorch's loop on a GPU, {whole['gpu']['device']}", number(seconds), part, "1"))
    return rows


def _loops(loops: dict[str, Any]) -> Rows:
    every = {f"plain loop: {name}": spread for name, spread in loops["ms_per_epoch"].items()}
    return [
        (label, *_measured(spread)) for label, spread in (every | {"the engine, on one core": loops["engine"]}).items()
    ]


def _rate(rate: dict[str, Any]) -> Rows:
    rows: Rows = []
    for kernel in rate["kernel"]:
        cells = (*kernel["gflops"], rate["roof"][f"{kernel['threads']}"])
        rows.append((f"{kernel['inputs']}", f"{kernel['threads']}", *(number(cell["median"]) for cell in cells)))
    return rows


def _part(parts: dict[str, Spread], share: dict[str, float], name: str) -> tuple[str, str]:
    return number(share[name] * parts["epoch"]["median"] / 100), f"{share[name]:.0f}"


def _growth(result: dict[str, Any], axis: str, what: str, fixed: str) -> tuple[str, tuple[str, ...], Rows]:
    title = f"Cost against {what} at {fixed}, none dropped, ms per student and epoch; {RANGE}"
    cells = zip(result["sizes"][axis], result["growth"][axis], strict=True)
    return title, (what, "ms"), [(f"{size:,}", median_text(cost)) for size, cost in cells]


def _torch(ratio: dict[str, Any]) -> tuple[str, tuple[str, ...], Rows]:
    cells = {(cell["batch"], cell["width"]): cell for cell in ratio["cells"]}
    title = (
        "What SpectralLinear costs in ordinary PyTorch: time of a step of one network over that with nn.Linear; "
        f"mean [95 % interval] of {ratio['cells'][0]['n']} pairs"
    )
    rows = [
        (f"{batch:,}", *(mean_text(cells[batch, width], 2) for width in ratio["widths"])) for batch in ratio["batches"]
    ]
    return title, ("patterns in a batch", *(f"{width:,} nodes" for width in ratio["widths"])), rows


def _grid(result: dict[str, Any]) -> tuple[str, tuple[str, ...], Rows]:
    grid, kinds, cores = result["grid"], result["grid"]["students"], result["machine"]["threads"]
    total = {key: sum(kind[key] for kind in kinds.values()) for key in kinds[STUDENTS[0]]}
    rows: Rows = []
    for name, kind in (*((name, kinds[name]) for name in STUDENTS), ("all", total)):
        complete = kind["there"] == kind["runs"]
        hours = [number(kind["cpu_seconds"] / 3600 / part) if complete else "–" for part in (1, cores)]
        memory = f"{grid['peak_memory_mib'] / 1024:.2f} GiB" if name == "all" and complete else "–"
        rows.append((name, f"{kind['there']} of {kind['runs']}", *hours, memory))
    title = f"The main grid, from the records of its stored runs, hours; on: {'; '.join(grid['machines']) or 'none'}"
    return title, ("students", "runs", "processor time", f"wall time on {cores} cores", "peak memory"), rows
