"""The quantities of the ledger: how each is measured from stored results, and its interval.

A quantity is a function that `quantity` registers by name. What it needs stands in its signature:

==================  =================================================================================================
parameter           what it is given
==================  =================================================================================================
``results``         the results of a preset, `spectral.lab.collection.Results`
``bench``           the measurements of cost, as `spectral.bench.tables.load` reads them
``widths``          the student widths of the claim's test (``width``: the only one)
any keyword         what the test has to choose, between the values of its `Literal` type
==================  =================================================================================================

It returns `Evidence`: what gives the interval at any level. Where it has `cells`, there is a number for each of them.
What the quantities mean, and which values decide a claim, stands in ``book/claims.yaml``.

Axes: T teachers, K trials, W widths, G cells.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, TypeVar, get_args, get_type_hints

import numpy as np
import scipy.stats
import torch
from torch import Tensor

from spectral.bench.measure import counted_ratios
from spectral.book import topology
from spectral.book.path_analysis import beside, distances, own_paths
from spectral.book.pruning import growth_with
from spectral.book.subnetwork import Network, compared, in_strengths, path_weights, relative_distance, whole
from spectral.curves import onset
from spectral.lab.collection import MissingResult, Results
from spectral.lab.config import ConfigError
from spectral.lab.experiment import other_teachers
from spectral.lab.presets import StudentKind
from spectral.lab.results import Result, found_in
from spectral.measures import effective_size, largest_gap, mse
from spectral.prune import compact, rank
from spectral.stats.intervals import (
    LEVEL,
    Interval,
    Statistic,
    by_teacher,
    geometric_mean,
    left_out,
    mean,
    ratio_of_means,
    share,
    slope_weights,
    spread,
    stack,
)

Score = Literal["incoming", "product"]
Order = Literal["incoming", "random"]
At = Literal["effective size", "teacher size"]
To = Literal["unpruned", "published"]
Change = Literal["learning_rate", "batch_size", "epochs"]

THRESHOLD = 0.001
"""Growth of the error, in units of E[y^2], from which on a student needs more nodes."""

ALIKE, OPEN_PATTERNS = 0.98, 2_000
"""Cosine from which on two nodes count as the same; patterns that say how often a path is open."""


class Evidence(Protocol):
    """What a quantity found: an interval at any level, a number for each of its `cells`, one if it has none."""

    @property
    def cells(self) -> tuple[str, ...]:
        """Their names."""

    def interval(self, level: float = LEVEL) -> Interval:
        """The number, or an array of numbers (G,), with their intervals."""


@dataclass(frozen=True)
class Measured:
    """Values (T, K, ...) and what they amount to, in intervals of the jackknife; on the logarithmic scale if `log`."""

    values: np.ndarray
    statistic: Statistic = mean
    log: bool = False
    cells: tuple[str, ...] = ()

    @cached_property
    def _left_out(self) -> tuple[np.ndarray, np.ndarray]:  # the work, which no level changes
        return left_out(self.values, self.statistic)

    def interval(self, level: float = LEVEL) -> Interval:
        """As in `spectral.stats.intervals.jackknife`, which says what it refuses."""
        return spread(*self._left_out, trials=self.values.shape[1], log=self.log, level=level)


@dataclass(frozen=True)
class Shares:
    """Which part (T, K) of each member's `of` things are so; `parts` and `of` have an entry for every cell."""

    parts: Sequence[np.ndarray]
    of: Sequence[int]
    cells: tuple[str, ...] = ()

    def interval(self, level: float = LEVEL) -> Interval:
        """As in `spectral.stats.intervals.share`."""
        found = [share(parts, of, level=level) for parts, of in zip(self.parts, self.of, strict=True)]
        return stack(found) if self.cells else found[0]


@dataclass(frozen=True)
class Timed:
    """Means of `n` interleaved pairs of timings with their interval at `LEVEL`, for each cell if there are."""

    found: Sequence[Mapping[str, float]]
    cells: tuple[str, ...] = ()

    def interval(self, level: float = LEVEL) -> Interval:
        """Student's t over the pairs."""
        value, high, n = (np.array([one[name] for one in self.found]) for name in ("mean", "high", "n"))
        half = (high - value) * scipy.stats.t.ppf(0.5 + level / 2, n - 1) / scipy.stats.t.ppf(0.5 + LEVEL / 2, n - 1)
        sample = f"{int(n.min())} pairs"
        if self.cells:
            return Interval(value, value - half, value + half, sample)
        return Interval(float(value[0]), float(value[0] - half[0]), float(value[0] + half[0]), sample)


