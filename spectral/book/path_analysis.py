"""How far a student's paths are from its teacher's, as a distribution and path by path.

As a distribution: all weights sorted, whichever path has which (`distances`). Path by path: first the student's nodes
are put in the teacher's order (`beside`), then weights are compared one by one (`relative_gap`).

Axes: E members, d inputs, h_T nodes of a teacher's first layer, m nodes of its second layer, P patterns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from spectral.book.subnetwork import Network, gathered, open_share, owners, paths, relative_distance
from spectral.measures import match_teacher


class Paths(NamedTuple):
    """Paths of E networks, node by node in the order of their teachers' nodes.

    Attributes
    ----------
    single:
        Weight of each path, (E, m, h_T, d).
    cosine:
        How like the teacher's each node of the second layer is, (E, m); a node is what it receives, all paths that
        end in it.
    total:
        Open paths from each input over each node of the first layer: weights times the part of the patterns to which
        the path is open, added up over the second layer, (E, h_T, d).
    """

    single: Tensor
    cosine: Tensor
    total: Tensor


def own_paths(teacher: Network, x: Tensor) -> Paths:
    """Paths of teachers, in their own order; `x` are patterns (E, P, d)."""
    single, opened = _paths(teacher, x)
    return Paths(single, single.new_ones(single.shape[:2]), opened.sum(1))


def beside(teacher: Network, student: Network, x: Tensor, alike: float) -> Paths:
    """Paths of students, in the order of their teachers' nodes.

    Paths over living nodes of one owner (`spectral.book.subnetwork.owners`, with a cosine of at least `alike`) are
    added up; those over nodes that have none are left out. Nodes of the second layer, of which a student needs as many
    as its teacher or more, are paired one to one, such that the summed cosine is largest.
    """
    size = teacher.first.shape[-2]
    owner = owners(teacher.first, student.first, student.alive, alike)
    single, opened = (gathered(each, owner, size) for each in _paths(student, x))
    pairing = match_teacher(paths(teacher.first, teacher.second).flatten(2), single.flatten(2))
    index = pairing.student[:, :, None, None].expand(-1, -1, *single.shape[2:])
    return Paths(single.gather(1, index), pairing.cosine, opened.sum(1))


def _paths(network: Network, x: Tensor) -> tuple[Tensor, Tensor]:
    """The weights of all paths, and the same times the part of the patterns to which each is open (`open_share`)."""
    single = paths(network.first, network.second)
    share = open_share(network.first, network.second, x, network.activation)
    return single, single * share.unsqueeze(-1)


def distances(own: Iterable[ArrayLike], others: Iterable[ArrayLike]) -> np.ndarray:
    """`relative_distance` of each member's numbers, of any shape, from its own, (E,).

    NaN where there are none to compare, or all of its own are zero and give no unit.
    """
    pairs = [(np.ravel(np.asarray(one)), np.ravel(np.asarray(other))) for one, other in zip(own, others, strict=True)]
    return np.array([relative_distance(one, other) if one.any() and len(other) else np.nan for one, other in pairs])


def distances_by_step(own: Paths, other: Paths, alike: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances from the teacher in an order of nodes, (E,) each, with more and more differences taken away.

    Of all paths; of those that end in nodes of the second layer with a cosine of at least `alike`, in both networks
    (NaN where there is none); of the totals of open paths.
    """
    found = other.cosine >= alike
    parts = [[each[nodes] for each, nodes in zip(one.single, found, strict=True)] for one in (own, other)]
    return distances(own.single, other.single), distances(*parts), distances(own.total, other.total)


def nearest(candidates: Sequence[ArrayLike], others: Sequence[ArrayLike]) -> np.ndarray:
    """The index of the candidate from which each of some sets of numbers has the smallest distance, (E,)."""
    return np.argmin([distances(candidates, [other] * len(candidates)) for other in others], 1)


def relative_gap(own: Tensor, other: Tensor) -> Tensor:
    """Root mean square difference of the values (E, ...) of each member, in units of its `own`, (E,).

    NaN where all of its own are zero and give no unit.
    """
    gap, unit = (own - other).flatten(1).norm(dim=1), own.flatten(1).norm(dim=1)
    return torch.where(unit > 0, gap / unit, torch.nan)


def measured_mean(values: np.ndarray) -> Any:
    """Mean over the members that have a value, as a statistic of an interval; NaN if none has one."""
    there = values[~np.isnan(values)]
    return there.mean() if len(there) else np.nan
