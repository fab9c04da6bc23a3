"""How often do the book's intervals hold the truth? Counted on data that are made with a known one.

The interval of a claim is a hierarchical bootstrap (`spectral.stats.intervals.bootstrap`). It is exact for many
teachers; the book has four or ten. Each case below draws data `REPETITIONS` times from a population whose value of a
statistic is known, takes the interval, and notes the repetitions whose interval misses it.

==================  ==============================================================================================
case                what is drawn, and the statistic
==================  ==============================================================================================
mean                normal values, teachers and trials with equal spread; their mean
mean, Student's t   the same, with the interval of `spectral.stats.intervals.estimate` over the means of teachers
skewed mean         log-normal values; their mean
slope               log-normal values of six settings with teachers of their own; slope of the logarithm of the mean
exponent            power laws whose amplitude and exponent differ between teachers; exponent of the mean curve
highest             normal values of six settings with equal means; the mean where that is highest
==================  ==============================================================================================

The last is what the ledger does for the setting where a ratio is highest: noise alone puts that above the truth.

Axes: T teachers, K trials, G settings, M distances.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectral.lab.files import REPOSITORY, read_entries, write_atomically
from spectral.stats.intervals import Interval, bootstrap, estimate, slope_weights
from spectral.stats.rise import log_slope

STORED = REPOSITORY / "book" / "coverage.json"

REPETITIONS, RESAMPLES, LEVEL = 1_000, 1_000, 0.95

DESIGNS = ((4, 3), (10, 3))
"""Teachers and trials: of the experiments on universality, and of the main grid."""

_SETTINGS, _LOG_SIZES = 6, np.arange(6.0) * np.log10(2)
_DISTANCES = np.geomspace(0.1, 0.5, 8)
_BETA, _BETA_SPREAD, _SPREAD = 1.5, 0.3, 0.4


class Case(NamedTuple):
    """What is drawn for T teachers and K trials, its statistic, the truth, and whether settings have own teachers."""

    draw: Callable[[np.random.Generator, int, int], np.ndarray]
    statistic: Callable[[np.ndarray], np.ndarray]
    truth: float
    separate: bool = False
    student: bool = False


def _normal(generator: np.random.Generator, teachers: int, trials: int, *shape: int) -> np.ndarray:
    """Teachers and trials with equal spread, (T, K, ...)."""
    return generator.normal(size=(teachers, 1, *shape)) + generator.normal(size=(teachers, trials, *shape))


def _mean(values: np.ndarray) -> np.ndarray:
    return values.mean((-2, -1))


def _slope(values: np.ndarray) -> np.ndarray:
    return np.log10(values.mean((-3, -2))) @ slope_weights(_LOG_SIZES)


def _power_laws(generator: np.random.Generator, teachers: int, trials: int) -> np.ndarray:
    amplitude = np.exp(_SPREAD * _normal(generator, teachers, trials, 1))
    exponent = _BETA + _BETA_SPREAD * generator.normal(size=(teachers, 1, 1))
    return amplitude * _DISTANCES**exponent


def _mean_power_law() -> np.ndarray:
    """Mean over the population, but for a factor: E[x^beta] of a normal beta."""
    return _DISTANCES**_BETA * np.exp((_BETA_SPREAD * np.log(_DISTANCES)) ** 2 / 2)


CASES: Mapping[str, Case] = {
    "mean": Case(_normal, _mean, 0.0),
    "mean, Student's t": Case(_normal, _mean, 0.0, student=True),
    "skewed mean": Case(lambda *how: np.exp(_SPREAD * _normal(*how)), _mean, float(np.exp(_SPREAD**2))),
    "slope": Case(
        lambda *how: 10**-_LOG_SIZES * np.exp(_SPREAD * _normal(*how, _SETTINGS)), _slope, -1.0, separate=True
    ),
    "exponent": Case(
        _power_laws,
        lambda values: log_slope(_DISTANCES, values.mean((-3, -2))),
        float(log_slope(_DISTANCES, _mean_power_law())),
    ),
    "highest": Case(
        lambda *how: _normal(*how, _SETTINGS), lambda values: values.mean((-3, -2)).max(-1), 0.0, separate=True
    ),
}
"""See the module's table."""


def interval(name: str, teachers: int, trials: int, repetition: int) -> Interval:
    """The interval of one repetition of a case; a repetition's numbers depend on nothing but its arguments.

    Raises
    ------
    KeyError
        If there is no such case.
    """
    case = CASES[name]
    generator = np.random.default_rng([list(CASES).index(name), teachers, trials, repetition])
    values = case.draw(generator, teachers, trials)
    if case.student:
        found = estimate(values.mean(1), LEVEL)
        return Interval(found.mean, found.low, found.high)
    return bootstrap(values, case.statistic, case.separate, level=LEVEL, resamples=RESAMPLES, seed=repetition)


def missed(name: str, teachers: int, trials: int, repetitions: Sequence[int]) -> tuple[list[int], list[int]]:
    """Those of some repetitions whose interval lies wholly below the truth, and wholly above it."""
    found = {repetition: interval(name, teachers, trials, repetition) for repetition in repetitions}
    truth = CASES[name].truth
    below = [repetition for repetition, i in found.items() if i.high < truth]
    above = [repetition for repetition, i in found.items() if i.low > truth]
    return below, above


def study(repetitions: int = REPETITIONS, report: Callable[[str], None] = lambda line: None) -> list[dict[str, Any]]:
    """All cases and designs: which repetitions missed."""
    rows = []
    for name in CASES:
        for teachers, trials in DESIGNS:
            below, above = missed(name, teachers, trials, range(repetitions))
            covered = 1 - (len(below) + len(above)) / repetitions
            report(f"{name}, {teachers} × {trials}: {covered:.1%} of {repetitions} intervals hold the truth")
            rows.append(
                {
                    "case": name,
                    "teachers": teachers,
                    "trials": trials,
                    "repetitions": repetitions,
                    "below": below,
                    "above": above,
                }
            )
    return rows


def save(rows: Sequence[Mapping[str, Any]], path: Path = STORED) -> None:
    """Write a study as JSON, one case a line."""
    lines = ",\n".join(json.dumps(row) for row in rows)
    write_atomically(path, f"[\n{lines}\n]\n".encode())


def load(path: Path = STORED) -> list[dict[str, Any]]:
    """A study that was kept, as `study` gives it.

    Raises
    ------
    ConfigError
        If the file holds none.
    """
    keys = {"case", "teachers", "trials", "repetitions", "below", "above"}
    advice = "make it again with: python -m spectral coverage --to book/coverage.json"
    return read_entries(path, "the study of coverage", "case", lambda row: keys == row.keys(), advice)


def share(row: Mapping[str, Any]) -> tuple[float, float]:
    """Which part of a case's intervals hold the truth, and the standard error of that."""
    part = 1 - (len(row["below"]) + len(row["above"])) / row["repetitions"]
    return part, float(np.sqrt(part * (1 - part) / row["repetitions"]))
