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

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize

from spectral.stats.intervals import Refused


@dataclass(frozen=True)
class Curve:
    """One size's points: `x` increasing, `y` with standard errors `dy`, all of one length."""

    size: float
    x: np.ndarray
    y: np.ndarray
    dy: np.ndarray

    def __post_init__(self) -> None:
        x, y, dy = (np.asarray(values, float) for values in (self.x, self.y, self.dy))
        if not (x.ndim == 1 and x.shape == y.shape == dy.shape):
            raise ValueError(f"x, y and dy must be of one length; got shapes {x.shape}, {y.shape}, {dy.shape}")
        if not (np.isfinite([x, y, dy]).all() and (dy > 0).all() and (np.diff(x) > 0).all()):
            raise ValueError("x must increase, dy be above 0, and all be finite")
        for name, values in (("x", x), ("y", y), ("dy", dy)):
            object.__setattr__(self, name, values)


Rescale = Callable[[np.ndarray, Curve], Curve]
"""From parameters and a curve to the curve on the axes of the master curve."""


@dataclass(frozen=True)
class Collapse:
    """The best parameters of a collapse, its quality S, and the number of points that it rests on."""

    parameters: np.ndarray
    quality: float
    points: int


def quality(curves: Sequence[Curve]) -> tuple[float, int]:
    """S, and the number of points that lie within the range of another curve (S is infinite if there is none)."""
    total, points = 0.0, 0
    for index, curve in enumerate(curves):
        sums = np.zeros((5, len(curve.x)))  # of w, w x, w y, w x^2, w x y over enclosing points of the other curves
        for other in (c for i, c in enumerate(curves) if i != index):
            right = np.clip(np.searchsorted(other.x, curve.x, side="left"), 1, None)  # its own first x included
            inside = (curve.x >= other.x[0]) & (curve.x <= other.x[-1]) & (len(other.x) > 1)
            for offset in (-1, 0):
                at = np.clip(right + offset, 0, len(other.x) - 1)
                x, y, w = other.x[at], other.y[at], inside / other.dy[at] ** 2
                sums += np.stack([w, w * x, w * y, w * x * x, w * x * y])
        k, kx, ky, kxx, kxy = sums
        delta = k * kxx - kx**2
        known = (k > 0) & (delta > 1e-12 * k * kxx)
        k, kx, ky, kxx, kxy, delta = (values[known] for values in (k, kx, ky, kxx, kxy, delta))
        x, y, dy = curve.x[known], curve.y[known], curve.dy[known]
        master = ((kxx * ky - kx * kxy) + x * (k * kxy - kx * ky)) / delta
        variance = (kxx - 2 * x * kx + x**2 * k) / delta
        total += float(((y - master) ** 2 / (dy**2 + variance)).sum())
        points += int(known.sum())
    return (total / points if points else np.inf), points


def collapse(
    curves: Sequence[Curve],
    rescale: Rescale,
    bounds: Sequence[tuple[float, float]],
    *,
    starts: int = 12,
    seed: int = 0,
    least_points: int = 10,
    tolerance: float = 1e-5,
) -> Collapse:
    """The parameters within `bounds` that collapse the curves best, of several starts of the simplex method.

    Starts are random. Parameters are found to `tolerance`. What is minimised is S, with every point that the parameters
    push out of the others' range counted as a bad one.

    Raises
    ------
    Refused
        If fewer than two curves or `least_points` points take part, or the minimum lies at an edge of the bounds;
        carries the estimate.
    """
    if len(curves) < 2:
        raise Refused(f"a collapse needs two curves or more; got {len(curves)}")
    low, high = np.array(bounds, float).T
    if not (low < high).all():
        raise ValueError(f"every bound must be a pair of increasing numbers; got {list(bounds)}")
    everything = sum(len(curve.x) for curve in curves)

    def cost(parameters: np.ndarray) -> float:
        s, points = quality([rescale(parameters, curve) for curve in curves])
        # Else the best would be to push the curves apart, where no point is left to disagree.
        return (s * points if points else 0.0) / everything + 10 * (1 - points / everything)

    begin = np.random.default_rng(seed).uniform(low, high, (starts, len(low)))
    options = {"xatol": tolerance, "fatol": max(1e-4, tolerance)}
    fits = [
        scipy.optimize.minimize(
            cost, start, method="Nelder-Mead", bounds=list(zip(low, high, strict=True)), options=options
        )
        for start in begin
    ]
    best = min(fits, key=lambda fit: float(fit.fun)).x
    s, points = quality([rescale(best, curve) for curve in curves])
    found = Collapse(best, s, points)
    if points < least_points:
        raise Refused(f"only {points} points overlap; {least_points} are needed", found)
    at_edge = (best - low < 1e-3 * (high - low)) | (high - best < 1e-3 * (high - low))
    if at_edge.any():
        raise Refused(f"the best parameters {best.round(4).tolist()} lie at an edge of their bounds {bounds}", found)
    return found
