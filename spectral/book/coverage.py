"""How often do the book's intervals hold the truth? Counted on data that are made with a known one.

The book's interval is the jackknife over teachers with Student's t (`spectral.stats.intervals`). Each case below draws
data `REPETITIONS` times from a population whose value of a statistic is known, takes the interval, and notes the
repetitions whose interval misses it.

===============  =================================================================================================
case             what is drawn, and the statistic
===============  =================================================================================================
mean             normal values, teachers and trials with equal spread; their mean
skewed mean      log-normal values; their mean, on the logarithmic scale
slope            log-normal values of six settings with teachers of their own; slope of the logarithm of the mean
exponent         power laws whose amplitude and exponent differ between teachers; exponent of the mean curve
real exponents   pruning curves of `POPULATION` random two-layer teachers, the paper's; exponent as in the ledger
share            parts of 20 nodes that are found, with a probability that differs between teachers; their mean
all or none      the same, where mostly all nodes of a teacher are found, and of some teachers hardly any
===============  =================================================================================================

Axes: T teachers, K trials, G settings, M distances.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectral.book.transition import exponents, features
from spectral.curves import growth, prune_sweep
from spectral.lab.config import ExperimentConfig
from spectral.lab.experiment import draw_task
from spectral.lab.files import kept, read_entries, write_atomically
from spectral.prune import node_scores, rank
from spectral.stats.intervals import Interval, Statistic, jackknife, mean, share, slope_weights
from spectral.stats.rise import log_slope
from spectral.students import as_student

STORED = kept("coverage.json")

REPETITIONS = 1_000

DESIGNS = ((4, 1), (10, 1), (20, 1), (30, 1))
"""Teachers and trials: fewer than the book has; of its experiments on universality, and of the main grid."""

POPULATION = 600

_SETTINGS, _LOG_SIZES = 6, np.arange(6.0) * np.log10(2)
_DISTANCES = np.geomspace(0.1, 0.5, 8)
_BETA, _BETA_SPREAD, _SPREAD = 1.5, 0.3, 0.4
_NODES = 20


class Case(NamedTuple):
    """What is drawn for T teachers and K trials, its statistic, the truth, and how its interval is taken.

    On the logarithmic scale if `log`; as that of a share if each member has `of` things.
    """

    draw: Callable[[np.random.Generator, int, int], np.ndarray]
    statistic: Statistic
    truth: Callable[[], float]
    log: bool = False
    of: int = 0
    designs: Sequence[tuple[int, int]] = DESIGNS

    def interval(self, values: np.ndarray) -> Interval:
        """Of values (T, K, ...)."""
        if self.of:
            return share(values, self.of)
        return jackknife(values, self.statistic, log=self.log)


def _normal(generator: np.random.Generator, teachers: int, trials: int, *shape: int) -> np.ndarray:
    """Teachers and trials with equal spread, (T, K, ...)."""
    return generator.normal(size=(teachers, 1, *shape)) + generator.normal(size=(teachers, trials, *shape))


def _slope(values: np.ndarray) -> Any:
    return np.log10(values.mean((0, 1))) @ slope_weights(_LOG_SIZES)


def _power_laws(generator: np.random.Generator, teachers: int, trials: int) -> np.ndarray:
    amplitude = np.exp(_SPREAD * _normal(generator, teachers, trials, 1))
    exponent = _BETA + _BETA_SPREAD * generator.normal(size=(teachers, 1, 1))
    return np.asarray(amplitude * _DISTANCES**exponent)


def _mean_power_law() -> np.ndarray:
    """Mean over the population, but for a factor: E[x^beta] of a normal beta."""
    return np.asarray(_DISTANCES**_BETA * np.exp((_BETA_SPREAD * np.log(_DISTANCES)) ** 2 / 2))


@functools.cache
def _population() -> np.ndarray:
    """Features of the pruning curves of `POPULATION` teachers, each pruned on test patterns, (POPULATION, 1, 1, F)."""
    config = ExperimentConfig(teachers=POPULATION, teacher_seed=10_000, trials=1, patterns=500, test_patterns=2_000)
    rows = []
    for start in range(0, POPULATION, 50):
        task = draw_task(config, config.members[start : start + 50])
        teacher = as_student(task.teacher)
        rows.append(growth(prune_sweep(teacher, task.test, rank(node_scores(teacher))).double()).numpy())
    return features(np.concatenate(rows), config.teacher_hidden)[:, None, None]


def _exponent(values: np.ndarray) -> Any:
    return exponents(values)[0]


def _teachers(generator: np.random.Generator, teachers: int, trials: int) -> np.ndarray:
    return _population()[generator.integers(POPULATION, size=teachers)]


def _found(often: float, seldom: float) -> Callable[[np.random.Generator, int, int], np.ndarray]:
    """Parts of nodes found where a teacher's probability is of a beta distribution with these parameters."""

    def draw(generator: np.random.Generator, teachers: int, trials: int) -> np.ndarray:
        probability = generator.beta(often, seldom, size=(teachers, 1))
        return generator.binomial(_NODES, probability, size=(teachers, trials)) / _NODES

    return draw


