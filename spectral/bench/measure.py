"""What training costs on this machine, measured: against a plain loop, part by part, and as sizes grow.

Shared machines drift by tens of percent within minutes. What is compared is therefore timed in turns, round after
round, and a number is given as its median and range over the rounds.

Axes: E members, h_S hidden nodes.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from spectral.bench.loops import PLAIN_LOOPS, Engine, engine_epochs, plain_loop, whole_run
from spectral.bench.timing import cost_ratio, interleaved, median_range, timed
from spectral.dropping import Roster
from spectral.lab.config import ExperimentConfig
from spectral.lab.experiment import compiling_pays
from spectral.lab.files import DamagedResult
from spectral.lab.presets import Experiment, configurations, experiments
from spectral.lab.provenance import describe, revision
from spectral.lab.results import score_epochs
from spectral.lab.store import CheckpointFile, Store
from spectral.prune import node_scores
from spectral.stats.intervals import by_teacher, jackknife
from spectral.train import SAVE_EVERY, epochs_to_record, members_at_once

FORMAT = 1
"""Of a result; moves when its content is arranged in another way."""


@dataclass(frozen=True)
class Sizes:
    """What is measured, and how often."""

    config: ExperimentConfig  # the run that is timed whole, and whose epochs are taken apart
    repeats: int = 3  # whole runs
    blocks: int = 5  # timings of the plain loop before the first whole run and after each
    block_epochs: int = 25
    rounds: int = 9  # of everything else
    least: float = 0.1  # seconds that a timing lasts
    members: tuple[int, ...] = (1, 3, 10, 30, 100, 300)  # E, at one h_S
    members_width: int = 40
    widths: tuple[int, ...] = (10, 30, 100, 300, 1_000, 2_000)  # h_S, at one E
    widths_members: int = 10
    pairs: int = 60  # of timings of spectral and direct steps
    pair_steps: int = 20
    checkpoint_width: int = 1_000
    square: int = 2_048  # rows of the matrices whose product says what the processor can do


FULL = Sizes(configurations("paper")["grid/spectral/200"])
QUICK = Sizes(
    ExperimentConfig(trials=3, student_hidden=12, epochs=4, patterns=250, test_patterns=100, batch_size=60),
    repeats=1,
    block_epochs=1,
    rounds=2,
    least=0.0,
    members=(1, 3),
    widths=(4, 16),
    pairs=3,
    square=64,
)


def bench(quick: bool, report: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything, some ten minutes on two idle cores, fit for JSON; `spectral.bench.tables` shows it.

    `quick` takes seconds, and its numbers mean nothing. A full measurement sets ``torch.set_flush_denormal(True)``, as
    training does: the plain loop shall not be slowed down by numbers near zero.
    """
    s = QUICK if quick else FULL
    if not quick:
        torch.set_flush_denormal(True)
    result: dict[str, Any] = {"format": FORMAT, "quick": quick, "sizes": asdict(s), "machine": _machine(s.config)}
    report("ways to write the plain loop; what batching and compiling bring")
    result["loops"], result["steps"] = _epochs(s)
    report(f"{s.repeats} whole runs, and the plain loop between them")
    result["whole"] = _whole(s, result["loops"]["chosen"])
    result["steps"]["dropping"] = {"ms": result["whole"]["ms"], "gain": result["whole"]["ratio"]}
    report("cost against members and nodes")
    result["growth"] = {
        "members": _growth(s, [(size, s.members_width) for size in s.members]),
        "widths": _growth(s, [(s.widths_members, size) for size in s.widths]),
    }
    report("the parts of an epoch")
    result["parts"] = _parts(s)
    report("spectral steps against direct ones; checkpoints")
    result["step_cost_ratio"] = _step_cost_ratio(s, compiling_pays(s.config))
    result["step_cost_ratio_eager"] = _step_cost_ratio(s, False)
    result["checkpoint"] = _checkpoint(s)
    grid = [experiment for experiment in experiments("paper") if experiment.design == "grid"]
    result["grid"] = grid_cost(grid, Store.default())
    return dict(json.loads(json.dumps(result, allow_nan=False)))  # as it is read


