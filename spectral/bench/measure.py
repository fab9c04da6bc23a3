"""What training costs on this machine, measured: against a plain loop, against the processor, and as sizes grow.

Shared machines drift by tens of percent within minutes. What is compared is therefore timed in turns, round after
round, and a number is given as its median and range over the rounds.

Axes: E members, d inputs, h_S hidden nodes, m second-layer nodes.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch

from spectral.bench.loops import (
    PLAIN_LOOPS,
    Engine,
    at_once,
    module_loops,
    parts,
    plain_loop,
    square_product,
    whole_run,
)
from spectral.bench.timing import Call, Spread, cost_ratio, interleaved, median_range, timed
from spectral.engine.plan import SAVE_EVERY
from spectral.lab.config import ExperimentConfig
from spectral.lab.files import DamagedResult
from spectral.lab.presets import Experiment, configurations, experiments
from spectral.lab.provenance import describe, revision
from spectral.lab.results import score_epochs
from spectral.lab.store import CheckpointFile, Store
from spectral.prune import node_scores
from spectral.stats.intervals import by_teacher, jackknife

FORMAT = 3
"""Of a result; moves when its content is arranged in another way."""


@dataclass(frozen=True)
class Sizes:
    """What is measured, and how often."""

    config: ExperimentConfig  # the run that is timed whole
    slow: bool = True  # also what has to be compiled first: a plain loop, and the kernel from nothing
    repeats: int = 3  # whole runs, and starts
    blocks: int = 5  # timings of each plain loop before the first whole run and after each
    block_epochs: int = 25
    rounds: int = 9  # of everything else
    least: float = 0.1  # seconds that a timing lasts
    members: tuple[int, ...] = (1, 3, 10, 30, 100, 300)  # E, at one h_S
    members_width: int = 40
    widths: tuple[int, ...] = (10, 30, 100, 300, 1_000, 2_000)  # h_S, at one E
    widths_members: int = 10
    rate_inputs: tuple[int, ...] = (5, 10, 40)  # d = m, for the rate of the kernel at all widths
    square: int = 2_048  # rows of the matrices whose product says what the processor can do
    parts_widths: tuple[int, ...] = (24, 200)  # as trained students have, and as they begin
    pairs: int = 60  # of timings of spectral and direct epochs
    torch_batches: tuple[int, ...] = (30, 300, 3_000)  # patterns, of networks in ordinary PyTorch
    torch_widths: tuple[int, ...] = (40, 200, 1_000)  # h_S, each with every batch
    torch_pairs: int = 40  # of timings of each of them with either layer
    checkpoint_width: int = 1_000


FULL = Sizes(configurations("paper")["grid/spectral/200"])
QUICK = Sizes(
    ExperimentConfig(trials=3, student_hidden=12, epochs=4, patterns=250, test_patterns=100, batch_size=60),
    slow=False,
    repeats=1,
    block_epochs=1,
    rounds=2,
    least=0.0,
    members=(1, 3),
    widths=(4, 16),
    rate_inputs=(10,),
    square=64,
    parts_widths=(8,),
    pairs=3,
    torch_batches=(20, 60),
    torch_widths=(4, 8),
    torch_pairs=3,
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
    report("starting the engine, from nothing and again")
    result["start"] = _start(s)
    report("ways to write the plain loop")
    result["loops"] = _loops(s)
    report(f"{s.repeats} whole runs, and the plain loop between them")
    result["whole"] = _whole(s, result["loops"]["chosen"])
    report("the kernel against the processor")
    result["rate"] = _rate(s)
    report("cost against members and nodes; the parts of an epoch")
    result["growth"] = {
        "members": _growth(s, [(size, s.members_width) for size in s.members]),
        "widths": _growth(s, [(s.widths_members, size) for size in s.widths]),
    }
    result["parts"] = {f"{width}": _parts(s, width) for width in s.parts_widths}
    report("spectral steps against direct ones, by the engine and in ordinary PyTorch; checkpoints")
    result["step_cost_ratio"] = _step_cost_ratio(s)
    result["torch_cost_ratio"] = _torch_cost_ratio(s)
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


def operations(inputs: int, second: int) -> int:
    """Floating-point operations of a training step for each pattern and hidden node, 4 d + 6 m.

    Every product of a pattern's number with a weight is a multiplication and an addition. Forward there are d of them
    into the node and m out of it, 2 d + 2 m; the way back to the node's output takes 2 m, and the gradients of the
    same d + m weights take 2 d + 2 m. What does not grow with patterns times nodes times d or m is not counted.
    """
    return 4 * inputs + 6 * second


def counted_ratios(inputs: int, second: int, width: int, batch: int) -> tuple[float, float]:
    """What is counted, of a spectral student over a direct one: parameters trained, multiplications of a step.

    A direct student trains (d + m) h parameters, and a pattern and node takes 2 d + 3 m multiplications, half of the
    `operations`. The eigenvalues are h parameters more. However large the batch, they add 3 d h multiplications: of phi
    with lam_out, for the weights, and of the weights' gradients with lam_out and with phi, for the gradients of phi and
    of lam_out. What penalties and Adam do with each parameter is not counted.
    """
    parameters, multiplications = width * (inputs + second), batch * width * operations(inputs, second) / 2
    return 1 + width / parameters, 1 + 3 * inputs * width / multiplications


def grid_cost(grid: Iterable[Experiment], store: Store) -> dict[str, Any]:
    """What the stored results of a grid say that they cost.

    "students" has of each kind how many "runs" there should be and are "there", and the "cpu_seconds" of these.
    Processor time also holds where runs shared a machine; wall time does not. "peak_memory_mib" is the largest that
    one of the processes reached.
    """
    students: dict[str, dict[str, float]] = {}
    memory, machines = 0, set()
    for experiment in grid:
        kind = students.setdefault(experiment.student, {"runs": 0, "there": 0, "cpu_seconds": 0})
        kind["runs"] += 1
        try:
            found = store.provenance(experiment.config.hash())
        except (KeyError, DamagedResult):
            continue
        kind["there"] += 1
        kind["cpu_seconds"] += found["cpu_seconds"]
        memory = max(memory, found["peak_memory_mib"] or 0)
        machines.add(found["machine"])
    return {"students": students, "peak_memory_mib": memory, "machines": sorted(machines)}


def stored_costs(chosen: Iterable[Experiment], store: Store) -> dict[Experiment, dict[str, float]]:
    """What stored results say that they cost, of each of the `chosen` experiments that is there.

    That is "students", how many were trained, their "cpu_seconds", and "peak_memory_mib", of the process. Where members
    have a ladder of sizes, its trainings are in their time.
    """
    found = {}
    for experiment in chosen:
        try:
            said = store.provenance(experiment.config.hash())
        except (KeyError, DamagedResult):
            continue
        found[experiment] = {
            "students": len(experiment.config.members),
            "cpu_seconds": said["cpu_seconds"],
            "peak_memory_mib": said["peak_memory_mib"] or 0,
        }
    return found


def _machine(config: ExperimentConfig) -> dict[str, Any]:
    described = describe(config) | revision()
    names = ("machine", "device", "torch", "numba", "python", "numpy", "engine", "date", "git", "dirty")
    return {name: described[name] for name in names} | {"threads": torch.get_num_threads()}


def _start(s: Sizes) -> dict[str, Spread]:
    """Seconds of a process that trains one student for one epoch; cold has to compile the kernel, warm finds it."""
    one = replace(s.config, teachers=1, trials=1, epochs=1)
    seconds: dict[str, list[float]] = {"cold": [], "warm": []}
    for _ in range(s.repeats):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache:
            for kind in seconds:
                seconds[kind].append(whole_run(one, cache=cache if s.slow else "")[1])
    return {kind: median_range(values) for kind, values in seconds.items()}


def _loops(s: Sizes) -> dict[str, Any]:
    """Milliseconds per epoch of one student: of the plain loops, the fastest of which is chosen, and of the engine."""
    compiler = s.slow and shutil.which("g++") is not None
    names = [name for name, options in PLAIN_LOOPS.items() if compiler or not options.get("compiled")]
    calls = {name: plain_loop(s.config, name).epoch for name in names}
    engine = Engine(replace(s.config, teachers=1, trials=1))
    times = interleaved(calls | {"engine": engine.epochs}, s.rounds, s.least)
    loops = {name: median_range(times[name], 1e3) for name in names}
    chosen = min(loops, key=lambda name: loops[name]["median"])
    return {"ms_per_epoch": loops, "chosen": chosen, "engine": median_range(times["engine"], 1e3)}


def _whole(s: Sizes, chosen: str) -> dict[str, Any]:
    """Seconds of whole runs, and of the plain loop: one student after the other, and as many at once as cores."""
    student_epochs, loops, engine, gpu = s.config.epochs * len(s.config.members), torch.get_num_threads(), [], None
    alone = plain_loop(s.config, chosen)
    alone.epoch()
    plain: dict[str, list[list[float]]] = {"alone": [], "at_once": []}
    with at_once(s.config, chosen, loops) as train:

        def blocks() -> None:
            pairs = [
                (timed(alone.epoch, s.block_epochs), timed(lambda: train(s.block_epochs)) / (loops * s.block_epochs))
                for _ in range(s.blocks)
            ]
            for way, seconds in zip(plain.values(), zip(*pairs, strict=True), strict=True):
                way.append(list(seconds))

        train(1)
        blocks()
        for _ in range(s.repeats):
            engine.append(whole_run(s.config)[0])
            blocks()
    if torch.cuda.is_available():
        gpu = {"seconds": whole_run(s.config, "cuda")[0], "device": torch.cuda.get_device_name()}
    return {
        "student_epochs": student_epochs,
        "engine": median_range(engine),
        "plain": {
            way: median_range([t for moment in every for t in moment], student_epochs) for way, every in plain.items()
        },
        "ratio": {way: median_range(extrapolated(every, engine, student_epochs)) for way, every in plain.items()},
        "gpu": gpu,
    }


def _rate(s: Sizes) -> dict[str, Any]:
    """GFLOP/s of the kernel on one core and on all, and of a large product of matrices, which is the roof."""
    threads = sorted({1, torch.get_num_threads()})
    chosen = [(inputs, count) for inputs in s.rate_inputs for count in threads]
    engines = {
        (*which, width): Engine(_students(s, which[1], width, input_dim=which[0], teacher_second=which[0]), which[1])
        for which in chosen
        for width in s.widths
    }
    products = {count: square_product(s.square, count) for count in threads}
    seconds, roofs = _epochs(s, engines, products)
    patterns = s.config.train_patterns

    def rate(inputs: int, count: int, width: int) -> Spread:
        done = 1e-9 * count * patterns * width * operations(inputs, inputs)
        return median_range([done / t for t in seconds[inputs, count, width]])

    return {
        "roof": {f"{count}": median_range([2e-9 * s.square**3 / t for t in roofs[count]]) for count in threads},
        "kernel": [
            {"inputs": inputs, "threads": count, "gflops": [rate(inputs, count, width) for width in s.widths]}
            for inputs, count in chosen
        ],
    }


def _growth(s: Sizes, sizes: Sequence[tuple[int, int]]) -> list[Spread]:
    """Milliseconds per student and epoch, none dropped, for every pair of E and h_S."""
    engines = {(members, width): Engine(_students(s, members, width)) for members, width in sizes}
    seconds, _ = _epochs(s, engines)
    return [median_range(seconds[members, width], 1e3 / members) for members, width in sizes]


def _students(s: Sizes, members: int, width: int, **changes: Any) -> ExperimentConfig:
    return replace(s.config, teachers=1, trials=members, student_hidden=width, **changes)


def _epochs(
    s: Sizes, engines: Mapping[Any, Engine], others: Mapping[Any, Call] | None = None
) -> tuple[dict[Any, list[float]], dict[Any, list[float]]]:
    """Seconds of an epoch of each of the `engines`, and of a call of each of the `others`, timed in turns.

    Small students train for some epochs in one go, as in a run, where handing work to a thread does not count.
    """
    many = {key: max(1, 600 // engine.members[0].student.student_hidden) for key, engine in engines.items()}
    calls: dict[Any, Call] = {key: partial(engine.epochs, many[key]) for key, engine in engines.items()}
    times = interleaved(calls | dict(others or {}), s.rounds, s.least)
    epochs = {key: [t / many[key] for t in times[key]] for key in engines}
    return epochs, {key: times[key] for key in others or {}}


def _parts(s: Sizes, width: int) -> dict[str, Spread]:
    """Milliseconds of an epoch of one student, and of its parts, each timed alone."""
    times = interleaved(parts(replace(s.config, student_hidden=width)), s.rounds, s.least)
    return {name: median_range(seconds, 1e3) for name, seconds in times.items()}


def _step_cost_ratio(s: Sizes) -> dict[str, Any]:
    """Time of spectral steps, an epoch of them, over that of direct ones, mean over pairs with Student's t."""
    spectral, direct = (Engine(config) for config in (s.config, s.config.direct_twin()))
    return _ratio(spectral.epochs, direct.epochs, s.pairs)


