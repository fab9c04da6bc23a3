"""A student's paths beside its teacher's: answers known by hand, and networks that are their teacher in disguise."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spectral.book.path_analysis import (
    Paths,
    beside,
    distances,
    distances_by_step,
    measured_mean,
    nearest,
    own_paths,
    relative_gap,
)
from spectral.book.subnetwork import Network, paths


def random_networks(seed: int, h: int = 5, d: int = 4, m: int = 3) -> tuple[Network, torch.Tensor]:
    """Two whole networks, and 50 patterns for each."""
    generator = torch.Generator().manual_seed(seed)
    first, second, x = (torch.randn(2, *shape, generator=generator) for shape in ((h, d), (m, h), (50, d)))
    return Network(first, second, torch.ones(2, h, dtype=torch.bool)), x


def disguised(teacher: Network, seed: int) -> Network:
    """The same functions: nodes of both layers in another order, one of the first split in two, a dead one beside."""
    generator = torch.Generator().manual_seed(seed)
    h, m = teacher.first.shape[1], teacher.second.shape[1]
    split, dead = 2 * teacher.first[:, :1], 1e-9 * teacher.first[:, 1:2]
    first, second = torch.cat([teacher.first, split, dead], 1), torch.cat([teacher.second, torch.ones(2, m, 2)], -1)
    second[..., h] = 0.35 * second[..., 0]
    second[..., 0] *= 0.3
    nodes, seconds = torch.randperm(h + 2, generator=generator), torch.randperm(m, generator=generator)
    return Network(first[:, nodes], second[:, seconds][..., nodes], (nodes <= h).expand(2, -1))


@given(st.integers(0, 100))
def test_a_teacher_in_disguise_has_the_teachers_paths(seed):
    teacher, x = random_networks(seed)
    own, found = own_paths(teacher, x), beside(teacher, disguised(teacher, seed), x, 0.9999)
    for one, other in zip(own, found, strict=True):
        torch.testing.assert_close(other.to(one), one, rtol=1e-4, atol=1e-5)
    assert relative_gap(own.single, found.single).max() < 1e-5
    assert max(each.max() for each in distances_by_step(own, found, 0.98)) < 1e-5


def test_paths_of_a_teacher_by_hand():
    """Of two patterns node 0 answers to the first, node 1 to both; the second layer's only node to the second only."""
    teacher = Network(torch.tensor([[[1.0, 0.0], [0.0, 2.0]]]), torch.tensor([[[-3.0, 1.0]]]), torch.ones(1, 2).bool())
    found = own_paths(teacher, torch.tensor([[[1.0, 1.0], [-1.0, 1.0]]]))
    assert found.single.tolist() == [[[[-3.0, 0.0], [0.0, 2.0]]]]
    assert found.cosine.tolist() == [[1.0]]
    assert found.total.tolist() == [[[0.0, 0.0], [0.0, 1.0]]]


def test_only_the_total_does_not_care_how_the_second_layer_shares_its_work():
    """Two nodes that always answer: the teacher's receive (3, 1) and (1, 3), the student's (4, 0.5) and (0, 3.5)."""
    first, alive = torch.eye(2)[None], torch.ones(1, 2).bool()
    x = 0.1 + torch.rand(1, 30, 2, generator=torch.Generator().manual_seed(0))
    teacher = Network(first, torch.tensor([[[3.0, 1.0], [1.0, 3.0]]]), alive)
    student = Network(first, torch.tensor([[[0.0, 3.5], [4.0, 0.5]]]), alive)
    own, found = own_paths(teacher, x), beside(teacher, student, x, 0.98)
    torch.testing.assert_close(found.total, own.total)
    assert found.single.amax(-1).tolist() == [[[4.0, 0.5], [0.0, 3.5]]]  # paired with the node that it is most like
    assert found.cosine[0].tolist() == pytest.approx([12.5 / (10 * 16.25) ** 0.5, 10.5 / (10 * 12.25) ** 0.5])


def test_a_student_may_have_more_nodes_in_its_second_layer():
    teacher, x = random_networks(1)
    more = teacher._replace(second=torch.cat([-teacher.second, teacher.second.flip(1)], 1))
    torch.testing.assert_close(beside(teacher, more, x, 0.98).single, own_paths(teacher, x).single)


def test_students_without_a_survivor_have_no_paths():
    teacher, x = random_networks(2)
    dead = teacher._replace(alive=torch.zeros_like(teacher.alive))
    found = beside(teacher, dead, x, 0.98)
    assert not found.single.any()
    assert not found.total.any()
    _, on_found, _ = distances_by_step(own_paths(teacher, x), found, 0.98)
    assert np.isnan(on_found).all()


def test_distances_by_hand():
    """Sorted, the first two differ by 1 and 3, in units of 4; of the others there is nothing to compare, or no unit."""
    own, others = [[6.0, -2.0], [1.0], [0.0]], [torch.tensor([[-1.0], [3.0]]), [], [1.0]]
    assert distances(own, others).tolist() == pytest.approx([0.5, np.nan, np.nan], nan_ok=True)


def test_steps_by_hand():
    """Single paths 1 and 3 against 2 and 3, of which the second ends in a node that was found; totals 4 against 5."""
    own = Paths(torch.tensor([[[[1.0]], [[3.0]]]]), torch.ones(1, 2), torch.tensor([[[4.0]]]))
    other = Paths(torch.tensor([[[[2.0]], [[3.0]]]]), torch.tensor([[0.5, 0.99]]), torch.tensor([[[5.0]]]))
    assert [each.tolist() for each in distances_by_step(own, other, 0.98)] == [[0.25], [0.0], [0.25]]


def test_the_nearest_of_some():
    assert nearest([[4.0, 6.0], [8.0, 10.0]], [[9.0, 9.0], [5.0], [6.0, 12.0]]).tolist() == [1, 0, 1]


def test_gap_by_hand():
    """Differences (0, 3, 4) of a length of 10; none; and no unit."""
    own = torch.tensor([[[6.0, 8.0, 0.0]], [[1.0, 2.0, 3.0]], [[0.0, 0.0, 0.0]]])
    other = own + torch.tensor([[[0.0, 3.0, 4.0]], [[0.0, 0.0, 0.0]], [[1.0, 0.0, 0.0]]])
    assert relative_gap(own, other).tolist() == pytest.approx([0.5, 0.0, np.nan], nan_ok=True)


def test_what_was_not_measured_does_not_count():
    assert measured_mean(np.array([[1.0, np.nan], [5.0, 3.0]])) == 3.0
    assert np.isnan(measured_mean(np.full((2, 2), np.nan)))


def test_paths_are_those_of_the_networks():
    teacher, x = random_networks(3)
    assert torch.equal(own_paths(teacher, x).single, paths(teacher.first, teacher.second))
