r"""Students asked together: what several of one teacher have in common, and how much that tells of the teacher.

Axes: T teachers, K students of each, W widths, G settings, C groups of nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy.stats
import torch
from torch import Tensor

from spectral.book.quantities import Measured, Shares, over_everything, quantity
from spectral.lab.collection import MissingResult, Results
from spectral.lab.presets import STUDENTS, Experiment, StudentKind
from spectral.lab.results import Result
from spectral.measures import Matching, match_teacher, survivors
from spectral.prune import node_scores
from spectral.stats.intervals import slope_weights
from spectral.together import ALIKE, recurrence, recurring

CERTAIN, FOUND = 0.9, 0.95
"""Recurrence from which on students agree; share of the teacher's nodes that they must then have found."""


class Group(NamedTuple):
    """The K students of one teacher.

    Attributes
    ----------
    first:
        Weights of their first layers, (K, h_S, d).
    product:
        Their scores, (K, h_S).
    teacher:
        The teacher's own weights, (h_T, d).
    signed:
        Whether a node and its negative are different nodes, as they are with relu.
    """

    first: Tensor
    product: Tensor
    teacher: Tensor
    signed: bool

    def some(self, chosen: Sequence[int]) -> Group:
        """Of some students only."""
        return self._replace(first=self.first[list(chosen)], product=self.product[list(chosen)])


@torch.no_grad()
def groups(result: Result) -> list[Group]:
    """The students of a result, teacher by teacher. All of their weights must have been kept."""
    config, student = result.config, result.student()
    weights, products = student.first.weight.detach(), node_scores(student, "product")
    teachers = result.task().teacher.first
    signed = config.activation == "relu"
    return [
        Group(weights[rows], products[rows], teachers[rows.start], signed)
        for rows in (slice(t * config.trials, (t + 1) * config.trials) for t in range(config.teachers))
    ]


def strangers(group: Sequence[Group]) -> Group:
    """The first student of each teacher: students that have no teacher in common."""
    return group[0]._replace(
        first=torch.stack([one.first[0] for one in group]), product=torch.stack([one.product[0] for one in group])
    )


def common(group: Group, share: float = 1.0) -> tuple[int, int]:
    """Groups of nodes that occur in every student, or in a `share`, and how many teacher nodes are among them."""
    found = recurring(group.first, group.product, share=share, signed=group.signed).directions
    if not len(found):
        return 0, 0
    pairs = match_teacher(group.teacher[None], found[None].to(group.teacher.dtype), signed=group.signed)
    return len(found), int(pairs.count())


def matched(group: Group) -> Matching:
    """The teacher's nodes and each student's survivors by the product, one to one, (K, h_T)."""
    teachers = group.teacher.expand(len(group.first), -1, -1)
    return match_teacher(teachers, group.first, survivors(group.product), signed=group.signed)


def found_alone(group: Group) -> float:
    """Share of the teacher's nodes that one student has found; mean over the students."""
    return float(matched(group).count().double().mean()) / len(group.teacher)


def agreed(group: Group) -> float:
    """The recurrence of a group's students."""
    return recurrence(group.first, group.product, signed=group.signed)


def judged(result: Result) -> np.ndarray:
    """Recurrence and share of nodes found of each teacher's students, (T, 2)."""
    return np.array([(agreed(group), found_alone(group)) for group in groups(result)])


def per_teacher(result: Result, of: Callable[[Group], Any]) -> np.ndarray:
    """A number for each teacher, from all of its students, (T, 1)."""
    return np.array([of(one) for one in groups(result)], float)[:, None]


def of_width(results: Results, student: str, width: int) -> Experiment:
    """The experiment with students of that width, whose teachers have the usual size."""
    return results.one(design="together", student=student, varied="student_hidden", student_hidden=width)


def _widths(results: Results, student: str, widths: Sequence[int], of: Callable[[Result], np.ndarray]) -> np.ndarray:
    """(T, 1, W) from ``of(result)``, (T, 1)."""
    return np.stack([of(results[of_width(results, student, width)]) for width in widths], -1)


def size(group: Group) -> float:
    """Groups that occur in every student."""
    return common(group)[0]


def size_of_three(group: Group) -> float:
    """Groups that occur in each of the first three students."""
    return size(group.some(range(3)))


def found(group: Group) -> float:
    """Share of the teacher's nodes among the groups that occur in every student."""
    return common(group)[1] / len(group.teacher)


Asked = Literal["all", "three"]


@quantity("common_size")
def common_size(results: Results, widths: Sequence[int], *, student: StudentKind, asked: Asked) -> Measured:
    """Groups of nodes that occur in every student that is asked, mean over teachers and widths."""
    of = size if asked == "all" else size_of_three
    return Measured(_widths(results, student, widths, lambda result: per_teacher(result, of)), over_everything)