CASES: Mapping[str, Case] = {
    "mean": Case(_normal, mean, lambda: 0.0),
    "skewed mean": Case(
        lambda *how: np.exp(_SPREAD * _normal(*how)), mean, lambda: float(np.exp(_SPREAD**2)), log=True
    ),
    "slope": Case(lambda *how: 10**-_LOG_SIZES * np.exp(_SPREAD * _normal(*how, _SETTINGS)), _slope, lambda: -1.0),
    "exponent": Case(
        _power_laws,
        lambda values: log_slope(_DISTANCES, values.mean((0, 1))),
        lambda: float(log_slope(_DISTANCES, _mean_power_law())),
    ),
    "real exponents": Case(_teachers, _exponent, lambda: float(_exponent(_population()))),
    "share": Case(_found(19.0, 1.0), mean, lambda: 0.95, of=_NODES),
    "all or none": Case(_found(1.9, 0.1), mean, lambda: 0.95, of=_NODES),
}
"""See the module's table."""


def one_interval(name: str, teachers: int, trials: int, repetition: int) -> Interval:
    """The interval of one repetition of a case; a repetition's numbers depend on nothing but its arguments.

    Raises
    ------
    KeyError
        If there is no such case.
    """
    case = CASES[name]
    generator = np.random.default_rng([*name.encode(), teachers, trials, repetition])
    return case.interval(case.draw(generator, teachers, trials))


def missed(name: str, teachers: int, trials: int, repetitions: Sequence[int]) -> tuple[list[int], list[int]]:
    """Those of some repetitions whose interval lies wholly below the truth, and wholly above it."""
    found = {repetition: one_interval(name, teachers, trials, repetition) for repetition in repetitions}
    truth = CASES[name].truth()
    below = [repetition for repetition, i in found.items() if i.high < truth]
    above = [repetition for repetition, i in found.items() if i.low > truth]
    return below, above


def study(repetitions: int = REPETITIONS, report: Callable[[str], None] = lambda line: None) -> list[dict[str, Any]]:
    """All cases and designs: which repetitions missed."""
    rows = []
    for name in CASES:
        for teachers, trials in CASES[name].designs:
            below, above = missed(name, teachers, trials, range(repetitions))
            part = 1 - (len(below) + len(above)) / repetitions
            report(f"{name}, {teachers} × {trials}: {part:.1%} of {repetitions} intervals hold the truth")
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


def covered(row: Mapping[str, Any]) -> tuple[float, float]:
    """Which part of a case's intervals hold the truth, and the standard error of that."""
    part = 1 - (len(row["below"]) + len(row["above"])) / row["repetitions"]
    return part, float(np.sqrt(part * (1 - part) / row["repetitions"]))
