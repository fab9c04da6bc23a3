"""Paths, strengths and kinds of survivors: answers known by hand, and what may not depend on the gauge."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spectral.activations import ACTIVATIONS
from spectral.book.subnetwork import (
    KINDS,
    Network,
    aligned,
    compared,
    degrees,
    gathered,
    in_strengths,
    kinds,
    kinks,
    mixture,
    open_share,
    owners,
    path_weights,
    paths,
    relative_distance,
    strengths,
    unit_rows,
)
from spectral.lab.collection import comparable
from spectral.lab.experiment import draw_task, other_teachers
from spectral.lab.results import run
from spectral.lab.store import Store
from spectral.measures import match_teacher, survivors
from spectral.prune import node_scores

FIRST, SECOND = torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([[3.0, 5.0]])


def network(seed: int, h: int = 6, d: int = 4, m: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A random network, with 50 patterns, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((1, h, d), (1, m, h), (1, 50, d))
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)


def rescaled(first, second, seed):
    """The same function in another gauge."""
    c = 0.1 + 3 * torch.rand(first.shape[:-1], generator=torch.Generator().manual_seed(seed), dtype=first.dtype)
    return first * c.unsqueeze(-1), second / c.unsqueeze(-2)


def test_what_is_left_of_a_network():
    """Of three nodes the second is dead in the first member, and two are in the other."""
    alive = torch.tensor([[True, False, True], [False, True, False]])
    first, second = torch.arange(12.0).view(2, 3, 2), torch.arange(6.0).view(2, 1, 3)
    one, other = (Network(first, second, alive).of(member) for member in range(2))
    assert [weights.tolist() for weights in one] == [[[0, 1], [4, 5]], [[0, 2]]]
    assert [weights.tolist() for weights in other] == [[[8, 9]], [[4]]]


@pytest.fixture
def results(small, tmp_path, monkeypatch):
    """Two teachers of two trials; of the direct students the weights of one trial each were kept."""
    monkeypatch.setattr(sys.modules["spectral.lab.results"], "KEEP_TOGETHER", 0)
    monkeypatch.setattr(sys.modules["spectral.lab.results"], "KEEP_MEMBERS", 2)
    config, store = replace(small, teachers=2, trials=2), Store(tmp_path, tmp_path)
    return {"spectral": run(config, store=store), "matched": run(config.direct_twin(), store=store)}


def test_students_beside_their_own_teachers_and_foreign_ones(results):
    found = compared(results, 0.7)
    assert found.sample == comparable(*results.values()) == ([0, 2], 2, 1)
    assert found.networks.keys() == {"teacher", "other", "spectral", "matched"}
    config = results["spectral"].config
    task = draw_task(config, [config.members[index] for index in (0, 2)])
    assert torch.equal(found.task.test.x, task.test.x)
    teacher, other = found.networks["teacher"], found.networks["other"]
    assert torch.equal(teacher.first, task.teacher.first)
    assert torch.equal(teacher.second, task.teacher.second)
    assert torch.equal(other.first, other_teachers(config).first[[0, 2]])
    assert not torch.equal(other.first, teacher.first)
    assert teacher.alive.all()
    assert other.alive.all()
    assert teacher.alive.shape == other.alive.shape == (2, 4)
    for role, score in (("spectral", "incoming"), ("matched", "product")):
        network, student = found.networks[role], results[role].student([0, 2])
        assert torch.equal(network.first, student.first.weight)
        assert torch.equal(network.second, student.second.weight)
        assert not network.first.requires_grad
        assert torch.equal(network.alive, survivors(node_scores(student, score), 0.7))
        assert 0 < network.alive.sum() < network.alive.numel(), "nothing was pruned"
    with pytest.raises(ValueError, match="threshold must lie from 0"):
        compared(results, 1.0)


def test_a_single_student_is_compared_with_all_its_members(results):
    assert compared({"spectral": results["spectral"]}, 0.05).sample == ([0, 1, 2, 3], 2, 2)


def test_paths_and_strengths_by_hand():
    """Node 0 receives (1, 2) and sends 3, node 1 receives (0, -1) and sends 5."""
    assert paths(FIRST, SECOND).tolist() == [[[3.0, 6.0], [0.0, -5.0]]]
    assert sorted(path_weights(FIRST, SECOND)) == [-5.0, 0.0, 3.0, 6.0]
    assert in_strengths(FIRST).tolist() == [0.75, -0.25]  # sums 3 and -1, range 4


def test_distance_by_hand():
    """The sorted numbers differ by 1 and 3; the mean absolute one is 4."""
    assert relative_distance(np.array([6.0, -2.0]), np.array([-1.0, 3.0])) == pytest.approx(2 / 4)


@given(st.integers(0, 100))
def test_open_paths_add_up_to_the_answer(seed):
    """To a single pattern a path is open or not; what the open ones carry is what the network answers."""
    first, second, x = network(seed)
    one = x[:, :1]
    carried = (paths(first, second) * open_share(first, second, one).unsqueeze(-1) * one[:, :, None]).sum((1, 2, 3))
    answer = ((one @ first.mT).relu() @ second.mT).relu().sum(-1)[:, 0]
    torch.testing.assert_close(carried, answer)


def test_open_share_by_hand():
    """Of four patterns node 0 answers to two, node 1 to two others and to one of these; second node only to both."""
    first = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    second = torch.tensor([[1.0, 1.0], [1.0, -3.0]])
    x = torch.tensor([[1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert open_share(first, second, x).tolist() == [[0.5, 0.5], [0.25, 0.0]]


@given(st.integers(0, 100))
def test_nothing_that_counts_depends_on_the_gauge(seed):
    first, second, x = network(seed)
    other = rescaled(first, second, seed)
    for measure in (paths, unit_rows, lambda f, s: (degrees(f, 1.0), degrees(s.mT, 1.0))):
        torch.testing.assert_close(measure(*other), measure(first, second))
    for measure in (open_share, kinks):
        torch.testing.assert_close(measure(*other, x), measure(first, second, x))
    unit, outgoing = unit_rows(first, second)
    torch.testing.assert_close(unit.norm(dim=-1), torch.ones_like(first[..., 0]))
    torch.testing.assert_close(paths(unit, outgoing), paths(first, second))


@given(st.integers(0, 100))
def test_strengths_on_one_side_depend_on_the_gauge_and_no_others(seed):
    first, second, x = network(seed)
    one, other = strengths(first, second, x), strengths(*rescaled(first, second, seed), x)
    torch.testing.assert_close(one["path"], one["in"] * one["out"])
    for name, values in one.items():
        assert values.shape == (1, 6), name
        assert torch.allclose(values.double(), other[name].double()) == (name not in ("in", "out")), name


def test_strengths_by_hand():
    """Node 0: in 3 + 4, out 2 - 1, norm 5; only its first outgoing path is ever open."""
    first, second = torch.tensor([[3.0, 4.0], [0.0, -2.0]]), torch.tensor([[2.0, 1.0], [-1.0, 1.0]])
    found = strengths(first, second, torch.tensor([[1.0, 1.0], [-1.0, 0.5]]))
    expected = {
        "in": [7.0, -2.0],
        "unit in": [1.4, -1.0],
        "out": [1.0, 2.0],
        "unit out": [5.0, 4.0],
        "path": [7.0, -4.0],
        "open": [7.0, 0.0],  # to the first pattern, half of them: 0.5 * 7 * 2
        "in degree": [1, 1],
        "out degree": [1, 0],
    }
    assert {name: pytest.approx(values.tolist()) for name, values in found.items()} == expected


def test_silent_nodes_stay_silent():
    unit, outgoing = unit_rows(torch.zeros(2, 3), torch.ones(1, 2))
    assert not unit.any()
    assert not outgoing.any()


def test_degree_by_hand():
    """Root mean squares 5 and 1: one weight of (7, 1, 0, 0) is above its own, none of equal ones is above itself."""
    weights = torch.tensor([[7.0, 1.0, 7.0, 1.0], [1.0, -1.0, 1.0, 1.0]])
    assert degrees(weights, 1.0).tolist() == [2, 0]
    assert degrees(weights, 0.5).tolist() == [2, 4]
    for edge in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="edge must be above 0"):
            degrees(weights, edge)


def test_a_kink_by_hand():
    """z = relu(x) - relu(y) in the quarter where both are positive: it bends along x = y, with normal (1, -1)."""
    x = 0.1 + torch.rand(400, 2, generator=torch.Generator().manual_seed(0))
    second = torch.tensor([[1.0, -1.0]])
    torch.testing.assert_close(kinks(torch.eye(2), second, x), second)
    far = torch.tensor([[-1.0, 3.0]]).expand(400, 2)  # where its gradient is (0, -1), but it is not near zero
    torch.testing.assert_close(kinks(torch.eye(2), second, torch.cat([x, far])), second)
    dark = torch.tensor([[-1.0, -1.0]]).expand(400, 2)  # where it is zero, and flat
    torch.testing.assert_close(kinks(torch.eye(2), second, torch.cat([x, dark])), second)
    assert not kinks(torch.eye(2), second, dark).any()
    for part in (0.0, 1.5):
        with pytest.raises(ValueError, match="part must be above 0 and at most 1"):
            kinks(torch.eye(2), torch.ones(1, 2), x, part)


# A teacher along the axes of space; a student with node 0 its own, 2 and 3 nearly the same direction, 4 between two.
TEACHER = torch.eye(3)[None]
STUDENT = torch.tensor(
    [[[2.0, 0, 0], [0, 0, 9.0], [0, 1.0, 0.02], [0, 3.0, 0.01], [5.0, 5.0, 0.1], [-1.0, 0, 0], [1.0, 1.0, 1.0]]]
)
ALIVE = torch.tensor([[True, False, True, True, True, True, True]])


def test_owners_and_kinds_by_hand():
    assert owners(TEACHER, STUDENT, ALIVE).tolist() == [[0, -1, 1, 1, -1, -1, -1]]
    assert owners(TEACHER, STUDENT, ALIVE, cosine=0.7).tolist() == [[0, -1, 1, 1, 0, -1, -1]]
    found = {kind: torch.nonzero(nodes[0]).flatten().tolist() for kind, nodes in kinds(TEACHER, STUDENT, ALIVE).items()}
    assert found == {"partner": [0, 3], "duplicate": [2], "mixture": [4], "other": [5, 6]}


@given(st.integers(0, 100))
def test_every_survivor_has_one_kind(seed):
    generator = torch.Generator().manual_seed(seed)
    teacher, student = torch.randn(2, 4, 3, generator=generator), torch.randn(2, 9, 3, generator=generator)
    alive = torch.rand(2, 9, generator=generator) < 0.6
    found = kinds(teacher, student, alive, 0.9)
    assert tuple(found) == KINDS
    assert torch.equal(sum(nodes.int() for nodes in found.values()), alive.int())
    assert torch.equal(found["partner"].sum(-1), match_teacher(teacher, student, alive).count(0.9))


def test_nobody_survives():
    """As after three epochs with a high threshold: no partner, no duplicate, no error."""
    dead = torch.zeros_like(ALIVE)
    assert not any(nodes.any() for nodes in kinds(TEACHER, STUDENT, dead).values())
    assert not gathered(torch.ones(1, 2, 7, 3), owners(TEACHER, STUDENT, dead), 3).any()


def test_gathering_undoes_a_split():
    """A teacher node shared out among two student nodes, 30 to 70, and a stray node: the paths are the teacher's."""
    first, second, _ = network(3, h=2)
    stray = torch.tensor([[[-1.0, 1.0, -1.0, 1.0]]], dtype=torch.float64)
    student = torch.cat([first[:, :1], 2 * first[:, :1], first[:, 1:], stray], 1)
    outgoing = torch.stack([0.3 * second[..., 0], 0.35 * second[..., 0], second[..., 1], second[..., 0]], -1)
    alive = torch.ones(1, 4, dtype=torch.bool)
    owner = owners(first, student, alive)
    assert owner.tolist() == [[0, 0, 1, -1]]
    torch.testing.assert_close(gathered(paths(student, outgoing), owner, 2), paths(first, second))


