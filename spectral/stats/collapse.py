r"""Scaling analysis: whether curves of different sizes fall on one, with which exponents, and how sure that is.

Knows nothing of networks; numpy and scipy only. A family of curves :math:`y_L(x)` with errors is given for several
sizes L. *Collapse* means that there are numbers by which x and y can be rescaled for each size so that all points lie
on one master curve. How well they do is measured as by Houdayer and Hartmann (Phys. Rev. B 70, 014418 (2004)):

.. math::  S = \frac1{N} \sum_{i} \frac{(y_i - Y_i)^2}{dy_i^2 + dY_i^2} ,

where Y is the master curve at :math:`x_i` as the *other* sizes have it: a weighted straight line through the two
points of each of them that enclose :math:`x_i`. S is about 1 for a good collapse, and much larger for a bad one.

Axes: T teachers, K trials; curves are one-dimensional arrays, one for each size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize
import scipy.stats

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
    near: Sequence[float] | np.ndarray | None = None,
    tolerance: float = 1e-5,
) -> Collapse:
    """The parameters within `bounds` that collapse the curves best, of several starts of the simplex method.

    Starts are random; given `near`, there is one, around it: for data that differ little from others. Parameters are
    found to `tolerance`. What is minimised is S, with every point that the parameters push out of the others' range
    counted as a bad one.

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
    options: dict[str, Any] = {"xatol": tolerance, "fatol": max(1e-4, tolerance)}
    if near is not None:
        corners = np.vstack([np.zeros(len(low)), 0.1 * np.diag(high - low)])
        begin = np.array([near], float)
        options["initial_simplex"] = np.clip(begin + np.where(begin + corners > high, -corners, corners), low, high)
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


@dataclass(frozen=True)
class PowerLaw:
    """``y = amplitude * x^exponent``: the fit, the standard error of the exponent, chi^2 per degree of freedom."""

    amplitude: float
    exponent: float
    error: float
    chi2: float


def power_law(curve: Curve, window: tuple[float, float] = (0, np.inf)) -> PowerLaw:
    """The power law through the points of `curve` with x in `window`, weighted least squares in the logarithms.

    Raises
    ------
    Refused
        If fewer than three points have positive x and y there.
    """
    inside = (curve.x >= window[0]) & (curve.x <= window[1]) & (curve.x > 0) & (curve.y > 0)
    if inside.sum() < 3:
        raise Refused(f"{inside.sum()} points with positive x and y lie in the window {window}; 3 are needed")
    x, y, sigma = np.log(curve.x[inside]), np.log(curve.y[inside]), curve.dy[inside] / curve.y[inside]
    (slope, offset), covariance = np.polyfit(x, y, 1, w=1 / sigma, cov="unscaled")
    residual = (y - offset - slope * x) / sigma
    chi2 = float((residual**2).sum() / max(1, len(x) - 2))
    return PowerLaw(float(np.exp(offset)), float(slope), float(covariance[0, 0] ** 0.5), chi2)


@dataclass(frozen=True)
class Transition:
    """``y = amplitude * (1 - x / critical)^exponent`` below the critical x, zero above; chi^2 per degree of freedom."""

    critical: float
    exponent: float
    amplitude: float
    chi2: float


def transition(curve: Curve, critical: tuple[float, float], exponent: tuple[float, float] = (0.2, 6.0)) -> Transition:
    """The continuous transition that fits `curve` best, its critical point and exponent within the given bounds.

    The amplitude follows by linear least squares; the two others from a grid of starts.

    Raises
    ------
    Refused
        If fewer than five points are given, or the best point lies at an edge; carries the estimate.
    """
    if len(curve.x) < 5:
        raise Refused(f"a transition has three parameters; five points are needed, not {len(curve.x)}")
    low, high = np.array([critical, exponent], float).T

    def shape(parameters: np.ndarray) -> np.ndarray:
        return np.clip(1 - curve.x / parameters[0], 0, None) ** parameters[1]

    def amplitude(model: np.ndarray) -> float:
        weight = model / curve.dy**2
        return float((weight @ curve.y) / max(weight @ model, 1e-300))

    def residual(parameters: np.ndarray) -> np.ndarray:
        model = shape(parameters)
        return (curve.y - amplitude(model) * model) / curve.dy

    grid = [low + (high - low) * np.array([a, b]) for a in (0.2, 0.5, 0.8) for b in (0.1, 0.3, 0.6)]
    fits = [scipy.optimize.least_squares(residual, start, bounds=(low, high)) for start in grid]
    best = min(fits, key=lambda fit: float(fit.cost))
    chi2 = 2 * float(best.cost) / max(1, len(curve.x) - 3)
    found = Transition(float(best.x[0]), float(best.x[1]), amplitude(shape(best.x)), chi2)
    edge = (best.x - low < 1e-3 * (high - low)) | (high - best.x < 1e-3 * (high - low))
    if found.amplitude <= 0:
        raise Refused(f"y does not rise below the critical point: {found}", found)
    if edge.any():
        raise Refused(f"the best transition {found} lies at an edge of its bounds {critical}, {exponent}", found)
    return found
