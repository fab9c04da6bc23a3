"""An experiment in parts: some members trained here, others elsewhere, and all of them one result.

A member's numbers do not depend on who else is there, so any process can train any range of members, and what they
make together is, bit for bit, what one process makes. A part hands back its students and what was seen of them on the
way. What is kept of a run, `spectral.lab.results.record`, is then made of all members at once: how far nodes are pruned
depends on the widest of them.

Nothing here knows how parts travel; see `spectral.lab.cluster`.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from spectral.engine.ladder import measure
from spectral.engine.plan import diverged
from spectral.engine.train import History, TrainingDiverged, which_loop
from spectral.lab.config import ExperimentConfig
from spectral.lab.experiment import Trained, compute, draw_task, make_student
from spectral.lab.provenance import machine, peak_memory_mib
from spectral.lab.results import record, score_epochs, told_of_memory
from spectral.lab.store import Arrays
from spectral.students import as_student
from spectral.tasks import Teacher

Range = tuple[int, int]
"""Members from the first to the one before the second, by their place in the experiment."""

_SEEN = ("train_mse", "validation_mse", "test_mse", "scores", "eigenvalues")  # (R, E) or (S, E, h_S)


class Part(NamedTuple):
    """Members of an experiment that have been trained. It holds tensors, numbers, strings and dictionaries only.

    Attributes
    ----------
    first, end:
        They are the members from `first` to the one before `end`.
    tensors:
        Parameters of the students, what was recorded, and weights of what stands on a ladder's rungs, by name.
    loop:
        Which loop trained them.
    where:
        Host and machine, wall and processor seconds, and the process's peak of memory.
    """

    first: int
    end: int
    tensors: dict[str, Tensor]
    loop: str
    where: dict[str, Any]


def grain(config: ExperimentConfig) -> int:
    """How many members have to stay together: parts begin and end at multiples of this.

    All students of a teacher that are to make one network; and all of an experiment where PyTorch's loop trains, in
    which rounding depends on how many there are.
    """
    if which_loop(make_student(config, config.members[:1])) == "torch":
        return len(config.members)
    return config.trials if config.ladder == "cluster" else 1


def missing(count: int, parts: Iterable[Part]) -> list[Range]:
    """What of `count` members is in none of the parts."""
    gaps, reached = [], 0
    for first, end in sorted((part.first, part.end) for part in parts):
        if first > reached:
            gaps.append((reached, first))
        reached = max(reached, end)
    return [*gaps, (reached, count)] if reached < count else gaps


def cut(gaps: list[Range], size: int) -> Range:
    """Take up to `size` members from the front of `gaps`, which are changed."""
    first, end = gaps[0]
    middle = min(first + size, end)
    gaps[:1] = [(middle, end)] if middle < end else []
    return first, middle


def train_part(config: ExperimentConfig, first: int, end: int) -> Part:
    """Train some members, on one thread.

    Raises
    ------
    TrainingDiverged
        If a loss stops being finite; members have the numbers of the whole experiment.
    OutOfMemory
        If they do not fit into memory.
    """
    _prepare_thread()
    start, before = time.monotonic(), os.times()
    try:
        seen = score_epochs(config.epochs, config.traced)
        with told_of_memory(config, end - first):
            trained = compute(config, config.members[first:end], scores_at=seen, progress=False)
    except TrainingDiverged as error:
        raise diverged([first + member for member in error.members], error.epoch, error.learning_rate) from None
    seconds, after = time.monotonic() - start, os.times()
    # The process may train other parts beside this one, which has one thread.
    busy = min(seconds, after.user + after.system - before.user - before.system)
    where = {
        **{"host": socket.gethostname(), "machine": machine()},
        **{"seconds": seconds, "cpu_seconds": busy, "peak_memory_mib": peak_memory_mib()},
    }
    return Part(first, end, _tensors(trained), trained.loop, where)


def join(config: ExperimentConfig, parts: Sequence[Part]) -> Trained:
    """All members of an experiment, from its parts in any order.

    Raises
    ------
    ValueError
        If they are not every member once.
    """
    parts = sorted(parts, key=lambda part: part.first)
    ends = [0, *(part.end for part in parts)]
    if ends[-1] != len(config.members) or any(part.first != end for part, end in zip(parts, ends, strict=False)):
        raise ValueError(
            f"parts must be each of the {len(config.members)} members once; got "
            f"{', '.join(f'{part.first} to {part.end - 1}' for part in parts) or 'none'}"
        )
    tensors, first = [part.tensors for part in parts], parts[0].tensors

    def every(name: str, axis: int) -> Tensor:
        return torch.cat([own[name] for own in tensors], axis)

    student = make_student(config)
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            parameter.copy_(every(name, 0))
    history = History(
        epochs=tuple(first["epochs"].tolist()),
        score_epochs=tuple(first["score_epochs"].tolist()),
        **{name: every(name, 1) for name in _SEEN if name in first},
    )
    networks = {}
    for nodes in config.rungs if config.ladder != "none" else ():
        weights = every(f"rung {nodes} first", 0), every(f"rung {nodes} second", 0)
        networks[nodes] = as_student(Teacher(*weights, config.activation))
    task = draw_task(config)
    rungs = measure(networks, task) if networks else None  # together: errors are rounded by how many there are
    seconds, loop = sum(part.where["seconds"] for part in parts), parts[0].loop
    return Trained(config, task, student, history, seconds, loop, rungs, networks)  # type: ignore[arg-type]


def join_and_record(config: ExperimentConfig, parts: Sequence[Part]) -> Arrays:
    """What is kept of an experiment that was trained in parts; errors as in `join` and `train_part`."""
    _prepare_thread()
    with told_of_memory(config, len(config.members)):
        return record(join(config, parts))


def origin(parts: Sequence[Part]) -> dict[str, Any]:
    """What provenance says of an experiment's parts: on which machines they were trained, and what that took."""
    hosts: dict[str, int] = {}
    for part in parts:
        hosts[part.where["host"]] = hosts.get(part.where["host"], 0) + part.end - part.first
    peaks = [part.where["peak_memory_mib"] for part in parts if part.where["peak_memory_mib"] is not None]
    return {
        "machine": "; ".join(sorted({part.where["machine"] for part in parts})),
        "hosts": hosts,  # and how many members each has trained
        "cpu_seconds": sum(part.where["cpu_seconds"] for part in parts),
        "peak_memory_mib": max(peaks, default=None),
        "loop": parts[0].loop,
    }


def _prepare_thread() -> None:
    """One thread, so that processes side by side do not take each other's cores; and as `python -m spectral` trains."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def _tensors(trained: Trained) -> dict[str, Tensor]:
    history = trained.history
    tensors: dict[str, Tensor] = dict(trained.student.named_parameters())
    tensors |= {"epochs": torch.tensor(history.epochs), "score_epochs": torch.tensor(history.score_epochs)}
    tensors |= {name: getattr(history, name) for name in _SEEN if getattr(history, name) is not None}
    for nodes, network in trained.networks.items():
        tensors |= {f"rung {nodes} {layer}": getattr(network, layer).weight for layer in ("first", "second")}
    # Copies: a view would take along all that it is a view of.
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}
