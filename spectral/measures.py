r"""How well a student answers, what is left of it, and what of the teacher is in it: errors, sizes, matched nodes.

Axes: E members, h_S and h_T student and teacher nodes, d inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from spectral.checks import check_bool, check_finite, check_number, check_tensor
from spectral.prune import node_scores
from spectral.students import Student, check_patterns
from spectral.tasks import Patterns, Task

Normalisation = Literal["member", "pooled"]

AT_ONCE = 1_500_000
"""Hidden activations held at once, E * B * h_S: larger arrays leave the cache, and take two to four times as long."""


@torch.no_grad()
def mse(student: Student, patterns: Patterns) -> Tensor:
    """Mean squared error of every member over its `patterns`, shape (E,); NaN of one that has diverged.

    Raises
    ------
    ValueError, TypeError
        If `patterns` do not fit.
    """
    check_patterns(student, patterns)
    size = max(1, AT_ONCE // (student.members * student.student_hidden))
    parts = zip(patterns.x.split(size, 1), patterns.y.split(size, 1), strict=True)
    squares = [(student(x) - y).square().sum(-1) for x, y in parts]
    return torch.stack(squares).sum(0) / patterns.y.shape[1]


def survivors(scores: Tensor, threshold: float = 0.05, normalise: Normalisation = "member") -> Tensor:
    """Which nodes count as alive: those whose normalised score lies above `threshold`; bool (E, h_S).

    Parameters
    ----------
    scores:
        Node scores (E, h_S), not negative.
    threshold:
        0.05 in the paper.
    normalise:
        "member" divides by the largest score of each member; "pooled" by the largest of all members of the
        batch, as the paper's figures do, which makes members depend on each other.

    Raises
    ------
    ValueError
        If the threshold does not lie in [0, 1), `normalise` is unknown, there is no score, or scores are negative or
        not finite.
    TypeError
        If scores are no tensor of real numbers.
    """
    check_threshold(threshold)
    if normalise not in ("member", "pooled"):
        raise ValueError(f"unknown normalisation {normalise!r}; choose member or pooled")
    _check_scores(scores, 1)
    largest = scores.amax(-1, keepdim=True) if normalise == "member" else scores.max()
    return scores > threshold * largest


def largest_gap(scores: Tensor, floor: float = 1e-7) -> tuple[Tensor, Tensor]:
    """The largest ratio of neighbouring scores, sorted, in decades, and how many nodes are above it; (E,) each.

    Parameters
    ----------
    scores:
        Node scores (E, h_S), not negative, two or more.
    floor:
        Part of the largest score below which all count as this part: single precision knows no smaller ones.

    Where all scores are zero there is no gap, NaN, and no node above it.

    Raises
    ------
    ValueError
        If the floor does not lie between 0 and 1, there are fewer than two nodes, or scores are negative or not finite.
    TypeError
        If scores are no tensor of real numbers.
    """
    check_number(floor, "floor", "lie between 0 and 1 (both excluded)", lambda value: 0 < value < 1)
    _check_scores(scores, 2)
    largest = scores.double().amax(-1, keepdim=True)
    logs = (scores.double() / largest).clamp_min(floor).log10().sort(-1, descending=True).values
    decades, place = (logs[..., :-1] - logs[..., 1:]).max(-1)
    return decades, torch.where(decades.isnan(), 0, place + 1)


def _check_scores(scores: Tensor, least: int) -> None:
    """Raise TypeError or ValueError unless there are scores of so many nodes or more, finite and not negative."""
    check_tensor(scores, "scores")
    if scores.ndim == 0 or not scores.numel() or scores.shape[-1] < least:
        raise ValueError(f"scores must be of {least} or more nodes of each member; got shape {tuple(scores.shape)}")
    check_finite(scores, "scores")
    if (scores < 0).any():
        raise ValueError(f"scores must not be negative; the least is {scores.min().item()}")


def check_threshold(threshold: float) -> None:
    """Raise TypeError or ValueError unless `threshold` is a number from 0 (included) to 1 (excluded)."""
    check_number(threshold, "threshold", "lie from 0 (included) to 1 (excluded)", lambda value: 0 <= value < 1)


def effective_size(scores: Tensor, threshold: float = 0.05, normalise: Normalisation = "member") -> Tensor:
    """The number of surviving nodes of every member (the paper's n_lambda), shape (E,); see `survivors`."""
    return survivors(scores, threshold, normalise).sum(-1)


@dataclass(frozen=True)
class Matching:
    """Which student node is which teacher node.

    Attributes
    ----------
    student:
        For every teacher node the student node assigned to it, -1 for none, shape (E, h_T).
    cosine:
        Cosine similarity of their incoming weights, NaN for none, shape (E, h_T).
    """

    student: Tensor
    cosine: Tensor

    def count(self, cosine: float = 0.98) -> Tensor:
        """How many teacher nodes have a partner of at least this similarity, from -1 to 1, shape (E,)."""
        check_number(cosine, "cosine", "lie from -1 to 1", lambda value: -1 <= value <= 1)
        return (self.cosine >= cosine).sum(-1)


def similarity(one: Tensor, other: Tensor) -> Tensor:
    """Cosines between the rows of `one` (E, a, n) and `other` (E, b, n), shape (E, a, b), in double precision.

    A row of zeros has a cosine of zero with all.

    Raises
    ------
    ValueError
        If the shapes do not fit together.
    TypeError
        If one is no tensor of real numbers.
    """
    for values, name in ((one, "one"), (other, "other")):
        check_tensor(values, name)
    if one.ndim < 2 or one.ndim != other.ndim or one.shape[-1] != other.shape[-1] or one.shape[:-2] != other.shape[:-2]:
        raise ValueError(
            f"one and other must have shapes (E, a, n) and (E, b, n); got {tuple(one.shape)} and {tuple(other.shape)}"
        )
    return directions(one) @ directions(other).mT


def directions(rows: Tensor) -> Tensor:
    """Rows of length one, in double precision; a row of zeros stays what it is."""
    rows = rows.detach().cpu().double()
    # In powers of two, which cost no digit: else squares of small or large numbers would vanish or overflow.
    exponent = torch.frexp(rows.abs().amax(-1, keepdim=True)).exponent.clamp(-1000, 1000)
    return torch.nn.functional.normalize(torch.ldexp(rows, -exponent), dim=-1, eps=1e-150)


def match_teacher(teacher: Tensor, student: Tensor, alive: Tensor | None = None, *, signed: bool = True) -> Matching:
    """Pair teacher nodes with surviving student nodes, one to one, so that the summed similarity is largest.

    Parameters
    ----------
    teacher, student:
        Incoming weights, (E, h_T, d) and (E, h_S, d).
    alive:
        The student nodes that may be used, bool (E, h_S); default all.
    signed:
        For odd activations (tanh, erf) a node and its negative are the same function up to the sign of what
        leaves it: False compares absolute similarities.

    Raises
    ------
    ValueError
        If the shapes do not fit together, or a weight of a teacher or of a node that may be used is not finite.
    TypeError
        If one is no tensor, or `alive` holds no yes and no.
    """
    from scipy.optimize import linear_sum_assignment  # here, since layers and pruning need no scipy

    for values, name in ((teacher, "teacher"), (student, "student")):
        check_tensor(values, name)
    if teacher.ndim != 3 or student.ndim != 3 or teacher.shape[::2] != student.shape[::2]:
        raise ValueError(
            f"teacher and student must have shapes (E, h_T, d), (E, h_S, d); got {tuple(teacher.shape)}, "
            f"{tuple(student.shape)}"
        )
    if alive is None:
        alive = torch.ones(student.shape[:-1], dtype=torch.bool)
    check_bool(alive, "alive", tuple(student.shape[:-1]))
    alive = alive.cpu()
    check_finite(teacher, "teacher", " (member, node, input)")
    check_finite(student.detach().cpu().masked_fill(~alive.unsqueeze(-1), 0), "student", " (member, node, input)")
    cosines = similarity(teacher, student)
    if not signed:
        cosines = cosines.abs()
    partner = torch.full(teacher.shape[:-1], -1)
    cosine = torch.full(teacher.shape[:-1], torch.nan, dtype=torch.float64)
    for member, usable in enumerate(alive):
        columns = torch.nonzero(usable).flatten()
        matrix = cosines[member][:, columns]
        rows, chosen = map(torch.from_numpy, linear_sum_assignment(matrix.numpy(), maximize=True))
        partner[member, rows] = columns[chosen]
        cosine[member, rows] = matrix[rows, chosen]
    return Matching(partner, cosine)


@torch.no_grad()
def nodes_found(task: Task, student: Student, threshold: float = 0.05) -> Tensor:
    """Teacher nodes matched by a survivor at a cosine of 0.98 or more, shape (E,); see `survivors` for `threshold`."""
    alive = survivors(node_scores(student), threshold)
    signed = student.activation == "relu"
    return match_teacher(task.teacher.first, student.first.weight, alive, signed=signed).count()