def extrapolated(plain: Sequence[Sequence[float]], engine: Sequence[float], student_epochs: int) -> list[float]:
    """How many times as long the plain loop takes: each block of its epochs against the run before or after it.

    `plain` holds seconds of an epoch, blocks before the first whole run, between it and the next, and so on; `engine`
    holds seconds of the whole runs, each of which trains for `student_epochs`, students times epochs.
    """
    around = zip(engine, plain[:-1], plain[1:], strict=True)
    return [block * student_epochs / seconds for seconds, *both in around for blocks in both for block in blocks]


def grid_cost(grid: Iterable[Experiment], store: Store) -> dict[str, Any]:
    """What the stored results of a grid say that they cost.

    "students" has of each kind how many "runs" there should be and are "there", and of these wall "seconds",
    "cpu_seconds", and "busy_seconds": processor time over cores, which also holds where runs shared a machine.
    "peak_memory_mib" is the largest that one of the processes reached.
    """
    students: dict[str, dict[str, float]] = {}
    counted, memory, machines = ("runs", "there", "seconds", "cpu_seconds", "busy_seconds"), 0, set()
    for experiment in grid:
        kind = students.setdefault(experiment.student, dict.fromkeys(counted, 0))
        kind["runs"] += 1
        try:
            found = store.provenance(experiment.config.hash())
        except (KeyError, DamagedResult):
            continue
        cores = re.search(r"(\d+) cores", found["machine"])
        kind["there"] += 1
        kind["seconds"] += found["seconds"]
        kind["cpu_seconds"] += found["cpu_seconds"]
        kind["busy_seconds"] += found["cpu_seconds"] / (int(cores[1]) if cores else 1)
        memory = max(memory, found["peak_memory_mib"] or 0)
        machines.add(found["machine"])
    return {"students": students, "peak_memory_mib": memory, "machines": sorted(machines)}


def _machine(config: ExperimentConfig) -> dict[str, Any]:
    described = describe(config) | revision()
    names = ("machine", "device", "torch", "python", "numpy", "engine", "date", "git", "dirty")
    return {name: described[name] for name in names} | {"threads": torch.get_num_threads()}


