r"""How sure a number is: one interval for chapters, figures and ledger, with teachers as the sampling unit.

A statistic is computed of all T teachers, and T times with one of them left out. How far these T values scatter says
how much the statistic depends on who was drawn (the delete-one *jackknife*; Efron and Stein, Ann. Stat. 9, 586
(1981)), and Student's t of T - 1 degrees of freedom how far away the truth may be:

.. math::  \hat\theta \pm t_{T-1}\, \sqrt{\frac{T-1}{T} \sum_i \big(\theta_{(i)} - \bar\theta_{(\cdot)}\big)^2} .

Of a plain mean this is Student's interval over the teachers' means. Trials of one teacher stay together, since they are
not independent; where there is one teacher, its trials are the units, and nothing is said of other teachers. Settings
that have teachers of their own are left out in step, the i-th teacher of each: independent teachers may be put
together in any way, and it costs nothing but degrees of freedom. Errors, their ratios and
what else differs by factors are taken on the logarithmic scale; counts, differences, slopes and exponents as they are.

A share of yes and no has an exact binomial interval instead, which has a width even if all say yes; see `share`.

Axes: T teachers, K trials, E = T K members, teacher by teacher. What follows belongs to the statistic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike

from spectral.stats.checks import (
    brief,
    check_count,
    check_finite,
    check_function,
    check_level,
    check_number,
    exponent,
    numbers,
)

LEVEL = 0.95

LEAST = 3
"""Units from which on a scatter says anything."""

Statistic = Callable[[np.ndarray], Any]
"""From values (T, K, ...) to what they amount to, of any shape."""


class Refused(ValueError):
    """An estimate that the data do not support.

    Attributes
    ----------
    estimate:
        What it would have been, or None.
    """

    def __init__(self, message: str, estimate: object = None) -> None:
        super().__init__(message)
        self.estimate = estimate


@dataclass(frozen=True)
class Interval:
    """A measured value with its interval, or an array of values with an interval each.

    Attributes
    ----------
    value, low, high:
        Numbers, or arrays of one shape; NaN bounds where there are too few units for an interval.
    sample:
        In words what it rests on, as in ``10 × 3``: teachers and trials of each.

    Examples
    --------
    >>> f"{Interval(21.04, 18.46, 23.51):.1f}"
    '21.0 [18.5, 23.5]'
    """

    value: Any
    low: Any
    high: Any
    sample: str = field(default="", compare=False)

    def __getitem__(self, index: Any) -> Interval:
        """Part of an array of values, with their intervals."""
        value, low, high = (np.asarray(part)[index] for part in (self.value, self.low, self.high))
        return Interval(value, low, high, self.sample)

    def scaled(self, factor: float) -> Interval:
        """In another unit: all numbers times a positive `factor`; raises ValueError for another one."""
        check_number(factor, "factor", "be a finite number above 0", lambda value: 0 < value < np.inf)
        value, low, high = (factor * np.asarray(part) for part in (self.value, self.low, self.high))
        return Interval(value, low, high, self.sample)

    def __str__(self) -> str:
        return f"{self:.3g}"

    def __format__(self, spec: str) -> str:
        """Value and interval, as in ``21.0 [18.5, 23.5]``; the value alone where it has none, a dash for neither.

        `spec` formats each number, as in ``.1f``; zero has no sign. An interval that in these digits is its value says
        nothing, and is left out.

        Raises
        ------
        TypeError
            If there are several values.
        """
        if np.ndim(self.value):
            raise TypeError(f"this is an array of {np.shape(self.value)} values; write one of them, as in found[0]")
        spec = f"z{spec or '.3g'}"
        if np.isnan(self.value):
            return "–"
        value, low, high = (f"{number:{spec}}" for number in (self.value, self.low, self.high))
        if np.isnan(self.low) or np.isnan(self.high) or low == value == high:
            return value
        return f"{value} [{low}, {high}]"


def stack(intervals: Sequence[Interval]) -> Interval:
    """Several of one shape as one, with a new first axis; raises ValueError if their shapes differ."""
    shapes = {np.shape(one.value) for one in intervals}
    if len(shapes) > 1:
        raise ValueError(f"intervals that are put together must have one shape; got {sorted(shapes)}")
    value, low, high = (np.array([getattr(one, part) for one in intervals]) for part in ("value", "low", "high"))
    return Interval(value, low, high)


def by_teacher(values: ArrayLike, teachers: int | None = None) -> np.ndarray:
    """Values of members (E, ...), teacher by teacher with equally many trials, as units (T, K, ...).

    Without `teachers`, or where there is one, every member is a unit, (E, 1, ...).

    Raises
    ------
    ValueError
        If there is no value, or the values cannot be shared out among the teachers.
    TypeError
        If values are not numbers, or `teachers` is not a whole one.
    """
    array = numbers(values, "values")
    if array.ndim == 0 or not len(array):
        raise ValueError(f"there must be a value for each member; got {values!r}")
    if teachers is None:
        return array[:, None]
    check_count(teachers, "teachers")
    if teachers == 1:
        return array[:, None]
    if len(array) % teachers:
        raise ValueError(f"{len(array)} values cannot be shared out among {teachers} teachers")
    return array.reshape(teachers, -1, *array.shape[1:])


def _units(values: ArrayLike) -> np.ndarray:
    """Values (T, K, ...) of one teacher and trial or more, as an array."""
    array = numbers(values, "values")
    if array.ndim < 2 or not array.shape[0] or not array.shape[1]:
        raise ValueError(
            f"values must have shape (T, K, ...), T teachers and K trials, one or more; got {array.shape}. "
            "Of one value for each member, by_teacher(values, teachers) makes it"
        )
    return array


def mean(values: ArrayLike) -> Any:
    """Over teachers and trials."""
    return _units(values).mean((0, 1))


def left_out(values: ArrayLike, statistic: Statistic = mean) -> tuple[np.ndarray, np.ndarray]:
    """A `statistic` of values (T, K, ...), and what it becomes without each unit, with a first axis of T.

    Values may be NaN where nothing could be measured. What is made of them is the statistic's: a mean is NaN then.

    Raises
    ------
    Refused
        If there are fewer than `LEAST` units, or the statistic refuses all but one of them; carries the value.
    ValueError
        If there is no teacher or no trial; if a value is infinite, with its place; if the statistic gives numbers of
        another shape for other units.
    TypeError
        If the statistic is no function, or values, or what it gives, are not numbers.
    """
    array = _units(values)
    check_function(statistic, "statistic", "from values (T, K, ...) to numbers")
    check_finite(array, "values", unknown=True)
    units = len(array)
    whole = numbers(statistic(array), "what the statistic gives")
    if units < LEAST:
        raise Refused(f"an interval needs {LEAST} teachers, or trials of one, or more; got {units}", whole)
    try:
        left = [
            numbers(statistic(np.delete(array, unit, 0)), "what the statistic gives without a unit")
            for unit in range(units)
        ]
    except Refused as error:
        raise Refused(f"an interval leaves one of {units} units out, and then {error}", whole) from error
    shapes = {one.shape for one in left}
    if shapes != {whole.shape}:
        raise ValueError(
            f"a statistic must give numbers of one shape, whatever units there are; it gives {whole.shape} of all "
            f"{units} and {', '.join(map(str, sorted(shapes)))} without one of them"
        )
    return whole, np.stack(left)


def jackknife(values: ArrayLike, statistic: Statistic = mean, *, log: bool = False, level: float = LEVEL) -> Interval:
    """A `statistic` of values (T, K, ...) with its interval, or an interval for each number that it gives.

    `log` and `level` are as in `spread`, errors as there and in `left_out`.
    """
    check_level(level)
    array = numbers(values, "values")
    return spread(*left_out(array, statistic), trials=array.shape[1], log=log, level=level)


def spread(whole: ArrayLike, left: ArrayLike, *, trials: int = 1, log: bool = False, level: float = LEVEL) -> Interval:
    """The interval of a statistic from what `left_out` makes of it.

    Where the statistic, or what is left of it without a unit, is not finite, the value has no interval.

    Parameters
    ----------
    trials:
        K, for the words on the sample.
    log:
        Whether to take the interval of the logarithm, back to where it came from: for what is positive by nature.
        Of several numbers those that are not above zero have no interval.
    level:
        The part of intervals that should hold the truth.

    Raises
    ------
    Refused
        If there are fewer than `LEAST` units, or `log` is asked for of what is not above zero; carries the value.
    ValueError
        If the level is no part, or `left` is not one of `whole` for each unit.
    """
    check_level(level)
    check_count(trials, "trials")
    value, left = numbers(whole, "whole"), numbers(left, "left")
    if left.ndim == 0 or left.shape[1:] != value.shape:
        raise ValueError(f"left must be of shape (T, *{value.shape}), one of whole for each unit; got {left.shape}")
    units = len(left)
    if units < LEAST:
        raise Refused(f"an interval needs {LEAST} teachers, or trials of one, or more; got {units}", value)
    known = np.isfinite(value) & np.isfinite(left).all(0)
    middle = value
    if log:
        positive = (value > 0) & (left > 0).all(0)
        if not positive.any() and not np.isnan(value).all():  # NaN, of what could not be measured, stays NaN
            raise Refused("an interval on the logarithmic scale needs numbers above 0", value)
        known &= positive
    if not known.all():
        middle, left = (np.where(known, part, np.nan) for part in (middle, left))
    if log:
        middle, left = np.log(middle), np.log(left)
    scale = exponent(np.asarray(left) if known.all() else np.where(known, left, 0.0), 0)
    variance = (units - 1) * np.ldexp(left, -scale).var(0)
    half = np.ldexp(scipy.stats.t.ppf(0.5 + level / 2, units - 1) * np.sqrt(variance), scale)
    low, high = middle - half, middle + half
    if log:
        with np.errstate(over="ignore"):  # an upper bound beyond all numbers is infinite
            low, high = np.exp(low), np.exp(high)
    sample = f"{units} × {trials}"
    if value.ndim == 0:
        return Interval(float(value), float(low), float(high), sample)
    return Interval(value, low, high, sample)


def estimate(values: ArrayLike, statistic: Statistic = mean, *, log: bool = False, level: float = LEVEL) -> Interval:
    """`jackknife`, and where it refuses the value alone, with bounds that are NaN; other errors as there.

    So it is for one teacher and for two: their value is known, and how sure it is is not.
    """
    array = numbers(values, "values")
    try:
        return jackknife(array, statistic, log=log, level=level)
    except Refused as error:
        value = error.estimate
        if not isinstance(value, np.ndarray):  # the statistic itself refuses
            raise
        unknown = np.full(value.shape, np.nan)
        return Interval(value[()], unknown[()], unknown[()], f"{array.shape[0]} × {array.shape[1]}")


def estimate_pairs(matrix: ArrayLike, *, level: float = LEVEL) -> Interval:
    """The mean over all pairs of different units of a matrix (U, U), with one unit after the other left out.

    For what is measured between any two of U units, both ways, as how much two students have in common. With fewer than
    `LEAST` + 1 units, the fewest of which one can be left out and pairs remain that scatter, the value alone.

    Raises
    ------
    ValueError
        If the matrix is not square, has one unit, or an entry off its diagonal is not finite, with its place.
    """
    array = numbers(matrix, "matrix")
    if array.ndim != 2 or array.shape[0] != array.shape[1] or len(array) < 2:
        raise ValueError(f"there must be a square matrix of two or more units; got shape {array.shape}")
    between = ~np.eye(len(array), dtype=bool)
    check_finite(np.where(between, array, 0.0), "entries between two units")

    def statistic(units: np.ndarray) -> Any:
        chosen = units[:, 0].astype(int)
        return array[np.ix_(chosen, chosen)][between[np.ix_(chosen, chosen)]].mean()

    units = np.arange(len(array))[:, None]
    if len(array) <= LEAST:
        value = float(statistic(units))
        return Interval(value, np.nan, np.nan, f"{len(array)} units")
    return estimate(units, statistic, level=level)


def geometric_mean(values: ArrayLike) -> Any:
    """Over teachers and trials: of what differs by factors. Raises ValueError if a value is negative."""
    array = _units(values)
    if (array < 0).any():
        raise ValueError(f"a geometric mean is of numbers that are not negative; the least is {np.nanmin(array):.3g}")
    with np.errstate(divide="ignore"):  # with a zero it is zero
        return np.exp(np.log(array).mean((0, 1)))


def ratio_of_means(values: ArrayLike) -> Any:
    """Of the first to the second of two values, (T, K, 2), each over teachers and trials; NaN where that is zero."""
    array = _units(values)
    if array.shape[2:] != (2,):
        raise ValueError(f"a ratio is of two values, (T, K, 2); got shape {array.shape}")
    first, second = array.mean((0, 1))
    return first / second if second else np.nan


def share(values: ArrayLike, of: int = 1, *, level: float = LEVEL) -> Interval:
    """Which part of some things are so, from the part (T, K) of each member's `of` things: its mean.

    The interval is Clopper and Pearson's, exact for independent things. Things of one teacher are not: there count as
    many as independent ones would have to be to scatter as the teachers' shares do, and the bounds are widened by what
    T - 1 degrees of freedom leave open (Korn and Graubard, Survey Methodology 24, 193 (1998)). It is never of width
    zero: that all were so says only that few are not.

    Raises
    ------
    Refused
        If there are fewer than `LEAST` units; carries the share.
    ValueError
        If a value or the level is no part, there is no unit, or `of` is less than one.
    TypeError
        If `of` is not a whole number.
    """
    check_level(level)
    check_count(of, "of")
    parts = numbers(values, "shares")
    if parts.ndim != 2 or not parts.size or not ((parts >= 0) & (parts <= 1)).all():
        raise ValueError(f"shares must be numbers from 0 to 1, one for each member; got {parts.tolist()}")
    units, trials = parts.shape
    each = parts.mean(1)
    p, count = float(each.mean()), float(units * of)
    if units < LEAST:
        raise Refused(f"an interval needs {LEAST} teachers, or trials of one, or more; got {units}", p)
    if count * trials > units:  # else every unit is one yes or no
        scatter = each.var(ddof=1) / units
        independent = count if scatter == 0 else min(count, p * (1 - p) / scatter)
        quantile = 0.5 + level / 2
        count = independent * (scipy.stats.t.ppf(quantile, count - 1) / scipy.stats.t.ppf(quantile, units - 1)) ** 2
    yes, tail = p * count, (1 - level) / 2
    low = scipy.stats.beta.ppf(tail, yes, count - yes + 1) if yes > 0 else 0.0
    high = scipy.stats.beta.ppf(1 - tail, yes + 1, count - yes) if yes < count else 1.0
    return Interval(p, float(low), float(high), f"{units} × {trials}")


def estimate_share(values: ArrayLike, of: int = 1) -> Interval:
    """`share`, and where it refuses the value alone, with bounds that are NaN; other errors as there."""
    parts = numbers(values, "shares")
    try:
        return share(parts, of)
    except Refused as error:
        return Interval(error.estimate, np.nan, np.nan, f"{parts.shape[0]} × {parts.shape[1]}")


def slope_weights(x: ArrayLike) -> np.ndarray:
    """Weights whose product with values at `x` is their least-squares slope.

    Raises
    ------
    ValueError
        If `x` is not one row of finite numbers, or all of them are equal.
    """
    points = numbers(x, "x")
    if points.ndim != 1 or len(points) < 2:
        raise ValueError(f"a slope needs two different points, in one row; got {brief(x)}")
    check_finite(points, "x")
    offset = points - points.mean()
    if (points == points[0]).all() or not offset.any():
        raise ValueError(f"a slope needs two different points; got {points.tolist()}")
    scale = exponent(offset)
    unit = np.ldexp(offset, -scale)
    return np.asarray(np.ldexp(unit / (unit**2).sum(), -scale))
