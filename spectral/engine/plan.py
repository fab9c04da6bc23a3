"""What a training is asked to do, checked before any work; what it hands back when it cannot go on.

Both loops, `spectral.engine.members` on the processor and `spectral.engine.batched` on other devices, take a `Plan`.
"""

from __future__ import annotations

import functools
import math
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
import torch
from torch import Tensor, nn

from spectral.errors import Told
from spectral.penalties import penalised
from spectral.students import Student
from spectral.tasks import Task

ADAM_BETAS = (0.9, 0.999)
ADAM_EPS = 1e-7

Rule = Literal["adam", "adamw", "sgd"]

SAVE_EVERY = 30.0
"""Seconds between two checkpoints."""


class Checkpoint(Protocol):
    """Where an unfinished run is kept; the state holds tensors, numbers, strings, lists and dictionaries."""

    def load(self) -> dict[str, Any] | None:
        """The last state saved, or None."""

    def save(self, state: dict[str, Any]) -> None:
        """Keep `state` in place of the last one."""


class TrainingDiverged(Told, FloatingPointError):
    """A member's loss is no longer a finite number. The student keeps the state in which this was seen.

    Attributes
    ----------
    members, epoch, learning_rate:
        Whose, when and at what rate, where the training knows.
    """

    members: tuple[int, ...] = ()
    epoch: int = 0
    learning_rate: float = math.nan


def diverged(members: Iterable[int], epoch: int, learning_rate: float) -> TrainingDiverged:
    """The error that names who, when and at what rate."""
    members = tuple(members)
    names = [str(member) for member in members]
    error = TrainingDiverged(
        f"the loss of member{'s' if len(names) > 1 else ''} {', '.join(names)} is not finite in epoch {epoch} at "
        f"learning rate {learning_rate:g}; lower the learning rate"
    )
    error.members, error.epoch, error.learning_rate = members, epoch, learning_rate
    return error


@dataclass(frozen=True)
class Optimiser:
    """What turns gradients into steps.

    Attributes
    ----------
    rule:
        "adam" and "sgd" add the penalties' gradients to the loss's. "adamw" leaves them out, and instead shrinks each
        penalised factor by ``1 - 2 learning_rate strength`` at every step (Loshchilov and Hutter, ICLR 2019).
    momentum:
        Of "sgd": the part of the last step that is taken again.
    eps:
        What Adam adds to the root of its mean squared gradient.

    Raises
    ------
    ValueError
        At construction, if the rule is unknown, or a number is impossible or of no use to the rule.
    """

    rule: Rule = "adam"
    momentum: float = 0.0
    eps: float = ADAM_EPS

    def __post_init__(self) -> None:
        if self.rule not in get_args(Rule):
            raise ValueError(f"optimiser must be one of {', '.join(get_args(Rule))}; got {self.rule!r}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must lie from 0 (included) to 1 (excluded), not {self.momentum}")
        if not (math.isfinite(self.eps) and self.eps > 0):
            raise ValueError(f"adam_eps must be a finite number above 0, not {self.eps}")
        if self.momentum and self.rule != "sgd":
            raise ValueError(f"momentum is a number of sgd; {self.rule} has its own, got {self.momentum}")
        if self.eps != ADAM_EPS and self.rule == "sgd":
            raise ValueError(f"adam_eps is a number of adam and adamw; sgd has none, got {self.eps}")


ADAM = Optimiser()
"""The paper's."""


