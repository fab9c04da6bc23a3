r"""How many nodes a layer needs: the loss against their number, and the fewest that lose no more than a tolerance.

Nodes go one after the other, in the order of a score or in the greedy one, and those that stay take over what they can
(`spectral.apply.removal`). What that costs is judged on other patterns, one by one: the difference of the losses of the
smaller and the whole network, whose interval is Student's over the patterns. It has a sign; a smaller network can be
better. The size is the smallest number of nodes whose mean difference is not above a tolerance, in the unit of the
loss; by default one standard error of that difference. That is a rule, not a certainty: two trainings can differ in
it, and `spectral.apply.rightsize` asks several.

Axes: B patterns judged, h nodes of the layer, N = h + 1 numbers of nodes, from 0 to h.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.stats
import torch
from torch import Tensor, nn

from spectral.apply.networks import (
    Hidden,
    check_patterns,
    evaluating,
    hidden_layers,
    layer_scores,
    node_answers,
    prune,
    read_on,
)
from spectral.apply.removal import Left, remove
from spectral.checks import check_count, check_number
from spectral.stats.checks import exponent
from spectral.stats.intervals import LEVEL, Interval

Order = Literal["greedy", "product", "incoming"]
_NO_CLASS = -(2**40)

Loss = Callable[[Tensor, Tensor], Tensor]
"""From outputs (B, ...) and targets (B, ...) to the loss of each pattern, (B,)."""


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over the outputs of the squared difference, for each pattern, (B,), of two tensors (B, ...) of one shape.

    Raises ValueError if their shapes differ, where PyTorch would take every output with every target.
    """
    if outputs.shape != targets.shape or outputs.ndim < 2:
        raise ValueError(
            f"outputs and targets must have one shape, (B, ...); got {tuple(outputs.shape)} and "
            f"{tuple(targets.shape)}. Of one output, targets (B,) become (B, 1) by targets.unsqueeze(1)"
        )
    return (outputs - targets).square().flatten(1).mean(1)


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of logits (B, K) and classes (B,), in nats, for each pattern, (B,); IndexError if there is no such class."""
    # None is left out: by default a class of -100 would cost nothing.
    return nn.functional.cross_entropy(outputs, targets, reduction="none", ignore_index=_NO_CLASS)


@dataclass(frozen=True)
class Curve:
    """The loss against the number of nodes of one layer.

    Attributes
    ----------
    layer:
        Its name.
    nodes:
        Numbers of nodes, (N,), from 0 upwards.
    loss:
        Mean loss, (N,), with its interval over patterns.
    change:
        Loss minus that of the whole network, (N,), paired by patterns, with its interval; negative is better.
    error:
        The standard error of `change`, (N,).
    keep:
        Which nodes are left at each number, bool (N, h).
    """

    layer: str
    nodes: np.ndarray
    loss: Interval
    change: Interval
    error: np.ndarray
    keep: np.ndarray

    def smallest(self, tolerance: float | None = None, *, least: int = 0) -> int:
        """The fewest nodes, but `least`, whose loss is above the whole network's by no more than `tolerance`.

        In the loss's unit; by default one standard error of the difference.

        Raises
        ------
        ValueError
            If the tolerance is negative or not finite, or there are not so many nodes as `least`.
        """
        if tolerance is not None:
            check_number(
                tolerance,
                "tolerance",
                "be a finite number of at least 0, in the loss's unit",
                lambda value: 0 <= value < np.inf,
            )
        check_count(least, "least", 0)
        if least >= len(self.nodes):
            raise ValueError(f"least must be at most the {len(self.nodes) - 1} nodes that there are, not {least}")
        allowed = self.error if tolerance is None else np.full_like(self.error, tolerance)
        return least + fewest(self.change.value[least:], allowed[least:])


def fewest(change: np.ndarray, tolerance: np.ndarray | float) -> int:
    """The first place at which a change (N,), whose last is zero or less, is not above the tolerance."""
    return int(np.argmax(change <= np.maximum(tolerance, 0)))


@torch.no_grad()
def error_curve(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    loss: Loss = squared_error,
    *,
    fitted: Tensor,
    layer: str | None = None,
    order: Order = "greedy",
    refit: bool = True,
) -> Curve:
    """The loss of a network against the number of nodes of one of its layers.

    Parameters
    ----------
    x, y:
        Patterns that judge, inputs (B, ...) and targets: of validation, since those of training flatter.
    loss:
        Of each pattern; see `squared_error` and `cross_entropy`.
    fitted:
        Inputs by which nodes are replaced, such as the training patterns.
    layer:
        Its name, as in `hidden_layers`; may be left out where there is one.
    order:
        "greedy", or by a score: "product", "incoming".
    refit:
        Whether the nodes that stay take over, or removed ones are replaced by their mean answers alone.

    Raises
    ------
    ValueError
        If an argument is wrong, or the loss is not one finite number for each pattern; and as in
        `spectral.apply.networks.hidden_layers`.
    """
    one = _layer(model, layer)
    for patterns in (x, fitted):
        check_patterns(patterns, True)
    if len(x) < 2:
        raise ValueError("one pattern has no interval; judge by two or more")
    if len(y) != len(x):
        raise ValueError(f"there must be a target for each pattern; got {len(y)} for {len(x)}")
    if not callable(loss):
        raise TypeError(f"loss must be a function, from outputs and targets to losses (B,), not {loss!r}")
    with evaluating(model):
        steps = list(_steps(model, one, fitted, order, refit))[::-1]
        answers = node_answers(model, one, x)
        losses = torch.stack([_losses(model, one, answers, step, y, loss) for step in steps]).cpu().double().numpy()
    keep = torch.stack([step.keep for step in steps]).cpu().numpy()
    change, error = over_patterns(losses - losses[-1])
    return Curve(one.name, keep.sum(-1), over_patterns(losses)[0], change, error, keep)


def right_sized(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    loss: Loss = squared_error,
    *,
    fitted: Tensor,
    order: Order = "greedy",
    refit: bool = True,
    tolerance: float | None = None,
) -> tuple[nn.Sequential, Mapping[str, Curve]]:
    """A network cut to the size that `Curve.smallest` says, and the curve of each layer.

    Layers are cut in turn, from the inputs on, each in the network that is left; a layer keeps one node at least.
    Arguments and errors as in `error_curve` and `Curve.smallest`.
    """
    curves = {}
    for name in [one.name for one in hidden_layers(model)]:
        curve = error_curve(model, x, y, loss, fitted=fitted, layer=name, order=order, refit=refit)
        keep = torch.from_numpy(curve.keep[curve.smallest(tolerance, least=1)]).to(x.device)
        model, curves[name] = prune(model, {name: keep}, x=fitted, refit=refit).model, curve
    return model, curves  # type: ignore[return-value]


def _layer(model: nn.Module, name: str | None) -> Hidden:
    layers = {one.name: one for one in hidden_layers(model)}
    if name is None and len(layers) > 1:
        raise ValueError(f"the network has several layers of hidden nodes, {list(layers)}; say which with layer")
    if name is not None and name not in layers:
        raise ValueError(f"there is no layer of hidden nodes {name!r}; there are {list(layers)}")
    return layers[name] if name is not None else next(iter(layers.values()))


def _steps(model: nn.Module, one: Hidden, fitted: Tensor, order: Order, refit: bool) -> list[Left]:
    """What is left with all nodes, with one fewer, and so on."""
    if order not in ("greedy", "product", "incoming"):
        raise ValueError(f"unknown order {order!r}; choose greedy, product or incoming")
    turn = None
    if order != "greedy":
        turn = layer_scores(model, order)[one.name].argsort(stable=True).tolist()
    weight = one.second.weight
    bias = weight.new_zeros(len(weight)) if one.second.bias is None else one.second.bias
    return list(remove(node_answers(model, one, fitted), weight, bias, turn, refit=refit))


def _losses(model: nn.Module, one: Hidden, answers: Tensor, step: Left, y: Tensor, loss: Loss) -> Tensor:
    outputs = read_on(model, one, nn.functional.linear(answers, step.weight.to(answers), step.bias.to(answers)))
    losses = loss(outputs, y)
    if losses.shape != answers.shape[:1] or not torch.isfinite(losses).all():
        raise ValueError(
            f"loss must give one finite number for each of the {len(answers)} patterns; got shape {tuple(losses.shape)}"
            + ("" if losses.shape != answers.shape[:1] else ", with numbers that are not finite")
        )
    return losses


def over_patterns(values: np.ndarray) -> tuple[Interval, np.ndarray]:
    """Means over the last axis with Student's interval, and their standard errors; of one pattern both are NaN."""
    count = values.shape[-1]
    if count < 2:
        unknown = np.full(values.shape[:-1], np.nan)[()]
        return Interval(values.mean(-1), unknown, unknown, f"{count} pattern"), unknown
    scale = exponent(values)  # a power of two, that no square vanishes
    mean, error = values.mean(-1), np.ldexp(np.ldexp(values, -scale).std(-1, ddof=1), scale) / count**0.5
    half = scipy.stats.t.ppf(0.5 + LEVEL / 2, count - 1) * error
    return Interval(mean, mean - half, mean + half, f"{count} patterns"), error
