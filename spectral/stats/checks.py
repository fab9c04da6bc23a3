"""What the statistics ask of their arguments, where these arrive: each error names the argument, and what came.

They are asked again and again, of every sample of a jackknife, and so look at shapes and types before at numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def numbers(values: ArrayLike, name: str) -> np.ndarray:
    """The values as an array of real numbers in double precision.

    Raises
    ------
    TypeError
        If they are something else, such as text, None or complex numbers, or rows of different lengths.
    """
    if isinstance(values, np.ndarray) and values.dtype == np.float64:
        return values
    if isinstance(values, float):
        return np.asarray(values, float)
    try:
        array = np.asarray(values)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, in rows of one length; got {brief(values)}")
    return array.astype(float, copy=False)


def brief(values: object) -> str:
    """What arrived, in words short enough for a message."""
    if isinstance(values, np.ndarray) and values.ndim:
        return f"an array of shape {values.shape} and type {values.dtype}"
    text = repr(values)
    return f"a {type(values).__name__}, {text if len(text) < 80 else text[:77] + '...'}"


def check_finite(array: np.ndarray, name: str, *, unknown: bool = False) -> None:
    """Raise ValueError, with the first place, if a number is not finite; with `unknown`, NaN may stand for one.

    A comparison with NaN is false, and would be taken for an answer.
    """
    wrong = np.isinf(array) if unknown else ~np.isfinite(array)
    if wrong.any():
        place = tuple(int(index[0]) for index in np.nonzero(wrong)) if array.ndim else ()
        where = f"; the first, {array[place]}, stands at {list(place)}" if array.ndim else f"; got {array}"
        rest = ", or NaN for what could not be measured" if unknown else ""
        raise ValueError(f"{name} must be finite{rest}: {wrong.sum()} of {wrong.size} numbers are not{where}")


def check_number(value: Any, name: str, ask: str, fits: Callable[[Any], bool]) -> None:
    """Raise TypeError unless `value` is one real number, and ValueError unless it fits; `ask` says what is expected."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must {ask}; got {brief(value)}")
    if not fits(value):
        raise ValueError(f"{name} must {ask}; got {value}")


def check_count(value: Any, name: str, least: int = 1) -> None:
    """Raise TypeError unless `value` is a whole number, and ValueError if it is less than `least`."""
    ask = f"be a whole number of at least {least}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must {ask}; got {brief(value)}")
    if value < least:
        raise ValueError(f"{name} must {ask}; got {value}")


def check_level(level: Any) -> None:
    """Raise TypeError or ValueError unless `level` is a part."""
    check_number(level, "level", "lie between 0 and 1, as 0.95", lambda value: 0 < value < 1)


def check_function(value: Any, name: str, of: str) -> None:
    """Raise TypeError unless `value` can be called; `of` says with what, and what it gives."""
    if not callable(value):
        raise TypeError(f"{name} must be a function, {of}; got {brief(value)}")


def exponent(array: np.ndarray, axis: int | None = None) -> Any:
    """The power of two that brings the largest magnitude to 1/2 ... 1, along `axis` or of all; 0 of nothing else.

    Squares of what is scaled by it neither vanish nor overflow, and a power of two costs no digit.
    """
    return np.frexp(np.abs(array).max(axis, initial=0.0))[1]
