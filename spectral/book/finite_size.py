r"""Do mean curves of teachers of several sizes fall on one? Finite-size scaling of pruning curves.

Axes: T teachers, K trials, G settings, S sizes, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from spectral.book.quantities import THRESHOLD
from spectral.book.transition import GRID, SHAPE, master_curves
from spectral.book.universality import Setting, by_size, together
from spectral.stats.collapse import WIDEST, Collapse, Curve, collapse, quality
from spectral.stats.intervals import Interval, Refused, estimate

RESOLUTION = THRESHOLD
"""Least error of a point in a collapse: differences below the threshold of n_c mean nothing."""

REGION = (-0.5, 0.25)
"""Distances n/n_c - 1 over which curves are collapsed: outside, all of them are 1, or all are 0."""

_NEAR = slice(*np.searchsorted(GRID, (1 + REGION[0], 1 + REGION[1] + 1e-9)))  # points of GRID in there
_SHAPE_NEAR = slice(int(np.searchsorted(SHAPE, 1 + REGION[0])), None)

SCALED_BY = 20
"""Teacher's size in units of which a collapse scales, so that its parameters are independent of the unit."""

BOUNDS = ((0.8, 1.25), (-0.5, 1.5), (-1.0, 1.5))
"""Between which the parameters (c, a, b) of a collapse are looked for."""

_COMMON = 0  # place of c, which is but a common scale where a is near 0: the data may leave it open


def _errors(values: np.ndarray, curves: Callable[[np.ndarray], np.ndarray], average: np.ndarray) -> np.ndarray:
    """Standard errors over teachers of means over settings, at least `RESOLUTION`.

    `curves` makes a curve of each setting from features, (G, points). Settings have teachers of their own, so that
    their variances add up; those of four teachers left out in step would be too uncertain to divide by.
    """
    left = np.stack([curves(np.delete(values, teacher, 0)) for teacher in range(len(values))])
    variance = (len(values) - 1) * left.var(0)
    return np.maximum(np.sqrt(average**2 @ variance), RESOLUTION)


def shape_quality(chosen: Sequence[Setting], average: np.ndarray, threshold: float = THRESHOLD) -> Interval:
    """S of the mean curves at equal n/n_c in `REGION`, n_c each curve's own; `average` (groups, G) makes the curves."""
    values = together(chosen, threshold)
    errors = _errors(values, _shapes, average)

    def s(left: np.ndarray) -> float:
        rows = zip(average @ _shapes(left), errors, strict=True)
        return quality([Curve(1.0, SHAPE[_SHAPE_NEAR], y, dy) for y, dy in rows])[0]

    return estimate(values, s, log=True)


def _shapes(values: np.ndarray) -> np.ndarray:
    return master_curves(values)[:, _SHAPE_NEAR]


def rescale(parameters: np.ndarray, curve: Curve) -> Curve:
    """Finite-size scaling: n/h_T becomes (n/(c h_T) - 1) s^a, the growth is multiplied by s^b; s = h_T / SCALED_BY."""
    c, a, b = parameters
    unit = curve.size / SCALED_BY
    return Curve(curve.size, (curve.x / c - 1) * unit**a, curve.y * unit**b, curve.dy * unit**b)


class Sizes(NamedTuple):
    """The mean curve of each size: features of all members (T, K, G, F), sizes (S,), which settings make one (S, G)."""

    values: np.ndarray
    sizes: np.ndarray
    average: np.ndarray
    errors: np.ndarray  # (S, points)

    def curves(self, values: np.ndarray) -> list[Curve]:
        """Mean curves in `REGION`, one for each size."""
        rows = zip(self.sizes, self.average @ _near(values), self.errors, strict=True)
        return [Curve(float(size), GRID[_NEAR], y, dy) for size, y, dy in rows]


def _near(values: np.ndarray) -> np.ndarray:
    return np.asarray(values.mean((0, 1))[:, 2:][:, _NEAR])


def mean_curves(chosen: Sequence[Setting], threshold: float = THRESHOLD) -> Sizes:
    """The mean curves of several sizes; raises Refused if there are fewer than two."""
    sizes, average = by_size(chosen)
    if len(sizes) < 2:
        raise Refused(f"a collapse needs two sizes or more; got {sizes.tolist()}")
    values = together(chosen, threshold)
    return Sizes(values, sizes, average, _errors(values, _near, average))


def collapse_quality(chosen: Sequence[Setting], threshold: float = THRESHOLD) -> Interval:
    """S of the mean curves of several sizes near the transition, at equal n/h_T.

    One more number for all, by which n is divided, would change nothing: S does not depend on a common scale.

    Raises
    ------
    Refused
        If there are fewer than two sizes.
    """
    family = mean_curves(chosen, threshold)
    return estimate(family.values, lambda left: quality(family.curves(left))[0], log=True)


class Fit(NamedTuple):
    """A collapse.

    Attributes
    ----------
    parameters:
        The best (c, a, b).
    quality:
        Their S, about 1 for a good collapse.
    refused:
        Why they are refused; else empty.
    """

    parameters: Interval
    quality: Interval
    refused: str


def fit_collapse(chosen: Sequence[Setting], threshold: float = THRESHOLD, starts: int = 4) -> Fit:
    """The parameters of `rescale` that collapse the mean curves of several sizes best, near the transition.

    With all teachers, `spectral.stats.collapse.collapse` judges whether the data determine a and b. Then the search is
    made afresh without each teacher, and the intervals are judged alike: those of a and b must lie within `BOUNDS` and
    be no wider than `WIDEST` of them. What is refused has no interval. Neither has c where the data leave it open: so
    it is where a is near 0, since then it is but a common scale.

    Raises
    ------
    Refused
        If there are fewer than two sizes.
    """
    family = mean_curves(chosen, threshold)

    def search(values: np.ndarray, judge: bool = False) -> Collapse:
        return collapse(family.curves(values), rescale, BOUNDS, nuisances=[_COMMON], starts=starts, judge=judge)

    def without(values: np.ndarray) -> np.ndarray:
        best = search(values)
        return np.append(best.parameters, np.log(best.quality))

    try:
        best = search(family.values, judge=True)
        found = estimate(family.values, without)
        known = _known(best, found)
    except Refused as error:
        if not isinstance(error.estimate, Collapse):
            raise
        best, unknown = error.estimate, np.full(len(BOUNDS), np.nan)
        return Fit(Interval(best.parameters, unknown, unknown), Interval(best.quality, np.nan, np.nan), str(error))
    least, most = (np.where(known, end[:-1], np.nan) for end in (found.low, found.high))
    s = found[-1]
    return Fit(
        Interval(found.value[:-1], least, most, found.sample),
        Interval(np.exp(s.value), np.exp(s.low), np.exp(s.high), s.sample),
        "",
    )


def _known(best: Collapse, found: Interval) -> np.ndarray:
    """Which of the parameters of the best collapse have an interval; raises Refused if a or b is too uncertain."""
    low, high = np.transpose(BOUNDS)
    least, most = found.low[:-1], found.high[:-1]
    beyond = (least < low) | (most > high)
    uncertain = beyond | (most - least > WIDEST * (high - low))
    for which, name in enumerate("cab"):
        if which != _COMMON and uncertain[which]:
            raise Refused(
                f"the teachers do not determine the collapse: {name} has the interval {found[which]:.2f}, wider than"
                f" {WIDEST:.2g} of what was searched or beyond it: {BOUNDS[which]}",
                best,
            )
    return ~beyond & (best.low > low) & (best.high < high)
