"""Whole networks of one's own: the nodes that can be pruned, their scores and penalty, and a cut that keeps answers.

A network is an `nn.Sequential`, nested ones included. A layer of *hidden nodes* is a linear layer that another one
reads, with nothing between them but what treats every node by itself: an elementwise activation, `nn.BatchNorm1d`,
`nn.Dropout`. Where something else stands between two linear layers, or where cutting would go wrong in silence
(weights that are computed, parameters used twice, hooks), the network is refused, by name and before anything changes.
What stands before the first linear layer or after the last is left alone, whatever it is.

==================  ==================================================================================================
`hidden_layers`     the layers of hidden nodes, with what reads them
`spectralize`       makes them spectral layers of the same function; `to_linear` makes them ordinary again
`penalty`           the split penalty on all of them, to add to a loss
`layer_scores`      the score of every node
`prune`             a smaller network; what removed nodes answer goes into the next layer
`load_pruned`       reads the state of a pruned network into a copy of the network that it was pruned from
==================  ==================================================================================================

Axes: B patterns, h hidden nodes of a layer.
"""

from __future__ import annotations

import copy
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from spectral.apply.removal import keep_only
from spectral.checks import check_bool, check_tensor
from spectral.layers import SpectralLinear
from spectral.measures import check_threshold
from spectral.penalties import split_l2
from spectral.prune import Layer, Pair, check_layer, cut_nodes, node_scores

ELEMENTWISE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh, nn.Sigmoid),
    *(nn.Softplus, nn.Softsign, nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.LogSigmoid, nn.Tanhshrink),
    *(nn.Identity, nn.Dropout),
)
"""Modules that treat every node by itself, and all alike."""

NetworkScore = Literal["incoming", "product"]


class Hidden(NamedTuple):
    """A layer of hidden nodes, and what reads it.

    Attributes
    ----------
    name, first:
        The layer's name in the network, and the layer.
    between:
        What stands between it and the next layer: activation, batch normalisation, dropout.
    second, reader:
        The next layer, and its name.
    """

    name: str
    first: Layer
    between: tuple[nn.Module, ...]
    second: Layer
    reader: str


class Pruned(NamedTuple):
    """A smaller network, and what it costs.

    Attributes
    ----------
    model:
        The network.
    kept:
        By name of a layer the nodes that are left, as indices of those that there were, (h',).
    change:
        Mean squared change of the outputs over the given patterns, in their unit squared; None if none were given.
    optimiser:
        One that goes on with the smaller network; None if none was given.
    """

    model: nn.Sequential
    kept: dict[str, Tensor]
    change: float | None
    optimiser: torch.optim.Optimizer | None = None


def hidden_layers(model: nn.Module) -> list[Hidden]:
    """The layers of hidden nodes of a network, from its inputs on.

    Raises
    ------
    TypeError
        If `model` is no `nn.Sequential`.
    ValueError
        If it holds something that cannot be cut; the message names it, and says what to do.
    """
    _check_sequence(model)
    leaves = list(_leaves(model))
    linear = [place for place, (_, module) in enumerate(leaves) if isinstance(module, nn.Linear | SpectralLinear)]
    found = []
    for start, end in itertools.pairwise(linear):
        (name, first), (reader, second) = leaves[start], leaves[end]
        for label, module in leaves[start + 1 : end]:
            _check_between(label, module, name, reader)
        between = tuple(module for _, module in leaves[start + 1 : end])
        found.append(Hidden(name, _linear(name, first), between, _linear(reader, second), reader))
    _check_used_once(model)
    if not found:
        raise ValueError("this network has no hidden nodes to prune: there are no two linear layers in succession")
    return found


def spectralize(model: nn.Module) -> nn.Sequential:
    """A copy in which every layer of hidden nodes is a `SpectralLinear` of exactly the same function.

    The layer that gives the outputs stays as it is: it has no nodes to remove. What was frozen stays frozen. Errors as
    in `hidden_layers`.
    """
    result = _copy(model)
    for one in hidden_layers(result):
        if isinstance(one.first, nn.Linear):
            layer = SpectralLinear.from_linear(one.first)
            layer.phi.requires_grad_(one.first.weight.requires_grad)
            layer.lam_out.requires_grad_(one.first.weight.requires_grad)
            if layer.bias is not None and one.first.bias is not None:
                layer.bias.requires_grad_(one.first.bias.requires_grad)
            result.set_submodule(one.name, layer.train(one.first.training))
    return result


