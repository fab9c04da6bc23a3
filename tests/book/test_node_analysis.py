"""Nodes beside their teacher's: networks of which it is known whose node is whose."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spectral.book.node_analysis import (
    angles,
    census,
    error_with,
    identify,
    nearest_bend,
    number,
    second_layer,
    sent,
    side_by_side,
    weakest,
)
from spectral.book.subnetwork import Network, unit_rows
from spectral.lab.collection import Sample
from spectral.measures import Matching
from spectral.students import as_student
from spectral.tasks import Patterns, Teacher

DOUBLE = torch.float64
# A teacher along the axes of space, and one that sends along them; of the student node 0 is its own, 2 and 3 are nearly
# the same direction, 4 is between two, 5 and 6 are others, 1 is dead.
TEACHER = Network(torch.eye(3)[None], torch.eye(3)[None], torch.ones(1, 3, dtype=torch.bool))
STUDENT = Network(
    torch.tensor(
        [[[2.0, 0, 0], [0, 0, 9.0], [0, 1.0, 0.02], [0, 3.0, 0.01], [5.0, 5.0, 0.1], [-1.0, 0, 0], [1.0, 1.0, 1.0]]]
    ),
    torch.ones(1, 3, 7),
    torch.tensor([[True, False, True, True, True, True, True]]),
)


def random(seed: int, h: int = 5, d: int = 8, m: int = 3, members: int = 1) -> Network:
    """Random networks of living nodes; of so few nodes in so many dimensions none are alike."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(members, h, d, generator=generator, dtype=DOUBLE)
    second = torch.randn(members, m, h, generator=generator, dtype=DOUBLE)
    return Network(first, second, torch.ones(members, h, dtype=torch.bool))


def disguised(teacher: Network) -> Network:
    """Its nodes in both layers in reverse, in another gauge, with a dead and a foreign node at the front."""
    first, second = 3 * teacher.first.flip(1), teacher.second.flip(1, 2) / 3
    foreign = -teacher.first.sum(1, keepdim=True)
    alive = torch.tensor([[False, True, *[True] * first.shape[1]]])
    into = torch.ones(*second.shape[:2], 2, dtype=DOUBLE)
    return Network(torch.cat([teacher.first[:, :1], foreign, first], 1), torch.cat([into, second], 2), alive)


def test_nodes_are_identified_by_hand():
    nodes = identify(TEACHER, STUDENT, 0.98)
    assert nodes.found.tolist() == [[True, True, False]]  # the third would be the dead one's
    assert nodes.pairs.student[0, :2].tolist() == [0, 3]
    assert nodes.surplus.nonzero()[:, 1].tolist() == [4, 5, 6]
    assert nodes.surplus.equal(nodes.kinds["mixture"] | nodes.kinds["other"])


def test_angles_by_hand():
    """A cosine may be above 1 by rounding; a teacher node without partner has none."""
    cosine = torch.tensor([[1 + 1e-12, 0.5, 0.0, torch.nan]], dtype=DOUBLE)
    assert angles(Matching(torch.tensor([[0, 1, 2, -1]]), cosine))[0].tolist() == pytest.approx([0, 60, 90, 180])


def test_a_census_by_hand():
    """Three teachers whose students are all alike: means are theirs, and no share has an interval of width zero."""
    three = [Network(*(each.expand(3, *each.shape[1:]) for each in network[:3])) for network in (TEACHER, STUDENT)]
    found = census(Sample([0, 1, 2], 3, 1), three[1], identify(*three, 0.98))
    assert {name: float(mean.value) for name, mean in found.items()} == pytest.approx(
        {
            "survivors": 6,
            "teacher nodes found": 2,
            "partners": 2,
            "duplicates": 1,
            "mixtures": 1,
            "others": 2,
            "surplus": 3,
        }
    )
    assert all(mean.low < mean.value < mean.high for name, mean in found.items() if name != "survivors")
    assert 0 < found["partners"].low < found["partners"].high < 3  # of three teacher nodes


def test_a_number_that_never_varies_has_an_interval():
    """Of 10 x 20 nodes that are all found, 2.5 % of samples would be so if 19.6 of 20 were; few teachers widen that."""
    found = number(Sample(list(range(10)), 10, 1), torch.ones(10, 20, dtype=torch.bool))
    assert (found.value, found.high) == (20, 20)
    assert 19 < found.low < 20 * 0.025 ** (1 / 200)
    assert f"{number(Sample([0], 1, 1), torch.ones(1, 20, dtype=torch.bool)):.1f}" == "20.0"


def test_the_weakest_by_hand():
    scores = torch.tensor([[3.0, 1.0, 2.0, 0.0, 2.0]] * 4)
    among = torch.tensor([[True, True, True, False, True]] * 4)
    gone = weakest(scores, among, torch.tensor([0, 1, 2, 9]))
    assert [row.nonzero().flatten().tolist() for row in gone] == [[], [1], [1, 4], [0, 1, 2, 4]]


