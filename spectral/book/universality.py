r"""The analyses of chapter 11: pruning curves of students beside those of the teachers themselves, with intervals.

Everything is a `Sample`, the pruning curves of one setting. `measured` takes it from trained students. `ideal` makes
it without any training: a student that equals its teacher node by node, pruned by the same rule. For a committee that
is the closed form of `spectral.stats.committees`; a teacher of two layers is pruned on its own test patterns.

Intervals are those of `spectral.stats.intervals.bands`. Settings are drawn separately.

Axes: T teachers, K trials, G settings, S sizes, N points of a curve, W windows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from spectral.book.transition import (
    GRID,
    SHAPE,
    STANDARD,
    THRESHOLD,
    WINDOW,
    Source,
    curves,
    exponents,
    gains,
    group_means,
    master_curves,
    spread,
    summary,
)
from spectral.curves import growth, prune_sweep
from spectral.lab.config import ConfigError, ExperimentConfig
from spectral.lab.results import Runs
from spectral.measures import effective_size
from spectral.prune import node_scores, rank
from spectral.stats.collapse import Collapse, Curve, collapse, quality
from spectral.stats.committees import pruning_curve
from spectral.stats.intervals import Band, Refused, bands, draws
from spectral.stats.rise import at
from spectral.students import as_student

RESAMPLES = 1_000

RESOLUTION = THRESHOLD
"""Least error of a point in a collapse: differences below the threshold of n_c mean nothing."""

REGION = (-0.5, 0.25)
"""Distances n/n_c - 1 over which curves are collapsed: outside, all of them are 1, or all are 0."""

_NEAR = slice(*np.searchsorted(GRID, (1 + REGION[0], 1 + REGION[1] + 1e-9)))  # points of GRID in there

SCALED_BY = 20
"""Teacher's size in units of which a collapse scales, so that its parameters are independent of the unit."""

BOUNDS = ((0.8, 1.25), (-0.5, 1.5), (-1.0, 1.5))
"""Between which the parameters (c, a, b) of a collapse are looked for."""


class Sample(NamedTuple):
    """Growth of the error, (T, K, N), of students whose teachers have `size` nodes and `dim` inputs."""

    name: str
    size: int
    dim: int
    grown: np.ndarray


def measured(source: Source, name: str) -> Sample:
    """The students of one setting; raises MissingRun if it is not there."""
    config = source.named(name).config
    return Sample(name, config.teacher_hidden, config.input_dim, curves(source, name))


@functools.lru_cache(maxsize=128)
def ideal(source: Source, name: str) -> Sample:
    """The teachers of one setting, pruned themselves: K is 1, and N is h_T + 1."""
    runs = source.named(name)
    config = runs.config
    first_trials = [teacher * config.trials for teacher in range(config.teachers)]
    task = runs.task(first_trials)
    if task.teacher.second is None:
        firsts = task.teacher.first.double().numpy()
        grown = np.stack([pruning_curve(first, config.activation) for first in firsts])
    else:
        teacher = as_student(task.teacher)
        grown = growth(prune_sweep(teacher, task.test, rank(node_scores(teacher))).double()).numpy()
    return Sample(name, config.teacher_hidden, config.input_dim, grown[:, None])


def stack(samples: Sequence[Sample], threshold: float = THRESHOLD) -> np.ndarray:
    """`spectral.book.transition.summary` of all members, (T, K, G, 2 + len(GRID)); samples must have equal T and K."""
    return np.stack([summary(sample.grown, sample.size, threshold) for sample in samples], 2)


def ratios(samples: Sequence[Sample], threshold: float = THRESHOLD, resamples: int = RESAMPLES) -> Band:
    """n_c/h_T of every setting, mean over its members, (G,)."""
    found = [
        bands(stack([sample], threshold)[..., 0, 0], lambda drawn: drawn.mean((-2, -1)), resamples=resamples)
        for sample in samples
    ]
    return Band(*(np.array([getattr(band, name) for band in found]) for name in ("value", "low", "high")))


