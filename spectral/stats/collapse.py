r"""Scaling analysis: whether curves of different sizes fall on one, and with which exponents.

Knows nothing of networks; numpy and scipy only. A family of curves :math:`y_L(x)` with errors is given for several
sizes L. *Collapse* means that there are numbers by which x and y can be rescaled for each size so that all points lie
on one master curve. How well they do is measured as by Houdayer and Hartmann (Phys. Rev. B 70, 014418 (2004)):

.. math::  S = \frac1{N} \sum_{i} \frac{(y_i - Y_i)^2}{dy_i^2 + dY_i^2} ,

where Y is the master curve at :math:`x_i` as the *other* sizes have it: a weighted straight line through the two
points of each of them that enclose :math:`x_i`. S is about 1 for a good collapse, and much larger for a bad one.

Curves are one-dimensional arrays, one for each size.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.optimize

from spectral.stats.checks import brief, check_count, check_finite, check_function, check_number, exponent, numbers
from spectral.stats.intervals import Refused

LEAST_SHARE = 0.5
"""Part of all points that must lie within the range of another curve: else the best is to push the curves apart."""

CLEARLY = 2.0
"""Standard deviations of S, sqrt(2 / N) for N independent points, from which on one S is clearly worse than another."""

WIDEST = 1 / 3
"""Part of what was searched over which a parameter may be moved at most to count as determined."""

TOLERANCE = 1e-3
"""To which the search goes on: in S, and in parameters as parts of their bounds."""

_FAR = 1e100  # above every S

_SPAN = 1e100  # from the least error to the largest, or the largest value: the square of this is still a number


@dataclass(frozen=True)
class Curve:
    """One size's points: `x` increasing, `y` with standard errors `dy` above 0, all of one length and finite.

    Raises
    ------
    ValueError
        If they are not so, or there is no point.
    TypeError
        If `size` is no number.
    """

    size: float
    x: np.ndarray
    y: np.ndarray
    dy: np.ndarray

    def __post_init__(self) -> None:
        x, y, dy = numbers(self.x, "x"), numbers(self.y, "y"), numbers(self.dy, "dy")
        check_number(self.size, "size", "be a finite number", np.isfinite)
        if not (x.ndim == 1 and len(x) and x.shape == y.shape == dy.shape):
            raise ValueError(
                f"x, y and dy must be of one length, of one point or more; got shapes {x.shape}, {y.shape}, {dy.shape}"
            )
        if not np.isfinite([x, y, dy]).all():
            for name, values in (("x", x), ("y", y), ("dy", dy)):
                check_finite(values, name)
        if not (dy > 0).all():
            raise ValueError(f"dy must be above 0; the least is {dy.min()}, at [{dy.argmin()}]")
        if not (np.diff(x) > 0).all():
            at = int(np.argmax(np.diff(x) <= 0))
            raise ValueError(
                f"x must increase; {x[at]} and {x[at + 1]} stand at [{at}] and [{at + 1}]. From numbers that an offset "
                "has made equal, subtract it before"
            )
        for name, values in (("x", x), ("y", y), ("dy", dy)):
            object.__setattr__(self, name, values)


Rescale = Callable[[np.ndarray, Curve], Curve]
"""From parameters and a curve to the curve on the axes of the master curve."""

Cost = Callable[[np.ndarray], float]
"""Of parameters as parts of their bounds, from 0 to 1."""


@dataclass(frozen=True)
class Collapse:
    """The best parameters of a collapse, its quality S, and the number of points that it rests on.

    From `low` to `high` a parameter can be moved, and the others with it, before S is clearly worse; NaN if not judged.
    """

    parameters: np.ndarray
    low: np.ndarray
    high: np.ndarray
    quality: float
    points: int


def quality(curves: Sequence[Curve]) -> tuple[float, int]:
    """S, and the number of points that lie within the range of another curve (S is infinite if there is none).

    It does not depend on the units of x and y, nor on where their zero is.

    Raises
    ------
    ValueError
        If there is no curve, or errors and values differ by more than a hundred decades.
    TypeError
        If something else than curves is given.
    """
    curves = _checked(curves)
    if not curves:
        raise ValueError("a quality is of curves; got none")
    lengths = np.array([len(curve.x) for curve in curves])
    x, y, dy = (np.concatenate([getattr(curve, name) for curve in curves]) for name in ("x", "y", "dy"))
    largest = max(dy.max(), np.abs(y).max())
    if dy.min() / largest < 1 / _SPAN:
        raise ValueError(f"errors and values from {dy.min():.3g} to {largest:.3g} have no digit in common")
    first, last = np.cumsum(lengths) - lengths, np.cumsum(lengths) - 1
    # Axes: the two enclosing points, the curve that they are of, the point that they enclose.
    other = np.arange(len(curves))[:, None] != np.repeat(np.arange(len(curves)), lengths)
    inside = other & (lengths[:, None] > 1) & (x >= x[first][:, None]) & (x <= x[last][:, None])
    right = np.stack([np.searchsorted(curve.x, x) for curve in curves]).clip(1, np.maximum(lengths - 1, 1)[:, None])
    at = np.minimum(first[:, None] + np.stack([right - 1, right]), len(x) - 1)
    inside = np.concatenate([inside, inside])  # Axes from here on: enclosing points, enclosed points
    known = inside.any(0)
    points = int(known.sum())
    if not points:
        return np.inf, 0
    # In units in which no square vanishes or overflows.
    dy, y = np.ldexp(dy, -exponent(dy)), np.ldexp(y, -exponent(dy))
    at = at.reshape(inside.shape)
    away, value, w = np.ldexp(x[at] - x, -exponent(x - x[0])), y[at], inside / dy[at] ** 2
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # infinitely far is infinitely bad; not `known`
        # About the mean of the enclosing points: about another place, sums of squares of different weights cancel.
        k = w.sum(0)
        middle, level = (w * away).sum(0) / k, (w * value).sum(0) / k
        away -= middle
        w *= away
        kxx = (w * away).sum(0)
        master = level - middle * (w * value).sum(0) / kxx
        terms = (y - master) ** 2 / (dy**2 + 1 / k + middle**2 / kxx)
    return float(terms[known].sum()) / points, points


def _checked(curves: Sequence[Curve]) -> list[Curve]:
    found = list(curves)
    for one in found:
        if not isinstance(one, Curve):
            raise TypeError(f"curves must be of type Curve; got {brief(one)}")
    return found


def collapse(
    curves: Sequence[Curve],
    rescale: Rescale,
    bounds: Sequence[tuple[float, float]],
    *,
    nuisances: Collection[int] = (),
    starts: int = 12,
    seed: int = 0,
    least_points: int = 10,
    judge: bool = True,
) -> Collapse:
    """The parameters within `bounds` that collapse the curves best, of several random starts of the simplex method.

    What is minimised is S, the mean over the points that overlap. How many they are neither helps nor harms, if they
    are at least `LEAST_SHARE` of all and `least_points`.

    Then each parameter is moved away from the best, in steps and with all others chosen anew, until S is *clearly
    worse*: above the least by more than `CLEARLY` standard deviations sqrt(2/N) of a mean of N squares, times S where
    that is above 1. Ends of other starts that are not clearly worse count as well. What can be moved far is not
    determined by the data.

    Parameters
    ----------
    nuisances:
        Places of the parameters that the data may leave open.
    judge:
        Whether to ask how far parameters may be moved, and to refuse by it; takes about as long as six starts.

    Raises
    ------
    Refused
        If there are fewer than two curves; too few points overlap; or a parameter lies at an edge of the bounds, or can
        be moved to one, or over more than `WIDEST` of what was searched, before S is clearly worse. A nuisance is
        refused only if it lies at an edge and cannot be moved to the other. Carries the estimate.
    ValueError, TypeError
        If an argument is impossible: a bound that is no pair of increasing, finite numbers; a nuisance that is no place
        of a parameter; fewer starts than one; a rescaling that gives no curve.
    """
    curves = _checked(curves)
    check_function(rescale, "rescale", "from parameters and a curve to a curve")
    check_count(starts, "starts")
    check_count(seed, "seed", 0)
    check_count(least_points, "least_points")
    edges = numbers(bounds, "bounds")
    if edges.ndim != 2 or edges.shape[1:] != (2,) or not len(edges):
        raise ValueError(f"bounds must be pairs of numbers, one for each parameter; got {list(bounds)}")
    low, high = edges.T
    if not ((low < high).all() and np.isfinite(edges).all()):
        raise ValueError(f"every bound must be a pair of increasing numbers, both finite; got {list(bounds)}")
    if not {*nuisances} <= {*range(len(edges))}:
        raise ValueError(f"nuisances must be places of {len(edges)} parameters, from 0; got {list(nuisances)}")
    if len(curves) < 2:
        raise Refused(f"a collapse needs two curves or more; got {len(curves)}")
    everything = sum(len(curve.x) for curve in curves)
    needed = max(least_points, int(np.ceil(LEAST_SHARE * everything)))
    free = np.arange(len(low))

    def parameters(unit: np.ndarray) -> np.ndarray:
        return low * (1 - unit) + high * unit  # exactly the bounds at 0 and 1

    def cost(unit: np.ndarray) -> float:
        s, points = quality([rescale(parameters(unit), curve) for curve in curves])
        return s if points >= needed else _FAR * (1 + needed - points)  # the way back leads downhill

    ends = [_descend(cost, unit, free, 0.2) for unit in np.random.default_rng(seed).random((starts, len(low)))]
    # S has many shallow minima, since lines change where points pass each other: a new simplex leaves them.
    best, least = _descend(cost, min(ends, key=lambda end: end[1])[0], free, 0.1)
    s, points = quality([rescale(parameters(best), curve) for curve in curves])
    unknown = np.full(len(low), np.nan)
    found = Collapse(parameters(best), unknown, unknown, s, points)
    if points < needed:
        raise Refused(f"only {points} of {everything} points overlap; {needed} are needed", found)
    if judge:
        limit = least + CLEARLY * np.sqrt(2 / points) * max(1.0, least)
        good = np.array([best, *(unit for unit, value in ends if value <= limit)])
        least_unit, most_unit = (
            np.array([_reach(cost, best, k, end, limit) for k in range(len(low))]) for end in (0.0, 1.0)
        )
        least_unit, most_unit = np.minimum(least_unit, good.min(0)), np.maximum(most_unit, good.max(0))
        found = replace(found, low=parameters(least_unit), high=parameters(most_unit))
        _check_determined(found, low, high, nuisances)
    return found


def _check_determined(found: Collapse, low: np.ndarray, high: np.ndarray, nuisances: Collection[int]) -> None:
    """Raise Refused if the data do not determine a collapse that was looked for from `low` to `high`; see there."""
    nuisance = np.isin(np.arange(len(low)), list(nuisances))
    wide = ~nuisance & (found.high - found.low > WIDEST * (high - low))
    if wide.any():
        ranges = (f"parameter {k} from {found.low[k]:.2f} to {found.high[k]:.2f}" for k in np.flatnonzero(wide))
        raise Refused(f"the data do not determine the collapse: about as good is {', '.join(ranges)}", found)
    to_low, to_high = found.low <= low, found.high >= high
    near_edge = np.minimum(found.parameters - low, high - found.parameters) < 2 * TOLERANCE * (high - low)
    if np.where(nuisance, near_edge & ~(to_low & to_high), near_edge | to_low | to_high).any():
        values, bounds = found.parameters.round(4).tolist(), list(zip(low.tolist(), high.tolist(), strict=True))
        raise Refused(
            f"the best parameters lie at an edge of their bounds, or are about as good there: {values} of {bounds}",
            found,
        )


def _descend(
    cost: Cost, start: np.ndarray, free: np.ndarray, step: float, tolerance: float = TOLERANCE
) -> tuple[np.ndarray, float]:
    """Where the simplex method leads from a start in the unit cube, moving the `free` coordinates; and the cost."""

    def moved(values: np.ndarray) -> np.ndarray:
        unit = start.copy()
        unit[free] = values
        return unit

    begin = start[free]
    simplex = begin + np.vstack([np.zeros(len(free)), np.diag(np.where(begin + step <= 1, step, -step))])
    fit = scipy.optimize.minimize(
        lambda values: cost(moved(values)),
        begin,
        method="Nelder-Mead",
        bounds=[(0.0, 1.0)] * len(free),
        options={"initial_simplex": simplex, "xatol": tolerance, "fatol": tolerance},
    )
    return moved(fit.x), float(fit.fun)


def _reach(cost: Cost, best: np.ndarray, which: int, end: float, limit: float) -> float:
    """How far a coordinate can go from the best towards 0 or 1 until the least cost of the others is above `limit`."""
    others = np.delete(np.arange(len(best)), which)

    def beside(unit: np.ndarray, where: float) -> tuple[np.ndarray, bool]:
        """The others chosen anew, if need be, from those of `unit`; and whether the cost is within the limit."""
        unit = unit.copy()
        unit[which] = where
        value = cost(unit)
        if value > limit and len(others):
            unit, value = _descend(cost, unit, others, 0.1, 10 * TOLERANCE)
        return unit, value <= limit

    inside, step, good = best, 0.05, True
    while good:
        if inside[which] == end:
            return end
        outside = inside[which] + np.clip(end - inside[which], -step, step)
        unit, good = beside(inside, outside)
        inside = unit if good else inside
    for _ in range(3):
        middle = (inside[which] + outside) / 2
        unit, good = beside(inside, middle)
        inside, outside = (unit, outside) if good else (inside, middle)
    return float(outside)  # rather too far than too near
