import math

import pytest
import torch

from spectral.together import agreement, chance, recurrence, recurring

ANGLE = math.acos(0.98)


def turned(angle: float) -> torch.Tensor:
    """The first unit vector of three dimensions, turned by an angle."""
    return torch.tensor([math.cos(angle), math.sin(angle), 0.0], dtype=torch.float64)


def students(*nodes: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack([torch.stack(one) for one in nodes])


E = torch.eye(3, dtype=torch.float64)


def test_recurrence_by_hand():
    """Student 0 has two thirds of its score where student 1 has a node, too; that one has half of it there."""
    first = students([2 * E[0], E[1]], [5 * E[0], E[2]])
    product = torch.tensor([[2.0, 1.0], [3.0, 3.0]])
    assert torch.allclose(agreement(first, product), torch.tensor([[1, 2 / 3], [1 / 2, 1]], dtype=torch.float64))
    assert recurrence(first, product) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_what_is_weak_is_neither_asked_nor_an_answer():
    first = students([E[0], E[1]], [E[0], E[1]])
    assert recurrence(first, torch.tensor([[1.0, 0.0], [1.0, 1.0]])) == pytest.approx((1 + 0.5) / 2)
    assert recurrence(first, torch.tensor([[1.0, 0.04], [1.0, 0.04]])) == 1


@pytest.mark.parametrize(("angle", "met"), [(0.99 * ANGLE, 1.0), (1.01 * ANGLE, 0.0)])
def test_directions_are_alike_up_to_the_angle(angle, met):
    first = students([E[0]], [turned(angle)])
    assert recurrence(first, torch.ones(2, 1)) == met
    assert len(recurring(first, torch.ones(2, 1)).directions) == met


def test_a_negative_is_another_direction_unless_signs_do_not_count():
    first, ones = students([E[0]], [-2 * E[0]]), torch.ones(2, 1)
    assert recurrence(first, ones) == 0
    assert recurrence(first, ones, signed=False) == 1
    assert len(recurring(first, ones).directions) == 0
    assert torch.allclose(recurring(first, ones, signed=False).directions.abs(), E[:1])


def test_a_group_counts_once_whatever_the_copies_and_only_if_all_have_it():
    """Copies in one student are no second group; what two of three have counts with a share of two thirds."""
    first = students([E[0], 3 * E[0], E[1]], [E[0], E[1], E[1]], [E[0], E[2], E[2]])
    product = torch.tensor([[1.0, 2.0, 4.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    found = recurring(first, product)
    assert torch.allclose(found.directions, E[:1])
    assert found.strength.tolist() == pytest.approx([5 / 3])
    two = recurring(first, product, share=2 / 3)
    assert torch.allclose(two.directions, E[[1, 0]])  # the strongest first
    assert two.strength.tolist() == pytest.approx([2, 5 / 3])


def test_neither_scale_nor_order_of_nodes_nor_of_students_changes_anything():
    generator = torch.Generator().manual_seed(0)
    teacher = torch.randn(6, 8, generator=generator)
    noise = torch.randn(4, 9, 8, generator=generator)
    noise[:, :6] = teacher + 0.02 * noise[:, :6]
    product = torch.rand(4, 9, generator=generator) + 0.5
    order = torch.randperm(9, generator=generator)
    other = (noise * (1 + torch.rand(4, 9, 1, generator=generator)))[:, order].flip(0)
    assert recurrence(noise, product) == pytest.approx(recurrence(other, product[:, order].flip(0)))
    found = recurring(noise, product)
    assert len(found.directions) == 6
    cosines = torch.nn.functional.normalize(teacher.double(), dim=-1) @ found.directions.mT
    assert cosines.amax(-1).min() > 0.99


@pytest.mark.parametrize(("d", "nodes", "signed"), [(2, 3, True), (4, 60, True), (5, 200, True), (4, 60, False)])
def test_strangers_agree_by_chance(d, nodes, signed):
    """Random directions, as many as the formula takes; the shares of thousands of nodes."""
    generator = torch.Generator().manual_seed(d)
    first = torch.randn(8, nodes, d, generator=generator)
    found = recurrence(first, torch.ones(8, nodes), signed=signed)
    expected = chance(d, nodes, signed=signed)
    assert found == pytest.approx(expected, abs=4 * math.sqrt(expected / nodes) / 2)
    assert chance(d, nodes) < chance(d, 2 * nodes) <= 1
    assert chance(d + 1, nodes) < chance(d, nodes)


def test_chance_by_hand():
    """On a line half of the directions are the same; on a circle the share of the angle."""
    assert chance(1, 1) == 0.5
    assert chance(1, 1, signed=False) == 1
    assert chance(2, 1, 0.98) == pytest.approx(ANGLE / math.pi)
    assert chance(3, 1, 0.5) == pytest.approx((1 - 0.5) / 2)  # Archimedes: a cap's area goes with its height


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.ones(1, 2, 3), torch.ones(1, 2)), "one student cannot be compared with itself"),
        ((torch.ones(2, 2, 3), torch.ones(2, 3)), r"got \(2, 2, 3\) and \(2, 3\)"),
        ((torch.ones(2, 2, 3), torch.zeros(2, 2)), "a student has no node that says anything"),
        ((torch.ones(2, 2, 3), torch.full((2, 2), torch.nan)), "scores must be finite"),
    ],
)
def test_what_cannot_be_asked_is_refused(arguments, message):
    for measure in (agreement, recurring):
        with pytest.raises(ValueError, match=message):
            measure(*arguments)


