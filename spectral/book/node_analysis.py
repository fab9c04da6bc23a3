r"""Chapter 9's measurements: what a network's nodes are to its teacher's, and what its surplus nodes are good for.

All networks are without bias, and of relu nodes unless it is said otherwise; see `spectral.book.subnetwork`. A node's
*direction* is that of its incoming weights, and nodes are alike if the cosine of their directions is at least as large
as a given one. Of an odd activation a direction has no sign; networks are `spectral.book.subnetwork.aligned` with the
teacher before. The length of a node's weights is not asked for, though with those it belongs to the function.

Axes: E members, d inputs, h nodes of a network's first layer (h_T of a teacher's), m nodes of the second layer (m' of a
student's), P patterns.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from spectral.book.subnetwork import Network, gathered, kinds, owners, paths, unit_rows
from spectral.lab.collection import Sample
from spectral.measures import Matching, match_teacher, mse, similarity
from spectral.prune import mask, rank
from spectral.stats.intervals import Interval
from spectral.students import Student
from spectral.tasks import Patterns

Weights = tuple[Tensor, Tensor]
"""Of one network: those of the first layer (h, d) and of the second (m, h)."""


class Identified(NamedTuple):
    """What the living nodes of E networks are to their teachers'.

    Attributes
    ----------
    pairs:
        Teacher nodes with their partners, one to one, as like each other as they may be.
    found:
        Teacher nodes that any living node is like, bool (E, h_T).
    kinds:
        A mask (E, h) for each kind of living node; see `spectral.book.subnetwork.kinds`.
    """

    pairs: Matching
    found: Tensor
    kinds: dict[str, Tensor]

    @property
    def surplus(self) -> Tensor:
        """Living nodes that are like no teacher node, (E, h)."""
        return self.kinds["mixture"] | self.kinds["other"]


def identify(teacher: Network, network: Network, cosine: float) -> Identified:
    """Compare the nodes of E networks with those of their teachers; nodes are alike from this `cosine` on."""
    near = similarity(teacher.first, network.first).masked_fill(~network.alive.unsqueeze(1), -1)  # (E, h_T, h)
    pairs = match_teacher(teacher.first, network.first, network.alive)
    found = (near >= cosine).any(-1)
    signed = network.activation == "relu"
    return Identified(pairs, found, kinds(teacher.first, network.first, network.alive, cosine, signed=signed))


def number(sample: Sample, which: Tensor, of: int | None = None) -> Interval:
    """Mean number of the nodes in `which` (bool, (E, n)), with the interval of a share of `of` nodes (default n)."""
    of = of or which.shape[-1]
    return sample.share(which.sum(-1) / of, of).scaled(of)


def census(sample: Sample, network: Network, nodes: Identified) -> dict[str, Interval]:
    """How many nodes are what, means over the members of a sample.

    "teacher nodes found" and "partners" have intervals of shares of the teacher's nodes; "duplicates", "mixtures",
    "others", and both of the latter as "surplus", of shares of the network's. The "survivors" scatter less than a share
    would, since most of them are partners.
    """
    known = nodes.kinds
    return {
        "survivors": sample.estimate(network.alive.sum(-1)),
        "teacher nodes found": number(sample, nodes.found),
        "partners": number(sample, known["partner"], nodes.found.shape[-1]),
        "duplicates": number(sample, known["duplicate"]),
        "mixtures": number(sample, known["mixture"]),
        "others": number(sample, known["other"]),
        "surplus": number(sample, nodes.surplus),
    }


def angles(pairs: Matching) -> Tensor:
    """Between teacher nodes and their partners in degrees, 180 for those that have none; (E, h_T)."""
    return torch.rad2deg(torch.arccos(pairs.cosine.nan_to_num(-1).clamp(-1, 1)))


def weakest(scores: Tensor, among: Tensor, count: Tensor) -> Tensor:
    """Which of the nodes `among` (bool, (E, h)) have the `count` (E,) lowest `scores` (E, h); all if there are fewer.

    Scores are not negative. Of equal ones the later nodes are the weaker.
    """
    place = torch.argsort(rank(scores.masked_fill(~among, -1)))  # the strongest of them come first
    return among & (place >= (among.sum(-1) - count).unsqueeze(-1))


@torch.no_grad()
def error_with(student: Student, patterns: Patterns, keep: Tensor) -> Tensor:
    """Error over E[y^2] if only the nodes of `keep` (bool, (E, h)) speak, shape (E,); 1 where none does."""
    speaks = keep.any(-1)
    error = mse(mask(student, keep | ~speaks.unsqueeze(-1)), patterns) / patterns.y.square().mean(-1)
    return torch.where(speaks, error, 1.0)


def _found_paths(teacher: Network, network: Network, cosine: float) -> tuple[Tensor, Tensor]:
    """All paths of the teacher (E, m, h_T, d), and those over the nodes that are like its nodes, (E, m', h_T, d)."""
    owner = owners(teacher.first, network.first, network.alive, cosine)
    carried = gathered(paths(network.first, network.second), owner, teacher.first.shape[1])
    return paths(teacher.first, teacher.second), carried


def second_layer(teacher: Network, network: Network, cosine: float) -> Tensor:
    """For each teacher node of the second layer the largest cosine with one of the network's, (E, m).

    Compared are the paths that end in them; of the network's those over nodes that are like a teacher node by this
    `cosine`.
    """
    own, carried = _found_paths(teacher, network, cosine)
    return similarity(own.flatten(2), carried.flatten(2)).amax(-1)


def sent(teacher: Network, network: Network, cosine: float) -> Tensor:
    """Mean cosine of what teacher nodes and the nodes like them send to the second layer, (E,).

    Nodes of the second layer are paired one to one before. What no node sends counts as a cosine of 0.
    """
    own, carried = _found_paths(teacher, network, cosine)
    pairs = match_teacher(own.flatten(2), carried.flatten(2)).student  # (E, m)
    paired = carried.gather(1, pairs[..., None, None].expand_as(own))
    return cosine_similarity(own.transpose(1, 2).flatten(2), paired.transpose(1, 2).flatten(2), dim=-1).mean(-1)


def nearest_bend(directions: Tensor, weights: Tensor, bends: Tensor, which: Tensor) -> Tensor:
    """How close directions come to some bends: the sum of cosines, and of how many directions; shape (E, 2).

    Of each direction it is the largest absolute cosine with one of the bends chosen. Members that have none of these
    are left out of both sums. Their ratio is the mean over directions, and can be taken over members first.

    Parameters
    ----------
    directions, weights:
        Directions (E, n, d), and how much each counts, (E, n).
    bends, which:
        Bends (E, m, d) as of `spectral.book.subnetwork.kinks`, and which of them are chosen, bool (E, m).
    """
    best = similarity(directions, bends).abs().masked_fill(~which.unsqueeze(1), -1).amax(-1)
    counted = weights.double() * which.any(-1, keepdim=True)
    return torch.stack([(best * counted).sum(-1), counted.sum(-1)], -1)


def side_by_side(teacher: Network, student: Network, nodes: Identified, member: int) -> tuple[Weights, Weights]:
    """One teacher and what is left of its student: nodes in the same order, incoming weights of norm 1.

    Teacher nodes come by the norm of what they send, the strongest first, and the student's in the order of their
    partners, then the others. The student's nodes of the second layer, of which it needs as many as the teacher or
    more, are paired with the teacher's by what they receive; others are not shown.
    """
    first, second = unit_rows(teacher.first[member], teacher.second[member])
    own_first, own_second = unit_rows(student.first[member], student.second[member])
    strongest = second.norm(dim=0).argsort(descending=True)
    partners = nodes.pairs.student[member, strongest]
    paired, partners = strongest[partners >= 0], partners[partners >= 0]
    others = student.alive[member].index_fill(0, partners, False)  # a partner need not be alike
    order = match_teacher(second[None, :, paired], own_second[None, :, partners]).student[0]
    shown = torch.cat([partners, others.nonzero().flatten()])
    return (first[strongest], second[:, strongest]), (own_first[shown], own_second[order][:, shown])
