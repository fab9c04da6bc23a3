r"""The transition: where a pruning curve leaves zero, how it begins, with which exponent; and the ledger's quantities.

Everything is read from pruning curves: the growth of the error, in units of E[y^2], when the n nodes of the highest
scores are kept.

* The *critical size* n_c of a student is the smallest n from which on upwards the error has grown by less than
  `THRESHOLD`. A power law with exponent 1 reaches that a thousandth below its zero, one with exponent 2 three
  hundredths below: by so much n_c is found too low in a large teacher.
* The *jump* is the growth with one node less. In a continuous transition it shrinks as the teacher grows.
* The *exponent* is the slope, in logarithms, of the mean growth against the mean distance x = 1 - n/n_c within
  `WINDOW`. A single exponent need not exist: theory has it depend on the teacher (`spectral.stats.committees`).

Curves of different teachers are compared at equal u = n/h_T or equal n/n_c. What of a curve is used is kept as one row
of numbers, its *features*: n_c/h_T, the jump, and the growth at `GRID`.

Axes: T teachers, K trials, G settings, N points of a curve, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from torch import Tensor

from spectral.book.quantities import Measured, quantity, rank_sweep
from spectral.curves import growth
from spectral.lab.collection import MissingResult, Results
from spectral.lab.presets import BASE, Experiment
from spectral.lab.results import Result
from spectral.stats.intervals import Statistic, by_teacher, slope_weights
from spectral.stats.rise import at, crossing, held_out_gain, log_slope

THRESHOLD = 0.001
"""Growth of the error, in units of E[y^2], at which the transition begins."""

WINDOW = (0.1, 0.5)
"""Distances from the critical size, in parts of it, over which the exponent is taken."""

GRID = np.linspace(0, 2, 321)
"""Points u = n/h_T at which curves of different teachers are compared; every node of one with 160 nodes is a point."""

SHAPE = np.linspace(0, 1.2, 49)
"""Points n/n_c at which curves are laid over each other."""

LARGE = 20
"""Nodes from which on a teacher counts as large: `WINDOW` then spans eight nodes or more."""

Family = Literal[
    "teachers",
    "large teachers",
    "tasks",
    "two-layer tasks",
    "training",
    "committees of relu",
    "committees of erf",
]
"""Kinds of settings that are judged together; see `settings`."""

FAMILIES: dict[Family, tuple[str, ...]] = {
    "teachers": ("teacher",),
    "large teachers": ("teacher",),
    "tasks": ("activation", "committee", "inputs"),
    "two-layer tasks": ("activation", "inputs"),
    "training": ("label_noise", "penalties", "patterns", "epochs"),
    "committees of relu": ("committee",),
    "committees of erf": ("committee",),
}
"""What is varied in the settings of each family."""


def standard(results: Results) -> Experiment:
    """The setting that all variations start from."""
    return results.one(varied="teacher", teacher_hidden=BASE[0], input_dim=BASE[1])


def settings(results: Results, family: Family) -> list[Experiment]:
    """The experiments of a family. Those that vary the standard one come with it, and share its teachers.

    Raises
    ------
    MissingResult
        If there is none.
    """
    found = results.select(design="universal", varied=FAMILIES[family])
    if family == "large teachers":
        found = [one for one in found if one.config.teacher_hidden >= LARGE]
    if family.startswith("committees of"):
        found = [one for one in found if one.config.activation == family.split()[-1]]
    if family in ("training", "two-layer tasks", "tasks"):
        found.insert(0, standard(results))
    if not found:
        raise MissingResult(f"there are no settings of {family}")
    return found


def pruning_curves(result: Result, scores: Tensor | None = None) -> np.ndarray:
    """Growth of the test error over E[y^2] of all members with n = 0 ... nodes kept, (T, K, N).

    Nodes go in the order of `scores` (E, h_S), by default the norms of their incoming weights.
    """
    return by_teacher(growth(rank_sweep(result, scores).double()), result.config.teachers)


def critical_sizes(grown: np.ndarray, threshold: float = THRESHOLD) -> np.ndarray:
    """n_c of every curve (..., N), shape (...)."""
    return crossing(grown, threshold)


def jumps(grown: np.ndarray, threshold: float = THRESHOLD) -> np.ndarray:
    """Growth with one node less than n_c, of every curve (..., N), shape (...)."""
    below = np.maximum(critical_sizes(grown, threshold) - 1, 0)
    return np.take_along_axis(grown, below[..., None], -1)[..., 0]


def features(grown: np.ndarray, size: int, threshold: float = THRESHOLD) -> np.ndarray:
    """n_c/h_T, the jump, and the curve at `GRID`, of curves (..., N) of teachers of one size, (..., F)."""
    critical = critical_sizes(grown, threshold) / size
    return np.concatenate([critical[..., None], jumps(grown, threshold)[..., None], at(grown, GRID * size)], -1)


def features_of(results: Results, chosen: Sequence[Experiment]) -> np.ndarray:
    """`features` of all members of some settings, (T, K, G, F)."""
    found = [features(results.derived(pruning_curves, one), one.config.teacher_hidden) for one in chosen]
    return np.stack(found, 2)


def exponents(values: np.ndarray, window: tuple[float, float] = WINDOW) -> np.ndarray:
    """The exponent of every setting from its features (T, K, G, F), shape (G,); see the module."""
    mean = values.mean((0, 1))
    critical, curve = mean[:, :1], mean[:, 2:]
    distance, step = np.geomspace(*window, 8), GRID[1]
    return log_slope(distance, np.maximum(at(curve, critical * (1 - distance) / step), 1e-12))


def master_curves(values: np.ndarray) -> np.ndarray:
    """Mean curves at equal n/n_c from features (T, K, G, F), shape (G, len(SHAPE))."""
    mean = values.mean((0, 1))
    return at(mean[:, 2:], mean[:, :1] * SHAPE / GRID[1])


def apart(curves: np.ndarray) -> Any:
    """How far curves (G, N) are apart: their standard deviation, root mean square over points."""
    return np.sqrt(curves.var(0, ddof=1).mean())


def group_means(groups: np.ndarray) -> np.ndarray:
    """What takes the mean over all settings of each group, in the order of their numbers: `groups` (G,) to (S, G)."""
    average = np.equal.outer(np.unique(groups), groups).astype(float)
    return average / average.sum(1, keepdims=True)


def gain(results: Results, chosen: Sequence[Experiment]) -> tuple[np.ndarray, Statistic]:
    """Numbers of teachers, (T, K), and what makes of them the gain in each setting, (G,), mean over teachers.

    It is that of `spectral.stats.rise.held_out_gain`, from n_c/2 to 1.2 n_c. Every curve is held out from those of all
    other teachers: so it is teachers that a sample is made of, and who is left out of it is left out of the fits and of
    n_c, too.
    """
    curves = [results.derived(pruning_curves, experiment) for experiment in chosen]

    def one(grown: np.ndarray) -> float:
        critical = critical_sizes(grown).mean()
        n = np.arange(int(critical / 2), int(1.2 * critical) + 1)
        return float(held_out_gain(n.astype(float), at(grown.mean(1), n), THRESHOLD).mean())

    def gains(teachers: np.ndarray) -> np.ndarray:
        return np.array([one(grown[teachers[:, 0]]) for grown in curves])

    teachers, trials = curves[0].shape[:2]
    return np.repeat(np.arange(teachers)[:, None], trials, 1), gains


def _sizes(chosen: Sequence[Experiment]) -> np.ndarray:
    return np.array([one.config.teacher_hidden for one in chosen])


def _family(results: Results, family: Family, statistic: Statistic, *, log: bool = False) -> Measured:
    return Measured(features_of(results, settings(results, family)), statistic, log)


@quantity("critical_ratio")
def critical_ratio(results: Results, *, family: Family, extreme: Literal["lowest", "highest"]) -> Measured:
    """n_c/h_T, mean over the members of a setting, at the setting where it is lowest or highest."""
    pick = {"lowest": np.min, "highest": np.max}[extreme]
    return _family(results, family, lambda values: pick(values[..., 0].mean((0, 1))))


@quantity("exponent")
def mean_exponent(results: Results, *, family: Family) -> Measured:
    """The exponent, mean over the settings of a family."""
    return _family(results, family, lambda values: exponents(values).mean())


@quantity("exponent_slope")
def exponent_slope(results: Results, *, family: Family) -> Measured:
    """Least-squares slope of the exponent against log10 of h_T."""
    weights = slope_weights(np.log10(_sizes(settings(results, family))))
    return _family(results, family, lambda values: exponents(values) @ weights)


@quantity("exponent_difference")
def exponent_difference(results: Results) -> Measured:
    """Exponent of committees of relu less that of committees of erf with the same weights, mean over their sizes."""
    relu, erf = (settings(results, family) for family in ("committees of relu", "committees of erf"))
    signs = np.repeat([1.0 / len(relu), -1.0 / len(erf)], [len(relu), len(erf)])
    return Measured(features_of(results, relu + erf), lambda values: exponents(values) @ signs)


@quantity("jump")
def mean_jump(results: Results, *, family: Family) -> Measured:
    """Growth with one node less than n_c, mean over the largest teachers of a family."""
    chosen = settings(results, family)
    largest = [one for one in chosen if one.config.teacher_hidden == _sizes(chosen).max()]
    return Measured(features_of(results, largest)[..., 1], lambda values: values.mean(), log=True)


@quantity("jump_slope")
def jump_slope(results: Results, *, family: Family) -> Measured:
    """Least-squares slope of the logarithm of the mean jump against that of h_T."""
    weights = slope_weights(np.log10(_sizes(settings(results, family))))
    return _family(results, family, lambda values: np.log10(values[..., 1].mean((0, 1))) @ weights)


@quantity("curve_spread")
def curve_spread(results: Results, *, family: Family) -> Measured:
    """Standard deviation between mean curves at equal n/n_c, root mean square over `SHAPE`.

    Curves of teachers of one size and several dimensions are averaged first.
    """
    chosen = settings(results, family)
    groups: np.ndarray = np.arange(len(chosen))
    if FAMILIES[family] == ("teacher",):
        groups = np.unique(_sizes(chosen), return_inverse=True)[1]
    average = group_means(groups)
    return _family(results, family, lambda values: apart(average @ master_curves(values)), log=True)


@quantity("transition_gain")
def transition_gain(results: Results, *, family: Family) -> Measured:
    """`gain` of a family; mean over settings."""
    teachers, gains = gain(results, settings(results, family))
    return Measured(teachers, lambda left: gains(left).mean())