@dataclass(frozen=True)
class Plan:
    """The arguments of `spectral.engine.train.train` that say how to train; see there.

    Raises
    ------
    ValueError
        At construction, if a number is impossible by itself; from `check`, if it does not fit student and task.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    l2_phi: float
    l2_lam: float
    group_lasso: float
    alternate: bool
    drop_dead: bool
    record_at: Iterable[int] | None = None
    scores_at: Iterable[int] | None = None
    l2_second: float = 0.0
    l1: float = 0.0
    slimming: float = 0.0
    optimiser: Optimiser = ADAM
    traced: bool = False

    def __post_init__(self) -> None:
        for label, count in (("epochs", self.epochs), ("batch_size", self.batch_size)):
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise ValueError(f"{label} must be a whole number of at least 1, not {count!r}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"learning_rate must be a finite number above 0, not {self.learning_rate}")
        for label in ("l2_phi", "l2_lam", "l2_second", "group_lasso", "l1", "slimming"):
            strength = getattr(self, label)
            if not (math.isfinite(strength) and strength >= 0):
                raise ValueError(f"{label} must be a finite number of at least 0, not {strength}")
        _ = self.recorded, self.scored  # which check what was asked for

    @functools.cached_property
    def recorded(self) -> tuple[int, ...]:
        """The R epochs whose errors are recorded."""
        return self._chosen("record_at", epochs_to_record(self.epochs))

    @functools.cached_property
    def scored(self) -> tuple[int, ...]:
        """The S epochs whose scores are recorded."""
        return self._chosen("scores_at", self.recorded)

    def _chosen(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        asked = getattr(self, name)
        chosen = tuple(sorted({self.epochs, *(default if asked is None else asked)}))
        if chosen[0] < 0 or chosen[-1] > self.epochs:
            raise ValueError(f"{name} must name epochs from 0 to {self.epochs}; got {list(chosen)}")
        return chosen

    def check(self, student: Student, task: Task, keys: Tensor) -> None:
        """Whether this can be done with `student` on `task`; raises ValueError."""
        members, width = student.members, student.first.in_features
        if not any(parameter.requires_grad for parameter in student.parameters()):
            raise ValueError("nothing of this student is trained: every parameter is frozen")
        for name, patterns in (("train", task.train), ("validation", task.validation), ("test", task.test)):
            if patterns.x.ndim != 3 or patterns.x.shape[0] != members or patterns.x.shape[2] != width:
                raise ValueError(
                    f"{members} students of {width} inputs need {name} patterns of shape ({members}, patterns, "
                    f"{width}); got {tuple(patterns.x.shape)}"
                )
            if patterns.y.shape != patterns.x.shape[:2]:
                raise ValueError(
                    f"{name} answers must have shape {tuple(patterns.x.shape[:2])}; got {tuple(patterns.y.shape)}"
                )
            if patterns.x.dtype != student.first.phi.dtype or patterns.y.dtype != student.first.phi.dtype:
                raise ValueError(
                    f"{name} patterns must have the student's type {student.first.phi.dtype}; "
                    f"got {patterns.x.dtype} and {patterns.y.dtype}"
                )
            if not (torch.isfinite(patterns.x).all() and torch.isfinite(patterns.y).all()):
                raise ValueError(f"the {name} patterns hold values that are not finite")
        available = task.train.y.shape[1]
        if self.batch_size > available:
            raise ValueError(f"batch_size must be at most the {available} training patterns, not {self.batch_size}")
        if keys.shape != (members,) or keys.dtype != torch.int64:
            raise ValueError(
                f"{members} members need {members} int64 keys for the order of their patterns; "
                f"got {keys.dtype} of shape {tuple(keys.shape)}"
            )
        first = student.first
        for label in ("group_lasso", "l1"):
            if getattr(self, label) and first.lam_out.requires_grad:
                raise ValueError(
                    f"{label} needs a direct student: its proximal step acts on weights, not on their factors"
                )
        for label in ("group_lasso", "l1", "slimming"):
            if getattr(self, label) and self.optimiser.rule != "adam":
                raise ValueError(f"{label} needs adam, in whose metric its step is taken; got {self.optimiser.rule}")
        if self.slimming and not (first.phi.requires_grad and first.lam_out.requires_grad):
            raise ValueError("slimming needs a spectral student whose eigenvectors and eigenvalues are both trained")
        if self.slimming and not torch.allclose(first.phi.norm(dim=-1), first.phi.new_ones(())):
            raise ValueError("slimming needs rows of phi that have unit length at the start")
        if self.alternate and not (student.first.phi.requires_grad and student.first.lam_out.requires_grad):
            raise ValueError("alternate needs a spectral student whose eigenvectors and eigenvalues are both trained")


class Recorded(NamedTuple):
    """What a loop hands back.

    Attributes
    ----------
    errors:
        On training, validation and test patterns, (R, 3, E).
    scores:
        Norms of the incoming weights, (S, E, h_S).
    eigenvalues:
        The same of a traced training, (S, E, h_S); else None.
    """

    errors: Tensor
    scores: Tensor
    eigenvalues: Tensor | None


def epochs_to_record(epochs: int, count: int = 30) -> tuple[int, ...]:
    """0, the last epoch, and up to `count` in between, evenly spaced in the logarithm."""
    steps = np.geomspace(1, epochs, count).round().astype(int)
    return tuple(sorted({0, *steps.tolist(), epochs}))


def adam(module: nn.Module, learning_rate: float) -> torch.optim.Adam:
    """PyTorch's Adam, with the constants of the public code, over what is trained of `module`."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return torch.optim.Adam(parameters, lr=learning_rate, betas=ADAM_BETAS, eps=ADAM_EPS, fused=True)


def penalties(student: Student, plan: Plan) -> list[tuple[Tensor, float]]:
    """The factors of both layers that are penalised, each with its strength."""
    first = penalised(student.first, plan.l2_phi, plan.l2_lam)
    second = penalised(student.second, plan.l2_second, plan.l2_lam)
    return [(factor, strength) for factor, strength in (*first, *second) if strength]


def optimiser(student: Student, plan: Plan) -> torch.optim.Optimizer:
    """PyTorch's optimiser over what is trained of `student`."""
    parameters, chosen = [p for p in student.parameters() if p.requires_grad], plan.optimiser
    if chosen.rule == "sgd":
        return torch.optim.SGD(parameters, lr=plan.learning_rate, momentum=chosen.momentum)
    options: dict[str, Any] = {"lr": plan.learning_rate, "betas": ADAM_BETAS, "eps": chosen.eps, "fused": True}
    if chosen.rule == "adam":
        return torch.optim.Adam(parameters, **options)
    strength = {id(factor): value for factor, value in penalties(student, plan)}
    groups = [{"params": [p], "weight_decay": 2 * strength.get(id(p), 0.0)} for p in parameters]
    return torch.optim.AdamW(groups, **options)


@contextmanager
def interruptible() -> Iterator[np.ndarray]:
    """A flag, uint8 of shape (1,), that Ctrl-C sets instead of stopping the program at once.

    The loop ends at its next epoch, saves what there is, and raises KeyboardInterrupt itself. A second Ctrl-C does not
    wait for it. Off the main thread, where no signal arrives, the flag stays unset.
    """
    flag = np.zeros(1, np.uint8)
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        flag[0] = 1
        signal.signal(signal.SIGINT, before)

    if before is None or before == signal.SIG_IGN:  # of another language, or not to be interrupted
        yield flag
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, before)
