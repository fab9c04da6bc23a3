"""Collapses of curves with planted exponents; fixed seeds throughout."""

from dataclasses import replace

import numpy as np
import pytest

from spectral.stats.collapse import Curve, collapse, quality
from spectral.stats.intervals import Refused

NU, BETA, CRITICAL = 2.0, 0.5, 1.0


def planted(size: float, rng: np.random.Generator, noise: float = 0.01, nu: float = NU) -> Curve:
    """Finite-size scaling: ``y = L^(-beta/nu) f((x - 1) L^(1/nu))`` with f(u) = 2 / (1 + e^(u/2))."""
    x = np.linspace(0.6, 1.4, 25)
    scale = size ** (-BETA / nu)
    y = scale * 2 / (1 + np.exp((x - CRITICAL) * size ** (1 / nu) / 2))
    return Curve(size, x, y + noise * scale * rng.normal(size=len(x)), np.full(len(x), noise * scale))


def rescale(parameters: np.ndarray, curve: Curve) -> Curve:
    critical, inverse_nu, beta_over_nu = parameters
    factor = curve.size**beta_over_nu
    return Curve(curve.size, (curve.x - critical) * curve.size**inverse_nu, curve.y * factor, curve.dy * factor)


BOUNDS = [(0.8, 1.2), (0.2, 1.0), (0.0, 0.6)]


def family(noise: float = 0.01, seed: int = 0) -> list[Curve]:
    rng = np.random.default_rng(seed)
    return [planted(size, rng, noise) for size in (10, 20, 40, 80)]


def test_quality_is_about_one_for_curves_that_differ_by_their_errors():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 30)
    same = [
        Curve(k, x + 0.003 * k, np.sin(3 * (x + 0.003 * k)) + 0.05 * rng.normal(size=30), np.full(30, 0.05))
        for k in range(5)
    ]
    s, points = quality(same)
    assert 0.7 < s < 1.3
    assert points > 130


def test_quality_by_hand():
    """One point between two: the line through (0, 0) and (2, 2) is 1 at x = 1; dY^2 = 1/4 + 1/4; S = 9 / (1 + 1/2)."""
    line = Curve(1, [0.0, 2.0], [0.0, 2.0], [1.0, 1.0])
    point = Curve(2, [1.0], [4.0], [1.0])
    assert quality([line, point]) == (pytest.approx(9 / 1.5), 1)


def test_quality_of_curves_apart_is_infinite():
    a, b = Curve(1, [0.0, 1.0], [0.0, 1.0], [1.0, 1.0]), Curve(2, [5.0, 6.0], [0.0, 1.0], [1.0, 1.0])
    assert quality([a, b]) == (np.inf, 0)


def test_a_planted_collapse_is_found():
    found = collapse(family(), rescale, BOUNDS)
    assert found.parameters == pytest.approx([CRITICAL, 1 / NU, BETA / NU], abs=0.02)
    assert 0.5 < found.quality < 1.6
    wrong, _ = quality([rescale(np.array([1.0, 1 / NU, 0.0]), curve) for curve in family()])
    assert wrong > 20 * found.quality


def test_a_coarser_search_from_fewer_starts_finds_the_same():
    """As it is made again without each teacher."""
    other = family(seed=1)
    fine, coarse = collapse(other, rescale, BOUNDS), collapse(other, rescale, BOUNDS, starts=4, tolerance=1e-3)
    assert coarse.parameters == pytest.approx(fine.parameters, abs=0.01)
    assert coarse.quality == pytest.approx(fine.quality, rel=0.05)


def test_a_minimum_at_the_edge_is_refused_and_says_where():
    with pytest.raises(Refused, match="lie at an edge") as caught:
        collapse(family(), rescale, [(0.8, 1.2), (0.7, 1.0), (0.0, 0.6)])
    assert caught.value.estimate.parameters[1] == pytest.approx(0.7, abs=0.01)


def test_too_little_is_refused():
    with pytest.raises(Refused, match="two curves or more; got 1"):
        collapse(family()[:1], rescale, BOUNDS)
    few = [Curve(c.size, c.x[::8], c.y[::8], c.dy[::8]) for c in family()[:2]]
    with pytest.raises(Refused, match="points overlap"):
        collapse(few, rescale, BOUNDS)
    with pytest.raises(ValueError, match="every bound must be a pair of increasing numbers"):
        collapse(family(), rescale, [(0.8, 1.2), (1.0, 0.2), (0.0, 0.6)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dy": [1.0, 0.0]}, "dy be above 0"),
        ({"x": [1.0, 1.0]}, "x must increase"),
        ({"y": [1.0, np.nan]}, "all be finite"),
        ({"y": [1.0]}, "must be of one length"),
    ],
)
def test_impossible_curves_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(Curve(1, [0.0, 1.0], [0.0, 1.0], [1.0, 1.0]), **change)