@dataclass(frozen=True)
class Counted:
    """A number that is known without any doubt."""

    value: float
    cells: tuple[str, ...] = ()

    def interval(self, level: float = LEVEL) -> Interval:
        """The number itself, at every level."""
        return Interval(self.value, self.value, self.value, "counted")


@dataclass(frozen=True)
class Quantity:
    """How a quantity is measured, and what its function's signature says that it needs."""

    measure: Callable[..., Evidence]
    source: str
    widths: str
    choices: Mapping[str, tuple[str, ...]]


QUANTITIES: dict[str, Quantity] = {}
"""All quantities by name; `spectral.book.transition` adds its own when it is imported."""

Function = TypeVar("Function", bound=Callable[..., Evidence])


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


def over_widths(values: np.ndarray) -> Any:
    """Geometric mean over teachers, trials and widths."""
    return np.exp(np.log(values).mean())


def _named_widths(widths: Sequence[int]) -> tuple[str, ...]:
    return tuple(f"{width:,} nodes" for width in widths)


def _grid(results: Results, student: str, widths: Sequence[int], of: Callable[[Result], Tensor]) -> np.ndarray:
    """`of` gives a value for each member of a student in the main grid; all of them, (T, K, W)."""
    columns = []
    for width in widths:
        experiment = results.one(design="grid", student=student, student_hidden=width)
        columns.append(by_teacher(of(results[experiment]), experiment.config.teachers))
    return np.stack(columns, -1)


# Cost


@quantity("parameter_ratio")
def parameter_ratio(results: Results, width: int) -> Counted:
    """Parameters that are trained, spectral over direct."""
    return Counted(_counted(results, width)[0])


@quantity("multiplication_ratio")
def multiplication_ratio(results: Results, width: int) -> Counted:
    """Multiplications of a training step on a batch of the main grid, spectral over direct."""
    return Counted(_counted(results, width)[1])


def _counted(results: Results, width: int) -> tuple[float, float]:
    config = results.one(design="grid", student="spectral", student_hidden=width).config
    return counted_ratios(config.input_dim, config.teacher_second, width, config.batch_size)


@quantity("step_cost_ratio")
def step_cost_ratio(bench: Mapping[str, Any], width: int) -> Timed:
    """Time of a step of this book's engine, spectral over direct, as `python -m spectral bench` measured it."""
    _check_bench(bench)
    if bench["sizes"]["config"]["student_hidden"] != width:
        raise ConfigError(f"the stored measurements of cost are not those of {width} nodes")
    return Timed([bench["step_cost_ratio"]])


@quantity("torch_cost_ratio")
def torch_cost_ratio(bench: Mapping[str, Any]) -> Timed:
    """Time of a step of one network in ordinary PyTorch, `SpectralLinear` over `nn.Linear`, by batch and width."""
    _check_bench(bench)
    found = bench["torch_cost_ratio"]["cells"]
    return Timed(found, tuple(f"{one['batch']:,} patterns, {one['width']:,} nodes" for one in found))


def _check_bench(bench: Mapping[str, Any]) -> None:
    if bench["quick"]:
        raise ConfigError("the stored measurements of cost are not the full ones; repeat them with: make bench")


# The spectrum


@quantity("gap")
def mean_gap(results: Results, widths: Sequence[int], *, student: StudentKind, score: Score) -> Measured:
    """Largest ratio of neighbouring scores, in decades."""
    return Measured(_grid(results, student, widths, lambda result: largest_gap(result.by(score))[0]), over_everything)


@quantity("gap_place")
def gap_place(results: Results, widths: Sequence[int], *, student: StudentKind, score: Score) -> Measured:
    """Nodes above the gap less those above the paper's threshold."""

    def place(result: Result) -> Tensor:
        return largest_gap(result.by(score))[1] - effective_size(result.by(score))

    return Measured(_grid(results, student, widths, place), over_everything)


@quantity("gap_difference")
def gap_difference(
    results: Results, widths: Sequence[int], *, student: StudentKind, control: StudentKind, score: Score
) -> Measured:
    """The gap less that of a control with the same teacher, in decades."""
    own, other = (_grid(results, kind, widths, lambda r: largest_gap(r.by(score))[0]) for kind in (student, control))
    return Measured(own - other, over_everything)


# Sizes


def _sizes(results: Results, student: str, score: Score, widths: Sequence[int]) -> np.ndarray:
    return _grid(results, student, widths, lambda result: effective_size(result.by(score)))


def needed(result: Result, score: Score) -> Tensor:
    """n_c of every member, (E,)."""
    return onset(result.sweeps[score].double(), THRESHOLD)


def _needed(results: Results, student: str, score: Score, widths: Sequence[int]) -> np.ndarray:
    return _grid(results, student, widths, lambda result: needed(result, score))


