"""Pruning curves and what is read from them: answers known by hand."""

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr

from spectral.book.pruning import (
    at_random,
    by_score,
    correlation,
    growth_with,
    landmarks,
    mean_growth,
    onsets,
    three_ways,
)
from spectral.tasks import Patterns, Task

CURVE = torch.tensor([[1.0, 0.5, 0.02, 0.005, 0.0]])
"""Its growth is the same: it begins with 1 and ends with 0."""


@pytest.fixture
def patterns() -> Patterns:
    """The two of the toy student and its answers: its nodes add 7, 0, 1 to the first and 0, 4, 1 to the second."""
    return Patterns(
        torch.tensor([[[1.0, 1.0], [1.0, -2.0]]], dtype=torch.float64), torch.tensor([[8.0, 5.0]], dtype=torch.float64)
    )


def test_curves_by_hand(toy, patterns):
    """Norms are 5, 1, 2 and products 5, 2, 1. Kept are node 0, then 0 and 2 (or 0 and 1), then all."""
    assert by_score(toy, patterns).tolist() == [[44.5, 13.0, 8.0, 0.0]]
    assert by_score(toy, patterns, "product").tolist() == [[44.5, 13.0, 1.0, 0.0]]


def test_greedy_removal_chooses_on_the_validation_patterns(toy, patterns):
    """To both patterns node 2 gives least; to the first alone node 1 gives nothing. All is measured on both."""
    first = Patterns(patterns.x[:, :1], patterns.y[:, :1])
    ways = three_ways(toy, Task(None, patterns, patterns, patterns))
    assert {way: curve.tolist() for way, curve in ways.items()} == {
        "incoming": [[44.5, 13.0, 8.0, 0.0]],
        "product": [[44.5, 13.0, 1.0, 0.0]],
        "greedy": [[44.5, 13.0, 1.0, 0.0]],
    }
    assert three_ways(toy, Task(None, first, first, patterns))["greedy"].tolist() == [[44.5, 13.0, 8.0, 0.0]]


def test_random_orders(toy, patterns):
    """Above 0.3 of the largest norm are nodes 0 and 2: node 1 goes first, and either of them is the last."""
    curves = at_random(toy, patterns, threshold=0.3, draws=30, seed=1)
    assert {name: tuple(found.shape) for name, found in curves.items()} == {"survivors": (30, 1, 4), "all": (30, 1, 4)}
    rows = {name: {tuple(row) for row in found[:, 0].tolist()} for name, found in curves.items()}
    assert rows["survivors"] == {(44.5, 13.0, 8.0, 0.0), (44.5, 32.5, 8.0, 0.0)}
    assert len(rows["all"]) == 5  # of the six orders of three nodes, two have the same curve
    again = at_random(toy, patterns, threshold=0.3, draws=30, seed=1)
    assert all(torch.equal(again[name], found) for name, found in curves.items())


def test_growth_and_onsets_by_hand():
    several = torch.stack([CURVE, torch.tensor([[1.0, 0.1, 0.0, 0.003, 0.0]])])
    torch.testing.assert_close(mean_growth(CURVE), CURVE)
    torch.testing.assert_close(mean_growth(several), torch.tensor([[1.0, 0.3, 0.01, 0.004, 0.0]]))
    assert growth_with(CURVE, 1).tolist() == [0.5]
    assert growth_with(CURVE, 9).tolist() == [0.0]  # it has no more than four nodes
    assert growth_with(torch.cat([CURVE, CURVE]), torch.tensor([0, 1])).tolist() == [1.0, 0.5]
    assert onsets(CURVE, [0.001, 0.01, 0.1, 2.0]).tolist() == [[4.0, 3.0, 2.0, 0.0]]
    assert onsets(several, [0.01]).tolist() == [[2.5]]  # 3 and 2
    assert landmarks(CURVE, [1, 4], 0.01).tolist() == [[500.0, 0.0, 3.0]]
    torch.testing.assert_close(landmarks(several, [1], 0.01), torch.tensor([[300.0, 2.5]], dtype=torch.float64))


def test_correlation_is_that_of_scipy_and_its_interval_nearly():
    """With many pairs of normal numbers the jackknife of z agrees with Fisher's rule."""
    generator = np.random.default_rng(0)
    one = generator.normal(size=400)
    other = one + 0.5 * generator.normal(size=400)
    known = pearsonr(one, other)
    found = correlation(np.stack([one, other], -1))
    assert found.value == pytest.approx(known.statistic)
    low, high = known.confidence_interval()
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01)
    assert found.sample == "400 × 1"


def test_correlations_that_say_nothing():
    rising = np.arange(4.0)
    assert f"{correlation(np.stack([rising, rising], -1)):.2f}" == "1.00"  # no scatter, no interval
    assert f"{correlation(np.stack([rising, 0 * rising], -1)):.2f}" == "–"
    assert f"{correlation(np.stack([rising, rising**2], -1)[:3]):.2f}" == "–"
