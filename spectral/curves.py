r"""What removing nodes costs: the error against the number of nodes kept, and where it begins to grow.

Axes: E members, P patterns, h nodes, m nodes of the second layer.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from spectral.checks import check_count, check_finite, check_number, check_tensor
from spectral.prune import cut_nodes
from spectral.students import Student, check_patterns
from spectral.tasks import Patterns

_PLACE = " (member, nodes kept): did the training diverge?"


def growth(sweep: Tensor) -> Tensor:
    """How much pruning down to n nodes has raised the error, in units of E[y^2], shape of `sweep`.

    Signed: where pruning costs nothing, what is left is noise around zero, and an absolute value of it would be a
    cost that is not there.

    Parameters
    ----------
    sweep:
        Errors with n = 0 ... h nodes kept, (E, h + 1); see `spectral.curves.prune_sweep`.

    Raises
    ------
    ValueError
        If `sweep` has not two axes, or no member; if an error is not finite, or the one without any node,
        E[y^2], is not above zero.
    TypeError
        If `sweep` is no tensor of real numbers.
    """
    check_tensor(sweep, "sweep")
    if sweep.ndim != 2 or sweep.shape[0] < 1 or sweep.shape[1] < 2:
        raise ValueError(f"sweep must be of shape (E, h + 1), the error with 0 to h nodes; got {tuple(sweep.shape)}")
    check_finite(sweep, "sweep", _PLACE)
    if not (sweep[:, 0] > 0).all():
        raise ValueError("the error without any node, E[y^2], must be above zero: a teacher that says nothing else")
    return (sweep - sweep[:, -1:]) / sweep[:, :1]


def onset(sweep: Tensor, tolerance: float = 0.001) -> Tensor:
    """The needed size n_c: the smallest number of nodes from which on upwards the error has grown by less, shape (E,).

    Where the curve leaves zero, read from the side of the whole student: with fewer nodes than this, pruned in the
    order of the sweep, the error has grown by `tolerance` of E[y^2] or more at least once.

    Parameters
    ----------
    sweep:
        As in `growth`.
    tolerance:
        A part of E[y^2], above zero.

    Raises
    ------
    ValueError
        If the tolerance is not a number above zero; and as in `growth`.
    """
    check_tolerance(tolerance)
    return crossing(growth(sweep), tolerance)


def crossing(grown: Tensor, tolerance: float) -> Tensor:
    """The same of what is a growth already, (..., h + 1) to (...); errors of both kinds as in `onset` and `growth`."""
    check_tolerance(tolerance)
    check_tensor(grown, "grown")
    if grown.ndim == 0 or not grown.shape[-1]:
        raise ValueError(f"grown must be of shape (..., h + 1), with 0 to h nodes; got {tuple(grown.shape)}")
    check_finite(grown, "grown", _PLACE)
    return ((grown >= tolerance) * torch.arange(1, grown.shape[-1] + 1, device=grown.device)).amax(-1)


def check_tolerance(tolerance: float) -> None:
    """Raise TypeError or ValueError unless `tolerance` is a finite number above zero."""
    check_number(tolerance, "tolerance", "be a part of E[y^2] above 0", lambda value: 0 < value < float("inf"))


@torch.no_grad()
def prune_sweep(student: Student, patterns: Patterns, order: Tensor, chunk: int = 1 << 22) -> Tensor:
    """Mean squared error against the number n of nodes kept, for n = 0 … h, shape (E, h + 1).

    Entry n keeps the first n nodes of `order` (E, h); entry h is the whole student. Entry 0 has no node left, so
    that the output is zero and the error is the mean of y^2: the scale on which the others are read. One pass over
    the patterns serves all n, since removing a node takes one term from the second layer's sum; nodes that have died
    cost nothing.

    `chunk` bounds the hidden activations held at once (numbers, not bytes). Errors of a member that has
    diverged are NaN.

    Raises
    ------
    ValueError
        If `order` is not a permutation of the nodes for every member, `patterns` do not fit, or `chunk` is below 1.
    TypeError
        If `order` or `patterns` are of a wrong type.
    """
    check_tensor(order, "order")
    check_count(chunk, "chunk")
    members, h = student.members, student.student_hidden
    every = torch.arange(h, device=order.device).expand(members, h)
    if order.is_floating_point() or order.shape != every.shape or not torch.equal(order.sort(-1).values, every):
        raise ValueError(f"order must hold a permutation of {h} nodes for each of {members} members")
    check_patterns(student, patterns)
    order = order.long()
    alive = _connected(student).gather(1, order)
    student = _of_nodes(student, order.gather(1, _first(alive)))
    members, h = student.members, student.student_hidden
    weight, (x, y) = student.second.weight, (patterns.x, patterns.y)
    squares = y.new_zeros(members, h + 1)
    size = max(1, chunk // (members * h))
    for xs, ys in zip(x.split(size, 1), y.split(size, 1), strict=True):
        hidden = student.hidden(xs).mT.contiguous()  # (E, h, P): patterns last, which is twice as fast
        z = ys.new_zeros(members, weight.shape[1], ys.shape[1])  # (E, m, P), the pre-activation that n nodes make
        for n in range(h + 1):
            if n > 0:
                z.addcmul_(hidden[:, None, n - 1], weight[..., n - 1, None])
            squares[:, n] += (student.readout(z.mT) - ys).square().sum(-1)
    living = nn.functional.pad(alive.cumsum(-1), (1, 0))  # (E, h_S + 1), among the first n
    return squares.gather(1, living) / y.shape[1]


@torch.no_grad()
def errors_without(student: Student, patterns: Patterns, chunk: int = 1 << 20) -> Tensor:
    """Mean squared error without each node in turn, all others kept, shape (E, h).

    `chunk` bounds the numbers held at once. Errors of a member that has diverged are NaN.

    Raises
    ------
    ValueError, TypeError
        If `patterns` do not fit, or `chunk` is below 1.
    """
    check_patterns(student, patterns)
    check_count(chunk, "chunk")
    weight = student.second.weight  # (E, m, h)
    squares = patterns.y.new_zeros(student.members, student.student_hidden)
    size = max(1, chunk // weight.numel())
    for xs, ys in zip(patterns.x.split(size, 1), patterns.y.split(size, 1), strict=True):
        hidden = student.hidden(xs).mT.contiguous()  # (E, h, P)
        z = (weight @ hidden).unsqueeze(2)  # (E, m, 1, P), the pre-activation that all nodes make
        z = torch.addcmul(z, weight.unsqueeze(-1), hidden.unsqueeze(1), value=-1)  # (E, m, h, P), without each
        squares += (student.readout(z.movedim(1, -1)) - ys.unsqueeze(1)).square().sum(-1)
    return squares / patterns.y.shape[1]


@torch.no_grad()
def greedy_order(student: Student, patterns: Patterns, chunk: int = 1 << 20) -> Tensor:
    """Nodes in the order of backward elimination, the last to go first, shape (E, h): an order for `prune_sweep`.

    Nodes that have died go first. Then, at every step, that node goes whose removal leaves the smallest mean squared
    error on `patterns`. A score looks at weights; this looks at what every removal does, and no ranking of single
    nodes sees how two of them stand in for each other. It is still a heuristic: the best n nodes need not be n - 1
    of the best n + 1. Take the curve on other patterns than those that chose the nodes.

    The work grows with the square of the number of nodes alive. `chunk` bounds the numbers held at once.

    Raises
    ------
    ValueError, TypeError
        If `patterns` do not fit, or `chunk` is below 1; if an error is not finite, with its place: a student that has
        diverged has no order.
    """
    check_patterns(student, patterns)
    check_count(chunk, "chunk")
    alive = _connected(student)
    order = torch.argsort(~alive, dim=-1, stable=True)
    left = _first(alive)  # (E, k), the nodes that are left
    student, alive = _of_nodes(student, left), alive.gather(1, left)
    for k in range(left.shape[1], 0, -1):
        errors = errors_without(student, patterns, chunk).masked_fill_(~alive, -1)
        check_finite(errors, "errors without a node", " (member, node): did the training diverge?")
        gone = errors.argmin(-1, keepdim=True)
        order[:, k - 1 : k] = left.gather(1, gone)
        rest = torch.arange(k - 1, device=gone.device)
        rest = rest + (rest >= gone)  # (E, k - 1)
        left, alive = left.gather(1, rest), alive.gather(1, rest)
        cut_nodes(student, rest)
    return order


def _connected(student: Student) -> Tensor:
    """Nodes that something reaches and that reach something, bool (E, h); the others answer zero to everything."""
    return student.first.weight.ne(0).any(-1) & student.second.weight.ne(0).any(-2)


def _first(alive: Tensor) -> Tensor:
    """Indices (E, k) that bring the nodes of `alive` (E, h) to the front; k is the largest number of any member."""
    width = max(1, int(alive.sum(-1).max()))
    return torch.argsort(~alive, dim=-1, stable=True)[:, :width]


def _of_nodes(student: Student, order: Tensor) -> Student:
    """A copy with only the nodes of `order` (E, k), in that order."""
    student = copy.deepcopy(student)
    cut_nodes(student, order)
    return student
