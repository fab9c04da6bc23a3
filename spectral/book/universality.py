r"""What is compared with what in the chapters on the transition and where it holds: students beside their teachers.

A `Setting` holds the pruning curves of one setting. `students` takes it from trained students. `teachers` makes it
without any training: a student that equals its teacher node by node, pruned by the same rule; see
`spectral.book.transition.teachers_curves`.

Intervals are those of `spectral.stats.intervals.estimate`.

Axes: T teachers, K trials, G settings, S sizes, N points of a curve, W windows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from spectral.book.quantities import THRESHOLD, Score
from spectral.book.transition import (
    NEAR,
    RESOLUTION,
    WINDOW,
    Window,
    apart,
    exponents,
    features,
    found_parts,
    gain,
    group_means,
    jumps,
    master_curves,
    narrow_values,
    narrow_width,
    pruning_curves,
    standard,
    teachers_curves,
)
from spectral.lab.collection import Results
from spectral.lab.config import ConfigError, ExperimentConfig
from spectral.lab.presets import Experiment
from spectral.lab.results import Result
from spectral.measures import effective_size
from spectral.stats.decide import holm, inside
from spectral.stats.intervals import LEVEL, Interval, estimate, estimate_share, geometric_mean, slope_weights, stack
from spectral.stats.rise import at


class Setting(NamedTuple):
    """Growth of the error of students of one kind.

    Attributes
    ----------
    size, dim:
        Nodes and inputs of their teachers.
    grown:
        The growth, (T, K, N).
    """

    size: int
    dim: int
    grown: np.ndarray


def students(results: Results, experiment: Experiment, score: Score = "incoming") -> Setting:
    """The students of one setting, pruned in the order of a score; raises MissingResult if they are not there."""
    config = experiment.config
    return Setting(config.teacher_hidden, config.input_dim, results.derived(pruning_curves, experiment, score))


def teachers(results: Results, experiment: Experiment) -> Setting:
    """The teachers of one setting, pruned themselves: K is 1, and N is h_T + 1."""
    config = experiment.config
    return Setting(config.teacher_hidden, config.input_dim, results.derived(teachers_curves, experiment))


class Both(NamedTuple):
    """Settings of students, and those of their teachers, pruned themselves."""

    students: list[Setting]
    teachers: list[Setting]


def both(results: Results, chosen: Sequence[Experiment]) -> Both:
    """Students and teachers of some settings; errors as in `students`."""
    return Both([students(results, one) for one in chosen], [teachers(results, one) for one in chosen])


def together(chosen: Sequence[Setting], threshold: float = THRESHOLD) -> np.ndarray:
    """Features of all members of some settings, (T, K, G, F); they must have equal T and K."""
    return np.stack([features(setting.grown, setting.size, threshold) for setting in chosen], 2)


def ratios(chosen: Sequence[Setting], threshold: float = THRESHOLD, level: float = LEVEL) -> Interval:
    """n_c/h_T of every setting, mean over its members, (G,); settings may differ in T and K."""
    return stack([estimate(together([setting], threshold)[..., 0, 0], level=level) for setting in chosen])


def near_theirs(chosen: Sequence[Setting], threshold: float = THRESHOLD) -> np.ndarray:
    """Of which settings it is shown, all together, that n_c/h_T lies within `spectral.book.transition.NEAR`, (G,)."""
    return holm(partial(ratios, chosen, threshold), lambda each: inside(each, NEAR))


def by_size(chosen: Sequence[Setting]) -> tuple[np.ndarray, np.ndarray]:
    """The sizes there are, (S,), and what takes the mean over all settings of each, (S, G)."""
    sizes, groups = np.unique([setting.size for setting in chosen], return_inverse=True)
    return sizes, group_means(groups)


def gridded(chosen: Sequence[Setting], values: Interval, sizes: Sequence[int], dims: Sequence[int]) -> Interval:
    """One value for each setting as a map (len(sizes), len(dims)), nan where there is none."""
    found = np.full((3, len(sizes), len(dims)), np.nan)
    for index, setting in enumerate(chosen):
        place = (list(sizes).index(setting.size), list(dims).index(setting.dim))
        found[:, *place] = values.value[index], values.low[index], values.high[index]
    return Interval(*found)


def jumps_by_size(chosen: Sequence[Setting]) -> tuple[np.ndarray, Interval]:
    """Growth with one node less than n_c, mean over the settings of each size: sizes (S,), and intervals (S,).

    The threshold of n_c falls with the resolution of one node; see `spectral.book.transition.RESOLUTION`.
    """
    sizes, average = by_size(chosen)
    jump = np.stack([jumps(setting.grown, RESOLUTION / setting.size) for setting in chosen], -1)
    return sizes, estimate(jump, lambda values: average @ values.mean((0, 1)), log=True)


def jump_power(chosen: Sequence[Setting]) -> Interval:
    """The power of the size as which the jump falls: `spectral.book.transition.jump_slope` of some settings.

    NaN if they have one size.
    """
    sizes = np.array([setting.size for setting in chosen])
    if len(set(sizes.tolist())) < 2:
        return Interval(np.nan, np.nan, np.nan)
    values = np.stack([jumps(setting.grown, RESOLUTION / setting.size) for setting in chosen], -1)
    weights = slope_weights(np.log10(sizes))
    return estimate(values, lambda left: np.log10(left.mean((0, 1))) @ weights)


def of_their_size(chosen: Sequence[Setting], threshold: float = THRESHOLD) -> tuple[list[Setting], list[Setting]]:
    """Settings whose mean n_c/h_T lies within `spectral.book.transition.NEAR`, and the others."""
    found: tuple[list[Setting], list[Setting]] = ([], [])
    for setting in chosen:
        ratio = ratios([setting], threshold).value[0]
        found[0 if NEAR[0] <= ratio <= NEAR[1] else 1].append(setting)
    return found


def scatter_by_size(chosen: Sequence[Setting], threshold: float = THRESHOLD) -> tuple[np.ndarray, Interval]:
    """Standard deviation of n_c/h_T between the members of a setting, root mean square over those of each size."""
    sizes, average = by_size(chosen)
    ratio = together(chosen, threshold)[..., 0]
    return sizes, estimate(ratio, lambda values: np.sqrt(average @ values.var((0, 1), ddof=1)))


def exponents_in(
    chosen: Sequence[Setting], windows: Sequence[tuple[float, float]] = (WINDOW,), threshold: float = THRESHOLD
) -> Interval:
    """The exponent within each window of distances, mean over settings, (W,)."""

    def in_windows(values: np.ndarray) -> np.ndarray:
        return np.array([exponents(values, window).mean() for window in windows])

    return estimate(together(chosen, threshold), in_windows)


def sliding_windows(low: float, high: float, count: int, factor: float = 2.0) -> tuple[np.ndarray, list[tuple]]:
    """`count` windows of distances whose ends differ by `factor`, from `low` to `high`: centres, and windows."""
    centres = np.geomspace(low * factor**0.5, high / factor**0.5, count)
    return centres, [(float(c / factor**0.5), float(c * factor**0.5)) for c in centres]


def mean_curve(setting: Setting, at_n: np.ndarray) -> Interval:
    """Mean growth at numbers of nodes kept `at_n` (M,), (M,)."""
    return estimate(at(setting.grown, at_n))


def relative_curve(setting: Setting, most: float = 1.5) -> tuple[np.ndarray, Interval]:
    """Mean growth at every number of nodes up to `most` times the teacher's: n/h_T (M,), and intervals (M,)."""
    n = np.arange(round(most * setting.size) + 1)
    return n / setting.size, mean_curve(setting, n)


