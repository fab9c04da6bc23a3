"""Whether a network has its teacher's topology: strengths and degrees of its nodes beside those of the teacher's.

What is compared is what `spectral.book.subnetwork.strengths` says of the nodes of the first layer, in two ways. As
distributions, whoever the nodes are: the paper's way. And node by node, every teacher node with its *partner*, which
`spectral.measures.match_teacher` assigns to it by the direction of what both receive.

Axes: E members, h nodes of a network's first layer (h_T of a teacher's), d inputs, P patterns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.stats
import torch
from torch import Tensor

from spectral.book.subnetwork import Network, strengths
from spectral.measures import match_teacher


class Nodes(NamedTuple):
    """The nodes of E networks.

    Attributes
    ----------
    strengths:
        By name, (E, h).
    alive:
        Which live, bool (E, h).
    partner:
        Who is a teacher node's partner, indices (E, h_T); -1 where there is none.
    """

    strengths: dict[str, Tensor]
    alive: Tensor
    partner: Tensor

    def values(self, name: str, member: int, *, partners: bool = False) -> np.ndarray:
        """A strength of one member's living nodes, or of those alone that are partners; "in" divided by its range.

        The range is the paper's unit. That of a single node is zero, and its value is not finite.
        """
        partner = self.partner[member]
        found = self.strengths[name][member].double()[partner[partner >= 0] if partners else self.alive[member]]
        if name == "in" and len(found):
            found = found / (found.max() - found.min())
        return found.numpy()

    def at_partners(self, values: Tensor) -> Tensor:
        """From values of all nodes, (E, h), those of each teacher node's partner, (E, h_T); NaN where it has none."""
        return values.double().gather(1, self.partner.clamp_min(0)).masked_fill(self.partner < 0, torch.nan)

    def paired(self, name: str) -> Tensor:
        """A strength of each teacher node's partner, (E, h_T)."""
        return self.at_partners(self.strengths[name])


def describe(network: Network, teacher: Tensor, x: Tensor, edge: float) -> Nodes:
    """The nodes of networks, as the patterns `x` (E, P, d) see them, beside teachers whose first layer is (E, h_T, d).

    A weight above `edge` times the root mean square of its node's weights is an edge; errors are those of
    `spectral.book.subnetwork.degrees`.
    """
    partner = match_teacher(teacher, network.first, network.alive).student
    found = strengths(network.first, network.second, x, edge, network.activation)
    return Nodes(found, network.alive, partner)


def distances(own: Nodes, mine: Nodes, name: str, *, partners: bool = False) -> np.ndarray:
    """Wasserstein distances between the `Nodes.values` of two networks, (E,); NaN unless both have two or more."""
    each = _distributions(own, mine, name, partners=partners)
    return np.array([scipy.stats.wasserstein_distance(*pair) if pair else np.nan for pair in each])


def correlations(own: Nodes, mine: Nodes, name: str) -> np.ndarray:
    """Over a teacher's nodes, of a strength of theirs with that of their partners, (E,).

    NaN where fewer than three have a partner, or all have the same.
    """
    found = []
    for ours, theirs in zip(own.paired(name), mine.paired(name), strict=True):
        both = torch.stack([ours, theirs])[:, ~theirs.isnan()]
        few = both.shape[1] < 3 or (both.std(1) == 0).any()
        found.append(np.nan if few else np.corrcoef(both)[0, 1])
    return np.array(found)


def told_apart(own: Nodes, mine: Nodes, name: str) -> tuple[float, int, int]:
    """The test of Kolmogorov and Smirnov on the `Nodes.values` of two networks.

    Mean statistic, how many members it tells apart at the level of 5 %, and of how many. Those with fewer than two
    nodes are left out, and a mean of none is NaN.
    """
    tests = [scipy.stats.ks_2samp(*pair) for pair in _distributions(own, mine, name) if pair]
    statistic = float(np.mean([test.statistic for test in tests])) if tests else np.nan
    return statistic, sum(bool(test.pvalue < 0.05) for test in tests), len(tests)


def _distributions(
    own: Nodes, mine: Nodes, name: str, *, partners: bool = False
) -> list[tuple[np.ndarray, np.ndarray] | None]:
    """The values of two networks, member by member; None unless both have two or more."""
    pairs = [tuple(nodes.values(name, e, partners=partners) for nodes in (own, mine)) for e in range(len(own.alive))]
    return [(ours, theirs) if min(len(ours), len(theirs)) > 1 else None for ours, theirs in pairs]
