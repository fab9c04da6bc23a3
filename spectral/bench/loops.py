"""What a measurement times: a plain PyTorch loop, and the engine, whole and in parts.

The plain loop is what a competent user of PyTorch writes for one student: automatic differentiation, Adam, penalties
as its ``weight_decay``, patterns in memory, shuffled once an epoch, nothing that waits for a number. It sees the
batches of one of the engine's members and trains the same student, which a test holds. What its epoch costs does not
depend on what the student has learned, so a few epochs tell what all epochs of all students, one after the other, cost.
The engine becomes faster as nodes leave, and is timed whole, in a process of its own.

Axes: E members, B batch, P patterns, d inputs, h hidden nodes, m second-layer nodes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spectral.activations import activation as lookup
from spectral.bench.timing import Call, timed
from spectral.engine import kernel
from spectral.engine.members import Apprentice, workers
from spectral.engine.plan import ADAM_BETAS, ADAM_EPS, Plan, adam
from spectral.lab.config import ExperimentConfig
from spectral.lab.experiment import compute, draw_task, make_student, prepare
from spectral.layers import SpectralLinear
from spectral.penalties import penalised, split_l2
from spectral.streams import member_streams, order_keys, stream
from spectral.students import Student
from spectral.tasks import Task

PLAIN_LOOPS: dict[str, dict[str, Any]] = {
    "Adam as it comes": {},
    "Adam, foreach": {"foreach": True},
    "Adam, fused": {"fused": True},
    "Adam, fused; one thread": {"fused": True, "threads": 1},
    "Adam, fused; model compiled": {"fused": True, "compiled": True},
}
"""Ways to write the plain loop; the engine is compared with the fastest."""


class PlainLoop:
    """One `member` of a batch of untrained students, trained alone in one of the `PLAIN_LOOPS`, by `name`."""

    def __init__(self, config: ExperimentConfig, task: Task, student: Student, name: str, member: int = 0) -> None:
        options = dict(PLAIN_LOOPS[name])
        compiled, self._threads = options.pop("compiled", False), options.pop("threads", None)
        self.first = SpectralLinear.from_linear(student.first.to_linear(member))
        self.first.lam_out.requires_grad_(student.first.lam_out.requires_grad)
        self.second = student.second.to_linear(member)
        self._x, self._y, self._batch = task.train.x[member], task.train.y[member], config.batch_size
        self._key, self._epoch = int(order_keys([stream(config.members[member], "order")])), 0
        self._order, self._hashes = np.empty(len(self._y), np.int64), np.empty((2, len(self._y)), np.uint64)
        self._activation = lookup(config.activation).apply
        # Twice the strength of an L2 penalty is Adam's weight_decay, which costs less than a term of the loss.
        groups: list[dict[str, Any]] = [
            {"params": [factor], "weight_decay": 2 * strength}
            for factor, strength in penalised(self.first, config.l2_phi, config.l2_lam)
        ]
        groups.append({"params": list(self.second.parameters())})
        self._adam = torch.optim.Adam(groups, lr=config.learning_rate, betas=ADAM_BETAS, eps=ADAM_EPS, **options)
        self._loss = torch.compile(self._error, dynamic=False) if compiled else self._error

    def _error(self, x: Tensor, y: Tensor) -> Tensor:
        g = self._activation
        return nn.functional.mse_loss(g(self.second(g(self.first(x)))).sum(-1), y)

    def epoch(self) -> None:
        """Train for one epoch."""
        threads = torch.get_num_threads()
        torch.set_num_threads(self._threads or threads)
        self._epoch += 1
        kernel.shuffle(self._key, self._epoch, self._order, self._hashes)  # takes as long as torch.randperm
        order = torch.from_numpy(self._order)
        x, y = self._x.index_select(0, order), self._y[order]  # faster than x[order]
        for xb, yb in zip(x.split(self._batch), y.split(self._batch), strict=True):
            self._adam.zero_grad()
            self._loss(xb, yb).backward()
            self._adam.step()
        torch.set_num_threads(threads)


def plain_loop(config: ExperimentConfig, name: str) -> PlainLoop:
    """The first student of `config` in one of the `PLAIN_LOOPS`."""
    alone = replace(config, teachers=1, trials=1, test_patterns=1)
    return PlainLoop(alone, *prepare(alone), name)


@contextmanager
def at_once(config: ExperimentConfig, name: str, count: int) -> Iterator[Callable[[int], None]]:
    """So many plain loops, each in a process of its own with one thread: a function that has all train some epochs.

    It returns when the last one is through.
    """
    call = [sys.executable, "-m", "spectral.bench.loops", "plain", name, json.dumps(config.changed())]
    pipe = subprocess.PIPE
    loops = [subprocess.Popen(call, stdin=pipe, stdout=pipe, text=True) for _ in range(count)]

    def epochs(number: int) -> None:
        for loop in loops:
            print(number, file=loop.stdin, flush=True)
        if not all(loop.stdout and loop.stdout.readline() for loop in loops):
            raise RuntimeError(f"a process of the plain loop {name!r} has ended before its time")

    try:
        yield epochs
    finally:
        for loop in loops:
            loop.communicate()  # no more orders: it ends


class Engine:
    """The members of `config` as `spectral.engine.members` trains them, dropping no node, in pieces that can be timed.

    So many `threads` take members from one queue, by default as many as PyTorch uses.
    """

    def __init__(self, config: ExperimentConfig, threads: int | None = None) -> None:
        task, student = prepare(replace(config, test_patterns=1))
        options = (config.learning_rate, config.l2_phi, config.l2_lam, config.group_lasso)
        plan = Plan(config.epochs, config.batch_size, *options, config.trained == "alternate", False, (), ())
        keys = order_keys(member_streams(config.members, "order"))
        self.members = [Apprentice(student, task, index, int(key), plan) for index, key in enumerate(keys)]
        self.patterns = [(x.T.contiguous().numpy(), y.numpy()) for x, y in zip(task.train.x, task.train.y, strict=True)]
        batch = slice(config.batch_size)
        self._batches = [(np.ascontiguousarray(x[:, batch]), y[batch]) for x, y in self.patterns]
        self._epoch, self._stop = 1, np.zeros(1, np.uint8)
        self._pool = workers(torch.get_num_threads() if threads is None else threads)

    def epochs(self, count: int = 1) -> None:
        """Train for so many epochs."""
        self._train(self.patterns, count)

    def steps(self, count: int = 1) -> None:
        """Train for so many steps on one minibatch."""
        self._train(self._batches, count)

    def _train(self, patterns: list[tuple[np.ndarray, np.ndarray]], count: int) -> None:
        first, end = self._epoch, self._epoch + count
        losses = np.zeros((len(self.members), count))
        # Whole epochs and nothing else: what `Apprentice.advance` does besides, every fifty epochs, is recording.
        calls = [
            self._pool.submit(member._epochs, own, first, end, loss, self._stop)
            for member, own, loss in zip(self.members, patterns, losses, strict=True)
        ]
        for call in calls:
            call.result()
        if not np.isfinite(losses).all():
            raise FloatingPointError("a loss is no longer finite, and what is timed ends early")
        self._epoch = end


def parts(config: ExperimentConfig) -> dict[str, Call]:
    """Functions that do what an epoch of the first student of `config` consists of, with operands that are there."""
    engine = Engine(replace(config, teachers=1, trials=1), 1)
    (member,), (patterns,) = engine.members, engine.patterns
    count = len(patterns[1])
    order, hashes = np.empty(count, np.int64), np.empty((2, count), np.uint64)
    state = member._values, member._means, member._squares, member._steps, member._rule, member._scratch
    return {
        "epoch": engine.epochs,
        "shuffle": lambda: kernel.shuffle(member._key, 1, order, hashes),
        "forward": lambda: kernel.squared_error(*patterns, member._values, member._rule, member._scratch),
        "update": lambda: _updates(-(-count // config.batch_size), *state),
    }


def _take_updates(
    count: int,
    values: kernel.Numbers,
    means: kernel.Numbers,
    squares: kernel.Numbers,
    steps: np.ndarray,
    rule: kernel.Rule,
    work: kernel.Scratch,
) -> None:
    """All of an epoch that does not depend on the number of patterns, with the gradients that are there."""
    for _ in range(count):
        kernel._set_weights(values, rule, work)
        kernel._update(values, means, squares, steps, rule, work, True, True)


# Not kept on disk: numba would not notice there that the kernel has changed.
_updates = kernel._part(_take_updates)


def square_product(rows: int, threads: int) -> Call:
    """A function that multiplies two square matrices of float32 on so many threads."""
    matrix = torch.ones(rows, rows)

    def multiply() -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        _ = matrix @ matrix
        torch.set_num_threads(before)

    return multiply


class ModuleLoop:
    """The first student of `config`, of relu nodes, as an ordinary network with any layer `first`.

    What someone has who exchanges one layer: automatic differentiation, PyTorch's fused Adam, and a `penalty` that is
    a term of the loss.
    """

    def __init__(self, config: ExperimentConfig, first: nn.Module, penalty: Callable[[], Tensor]) -> None:
        train, batch = draw_task(config, config.members[:1]).train, slice(config.batch_size)
        self._x, self._y, self._penalty = train.x[0, batch], train.y[0, batch], penalty
        self.first, self.second = first, make_student(config, config.members[:1]).second.to_linear(0)
        self._network = nn.Sequential(self.first, nn.ReLU(), self.second, nn.ReLU())
        self._optimiser = adam(self._network, config.learning_rate)

    def steps(self, count: int = 1) -> None:
        """Train for so many steps on one minibatch."""
        for _ in range(count):
            self._optimiser.zero_grad()
            error = (self._network(self._x).sum(-1) - self._y).square().mean()
            (error + self._penalty()).backward()
            self._optimiser.step()


def module_loops(config: ExperimentConfig) -> tuple[ModuleLoop, ModuleLoop]:
    """The loop with `SpectralLinear`, and with an `nn.Linear` of the same weights, which are penalised as phi is."""
    direct = make_student(config, config.members[:1]).first.to_linear(0)
    spectral = SpectralLinear.from_linear(direct)
    return (
        ModuleLoop(config, spectral, lambda: split_l2(spectral, config.l2_phi, config.l2_lam)),
        ModuleLoop(config, direct, lambda: config.l2_phi * direct.weight.square().sum()),
    )


def whole_run(config: ExperimentConfig, device: str = "cpu", *, cache: str = "") -> tuple[float, float]:
    """Wall seconds of `compute` in a fresh process, and of that process from its start to its end.

    The compiled kernel is read from and kept in the folder `cache`, by default where it always is.

    Raises
    ------
    RuntimeError
        If the run fails; with what it said.
    """
    call = [sys.executable, "-m", "spectral.bench.loops", "whole", device, json.dumps(config.changed())]
    environment = os.environ | ({"NUMBA_CACHE_DIR": cache} if cache else {})
    start = time.perf_counter()
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"the run to be timed failed:\n{done.stderr[-2_000:]}")
    return float(done.stdout.splitlines()[-1]), seconds


def _main(kind: str, name: str, settings: str) -> None:
    """What a process of its own does, on the device or in the plain loop of this name."""
    config = ExperimentConfig.from_mapping(json.loads(settings))
    torch.set_flush_denormal(True)
    if kind == "whole":
        print(timed(lambda: compute(config, device=name, progress=False)))
        return
    torch.set_num_threads(1)
    loop = plain_loop(config, name)
    loop.epoch()
    for line in sys.stdin:
        print(timed(loop.epoch, int(line)), flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
