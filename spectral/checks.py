"""What functions of the core ask of their arguments, where these arrive; errors name the argument, and what came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def check_tensor(values: Any, name: str) -> None:
    """Raise TypeError unless `values` is a tensor of real numbers."""
    if not isinstance(values, Tensor):
        raise TypeError(f"{name} must be a tensor, as torch.as_tensor makes it; got a {type(values).__name__}")
    if values.dtype == torch.bool or values.is_complex():
        raise TypeError(f"{name} must be a tensor of real numbers; got {values.dtype}")


def check_bool(values: Any, name: str, shape: tuple[int, ...]) -> None:
    """Raise TypeError unless `values` is a tensor, and ValueError unless it is of that shape and holds yes or no."""
    if not isinstance(values, Tensor):
        raise TypeError(f"{name} must be a bool tensor; got a {type(values).__name__}")
    if values.dtype != torch.bool or tuple(values.shape) != shape:
        raise ValueError(
            f"{name} must be a bool tensor of shape {shape}; got {values.dtype} of shape {tuple(values.shape)}"
        )


def check_finite(values: Tensor, name: str, hint: str = "") -> None:
    """Raise ValueError, with its first place, if a value is not finite: a comparison would take NaN for an answer."""
    finite = torch.isfinite(values)
    if finite.all():
        return
    wrong = (~finite).nonzero()
    place = tuple(wrong[0].tolist())
    raise ValueError(
        f"{name} must be finite; {len(wrong)} of {values.numel()} values are not, the first {values[place].item()} "
        f"at {place}{hint}"
    )


def check_number(value: Any, name: str, ask: str, fits: Callable[[Any], bool]) -> None:
    """Raise TypeError unless `value` is one real number, and ValueError unless it fits; `ask` says what is expected."""
    number = value.item() if isinstance(value, Tensor) and value.ndim == 0 else value
    if isinstance(number, bool) or not hasattr(number, "__float__") or hasattr(number, "__len__"):
        raise TypeError(f"{name} must {ask}, not {value!r}")
    if not fits(number):
        raise ValueError(f"{name} must {ask}, not {value}")


def check_count(value: Any, name: str, least: int = 1) -> None:
    """Raise ValueError unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or isinstance(value, Tensor) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}")


def is_member(value: Any, members: int) -> bool:
    """Whether a value is the place of one of so many members; whole numbers of numpy are, True and False are not."""
    return hasattr(value, "__index__") and not isinstance(value, bool) and 0 <= value < members


def check_strength(value: Any, name: str) -> None:
    """Raise TypeError or ValueError unless `value` is a strength of a penalty."""
    check_number(value, name, "be a finite number of at least 0", lambda number: 0 <= number < float("inf"))