def test_impossible_numbers_are_refused():
    two = torch.ones(2, 2, 3), torch.ones(2, 2)
    with pytest.raises(ValueError, match="cosine must lie between 0 and 1"):
        recurrence(*two, cosine=1.0)
    with pytest.raises(ValueError, match="share must be a part above 0 and at most 1, not 0"):
        recurring(*two, share=0)
    with pytest.raises(ValueError, match="threshold must lie from 0"):
        recurrence(*two, threshold=1)
    with pytest.raises(ValueError, match="d must be a whole number of at least 1, not 0"):
        chance(0, 1)


def test_directions_have_no_unit():
    first, product = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)).double(), torch.ones(3, 4)
    first[1:] = first[0]
    for factor in (1e-300, 1e-20, 1.0, 1e300):
        assert recurrence(factor * first, product) == pytest.approx(1.0)
        assert len(recurring(factor * first, product).directions) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"first": torch.full((2, 2, 3), torch.nan)},
            r"first must be finite; .* at \(0, 0, 0\) \(student, node, input\)",
        ),
        ({"first": torch.zeros(2, 2, 3)}, r"a node with a score but no incoming weights has no direction: \(0, 0\)"),
        ({"first": [[[1.0]], [[1.0]]]}, "first must be a tensor, as torch.as_tensor makes it; got a list"),
        ({"product": torch.ones(2, 2) > 0}, "product must be a tensor of real numbers; got torch.bool"),
        ({"product": torch.ones(2, 0), "first": torch.ones(2, 0, 3)}, "scores must be of 1 or more nodes of each"),
        ({"cosine": "0.9"}, "cosine must lie between 0 and 1 .*, not '0.9'"),
    ],
)
def test_an_impossible_argument_is_named(change, message):
    for measure in (agreement, recurring, recurrence):
        with pytest.raises((ValueError, TypeError), match=message):
            measure(**{"first": torch.ones(2, 2, 3), "product": torch.ones(2, 2)} | change)


def test_of_what_is_not_asked_nothing_need_be_known():
    first, product = torch.ones(2, 2, 3), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    first[:, 1] = torch.nan
    assert recurrence(first, product) == 1
    for arguments, name in (((2.5, 1), "d"), ((2, 1.5), "nodes"), ((2, float("inf")), "nodes")):
        with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1, not"):
            chance(*arguments)
