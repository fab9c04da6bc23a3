"""What pruning costs, read from pruning curves: the error against the number n of nodes kept, n = 0 ... h.

Axes: E members, R orders, h nodes, N = h + 1 points of a curve, L tolerances.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from spectral.curves import greedy_order, growth, onset, prune_sweep
from spectral.measures import survivors
from spectral.prune import ScoreKind, node_scores, rank
from spectral.stats.intervals import Interval, estimate
from spectral.students import Student
from spectral.tasks import Patterns, Task


def by_score(student: Student, patterns: Patterns, kind: ScoreKind = "incoming") -> Tensor:
    """The error as nodes go, the lowest score first, (E, N)."""
    return prune_sweep(student, patterns, rank(node_scores(student, kind)))


def three_ways(student: Student, task: Task) -> dict[str, Tensor]:
    """The error as nodes go in three orders, (E, N) each: by the "incoming" norm, by the "product", "greedy" removal.

    It is measured on the test patterns. Greedy removal chooses on the validation patterns: chosen on those that
    measure, an order would show its luck as merit.
    """
    curves = {"incoming": by_score(student, task.test), "product": by_score(student, task.test, "product")}
    return curves | {"greedy": prune_sweep(student, task.test, greedy_order(student, task.validation))}


def at_random(student: Student, patterns: Patterns, threshold: float, draws: int, seed: int) -> dict[str, Tensor]:
    """The error as nodes go in random orders, (R, E, N), with R = `draws` that `seed` determines.

    Of "all" nodes, and of the "survivors" once all other nodes are gone; see `spectral.measures.survivors` for
    `threshold`.
    """
    alive = survivors(node_scores(student), threshold)
    noise = torch.rand(draws, *alive.shape, generator=torch.Generator().manual_seed(seed))

    def curves(scores: Tensor) -> Tensor:
        return torch.stack([prune_sweep(student, patterns, rank(order)) for order in scores])

    return {"survivors": curves(noise + alive), "all": curves(noise)}


def mean_growth(curves: Tensor) -> Tensor:
    """Growth of the error, (E, N), of curves (E, N), or of the mean of several orders, (R, E, N)."""
    return growth(curves.reshape(-1, *curves.shape[-2:]).mean(0))


def growth_with(curves: Tensor, nodes: int | Tensor) -> Tensor:
    """Growth of the error with as many `nodes` kept, a number or one for each member, (E,).

    Curves are as in `mean_growth`; what has fewer nodes than that has not grown.
    """
    grown = mean_growth(curves)
    n = torch.as_tensor(nodes).clamp_max(grown.shape[1] - 1).expand(len(grown))
    return grown.gather(1, n.unsqueeze(1)).squeeze(1)


def onsets(curves: Tensor, tolerances: Sequence[float]) -> Tensor:
    """The onset at each of some tolerances, (E, L); curves are as in `mean_growth`, and of several orders the mean."""
    orders = curves.reshape(-1, *curves.shape[-2:])
    found = [torch.stack([onset(order, tolerance) for tolerance in tolerances], -1) for order in orders]
    return torch.stack(found).double().mean(0)


def landmarks(curves: Tensor, sizes: Sequence[int], tolerance: float) -> Tensor:
    """What a table says of curves: growth in thousandths at each of the `sizes`, and the onset, (E, len(sizes) + 1).

    Curves are as in `mean_growth`.
    """
    grown = [1000 * growth_with(curves, size).double() for size in sizes]
    return torch.stack([*grown, *onsets(curves, [tolerance]).T], -1)


def correlation(pairs: np.ndarray) -> Interval:
    """Pearson's correlation of pairs (T, 2), one of each teacher; NaN for fewer than four, or where nothing varies.

    The interval is that of Fisher's z = artanh r, taken back, which stays between -1 and 1.
    """
    if len(pairs) < 4:
        return Interval(np.nan, np.nan, np.nan)

    def z(values: np.ndarray) -> float:
        return float(np.arctanh(np.corrcoef(values[:, 0].T)[0, 1]))

    with np.errstate(divide="ignore", invalid="ignore"):  # r = 1, or nothing to correlate with
        found = estimate(pairs[:, None], z)
    value, low, high = (float(np.tanh(part)) for part in (found.value, found.low, found.high))
    return Interval(value, low, high, found.sample)
