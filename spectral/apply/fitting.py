"""Several networks of one hidden layer trained together on one table: each has its own rows, start and penalty.

A network reads standardised columns, has relu nodes with biases, and gives one number (squared error) or one logit for
each class (cross entropy). Those that train together have one width; a narrower one has nodes without any weight, which
hear nothing and stay so.

Axes: M networks, n rows of the table, d columns, h nodes, C outputs, R rows of one network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

from spectral.apply.networks import hidden_layers, prune
from spectral.layers import SpectralLinear

LOOK_EVERY = 50
"""Steps between two looks at the validation rows, and at whether the loss is finite."""


class Networks(nn.Module):
    """M networks Linear – relu – Linear; the first layer is spectral or ordinary, the second ordinary."""

    def __init__(self, first: SpectralLinear, second: SpectralLinear) -> None:
        super().__init__()
        self.first, self.second = first, second

    @classmethod
    def drawn(cls, d: int, h: int, outputs: int, seeds: Sequence[int], *, spectral: bool = True) -> Networks:
        """Untrained ones, a seed each."""
        streams = [torch.Generator().manual_seed(seed) for seed in seeds]
        e = len(seeds)
        first = SpectralLinear(d, h, bias=True, members=e, train_lam_out=spectral, generator=streams)
        return cls(first, SpectralLinear(h, outputs, bias=True, members=e, train_lam_out=False, generator=streams))

    @classmethod
    @torch.no_grad()
    def stacked(cls, models: Sequence[nn.Sequential]) -> Networks:
        """Ordinary ones Linear – relu – Linear of different widths, as wide as the widest."""
        layers = [hidden_layers(model)[0] for model in models]
        width = max(one.first.out_features for one in layers)
        shape = layers[0].first.in_features, width, layers[0].second.out_features
        result = cls.drawn(*shape, [0] * len(models), spectral=False)
        for member, (_, first, _, second, _) in enumerate(layers):
            missing = width - first.out_features
            result.first.phi[member] = -nn.functional.pad(first.weight, (0, 0, 0, missing))
            result.second.phi[member] = -nn.functional.pad(second.weight, (0, missing))
            for own, bias in ((result.first.bias, first.bias), (result.second.bias, second.bias)):
                if own is not None and bias is not None:
                    own[member, : len(bias)] = bias
        return result

    def forward(self, x: Tensor) -> Tensor:
        """From (M, B, d), or (B, d) for all alike, to (M, B, C)."""
        result: Tensor = self.second(torch.relu(self.first(x)))
        return result

    def taken(self, member: int) -> nn.Sequential:
        """One of them as an ordinary network, of the nodes that have weights."""
        first, second = self.first.to_linear(member), self.second.to_linear(member)
        alive = first.weight.ne(0).any(1) | first.bias.ne(0)
        alive[0] |= not alive.any()  # a layer has one node at least
        model = nn.Sequential(first, nn.ReLU(), second)
        return prune(model, {"0": alive}, x=first.weight.new_zeros(1, first.in_features)).model


@dataclass(frozen=True)
class Rows:
    """What a table is for training: x (n, d), y (n, C) or classes (n,), and the loss of each pattern.

    `loss` takes outputs (B, C) and targets and gives (B,); see `spectral.apply.sizes`.
    """

    x: Tensor
    y: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]

    def losses(self, networks: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
        """Of M networks at their rows (M, B), the loss of each pattern, (M, B)."""
        outputs = networks(self.x[rows])
        return self.loss(outputs.flatten(0, 1), self.y[rows].flatten(0, 1)).view(rows.shape)


@contextmanager
def flushing() -> Iterator[None]:
    """Numbers too small for their format are zero: weights that decay towards zero would slow a processor down."""
    small = float(torch.tensor([torch.finfo(torch.float32).tiny]) * 0.5)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(small == 0)


@flushing()
def train(
    networks: Networks,
    table: Rows,
    rows: Tensor,
    *,
    penalty: Callable[[SpectralLinear], Tensor] | None = None,
    stop_on: Tensor | None = None,
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    progress: tqdm[None] | None = None,
) -> None:
    """Train all networks by Adam, in place, with a learning rate that falls to zero along half a cosine.

    Parameters
    ----------
    rows:
        Of the table that each network is trained on, (M, R).
    penalty:
        Of the first layer, (M,), added to the losses.
    stop_on:
        Rows (M, V) of validation. Each network ends with the parameters that were best there, its start included.
    seed:
        Of the order of the patterns.

    Raises
    ------
    ArithmeticError
        If a loss is not finite.
    """
    trained = [parameter for parameter in networks.parameters() if parameter.requires_grad]
    adam = torch.optim.Adam(trained, lr=learning_rate, foreach=True)
    slower = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 0.5 * (1 + math.cos(math.pi * step / steps)) + 1e-3)
    stream = torch.Generator().manual_seed(seed)
    best = [parameter.detach().clone() for parameter in trained]
    least = torch.full((len(rows),), torch.inf)

    @torch.no_grad()
    def look() -> None:
        assert stop_on is not None
        now = table.losses(networks, stop_on).mean(1)
        better = now < least
        least[better] = now[better]
        for kept, parameter in zip(best, trained, strict=True):
            kept[better] = parameter[better]

    batch = min(batch_size, rows.shape[1])
    order = rows
    for step in range(steps):
        place = step % (rows.shape[1] // batch) * batch
        if place == 0:
            order = rows.gather(1, torch.rand(rows.shape, generator=stream).argsort(1))
        if stop_on is not None and step % LOOK_EVERY == 0:
            look()
        loss = table.losses(networks, order[:, place : place + batch]).mean(1)
        if penalty is not None:
            loss = loss + penalty(networks.first)
        total = loss.sum()
        adam.zero_grad()
        total.backward()
        adam.step()
        slower.step()
        if progress is not None:
            progress.update()
        if step % LOOK_EVERY == 0 and not torch.isfinite(total):
            raise ArithmeticError(f"the loss is not finite at step {step:,}; lower learning_rate, or look at the table")
    if stop_on is not None:
        look()
        with torch.no_grad():
            for kept, parameter in zip(best, trained, strict=True):
                parameter.copy_(kept)
