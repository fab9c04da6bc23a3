import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from spectral import Pair, SpectralLinear, Student, compact, greedy_order, mask, node_scores, prune_sweep, rank
from spectral.curves import errors_without
from spectral.lab.experiment import prepare
from spectral.tasks import Patterns
from spectral.train import mse

DOUBLE = torch.float64


def shaken(student: Student) -> Student:
    """The student with all its factors moved off their start."""
    with torch.no_grad():
        for parameter in student.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, dtype=parameter.dtype, generator=torch.Generator())
    return student


def test_scores_by_hand(toy):
    """Weight rows (3, 4), (0, -1), (2, 0) from eigenvalues -1, 2, 2; readout 1, 2, 0.5."""
    assert node_scores(toy).tolist() == [[5.0, 1.0, 2.0]]
    assert node_scores(toy, "eigenvalue").tolist() == [[1.0, 2.0, 2.0]]
    assert node_scores(toy, "product").tolist() == [[5.0, 2.0, 1.0]]
    assert rank(node_scores(toy)).tolist() == [[0, 2, 1]]
    assert rank(node_scores(toy, "eigenvalue")).tolist() == [[1, 2, 0]]  # equal scores keep their order


def test_scores_of_a_direct_student_are_its_weight_norms(small):
    _, student = prepare(replace(small, parametrization="direct"))
    assert torch.equal(node_scores(student), student.first.phi.norm(dim=-1))


@given(c=st.floats(0.01, 100), sign=st.sampled_from([-1, 1]), seed=st.integers(0, 50))
def test_ranking_does_not_see_how_a_weight_is_shared(c, sign, seed):
    """phi -> c phi, lam -> lam / c, node by node."""
    student = Student(4, 7, 3, dtype=DOUBLE, generators=[torch.Generator().manual_seed(seed)])
    factors = sign * c ** torch.linspace(-1, 1, 7, dtype=DOUBLE)
    moved = copy.deepcopy(student)
    with torch.no_grad():
        moved.first.phi *= factors[:, None]
        moved.first.lam_out /= factors
    torch.testing.assert_close(node_scores(moved), node_scores(student), rtol=1e-12, atol=0)
    assert torch.equal(rank(node_scores(moved)), rank(node_scores(student)))


