"""The quantities of the ledger: how each is measured from stored runs, and its interval.

For every member of an experiment a quantity has a value, and a statistic says what they amount to. Its interval is a
hierarchical bootstrap: teachers are drawn with replacement, then trials within each teacher drawn. What the
quantities mean, and which values decide a claim, stands in ``book/claims.yaml``.

Axes: T teachers, K trials, W widths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor

from spectral import curves
from spectral.bench.tables import load
from spectral.book.subnetwork import in_strengths, path_weights, relative_distance
from spectral.curves import prune_sweep
from spectral.lab.config import ConfigError, ExperimentConfig
from spectral.lab.experiment import other_teachers
from spectral.lab.files import REPOSITORY
from spectral.lab.presets import STUDENTS, experiments
from spectral.lab.results import Runs, found_in, run
from spectral.lab.store import Store
from spectral.measures import effective_size
from spectral.prune import compact, rank
from spectral.stats.intervals import Interval, bootstrap, slope_weights
from spectral.students import Student
from spectral.tasks import Task
from spectral.train import mse

BENCH = REPOSITORY / "book" / "bench.json"

REPRODUCED, PARTLY, NOT_REPRODUCED = "reproduced", "partly reproduced", "not reproduced"

Bounds = tuple[float, float]
Statistic = Callable[[np.ndarray], np.ndarray]
Values = tuple[np.ndarray, Statistic] | tuple[np.ndarray, Statistic, bool]
"""A value for every member, (T, K, ...), and what they amount to: from (..., T, K, ...) with any number of leading
draws to (...). True beside them says that the third axis counts settings with teachers of their own."""


class MissingRun(LookupError):
    """A result that a claim is judged by has not been computed."""


@dataclass(frozen=True)
class Part:
    """One quantity of a claim, its bounds, and what else the ledger says of it."""

    quantity: str
    reproduced: Bounds
    partly: Bounds
    widths: tuple[int, ...]
    choice: Mapping[str, str]
    meaning: str

    def verdict(self, measured: Interval) -> str:
        """The rule: where the whole interval lies."""
        if not np.isfinite([measured.value, measured.low, measured.high]).all():
            raise ValueError(f"{self.quantity} {dict(self.choice)} could not be measured: {measured}")
        for bounds, word in ((self.reproduced, REPRODUCED), (self.partly, PARTLY)):
            if bounds[0] <= measured.low and measured.high <= bounds[1]:
                return word
        return NOT_REPRODUCED


class Reader:
    """The runs of a preset, from the store alone: nothing is trained."""

    def __init__(self, preset: str, store: Store, bench: Path = BENCH) -> None:
        self.preset, self._store, self._bench = preset, store, bench
        self._experiments: Mapping[str, ExperimentConfig] = experiments(preset)
        self._read: dict[str, Runs] = {}

    def runs(self, student: str, width: int) -> Runs:
        """One setting of the main grid; raises MissingRun if it is not there."""
        return self.named(f"grid/{student}/{width}")

    def named(self, name: str) -> Runs:
        """Any experiment of the preset; raises MissingRun if it is not there."""
        if name not in self._read:
            if name not in self._experiments or not self._store.has(self._experiments[name].hash()):
                raise MissingRun(name)
            self._read[name] = run(self._experiments[name], store=self._store)
        return self._read[name]

    @property
    def names(self) -> list[str]:
        """All experiments of the preset."""
        return list(self._experiments)

    @cached_property
    def bench(self) -> dict[str, Any]:
        """The measurements of cost; raises MissingRun if there are none, ConfigError if they are damaged."""
        if not self._bench.exists():
            raise MissingRun(self._bench.name)
        return load(self._bench)


def mean(values: np.ndarray) -> np.ndarray:
    """Over T, K and W."""
    return values.mean((-3, -2, -1))


def _over_widths(reader: Reader, part: Part, student: str, of: Callable[[Runs], Tensor]) -> np.ndarray:
    """`of` gives a value for each member; all of them, (T, K, W)."""
    columns = []
    for width in part.widths:
        runs = reader.runs(student, width)
        columns.append(of(runs).double().numpy().reshape(runs.config.teachers, runs.config.trials))
    return np.stack(columns, -1)


def _sizes(reader: Reader, part: Part) -> np.ndarray:
    def size(runs: Runs) -> Tensor:
        scores = {"incoming": runs.scores, "product": runs.product}
        return effective_size(scores[part.choice["score"]])

    return _over_widths(reader, part, part.choice["student"], size)


def effective_size_mean(reader: Reader, part: Part) -> Values:
    """Survivors, mean over members and widths."""
    return _sizes(reader, part), mean


def size_slope(reader: Reader, part: Part) -> Values:
    """Least-squares slope of the mean size against log10 of the width."""
    weights = slope_weights(np.log10(part.widths))
    return _sizes(reader, part), lambda values: values.mean((-3, -2)) @ weights


def threshold_sensitivity(reader: Reader, part: Part) -> Values:
    """Nodes between thresholds four times below and above the paper's 0.05."""

    def between(runs: Runs) -> Tensor:
        return effective_size(runs.scores, 0.0125) - effective_size(runs.scores, 0.2)

    return _over_widths(reader, part, part.choice["student"], between), mean