class Collapsed(NamedTuple):
    """Mean curves of several groups at equal n/n_c.

    Attributes
    ----------
    curves:
        One for each group, (groups, len(SHAPE)).
    spread:
        How far apart they are: the standard deviation between curves, root mean square over `SHAPE`; nan for a single
        curve.
    """

    curves: Interval
    spread: Interval


def collapsed(chosen: Sequence[Setting], average: np.ndarray, threshold: float = THRESHOLD) -> Collapsed:
    """Curves over each other when n is divided by n_c; `average` (groups, G) says which settings make one curve."""
    values = together(chosen, threshold)

    spread = Interval(np.nan, np.nan, np.nan)
    if len(average) > 1:
        spread = estimate(values, lambda left: apart(average @ master_curves(left)), log=True)
    return Collapsed(estimate(values, lambda left: average @ master_curves(left)), spread)


def theory_gap(one: Setting, other: Setting) -> Interval:
    """Growth of students less that of their teachers, at n = 0 ... h_T, mean over members, (h_T + 1,)."""
    return estimate(at(one.grown, np.arange(one.size + 1)) - other.grown)


def sizes_in_training(result: Result) -> tuple[np.ndarray, Interval]:
    """Effective size over h_T at the epochs whose scores were kept but the first: epochs, and intervals for them."""
    counts = np.stack([effective_size(scores).numpy() for scores in result.history.scores[1:]], -1)
    epochs = np.array(result.history.score_epochs[1:])
    return epochs, result.estimate(counts / result.config.teacher_hidden, log=True)


def gains_by_size(results: Results, chosen: Sequence[Experiment], window: Window) -> tuple[np.ndarray, Interval]:
    """`spectral.book.transition.gain`, mean over the settings of each size: sizes (S,), and intervals (S,)."""
    sizes, average = by_size([students(results, experiment) for experiment in chosen])
    return sizes, estimate(gain(results, chosen, window), lambda left: average @ left.mean((0, 1)))


def found(results: Results, chosen: Sequence[Experiment]) -> Interval:
    """Share of the teacher's nodes that a survivor matches one to one, in each of some settings, (G,)."""
    return stack([estimate_share(found_parts(results, one), one.config.teacher_hidden) for one in chosen])


