"""How sure a number is, where teachers are the sampling unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor


def over_teachers(values: Tensor, teachers: int | Sequence[int]) -> Tensor:
    """What intervals are taken over: the mean of each teacher's trials, or the trials where there is one teacher.

    Parameters
    ----------
    values:
        One for each student, on the first axis.
    teachers:
        How many there are, if the values stand teacher by teacher with equally many trials; else the teacher of each
        value, by any number that tells teachers apart.

    Returns
    -------
    The means (teachers, ...), in the order in which the teachers first appear; or the values as given.

    Raises
    ------
    ValueError
        If the values cannot be shared out among the teachers.
    """
    if isinstance(teachers, int):
        if teachers < 1 or len(values) % teachers:
            raise ValueError(f"{len(values)} values cannot be shared out among {teachers} teachers")
        teachers = [index * teachers // len(values) for index in range(len(values))]
    if len(values) != len(teachers):
        raise ValueError(f"there are {len(values)} values, but {len(teachers)} teachers are named; name one for each")
    values, named = values.double(), torch.tensor(teachers, device=values.device)
    different = list(dict.fromkeys(teachers))
    return values if len(different) == 1 else torch.stack([values[named == teacher].mean(0) for teacher in different])


@dataclass(frozen=True)
class Estimate:
    """A mean over n trials with its confidence interval; printed as ``21.0 [18.5, 23.5], n = 3``."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self:.3g}"

    def brief(self, spec: str) -> str:
        """Mean and interval without the number of trials, as in ``21.0 [18.5, 23.5]``; zero has no sign."""
        spec = f"z{spec}" if spec.startswith(".") else spec
        return f"{self.mean:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    def __format__(self, spec: str) -> str:
        spec = spec or ".3g"
        return f"{self.brief(spec)}, n = {self.n:,}"


def estimate(values: Sequence[float] | np.ndarray | Tensor, confidence: float = 0.95) -> Estimate:
    """Mean and Student-t interval of independent trials.

    Pass one number for each trial. Trials of several teachers are not independent: take the mean over each teacher's
    trials first, and pass one number for each teacher. With a single number the interval is NaN, since it tells
    nothing about the spread.

    Raises
    ------
    ValueError
        If there is no value, or one is not finite.
    """
    sample = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, dtype=float)
    if sample.ndim != 1 or sample.size == 0 or not np.isfinite(sample).all():
        raise ValueError(f"an estimate needs a list of finite numbers, one for each trial; got {values!r}")
    mean, n = float(sample.mean()), sample.size
    if n == 1:
        return Estimate(mean, float("nan"), float("nan"), n)
    import scipy.stats

    half = float(scipy.stats.t.ppf(0.5 + confidence / 2, n - 1) * sample.std(ddof=1) / n**0.5)
    return Estimate(mean, mean - half, mean + half, n)


def geometric(values: Sequence[float] | np.ndarray | Tensor, confidence: float = 0.95) -> Estimate:
    """Geometric mean and interval of independent trials: those of the logarithms, taken back.

    Raises
    ------
    ValueError
        As in `estimate`; also if a value is not above 0.
    """
    sample = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, dtype=float)
    if not (sample > 0).all():
        raise ValueError(f"a geometric mean needs numbers above 0; got {values!r}")
    e = estimate(np.log(sample), confidence)
    mean, low, high = (float(np.exp(x)) for x in (e.mean, e.low, e.high))
    return Estimate(mean, low, high, e.n)


def slope_weights(x: Sequence[float] | np.ndarray) -> np.ndarray:
    """Weights whose product with values at `x` is their least-squares slope.

    Raises
    ------
    ValueError
        If all of `x` are equal.
    """
    offset = np.asarray(x, float) - np.mean(x)
    if not offset.any():
        raise ValueError(f"a slope needs two different points; got {x}")
    return offset / (offset**2).sum()


@dataclass(frozen=True)
class Interval:
    """A measured value with its interval, and in words the sample that it rests on, as in ``10 × 3``."""

    value: float
    low: float
    high: float
    sample: str = field(default="", compare=False)

    def brief(self, spec: str) -> str:
        """Value and interval, as in ``21.0 [18.5, 23.5]``; the value alone where it has none, a dash for neither.

        `spec` is as in ``.1f``; zero has no sign.
        """
        spec = f"z{spec}"
        if np.isnan(self.value):
            return "–"
        if np.isnan(self.low) or np.isnan(self.high):
            return f"{self.value:{spec}}"
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


@dataclass(frozen=True)
class Band:
    """Measured values of any shape with an interval around each."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def __getitem__(self, index: Any) -> Band:
        """Part of the values, with their intervals."""
        return Band(*(np.asarray(values)[index] for values in (self.value, self.low, self.high)))

    def brief(self, spec: str) -> str:
        """A single value with its interval, as `Interval.brief`."""
        return Interval(float(self.value), float(self.low), float(self.high)).brief(spec)


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


def bootstrap(
    values: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    separate: bool = False,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Value and percentile interval of a `statistic` of `values` (T, K, ...): trials drawn within drawn teachers.

    `statistic` maps (..., T, K, ...) with any number of leading draws to (...). With `separate`, values are (T, K, G,
    ...) for G groups with teachers of their own, and each group is drawn for itself.
    """
    found = bands(values, statistic, separate, level=level, resamples=resamples, seed=seed)
    teachers, trials = values.shape[:2]
    return Interval(float(found.value), float(found.low), float(found.high), f"{teachers} × {trials}")


def bands(
    values: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    separate: bool = False,
    *,
    level: float = 0.95,
    resamples: int = 1_000,
    seed: int = 0,
) -> Band:
    """As `bootstrap`, for a `statistic` that maps to any shape: each of its numbers has an interval of its own."""
    statistics = np.concatenate([statistic(drawn) for drawn in draws(values, separate, resamples, seed)])
    low, high = np.quantile(statistics, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Band(np.asarray(statistic(values)), low, high)


def draws(values: np.ndarray, separate: bool, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """The resampled `values` of `bootstrap`, (draws, T, K, ...), in portions that fit into memory."""
    generator = np.random.default_rng(seed)
    teachers, trials = values.shape[:2]
    groups = values.shape[2:3] if separate else ()
    own = tuple(np.arange(count) for count in groups)
    drawn = generator.integers(teachers, size=(resamples, teachers, 1, *groups))
    within = generator.integers(trials, size=(resamples, teachers, trials, *groups))
    for part in np.array_split(np.arange(resamples), min(20, resamples)):
        yield values[(drawn[part], within[part], *own)]
