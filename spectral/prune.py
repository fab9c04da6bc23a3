r"""Pruning: score the hidden nodes, rank them, silence them, cut them out, and count what that costs.

A *pair* is a layer and the layer that reads it, with nothing but an elementwise activation between them: a
`Student`, or any two layers of a network of your own as ``Pair(first, second)``. A node is a row of the first
layer's weight. Its bias and its outgoing weights (the second layer's column) go with it. No score looks at a bias: a
node of small weights and large bias is a constant, and cutting it takes the constant away.

Scores (arXiv:2310.12612 ranks by the first):

==========  =================================================  ===============================================
kind        score of node i                                    what it is
==========  =================================================  ===============================================
incoming    :math:`\lVert w_i\rVert`                           the paper's L (spectral) and W (direct); for
                                                               frozen :math:`\lambda^{in}=0` it equals
                                                               :math:`|\lambda_i|\,\lVert\phi_i\rVert`
eigenvalue  :math:`|\lambda^{out}_i|`                          depends on how w is shared between the factors
product     :math:`\lVert w_i\rVert\,\lVert w^{out}_i\rVert`   unchanged when a relu node passes a factor
                                                               from its incoming to its outgoing weights
==========  =================================================  ===============================================

Axes: E members (absent where the layers have none), P patterns, h nodes, m nodes of the second layer.
"""

from __future__ import annotations

import copy
from typing import Literal, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from spectral.layers import SpectralLinear
from spectral.students import Student
from spectral.tasks import Patterns

Layer = SpectralLinear | nn.Linear
ScoreKind = Literal["incoming", "eigenvalue", "product"]


class Pair(NamedTuple):
    """A layer and the layer that reads it through an elementwise activation."""

    first: Layer
    second: Layer


Model = TypeVar("Model", Student, Pair)


@torch.no_grad()
def node_scores(model: Student | Pair, kind: ScoreKind = "incoming") -> Tensor:
    """The score of every hidden node, shape (E, h), or (h,) without members; see the module's table.

    Raises
    ------
    ValueError
        If `kind` is unknown, or "eigenvalue" is asked of a layer that has none.
    """
    first, second = model.first, model.second
    if kind == "incoming":
        return first.weight.norm(dim=-1)
    if kind == "eigenvalue":
        if not isinstance(first, SpectralLinear):
            raise ValueError(f"a {type(first).__name__} has no eigenvalues; score it by 'incoming' or 'product'")
        return first.lam_out.abs()
    if kind == "product":
        return first.weight.norm(dim=-1) * second.weight.norm(dim=-2)
    raise ValueError(f"unknown score {kind!r}; choose incoming, eigenvalue or product")


def rank(scores: Tensor) -> Tensor:
    """Nodes from the highest score to the lowest, shape of `scores`; equal scores stay in their order.

    Raises
    ------
    ValueError
        If a score is not a number.
    """
    if torch.isnan(scores).any():
        raise ValueError("scores hold NaN; nodes cannot be ranked")
    return torch.argsort(scores, dim=-1, descending=True, stable=True)


@torch.no_grad()
def mask(model: Model, keep: Tensor) -> Model:
    """A copy of `model` of the same shape in which only the nodes of `keep` (bool, (E, h) or (h,)) speak.

    Raises
    ------
    ValueError
        If `keep` does not fit, or would leave a member without any node.
    """
    _check_keep(model, keep)
    result = copy.deepcopy(model)
    for parameter, axis in node_tensors(result):
        parameter.movedim(axis, keep.ndim - 1)[~keep] = 0
    return result


@torch.no_grad()
def compact(model: Model, keep: Tensor) -> tuple[Model, Tensor]:
    """A smaller network with the function of ``mask(model, keep)``, and the node each of its nodes was.

    The new width is the largest number of nodes that a member keeps, in their old order. A member that keeps
    fewer is filled up with silent nodes, whose origin is -1.

    Returns
    -------
    model, origin:
        The smaller model, of the same type; indices (E, h') or (h',).

    Raises
    ------
    ValueError
        As in `mask`.
    """
    _check_keep(model, keep)
    width = int(keep.sum(-1).max())
    order = torch.argsort(~keep, dim=-1, stable=True)[..., :width]  # kept ones first, in their old order
    kept = keep.gather(-1, order)
    result = mask(model, keep)
    cut_nodes(result, order)
    return result, order.masked_fill(~kept, -1)


