r"""The transition: where a pruning curve leaves zero, how it begins, with which exponent; and the ledger's quantities.

Everything is read from pruning curves: the growth of the error, in units of E[y^2], when the n nodes of the highest
scores are kept.

* The *critical size* n_c of a student is the smallest n from which on upwards the error has grown by less than
  `THRESHOLD`. A power law with exponent 1 reaches that a thousandth below its zero, one with exponent 2 three
  hundredths below: by so much n_c is found too low in a large teacher.
* The *jump* is the growth with one node less. In a continuous transition it shrinks as the teacher grows, and a
  threshold that does not would hide that: for jumps it falls as `RESOLUTION` over the teacher's size.
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
import torch

from spectral.activations import activation
from spectral.book.quantities import THRESHOLD, Measured, Score, Shares, quantity
from spectral.curves import crossing, growth, prune_sweep
from spectral.lab.collection import MissingResult, Results
from spectral.lab.presets import BASE, Experiment, StudentKind
from spectral.lab.results import Result, found_in
from spectral.prune import node_scores, rank
from spectral.stats.committees import CLOSED, pruning_curve
from spectral.stats.intervals import Refused, by_teacher, geometric_mean, slope_weights
from spectral.stats.rise import at, held_out_gain, log_slope
from spectral.students import as_student
from spectral.tasks import Task, covariance

RESOLUTION = 0.02
"""The threshold of n_c, times the teacher's size, where jumps are read: `THRESHOLD` for the paper's 20 nodes."""

NEAR = (0.9, 1.1)
"""Bounds of n_c/h_T within which a student's transition is its teacher's, so that its jump says something of it."""

WINDOW = (0.1, 0.5)
"""Distances from the critical size, in parts of it, over which the exponent is taken."""

GRID = np.linspace(0, 2, 321)
"""Points u = n/h_T at which curves of different teachers are compared; every node of one with 160 nodes is a point."""

SHAPE = np.linspace(0, 1.2, 49)
"""Points n/n_c at which curves are laid over each other."""

LARGE = 20
"""Nodes from which on a teacher counts as large: `WINDOW` then spans eight nodes or more."""

Window = Literal["the paper's", "with the plateau", "near the transition"]
"""Numbers of nodes over which two forms of a curve are compared; see `gain`."""

Family = Literal[
    "teachers",
    "large teachers",
    "tasks",
    "two-layer tasks",
    "training",
]
"""Kinds of settings that are judged together; see `settings`."""

FAMILIES: dict[Family, tuple[str, ...]] = {
    "teachers": ("teacher",),
    "large teachers": ("teacher",),
    "tasks": ("activation", "committee", "inputs"),
    "two-layer tasks": ("activation", "inputs"),
    "training": ("label_noise", "penalties", "patterns", "epochs"),
}
"""What is varied in the settings of each family."""


def standard(results: Results) -> Experiment:
    """The setting that all variations start from: that of `BASE`, but for what is the same in all settings."""
    chosen = results.select(design="universal", varied="teacher")
    wanted = dict(zip(("teacher_hidden", "input_dim"), BASE, strict=True))
    varied = {name: usual for name, usual in wanted.items() if len({getattr(one.config, name) for one in chosen}) > 1}
    return results.one(design="universal", varied="teacher", **varied)


def settings(results: Results, family: Family) -> list[Experiment]:
    """The experiments of a family. Those that vary the standard one come with it, and share its teachers.

    Where no teacher is large, all count as that.

    Raises
    ------
    MissingResult
        If there is none.
    """
    found = results.select(design="universal", varied=FAMILIES[family])
    if family == "large teachers":
        found = [one for one in found if one.config.teacher_hidden >= LARGE] or found
    if family in ("training", "two-layer tasks", "tasks"):
        found.insert(0, standard(results))
    if not found:
        raise MissingResult(f"there are no settings of {family}")
    return found


def pruning_curves(result: Result, score: Score = "incoming") -> np.ndarray:
    """Growth of the test error over E[y^2] of all members with n = 0 ... nodes kept, by a score, (T, K, N)."""
    return by_teacher(growth(result.sweeps[score].double()), result.config.teachers)


def teachers_curves(result: Result, score: Score = "incoming") -> np.ndarray:
    """The same of the teachers themselves, (T, 1, h_T + 1): what a student that equals its teacher would lose.

    For a committee of relu or erf with Gaussian inputs, white or not, that is the closed form of
    `spectral.stats.committees`. Other teachers are pruned on the test patterns of their first student. Of a committee
    both scores are one.
    """
    config = result.config
    task = result.task([teacher * config.trials for teacher in range(config.teachers)])
    if task.teacher.second is None:
        grown = _committees_curves(task, config.inputs)
    else:
        teacher = as_student(task.teacher)
        grown = growth(prune_sweep(teacher, task.test, rank(node_scores(teacher, score))).double()).numpy()
    return grown[:, None]


def _committees_curves(task: Task, inputs: str) -> np.ndarray:
    """Of committees, (T, h_T + 1)."""
    firsts, kind = task.teacher.first.double(), task.teacher.activation
    known = covariance(inputs, firsts.shape[-1])
    if known is not None and kind in CLOSED:
        of = None if inputs == "gaussian" else known.numpy()
        return np.stack([pruning_curve(first, kind, covariance=of) for first in firsts.numpy()])
    answers = activation(kind).apply(task.test.x.double() @ firsts.mT)  # (T, P, h_T)
    products = answers.mT @ answers / answers.shape[1]
    each = zip(firsts.numpy(), products.numpy(), strict=True)
    return np.stack([pruning_curve(first, kind, products=k) for first, k in each])


def critical_sizes(grown: np.ndarray, threshold: float = THRESHOLD) -> np.ndarray:
    """n_c of every curve (..., N), shape (...)."""
    return crossing(torch.from_numpy(grown), threshold).numpy()


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


def gain(results: Results, chosen: Sequence[Experiment], window: Window) -> np.ndarray:
    """By how much a power law predicts each teacher's curve better than an exponential, in every setting, (T, 1, G).

    It is `spectral.stats.rise.held_out_gain` in one of three windows: "the paper's", from no node to the teacher's
    size; "with the plateau", from no node to 1.2 n_c; "near the transition", from n_c/2 to 1.2 n_c. Every curve is held
    out from those of all other teachers. So the gains of two teachers rest on fits that have most curves in common;
    that they depend on each other by this is neglected.
    """

    def one(experiment: Experiment) -> np.ndarray:
        grown, size = results.derived(pruning_curves, experiment), experiment.config.teacher_hidden
        critical = critical_sizes(grown).mean()
        low, high = {
            "the paper's": (0.0, float(size)),
            "with the plateau": (0.0, 1.2 * critical),
            "near the transition": (critical / 2, 1.2 * critical),
        }[window]
        n = np.arange(int(low), int(high) + 1)
        return held_out_gain(n.astype(float), at(grown.mean(1), n), THRESHOLD)

    return np.stack([one(experiment) for experiment in chosen], -1)[:, None]


def _sizes(chosen: Sequence[Experiment]) -> np.ndarray:
    return np.array([one.config.teacher_hidden for one in chosen])


def cell_of(experiment: Experiment) -> str:
    """A setting in words: teacher's size and inputs, or what sets it apart from the standard one."""
    config = experiment.config
    size = f"$h_T$ = {config.teacher_hidden}, $d$ = {config.input_dim}"
    return {
        "teacher": size,
        "activation": config.activation,
        "committee": f"committee of {config.activation}, {size}",
        "inputs": f"{config.inputs} inputs",
        "label_noise": f"label noise {config.label_noise:g}",
        "penalties": f"penalties ({config.l2_phi:g}, {config.l2_lam:g})",
        "patterns": f"{config.patterns:,} patterns",
        "epochs": f"{config.epochs:,} epochs",
    }[experiment.varied]


