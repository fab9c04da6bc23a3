"""Where an interval lies with respect to a margin, for one number or for all of several at once.

Several numbers are judged together with Holm's step-down correction (Scand. J. Stat. 6, 65 (1979)): that any of them is
judged wrongly is as unlikely as for a single one. As in a test of equivalence by two one-sided tests, "inside" is shown
by an interval whose ends both lie inside the margin.

Axes: G numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spectral.stats.checks import brief, check_function, check_level, numbers
from spectral.stats.intervals import LEVEL, Interval

Bounds = tuple[float, float]


def inside(found: Interval, bounds: Bounds) -> np.ndarray:
    """Which intervals lie inside the bounds with both ends, bool (G,) or (); one without bounds does not.

    Raises ValueError unless the bounds are a pair, the lower one first.
    """
    _check_bounds(bounds)
    return (bounds[0] <= np.asarray(found.low)) & (np.asarray(found.high) <= bounds[1])


def outside(found: Interval, bounds: Bounds) -> np.ndarray:
    """Which intervals have no point within the bounds, bool (G,) or (); errors as in `inside`.

    Of one without bounds, which could lie anywhere, it is not shown.
    """
    _check_bounds(bounds)
    return (np.asarray(found.high) < bounds[0]) | (bounds[1] < np.asarray(found.low))


def _check_bounds(bounds: Bounds) -> None:
    pair = numbers(bounds, "bounds")
    if pair.shape != (2,) or not pair[0] <= pair[1]:
        raise ValueError(f"bounds must be two numbers, the lower one first; got {brief(bounds)}")


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

    Raises
    ------
    ValueError
        If the level is no part, or `lies` does not say yes or no of each number.
    TypeError
        If `at_level` or `lies` is no function.
    """
    check_level(level)
    check_function(at_level, "at_level", "from a level to intervals")
    check_function(lies, "lies", "from intervals to which of them lie somewhere")
    count = int(np.size(at_level(level).value))
    shown = np.zeros(0, bool)
    while True:
        left = count - shown.sum()
        if left == 0:
            return shown
        now = np.atleast_1d(lies(at_level(1 - (1 - level) / left)))
        if now.dtype != bool or now.shape != (count,):
            raise ValueError(f"lies must give a bool for each of {count} numbers; got {brief(now)}")
        if now.sum() <= shown.sum():
            return shown if shown.size else now
        shown = now