@torch.no_grad()
def prune_sweep(student: Student, patterns: Patterns, order: Tensor, chunk: int = 1 << 22) -> Tensor:
    """Mean squared error against the number n of nodes kept, for n = 0 … h, shape (E, h + 1).

    Entry n keeps the first n nodes of `order` (E, h); entry h is the whole student. Entry 0 has no node left, so
    that the output is zero and the error is the mean of y^2: the scale on which the others are read. One pass over
    the patterns serves all n, since removing a node takes one term from the second layer's sum; nodes that have died
    cost nothing.

    `chunk` bounds the hidden activations held at once (numbers, not bytes).

    Raises
    ------
    ValueError
        If `order` is not a permutation of the nodes for every member, or `patterns` do not fit.
    """
    members, h = student.members, student.student_hidden
    every = torch.arange(h, device=order.device).expand(members, h)
    if order.shape != every.shape or not torch.equal(order.sort(-1).values, every):
        raise ValueError(f"order must hold a permutation of {h} nodes for each of {members} members")
    _check_patterns(student, patterns)
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

    `chunk` bounds the numbers held at once.

    Raises
    ------
    ValueError
        If `patterns` do not fit.
    """
    _check_patterns(student, patterns)
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
    ValueError
        If `patterns` do not fit.
    """
    _check_patterns(student, patterns)
    alive = _connected(student)
    order = torch.argsort(~alive, dim=-1, stable=True)
    left = _first(alive)  # (E, k), the nodes that are left
    student, alive = _of_nodes(student, left), alive.gather(1, left)
    for k in range(left.shape[1], 0, -1):
        errors = errors_without(student, patterns, chunk).masked_fill_(~alive, -1)
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


def _check_patterns(student: Student, patterns: Patterns) -> None:
    x, y, members = patterns.x, patterns.y, student.members
    if x.shape != (members, y.shape[-1], student.first.in_features) or y.shape[0] != members or y.shape[-1] == 0:
        raise ValueError(
            f"patterns must have shapes ({members}, P, {student.first.in_features}) and ({members}, P), P at least 1; "
            f"got {tuple(x.shape)} and {tuple(y.shape)}"
        )


def _check_keep(model: Student | Pair, keep: Tensor) -> None:
    shape = tuple(model.first.weight.shape[:-1])
    if keep.dtype != torch.bool or tuple(keep.shape) != shape:
        raise ValueError(f"keep must be a bool tensor of shape {shape}; got {keep.dtype} of shape {tuple(keep.shape)}")
    if model.second.in_features != model.first.out_features:
        raise ValueError(
            f"the second layer reads {model.second.in_features} nodes, the first has {model.first.out_features}"
        )
    if model.first.weight.shape[:-2] != model.second.weight.shape[:-2]:
        raise ValueError(
            f"both layers of a pair must have the same members; their weights have shapes "
            f"{tuple(model.first.weight.shape)} and {tuple(model.second.weight.shape)}"
        )
    if not keep.any(-1).all():
        raise ValueError("this would remove the last node of a member, and leave no network; keep at least one")


def node_tensors(model: Student | Pair) -> list[tuple[Tensor, int]]:
    """The parameters of a pair that have an axis of hidden nodes, each with that axis."""
    first, second = model.first, model.second
    rows = [first.phi, first.lam_out] if isinstance(first, SpectralLinear) else [first.weight]
    columns = [second.phi, second.lam_in] if isinstance(second, SpectralLinear) else [second.weight]
    if first.bias is not None:
        rows.append(first.bias)
    lead = first.weight.ndim - 2  # axes of members: 0 or 1
    return [(row, lead) for row in rows] + [(column, column.ndim - 1) for column in columns]


def take_nodes(values: Tensor, axis: int, order: Tensor) -> Tensor:
    """The nodes of `order` (E, h') or (h',), in that order, of a tensor whose `axis` counts nodes."""
    lead = order.ndim - 1
    index = order.view(*order.shape[:lead], *(order.shape[-1] if a == axis else 1 for a in range(lead, values.ndim)))
    shape = [order.shape[-1] if a == axis else size for a, size in enumerate(values.shape)]
    return values.gather(axis, index.expand(shape))


@torch.no_grad()
def cut_nodes(model: Student | Pair, order: Tensor) -> None:
    """Keep only the nodes of `order` in `model`, in place."""
    for parameter, axis in node_tensors(model):
        parameter.data = take_nodes(parameter.detach(), axis, order)
        parameter.grad = None
    model.first.out_features = model.second.in_features = order.shape[-1]