def by_size(samples: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
    """The sizes there are, (S,), and what takes the mean over all settings of each, (S, G)."""
    sizes, groups = np.unique([sample.size for sample in samples], return_inverse=True)
    return sizes, group_means(groups)


def gridded(samples: Sequence[Sample], values: Band, sizes: Sequence[int], dims: Sequence[int]) -> Band:
    """One value for each sample as a map (len(sizes), len(dims)), nan where there is none."""
    found = np.full((3, len(sizes), len(dims)), np.nan)
    for index, sample in enumerate(samples):
        place = (list(sizes).index(sample.size), list(dims).index(sample.dim))
        found[:, *place] = values.value[index], values.low[index], values.high[index]
    return Band(*found)


def jumps_by_size(
    samples: Sequence[Sample], threshold: float = THRESHOLD, resamples: int = RESAMPLES
) -> tuple[np.ndarray, Band]:
    """Growth with one node less than n_c, mean over the settings of each size: sizes (S,), and band (S,)."""
    sizes, average = by_size(samples)
    jump = stack(samples, threshold)[..., 1]
    return sizes, bands(jump, lambda drawn: drawn.mean((-3, -2)) @ average.T, True, resamples=resamples)


def scatter_by_size(
    samples: Sequence[Sample], threshold: float = THRESHOLD, resamples: int = RESAMPLES
) -> tuple[np.ndarray, Band]:
    """Standard deviation of n_c/h_T between the members of a setting, root mean square over those of each size."""
    sizes, average = by_size(samples)
    ratio = stack(samples, threshold)[..., 0]
    return sizes, bands(
        ratio, lambda drawn: np.sqrt(drawn.var((-3, -2), ddof=1) @ average.T), True, resamples=resamples
    )


def exponents_in(
    samples: Sequence[Sample],
    windows: Sequence[tuple[float, float]] = (WINDOW,),
    threshold: float = THRESHOLD,
    resamples: int = RESAMPLES,
) -> Band:
    """The exponent within each window of distances, mean over settings, (W,)."""

    def statistic(drawn: np.ndarray) -> np.ndarray:
        return np.stack([exponents(drawn, window).mean(-1) for window in windows], -1)

    return bands(stack(samples, threshold), statistic, True, resamples=resamples)


def sliding_windows(low: float, high: float, count: int, factor: float = 2.0) -> tuple[np.ndarray, list[tuple]]:
    """`count` windows of distances whose ends differ by `factor`, from `low` to `high`: centres, and windows."""
    centres = np.geomspace(low * factor**0.5, high / factor**0.5, count)
    return centres, [(float(c / factor**0.5), float(c * factor**0.5)) for c in centres]


def mean_curve(sample: Sample, at_n: np.ndarray, resamples: int = RESAMPLES) -> Band:
    """Mean growth at numbers of nodes kept `at_n` (M,), (M,)."""
    return bands(at(sample.grown, at_n), lambda drawn: drawn.mean((-3, -2)), resamples=resamples)


def curves_by_size(samples: Sequence[Sample], resamples: int = RESAMPLES) -> tuple[np.ndarray, Band]:
    """Mean growth at equal n/h_T, `GRID`, over the settings of each size: sizes (S,), and band (S, len(GRID))."""
    sizes, average = by_size(samples)
    grown = stack(samples)[..., 2:]
    return sizes, bands(grown, lambda drawn: average @ drawn.mean((-4, -3)), True, resamples=resamples)


def shape_quality(
    samples: Sequence[Sample], average: np.ndarray, threshold: float = THRESHOLD, resamples: int = RESAMPLES
) -> Band:
    """S of the mean curves of `collapsed`, at equal n/n_c in `REGION`; n_c is each curve's own.

    Errors of points are their standard deviations in the bootstrap, at least `RESOLUTION`.
    """
    values, near = stack(samples, threshold), slice(int(np.searchsorted(SHAPE, 1 + REGION[0])), None)
    parts = draws(values, True, resamples, 0)
    drawn = np.concatenate([(average @ master_curves(part))[..., near] for part in parts])
    error = np.maximum(drawn.std(0, ddof=1), RESOLUTION)

    def s(curves: np.ndarray) -> float:
        rows = zip(curves, error, strict=True)
        return quality([Curve(1.0, SHAPE[near], y, dy) for y, dy in rows])[0]

    return _shifted(s((average @ master_curves(values))[..., near]), np.array([s(curves) for curves in drawn]))


class Collapsed(NamedTuple):
    """Mean curves at equal n/n_c (groups, len(SHAPE)), their differences from the mean of all, and the spread.

    The spread is the standard deviation between curves, root mean square over `SHAPE`.
    """

    curves: Band
    residuals: Band
    spread: Band


def collapsed(
    samples: Sequence[Sample], average: np.ndarray, threshold: float = THRESHOLD, resamples: int = RESAMPLES
) -> Collapsed:
    """Curves over each other when n is divided by n_c; `average` (groups, G) says which settings make one curve."""

    def statistic(drawn: np.ndarray) -> np.ndarray:
        found = average @ master_curves(drawn)
        residual = found - found.mean(-2, keepdims=True)
        apart = spread(found) if len(average) > 1 else np.zeros(found.shape[:-2])
        apart = np.broadcast_to(apart[..., None, None], (*found.shape[:-1], 1))
        return np.concatenate([found, residual, apart], -1)

    band = bands(stack(samples, threshold), statistic, True, resamples=resamples)
    points = len(SHAPE)
    return Collapsed(band[:, :points], band[:, points : 2 * points], band[0, -1])


def rescale(parameters: np.ndarray, curve: Curve) -> Curve:
    """Finite-size scaling: n/h_T becomes (n/(c h_T) - 1) s^a, the growth is multiplied by s^b; s = h_T / SCALED_BY."""
    c, a, b = parameters
    unit = curve.size / SCALED_BY
    return Curve(curve.size, (curve.x / c - 1) * unit**a, curve.y * unit**b, curve.dy * unit**b)


class Fit(NamedTuple):
    """A collapse: the best parameters (c, a, b) and their S, or why they are refused.

    The interval of S is shifted by what the noise of resampling adds to it, about 1.
    """

    parameters: Band
    quality: Band
    refused: str


class _Family(NamedTuple):
    """What a collapse needs of samples: all members, and the errors of the points of each size's mean curve."""

    values: np.ndarray  # (T, K, G, 2 + len(GRID))
    sizes: np.ndarray
    average: np.ndarray
    errors: np.ndarray  # (S, points)

    def curves(self, values: np.ndarray) -> list[Curve]:
        """Mean curves in `REGION`, one for each size."""
        means = (self.average @ values.mean((0, 1)))[:, 2:][:, _NEAR]
        rows = zip(self.sizes, means, self.errors, strict=True)
        return [Curve(float(size), GRID[_NEAR], y, dy) for size, y, dy in rows]

    @property
    def ratio(self) -> float:
        """n_c/h_T, mean over sizes."""
        return float((self.average @ self.values[..., 0].mean((0, 1))).mean())


def _family(samples: Sequence[Sample], threshold: float) -> _Family:
    """Errors are standard errors over teachers, at least `RESOLUTION`; raises Refused for a single size."""
    sizes, average = by_size(samples)
    if len(sizes) < 2:
        raise Refused(f"a collapse needs two sizes or more; got {sizes.tolist()}")
    values = stack(samples, threshold)
    teachers = values[..., 2:][..., _NEAR].mean(1)  # (T, G, points)
    error = np.sqrt(average**2 @ (teachers.var(0, ddof=1) / len(teachers)))
    return _Family(values, sizes, average, np.maximum(error, RESOLUTION))


def collapse_quality(samples: Sequence[Sample], threshold: float = THRESHOLD, resamples: int = RESAMPLES) -> Band:
    """S of the mean curves of several sizes near the transition, n divided by h_T times one number for all.

    Raises
    ------
    Refused
        If there are fewer than two sizes.
    """
    family = _family(samples, threshold)

    def s(values: np.ndarray) -> float:
        return quality([rescale(np.array([family.ratio, 0, 0]), curve) for curve in family.curves(values)])[0]

    again = [s(drawn) for part in draws(family.values, True, resamples, 0) for drawn in part]
    return _shifted(s(family.values), np.array(again))


def fit_collapse(samples: Sequence[Sample], threshold: float = THRESHOLD, resamples: int = 60, starts: int = 4) -> Fit:
    """The parameters of `rescale` that collapse the mean curves of several sizes best, near the transition.

    The bootstrap repeats the search, from the parameters found.

    Raises
    ------
    Refused
        If there are fewer than two sizes.
    """
    family = _family(samples, threshold)

    def found(values: np.ndarray, **search: Any) -> tuple[Collapse, str]:
        try:
            return collapse(family.curves(values), rescale, BOUNDS, **search), ""
        except Refused as error:
            if not isinstance(error.estimate, Collapse):
                raise
            return error.estimate, str(error)

    best, refused = found(family.values, starts=starts, tolerance=1e-4)
    nearby = {"near": best.parameters, "tolerance": 1e-3}
    again = [found(drawn, **nearby)[0] for part in draws(family.values, True, resamples, 0) for drawn in part]
    low, high = np.quantile([fit.parameters for fit in again], [0.025, 0.975], axis=0)
    s = _shifted(best.quality, np.array([fit.quality for fit in again]))
    return Fit(Band(best.parameters, low, high), s, refused)


def _shifted(value: float, resampled: np.ndarray) -> Band:
    low, high = np.maximum(np.quantile(resampled, [0.025, 0.975]) - np.median(resampled) + value, 0)
    return Band(np.array(value), low, high)


def theory_gap(students: Sample, teachers: Sample, resamples: int = RESAMPLES) -> Band:
    """Growth of students less that of their teachers, at n = 0 ... h_T, mean over members, (h_T + 1,)."""
    grown = at(students.grown, np.arange(students.size + 1))
    return bands(grown - teachers.grown, lambda drawn: drawn.mean((-3, -2)), resamples=resamples)


def sizes_in_training(runs: Runs, resamples: int = RESAMPLES) -> tuple[np.ndarray, Band]:
    """Effective size over h_T at the epochs whose scores were kept but the first: epochs, and band over them."""
    counts = np.stack([effective_size(scores).numpy() for scores in runs.history.scores[1:]], -1)
    shape = (runs.config.teachers, runs.config.trials, -1)
    ratio = counts.reshape(shape) / runs.config.teacher_hidden
    epochs = np.array(runs.history.score_epochs[1:])
    return epochs, bands(ratio, lambda drawn: drawn.mean((-3, -2)), resamples=resamples)


def gains_by_size(source: Source, names: Sequence[str], resamples: int = RESAMPLES) -> tuple[np.ndarray, Band]:
    """`spectral.book.transition.gains`, mean over teachers and the settings of each size: sizes (S,), and band (S,)."""
    sizes, average = by_size([measured(source, name) for name in names])
    return sizes, bands(gains(source, names), lambda drawn: drawn.mean((-3, -2)) @ average.T, True, resamples=resamples)


def conditions(source: Source) -> list[tuple[str, list[tuple[str, str]]]]:
    """What was varied, as titles with rows of a label and the name of an experiment; what it was varied from is there.

    Students are left out that are narrower than twice their teacher: they have no nodes to lose.
    """
    standard = source.named(STANDARD).config

    def varied(design: str, value: Callable[[ExperimentConfig], Any], label: str = "{}") -> list[tuple[str, str]]:
        names = [name for name in source.names if name.startswith(f"universal/{design}=")]
        found = [(value(source.named(name).config), name) for name in (STANDARD, *names)]
        if not isinstance(found[0][0], str):
            found.sort()
        return [(label.format(setting), name) for setting, name in found]

    def grid(design: str, field: str) -> list[tuple[str, str]]:
        names = [name for name in source.names if name.startswith(f"{design}/spectral/")]
        configs = {name: source.named(name).config for name in names}
        return [
            (f"{getattr(c, field):,}", name) for name, c in configs.items() if c.student_hidden >= 2 * c.teacher_hidden
        ]

    widest = [name for _, name in grid("grid", "student_hidden")]
    middle = [name for design in ("m=5", "long") for _, name in grid(design, "student_hidden")]
    same = [name for name in widest if middle and name.endswith(f"/{middle[0].split('/')[-1]}")]
    second = [*grid("m=5", "teacher_second"), *((f"{standard.teacher_second}", name) for name in same)]
    longer = [*((f"{source.named(name).config.epochs:,}", name) for name in same), *grid("long", "epochs")]
    committees = [name for name in source.names if name.startswith("universal/committee=")]
    found = [
        ("activation", varied("activation", lambda c: c.activation)),
        (
            "committees",
            [
                (name.split("/")[1].removeprefix("committee=").replace(",h_T=", ", $h_T$ = "), name)
                for name in committees
            ],
        ),
        ("inputs", varied("inputs", lambda c: c.inputs)),
        ("label noise", varied("noise", lambda c: c.label_noise, "{:g}")),
        ("penalties, times", varied("penalty", lambda c: c.l2_phi / standard.l2_phi, "{:.2g}")),
        ("patterns", varied("patterns", lambda c: c.patterns, "{:,}")),
        ("epochs", varied("epochs", lambda c: c.epochs, "{:,}")),
        ("epochs, wider students", longer),
        ("nodes of the second layer, $m$", [*second, *grid("m=20", "teacher_second")]),
        ("nodes of the student, $h_S$", grid("grid", "student_hidden")),
    ]
    return [(title, rows) for title, rows in found if len(rows) > 1]


def trained_again(source: Source) -> list[tuple[str, list[tuple[str, str]]]]:
    """Settings whose students found few nodes, as titles with rows of what was changed and the name of an experiment.

    The first row is the setting itself.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for name in source.names:
        if not name.startswith("universal/crowded,"):
            continue
        setting, _, change = name.split("/")[1].removeprefix("crowded,").rpartition(",")
        original = f"universal/{setting}/{name.split('/')[2]}"
        if original not in source.names:
            continue  # left out of a sweep that is under way
        rows = found.setdefault(setting, [("nothing", original)])
        first, config = source.named(original).config, source.named(name).config
        label = {
            "penalty": f"penalties times {config.l2_phi / first.l2_phi:.2g}",
            "patterns": f"{config.patterns / first.patterns:.2g} times the patterns",
            "epochs": f"{config.epochs / first.epochs:.2g} times the epochs",
        }[change.split("=")[0]]
        rows.append((label, name))
    return list(found.items())


def error_left(runs: Runs, resamples: int = RESAMPLES) -> Band:
    """Test error before any pruning over E[y^2], mean over members, (1,)."""
    left = (runs.test_mse / runs.test_power).double().numpy().reshape(runs.config.teachers, runs.config.trials, 1)
    return bands(left, lambda drawn: drawn.mean((-3, -2)), resamples=resamples)


def check_choices(threshold: float, window: tuple[float, float], resamples: int) -> None:
    """Raise ConfigError unless these can be a threshold of growth, a window of distances, and a number of resamples."""
    if not 0 < threshold < 0.1:
        raise ConfigError(f"threshold must lie between 0 and 0.1 (excluded), in units of E[y^2]; got {threshold}")
    if not 0 < window[0] < window[1] <= 1:
        raise ConfigError(f"window_low and window_high must be increasing, above 0 and at most 1; got {window}")
    if resamples < 20:
        raise ConfigError(f"resamples must be at least 20, for an interval to have ends; got {resamples}")