def _sloped(values: np.ndarray, widths: Sequence[int]) -> Measured:
    """Least-squares slope of the means of values (T, K, W) against log10 of the width."""
    weights = slope_weights(np.log10(widths))
    return Measured(values, lambda left: left.mean((0, 1)) @ weights)


@quantity("effective_size")
def mean_effective_size(results: Results, widths: Sequence[int], *, student: StudentKind, score: Score) -> Measured:
    """Survivors, mean over members and widths."""
    return Measured(_sizes(results, student, score, widths), over_everything)


@quantity("size_slope")
def size_slope(results: Results, widths: Sequence[int], *, student: StudentKind, score: Score) -> Measured:
    """Slope of the effective size, in nodes per tenfold width."""
    return _sloped(_sizes(results, student, score, widths), widths)


@quantity("needed_size")
def mean_needed_size(results: Results, widths: Sequence[int], *, student: StudentKind, score: Score) -> Measured:
    """n_c, mean over members and widths."""
    return Measured(_needed(results, student, score, widths), over_everything)


@quantity("needed_slope")
def needed_slope(results: Results, widths: Sequence[int], *, student: StudentKind, score: Score) -> Measured:
    """Slope of n_c, in nodes per tenfold width."""
    return _sloped(_needed(results, student, score, widths), widths)


@quantity("effective_size_by_m")
def effective_size_by_m(results: Results, *, student: StudentKind, score: Score) -> Measured:
    """Survivors for every width m of the teacher's second layer, of students of one width."""
    others = results.select(design="m", student=student)
    if not others:
        raise MissingResult("there are no teachers with another second layer")
    widths = {one.config.student_hidden for one in others}
    chosen = [*results.select(design="grid", student=student, student_hidden=list(widths)), *others]
    chosen.sort(key=lambda one: one.config.teacher_second)
    sizes = [by_teacher(effective_size(results[one].by(score)), one.config.teachers) for one in chosen]
    return Measured(np.stack(sizes, -1), cells=tuple(f"m = {one.config.teacher_second}" for one in chosen))


@quantity("needed_difference")
def needed_difference(
    results: Results, widths: Sequence[int], *, student: StudentKind, control: StudentKind, score: Score
) -> Measured:
    """n_c less that of a control with the same teacher, for every width."""
    own, other = (_needed(results, kind, score, widths) for kind in (student, control))
    return Measured(own - other, cells=_named_widths(widths))


@quantity("control_ratio")
def control_ratio(results: Results, *, change: Change) -> Measured:
    """n_c of the published control with one setting changed, over that of the matched one with the same teacher."""
    experiment = results.one(design="control", varied=change)
    width = experiment.config.student_hidden
    own = by_teacher(needed(results[experiment], "product"), experiment.config.teachers)
    return Measured(own / _needed(results, "matched", "product", [width])[..., 0], geometric_mean, log=True)


# Errors


def _test_errors(results: Results, student: str, widths: Sequence[int]) -> np.ndarray:
    return _grid(results, student, widths, lambda result: result.test_mse / result.test_power)


@quantity("test_error")
def mean_test_error(results: Results, widths: Sequence[int], *, student: StudentKind) -> Measured:
    """Mean over members, for every width."""
    return Measured(_test_errors(results, student, widths), log=True, cells=_named_widths(widths))


@quantity("test_error_ratio")
def test_error_ratio(
    results: Results, widths: Sequence[int], *, student: StudentKind, control: StudentKind
) -> Measured:
    """Ratio to the control with the same teacher, geometric mean over members and widths."""
    return Measured(_error_ratios(results, widths, student, control), over_widths, log=True)


@quantity("test_error_ratio_by_width")
def test_error_ratio_by_width(
    results: Results, widths: Sequence[int], *, student: StudentKind, control: StudentKind
) -> Measured:
    """The same for every width."""
    ratios = _error_ratios(results, widths, student, control)
    return Measured(ratios, geometric_mean, log=True, cells=_named_widths(widths))


def _error_ratios(results: Results, widths: Sequence[int], student: str, control: str) -> np.ndarray:
    errors, controls = (_test_errors(results, kind, widths) for kind in (student, control))
    return np.asarray(errors / controls)


# Paths and topology

Description = Callable[[Tensor, Tensor], np.ndarray]
Distance = Callable[[np.ndarray, np.ndarray], float]


