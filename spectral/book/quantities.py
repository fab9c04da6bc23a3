"""The quantities of the ledger: how each is measured from stored results, and its interval.

A quantity is a function that `quantity` registers by name. What it needs stands in its signature:

==================  =================================================================================================
parameter           what it is given
==================  =================================================================================================
``results``         the results of a preset, `spectral.lab.collection.Results`
``bench``           the measurements of cost, as `spectral.bench.tables.load` reads them
``widths``          the student widths of the claim's part (``width``: the only one)
any keyword         what the part has to choose, between the values of its `Literal` type
==================  =================================================================================================

It returns a `Measured`, from which the interval follows, or an `Interval` where that has a rule of its own. What the
quantities mean, and which values decide a claim, stands in ``book/claims.yaml``.

Axes: T teachers, K trials, W widths.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_type_hints

import numpy as np
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor

from spectral import curves
from spectral.book.subnetwork import in_strengths, path_weights, relative_distance
from spectral.lab.collection import Results
from spectral.lab.config import ConfigError
from spectral.lab.experiment import other_teachers
from spectral.lab.presets import StudentKind
from spectral.lab.results import Result, found_in
from spectral.measures import effective_size, mse
from spectral.prune import compact, rank
from spectral.stats.intervals import (
    LEVEL,
    Interval,
    Statistic,
    by_teacher,
    jackknife,
    mean,
    ratio_of_means,
    share,
    slope_weights,
)

Score = Literal["incoming", "product"]
Order = Literal["incoming", "random"]
At = Literal["effective size", "teacher size"]


class Measured(NamedTuple):
    """Values (T, K, ...), what they amount to, and how its interval is taken.

    On the logarithmic scale if `log`. If each member has `of` things, values (T, K) are parts of them, and the interval
    is that of a share.
    """

    values: np.ndarray
    statistic: Statistic = mean
    log: bool = False
    of: int = 0

    def interval(self, level: float = LEVEL) -> Interval:
        """What the values amount to, with its interval; errors as in `spectral.stats.intervals`."""
        if self.of:
            return share(self.values, self.of, level=level)
        return jackknife(self.values, self.statistic, log=self.log, level=level)


class Quantity(NamedTuple):
    """How a quantity is measured, and what its function's signature says that it needs."""

    measure: Callable[..., Measured | Interval]
    source: str
    widths: str
    choices: Mapping[str, tuple[str, ...]]


QUANTITIES: dict[str, Quantity] = {}
"""All quantities by name; `spectral.book.transition` adds its own when it is imported."""

Function = TypeVar("Function", bound=Callable[..., Measured | Interval])


def quantity(name: str) -> Callable[[Function], Function]:
    """Register a function as a quantity of the ledger; see the module."""

    def register(function: Function) -> Function:
        hints = get_type_hints(function)
        names = list(inspect.signature(function).parameters)
        source = next(name for name in names if name in ("results", "bench"))
        widths = next((name for name in names if name in ("width", "widths")), "")
        choices = {name: get_args(hints[name]) for name in names if name not in (source, widths)}
        QUANTITIES[name] = Quantity(function, source, widths, choices)
        return function

    return register


def over_everything(values: np.ndarray) -> Any:
    """Mean over teachers, trials and widths."""
    return values.mean()


def _grid(results: Results, student: str, widths: Sequence[int], of: Callable[[Result], Tensor]) -> np.ndarray:
    """`of` gives a value for each member of a student in the main grid; all of them, (T, K, W)."""
    columns = []
    for width in widths:
        experiment = results.one(design="grid", student=student, student_hidden=width)
        columns.append(by_teacher(of(results[experiment]), experiment.config.teachers))
    return np.stack(columns, -1)


def _sizes(results: Results, student: str, score: str, widths: Sequence[int]) -> np.ndarray:
    return _grid(results, student, widths, lambda result: effective_size(result.by(score)))


@quantity("effective_size")
def mean_effective_size(results: Results, widths: Sequence[int], *, student: StudentKind, score: Score) -> Measured:
    """Survivors, mean over members and widths."""
    return Measured(_sizes(results, student, score, widths), over_everything)


@quantity("size_slope")
def size_slope(results: Results, widths: Sequence[int], *, student: StudentKind, score: Score) -> Measured:
    """Least-squares slope of the mean size against log10 of the width."""
    weights = slope_weights(np.log10(widths))
    return Measured(_sizes(results, student, score, widths), lambda values: values.mean((0, 1)) @ weights)


@quantity("threshold_sensitivity")
def threshold_sensitivity(results: Results, widths: Sequence[int], *, student: StudentKind) -> Measured:
    """Nodes between thresholds four times below and above the paper's 0.05."""

    def between(result: Result) -> Tensor:
        return effective_size(result.scores, 0.0125) - effective_size(result.scores, 0.2)

    return Measured(_grid(results, student, widths, between), over_everything)


def _test_errors(results: Results, student: str, widths: Sequence[int]) -> np.ndarray:
    return _grid(results, student, widths, lambda result: result.test_mse / result.test_power)


@quantity("worst_test_error")
def worst_test_error(results: Results, widths: Sequence[int], *, student: StudentKind) -> Measured:
    """Mean over members, at the width where it is largest."""
    return Measured(_test_errors(results, student, widths), lambda values: values.mean((0, 1)).max(), log=True)


