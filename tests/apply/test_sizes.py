"""The loss against the number of nodes, and the size that a tolerance makes of it."""

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from spectral.apply.networks import prune, spectralize
from spectral.apply.sizes import cross_entropy, error_curve, over_patterns, right_sized, squared_error


def planted(*, spectral=False, outputs=1, depth=1):
    """Three nodes that answer, beside a constant one, one without effect, and one that doubles the first."""
    torch.manual_seed(0)
    first, second = nn.Linear(4, 6), nn.Linear(6, outputs)
    with torch.no_grad():
        first.weight[:3] = torch.eye(4)[:3]
        first.weight[5], first.bias[5] = 2 * first.weight[0], 2 * first.bias[0]
        first.weight[3], first.bias[3] = 0, 1
        second.weight[:, 4] = 0
        second.weight[:, :3] += 1
    layers = [first, nn.ReLU()]
    if depth == 2:
        layers += [nn.Linear(6, 6), nn.ReLU()]
    model = nn.Sequential(*layers, second).double()
    return spectralize(model) if spectral else model


@pytest.fixture
def patterns():
    stream = torch.Generator().manual_seed(1)
    return torch.randn(400, 4, generator=stream, dtype=torch.float64)


@pytest.mark.parametrize("spectral", [False, True])
def test_the_curve_is_that_of_the_networks_that_prune_makes(patterns, spectral):
    model = planted(spectral=spectral)
    fitted, x = patterns[:200], patterns[200:]
    y = model(x).detach() + 0.1 * torch.randn(200, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    curve = error_curve(model, x, y, fitted=fitted)
    assert curve.nodes.tolist() == [0, 1, 2, 3, 4, 5, 6]
    whole = squared_error(model(x), y).detach()
    for nodes in range(1, 7):
        cut = prune(model, {"0": torch.from_numpy(curve.keep[nodes])}, x=fitted, refit=True).model
        losses = squared_error(cut(x), y).detach()
        assert curve.loss.value[nodes] == pytest.approx(float(losses.mean()), rel=1e-5)
        if nodes < 3:
            known = scipy.stats.ttest_rel(losses, whole).confidence_interval()
            assert (curve.change.low[nodes], curve.change.high[nodes]) == pytest.approx(
                (known.low, known.high), rel=1e-4
            )
    assert curve.change.value[-1] == curve.error[-1] == 0
    assert curve.smallest() == 3


def test_the_tolerance_is_in_the_losss_unit(patterns):
    model = planted()
    curve = error_curve(model, patterns, model(patterns).detach(), fitted=patterns)
    sizes = [curve.smallest(tolerance) for tolerance in (1e-6, *(curve.change.value[[2, 1, 0]] * 1.001))]
    assert sizes == [3, 2, 1, 0]
    with pytest.raises(ValueError, match="finite number of at least 0"):
        curve.smallest(-1.0)


@pytest.mark.parametrize("order", ["greedy", "product", "incoming"])
def test_orders(patterns, order):
    """All end at the whole network; scores take the doubled node for two, unless the others may take over."""
    model = planted()
    y = model(patterns).detach()
    curve = error_curve(model, patterns, y, fitted=patterns, order=order)
    assert (np.diff(curve.keep.astype(int), axis=0) >= 0).all(), "a node that went came back"
    assert (np.diff(curve.loss.value) < 1e-9).all(), "with refit, more nodes are never worse on what they are fitted to"
    kept = error_curve(model, patterns, y, fitted=patterns, order=order, refit=False)
    assert kept.loss.value[3] > curve.loss.value[3] - 1e-12


def test_any_loss_and_any_depth(patterns):
    model = planted(outputs=3, depth=2)
    y = model(patterns).argmax(1)
    smaller, curves = right_sized(model, patterns, y, cross_entropy, fitted=patterns, tolerance=0.01)
    assert curves.keys() == {"0", "2"}
    before, after = (cross_entropy(one(patterns).detach(), y).mean() for one in (model, smaller))
    assert after - before <= 0.02
    assert smaller[0].out_features == curves["0"].smallest(0.01, least=1)
    with pytest.raises(ValueError, match="several layers of hidden nodes"):
        error_curve(model, patterns, y, cross_entropy, fitted=patterns)


def test_judging_leaves_the_network_as_it_is(patterns):
    model = planted().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    error_curve(model, patterns, model(patterns).detach(), fitted=patterns)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"order": "random"}, "unknown order 'random'"),
        ({"layer": "7"}, "no layer of hidden nodes '7'"),
        ({"fitted": torch.full((3, 4), torch.nan).double()}, "finite"),
        ({"loss": "mse"}, "loss must be a function, from outputs and targets to losses"),
        ({"y": torch.zeros(3, 1)}, "there must be a target for each pattern; got 3 for 400"),
        ({"x": [[1.0]]}, "x must be a tensor, as torch.as_tensor makes it; got a list"),
        ({"loss": lambda outputs, _: outputs.square().mean()}, "one finite number for each of the 400 patterns"),
        ({"loss": lambda outputs, _: outputs[:, 0] * torch.nan}, "not finite"),
    ],
)
def test_wrong_arguments_are_refused(patterns, arguments, message):
    given = {"x": patterns, "y": torch.zeros(400, 1).double(), "fitted": patterns}
    with pytest.raises((ValueError, TypeError), match=message):
        error_curve(planted(), **given | arguments)


def test_a_loss_is_of_what_belongs_together():
    """PyTorch would take every output with every target, and leave a class of -100 out."""
    outputs, targets = torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 4.0])
    assert squared_error(outputs, targets.unsqueeze(1)).tolist() == [0, 4]
    for wrong in (targets, torch.ones(1, 1), torch.ones(2, 2)):
        with pytest.raises(ValueError, match=r"one shape, \(B, ...\); got \(2, 1\) and .* by targets.unsqueeze\(1\)"):
            squared_error(outputs, wrong)
    for label in (-100, -1, 3):
        with pytest.raises(IndexError, match="out of bounds"):
            cross_entropy(torch.ones(1, 3), torch.tensor([label]))


def test_an_interval_over_patterns_has_no_unit():
    values = np.array([1.0, 2.0, 6.0])
    for factor in (1e-300, 1e160):
        found, expected = over_patterns(factor * values)[0], over_patterns(values)[0]
        assert [found.low, found.high] == pytest.approx([factor * expected.low, factor * expected.high])
    one, error = over_patterns(values[:1])
    assert one.value == 1
    assert np.isnan([one.low, one.high, error]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tolerance": "0.1"}, "tolerance must be a finite number of at least 0, in the loss's unit, not '0.1'"),
        ({"tolerance": -1}, "tolerance must be a finite number of at least 0, in the loss's unit, not -1"),
        ({"least": -1}, "least must be a whole number of at least 0, not -1"),
        ({"least": 11}, "least must be at most the 10 nodes that there are, not 11"),
    ],
)
def test_a_size_that_cannot_be_asked_for(patterns, arguments, message):
    model = nn.Sequential(nn.Linear(4, 10), nn.ReLU(), nn.Linear(10, 1)).double()
    curve = error_curve(model, patterns, model(patterns).detach(), fitted=patterns, order="product", refit=False)
    with pytest.raises((ValueError, TypeError), match=message):
        curve.smallest(**arguments)