@torch.no_grad()
def _over(results: Results, width: int, to: To | Literal["stranger"], of: Description, distance: Distance) -> Measured:
    """Distance of the spectral student's survivors from the teacher over that of another network, ratio of means.

    The other one is that student before pruning ("unpruned"), the survivors of the direct student with the published
    settings, or another random teacher.
    """
    experiment = results.one(design="grid", student="spectral", student_hidden=width)
    control = results.one(design="grid", student="published", student_hidden=width)
    result = results[experiment]

    def student(result: Result, alive: Tensor) -> Network:
        student = result.student()
        return Network(student.first.weight, student.second.weight, alive)

    teacher, survivors = whole(result.task().teacher), student(result, result.alive)
    if to == "unpruned":
        other = student(result, torch.ones_like(result.alive))
    elif to == "published":
        other = student(results[control], results[control].alive)
    else:
        other = whole(other_teachers(experiment.config))
    apart = [
        [distance(of(*teacher.of(e)), of(*network.of(e))) for network in (survivors, other)]
        for e in range(len(teacher.alive))
    ]
    return Measured(by_teacher(apart, experiment.config.teachers), ratio_of_means, log=True)


def _strengths(first: Tensor, second: Tensor) -> np.ndarray:
    return in_strengths(first)


@quantity("path_ratio")
def path_ratio(results: Results, width: int, *, to: To) -> Measured:
    """Distance of the survivors' paths from the teacher's over that of other networks', ratio of means."""
    return _over(results, width, to, path_weights, relative_distance)


@quantity("path_distance_to_null")
def path_distance_to_null(results: Results, width: int, *, student: Literal["spectral"]) -> Measured:
    """The same over that of another random teacher."""
    return _over(results, width, "stranger", path_weights, relative_distance)


@quantity("strength_ratio")
def strength_ratio(results: Results, width: int, *, to: To) -> Measured:
    """Distance of the survivors' in-strengths from the teacher's over that of other networks', ratio of means."""
    return _over(results, width, to, _strengths, scipy.stats.wasserstein_distance)


@quantity("open_path_distance")
def open_path_distance(results: Results, width: int, *, student: StudentKind) -> Measured:
    """Distance of the totals of open paths, node by node, from the teacher's, over their mean absolute value."""
    result = results[results.one(design="grid", student=student, student_hidden=width)]
    sample, task, networks = compared({student: result}, 0.05)
    x = task.test.x[:, :OPEN_PATTERNS]
    own, mine = own_paths(networks["teacher"], x), beside(networks["teacher"], networks[student], x, ALIKE)
    return Measured(by_teacher(distances(own.total, mine.total), sample.teachers))


@quantity("partner_correlation")
def partner_correlation(results: Results, width: int, *, student: StudentKind) -> Measured:
    """Correlation of the in-strengths of teacher nodes and their partners, all of unit incoming norm."""
    result = results[results.one(design="grid", student=student, student_hidden=width)]
    sample, task, networks = compared({student: result}, 0.05)
    x = task.test.x[:, :1]  # strengths that are received ask for no pattern
    own, mine = (topology.describe(networks[name], task.teacher.first, x, 1.0) for name in ("teacher", student))
    return Measured(by_teacher(topology.correlations(own, mine, "unit in"), sample.teachers))


@quantity("all_found")
def all_found(results: Results, width: int, *, student: StudentKind) -> Shares:
    """Share of teachers all of whose nodes a survivor matches."""
    experiment = results.one(design="grid", student=student, student_hidden=width)
    every = found_in(results[experiment]) == experiment.config.teacher_hidden
    return Shares([by_teacher(every.double(), experiment.config.teachers)], [1])


# Pruning


@quantity("pruning_cost")
def pruning_cost(results: Results, widths: Sequence[int], *, student: StudentKind, order: Order, at: At) -> Measured:
    """Growth of the error when the first n nodes of an order are kept; n is the effective or the teacher's size."""

    def cost(result: Result) -> Tensor:
        alive = result.alive
        size = alive.sum(-1) if at == "effective size" else torch.tensor(result.config.teacher_hidden)
        if order == "incoming":
            return growth_with(result.sweeps["incoming"].double(), size)
        scores = torch.rand(alive.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        first = torch.arange(alive.shape[1]) < size.unsqueeze(-1)
        keep = torch.zeros_like(alive).scatter(1, rank(scores), first.expand_as(alive))
        small, _ = compact(result.student(), keep)  # as masked, without the work of silent nodes
        return (mse(small, result.task().test) - result.test_mse) / result.test_power

    return Measured(_grid(results, student, widths, cost), over_everything)


@quantity("pruning_cost_by_width")
def pruning_cost_by_width(results: Results, widths: Sequence[int], *, student: StudentKind, score: Score) -> Measured:
    """Growth of the error when as many nodes are kept as the teacher has, for every width."""
    grown = _grid(results, student, widths, lambda r: growth_with(r.sweeps[score].double(), r.config.teacher_hidden))
    return Measured(grown, cells=_named_widths(widths))