class Narrow(NamedTuple):
    """Networks of few nodes beside a student.

    Attributes
    ----------
    widths, errors:
        Their widths (N,), and their errors.
    needed, error:
        n_c, and the student's error with n_c.
    reached:
        The number of nodes with which they reach that error; see `spectral.book.transition.narrow_width`.
    """

    widths: np.ndarray
    errors: Interval
    needed: Interval
    error: Interval
    reached: float


def narrow(results: Results, base: Experiment) -> Narrow:
    """The networks of few nodes that the teachers of a setting taught, beside the pruned students of that setting.

    Errors are geometric means over teachers, over E[y^2].
    """
    values, widths = narrow_values(results, base)
    errors = estimate(values[..., 1:], geometric_mean, log=True)
    reached = narrow_width(errors[1:].value, widths, float(errors[0].value))
    return Narrow(widths, errors[1:], estimate(values[..., 0]), errors[0], reached)


def error_left(result: Result) -> Interval:
    """Test error before any pruning over E[y^2], mean over members."""
    return result.estimate(result.test_mse / result.test_power, log=True)


class Row(NamedTuple):
    """An experiment, and in words in what it differs from the others of its group."""

    label: str
    experiment: Experiment


def named_teachers(config: ExperimentConfig) -> str:
    """The teachers of a setting in words, as in ``erf, committee, $h_T$ = 40, $d$ = 20``."""
    layers = {"two-layer": "two layers"}.get(config.teacher, config.teacher)
    return f"{config.activation}, {layers}, $h_T$ = {config.teacher_hidden}, $d$ = {config.input_dim}"


def conditions(results: Results) -> dict[str, list[Row]]:
    """What was varied, by title; what it was varied from is there.

    Students are left out that are narrower than twice their teacher: they have no nodes to lose.
    """
    usual = standard(results)

    def varied(field: str, value: Callable[[ExperimentConfig], Any], label: str = "{}") -> list[Row]:
        chosen = [usual, *results.select(design="universal", varied=field)]
        if not isinstance(value(usual.config), str):
            chosen.sort(key=lambda one: value(one.config))
        return [Row(label.format(value(one.config)), one) for one in chosen]

    def main(field: str, chosen: Sequence[Experiment]) -> list[Row]:
        wide = [one for one in chosen if one.config.student_hidden >= 2 * one.config.teacher_hidden]
        return [Row(f"{getattr(one.config, field):,}", one) for one in wide]

    spectral = results.select(design=["grid", "m", "long"], student="spectral")
    widths = {one.config.student_hidden for one in spectral if one.design != "grid"}
    same = [one for one in spectral if one.config.student_hidden in widths]
    second = sorted((one for one in same if one.design != "long"), key=lambda one: one.config.teacher_second)
    longer = sorted((one for one in same if one.design != "m"), key=lambda one: one.config.epochs)
    found = {
        "activation": varied("activation", lambda c: c.activation),
        "committees": [
            Row(f"{one.config.activation}, $h_T$ = {one.config.teacher_hidden}", one)
            for one in results.select(design="universal", varied="committee")
        ],
        "inputs": varied("inputs", lambda c: c.inputs),
        "label noise": varied("label_noise", lambda c: c.label_noise, "{:g}"),
        "penalties, times": varied("penalties", lambda c: c.l2_phi / usual.config.l2_phi, "{:.2g}"),
        "patterns": varied("patterns", lambda c: c.patterns, "{:,}"),
        "epochs": varied("epochs", lambda c: c.epochs, "{:,}"),
        "epochs, wide students": main("epochs", longer),
        "second layer, $m$": main("teacher_second", second),
        "student, $h_S$": main("student_hidden", [one for one in spectral if one.design == "grid"]),
    }
    return {title: rows for title, rows in found.items() if len(rows) > 1}


def trained_again(results: Results) -> list[list[Row]]:
    """Settings whose students found few nodes, each with what was changed of it; the first row is the setting itself.

    Those whose setting was left out of a sweep that is under way are left out.
    """
    found: dict[str, list[Row]] = {}
    there = {experiment.name: experiment for experiment in results}
    for experiment in results.select(design="crowded"):
        if experiment.base not in there:
            continue
        rows = found.setdefault(experiment.base, [Row("nothing", there[experiment.base])])
        first, config = there[experiment.base].config, experiment.config
        label = {
            "penalties": f"penalties times {config.l2_phi / first.l2_phi:.2g}",
            "patterns": f"{config.patterns / first.patterns:.2g} times the patterns",
            "epochs": f"{config.epochs / first.epochs:.2g} times the epochs",
        }[experiment.varied]
        rows.append(Row(label, experiment))
    return list(found.values())


def check_choices(threshold: float, window: tuple[float, float]) -> None:
    """Raise ConfigError unless these can be a threshold of growth and a window of distances."""
    if not 0 < threshold < 0.1:
        raise ConfigError(f"threshold must lie between 0 and 0.1 (excluded), in units of E[y^2]; got {threshold}")
    if not 0 < window[0] < window[1] <= 1:
        raise ConfigError(f"window_low and window_high must be increasing, above 0 and at most 1; got {window}")
