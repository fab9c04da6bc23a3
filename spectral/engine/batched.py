r"""The training loop in PyTorch, all members at once: the readable reference, and what other devices than the CPU run.

The gradient of a two-layer student is short enough to be written down, which halves the time of a step against
automatic differentiation; a test compares the two. On the CPU wide batches are taken a few members at a time, so that
what a step writes stays in the processor's cache. On a GPU nothing in an epoch waits for a number.

A member's last digits depend on its company here: products of another shape are summed in another order.

Axes: E members, B batch, P patterns, d inputs, h_S hidden nodes, m second-layer nodes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from tqdm import tqdm

from spectral.activations import activation as lookup
from spectral.engine.dropping import CHECK_EVERY, Roster
from spectral.engine.plan import SAVE_EVERY, Checkpoint, Plan, Recorded, diverged, interruptible, optimiser, penalties
from spectral.measures import AT_ONCE, mse
from spectral.penalties import shrink_rows, soften
from spectral.prune import node_scores
from spectral.streams import counted_orders
from spectral.students import Student
from spectral.tasks import Patterns, Task


def train_batch(
    student: Student, task: Task, keys: Tensor, plan: Plan, checkpoint: Checkpoint | None, bar: tqdm
) -> Recorded:
    """Train `student` in place."""
    chosen = optimiser(student, plan)
    added = [] if plan.optimiser.rule == "adamw" else penalties(student, plan)
    roster, sets = Roster(student, chosen), (task.train, task.validation, task.test)
    device, count = task.train.y.device, task.train.y.shape[1]
    errors: list[Tensor] = []
    scores: list[Tensor] = []
    eigenvalues: list[Tensor] = []
    start = 0
    saved = None if checkpoint is None else checkpoint.load()
    if saved is not None:
        if "members" in saved:
            raise ValueError("this run was begun by the kernel; finish it with loop='kernel', or delete its checkpoint")
        start = saved["epoch"] + 1
        roster.load_state(saved["roster"])
        errors, scores, eigenvalues = (
            [values.to(device) for values in saved.get(name, [])] for name in ("errors", "scores", "eigenvalues")
        )
    bar.update(student.members * max(0, start - 1))
    last_save = time.monotonic()
    try:
        with interruptible() as stop:
            for epoch in range(start, plan.epochs + 1):
                if epoch > 0:
                    seen = torch.zeros_like(task.train.y[:, 0])
                    resting = _resting(student, epoch) if plan.alternate else []
                    index = counted_orders(keys, epoch, count)
                    for xb, yb in shuffled_batches(task.train, index, plan.batch_size):
                        seen += step(student, xb, yb, chosen, added, resting, unit_rows=plan.slimming > 0)
                        _proximal_steps(student, chosen, plan)
                    _check_finite(seen, epoch, plan)
                    if plan.drop_dead and epoch % CHECK_EVERY == 0:
                        roster.check()
                    bar.update(student.members)
                if epoch in plan.recorded:
                    errors.append(torch.stack([mse(student, patterns) for patterns in sets]))
                    _check_finite(errors[-1][0], epoch, plan)
                if epoch in plan.scored:
                    scores.append(roster.expand(node_scores(student)))
                    if plan.traced:
                        eigenvalues.append(roster.expand(student.first.lam_out.detach()))
                due = epoch < plan.epochs and time.monotonic() - last_save >= SAVE_EVERY
                if checkpoint is not None and (stop[0] or due):
                    recorded = {"errors": errors, "scores": scores, "eigenvalues": eigenvalues}
                    checkpoint.save({"epoch": epoch, "roster": roster.state(), **recorded})
                    last_save = time.monotonic()
                if stop[0]:
                    raise KeyboardInterrupt
    finally:
        roster.restore()
    student.zero_grad(set_to_none=True)
    return Recorded(torch.stack(errors), torch.stack(scores), torch.stack(eigenvalues) if plan.traced else None)


def step(
    student: Student,
    x: Tensor,
    y: Tensor,
    optimiser: torch.optim.Optimizer,
    penalties: Sequence[tuple[Tensor, float]],
    resting: Sequence[Tensor] = (),
    *,
    unit_rows: bool = False,
) -> Tensor:
    """One step of `optimiser` on a minibatch (E, B, d), (E, B); returns the errors before it, shape (E,).

    `penalties` are factors and strengths as of `spectral.engine.plan.penalties`; `resting` are factors that this step
    leaves alone. With `unit_rows` the first layer's phi has rows of unit length, and keeps them.
    """
    errors = loss_backward(student, x, y)
    for factor in resting:
        factor.grad = None
    for factor, strength in penalties:
        if factor.grad is not None:
            factor.grad.add_(factor.detach(), alpha=2 * strength)
    phi = student.first.phi
    if unit_rows and phi.grad is not None:  # what would change their length is no part of their gradient
        phi.grad.sub_((phi.grad * phi.detach()).sum(-1, keepdim=True) * phi.detach())
    optimiser.step()
    if unit_rows:
        phi.data.copy_(nn.functional.normalize(phi.detach(), dim=-1))
    return errors


@torch.no_grad()
def loss_backward(student: Student, x: Tensor, y: Tensor) -> Tensor:
    """Set the gradients of the members' summed mean squared errors, and return the errors, shape (E,).

    `x` is (E, B, d), `y` (E, B). What `loss.backward()` would do, written down.
    """
    first, second = student.first, student.second
    whole = (first.weight, second.weight, x, y)
    size = members_at_once(student.members, y.shape[1] * student.student_hidden)
    if size >= student.members:
        grad1, grad2, errors = _weight_gradients(*whole, student.activation)
    else:
        parts = [
            _weight_gradients(w1, w2, xs, ys, student.activation)
            for w1, w2, xs, ys in zip(*(tensor.split(size) for tensor in whole), strict=True)
        ]
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


def members_at_once(members: int, activations: int) -> int:
    """How many members a step takes at a time, each of so many hidden `activations`; even, for two cores share them."""
    size = max(2, AT_ONCE // activations)
    if size >= members:
        return members
    size = math.ceil(members / math.ceil(members / size))
    return size + size % 2


def _resting(student: Student, epoch: int) -> list[Tensor]:
    """What rests in an epoch of alternating training: the first layer's eigenvalues, then its eigenvectors."""
    first = student.first
    return [first.lam_in, first.lam_out] if epoch % 2 else [first.phi]


@torch.no_grad()
def _proximal_steps(student: Student, optimiser: torch.optim.Optimizer, plan: Plan) -> None:
    """Those of the penalties that bring numbers to exactly zero, in Adam's metric ``(sqrt(v) + eps) / lr``."""
    first, second, group = student.first, student.second, optimiser.param_groups[0]

    def metric(parameter: Tensor) -> Tensor:
        state = optimiser.state[parameter]
        # The number of steps stays a tensor: asking a GPU for a number waits for all that it still has to do.
        v = state["exp_avg_sq"] / (1 - torch.pow(group["betas"][1], state["step"].double()))
        return v.sqrt_().add_(group["eps"]).div_(group["lr"])

    if plan.group_lasso:
        shrink_rows(first.phi, metric(first.phi), plan.group_lasso)
    if plan.l1:
        for phi in (first.phi, second.phi):
            soften(phi, metric(phi), plan.l1)
    if plan.slimming:
        soften(first.lam_out, metric(first.lam_out), plan.slimming)


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


def _check_finite(loss: Tensor, epoch: int, plan: Plan) -> None:
    if not torch.isfinite(loss).all():
        raise diverged(torch.nonzero(~torch.isfinite(loss)).flatten().tolist(), epoch, plan.learning_rate)
