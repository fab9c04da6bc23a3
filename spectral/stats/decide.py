"""Where an interval lies with respect to a margin, for one number or for all of several at once.

Several numbers are judged together with Holm's step-down correction (Scand. J. Stat. 6, 65 (1979)): that any of them is
judged wrongly is as unlikely as for a single one. As in a test of equivalence by two one-sided tests, "inside" is shown
by an interval whose ends both lie inside the margin.

Axes: G numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spectral.stats.intervals import LEVEL, Interval

Bounds = tuple[float, float]


def inside(found: Interval, bounds: Bounds) -> np.ndarray:
    """Which intervals lie inside the bounds with both ends, bool (G,) or ()."""
    return (bounds[0] <= np.asarray(found.low)) & (np.asarray(found.high) <= bounds[1])


def outside(found: Interval, bounds: Bounds) -> np.ndarray:
    """Which intervals have no point within the bounds, bool (G,) or ()."""
    return (np.asarray(found.high) < bounds[0]) | (bounds[1] < np.asarray(found.low))


def holm(
    at_level: Callable[[float], Interval], lies: Callable[[Interval], np.ndarray], level: float = LEVEL
) -> np.ndarray:
    """Of which of G numbers it is shown that their intervals lie somewhere, all of them together at `level`; (G,).

    The first is asked at a level of 1 - (1 - level)/G; once k are shown, the others are asked at
    1 - (1 - level)/(G - k).

    Parameters
    ----------
    at_level:
        From a level to the intervals of all numbers at that level, wider at a higher one.
    lies:
        `inside` or `outside` of some bounds.
    """
    shown = np.zeros(0, bool)
    while True:
        left = np.size(at_level(level).value) - shown.sum()
        if left == 0:
            return shown
        now = np.atleast_1d(lies(at_level(1 - (1 - level) / left)))
        if now.sum() <= shown.sum():
            return shown if shown.size else now
        shown = now
