"""What a measurement times, a plain PyTorch loop and the engine, whole and in parts.

The plain loop is what a competent user of PyTorch writes for one student: automatic differentiation, Adam, penalties
as its ``weight_decay``, patterns in memory, shuffled once an epoch, nothing that waits for a number. It sees the
batches of one of the engine's members and trains the same student, which a test holds. What its epoch costs does not
depend on what the student has learned, so a few epochs tell what all epochs of all students, one after the other, cost.
The engine becomes faster as nodes leave, and is timed whole, in a process of its own, with the start of the compiler.

Axes: E members, B batch, d inputs, h_S hidden nodes, m second-layer nodes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from spectral.activations import activation as lookup
from spectral.bench.timing import Call
from spectral.lab.config import ExperimentConfig
from spectral.lab.experiment import compiling_pays, compute, draw_task, make_student, prepare
from spectral.layers import SpectralLinear
from spectral.penalties import penalised
from spectral.prune import node_scores
from spectral.streams import drawn_orders, member_streams, stream
from spectral.students import Student
from spectral.tasks import Task
from spectral.train import ADAM_BETAS, ADAM_EPS, adam, gradients_for, members_at_once, mse, shuffled_batches, step

ONE_THREAD = "Adam, fused; one thread"
PLAIN_LOOPS: dict[str, dict[str, Any]] = {
    "Adam as it comes": {},
    "Adam, foreach": {"foreach": True},
    "Adam, fused": {"fused": True},
    ONE_THREAD: {"fused": True, "threads": 1},
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
        self._order, self._activation = stream(config.members[member], "order"), lookup(config.activation).apply
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
        order = torch.randperm(len(self._y), generator=self._order)
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


class Engine:
    """The loop of `spectral.train`, dropping no node, in pieces that can be timed."""

    def __init__(self, config: ExperimentConfig, *, compiled: bool = False, task: Task | None = None) -> None:
        self.task, self.student = draw_task(config) if task is None else task, make_student(config)
        self.order, self.optimiser = member_streams(config.members, "order"), adam(self.student, config.learning_rate)
        self._penalties = penalised(self.student.first, config.l2_phi, config.l2_lam)
        first = slice(config.batch_size)
        self._x, self._y = self.task.train.x[:, first].contiguous(), self.task.train.y[:, first].contiguous()
        self._gradients, self._batch = gradients_for(config.activation, compiled), config.batch_size

    def steps(self, count: int = 1) -> None:
        """Train for so many steps on one minibatch."""
        for _ in range(count):
            step(self.student, self._x, self._y, self.optimiser, self._penalties, self._gradients)

    def _batches(self) -> list[tuple[Tensor, Tensor]]:
        index = drawn_orders(self.order, self.task.train.y.shape[1])
        return shuffled_batches(self.task.train, index, self._batch)

    def epoch(self) -> None:
        """Train for one epoch."""
        for xb, yb in self._batches():
            step(self.student, xb, yb, self.optimiser, self._penalties, self._gradients)

    @torch.no_grad()
    def parts(self) -> dict[str, Call]:
        """Functions that do a part of a step, shuffle, or record an epoch, with operands that are there already."""
        self.steps()  # leaves gradients, and a memory to the optimiser
        student, first, second = self.student, self.student.first, self.student.second
        size = members_at_once(student.members, self._y.shape[1] * student.student_hidden)
        whole = (first.weight, second.weight, self._x, self._y)
        chunks = [_chunk(student.activation, *part) for part in zip(*(t.split(size) for t in whole), strict=True)]
        grad1, grad2 = torch.ones_like(first.weight), torch.ones_like(second.weight)

        @torch.no_grad()
        def factors() -> None:
            _ = first.weight, second.weight
            first.weight_backward(grad1)
            second.weight_backward(grad2)

        @torch.no_grad()
        def update() -> None:
            for factor, strength in self._penalties:
                if factor.grad is not None:
                    factor.grad.add_(factor.detach(), alpha=2 * strength)
            self.optimiser.step()

        sets = (self.task.train, self.task.validation, self.task.test)
        return {
            "products": lambda: [products() for products, _ in chunks],
            "elementwise": lambda: [elementwise() for _, elementwise in chunks],
            "factors": factors,
            "update": update,
            "shuffle": self._batches,
            "recording": lambda: ([mse(student, patterns) for patterns in sets], node_scores(student)),
        }


class ModuleLoop:
    """The first student of `config`, of relu nodes, as an ordinary network with any layer `first`.

    What someone has who exchanges one layer: automatic differentiation, and a `penalty` that is a term of the loss.
    """

    def __init__(self, config: ExperimentConfig, first: nn.Module, penalty: Callable[[], Tensor]) -> None:
        train, batch = draw_task(config, config.members[:1]).train, slice(config.batch_size)
        self._x, self._y, self._penalty = train.x[0, batch], train.y[0, batch], penalty
        self.second = nn.Linear(config.student_hidden, config.second_nodes, bias=False, dtype=train.y.dtype)
        self._network = nn.Sequential(first, nn.ReLU(), self.second, nn.ReLU())
        self._optimiser = adam(self._network, config.learning_rate)

    def steps(self, count: int = 1) -> None:
        """Train for so many steps on one minibatch."""
        for _ in range(count):
            self._optimiser.zero_grad()
            error = (self._network(self._x).sum(-1) - self._y).square().mean()
            (error + self._penalty()).backward()
            self._optimiser.step()


def _chunk(activation: str, w1: Tensor, w2: Tensor, x: Tensor, y: Tensor) -> tuple[Call, Call]:
    """The products and the other operations of `spectral.train` on the members that a step takes at once."""
    g, z1 = lookup(activation), x @ w1.mT
    a1 = g.apply(z1)
    z2 = w2 @ a1.mT

    def second_layer() -> Tensor:
        a2 = g.apply(z2)
        residual = a2.sum(-2) - y
        residual.square().mean(-1)
        return g.backward((residual * (2 / y.shape[-1])).unsqueeze(-2).expand_as(z2), z2, a2)

    d2 = second_layer()
    d1 = g.backward(d2.mT @ w2, z1, a1)

    def products() -> None:
        _ = x @ w1.mT, w2 @ a1.mT, d2.mT @ w2, x.mT @ d1, d2 @ a1

    def elementwise() -> None:
        g.backward(d1, z1, g.apply(z1))
        second_layer()

    return products, elementwise


def engine_epochs(config: ExperimentConfig, compiled: bool) -> dict[str, Call]:
    """Functions that train for one epoch: "eager", and "compiled" if that is asked for."""
    task, modes = draw_task(replace(config, test_patterns=1)), ("eager", "compiled")[: 1 + compiled]
    return {mode: Engine(config, compiled=mode == "compiled", task=task).epoch for mode in modes}


def whole_run(config: ExperimentConfig, device: str = "cpu") -> float:
    """Wall seconds of `compute` in a fresh process that has compiled nothing yet; `RuntimeError` if it fails."""
    call = [sys.executable, "-m", "spectral.bench.loops", device, json.dumps(config.changed())]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache:
        environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": cache}
        done = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the run to be timed failed:\n{done.stderr[-2_000:]}")
    return float(done.stdout.splitlines()[-1])


if __name__ == "__main__":  # a whole run, in a process of its own
    where, setting = sys.argv[1], ExperimentConfig.from_mapping(json.loads(sys.argv[2]))
    torch.set_flush_denormal(True)
    began = time.perf_counter()
    compute(setting, device=where, progress=False, compiled=compiling_pays(setting) and where == "cpu")
    print(time.perf_counter() - began)
