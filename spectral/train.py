r"""The training loop: Adam on mean squared error plus the split penalty, all members at once.

For each member: ``mean_B (y_student - y)^2 + l2_phi |phi|^2 + l2_lam |lam_out|^2``, minibatches reshuffled every
epoch, the last partial batch kept (arXiv:2310.12612 and its public code: Adam with eps = 1e-7, learning rate
0.005, batches of 300, 2,000 epochs). Members never meet: gradients are those of the *sum* of their losses, Adam
works number by number, and each member has its own stream for the order of its patterns.

The gradient of a two-layer student is short enough to be written down, which halves the time of a step against
automatic differentiation; a test compares the two.

Axes: E members, B batch, P patterns, d inputs, h_S hidden nodes, m second-layer nodes, R recorded epochs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor, nn
from tqdm import tqdm

from spectral.activations import activation as lookup
from spectral.dropping import CHECK_EVERY, Roster
from spectral.penalties import penalised
from spectral.prune import node_scores
from spectral.students import Student
from spectral.tasks import Patterns, Task

ADAM_BETAS = (0.9, 0.999)
ADAM_EPS = 1e-7


class TrainingDiverged(FloatingPointError):
    """A member's loss is no longer a finite number. The student keeps the state in which this was seen."""


@dataclass(frozen=True)
class History:
    """What was seen at the recorded epochs; epoch n is the state after n epochs, 0 the start.

    Attributes
    ----------
    epochs:
        The R epochs.
    train_mse, validation_mse, test_mse:
        Mean squared error without penalty, over the whole set, shape (R, E).
    scores:
        Node scores, the norms of the incoming weights, shape (R, E, h_S).
    """

    epochs: tuple[int, ...]
    train_mse: Tensor
    validation_mse: Tensor
    test_mse: Tensor
    scores: Tensor


def epochs_to_record(epochs: int, count: int = 30) -> tuple[int, ...]:
    """0, the last epoch, and up to `count` in between, evenly spaced in the logarithm."""
    steps = np.geomspace(1, epochs, count).round().astype(int)
    return tuple(sorted({0, *steps.tolist(), epochs}))