def _torch_cost_ratio(s: Sizes) -> dict[str, Any]:
    """The same of one network in ordinary PyTorch, equally many steps of both; a cell for each batch and width."""
    cells = []
    for batch, width in product(s.torch_batches, s.torch_widths):
        loops = module_loops(replace(s.config, batch_size=batch, student_hidden=width))
        for loop in loops:
            loop.steps(10)  # to warm up
        count = max(1, math.ceil(s.least / timed(loops[1].steps, 10)))
        spectral, direct = (partial(loop.steps, count) for loop in loops)
        cells.append({"batch": batch, "width": width} | _ratio(spectral, direct, s.torch_pairs))
    return {"batches": s.torch_batches, "widths": s.torch_widths, "cells": cells}


def _ratio(first: Call, second: Call, pairs: int) -> dict[str, float]:
    """Mean of `cost_ratio` with its 95 % interval."""
    found = jackknife(by_teacher(cost_ratio(first, second, pairs)))  # pairs are the units
    return {"mean": found.value, "low": found.low, "high": found.high, "n": pairs}


def _checkpoint(s: Sizes) -> dict[str, Any]:
    """Milliseconds to save the state of an unfinished run, and their part of the time between two saves."""
    members = Engine(replace(s.config, student_hidden=s.checkpoint_width)).members
    for member in members:  # as towards the end of a run, without the few numbers that were recorded of errors
        member.scores = [node_scores(member.student) for _ in score_epochs(s.config.epochs)]
    state = {"members": [member.state() for member in members]}
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