def _test_errors(reader: Reader, part: Part, student: str) -> np.ndarray:
    return _over_widths(reader, part, student, lambda runs: runs.test_mse / runs.test_power)


def worst_test_error(reader: Reader, part: Part) -> Values:
    """Mean over members, at the width where it is largest."""
    return _test_errors(reader, part, part.choice["student"]), lambda values: values.mean((-3, -2)).max(-1)


def test_error_ratio(reader: Reader, part: Part) -> Values:
    """Geometric mean of the ratio to the control, member by member."""
    student, control = (_test_errors(reader, part, part.choice[name]) for name in ("student", "control"))
    return np.log(student / control), lambda values: np.exp(mean(values))


def _rebuilt(runs: Runs) -> tuple[Task, Student, Tensor]:
    """Task and students of all members, and which of their nodes survive."""
    return runs.task(), runs.student(), runs.alive


@torch.no_grad()
def _distances(
    reader: Reader,
    part: Part,
    of: Callable[[Tensor, Tensor], np.ndarray],
    distance: Callable[[np.ndarray, np.ndarray], float],
) -> np.ndarray:
    """Distances of survivors and of a foreign teacher from each member's teacher, (T, K, 2)."""
    (width,) = part.widths
    runs = reader.runs(part.choice["student"], width)
    task, student, alive = _rebuilt(runs)
    config = runs.config
    foreign = other_teachers(config)
    if task.teacher.second is None or foreign.second is None:
        raise ConfigError("paths and strengths are compared for two-layer teachers")
    rows = []
    for index, nodes in enumerate(alive):
        own = of(task.teacher.first[index], task.teacher.second[index])
        others = (
            of(student.first.weight[index, nodes], student.second.weight[index][:, nodes]),
            of(foreign.first[index], foreign.second[index]),
        )
        rows.append([distance(own, other) for other in others])
    return np.array(rows).reshape(config.teachers, config.trials, 2)


def ratio_of_means(values: np.ndarray) -> np.ndarray:
    """Of the first to the second of two values, (T, K, 2), each over T and K."""
    means = values.mean((-3, -2))
    return means[..., 0] / means[..., 1]


def _path_distances(reader: Reader, part: Part) -> np.ndarray:
    return _distances(reader, part, path_weights, relative_distance)


def path_distance(reader: Reader, part: Part) -> Values:
    """Of the survivors' paths from the teacher's, over the teacher's mean absolute path."""
    return _path_distances(reader, part)[..., :1], mean


def path_distance_to_null(reader: Reader, part: Part) -> Values:
    """That distance over the one to another random teacher."""
    return _path_distances(reader, part), ratio_of_means


def strength_distance_to_null(reader: Reader, part: Part) -> Values:
    """Distance of the survivors' in-strengths from the teacher's, over that of another random teacher's."""
    return _distances(reader, part, lambda first, _: in_strengths(first), wasserstein_distance), ratio_of_means


def teacher_nodes_found(reader: Reader, part: Part) -> Values:
    """Part of the teacher's nodes that a survivor matches."""

    def found(runs: Runs) -> Tensor:
        return found_in(runs).double() / runs.config.teacher_hidden

    return _over_widths(reader, part, part.choice["student"], found), mean