def _cells(chosen: Sequence[Experiment]) -> tuple[str, ...]:
    return tuple(map(cell_of, chosen))


@quantity("critical_ratio")
def critical_ratio(results: Results, *, family: Family) -> Measured:
    """n_c/h_T, mean over the members of every setting."""
    chosen = settings(results, family)
    return Measured(features_of(results, chosen)[..., 0], cells=_cells(chosen))


@quantity("nodes_found")
def nodes_found(results: Results, *, family: Family) -> Shares:
    """Share of the teacher's nodes that a survivor matches one to one, in every setting."""
    chosen = settings(results, family)
    return Shares([found_parts(results, one) for one in chosen], _sizes(chosen).tolist(), _cells(chosen))


def found_parts(results: Results, one: Experiment) -> np.ndarray:
    """Which part of its teacher's nodes each member of a setting has matched by a survivor, one to one, (T, K)."""
    return by_teacher(results.derived(found_in, one) / one.config.teacher_hidden, one.config.teachers)


@quantity("onset_difference")
def onset_difference(results: Results, widths: Sequence[int], *, student: StudentKind) -> Measured:
    """n_c of the student less that of its own teacher, mean over widths."""
    values = []
    for width in widths:
        experiment = results.one(design="grid", student=student, student_hidden=width)
        own, teacher = (results.derived(curves, experiment) for curves in (pruning_curves, teachers_curves))
        values.append(critical_sizes(own) - critical_sizes(teacher))
    return Measured(np.stack(values, -1), lambda left: left.mean())


