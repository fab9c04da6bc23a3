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

from spectral.checks import check_bool, check_finite, check_tensor
from spectral.layers import SpectralLinear
from spectral.students import Student

Layer = SpectralLinear | nn.Linear
ScoreKind = Literal["incoming", "eigenvalue", "product"]


class Pair(NamedTuple):
    """A layer and the layer that reads it through an elementwise activation.

    Attributes
    ----------
    first, second:
        Both `SpectralLinear` or `torch.nn.Linear`; the nodes are the outputs of the first, and inputs of the second.
    """

    first: Layer
    second: Layer


Model = TypeVar("Model", Student, Pair)


@torch.no_grad()
def node_scores(model: Student | Pair, kind: ScoreKind = "incoming") -> Tensor:
    """The score of every hidden node, shape (E, h), or (h,) without members; see the module's table.

    Raises
    ------
    ValueError
        If `kind` is unknown, or "eigenvalue" is asked of a layer that has none; if a layer is not linear, or the second
        does not read the first.
    TypeError
        If `model` is no pair.
    """
    first, second = _layers(model)
    for layer in (first, second):
        _check_linear(layer)
    _check_reads(first, second)
    if kind == "incoming":
        return first.weight.norm(dim=-1)
    if kind == "eigenvalue":
        if not isinstance(first, SpectralLinear):
            raise ValueError(f"a {type(first).__name__} has no eigenvalues; score it by 'incoming' or 'product'")
        return first.lam_out.abs()
    if kind == "product":
        return first.weight.norm(dim=-1) * second.weight.norm(dim=-2)
    raise ValueError(f"unknown score {kind!r}; choose incoming, eigenvalue or product")


def check_layer(layer: nn.Module) -> None:
    """Raise ValueError unless `layer` is linear and its weights are parameters that can be cut.

    Weights that are computed from others (weight norm, any parametrization, masks of `torch.nn.utils.prune`) would come
    back at the next forward as if nothing had been cut.
    """
    _check_linear(layer)
    name = "phi" if isinstance(layer, SpectralLinear) else "weight"
    if name not in layer._parameters:
        raise ValueError(
            f"the {name} of this {type(layer).__name__} is computed from other parameters, and a cut of it would not "
            "last; make it a plain parameter first, as torch.nn.utils.parametrize.remove_parametrizations does"
        )


def _layers(model: Student | Pair) -> tuple[Layer, Layer]:
    if not isinstance(model, Student | Pair):
        raise TypeError(f"a model must be a Student, or a Pair(first, second) of layers; got a {type(model).__name__}")
    return model.first, model.second


def _check_reads(first: Layer, second: Layer) -> None:
    """Raise ValueError unless the second layer reads the nodes of the first, members and all."""
    if second.in_features != first.out_features:
        raise ValueError(f"the second layer reads {second.in_features} nodes, the first has {first.out_features}")
    shapes = [tuple((one.phi if isinstance(one, SpectralLinear) else one.weight).shape) for one in (first, second)]
    if shapes[0][:-2] != shapes[1][:-2]:
        raise ValueError(
            f"both layers of a pair must have the same members; their weights have shapes {shapes[0]} and {shapes[1]}"
        )


def _check_linear(layer: nn.Module) -> None:
    if not isinstance(layer, SpectralLinear | nn.Linear):
        raise ValueError(f"a {type(layer).__name__} has no nodes that could be pruned here; give linear layers")


def _check_model(model: Student | Pair) -> None:
    """Raise ValueError unless both layers can be cut, each by itself."""
    for layer in _layers(model):
        check_layer(layer)
    shared = {id(parameter) for parameter in model.first.parameters()} & {id(p) for p in model.second.parameters()}
    if shared:
        raise ValueError("both layers of this pair have a parameter in common; a cut of one would cut the other")


def rank(scores: Tensor) -> Tensor:
    """Nodes from the highest score to the lowest, shape of `scores`; equal scores stay in their order.

    Raises
    ------
    ValueError
        If a score is not a number.
    TypeError
        If scores are no tensor of real numbers.
    """
    check_tensor(scores, "scores")
    if torch.isnan(scores).any():
        raise ValueError("scores hold NaN; nodes cannot be ranked")
    return torch.argsort(scores, dim=-1, descending=True, stable=True)


@torch.no_grad()
def mask(model: Model, keep: Tensor, *, answers: Tensor | None = None) -> Model:
    """A copy of `model` of the same shape in which only the nodes of `keep` (bool, (E, h) or (h,)) speak.

    What the others answer is lost, a constant too: of a sigmoid, that of a node without any weight. With `answers`, of
    the shape of `keep`, such as each node's mean over patterns, it goes into the second layer's bias.

    Raises
    ------
    ValueError
        If `keep` does not fit, or would leave a member without any node; if `answers` do not fit, or there is no bias
        to put them into.
    """
    _check_keep(model, keep)
    result = copy.deepcopy(model)
    if answers is not None:
        check_tensor(answers, "answers")
        check_finite(answers, "answers")
        if answers.shape != keep.shape:
            raise ValueError(f"answers must be of the shape of keep, {tuple(keep.shape)}; got {tuple(answers.shape)}")
        if result.second.bias is None:
            raise ValueError("the second layer has no bias to take answers; make the pair's second layer with one")
        result.second.bias.add_((result.second.weight * answers.masked_fill(keep, 0.0).unsqueeze(-2)).sum(-1))
    for parameter, axis in node_tensors(result):
        parameter.movedim(axis, keep.ndim - 1)[~keep] = 0
    return result


@torch.no_grad()
def compact(model: Model, keep: Tensor, *, answers: Tensor | None = None) -> tuple[Model, Tensor]:
    """A smaller network with the function of ``mask(model, keep)``, and the node each of its nodes was.

    The new width is the largest number of nodes that a member keeps, in their old order. A member that keeps
    fewer is filled up with silent nodes, whose origin is -1. `answers` are as in `mask`.

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
    result = mask(model, keep, answers=answers)
    cut_nodes(result, order)
    return result, order.masked_fill(~kept, -1)


def _check_keep(model: Student | Pair, keep: Tensor) -> None:
    _check_model(model)
    check_bool(keep, "keep", tuple(model.first.weight.shape[:-1]))
    _check_reads(model.first, model.second)
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
    """Keep only the nodes of `order` (E, h') or (h',) in `model`, in place; ValueError if there are no such nodes."""
    nodes = _layers(model)[0].out_features
    check_tensor(order, "order")
    if order.is_floating_point() or (order.numel() and (order.min() < 0 or order.max() >= nodes)):
        raise ValueError(f"order must hold nodes from 0 to {nodes - 1}, whole numbers; got {order}")
    for parameter, axis in node_tensors(model):
        parameter.data = take_nodes(parameter.detach(), axis, order)
        parameter.grad = None
    model.first.out_features = model.second.in_features = order.shape[-1]
