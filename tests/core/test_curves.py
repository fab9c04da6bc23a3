from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spectral import Student, greedy_order, mask, node_scores, prune_sweep, rank
from spectral.curves import crossing, errors_without, growth, onset
from spectral.measures import mse
from spectral.tasks import Patterns

DOUBLE = torch.float64


def test_sweep_equals_pruning_by_hand(shaken, small):
    """One node after the other, from the last of the order, with `mask`; and in chunks as in one piece."""
    task, student = shaken(small)
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


def test_the_dead_cost_the_sweep_nothing_and_change_nothing(shaken, small):
    """Members with 3, 0 and 8 living nodes, in an order that mixes the dead among them."""
    task, student = shaken(small)
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
def test_greedy_removal_equals_brute_force(shaken, small, activation):
    """Each member alone, step by step with masks; in company, and in chunks as in one piece."""
    task, student = shaken(replace(small, activation=activation))
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


def test_growth_is_signed_and_in_units_of_the_error_without_nodes():
    """E[y^2] = 8, error of the whole 2: 5 has grown by 3/8, 1 has fallen by 1/8."""
    assert growth(torch.tensor([[8.0, 5.0, 1.0, 2.0]])).tolist() == [[0.75, 0.375, -0.125, 0.0]]


def test_the_onset_is_the_last_crossing_from_above():
    """Cost with 0 to 4 nodes: 1, 0.05, 0.3, 0.02, 0. One node alone does well by chance; that is no plateau."""
    sweep = torch.tensor([[1.0, 0.05, 0.3, 0.02, 0.0], [2.0, 0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0, 0.0]])
    assert onset(sweep, 0.1).tolist() == [3, 1, 4]
    assert onset(sweep, 0.01).tolist() == [4, 1, 4]
    assert onset(sweep, 0.5).tolist() == [1, 1, 4]
    assert onset(sweep, 0.3).tolist() == [3, 1, 4]  # less than: not at the tolerance itself
    assert onset(torch.tensor([[1.0, 2.0, 1.5]]), 0.6).tolist() == [0]  # worse than silence: no node is needed


@given(seed=st.integers(0, 200), tolerance=st.floats(1e-3, 1))
def test_a_larger_tolerance_never_asks_for_more_nodes(seed, tolerance):
    sweep = torch.rand(3, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert (onset(sweep, 2 * tolerance) <= onset(sweep, tolerance)).all()


def test_what_growth_and_onset_refuse():
    for tolerance in (0.0, -0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="tolerance must be a part of"):
            onset(torch.ones(1, 3), tolerance)
    with pytest.raises(ValueError, match=r"shape \(E, h \+ 1\), the error with 0 to h nodes; got \(3,\)"):
        growth(torch.ones(3))
    with pytest.raises(ValueError, match="must be above zero"):
        growth(torch.tensor([[0.0, 1.0, 1.0]]))


def test_what_sweeps_refuse(toy):
    patterns = Patterns(torch.ones(1, 4, 2, dtype=DOUBLE), torch.ones(1, 4, dtype=DOUBLE))
    with pytest.raises(ValueError, match="permutation of 3 nodes for each of 1 members"):
        prune_sweep(toy, patterns, torch.tensor([[0, 0, 1]]))
    for x, y in ((patterns.x, patterns.y[:, :3]), (patterns.x[0], patterns.y), (patterns.x[:, :0], patterns.y[:, :0])):
        message = r"patterns must have shapes \(1, P, 2\) and \(1, P\), P at least 1; got"
        with pytest.raises(ValueError, match=message):
            prune_sweep(toy, Patterns(x, y), torch.tensor([[0, 1, 2]]))
        for look in (greedy_order, errors_without):
            with pytest.raises(ValueError, match=message):
                look(toy, Patterns(x, y))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    "measure", [growth, onset, lambda sweep: crossing(sweep, 0.001)], ids=["growth", "onset", "crossing"]
)
def test_what_is_not_finite_is_refused_where_it_stands(measure, value):
    """A comparison with NaN is false, so a student that diverged would need no node at all."""
    sweep = torch.tensor([[1.0, 0.5, 0.0], [1.0, value, 0.0]])
    with pytest.raises(ValueError, match=rf"1 of 6 values are not, the first {value} at \(1, 1\)"):
        measure(sweep)


def test_an_empty_sweep_is_refused():
    with pytest.raises(ValueError, match="must be of shape"):
        growth(torch.zeros(0, 4))


def test_what_has_diverged_has_no_order(toy):
    """Its errors are NaN, and seen; an order would be one of numbers all the same."""
    patterns = Patterns(torch.ones(1, 4, 2, dtype=DOUBLE), torch.ones(1, 4, dtype=DOUBLE))
    with torch.no_grad():
        toy.first.phi[0, 1] = torch.nan
    assert errors_without(toy, patterns).isnan().all()
    assert prune_sweep(toy, patterns, torch.tensor([[0, 1, 2]]))[0, 2:].isnan().all()
    with pytest.raises(ValueError, match=r"errors without a node must be finite; .* at \(0, 0\) \(member, node\): did"):
        greedy_order(toy, patterns)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda s, p: growth([[1.0, 0.5]]), "sweep must be a tensor, as torch.as_tensor makes it; got a list"),
        (lambda s, p: crossing(torch.ones(3, 0), 0.1), r"grown must be of shape \(..., h \+ 1\)"),
        (lambda s, p: crossing(torch.tensor(1.0), 0.1), r"grown must be of shape \(..., h \+ 1\)"),
        (lambda s, p: onset(torch.ones(1, 3), "0.1"), r"tolerance must be a part of E\[y\^2\] above 0, not '0.1'"),
        (lambda s, p: prune_sweep(s, p, [[0, 1, 2]]), "order must be a tensor"),
        (lambda s, p: prune_sweep(s, p, torch.tensor([[0.0, 1.0, 2.0]])), "order must hold a permutation of 3 nodes"),
        (lambda s, p: prune_sweep(s, p, torch.tensor([[0, 1, 2]]), 0), "chunk must be a whole number of at least 1"),
        (lambda s, p: errors_without(s, p, -5), "chunk must be a whole number of at least 1, not -5"),
        (lambda s, p: greedy_order(s, p, 0.5), "chunk must be a whole number of at least 1, not 0.5"),
        (lambda s, p: greedy_order(s, Patterns(p.x, p.y.long())), "patterns must be of the student's type"),
    ],
)
def test_an_impossible_argument_is_named(toy, ask, message):
    patterns = Patterns(torch.ones(1, 4, 2, dtype=DOUBLE), torch.ones(1, 4, dtype=DOUBLE))
    with pytest.raises((ValueError, TypeError), match=message):
        ask(toy, patterns)