@given(st.integers(0, 100))
def test_mixtures_against_a_search(seed):
    """The best of 2,001 weights for each of the six pairs of four nodes."""
    generator = torch.Generator().manual_seed(seed)
    teacher = torch.nn.functional.normalize(torch.randn(1, 4, 3, generator=generator, dtype=torch.float64), dim=-1)
    student = torch.randn(1, 5, 3, generator=generator, dtype=torch.float64)
    share = torch.linspace(0, 1, 2_001, dtype=torch.float64)[:, None]
    pairs = [(a, b) for a in range(4) for b in range(a)]
    mixed = torch.cat([share * teacher[0, a] + (1 - share) * teacher[0, b] for a, b in pairs])
    best = torch.nn.functional.cosine_similarity(mixed[:, None], student, dim=-1).amax(0)
    torch.testing.assert_close(mixture(teacher, student)[0], best, rtol=0, atol=1e-4)


@pytest.mark.parametrize("activation", ["relu", "tanh", "erf"])
def test_open_paths_add_up_to_the_mean_gradient(activation):
    """Weight times open share, summed over all paths from an input: what autograd says, whatever the inputs are."""
    generator = torch.Generator().manual_seed(1)
    first, second = (torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((5, 3), (2, 5)))
    x = torch.randn(40, 3, generator=generator, dtype=torch.float64) @ first[:3]  # correlated
    x.requires_grad_(True)
    apply = ACTIVATIONS[activation].apply
    apply(apply(x @ first.T) @ second.T).sum().backward()
    carried = paths(first, second) * open_share(first, second, x.detach(), activation).unsqueeze(-1)
    torch.testing.assert_close(carried.sum((0, 1)), x.grad.mean(0))
    found = strengths(first, second, x.detach(), activation=activation)["open"]
    torch.testing.assert_close(found, carried.sum((0, 2)))