def _epochs(s: Sizes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Milliseconds per epoch of the plain loops; the same per student, and how many times as fast, of the engine."""
    engines, members = engine_epochs(s.config, compiling_pays(s.config)), len(s.config.members)
    names = [name for name, options in PLAIN_LOOPS.items() if "compiled" in engines or not options.get("compiled")]
    times = interleaved({name: plain_loop(s.config, name).epoch for name in names} | engines, s.rounds, s.least)
    loops = {name: median_range(times[name], 1e3) for name in names}
    chosen = min(loops, key=lambda name: loops[name]["median"])
    steps: dict[str, Any] = {"plain": {"ms": loops[chosen], "gain": median_range([1.0])}, "compiled": None}
    for mode in engines:
        gain = [members * plain / engine for plain, engine in zip(times[chosen], times[mode], strict=True)]
        steps[mode] = {"ms": median_range(times[mode], 1e3 / members), "gain": median_range(gain)}
    return {"ms_per_epoch": loops, "chosen": chosen}, steps


def _whole(s: Sizes, chosen: str) -> dict[str, Any]:
    loop, student_epochs = plain_loop(s.config, chosen), s.config.epochs * len(s.config.members)
    loop.epoch()

    def blocks() -> list[float]:
        return [timed(loop.epoch, s.block_epochs) for _ in range(s.blocks)]

    plain, engine, gpu = [blocks()], [], None
    for _ in range(s.repeats):
        engine.append(whole_run(s.config))
        plain.append(blocks())
    if torch.cuda.is_available():
        gpu = {"seconds": whole_run(s.config, "cuda"), "device": torch.cuda.get_device_name()}
    return {
        "plain_seconds": median_range([block for moment in plain for block in moment], student_epochs),
        "engine_seconds": median_range(engine),
        "ms": median_range(engine, 1e3 / student_epochs),
        "ratio": median_range(extrapolated(plain, engine, student_epochs)),
        "student_epochs": student_epochs,
        "gpu": gpu,
    }


def _growth(s: Sizes, sizes: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Milliseconds per student and epoch, none dropped, for every pair of E and h_S."""
    compiling = compiling_pays(s.config)
    configs = [replace(s.config, teachers=1, trials=members, student_hidden=width) for members, width in sizes]
    calls = {(mode, c): call for c in configs for mode, call in engine_epochs(c, compiling).items()}
    found: dict[str, Any] = {"eager": [], "compiled": [] if compiling else None}
    for (mode, config), seconds in interleaved(calls, s.rounds, s.least).items():
        found[mode].append(median_range(seconds, 1e3 / config.trials))
    return found


def _parts(s: Sizes) -> dict[str, Any]:
    """Milliseconds per epoch of the whole and of its parts, each timed alone; and what the machine can do."""
    config, engine = s.config, Engine(s.config)
    hidden = config.batch_size * config.student_hidden  # activations of a member
    # Copied is as much as a step holds of hidden activations: z1, a1, dL/da1 and dL/dz1 of the members of a chunk.
    source = torch.ones(2 * members_at_once(len(config.members), hidden) * hidden)
    square, target = torch.ones(s.square, s.square), torch.empty_like(source)
    calls = engine_epochs(config, compiling_pays(config)) | engine.parts()
    machine = {"square": lambda: square @ square, "copy": lambda: target.copy_(source)}
    times = interleaved(calls | machine, s.rounds, s.least)
    batches = config.train_patterns / config.batch_size  # the last one is smaller, and so is its work
    counts = dict.fromkeys(("products", "elementwise"), batches)
    counts |= dict.fromkeys(("factors", "update"), math.ceil(batches))
    counts["recording"] = len(epochs_to_record(config.epochs)) / config.epochs
    nodes, number = len(config.members) * hidden, source.element_size()
    operations = 2 * nodes * (2 * config.input_dim + 3 * config.second_nodes)  # of all products of a step
    # An array of hidden activations passes five times: z1 and dL/da1 are written, a1 is read twice, dL/dz1 once.
    moved = 5 * number * nodes
    parts = {name: median_range(t, 1e3 * counts.get(name, 1)) for name, t in times.items() if name in calls}
    return {
        "ms_per_epoch": {"compiled": None} | parts,
        "gflops": median_range([1e-9 * operations / t for t in times["products"]]),
        "gflops_square": median_range([2e-9 * s.square**3 / t for t in times["square"]]),
        "gigabytes_per_second": median_range([2e-9 * number * len(source) / t for t in times["copy"]]),
        "operations_per_byte": operations / moved,
    }


def _step_cost_ratio(s: Sizes, compiled: bool) -> dict[str, Any]:
    """Time of spectral steps over that of direct ones, mean over pairs with Student's t."""
    spectral, direct = (Engine(config, compiled=compiled) for config in (s.config, s.config.direct_twin()))
    ratios = cost_ratio(lambda: spectral.steps(s.pair_steps), lambda: direct.steps(s.pair_steps), s.pairs)
    found = jackknife(by_teacher(ratios))  # pairs are the units
    return {"mean": found.value, "low": found.low, "high": found.high, "n": s.pairs, "compiled": compiled}


def _checkpoint(s: Sizes) -> dict[str, Any]:
    """Milliseconds to save the state of an unfinished run, and their part of the time between two saves."""
    engine = Engine(replace(s.config, student_hidden=s.checkpoint_width))
    engine.steps()  # so that the optimiser has a memory
    state = {  # as in spectral.train, without the few numbers that were recorded of errors
        "roster": Roster(engine.student, engine.optimiser).state(),
        "order": [generator.get_state() for generator in engine.order],
        "scores": [node_scores(engine.student) for _ in score_epochs(s.config.epochs)],
    }
    store = Store.default()
    store.check_writable()
    with tempfile.TemporaryDirectory(dir=store.local) as folder:  # on the disk where checkpoints go
        file = CheckpointFile(Path(folder) / "bench.checkpoint", "bench")
        seconds = interleaved({"save": lambda: file.save(state)}, s.rounds, 0.0)["save"]
        mebibytes = file.path.stat().st_size / 2**20
    return {
        "ms": median_range(seconds, 1e3),
        "percent": median_range(seconds, 100 / SAVE_EVERY),
        "mebibytes": mebibytes,
    }
