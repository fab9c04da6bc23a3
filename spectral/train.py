r"""The training loop: Adam on mean squared error plus the split penalty, all members at once.

For each member: ``mean_B (y_student - y)^2 + l2_phi |phi|^2 + l2_lam |lam_out|^2``, minibatches reshuffled every
epoch, the last partial batch kept (arXiv:2310.12612 and its public code: Adam with eps = 1e-7, learning rate
0.005, batches of 300, 2,000 epochs). Members never meet: gradients are those of the *sum* of their losses, Adam
works number by number, and each member has its own stream for the order of its patterns.

The gradient of a two-layer student is short enough to be written down, which halves the time of a step against
automatic differentiation; a test compares the two. Wide batches are taken a few members at a time, so that what a
step writes stays in the processor's cache; long runs compile the gradient where a C++ compiler is there.

Axes: E members, B batch, P patterns, d inputs, h_S hidden nodes, m second-layer nodes, R recorded epochs, S epochs
whose scores are recorded.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Generator, Tensor, nn
from tqdm import tqdm

from spectral.activations import activation as lookup
from spectral.dropping import CHECK_EVERY, Roster
from spectral.penalties import penalised, shrink_rows
from spectral.prune import node_scores
from spectral.streams import counted_orders, drawn_orders
from spectral.students import Student
from spectral.tasks import Patterns, Task

ADAM_BETAS = (0.9, 0.999)
ADAM_EPS = 1e-7

CHUNK = 1_500_000
"""Hidden activations held at once, E * B * h_S: larger arrays leave the cache, and take two to four times as long."""

SAVE_EVERY = 30.0
"""Seconds between two checkpoints."""

Gradients = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


class Checkpoint(Protocol):
    """Where an unfinished run is kept; the state holds tensors, numbers, strings, lists and dictionaries."""

    def load(self) -> dict[str, Any] | None:
        """The last state saved, or None."""

    def save(self, state: dict[str, Any]) -> None:
        """Keep `state` in place of the last one."""


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
    score_epochs:
        The S epochs whose scores were recorded.
    scores:
        Node scores, the norms of the incoming weights, shape (S, E, h_S).
    """

    epochs: tuple[int, ...]
    train_mse: Tensor
    validation_mse: Tensor
    test_mse: Tensor
    score_epochs: tuple[int, ...]
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
    size = max(1, CHUNK // (student.members * student.student_hidden))
    parts = zip(patterns.x.split(size, 1), patterns.y.split(size, 1), strict=True)
    squares = [(student(x) - y).square().sum(-1) for x, y in parts]
    return torch.stack(squares).sum(0) / patterns.y.shape[1]


def train(
    student: Student,
    task: Task,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    l2_phi: float,
    l2_lam: float,
    order: Sequence[Generator] | Tensor,
    group_lasso: float = 0.0,
    alternate: bool = False,
    drop_dead: bool = False,
    record_at: Iterable[int] | None = None,
    scores_at: Iterable[int] | None = None,
    progress: bool | None = None,
    compiled: bool = False,
    checkpoint: Checkpoint | None = None,
) -> History:
    """Train `student` in place on ``task.train`` and return what was recorded on the way.

    Parameters
    ----------
    order:
        One CPU generator per member, for the order of its patterns; or, so that a GPU need not wait for them, the
        members' keys of `spectral.streams.counted_orders`, on the patterns' device.
    group_lasso:
        Strength of a penalty ``group_lasso * sum_i |w_i|`` on the first layer's rows, taken as a proximal step after
        each of Adam's, in Adam's own metric. Zero for none.
    alternate:
        Whether phi rests in every second epoch, and the first layer's eigenvalues in the others.
    drop_dead:
        Whether nodes that have vanished leave the batch for good; see `spectral.dropping`.
    record_at, scores_at:
        Epochs at which to record errors and scores, from 0 to `epochs`, which is always recorded; default
        `epochs_to_record` for the first, the same as the first for the second.
    progress:
        Whether to show a progress bar; None shows it on a terminal only.
    compiled:
        Whether to compile the step, which needs a C++ compiler and some twenty seconds. Compiled or not, numbers agree
        to rounding.
    checkpoint:
        Where to keep the state every `SAVE_EVERY` seconds, and where to go on from; same machine, same numbers.

    Raises
    ------
    ValueError
        Before any training, if an argument is impossible or does not fit the others.
    TrainingDiverged
        If a member's loss stops being finite; names member, epoch and learning rate.
    """
    _check(student, task, epochs, batch_size, learning_rate, l2_phi, l2_lam, group_lasso, order)
    if group_lasso and student.first.lam_out.requires_grad:
        raise ValueError("group_lasso needs a direct student: its proximal step acts on weights, not on their factors")
    if alternate and not (student.first.phi.requires_grad and student.first.lam_out.requires_grad):
        raise ValueError("alternate needs a spectral student whose eigenvectors and eigenvalues are both trained")
    recorded = _epochs("record_at", epochs, epochs_to_record(epochs) if record_at is None else record_at)
    scored = recorded if scores_at is None else _epochs("scores_at", epochs, scores_at)
    gradients = gradients_for(student.activation, compiled)
    optimiser = adam(student, learning_rate)
    penalties = penalised(student.first, l2_phi, l2_lam)
    roster = Roster(student, optimiser)
    generators = [] if isinstance(order, Tensor) else order  # a counted order has no state to keep
    count = task.train.y.shape[1]
    errors: list[tuple[Tensor, ...]] = []
    scores: list[Tensor] = []
    start = 0
    saved = None if checkpoint is None else checkpoint.load()
    if saved is not None:
        start = saved["epoch"] + 1
        roster.load_state(saved["roster"])
        for generator, state in zip(generators, saved["order"], strict=True):
            generator.set_state(state)
        device = task.train.y.device
        errors = [tuple(values.to(device) for values in row) for row in saved["errors"]]
        scores = [values.to(device) for values in saved["scores"]]
    last_save = time.monotonic()
    bar = tqdm(
        total=epochs, initial=start, desc="epochs", leave=False, disable=None if progress is None else not progress
    )
    try:
        for epoch in range(start, epochs + 1):
            if epoch > 0:
                seen = torch.zeros_like(task.train.y[:, 0])
                resting = _resting(student, epoch) if alternate else []
                index = counted_orders(order, epoch, count) if isinstance(order, Tensor) else drawn_orders(order, count)
                for xb, yb in shuffled_batches(task.train, index, batch_size):
                    seen += step(student, xb, yb, optimiser, penalties, gradients, resting)
                    if group_lasso:
                        _proximal_step(student, optimiser, group_lasso)
                _check_finite(seen, epoch, learning_rate)
                if drop_dead and epoch % CHECK_EVERY == 0:
                    roster.check()
                bar.update()
            if epoch in recorded:
                sets = (task.train, task.validation, task.test)
                errors.append(tuple(mse(student, patterns) for patterns in sets))
                _check_finite(errors[-1][0], epoch, learning_rate)
            if epoch in scored:
                scores.append(roster.expand(node_scores(student)))
            if checkpoint is not None and time.monotonic() - last_save >= SAVE_EVERY and epoch < epochs:
                checkpoint.save(
                    {
                        "epoch": epoch,
                        "roster": roster.state(),
                        "order": [generator.get_state() for generator in generators],
                        "errors": [list(row) for row in errors],
                        "scores": scores,
                    }
                )
                last_save = time.monotonic()
    finally:
        bar.close()
        roster.restore()
    student.zero_grad(set_to_none=True)
    train_mse, validation_mse, test_mse = (torch.stack(column) for column in zip(*errors, strict=True))
    return History(recorded, train_mse, validation_mse, test_mse, scored, torch.stack(scores))


def step(
    student: Student,
    x: Tensor,
    y: Tensor,
    optimiser: torch.optim.Optimizer,
    penalties: Sequence[tuple[Tensor, float]],
    gradients: Gradients | None = None,
    resting: Sequence[Tensor] = (),
) -> Tensor:
    """One step of `optimiser` on a minibatch (E, B, d), (E, B); returns the errors before it, shape (E,).

    `penalties` are the factors and strengths of `spectral.penalties.penalised`; `resting` are factors that this step
    leaves alone. `gradients` is what `loss_backward` takes.
    """
    errors = loss_backward(student, x, y, gradients)
    for factor in resting:
        factor.grad = None
    for factor, strength in penalties:
        if factor.grad is not None:
            factor.grad.add_(factor.detach(), alpha=2 * strength)
    optimiser.step()
    return errors


@torch.no_grad()
def loss_backward(student: Student, x: Tensor, y: Tensor, gradients: Gradients | None = None) -> Tensor:
    """Set the gradients of the members' summed mean squared errors, and return the errors, shape (E,).

    `x` is (E, B, d), `y` (E, B). What `loss.backward()` would do, written down; `gradients` computes the weights'
    gradients, and may be a compiled version.
    """
    first, second = student.first, student.second
    gradients = gradients or gradients_for(student.activation, compiled=False)
    whole = (first.weight, second.weight, x, y)
    size = members_at_once(student.members, y.shape[1] * student.student_hidden)
    if size >= student.members:
        grad1, grad2, errors = gradients(*whole)
    else:
        parts = [gradients(*part) for part in zip(*(tensor.split(size) for tensor in whole), strict=True)]
        grad1, grad2, errors = (torch.cat(column) for column in zip(*parts, strict=True))
    first.weight_backward(grad1)
    second.weight_backward(grad2)
    return errors


def _weight_gradients(w1: Tensor, w2: Tensor, x: Tensor, y: Tensor, activation: str) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients (E, h_S, d) and (E, m, h_S) of the summed mean squared errors, and the errors (E,)."""
    g = lookup(activation)
    # The products are ordered so that the long axis B is never a column of the right-hand factor: two of them
    # would otherwise be two to four times slower.
    z1 = x @ w1.mT  # (E, B, d) @ (E, d, h_S) -> (E, B, h_S)
    a1 = g.apply(z1)
    z2 = w2 @ a1.mT  # (E, m, h_S) @ (E, h_S, B) -> (E, m, B)
    a2 = g.apply(z2)
    residual = a2.sum(-2) - y  # (E, B)
    d2 = g.backward((residual * (2 / y.shape[-1])).unsqueeze(-2).expand_as(z2), z2, a2)  # dL/dz2
    d1 = g.backward(d2.mT @ w2, z1, a1)  # dL/dz1
    return (x.mT @ d1).mT, d2 @ a1, residual.square().mean(-1)


@functools.cache
def gradients_for(activation: str, compiled: bool) -> Gradients:
    """What computes the gradients of `loss_backward`; compiled once for all shapes, since dropping changes them."""
    plain: Gradients = functools.partial(_weight_gradients, activation=activation)
    return torch.compile(plain, dynamic=True) if compiled else plain


def members_at_once(members: int, activations: int) -> int:
    """How many members a step takes at a time, each of so many hidden `activations`; even, for two cores share them."""
    size = max(2, CHUNK // activations)
    if size >= members:
        return members
    size = math.ceil(members / math.ceil(members / size))
    return size + size % 2


def _resting(student: Student, epoch: int) -> list[Tensor]:
    """What rests in an epoch of alternating training: the first layer's eigenvalues, then its eigenvectors."""
    first = student.first
    return [first.lam_in, first.lam_out] if epoch % 2 else [first.phi]


@torch.no_grad()
def _proximal_step(student: Student, optimiser: torch.optim.Adam, strength: float) -> None:
    """The group lasso's proximal step, in Adam's metric ``(sqrt(v) + eps) / lr``."""
    phi, state = student.first.phi, optimiser.state[student.first.phi]
    group = optimiser.param_groups[0]
    # The number of steps stays a tensor: asking a GPU for a number waits for all that it still has to do.
    v = state["exp_avg_sq"] / (1 - torch.pow(group["betas"][1], state["step"].double()))
    shrink_rows(phi, v.sqrt_().add_(group["eps"]).div_(group["lr"]), strength)


def shuffled_batches(patterns: Patterns, index: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """Each member's patterns in its own order `index` (E, P): minibatches (E, B, d), (E, B), the last may be smaller.

    Each minibatch lies in one piece of memory, which makes a step up to a third faster.
    """
    x, y = patterns.x, patterns.y
    members, count = y.shape
    rows = index + count * torch.arange(members, device=y.device).unsqueeze(-1)
    rows = torch.cat([part.flatten() for part in rows.split(size, 1)])
    # index_select copies whole rows: three times as fast as indexing.
    xs, ys = x.reshape(-1, x.shape[-1]).index_select(0, rows), y.flatten().index_select(0, rows)
    pieces = zip(xs.split(members * size), ys.split(members * size), strict=True)
    return [(xb.view(members, -1, x.shape[-1]), yb.view(members, -1)) for xb, yb in pieces]


def _epochs(name: str, epochs: int, chosen: Iterable[int]) -> tuple[int, ...]:
    """The `chosen` epochs in order, and the last one."""
    result = tuple(sorted({epochs, *chosen}))
    if result[0] < 0 or result[-1] > epochs:
        raise ValueError(f"{name} must name epochs from 0 to {epochs}; got {list(result)}")
    return result


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
    group_lasso: float,
    order: Sequence[Generator] | Tensor,
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
    for name, strength in (("l2_phi", l2_phi), ("l2_lam", l2_lam), ("group_lasso", group_lasso)):
        if not (math.isfinite(strength) and strength >= 0):
            raise ValueError(f"{name} must be a finite number of at least 0, not {strength}")
    if len(order) != members:
        raise ValueError(
            f"{members} members need {members} generators or keys for the order of their patterns; got {len(order)}"
        )