def to_linear(model: nn.Sequential) -> nn.Sequential:
    """A copy in which every `SpectralLinear` is an `nn.Linear` of exactly the same function: for export and use."""
    result = _copy(model)
    for name, module in list(result.named_modules()):
        if isinstance(module, SpectralLinear):
            layer = module.to_linear()
            layer.weight.requires_grad_(module.phi.requires_grad)
            if layer.bias is not None and module.bias is not None:
                layer.bias.requires_grad_(module.bias.requires_grad)
            result.set_submodule(name, layer.train(module.training))
    return result


def penalty(model: nn.Module, l2_phi: float = 0.01, l2_lam: float = 5e-4) -> Tensor:
    """The split penalty of all spectral layers of hidden nodes, a scalar to add to a loss; see `spectral.penalties`.

    Raises
    ------
    ValueError
        If no layer of hidden nodes is spectral; and as in `hidden_layers`.
    """
    layers = [one.first for one in hidden_layers(model) if isinstance(one.first, SpectralLinear)]
    if not layers:
        raise ValueError("no layer of hidden nodes is spectral; make them so with spectralize(model)")
    return torch.stack([split_l2(layer, l2_phi, l2_lam) for layer in layers]).sum()


@torch.no_grad()
def layer_scores(model: nn.Module, kind: NetworkScore = "product") -> dict[str, Tensor]:
    """The score of every hidden node by the name of its layer, (h,) each: "incoming" or "product".

    As in `spectral.prune`, times what batch normalisation multiplies the node with. Errors as in `hidden_layers`.
    """
    if kind not in ("incoming", "product"):
        raise ValueError(f"unknown score {kind!r}; choose incoming or product")
    return {one.name: node_scores(Pair(one.first, one.second), kind) * _gain(one) for one in hidden_layers(model)}


@torch.no_grad()
def prune(
    model: nn.Module,
    keep: Mapping[str, Tensor] | None = None,
    *,
    threshold: float = 0.05,
    kind: NetworkScore = "product",
    x: Tensor | None = None,
    refit: bool = False,
    optimiser: torch.optim.Optimizer | None = None,
) -> Pruned:
    """A smaller network without the nodes that are not kept; `model` is left as it is.

    A removed node is replaced by its mean answer, which goes into the bias of the next layer (one is made if there is
    none). What is lost is how the answer *varied*; with `refit`, how it varied beyond what the nodes that stay can say.
    Without patterns, only nodes whose incoming weights are all zero can be removed: their answer is a constant that the
    weights tell.

    Parameters
    ----------
    keep:
        By the name of a layer, as `hidden_layers` has it, which nodes stay, bool (h,); layers without an entry stay
        whole. Default: everywhere the nodes whose score is above `threshold` of the layer's largest.
    threshold, kind:
        Of the default.
    x:
        Inputs (B, ...) that say what nodes answer, such as the training patterns.
    refit:
        Whether the nodes that stay take over what they can, by least squares over `x`; see `spectral.apply.removal`.
        For that there should be many more patterns than nodes.
    optimiser:
        The optimiser of `model` in the middle of a training. Its like comes back for the smaller network, with what it
        remembers of the weights that stay.

    Raises
    ------
    ValueError
        If a name or a shape is wrong, a layer would lose all of its nodes, patterns are needed, or hold values that are
        not finite; if the optimiser is of another network, or of a kind that remembers other things than one value for
        each weight; and as in `hidden_layers`. Nothing has been changed then.
    """
    chosen = _chosen(model, keep, threshold, kind)
    check_patterns(x, refit)
    if optimiser is not None:
        _check_optimiser(model, optimiser)
    result = _copy(model)
    with evaluating(result):
        before = None if x is None else result(x)
        for one in hidden_layers(result):
            stay = chosen[one.name]
            if not stay.all():
                answers = _constants(one, ~stay) if x is None else node_answers(result, one, x)
                _take_over(one, ~stay, answers, refit)
                _cut(one, torch.nonzero(stay).flatten())
        change = None if before is None else float((result(x) - before).square().mean())
    kept = {name: torch.nonzero(stay).flatten() for name, stay in chosen.items()}
    return Pruned(result, kept, change, None if optimiser is None else _followed(optimiser, model, result, kept))