def test_errors_by_hand():
    """Two nodes that answer x and y to different patterns: without one of them half of E[y^2] is lost."""
    network = Teacher(torch.eye(2)[None].expand(4, 2, 2), torch.ones(4, 1, 2), "relu")
    x = torch.tensor([[3.0, -1.0], [-1.0, 3.0]]).expand(4, 2, 2)
    keep = torch.tensor([[True, True], [True, False], [False, True], [False, False]])
    error = error_with(as_student(network), Patterns(x, network(x)), keep)
    assert error.tolist() == [0, 0.5, 0.5, 1]


@given(st.integers(0, 100))
def test_a_teacher_in_disguise_is_found(seed):
    teacher = random(seed)
    student = disguised(teacher)
    nodes = identify(teacher, student, 0.99)
    assert nodes.found.all()
    assert nodes.pairs.student.tolist() == [[6, 5, 4, 3, 2]]
    assert nodes.surplus.nonzero().tolist() == [[0, 1]]
    for measure in (second_layer, sent):
        torch.testing.assert_close(measure(teacher, student, 0.99), torch.ones_like(measure(teacher, student, 0.99)))


def test_what_is_missing_is_missed():
    """A student without the teacher's second node finds one of two that receive from one node each, and sends half."""
    first, second = torch.eye(2)[None], torch.eye(2)[None]
    student = Network(first, second, torch.tensor([[True, False]]))
    teacher = Network(first, second, torch.ones(1, 2, dtype=torch.bool))
    assert second_layer(teacher, student, 0.9).tolist() == [[1, 0]]
    assert sent(teacher, student, 0.9).tolist() == [0.5]


def test_what_does_not_end_alike_is_not_found():
    """The second layer's node receives from both nodes in the teacher, and from one of them in the student."""
    first = torch.eye(2)[None]
    every = torch.ones(1, 2, dtype=torch.bool)
    teacher = Network(first, torch.tensor([[[1.0, 1.0]]]), every)
    student = Network(first, torch.tensor([[[1.0, 0.0]]]), every)
    assert second_layer(teacher, student, 0.9)[0].tolist() == pytest.approx([0.5**0.5])
    assert sent(teacher, student, 0.9).tolist() == [0.5]


def test_nearest_bends_by_hand():
    """Cosines 1 and 0.6 with the bend chosen, either way round; the second counts half. No bend, no number."""
    directions = torch.tensor([[[-2.0, 0.0], [0.6, 0.8]]] * 2, dtype=DOUBLE)
    weights = torch.tensor([[1.0, 0.5]] * 2)
    bends = torch.tensor([[[1.0, 0.0], [0.0, 5.0]]] * 2, dtype=DOUBLE)
    which = torch.tensor([[True, False], [False, False]])
    assert nearest_bend(directions, weights, bends, which).flatten().tolist() == pytest.approx([1.3, 1.5, 0, 0])
    both = torch.ones(2, 2, dtype=torch.bool)
    assert nearest_bend(directions, weights, bends, both)[0].tolist() == pytest.approx([1.4, 1.5])


@given(st.integers(0, 100))
def test_a_teacher_in_disguise_stands_beside_itself(seed):
    """Node for node in both layers, the strongest first; its foreign node comes last."""
    teacher = random(seed)
    student = disguised(teacher)
    (first, second), (own_first, own_second) = side_by_side(teacher, student, identify(teacher, student, 0.99), 0)
    torch.testing.assert_close(own_first[:5], first)
    torch.testing.assert_close(own_second[:, :5], second)
    assert own_first.shape == (6, 8)
    torch.testing.assert_close(own_first[5], unit_rows(student.first[0], student.second[0])[0][1])
    norms = second.norm(dim=0)
    assert (norms[:-1] >= norms[1:]).all()


def test_no_node_stands_twice():
    """A partner that is not alike is surplus, too, and stands at its partner's height alone."""
    teacher, student = random(0, h=2), random(1, h=3)
    _, (first, _) = side_by_side(teacher, student, identify(teacher, student, 0.99), 0)
    assert len(first) == 3
    assert len(first.unique(dim=0)) == 3


def test_all_survivors_stand_beside_the_teacher():
    """Of the six living nodes three are paired; the copy of a teacher node is among the others."""
    (first, _), (own_first, _) = side_by_side(TEACHER, STUDENT, identify(TEACHER, STUDENT, 0.98), 0)
    assert (len(first), len(own_first)) == (3, 6)
    living = unit_rows(STUDENT.first[0], STUDENT.second[0])[0][STUDENT.alive[0]]
    assert {tuple(row) for row in own_first.tolist()} == {tuple(row) for row in living.tolist()}