@quantity("jump_slope")
def jump_slope(results: Results, *, family: Family) -> Measured:
    """Least-squares slope of the logarithm of the mean jump against that of h_T; see `RESOLUTION` and `NEAR`.

    Raises
    ------
    Refused
        If fewer than three sizes have a setting whose mean n_c/h_T lies within `NEAR`.
    """
    chosen = settings(results, family)
    ratios = features_of(results, chosen)[..., 0].mean((0, 1))
    near = [one for one, ratio in zip(chosen, ratios, strict=True) if NEAR[0] <= ratio <= NEAR[1]]
    if len(set(_sizes(near).tolist())) < 3:
        raise Refused(f"a slope needs three sizes of teachers whose students have their size; got {len(near)} settings")
    values = np.stack(
        [jumps(results.derived(pruning_curves, one), RESOLUTION / one.config.teacher_hidden) for one in near], -1
    )
    weights = slope_weights(np.log10(_sizes(near)))
    return Measured(values, lambda left: np.log10(left.mean((0, 1))) @ weights)


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
    return Measured(features_of(results, chosen), lambda values: apart(average @ master_curves(values)), log=True)


@quantity("curve_distance")
def curve_distance(results: Results, *, family: Family) -> Measured:
    """Growth of the student's error less its teacher's, by the product, mean over n = 0 ... h_T, in every setting."""
    chosen = settings(results, family)
    gaps = []
    for one in chosen:
        own, teacher = (results.derived(curves, one, "product") for curves in (pruning_curves, teachers_curves))
        gaps.append((at(own, np.arange(one.config.teacher_hidden + 1)) - teacher).mean(-1))
    return Measured(np.stack(gaps, -1), cells=_cells(chosen))


@quantity("transition_gain")
def transition_gain(results: Results, *, family: Family, window: Window) -> Measured:
    """`gain` of a family in a window; mean over settings."""
    return Measured(gain(results, settings(results, family), window), lambda left: left.mean())


def narrow_width(errors: np.ndarray, widths: np.ndarray, error: float) -> float:
    """Number of nodes with which networks of these `widths` (N,), rising, reach an `error`, from theirs (N,).

    Straight lines between the logarithms of both, of the least error up to each width. An error that none reaches
    counts as reached by the largest, one that all reach as reached by the smallest.
    """
    best = np.log(np.minimum.accumulate(errors))
    return float(np.exp(np.interp(-np.log(error), -best, np.log(widths))))


@quantity("narrow_ratio")
def narrow_ratio(results: Results, *, family: Literal["narrow"]) -> Measured:
    """n_c of the student over the number of nodes with which a network trained from scratch does as well.

    Of every setting whose teachers taught such networks. Errors are geometric means over teachers.
    """
    bases = dict.fromkeys(one.base for one in results.select(design=family))
    if not bases:
        raise MissingResult("there are no networks of few nodes")
    found = [narrow_values(results, base) for base in map(results.named, bases)]
    ends = np.cumsum([values.shape[-1] for values, _ in found])[:-1]

    def ratios(left: np.ndarray) -> np.ndarray:
        each = zip(np.split(left, ends, -1), found, strict=True)
        return np.array([_over_narrow(values, widths) for values, (_, widths) in each])

    every = np.concatenate([values for values, _ in found], -1)
    return Measured(every, ratios, log=True, cells=_cells([results.named(base) for base in bases]))


def narrow_values(results: Results, base: Experiment) -> tuple[np.ndarray, np.ndarray]:
    """Of a setting n_c, the error of its students with n_c nodes, and those of N networks of few nodes, (T, K, 2 + N).

    Errors are over E[y^2]. With them come the widths of these networks, (N,), rising.
    """
    narrow = sorted(results.select(design="narrow", base=base.name), key=lambda one: one.config.student_hidden)
    critical = critical_sizes(grown := results.derived(pruning_curves, base))

    def error(one: Experiment) -> np.ndarray:
        return by_teacher(results[one].test_mse / results[one].test_power, one.config.teachers)

    pruned = error(base) + np.take_along_axis(grown, critical[..., None], -1)[..., 0]
    widths = np.array([one.config.student_hidden for one in narrow], float)
    return np.stack([critical, pruned, *map(error, narrow)], -1), widths


def _over_narrow(values: np.ndarray, widths: np.ndarray) -> float:
    """Mean n_c over `narrow_width`, of n_c, the student's error and those of the networks, (T, K, 2 + N)."""
    error, *errors = geometric_mean(values[..., 1:])
    return float(values[..., 0].mean() / narrow_width(np.array(errors), widths, error))
