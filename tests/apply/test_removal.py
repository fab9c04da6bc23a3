"""What nodes that stay say in place of one that goes: against least squares, and where it is known."""

import itertools

import pytest
import torch

from spectral.apply.removal import keep_only, remove


@pytest.fixture
def layer():
    """Answers (200, 6) of which two nodes depend on others, weights (3, 6), bias (3,)."""
    stream = torch.Generator().manual_seed(0)
    answers = torch.randn(200, 6, generator=stream, dtype=torch.float64).relu()
    answers[:, 4] = 2 * answers[:, 0] - answers[:, 1] + 3
    answers[:, 5] = 0.7
    weight, bias = torch.randn(3, 6, generator=stream, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    return answers, weight, bias


def outputs(answers, step):
    return answers @ step.weight.T + step.bias


def test_what_is_left_is_the_least_squares_fit_of_what_there_was(layer):
    answers, weight, bias = layer
    target = answers @ weight.T + bias
    for step in remove(answers, weight, bias, [2, 0, 1, 5, 4, 3]):
        known = torch.cat([answers[:, step.keep], torch.ones(200, 1, dtype=torch.float64)], 1)
        fit = known @ torch.linalg.lstsq(known, target, driver="gelsd").solution
        torch.testing.assert_close(outputs(answers, step), fit, atol=1e-6, rtol=0)
        assert not step.weight[:, ~step.keep].any()


def test_the_greedy_order_takes_at_each_step_what_costs_least(layer):
    """Of the first node all can be tried; what can be said by others goes first, and costs nothing."""
    answers, weight, bias = layer
    target = answers @ weight.T + bias
    steps = list(remove(answers, weight, bias))
    assert [int(step.keep.sum()) for step in steps] == [6, 5, 4, 3, 2, 1, 0]
    costs = [float((outputs(answers, step) - target).square().sum(1).mean()) for step in steps]
    assert costs[2] < 1e-8 < 1e-3 < costs[3]
    assert not steps[2].keep[5], "the constant node is not needed"
    assert steps[2].keep[[0, 1, 4]].sum() == 2, "of three nodes that depend on each other, one goes"
    for before, after in itertools.pairwise(steps[2:]):
        tried = []
        for node in torch.nonzero(before.keep).flatten().tolist():
            gone = torch.nonzero(~before.keep).flatten().tolist()
            other = keep_only(answers, weight, bias, torch.tensor([k not in (*gone, node) for k in range(6)]))
            tried.append(float((outputs(answers, other) - target).square().sum(1).mean()))
        assert float((outputs(answers, after) - target).square().sum(1).mean()) == pytest.approx(min(tried), rel=1e-6)


def test_without_refit_a_node_leaves_its_mean_answer(layer):
    answers, weight, bias = layer
    step = keep_only(answers, weight, bias, torch.arange(6) != 1, refit=False)
    expected = weight.clone()
    expected[:, 1] = 0
    torch.testing.assert_close(step.weight, expected)
    torch.testing.assert_close(step.bias, bias + weight[:, 1] * answers[:, 1].mean())


def test_without_any_node_the_mean_output_is_left(layer):
    answers, weight, bias = layer
    for refit in (True, False):
        *_, step = remove(answers, weight, bias, refit=refit)
        torch.testing.assert_close(step.bias, (answers @ weight.T + bias).mean(0))


def test_nodes_that_never_speak_go_first_and_change_nothing():
    answers = torch.zeros(50, 4)
    answers[:, 2] = torch.linspace(0, 1, 50)
    steps = list(remove(answers, torch.tensor([[5.0, -7.0, 1.0, 9.0]]), torch.zeros(1)))
    assert steps[3].keep.tolist() == [False, False, True, False]
    torch.testing.assert_close(steps[3].weight, torch.tensor([[0.0, 0.0, 1.0, 0.0]], dtype=torch.float64))


def test_nodes_that_are_almost_the_same_are_fitted_all_the_same():
    """A layer that reads one number: all nodes almost depend on each other, in any order of removal."""
    stream = torch.Generator().manual_seed(3)
    x = torch.rand(400, 1, generator=stream, dtype=torch.float64)
    answers = (x @ torch.randn(1, 8, generator=stream, dtype=torch.float64) + 0.3).relu()
    weight = torch.randn(2, 8, generator=stream, dtype=torch.float64)
    target = answers @ weight.T
    for order in (list(range(8)), list(range(7, -1, -1)), None):
        for step in list(remove(answers, weight, torch.zeros(2), order))[:-1]:
            known = torch.cat([answers[:, step.keep], torch.ones(400, 1, dtype=torch.float64)], 1)
            fit = known @ torch.linalg.lstsq(known, target, driver="gelsd").solution
            torch.testing.assert_close(outputs(answers, step), fit, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answers": torch.ones(0, 3)}, r"B and h at least 1; got \(0, 3\), \(2, 3\) and \(2,\)"),
        ({"answers": torch.ones(3)}, r"must have shapes \(B, h\), \(C, h\) and \(C,\)"),
        ({"weight": torch.ones(2, 4)}, r"must have shapes \(B, h\), \(C, h\) and \(C,\)"),
        ({"bias": torch.ones(1)}, r"must have shapes \(B, h\), \(C, h\) and \(C,\)"),
        ({"answers": torch.full((5, 3), torch.nan)}, r"answers must be finite; 15 of 15 .* nan at \(0, 0\)"),
        ({"weight": torch.full((2, 3), torch.inf)}, r"weight must be finite; 6 of 6 .* inf at \(0, 0\)"),
        ({"answers": [[1.0]]}, "answers must be a tensor"),
        ({"order": [0, 0, 1]}, r"order must name each of 3 nodes once, from 0; got \[0, 0, 1\]"),
        ({"order": [-1, 0, 1]}, r"order must name each of 3 nodes once, from 0; got \[-1, 0, 1\]"),
        ({"order": [0, 1.7, 2]}, "order must hold whole numbers, the places of nodes"),
        ({"order": [0]}, r"order must name each of 3 nodes once, from 0; got \[0\]"),
    ],
)
def test_what_cannot_be_removed_is_refused_before_the_first_node_goes(change, message):
    """When it is asked for, and not when the first step is."""
    with pytest.raises((ValueError, TypeError), match=message):
        remove(**{"answers": torch.ones(5, 3), "weight": torch.ones(2, 3), "bias": torch.zeros(2)} | change)


def test_only_which_nodes_stay_can_be_kept():
    for keep in (torch.tensor([0, 1]), torch.ones(2, dtype=torch.bool), torch.ones(3)):
        with pytest.raises(ValueError, match=r"keep must be a bool tensor of shape \(3,\); got"):
            keep_only(torch.ones(5, 3), torch.ones(2, 3), torch.zeros(2), keep)
