"""Strengths of nodes beside a teacher's: answers known by hand, and networks that are the teacher in disguise."""

import numpy as np
import pytest
import torch

from spectral.book.subnetwork import Network
from spectral.book.topology import Nodes, correlations, describe, distances, told_apart

NAN = float("nan")


def nodes(values: list[float], partner: list[int], *, dead: int = 0, name: str = "path") -> Nodes:
    """One network, of which the last nodes are dead."""
    alive = torch.arange(len(values)) < len(values) - dead
    return Nodes({name: torch.tensor([values])}, alive[None], torch.tensor([partner]))


OWN = nodes([1.0, 2.0, 6.0], [0, 1, 2])
MINE = nodes([6.0, 4.0, 2.0, 8.0, 99.0], [2, -1, 0], dead=1)


def test_values_of_survivors_and_of_partners():
    assert MINE.values("path", 0).tolist() == [6, 4, 2, 8]
    assert MINE.values("path", 0, partners=True).tolist() == [2, 6]
    assert MINE.paired("path").tolist() == [[2, pytest.approx(NAN, nan_ok=True), 6]]
    assert MINE.at_partners(torch.arange(5)[None]).tolist() == [[2, pytest.approx(NAN, nan_ok=True), 0]]


def test_in_strengths_are_in_the_papers_unit():
    """Sums 3, -1 and 1 over their range, 4; of two partners over theirs, 2. Pairs of nodes keep the sums."""
    found = nodes([3.0, -1.0, 1.0], [0, 2], name="in")
    assert found.values("in", 0).tolist() == [0.75, -0.25, 0.25]
    assert found.values("in", 0, partners=True).tolist() == [1.5, 0.5]
    assert found.paired("in").tolist() == [[3, 1]]
    assert nodes([3.0, -1.0], [-1], dead=2, name="in").values("in", 0).tolist() == []


def test_distances_by_hand():
    """The areas between cumulative distributions; with partners 2 and 6 they differ by 1/3 from 1 to 2, by 1/6 to 6."""
    assert distances(OWN, OWN, "path").tolist() == [0]
    assert distances(OWN, nodes([3.0, 8.0, 4.0], [0, 1, 2]), "path") == pytest.approx([2])
    assert distances(OWN, MINE, "path", partners=True) == pytest.approx([1 / 3 + 4 / 6])


def test_correlations_are_over_pairs():
    """Whose nodes come in another order, with a node more, and in another unit."""
    assert correlations(OWN, nodes([18.0, -5.0, 3.0, 6.0], [2, 3, 0]), "path") == pytest.approx([1])
    assert correlations(OWN, nodes([-1.0, -2.0, -6.0], [0, 1, 2]), "path") == pytest.approx([-1])
    for few in (MINE, nodes([3.0, 3.0, 3.0], [0, 1, 2])):  # two pairs; three of equal strength
        assert np.isnan(correlations(OWN, few, "path")).all()


def test_told_apart_by_hand():
    """Twenty nodes at 0 and twenty at 1 are told apart; two and two are not, though as different."""
    for count, apart in ((20, 1), (2, 0)):
        zeros, ones = (nodes([x] * count, list(range(count))) for x in (0.0, 1.0))
        assert told_apart(zeros, zeros, "path") == (0, 0, 1)
        assert told_apart(zeros, ones, "path") == (1, apart, 1)


def test_fewer_than_two_nodes_are_no_distribution():
    for left in (0, 1):
        few = nodes([1.0, 2.0, 6.0], [0, -1, -1], dead=3 - left)
        assert np.isnan(distances(OWN, few, "path")).all()
        statistic, *counts = told_apart(OWN, few, "path")
        assert np.isnan(statistic)
        assert counts == [0, 0]


def test_a_teacher_in_disguise_is_found():
    """Nodes reordered, factors passed through, dead ones added: all that belongs to the function is the teacher's."""
    generator = torch.Generator().manual_seed(0)
    first, second, x = (torch.randn(shape, generator=generator) for shape in ((1, 6, 9), (1, 4, 6), (1, 50, 9)))
    order, factor = torch.randperm(6, generator=generator), 0.1 + 3 * torch.rand(1, 6, 1, generator=generator)
    stray = torch.randn(1, 2, 9, generator=generator)
    hidden = torch.cat([(factor * first)[:, order], stray], 1)
    outgoing = torch.cat([(second / factor.mT)[..., order], torch.zeros(1, 4, 2)], -1)
    alive = torch.arange(8)[None] < 6

    own = describe(Network(first, second, torch.ones(1, 6, dtype=torch.bool)), first, x, 1.0)
    student = describe(Network(hidden, outgoing, alive), first, x, 1.0)
    assert own.partner.tolist() == [list(range(6))]
    assert order[student.partner].tolist() == own.partner.tolist()
    for name in ("unit in", "unit out", "in degree", "out degree", "path", "open"):
        torch.testing.assert_close(student.paired(name), own.paired(name), rtol=1e-4, atol=1e-5)
        assert distances(own, student, name) == pytest.approx([0], abs=1e-5)
        assert correlations(own, student, name) == pytest.approx([1])
    assert distances(own, student, "in") > 0.01
    with pytest.raises(ValueError, match="edge must be above 0"):
        describe(Network(hidden, outgoing, alive), first, x, 0.0)
