r"""The quantities of the transition: where it lies, how it begins, with which exponent, and whether that is universal.

Everything is read from pruning curves: the growth of the error, in units of E[y^2], when the n nodes of the highest
scores are kept.

* The *critical size* n_c of a student is the smallest n from which on upwards the error has grown by less than
  `THRESHOLD`. A power law with exponent 1 reaches that a thousandth below its zero, one with exponent 2 three
  hundredths below: by so much n_c is found too low in a large teacher.
* The *jump* is the growth with one node less. In a continuous transition it shrinks as the teacher grows.
* The *exponent* is the slope, in logarithms, of the mean growth against the mean distance x = 1 - n/n_c within
  `WINDOW`. A single exponent need not exist: theory has it depend on the teacher (`spectral.stats.committees`).

Curves of different teachers are compared at equal u = n/h_T or equal n/n_c.

Axes: T teachers, K trials, G settings, N points of a curve.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from spectral import curves as pruning
from spectral.book.quantities import CHOICES as OTHER_CHOICES
from spectral.book.quantities import QUANTITIES as OTHERS
from spectral.book.quantities import MissingRun, Part, Quantity, Reader, Values, rank_sweep
from spectral.lab.presets import BASE
from spectral.lab.results import Runs
from spectral.stats.intervals import slope_weights
from spectral.stats.rise import at, crossing, held_out_gain, log_slope

THRESHOLD = 0.001
"""Growth of the error, in units of E[y^2], at which the transition begins."""

WINDOW = (0.1, 0.5)
"""Distances from the critical size, in parts of it, over which the exponent is taken."""

GRID = np.linspace(0, 2, 321)
"""Points u = n/h_T at which curves of different teachers are compared; every node of one with 160 nodes is a point."""

SHAPE = np.linspace(0, 1.2, 49)
"""Points n/n_c at which curves are laid over each other."""

STANDARD = f"universal/h_T={BASE[0]},d={BASE[1]}/{5 * BASE[0]}"
"""The experiment that all variations start from."""

FAMILIES: dict[str, tuple[str, ...]] = {
    "teachers": ("h_T",),
    "large teachers": ("h_T",),
    "tasks": ("activation", "committee", "inputs"),
    "two-layer tasks": ("activation", "inputs"),
    "training": ("noise", "penalty", "patterns", "epochs"),
    "committees of relu": ("committee",),
    "committees of erf": ("committee",),
}
"""Kinds of settings that are judged together; see `settings`."""

LARGE = 20
"""Nodes from which on a teacher counts as large: `WINDOW` then spans eight nodes or more."""


class Source(Protocol):
    """Where runs are read from, by their names in a preset; a `Reader` is one."""

    def __hash__(self) -> int:
        """By identity: what was made of its runs is kept."""

    @property
    def names(self) -> list[str]:
        """All experiments there are."""

    def named(self, name: str) -> Runs:
        """One of them; raises MissingRun if its result is not there."""


@dataclass(frozen=True, eq=False)
class AtHand:
    """Runs that have been read already, as a source."""

    runs: Mapping[str, Runs]

    @property
    def names(self) -> list[str]:
        """All of them."""
        return list(self.runs)

    def named(self, name: str) -> Runs:
        """One of them; raises MissingRun if there is none of that name."""
        if name not in self.runs:
            raise MissingRun(name)
        return self.runs[name]


def settings(reader: Source, family: str) -> list[str]:
    """Names of the experiments of a family. Those that vary the base come with it, and share its teachers."""
    names = []
    for name in reader.names:
        design, setting, _ = name.split("/")
        if design != "universal" or setting.split("=")[0] not in FAMILIES[family]:
            continue
        if family.startswith("committees of") and not setting.startswith(f"committee={family.split()[-1]},"):
            continue
        if family == "large teachers" and int(setting.split(",")[0].removeprefix("h_T=")) < LARGE:
            continue
        names.append(name)
    if family in ("training", "two-layer tasks", "tasks"):
        names.insert(0, STANDARD)
    if not names:
        raise MissingRun(family)
    return names


def growth(runs: Runs, scores: Tensor | None = None) -> np.ndarray:
    """Pruning curves of all members: growth of the test error over E[y^2] with n = 0 ... nodes kept, (T, K, N).

    Nodes go in the order of `scores` (E, h_S), by default the norms of their incoming weights.
    """
    curves = pruning.growth(rank_sweep(runs, scores).double())
    return curves.numpy().reshape(runs.config.teachers, runs.config.trials, -1)


@functools.lru_cache(maxsize=128)
def curves(reader: Source, name: str) -> np.ndarray:
    """`growth` of an experiment, once for each reader."""
    return growth(reader.named(name))


def critical_sizes(grown: np.ndarray, threshold: float = THRESHOLD) -> np.ndarray:
    """n_c of every curve (..., N), shape (...)."""
    return crossing(grown, threshold)


def jumps(grown: np.ndarray, threshold: float = THRESHOLD) -> np.ndarray:
    """Growth with one node less than n_c, of every curve (..., N), shape (...)."""
    below = np.maximum(critical_sizes(grown, threshold) - 1, 0)
    return np.take_along_axis(grown, below[..., None], -1)[..., 0]


def summary(grown: np.ndarray, size: int, threshold: float = THRESHOLD) -> np.ndarray:
    """n_c/h_T, the jump, and the curve at `GRID`, of curves (..., N) of teachers of one size, (..., 2 + len(GRID))."""
    critical = critical_sizes(grown, threshold) / size
    return np.concatenate([critical[..., None], jumps(grown, threshold)[..., None], at(grown, GRID * size)], -1)


def summaries(reader: Source, names: Sequence[str]) -> np.ndarray:
    """`summary` of all members of some settings, (T, K, G, 2 + len(GRID))."""
    found = [summary(curves(reader, name), reader.named(name).config.teacher_hidden) for name in names]
    return np.stack(found, 2)


def exponents(summary: np.ndarray, window: tuple[float, float] = WINDOW) -> np.ndarray:
    """The exponent of every setting, (..., T, K, G, 2 + len(GRID)) to (..., G); see the module."""
    mean = summary.mean((-4, -3))
    critical, curve = mean[..., :1], mean[..., 2:]
    distance, step = np.geomspace(*window, 8), GRID[1]
    return log_slope(distance, np.maximum(at(curve, critical * (1 - distance) / step), 1e-12))


def master_curves(summary: np.ndarray) -> np.ndarray:
    """Mean curves at equal n/n_c, (..., T, K, G, 2 + len(GRID)) to (..., G, len(SHAPE))."""
    mean = summary.mean((-4, -3))
    return at(mean[..., 2:], mean[..., :1] * SHAPE / GRID[1])


def spread(curves: np.ndarray) -> np.ndarray:
    """Standard deviation between curves (..., G, N), root mean square over their points, (...)."""
    return np.sqrt(curves.var(-2, ddof=1).mean(-1))


def _family(
    reader: Reader, part: Part, statistic: Callable[[np.ndarray], np.ndarray], names: Sequence[str] | None = None
) -> Values:
    family = part.choice["family"]
    names = settings(reader, family) if names is None else names
    shared = family in ("training", "two-layer tasks")
    return summaries(reader, names), statistic, not shared


def critical_ratio(reader: Reader, part: Part) -> Values:
    """n_c/h_T, mean over the members of a setting, at the setting where it is lowest or highest."""
    extreme = {"lowest": np.min, "highest": np.max}[part.choice["extreme"]]
    return _family(reader, part, lambda summary: extreme(summary[..., 0].mean((-3, -2)), -1))


def exponent(reader: Reader, part: Part) -> Values:
    """The exponent, mean over the settings of a family."""
    return _family(reader, part, lambda summary: exponents(summary).mean(-1))


def exponent_slope(reader: Reader, part: Part) -> Values:
    """Least-squares slope of the exponent against log10 of h_T."""
    names = settings(reader, part.choice["family"])
    weights = slope_weights(np.log10(_sizes(reader, names)))
    return _family(reader, part, lambda summary: exponents(summary) @ weights, names)


def exponent_difference(reader: Reader, part: Part) -> Values:
    """Exponent of committees of relu less that of committees of erf with the same weights, mean over their sizes.

    Both are drawn separately, which makes the interval wider than pairs would.
    """
    names = [settings(reader, f"committees of {activation}") for activation in ("relu", "erf")]
    count = len(names[0])

    def difference(summary: np.ndarray) -> np.ndarray:
        found = exponents(summary)
        return found[..., :count].mean(-1) - found[..., count:].mean(-1)

    return summaries(reader, names[0] + names[1]), difference, True


def jump(reader: Reader, part: Part) -> Values:
    """Growth with one node less than n_c, mean over the largest teachers of a family."""
    names = settings(reader, part.choice["family"])
    sizes = _sizes(reader, names)
    largest = [name for name, size in zip(names, sizes, strict=True) if size == sizes.max()]
    return _family(reader, part, lambda summary: summary[..., 1].mean((-3, -2, -1)), largest)


def jump_slope(reader: Reader, part: Part) -> Values:
    """Least-squares slope of the logarithm of the mean jump against that of h_T."""
    names = settings(reader, part.choice["family"])
    weights = slope_weights(np.log10(_sizes(reader, names)))
    return _family(reader, part, lambda summary: np.log10(summary[..., 1].mean((-3, -2))) @ weights, names)


def curve_spread(reader: Reader, part: Part) -> Values:
    """Standard deviation between mean curves at equal n/n_c, root mean square over `SHAPE`.

    Curves of teachers of one size and several dimensions are averaged first.
    """
    names = settings(reader, part.choice["family"])
    groups: np.ndarray = np.arange(len(names))
    if part.choice["family"] in ("teachers", "large teachers"):
        groups = np.unique(_sizes(reader, names), return_inverse=True)[1]
    average = group_means(groups)
    return _family(reader, part, lambda summary: spread(average @ master_curves(summary)), names)


def transition_gain(reader: Reader, part: Part) -> Values:
    """`gains` of a family; mean over teachers and settings."""
    return gains(reader, settings(reader, part.choice["family"])), lambda values: values.mean((-3, -2, -1)), True


def gains(reader: Source, names: Sequence[str]) -> np.ndarray:
    """`spectral.stats.rise.held_out_gain` of every teacher in some settings, from n_c/2 to 1.2 n_c, (T, 1, G)."""
    columns = []
    for name in names:
        grown = curves(reader, name)
        critical = critical_sizes(grown).mean()
        n = np.arange(int(critical / 2), int(1.2 * critical) + 1)
        values = at(grown.mean(1), n)
        columns.append(held_out_gain(n.astype(float), values, THRESHOLD))
    return np.stack(columns, -1)[:, None]


def group_means(groups: np.ndarray) -> np.ndarray:
    """What takes the mean over all settings of each group, in the order of their numbers: `groups` (G,) to (S, G)."""
    average = np.equal.outer(np.unique(groups), groups).astype(float)
    return average / average.sum(1, keepdims=True)


def _sizes(reader: Source, names: Sequence[str]) -> np.ndarray:
    return np.array([reader.named(name).config.teacher_hidden for name in names])


CHOICES: Mapping[str, tuple[str, ...]] = OTHER_CHOICES | {
    "family": tuple(FAMILIES),
    "extreme": ("lowest", "highest"),
}

QUANTITIES: Mapping[str, Quantity] = OTHERS | {
    "critical_ratio": Quantity(critical_ratio, ("family", "extreme"), widths=False),
    "exponent": Quantity(exponent, ("family",), widths=False),
    "exponent_slope": Quantity(exponent_slope, ("family",), widths=False),
    "exponent_difference": Quantity(exponent_difference, (), widths=False),
    "jump": Quantity(jump, ("family",), widths=False),
    "jump_slope": Quantity(jump_slope, ("family",), widths=False),
    "curve_spread": Quantity(curve_spread, ("family",), widths=False),
    "transition_gain": Quantity(transition_gain, ("family",), widths=False),
}
"""All quantities of the ledger."""
