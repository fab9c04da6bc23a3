import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from spectral import Pair, SpectralLinear, Student, compact, mask, node_scores, rank
from spectral.lab.experiment import prepare
from spectral.prune import cut_nodes

DOUBLE = torch.float64


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
def test_masked_equals_compacted(shaken, small, activation):
    """Members that keep 5, 2 and 1 of 8 nodes: one network of width 5, filled up with silent nodes."""
    task, student = shaken(replace(small, activation=activation))
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


LAYERS = Pair(nn.Linear(4, 6), nn.Linear(6, 3))
KEEP = torch.tensor([False, True, True, True, True, True])


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: mask(nn.Sequential(*LAYERS), KEEP), "a model must be a Student, or a Pair"),
        (lambda: node_scores((LAYERS.first, LAYERS.second)), "a model must be a Student, or a Pair.*; got a tuple"),
        (lambda: node_scores(Pair(LAYERS.first, nn.Linear(1, 3)), "product"), "the second layer reads 1 nodes"),
        (lambda: node_scores(Pair(SpectralLinear(4, 6, members=3), LAYERS.second)), "must have the same members"),
        (lambda: mask(LAYERS, KEEP.tolist()), "keep must be a bool tensor; got a list"),
        (lambda: mask(LAYERS, KEEP, answers=[1.0] * 6), "answers must be a tensor"),
        (lambda: mask(LAYERS, KEEP, answers=torch.full((6,), torch.nan)), r"answers must be finite; .* at \(0,\)"),
        (lambda: mask(LAYERS, KEEP, answers=torch.ones(5)), r"of the shape of keep, \(6,\); got \(5,\)"),
        (lambda: rank([1.0, 2.0]), "scores must be a tensor"),
        (lambda: cut_nodes(LAYERS, torch.tensor([6])), "order must hold nodes from 0 to 5, whole numbers"),
        (lambda: cut_nodes(LAYERS, torch.tensor([0.0])), "order must hold nodes from 0 to 5, whole numbers"),
    ],
)
def test_an_impossible_argument_is_named(ask, message):
    with pytest.raises((ValueError, TypeError), match=message):
        ask()
    assert (LAYERS.first.out_features, LAYERS.second.in_features) == (6, 6)
