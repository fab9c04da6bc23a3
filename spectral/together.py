r"""Several students of one teacher, asked together: what they have in common is the teacher's.

A student can be too wide, and each of its surplus nodes lie anywhere. Another student, from other patterns and another
start, has its surplus nodes elsewhere. What *recurs* in all of them is what the data ask for (Martinelli, Simsek,
Gerstner and Brea, *Expand-and-Cluster*, ICML 2024, arXiv:2304.12794, who recover a teacher so from conventional
students). No teacher has to be known for it.

Two answers are given. `recurring` groups the nodes of all students by the direction of their incoming weights; the
groups that occur in every student are the common network, and their number is its size. `agreement` says how much of
one student lies in directions that another one has, too; its mean over pairs of students is the *recurrence*, a
certificate: where it is near one, whatever was found was found again and again. Only survivors are asked, nodes whose
product of incoming and outgoing norm exceeds a threshold.

Axes: K students, h_S nodes, d inputs, C groups.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from spectral.checks import check_count, check_finite, check_number, check_tensor
from spectral.measures import directions, similarity, survivors

ALIKE = 0.98
"""Cosine from which on two directions count as one; an angle of eleven degrees."""


@dataclass(frozen=True)
class Recurring:
    """Groups of nodes that students have in common.

    Attributes
    ----------
    directions:
        Mean direction of each group, of unit length, (C, d); the strongest group first.
    strength:
        Product scores of its nodes, summed over the nodes and averaged over the students, (C,).
    """

    directions: Tensor
    strength: Tensor


@torch.no_grad()
def recurring(
    first: Tensor,
    product: Tensor,
    *,
    share: float = 1.0,
    cosine: float = ALIKE,
    threshold: float = 0.05,
    signed: bool = True,
) -> Recurring:
    """The groups of nodes that occur in at least a `share` of K students.

    Directions of all survivors are clustered by average linkage of cosine distances, cut at ``1 - cosine``.

    Parameters
    ----------
    first, product:
        Incoming weights (K, h_S, d) and scores (K, h_S) of two or more students of one width.
    share:
        Part of the students in which a group has to occur.
    cosine:
        Least mean cosine between the nodes of two groups that become one.
    threshold:
        Of survival; see `spectral.measures.survivors`.
    signed:
        False where a node and its negative are the same function, as for tanh and erf.

    Raises
    ------
    ValueError
        If there are fewer than two students, shapes do not fit, or a number is impossible; if a survivor's weights are
        not finite, or all zero: it has no direction.
    TypeError
        If `first` or `product` is no tensor of real numbers.
    """
    from scipy.cluster.hierarchy import fcluster, linkage  # here, since layers and pruning need no scipy

    alive = _survivors(first, product, cosine, threshold)
    check_number(share, "share", "be a part above 0 and at most 1", lambda value: 0 < value <= 1)
    students, nodes = torch.nonzero(alive, as_tuple=True)
    unit = directions(first[students, nodes])
    scores = product[students, nodes].cpu().double()
    cosines = unit @ unit.mT if signed else (unit @ unit.mT).abs()
    if len(unit) == 1:
        labels = torch.ones(1, dtype=torch.int64)
    else:
        upper = torch.triu_indices(len(unit), len(unit), 1)
        distances = (1 - cosines[upper[0], upper[1]]).clamp_min(0).numpy()
        labels = torch.from_numpy(fcluster(linkage(distances, "average"), 1 - cosine, "distance").astype("int64"))
    means, strengths = [], []
    for label in labels.unique():
        chosen = labels == label
        if len(students[chosen].unique()) < share * len(first) - 1e-9:
            continue
        own, weights = unit[chosen], scores[chosen]
        if not signed:
            own = own * torch.where(own @ own[weights.argmax()] < 0, -1.0, 1.0).unsqueeze(-1)
        means.append(torch.nn.functional.normalize(weights @ own, dim=-1))
        strengths.append(weights.sum() / len(first))
    if not means:
        return Recurring(unit.new_zeros(0, first.shape[-1]), unit.new_zeros(0))
    strength = torch.stack(strengths)
    order = strength.argsort(descending=True)
    return Recurring(torch.stack(means)[order], strength[order])


@torch.no_grad()
def agreement(
    first: Tensor, product: Tensor, *, cosine: float = ALIKE, threshold: float = 0.05, signed: bool = True
) -> Tensor:
    """How much of each student is in each other one: of K students, (K, K), with ones on the diagonal.

    Entry (k, l) is the share of the product scores of student k's survivors that belong to nodes for which l has a
    survivor in the same direction. The mean over all pairs of different students is the *recurrence* of the K
    students; its interval is ``estimate_pairs(agreement(...))``, see `spectral.stats.intervals`. What strangers would
    have is `chance`. Parameters and errors are those of `recurring`.
    """
    alive = _survivors(first, product, cosine, threshold)
    kept = [weights[chosen] for weights, chosen in zip(first, alive, strict=True)]
    scores = [own[chosen].cpu().double() for own, chosen in zip(product, alive, strict=True)]
    found = torch.ones(len(first), len(first), dtype=torch.float64)
    for k, own in enumerate(kept):
        for other, theirs in enumerate(kept):
            if other != k:
                cosines = similarity(own[None], theirs[None])[0]
                cosines = cosines if signed else cosines.abs()
                met = cosines.amax(-1) >= cosine
                found[k, other] = (scores[k] * met).sum() / scores[k].sum()
    return found


def recurrence(
    first: Tensor, product: Tensor, *, cosine: float = ALIKE, threshold: float = 0.05, signed: bool = True
) -> float:
    """The mean of `agreement` over all pairs of different students, from 0 to 1; parameters and errors as there.

    Examples
    --------
    >>> same, other = torch.eye(3)[None], torch.ones(1, 3, 3)
    >>> recurrence(torch.cat([same, same]), torch.ones(2, 3)), recurrence(torch.cat([same, other]), torch.ones(2, 3))
    (1.0, 0.0)
    """
    found = agreement(first, product, cosine=cosine, threshold=threshold, signed=signed)
    count = len(found)
    return float((found.sum() - count) / (count * (count - 1)))


def chance(d: int, nodes: int, cosine: float = ALIKE, *, signed: bool = True) -> float:
    r"""The recurrence of students whose `nodes` survivors have random directions in d dimensions.

    Two random directions have a cosine of c or more with probability :math:`\tfrac12 I_{1-c^2}((d-1)/2, 1/2)`, a
    regularised incomplete beta function (the area of a spherical cap), or with twice that if signs do not count.

    Raises
    ------
    ValueError
        If d or `nodes` is not a whole number of at least 1, or the cosine does not lie in [0, 1].
    """
    check_count(d, "d")
    check_count(nodes, "nodes")
    check_number(cosine, "cosine", "lie from 0 to 1", lambda value: 0 <= value <= 1)
    from scipy.special import betainc

    cap = 0.5 if d == 1 else 0.5 * float(betainc((d - 1) / 2, 0.5, 1 - cosine**2))
    met = cap if signed else min(1.0, 2 * cap)
    return -math.expm1(nodes * math.log1p(-met)) if met < 1 else 1.0


def _survivors(first: Tensor, product: Tensor, cosine: float, threshold: float) -> Tensor:
    """Which nodes are asked, bool (K, h_S)."""
    check_tensor(first, "first")
    check_tensor(product, "product")
    if first.ndim != 3 or product.shape != first.shape[:2]:
        raise ValueError(
            f"first and product must have shapes (K, h_S, d) and (K, h_S); got {tuple(first.shape)} and "
            f"{tuple(product.shape)}"
        )
    if len(first) < 2:
        raise ValueError("one student cannot be compared with itself; give two or more")
    check_number(cosine, "cosine", "lie between 0 and 1 (both excluded)", lambda value: 0 < value < 1)
    alive = survivors(product, threshold)
    if not alive.any(-1).all():
        raise ValueError("a student has no node that says anything: all of its scores are zero")
    asked = first.detach().masked_fill(~alive.to(first.device).unsqueeze(-1), 0)
    check_finite(asked, "first", " (student, node, input)")
    silent = (alive & asked.eq(0).all(-1).to(alive.device)).nonzero()
    if len(silent):
        raise ValueError(f"a node with a score but no incoming weights has no direction: {tuple(silent[0].tolist())}")
    return alive