@quantity("common_found")
def common_found(results: Results, widths: Sequence[int], *, student: StudentKind) -> Measured:
    """Share of the teacher's nodes among them, mean over teachers and widths."""
    return Measured(_widths(results, student, widths, lambda result: per_teacher(result, found)), over_everything)


@quantity("common_slope")
def common_slope(results: Results, widths: Sequence[int], *, student: StudentKind) -> Measured:
    """Slope of their number against log10 of the width."""
    values = _widths(results, student, widths, lambda result: per_teacher(result, size))
    weights = slope_weights(np.log10(widths))
    return Measured(values, lambda left: left.mean((0, 1)) @ weights)


@quantity("common_of_strangers")
def common_of_strangers(results: Results, widths: Sequence[int], *, student: StudentKind) -> Measured:
    """Groups that occur in every one of students of different teachers, the first of each, mean over widths."""
    every = [groups(results[of_width(results, student, width)]) for width in widths]

    def statistic(teachers: np.ndarray) -> float:  # (T, 1), their indices
        asked = [[of[int(index)] for index in teachers[:, 0]] for of in every]
        return float(np.mean([size(strangers(one)) for one in asked]))

    return Measured(np.arange(len(every[0]))[:, None], statistic)


def map_of(results: Results, student: str | tuple[str, ...]) -> list[Experiment]:
    """The settings of teachers of other sizes and inputs, for some kinds of students; MissingResult if none."""
    chosen = results.select(design="together", varied="teacher", student=student)
    if not chosen:
        raise MissingResult("there are no students of other teachers that could be asked together")
    return chosen


@quantity("common_ratio")
def common_ratio(results: Results, *, student: StudentKind) -> Measured:
    """Groups over the teacher's size, for every setting of the map."""
    chosen = map_of(results, student)
    ratios = [per_teacher(results[one], size) / one.config.teacher_hidden for one in chosen]
    cells = tuple(f"h_T = {one.config.teacher_hidden}, d = {one.config.input_dim}" for one in chosen)
    return Measured(np.stack(ratios, -1), cells=cells)


@quantity("certified")
def certified(results: Results) -> Shares:
    """Share of teachers whose nodes were found in all settings in which their students agreed.

    A teacher counts if its students agreed in at least one setting, with a recurrence of `CERTAIN` or more; it is a
    yes if in each of these at least `FOUND` of its nodes were found.
    """
    found: dict[int, list[bool]] = {}
    for one in results.select(design="together"):
        for index, (agreement, part) in enumerate(results.derived(judged, one)):
            if agreement >= CERTAIN:
                found.setdefault(one.config.teacher_seed + index, []).append(part >= FOUND)
    if not found:
        raise MissingResult("there are no students that agree")
    return Shares([np.array([[float(all(right))] for right in found.values()])], [1])


@quantity("certificate_rank")
def certificate_rank(results: Results) -> Measured:
    """Rank correlation of recurrence and nodes found over all settings of the map and kinds of students."""
    values = [results.derived(judged, one) for one in map_of(results, STUDENTS)]

    def statistic(left: np.ndarray) -> float:  # (T, 1, G, 2)
        means = left.mean((0, 1))
        return float(scipy.stats.spearmanr(means[:, 0], means[:, 1]).statistic)

    return Measured(np.array(values).transpose(1, 0, 2)[:, None], statistic)


def by_number(result: Result, numbers: Sequence[int], of: Callable[[Group], Any] = size) -> np.ndarray:
    """A number for each teacher from its first n students, for several n, (T, 1, n); all of one teacher's if alone."""
    every = groups(result)
    return np.array([[of(one.some(range(n))) for n in numbers] for one in every], float)[:, None]


def certificates(results: Results) -> dict[str, np.ndarray]:
    """Recurrence and share of nodes found, (G, 2), of the students of every teacher and setting, by kind of student."""
    found: dict[str, list[np.ndarray]] = {}
    for one in results.select(design="together"):
        found.setdefault(one.student, []).append(results.derived(judged, one))
    return {student: np.concatenate(pairs) for student, pairs in found.items()}


def by_chance(results: Results, width: int) -> dict[str, float]:
    """The recurrence of students of different teachers, by kind of student."""
    return {
        one.student: agreed(strangers(groups(results[one])))
        for one in results.select(design="together", varied="student_hidden", student_hidden=width)
    }


def exceptions(results: Results) -> list[tuple[Experiment, list[float]]]:
    """Where students agreed and had not found enough: the setting, and the cosines of the pairs that fall short."""
    wrong = []
    for one in results.select(design="together"):
        for index, (agreement, part) in enumerate(results.derived(judged, one)):
            if agreement >= CERTAIN and part < FOUND:
                cosines = matched(groups(results[one])[index]).cosine
                wrong.append((one, cosines[~(cosines >= ALIKE)].tolist()))
    return wrong