def pruning_cost(reader: Reader, part: Part) -> Values:
    """Change of the error when the first n nodes of an order are kept; n is the effective or the teacher's size."""

    def cost(runs: Runs) -> Tensor:
        task, student, alive = _rebuilt(runs)
        scores = runs.scores
        if part.choice["order"] == "random":
            scores = torch.rand(scores.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        sizes = {"effective size": alive.sum(-1), "teacher size": torch.tensor(runs.config.teacher_hidden)}
        n = sizes[part.choice["at"]]
        first = torch.arange(scores.shape[1]) < n.unsqueeze(-1)
        keep = torch.zeros_like(alive).scatter(1, rank(scores), first.expand_as(alive))
        small, _ = compact(student, keep)  # as masked, without the work of silent nodes
        return (mse(small, task.test) - runs.test_mse) / runs.test_power

    return _over_widths(reader, part, part.choice["student"], cost), mean


def rank_sweep(runs: Runs, scores: Tensor | None = None) -> Tensor:
    """Test error of every member when the n nodes of the highest scores are kept, n = 0 ..., (E, N).

    `scores` are (E, h_S), by default the norms of the incoming weights. N is one more than the largest number of nodes
    that any member has left: the others are silent already.
    """
    task, student, _ = _rebuilt(runs)
    most = int((runs.scores > 0).sum(-1).max())
    return prune_sweep(student, task.test, rank(runs.scores if scores is None else scores))[:, : most + 1]


def onset(reader: Reader, part: Part) -> Values:
    """Smallest number of nodes from which on upwards the error has grown by less than 0.01."""

    def smallest(runs: Runs) -> Tensor:
        return curves.onset(rank_sweep(runs), 0.01)

    return _over_widths(reader, part, part.choice["student"], smallest), mean


def step_cost_ratio(reader: Reader, part: Part) -> Interval:
    """As `python -m spectral bench` measured it; a timing has interleaved pairs, and its own interval."""
    bench, (width,) = reader.bench, part.widths
    if bench["quick"] or bench["sizes"]["config"]["student_hidden"] != width:
        raise ConfigError(
            f"the stored measurements of cost are not those of {width} nodes in full; repeat them with: make bench"
        )
    ratio = bench["step_cost_ratio"]
    return Interval(ratio["mean"], ratio["low"], ratio["high"], f"{ratio['n']} pairs")


class Quantity(NamedTuple):
    """How a quantity is measured, and what a part has to choose for it.

    `single` ones are measured at one width, those without `widths` not in the main grid.
    """

    measure: Callable[[Reader, Part], Values | Interval]
    needs: tuple[str, ...]
    single: bool = False
    widths: bool = True


CHOICES: dict[str, tuple[str, ...]] = {
    "student": STUDENTS,
    "control": STUDENTS,
    "score": ("incoming", "product"),
    "order": ("incoming", "random"),
    "at": ("effective size", "teacher size"),
}
"""What a part of a claim can choose, and between what."""

QUANTITIES: dict[str, Quantity] = {
    "effective_size": Quantity(effective_size_mean, ("student", "score")),
    "size_slope": Quantity(size_slope, ("student", "score")),
    "threshold_sensitivity": Quantity(threshold_sensitivity, ("student",)),
    "worst_test_error": Quantity(worst_test_error, ("student",)),
    "test_error_ratio": Quantity(test_error_ratio, ("student", "control")),
    "path_distance": Quantity(path_distance, ("student",), single=True),
    "path_distance_to_null": Quantity(path_distance_to_null, ("student",), single=True),
    "strength_distance_to_null": Quantity(strength_distance_to_null, ("student",), single=True),
    "teacher_nodes_found": Quantity(teacher_nodes_found, ("student",)),
    "pruning_cost": Quantity(pruning_cost, ("student", "order", "at")),
    "onset": Quantity(onset, ("student",)),
    "step_cost_ratio": Quantity(step_cost_ratio, (), single=True),
}


def measure(
    part: Part, reader: Reader, settings: Mapping[str, Any], known: Mapping[str, Quantity] = QUANTITIES
) -> Interval | None:
    """A part's quantity, one of the `known`, with its interval; None if its runs are not there."""
    try:
        measured = known[part.quantity].measure(reader, part)
    except MissingRun:
        return None
    return measured if isinstance(measured, Interval) else bootstrap(*measured, **settings)
