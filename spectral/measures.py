r"""How well a student answers, what is left of it, and what of the teacher is in it: errors, sizes, matched nodes.

Axes: E members, h_S and h_T student and teacher nodes, d inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from spectral.prune import node_scores
from spectral.students import Student
from spectral.tasks import Patterns, Task

Normalisation = Literal["member", "pooled"]

AT_ONCE = 1_500_000
"""Hidden activations held at once, E * B * h_S: larger arrays leave the cache, and take two to four times as long."""


@torch.no_grad()
def mse(student: Student, patterns: Patterns) -> Tensor:
    """Mean squared error of every member over its `patterns`, shape (E,)."""
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
        If the threshold does not lie in [0, 1), `normalise` is unknown, or scores are negative or not finite.
    """
    check_threshold(threshold)
    if normalise not in ("member", "pooled"):
        raise ValueError(f"unknown normalisation {normalise!r}; choose member or pooled")
    if not torch.isfinite(scores).all() or (scores < 0).any():
        raise ValueError("scores must be finite and not negative")
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
    """
    relative = scores.double() / scores.double().amax(-1, keepdim=True)
    logs = relative.clamp_min(floor).log10().sort(-1, descending=True).values
    decades, place = (logs[:, :-1] - logs[:, 1:]).max(-1)
    return decades, place + 1


def check_threshold(threshold: float) -> None:
    """Raise ValueError unless `threshold` is a number from 0 (included) to 1 (excluded)."""
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold must lie from 0 (included) to 1 (excluded), not {threshold}")


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
        """How many teacher nodes have a partner of at least this similarity, shape (E,)."""
        return (self.cosine >= cosine).sum(-1)


def similarity(one: Tensor, other: Tensor) -> Tensor:
    """Cosines between the rows of `one` (E, a, n) and `other` (E, b, n), shape (E, a, b), in double precision."""
    unit = [torch.nn.functional.normalize(w.detach().cpu().double(), dim=-1) for w in (one, other)]
    return unit[0] @ unit[1].mT


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
        If the shapes do not fit together.
    """
    from scipy.optimize import linear_sum_assignment  # here, since layers and pruning need no scipy

    alive = torch.ones(student.shape[:-1], dtype=torch.bool) if alive is None else alive.cpu()
    if teacher.ndim != 3 or teacher.shape[::2] != student.shape[::2] or alive.shape != student.shape[:-1]:
        raise ValueError(
            f"teacher, student and alive must have shapes (E, h_T, d), (E, h_S, d), (E, h_S); got "
            f"{tuple(teacher.shape)}, {tuple(student.shape)}, {tuple(alive.shape)}"
        )
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