@quantity("test_error_ratio")
def test_error_ratio(
    results: Results, widths: Sequence[int], *, student: StudentKind, control: StudentKind
) -> Measured:
    """Geometric mean of the ratio to the control, member by member."""
    errors, controls = (_test_errors(results, kind, widths) for kind in (student, control))
    return Measured(errors / controls, lambda values: np.exp(np.log(values).mean()), log=True)


@torch.no_grad()
def _distances(
    results: Results,
    student: str,
    width: int,
    of: Callable[[Tensor, Tensor], np.ndarray],
    distance: Callable[[np.ndarray, np.ndarray], float],
) -> np.ndarray:
    """Distances of survivors and of a foreign teacher from each member's teacher, (T, K, 2)."""
    experiment = results.one(design="grid", student=student, student_hidden=width)
    result, config = results[experiment], experiment.config
    teacher, foreign, network = result.task().teacher, other_teachers(config), result.student()
    if teacher.second is None or foreign.second is None:
        raise ConfigError("paths and strengths are compared for two-layer teachers")
    rows = []
    for index, nodes in enumerate(result.alive):
        own = of(teacher.first[index], teacher.second[index])
        others = (
            of(network.first.weight[index, nodes], network.second.weight[index][:, nodes]),
            of(foreign.first[index], foreign.second[index]),
        )
        rows.append([distance(own, other) for other in others])
    return by_teacher(np.array(rows), config.teachers)


@quantity("path_distance")
def path_distance(results: Results, width: int, *, student: StudentKind) -> Measured:
    """Of the survivors' paths from the teacher's, over the teacher's mean absolute path."""
    distances = _distances(results, student, width, path_weights, relative_distance)
    return Measured(distances[..., :1], over_everything)


@quantity("path_distance_to_null")
def path_distance_to_null(results: Results, width: int, *, student: StudentKind) -> Measured:
    """That distance over the one to another random teacher."""
    return Measured(_distances(results, student, width, path_weights, relative_distance), ratio_of_means, log=True)


@quantity("strength_distance_to_null")
def strength_distance_to_null(results: Results, width: int, *, student: StudentKind) -> Measured:
    """Distance of the survivors' in-strengths from the teacher's, over that of another random teacher's."""
    distances = _distances(results, student, width, lambda first, _: in_strengths(first), wasserstein_distance)
    return Measured(distances, ratio_of_means, log=True)


@quantity("teacher_nodes_found")
def teacher_nodes_found(results: Results, widths: Sequence[int], *, student: StudentKind) -> Measured:
    """Part of the teacher's nodes that a survivor matches; its interval is that of a share."""
    (nodes,) = {one.config.teacher_hidden for one in results.select(design="grid", student=student)}
    found = _grid(results, student, widths, found_in) / nodes
    return Measured(found.mean(-1), of=nodes)


@quantity("pruning_cost")
def pruning_cost(results: Results, widths: Sequence[int], *, student: StudentKind, order: Order, at: At) -> Measured:
    """Change of the error when the first n nodes of an order are kept; n is the effective or the teacher's size."""

    def cost(result: Result) -> Tensor:
        task, network, alive, scores = result.task(), result.student(), result.alive, result.scores
        if order == "random":
            scores = torch.rand(scores.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        sizes = {"effective size": alive.sum(-1), "teacher size": torch.tensor(result.config.teacher_hidden)}
        first = torch.arange(scores.shape[1]) < sizes[at].unsqueeze(-1)
        keep = torch.zeros_like(alive).scatter(1, rank(scores), first.expand_as(alive))
        small, _ = compact(network, keep)  # as masked, without the work of silent nodes
        return (mse(small, task.test) - result.test_mse) / result.test_power

    return Measured(_grid(results, student, widths, cost), over_everything)


def rank_sweep(result: Result, scores: Tensor | None = None) -> Tensor:
    """Test error of every member when the n nodes of the highest scores are kept, n = 0 ..., (E, N).

    `scores` are (E, h_S), by default the norms of the incoming weights. N is one more than the largest number of nodes
    that any member has left: the others are silent already.
    """
    most = int((result.scores > 0).sum(-1).max())
    order = rank(result.scores if scores is None else scores)
    return curves.prune_sweep(result.student(), result.task().test, order)[:, : most + 1]


@quantity("onset")
def mean_onset(results: Results, widths: Sequence[int], *, student: StudentKind) -> Measured:
    """Smallest number of nodes from which on upwards the error has grown by less than 0.01."""
    smallest = _grid(results, student, widths, lambda result: curves.onset(rank_sweep(result), 0.01))
    return Measured(smallest, over_everything)


@quantity("step_cost_ratio")
def step_cost_ratio(bench: Mapping[str, Any], width: int) -> Interval:
    """As `python -m spectral bench` measured it; a timing has interleaved pairs, and its own interval."""
    if bench["quick"] or bench["sizes"]["config"]["student_hidden"] != width:
        raise ConfigError(
            f"the stored measurements of cost are not those of {width} nodes in full; repeat them with: make bench"
        )
    ratio = bench["step_cost_ratio"]
    return Interval(ratio["mean"], ratio["low"], ratio["high"], f"{ratio['n']} pairs")