@torch.no_grad()
def load_pruned(model: nn.Module, state: Mapping[str, Tensor]) -> nn.Sequential:
    """A copy of `model`, cut to the sizes of the `state` of a network that was pruned from one like it, and loaded.

    `model` itself is left as it is, whether the state fits or not.

    Raises
    ------
    ValueError
        If the state is of another kind of network; and as in `hidden_layers`.
    """
    result = _copy(model)
    for one in hidden_layers(result):
        name = f"{one.name}.{'phi' if isinstance(one.first, SpectralLinear) else 'weight'}"
        if name not in state:
            raise ValueError(
                f"the state has no {name}; it is of another network, or of one that went through spectralize or "
                "to_linear: do the same with model first"
            )
        nodes = len(state[name]) if getattr(state[name], "ndim", 0) else 0
        if not 1 <= nodes <= one.first.out_features:
            raise ValueError(f"layer {one.name!r} has {one.first.out_features} nodes; the state has {nodes} of them")
        _cut(one, torch.arange(nodes))
        if f"{one.reader}.bias" in state and one.second.bias is None:
            _make_bias(one.second)
    try:
        result.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"the state is of another network: {error}") from None
    return result


def _sequential(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def _leaves(model: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """What the network does one after the other, by name: nested sequences are opened, nothing else is."""
    for name, module in model._modules.items():
        if module is not None and _sequential(module):
            yield from _leaves(module, f"{prefix}{name}.")
        elif module is not None:
            yield f"{prefix}{name}", module


def _check_between(label: str, module: nn.Module, name: str, reader: str) -> None:
    """Raise ValueError unless `module` treats every node by itself."""
    kind, place = type(module).__name__, f"between linear layers {name!r} and {reader!r}"
    if type(module) is nn.BatchNorm1d:
        if module.running_var is None:
            raise ValueError(
                f"{kind} {label!r} {place} keeps no running statistics, so that a node's answer depends on its batch; "
                "make it with track_running_stats=True"
            )
    elif type(module) not in ELEMENTWISE:
        raise ValueError(
            f"{kind} {label!r} {place} is not known to treat every node by itself, and nodes cannot be cut along it. "
            "Known are elementwise activations, BatchNorm1d and Dropout; for other architectures see Torch-Pruning"
        )
    _check_hooks(label, module)


def _linear(name: str, layer: nn.Module) -> Layer:
    """`layer`, or a ValueError if its weights cannot be cut."""
    if not isinstance(layer, nn.Linear | SpectralLinear) or type(layer) not in (nn.Linear, SpectralLinear):
        raise ValueError(
            f"layer {name!r} is a {type(layer).__name__}, which may do other things than the nn.Linear that it is made "
            "from; replace it by a plain one"
        )
    try:
        check_layer(layer)
    except ValueError as error:
        raise ValueError(f"layer {name!r}: {error}") from None
    if isinstance(layer, SpectralLinear) and layer.members is not None:
        raise ValueError(f"layer {name!r} has members; a network of your own has one layer in each place")
    _check_hooks(name, layer)
    return layer


def _check_hooks(name: str, module: nn.Module) -> None:
    if module._forward_hooks or module._forward_pre_hooks:
        raise ValueError(f"{type(module).__name__} {name!r} has hooks, which a cut could not follow; remove them first")


def _check_used_once(model: nn.Module) -> None:
    """Raise ValueError if a parameter is used in two places: a cut in one would be a cut in the other."""
    seen: dict[int, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        other = seen.setdefault(id(parameter), name)
        if other != name:
            raise ValueError(f"{other} and {name} are one parameter; give each layer its own, then train or prune")


def _chosen(
    model: nn.Module, keep: Mapping[str, Tensor] | None, threshold: float, kind: NetworkScore
) -> dict[str, Tensor]:
    """Which nodes stay, bool (h,), for every layer of hidden nodes."""
    check_threshold(threshold)
    scores = layer_scores(model, kind)
    if keep is None:
        bad = [name for name, own in scores.items() if not torch.isfinite(own).all() or not (own > 0).any()]
        if bad:
            raise ValueError(f"scores of layers {bad} are not finite, or all zero; say with keep which nodes stay")
        return {name: own > threshold * own.max() for name, own in scores.items()}
    if not isinstance(keep, Mapping):
        raise TypeError(f"keep must map names of layers to bool tensors; got a {type(keep).__name__}")
    unknown = sorted(keep.keys() - scores.keys())
    if unknown:
        raise ValueError(f"keep names {unknown}; the layers of hidden nodes are {list(scores)}")
    chosen = {name: keep.get(name, torch.ones_like(own, dtype=torch.bool)) for name, own in scores.items()}
    for name, stay in chosen.items():
        check_bool(stay, f"keep[{name!r}]", tuple(scores[name].shape))
        if not stay.any():
            raise ValueError(f"keep[{name!r}] would remove every node of the layer; keep at least one")
    return chosen


def _gain(one: Hidden) -> Tensor:
    """What batch normalisation multiplies each node with, (h,)."""
    gain = one.first.weight.new_ones(one.first.out_features)
    for module in one.between:
        if isinstance(module, nn.BatchNorm1d) and module.running_var is not None:
            gain = gain / (module.running_var + module.eps).sqrt()
            gain = gain if module.weight is None else gain * module.weight.abs()
    return gain


def check_patterns(x: Tensor | None, needed: bool) -> None:
    """Raise ValueError unless `x` are patterns."""
    if x is None and needed:
        raise ValueError("what nodes say of each other is seen from patterns: give x, such as the training inputs")
    if x is not None:
        check_tensor(x, "x")
    if x is not None and (x.ndim < 2 or len(x) == 0 or not torch.isfinite(x).all()):
        raise ValueError(f"x must be patterns (B, ...), one or more, all of them finite; got shape {tuple(x.shape)}")


def _constants(one: Hidden, gone: Tensor) -> Tensor:
    """What nodes without incoming weights answer, as to one pattern, (1, h)."""
    silent = one.first.weight.eq(0).all(-1)
    if (gone & ~silent).any():
        raise ValueError(
            f"{int((gone & ~silent).sum())} of the nodes to remove from layer {one.name!r} have incoming weights, and "
            "what they answer depends on the inputs: give patterns, x, such as the training inputs"
        )
    weight = one.first.weight
    answers = (weight.new_zeros(len(weight)) if one.first.bias is None else one.first.bias).unsqueeze(0)
    for module in one.between:
        answers = module(answers)
    return answers


def node_answers(model: nn.Module, one: Hidden, x: Tensor) -> Tensor:
    """What the nodes of a layer answer to patterns, (B, h): as the next layer reads it."""
    for name, module in _leaves(model):
        if name == one.reader:
            break
        x = module(x)
    return x.flatten(0, -2)


def read_on(model: nn.Module, one: Hidden, read: Tensor) -> Tensor:
    """The network's outputs, given what the layer that reads `one` makes of its nodes, (B, C)."""
    names = [name for name, _ in _leaves(model)]
    for _, module in list(_leaves(model))[names.index(one.reader) + 1 :]:
        read = module(read)
    return read


def _take_over(one: Hidden, gone: Tensor, answers: Tensor, refit: bool) -> None:
    """Put what removed nodes answer into the layer that reads them."""
    weight = one.second.weight
    before = weight.new_zeros(len(weight)) if one.second.bias is None else one.second.bias
    left = keep_only(answers, weight, before, ~gone, refit=refit)
    if one.second.bias is None and left.bias.any():
        _make_bias(one.second)
    if one.second.bias is not None:
        one.second.bias.copy_(left.bias)
    if refit:
        set_weight(one.second, left.weight.to(weight))


def set_weight(layer: Layer, weight: Tensor) -> None:
    """Give a layer another weight; of a spectral one, phi changes.

    Raises
    ------
    ValueError
        If the eigenvalues of a spectral layer do not allow it.
    """
    if isinstance(layer, nn.Linear):
        layer.weight.copy_(weight)
        return
    impossible = layer.scale.eq(0) & weight.ne(0)
    if impossible.any():
        raise ValueError("eigenvalues of zero stand where a weight is needed; make the network ordinary with to_linear")
    layer.phi.copy_(torch.where(layer.scale.eq(0), layer.phi, weight / layer.scale))


def _check_optimiser(model: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Raise ValueError unless all that the optimiser remembers is one value for each weight, and numbers."""
    if not isinstance(optimiser, torch.optim.Optimizer):
        raise TypeError(f"optimiser must be one of torch.optim; got a {type(optimiser).__name__}")
    own = {id(parameter) for parameter in model.parameters()}
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            if id(parameter) not in own:
                raise ValueError("the optimiser trains parameters that are not this network's; give the network's own")
            for name, value in optimiser.state.get(parameter, {}).items():
                if isinstance(value, list | dict) or (_of_weights(value) and value.shape != parameter.shape):
                    raise ValueError(
                        f"{type(optimiser).__name__} remembers {name}, which is not one value for each weight and "
                        "cannot be cut; begin a new optimiser with the smaller network"
                    )


def _followed(
    optimiser: torch.optim.Optimizer, model: nn.Module, result: nn.Sequential, kept: Mapping[str, Tensor]
) -> torch.optim.Optimizer:
    """An optimiser like the given one for the `result` of a cut; biases that were made go with the weights beside."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    smaller = dict(result.named_parameters())
    follower = copy.copy(optimiser)
    follower.param_groups = [
        group | {"params": [smaller[names[id(parameter)]] for parameter in group["params"]]}
        for group in optimiser.param_groups
    ]
    follower.state = defaultdict(dict)
    made = smaller.keys() - set(names.values())
    for name in sorted(made):
        beside = {id(parameter) for parameter in result.get_submodule(name.rpartition(".")[0]).parameters()}
        next(
            (group for group in follower.param_groups if any(id(one) in beside for one in group["params"])),
            follower.param_groups[0],
        )["params"].append(smaller[name])
    for parameter, state in optimiser.state.items():
        follower.state[smaller[names[id(parameter)]]] = copy.deepcopy(state)
    remembered = {key for state in optimiser.state.values() for key, value in state.items() if _of_weights(value)}
    for key in remembered:
        shadow = _copy(model)  # holds what is remembered in the places of the weights, and is cut as they were
        for name, parameter in shadow.named_parameters():
            value = optimiser.state.get(model.get_parameter(name), {}).get(key)
            parameter.data = torch.zeros_like(parameter) if value is None else value.clone()
        for one in hidden_layers(shadow):
            _cut(one, kept[one.name])
        for name, parameter in shadow.named_parameters():
            if key in follower.state.get(smaller[name], {}):
                follower.state[smaller[name]][key] = parameter.detach()
    return follower


def _of_weights(value: object) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0


def _make_bias(layer: Layer) -> None:
    layer.bias = nn.Parameter(layer.weight.detach().new_zeros(layer.out_features))


def _cut(one: Hidden, order: Tensor) -> None:
    """Keep only the nodes of `order`, in place."""
    order = order.to(one.first.weight.device)
    cut_nodes(Pair(one.first, one.second), order)
    for module in one.between:
        if isinstance(module, nn.BatchNorm1d):
            module.num_features = len(order)
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                if tensor is not None:
                    tensor.data = tensor.detach()[order]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """All modules as when the network is used, each back as it was afterwards."""
    before = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in before.items():
            module.training = training


def _copy(model: nn.Module) -> nn.Sequential:
    _check_sequence(model)
    result: nn.Sequential = copy.deepcopy(model)  # type: ignore[assignment]
    return result


def _check_sequence(model: nn.Module) -> None:
    if not _sequential(model):
        raise TypeError(
            f"a network must be an nn.Sequential, whose order of layers is known; got {type(model).__name__}. Two "
            "successive layers of any other network can be given as spectral.Pair(first, second)"
        )