def odd(first: torch.Tensor, second: torch.Tensor) -> Network:
    return Network(first, second, torch.ones(first.shape[:2], dtype=torch.bool), "tanh")


def test_nodes_of_an_odd_activation_get_the_sign_of_a_teacher_node():
    """The function and the paths stay, and what was found with the other sign is found."""
    generator = torch.Generator().manual_seed(2)
    first, second = torch.randn(2, 6, 4, generator=generator), torch.randn(2, 3, 6, generator=generator)
    sign = torch.tensor([1.0, -1, 1, -1, -1, 1])
    teacher = odd(first, second)
    flipped = odd(first * sign[:, None], second * sign)
    found = aligned(flipped, teacher)
    torch.testing.assert_close(found.first, first)
    torch.testing.assert_close(found.second, second)
    assert torch.equal(paths(flipped.first, flipped.second), paths(found.first, found.second))
    relu = flipped._replace(activation="relu")
    assert aligned(relu, teacher) is relu


def test_a_mean_of_nodes_of_an_odd_activation_may_have_either_sign():
    """(1, 0) less (0, 1) points half way between the one and the negative of the other."""
    teacher, student = torch.eye(2)[None], torch.tensor([[[1.0, -1.0]]])
    alive = torch.ones(1, 1, dtype=torch.bool)
    assert kinds(teacher, student, alive)["other"].all()
    assert kinds(teacher, student, alive, signed=False)["mixture"].all()