@given(c=st.floats(0.01, 100), seed=st.integers(0, 50))
def test_product_score_does_not_see_the_gauge_of_relu(c, seed):
    """w_in -> c w_in, w_out -> w_out / c leaves a relu network's function and this score alone."""
    student = Student(4, 7, 3, dtype=DOUBLE, generators=[torch.Generator().manual_seed(seed)])
    moved, factors = copy.deepcopy(student), c ** torch.linspace(-1, 1, 7, dtype=DOUBLE)
    with torch.no_grad():
        moved.first.phi *= factors[:, None]
        moved.second.phi /= factors
    x = torch.randn(20, 4, dtype=DOUBLE, generator=torch.Generator())
    torch.testing.assert_close(moved(x), student(x), rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(node_scores(moved, "product"), node_scores(student, "product"), rtol=1e-12, atol=0)


def test_mask_by_hand(toy):
    """Without node 0 the answer to (1, 1) falls from 8 to 1; the student itself is left alone."""
    x = torch.tensor([[1.0, 1.0]], dtype=DOUBLE)
    assert mask(toy, torch.tensor([[False, True, True]]))(x).tolist() == [[1.0]]
    assert toy(x).tolist() == [[8.0]]


@pytest.mark.parametrize("activation", ["relu", "tanh", "erf"])
def test_masked_equals_compacted(small, activation):
    """Members that keep 5, 2 and 1 of 8 nodes: one network of width 5, filled up with silent nodes."""
    task, student = prepare(replace(small, activation=activation))
    shaken(student)
    keep = torch.zeros(3, 8, dtype=torch.bool)
    keep[0, [0, 2, 3, 5, 7]] = keep[1, [1, 6]] = keep[2, 4] = True
    narrow, origin = compact(student, keep)
    assert narrow.student_hidden == 5
    assert narrow.first.phi.shape == (3, 5, 5)
    assert narrow.second.phi.shape == (3, 3, 5)
    assert origin.tolist() == [[0, 2, 3, 5, 7], [1, 6, -1, -1, -1], [4, -1, -1, -1, -1]]
    torch.testing.assert_close(narrow(task.test.x), mask(student, keep)(task.test.x), rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(node_scores(narrow)[1, :2], node_scores(student)[1, [1, 6]], rtol=0, atol=0)
    assert sum(p.numel() for p in narrow.parameters()) < sum(p.numel() for p in student.parameters())
    again = Student(5, 5, 3, 3, dtype=DOUBLE, activation=activation)
    again.load_state_dict(narrow.state_dict())  # a real smaller network, not a disguised large one
    assert torch.equal(again(task.test.x), narrow(task.test.x))


@pytest.mark.parametrize("first", [nn.Linear(4, 6, dtype=DOUBLE), SpectralLinear(4, 6, bias=True, dtype=DOUBLE)])
@pytest.mark.parametrize("second", [nn.Linear(6, 3, dtype=DOUBLE), SpectralLinear(6, 3, bias=True, dtype=DOUBLE)])
@pytest.mark.parametrize("activation", [torch.relu, torch.sigmoid])
def test_layers_of_ones_own_network(first, second, activation):
    """Biases and outgoing weights go with a node, also where the activation does not vanish at zero."""
    with torch.no_grad():
        for parameter in (*first.parameters(), *second.parameters()):
            parameter.normal_(generator=torch.Generator().manual_seed(parameter.numel()))
    pair, x = Pair(first, second), torch.randn(9, 4, dtype=DOUBLE)

    def apply(pair):
        return pair.second(activation(pair.first(x)))

    keep = torch.tensor([True, False, True, True, False, False])
    hidden = activation(first(x)) * keep
    masked, (smaller, origin) = mask(pair, keep), compact(pair, keep)
    torch.testing.assert_close(apply(masked), second(hidden), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(apply(smaller), second(hidden), rtol=1e-12, atol=1e-13)
    assert origin.tolist() == [0, 2, 3]
    assert (smaller.first.out_features, smaller.second.in_features) == (3, 3)
    assert type(smaller.first) is type(first)
    assert first.out_features == 6
    apply(smaller).sum().backward()  # still trains
    kind = "eigenvalue" if isinstance(first, SpectralLinear) else "product"
    assert node_scores(pair, kind).shape == (6,)


def test_sweep_equals_pruning_by_hand(small):
    """One node after the other, from the last of the order, with `mask`; and in chunks as in one piece."""
    task, student = prepare(small)
    shaken(student)
    order = rank(node_scores(student))
    sweep = prune_sweep(student, task.test, order)
    assert sweep.shape == (3, 9)
    torch.testing.assert_close(sweep[:, 0], task.test.y.square().mean(-1), rtol=1e-13, atol=0)
    for n in range(1, 9):
        keep = torch.zeros(3, 8, dtype=torch.bool).scatter(1, order[:, :n], True)
        torch.testing.assert_close(sweep[:, n], mse(mask(student, keep), task.test), rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(prune_sweep(student, task.test, order, chunk=1), sweep, rtol=1e-12, atol=0)


def test_a_node_without_weight_costs_nothing(toy):
    with torch.no_grad():
        toy.first.lam_out[0, 2] = 0
    patterns = Patterns(torch.randn(1, 50, 2, dtype=DOUBLE), torch.ones(1, 50, dtype=DOUBLE))
    sweep = prune_sweep(toy, patterns, rank(node_scores(toy)))
    assert sweep[0, 2] == sweep[0, 3]


def test_the_dead_cost_the_sweep_nothing_and_change_nothing(small):
    """Members with 3, 0 and 8 living nodes, in an order that mixes the dead among them."""
    task, student = prepare(small)
    shaken(student)
    with torch.no_grad():
        student.first.phi[0, [0, 2, 3, 6, 7]] = 0
        student.second.phi[1] = 0
    order = torch.randperm(8, generator=torch.Generator().manual_seed(3)).expand(3, 8)
    sweep = prune_sweep(student, task.test, order)
    for n in range(1, 9):
        keep = torch.zeros(3, 8, dtype=torch.bool).scatter(1, order[:, :n], True)
        torch.testing.assert_close(sweep[:, n], mse(mask(student, keep), task.test), rtol=1e-11, atol=1e-13)
    assert (sweep[0].diff() != 0).sum() == 3
    assert (sweep[1] == sweep[1, 0]).all()


def adding(*amounts: float) -> tuple[Student, Patterns]:
    """Linear nodes that add these amounts to the answer to the one pattern (1, 1, ...), whose target is to be set."""
    h = len(amounts)
    student = Student(h, h, 1, dtype=DOUBLE, activation="identity")
    with torch.no_grad():
        student.first.phi.copy_(-torch.eye(h))
        student.second.phi.copy_(-torch.tensor(amounts))
    return student, Patterns(torch.ones(1, 1, h, dtype=DOUBLE), torch.zeros(1, 1, dtype=DOUBLE))


def test_greedy_removal_by_hand(toy):
    """To the answers 8 and 5 node 0 adds 7 and 0, node 1 adds 0 and 4, node 2 adds 1 and 1."""
    x, y = [[[1.0, 1.0], [1.0, -2.0]]], [[8.0, 5.0]]
    patterns = Patterns(torch.tensor(x, dtype=DOUBLE), torch.tensor(y, dtype=DOUBLE))
    assert errors_without(toy, patterns).tolist() == [[24.5, 8.0, 1.0]]
    assert greedy_order(toy, patterns).tolist() == [[0, 1, 2]]
    assert rank(node_scores(toy)).tolist() == [[0, 2, 1]]  # the norm takes node 1 first


def test_greedy_removal_beats_the_norm():
    """Incoming norms rise from 0.1 to 100 while what the nodes add falls: relu's gauge, and the norm is fooled."""
    student, patterns = adding(8.0, 4.0, 2.0, 1.0)
    patterns.y.fill_(15)
    factors = torch.tensor([0.1, 1.0, 10.0, 100.0], dtype=DOUBLE)
    with torch.no_grad():
        student.first.phi *= factors[:, None]
        student.second.phi /= factors
    norm, greedy = rank(node_scores(student)), greedy_order(student, patterns)
    assert norm.tolist() == [[3, 2, 1, 0]]
    assert greedy.tolist() == [[0, 1, 2, 3]]
    assert prune_sweep(student, patterns, norm)[0].tolist() == pytest.approx([225, 196, 144, 64, 0], abs=1e-9)
    assert prune_sweep(student, patterns, greedy)[0].tolist() == pytest.approx([225, 49, 9, 1, 0], abs=1e-9)


def test_greedy_removal_sees_what_is_there_twice():
    """4 + 4 + 3 + 1 where 8 is asked: one of the twins is too much. No score of single nodes takes it first."""
    student, patterns = adding(4.0, 4.0, 3.0, 1.0)
    patterns.y.fill_(8)
    assert greedy_order(student, patterns).tolist() == [[1, 2, 3, 0]]
    assert rank(node_scores(student, "product")).tolist() == [[0, 1, 2, 3]]
    assert prune_sweep(student, patterns, greedy_order(student, patterns))[0, 3] == 0
    assert prune_sweep(student, patterns, rank(node_scores(student, "product")))[0, 3] == 9


def eliminated(student: Student, patterns: Patterns) -> list[int]:
    """Backward elimination of the one member, one `mask` after the other: the last to go first."""
    left, order = list(range(student.student_hidden)), []
    while len(left) > 1:
        errors = []
        for node in left:
            keep = torch.zeros(1, student.student_hidden, dtype=torch.bool)
            keep[0, [other for other in left if other != node]] = True
            errors.append(float(mse(mask(student, keep), patterns)))
        order.append(left.pop(errors.index(min(errors))))
    return [*left, *reversed(order)]


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_greedy_removal_equals_brute_force(small, activation):
    """Each member alone, step by step with masks; in company, and in chunks as in one piece."""
    task, student = prepare(replace(small, activation=activation))
    shaken(student)
    order = greedy_order(student, task.validation)
    for index in range(3):
        alone = Student(5, 8, 3, 1, dtype=DOUBLE, activation=activation)
        alone.load_state_dict({name: value[index : index + 1] for name, value in student.state_dict().items()})
        own = Patterns(task.validation.x[index : index + 1], task.validation.y[index : index + 1])
        assert order[index].tolist() == eliminated(alone, own)
    assert torch.equal(greedy_order(student, task.validation, chunk=1), order)


@given(seed=st.integers(0, 200), dead=st.integers(0, 7))
def test_greedy_removal_takes_the_dead_first_and_then_what_adds_nothing(seed, dead):
    """Members with `dead` and with no dead nodes, and in both one node that hears only an input that is always zero.

    They are asked for their own answers, so that every other removal costs something.
    """
    generator = torch.Generator().manual_seed(seed)
    student = Student(4, 9, 3, 2, dtype=DOUBLE, activation="tanh", generators=[generator] * 2)
    places = torch.stack([torch.randperm(9, generator=generator) for _ in range(2)])
    x = torch.randn(2, 50, 4, dtype=DOUBLE, generator=generator)
    x[..., 0] = 0
    with torch.no_grad():
        student.first.phi[0, places[0, :dead]] = 0
        for member in range(2):
            student.first.phi[member, places[member, 8], 1:] = 0
        order = greedy_order(student, Patterns(x, student(x)))
    assert order.sort(-1).values.tolist() == [list(range(9))] * 2
    assert sorted(order[0, 9 - dead :].tolist()) == sorted(places[0, :dead].tolist())
    assert order[0, 8 - dead] == places[0, 8]
    assert order[1, 8] == places[1, 8]


def test_what_pruning_refuses(toy):
    every = torch.ones(1, 3, dtype=torch.bool)
    for cut in (mask, compact):
        with pytest.raises(ValueError, match="remove the last node of a member"):
            cut(toy, ~every)
        with pytest.raises(ValueError, match=r"bool tensor of shape \(1, 3\); got torch.float32 of shape \(1, 3\)"):
            cut(toy, every.float())
        with pytest.raises(ValueError, match=r"bool tensor of shape \(1, 3\); got torch.bool of shape \(3,\)"):
            cut(toy, every[0])
    with pytest.raises(ValueError, match="second layer reads 5 nodes, the first has 6"):
        mask(Pair(nn.Linear(4, 6), nn.Linear(5, 3)), torch.ones(6, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"same members; their weights have shapes \(3, 6, 4\) and \(3, 6\)"):
        mask(Pair(SpectralLinear(4, 6, members=3), nn.Linear(6, 3)), torch.ones(3, 6, dtype=torch.bool))
    with pytest.raises(ValueError, match="a Linear has no eigenvalues"):
        node_scores(Pair(nn.Linear(4, 6), nn.Linear(6, 3)), "eigenvalue")
    with pytest.raises(ValueError, match="unknown score 'size'; choose incoming, eigenvalue or product"):
        node_scores(toy, "size")
    with pytest.raises(ValueError, match="scores hold NaN"):
        rank(torch.tensor([1.0, torch.nan]))
    patterns = Patterns(torch.ones(1, 4, 2, dtype=DOUBLE), torch.ones(1, 4, dtype=DOUBLE))
    with pytest.raises(ValueError, match="permutation of 3 nodes for each of 1 members"):
        prune_sweep(toy, patterns, torch.tensor([[0, 0, 1]]))
    for x, y in ((patterns.x, patterns.y[:, :3]), (patterns.x[0], patterns.y), (patterns.x[:, :0], patterns.y[:, :0])):
        with pytest.raises(ValueError, match=r"patterns must have shapes \(1, P, 2\) and \(1, P\), P at least 1; got"):
            prune_sweep(toy, Patterns(x, y), torch.tensor([[0, 1, 2]]))
        with pytest.raises(ValueError, match=r"patterns must have shapes \(1, P, 2\) and \(1, P\), P at least 1; got"):
            greedy_order(toy, Patterns(x, y))
