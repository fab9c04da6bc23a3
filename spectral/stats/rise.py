"""How a curve leaves zero: with which exponent, in which form."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from spectral.stats.checks import check_finite, check_number, exponent, numbers
from spectral.stats.intervals import Refused


def at(y: ArrayLike, index: ArrayLike) -> np.ndarray:
    """Values of y (..., N) at fractional indices (..., M), by straight lines; its last value beyond the end.

    Indices (M,) are the same for all.

    Raises
    ------
    ValueError
        If y has no point, or is not finite, or an index is NaN: each with its place; if the shapes do not fit.
    """
    y, index = numbers(y, "y"), numbers(index, "index")
    if y.ndim == 0 or not y.shape[-1] or index.ndim == 0 or index.shape[:-1] not in ((), y.shape[:-1]):
        raise ValueError(
            f"y must have shape (..., N), N at least 1, and index (M,) or (..., M); got {y.shape} and {index.shape}"
        )
    check_finite(y, "y")
    check_finite(np.where(np.isinf(index), 0.0, index), "index")  # beyond an end, however far
    index = np.broadcast_to(np.clip(index, 0, y.shape[-1] - 1), (*y.shape[:-1], index.shape[-1]))
    left = np.minimum(index.astype(int), y.shape[-1] - 2)
    below, above = (np.take_along_axis(y, left + offset, -1) for offset in (0, 1))
    return below + (index - left) * (above - below)


def log_slope(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Exponent of the power law through y (..., M) at x (M,): least squares in the logarithms, all points alike.

    Any number of curves at once; NaN where one has a point that is not a finite number above zero.

    Raises
    ------
    ValueError
        If x does not hold two different finite numbers above zero or more, or y as many points.
    """
    x, y = numbers(x, "x"), numbers(y, "y")
    if x.ndim != 1 or y.shape[-1:] != x.shape:
        raise ValueError(f"x must have shape (M,) and y (..., M); got {x.shape} and {y.shape}")
    check_finite(x, "x")
    if not (x > 0).all() or len(np.unique(x)) < 2:
        raise ValueError(f"a power law is seen from two different x above 0, or more; got {x.tolist()}")
    distance = np.log(x) - np.log(x).mean()
    return np.log(np.where((y > 0) & (y < np.inf), y, np.nan)) @ (distance / (distance**2).sum())


def held_out_gain(x: ArrayLike, y: ArrayLike, resolution: float) -> np.ndarray:
    """By how much a transition predicts curves better than an exponential does, each left out of the fit once, (T,).

    The two forms have three parameters each: ``a (1 - x / x_c)^b`` below x_c and zero above, and
    ``a exp(-b x) + c``. Both are fitted by least squares to the mean of all curves y (T, N) but one, and asked for that
    one. Errors are taken as normal, with the variance of the fitted curves at each point plus ``resolution^2``. The
    gain is the difference of the log-likelihoods per point, positive where the transition is better.

    Raises
    ------
    Refused
        If there are fewer than three curves or five points.
    ValueError
        If the shapes do not fit; if a number is not finite, with its place; if x is negative, or zero throughout; if
        the resolution is negative, or zero where all curves but one agree in a point, which then has no error.
    """
    x, y = numbers(x, "x"), numbers(y, "y")
    check_number(resolution, "resolution", "be a finite number of at least 0", lambda value: 0 <= value < np.inf)
    if x.ndim != 1 or y.ndim != 2 or y.shape[1:] != x.shape:
        raise ValueError(f"x must have shape (N,) and y (T, N); got {x.shape} and {y.shape}")
    if len(y) < 3 or len(x) < 5:
        raise Refused(f"three curves and five points are needed; got {len(y)} and {len(x)}")
    check_finite(x, "x")
    check_finite(y, "y")
    if x.min() < 0 or x.max() == 0:
        raise ValueError(f"x must be numbers of at least 0, not all of them 0; they go from {x.min()} to {x.max()}")
    scale = exponent(y)
    curves, resolution = np.ldexp(y, -scale), np.ldexp(resolution, -scale)  # the gain has no unit
    unit = x / x.max()
    critical, power = np.meshgrid(np.linspace(0.3, 1.5, 121), np.geomspace(0.3, 6, 61))
    powers = np.clip(1 - unit / critical.reshape(-1, 1), 0, None) ** power.reshape(-1, 1)
    decays = np.exp(-np.geomspace(0.05, 50, 301).reshape(-1, 1) * unit)
    forms = [powers[:, None], np.stack([decays, np.ones_like(decays)], 1)]  # (candidates, linear parameters, N)
    gains = []
    for index, held in enumerate(curves):
        fitted = np.delete(curves, index, 0)
        variance = fitted.var(0, ddof=1) + resolution**2
        if not (variance > 0).all():
            raise ValueError(
                f"all curves but curve {index} agree at point {variance.argmin()}, which has no error then; give a "
                "resolution above 0"
            )
        transition, exponential = (_best(form, fitted.mean(0), 1 / variance) for form in forms)
        gains.append((((held - exponential) ** 2 - (held - transition) ** 2) / (2 * variance)).mean())
    return np.array(gains)


def _best(form: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The curve of a family (candidates, linear parameters, N) that is closest to y (N,)."""
    square = np.stack([(form * row[:, None]) @ weight for row in np.moveaxis(form, 1, 0)], 2)
    ridge = 1e-12 * np.trace(square, axis1=1, axis2=2).reshape(-1, 1, 1) * np.eye(form.shape[1]) + 1e-300
    target = form @ (weight * y)
    linear = np.linalg.solve(square + ridge, target[..., None])[..., 0]
    # What is left of the weighted square of y, which is the same for all: the most that a candidate takes from it.
    taken = 2 * (linear * target).sum(1) - np.einsum("ci,cij,cj->c", linear, square, linear)
    best = taken.argmax()
    return linear[best] @ form[best]