def adam(module: nn.Module, learning_rate: float) -> torch.optim.Adam:
    """PyTorch's Adam, with the constants of the public code, over what is trained of `module`."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return torch.optim.Adam(parameters, lr=learning_rate, betas=ADAM_BETAS, eps=ADAM_EPS, fused=True)


@torch.no_grad()
def mse(student: Student, patterns: Patterns) -> Tensor:
    """Mean squared error of every member over its `patterns`, shape (E,)."""
    return (student(patterns.x) - patterns.y).square().mean(-1)


def train(
    student: Student,
    task: Task,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    l2_phi: float,
    l2_lam: float,
    order: Sequence[Generator],
    drop_dead: bool = False,
    record_at: Iterable[int] | None = None,
    progress: bool | None = None,
) -> History:
    """Train `student` in place on ``task.train`` and return what was recorded on the way.

    Parameters
    ----------
    order:
        One CPU generator per member, for the order of its patterns.
    drop_dead:
        Whether nodes that have vanished leave the batch for good; see `spectral.dropping`.
    record_at:
        Epochs at which to record, from 0 to `epochs`, which is always recorded; default `epochs_to_record`.
    progress:
        Whether to show a progress bar; None shows it on a terminal only.

    Raises
    ------
    ValueError
        Before any training, if an argument is impossible or does not fit the others.
    TrainingDiverged
        If a member's loss stops being finite; names member, epoch and learning rate.
    """
    _check(student, task, epochs, batch_size, learning_rate, l2_phi, l2_lam, order)
    recorded = tuple(sorted({epochs, *(epochs_to_record(epochs) if record_at is None else record_at)}))
    if recorded[0] < 0 or recorded[-1] > epochs:
        raise ValueError(f"record_at must name epochs from 0 to {epochs}; got {list(recorded)}")
    optimiser = adam(student, learning_rate)
    penalties = penalised(student.first, l2_phi, l2_lam)
    roster = Roster(student, optimiser)
    records = []
    try:
        for epoch in tqdm(range(epochs + 1), "epochs", leave=False, disable=None if progress is None else not progress):
            if epoch > 0:
                x, y = _shuffle(task.train, order)
                seen = torch.zeros(student.members, dtype=y.dtype, device=y.device)
                for xb, yb in zip(x.split(batch_size, 1), y.split(batch_size, 1), strict=True):
                    seen += step(student, xb, yb, optimiser, penalties)
                _check_finite(seen, epoch, learning_rate)
                if drop_dead and epoch % CHECK_EVERY == 0:
                    roster.check()
            if epoch in recorded:
                sets = (task.train, task.validation, task.test)
                errors = [mse(student, patterns) for patterns in sets]
                _check_finite(errors[0], epoch, learning_rate)
                records.append((*errors, roster.expand(node_scores(student))))
    finally:
        roster.restore()
    train_mse, validation_mse, test_mse, scores = (torch.stack(column) for column in zip(*records, strict=True))
    student.zero_grad(set_to_none=True)
    return History(recorded, train_mse, validation_mse, test_mse, scores)


def step(
    student: Student,
    x: Tensor,
    y: Tensor,
    optimiser: torch.optim.Optimizer,
    penalties: Sequence[tuple[Tensor, float]],
) -> Tensor:
    """One step of `optimiser` on a minibatch (E, B, d), (E, B); returns the errors before it, shape (E,).

    `penalties` are the factors and strengths of `spectral.penalties.penalised`.
    """
    errors = loss_backward(student, x, y)
    for factor, strength in penalties:
        assert factor.grad is not None
        factor.grad.add_(factor.detach(), alpha=2 * strength)
    optimiser.step()
    return errors


@torch.no_grad()
def loss_backward(student: Student, x: Tensor, y: Tensor) -> Tensor:
    """Set the gradients of the members' summed mean squared errors, and return the errors, shape (E,).

    `x` is (E, B, d), `y` (E, B). What `loss.backward()` would do, written down.
    """
    first, second, g = student.first, student.second, lookup(student.activation)
    w1, w2 = first.weight, second.weight
    # The products are ordered so that the long axis B is never a column of the right-hand factor: two of them
    # would otherwise be two to four times slower.
    z1 = x @ w1.mT  # (E, B, d) @ (E, d, h_S) -> (E, B, h_S)
    a1 = g.apply(z1)
    z2 = w2 @ a1.mT  # (E, m, h_S) @ (E, h_S, B) -> (E, m, B)
    a2 = g.apply(z2)
    residual = a2.sum(-2).sub_(y)  # (E, B)
    d2 = g.backward((residual * (2 / y.shape[-1])).unsqueeze(-2).expand_as(z2), z2, a2)  # dL/dz2
    d1 = g.backward(d2.mT @ w2, z1, a1)  # dL/dz1
    first.weight_backward((x.mT @ d1).mT)
    second.weight_backward(d2 @ a1)
    return residual.square_().mean(-1)


def _shuffle(patterns: Patterns, order: Sequence[Generator]) -> tuple[Tensor, Tensor]:
    """Each member's patterns in a fresh order of its own."""
    x, y = patterns.x, patterns.y
    index = torch.stack([torch.randperm(y.shape[1], generator=generator, device="cpu") for generator in order]).to(
        y.device
    )
    rows = index + y.shape[1] * torch.arange(len(order), device=y.device).unsqueeze(-1)
    return x.reshape(-1, x.shape[-1])[rows], y.gather(1, index)


def _check_finite(loss: Tensor, epoch: int, learning_rate: float) -> None:
    if not torch.isfinite(loss).all():
        members = torch.nonzero(~torch.isfinite(loss)).flatten().tolist()
        raise TrainingDiverged(
            f"the loss of member{'s' if len(members) > 1 else ''} {', '.join(map(str, members))} is not finite in "
            f"epoch {epoch} at learning rate {learning_rate:g}; lower the learning rate"
        )


def _check(
    student: Student,
    task: Task,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    l2_phi: float,
    l2_lam: float,
    order: Sequence[Generator],
) -> None:
    members, width = student.members, student.first.in_features
    for label, count in (("epochs", epochs), ("batch_size", batch_size)):
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"{label} must be a whole number of at least 1, not {count!r}")
    if not any(parameter.requires_grad for parameter in student.parameters()):
        raise ValueError("nothing of this student is trained: every parameter is frozen")
    for name, patterns in (("train", task.train), ("validation", task.validation), ("test", task.test)):
        if patterns.x.ndim != 3 or patterns.x.shape[0] != members or patterns.x.shape[2] != width:
            raise ValueError(
                f"{members} students of {width} inputs need {name} patterns of shape ({members}, patterns, {width}); "
                f"got {tuple(patterns.x.shape)}"
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
    if batch_size > available:
        raise ValueError(f"batch_size must be at most the {available} training patterns, not {batch_size}")
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"learning_rate must be a finite number above 0, not {learning_rate}")
    for name, strength in (("l2_phi", l2_phi), ("l2_lam", l2_lam)):
        if not (math.isfinite(strength) and strength >= 0):
            raise ValueError(f"{name} must be a finite number of at least 0, not {strength}")
    if len(order) != members:
        raise ValueError(
            f"{members} members need {members} generators for the order of their patterns; got {len(order)}"
        )
