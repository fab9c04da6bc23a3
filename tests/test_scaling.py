"""Scaling analysis on synthetic data with planted exponents; fixed seeds throughout."""

from dataclasses import replace

import numpy as np
import pytest

from spectral.stats.collapse import Curve, collapse, power_law, quality, transition
from spectral.stats.intervals import Interval, Refused, bands, bootstrap
from spectral.stats.rise import at, crossing, held_out_gain, log_slope

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


def test_a_search_nearby_finds_the_same():
    """As for a resample: other noise, and a start at the parameters of the first."""
    other = family(seed=1)
    far = collapse(other, rescale, BOUNDS)
    near = collapse(other, rescale, BOUNDS, near=[CRITICAL, 1 / NU, BETA / NU], tolerance=1e-3)
    assert near.parameters == pytest.approx(far.parameters, abs=0.01)
    assert near.quality == pytest.approx(far.quality, rel=0.05)


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
    with pytest.raises(Refused, match="2 points with positive"):
        power_law(Curve(1, [1.0, 2.0], [1.0, 2.0], [0.1, 0.1]))


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_a_planted_power_law_is_found_within_its_error(exponent):
    rng = np.random.default_rng(3)
    x = np.geomspace(0.05, 1, 20)
    y = 0.7 * x**exponent
    fit = power_law(Curve(1, x, y * (1 + 0.03 * rng.normal(size=20)), 0.03 * y))
    assert abs(fit.exponent - exponent) < 3 * fit.error < 0.1
    assert fit.amplitude == pytest.approx(0.7, rel=0.05)
    assert 0.3 < fit.chi2 < 2.5


def test_the_window_decides_what_is_fitted():
    """A crossover from x to x^3 at one."""
    x = np.geomspace(0.01, 100, 60)
    curve = Curve(1, x, x + x**3, 0.01 * (x + x**3))
    assert power_law(curve, (0, 0.1)).exponent == pytest.approx(1, abs=0.05)
    assert power_law(curve, (10, np.inf)).exponent == pytest.approx(3, abs=0.05)


@pytest.mark.parametrize(("critical", "exponent"), [(20.0, 2.0), (17.5, 1.0), (24.0, 3.0)])
def test_a_planted_transition_is_found(critical, exponent):
    rng = np.random.default_rng(5)
    n = np.arange(1.0, 61)
    y = 0.9 * np.clip(1 - n / critical, 0, None) ** exponent
    noisy = Curve(1, n, y + 0.003 * rng.normal(size=60), np.full(60, 0.003))
    found = transition(noisy, (5, 50))
    assert (found.critical, found.exponent, found.amplitude) == pytest.approx((critical, exponent, 0.9), rel=0.05)
    assert 0.5 < found.chi2 < 1.6
    with pytest.raises(Refused, match="lies at an edge") as caught:
        transition(noisy, (30, 50))
    assert caught.value.estimate.critical == pytest.approx(30, abs=0.1)


def test_bootstrap_draws_teachers_and_then_trials():
    """Teachers at 0 and 10 without spread inside: the mean is 0, 5 or 10 with odds 1, 2, 1."""
    values = np.array([[0.0, 0.0, 0.0], [10.0, 10.0, 10.0]])

    def mean(drawn):
        assert set(np.unique(drawn.mean(-1))) <= {0.0, 10.0}, "trials of two teachers were mixed"
        return drawn.mean((-2, -1))

    assert bootstrap(values, mean, resamples=400) == Interval(5.0, 0.0, 10.0)
    exact = bootstrap(np.full((3, 2), 7.0), lambda drawn: drawn.mean((-2, -1)), resamples=400)
    assert exact == Interval(7.0, 7.0, 7.0)


def test_intervals_in_words():
    nan = float("nan")
    assert Interval(1.234, 1.0, 2.0).brief(".1f") == "1.2 [1.0, 2.0]"
    assert Interval(1.234, nan, nan).brief(".1f") == "1.2"
    assert Interval(nan, nan, nan).brief(".1f") == "–"


def test_bootstrap_covers():
    """Normal teachers and trials: about nine or more of ten intervals hold the truth, ten teachers being few."""
    generator = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        values = generator.normal(size=(10, 1)) + generator.normal(size=(10, 3))
        measured = bootstrap(values, lambda drawn: drawn.mean((-2, -1)), resamples=400)
        hits += measured.low <= 0 <= measured.high
    assert 175 <= hits <= 199


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


def test_separate_groups_are_drawn_for_themselves():
    """Two groups of equal values: their difference is 0 in every joint draw, and has a spread in separate ones."""
    values = np.repeat(np.arange(4.0).reshape(4, 1, 1), 2, axis=2)

    def difference(drawn):
        means = drawn.mean((-3, -2))
        return means[..., 0] - means[..., 1]

    joint, separate = (bootstrap(values, difference, flag, resamples=2_000) for flag in (False, True))
    assert (joint.low, joint.high) == (0, 0)
    spread = 1.96 * (2 * 1.25 / 4) ** 0.5  # two means of four draws from 0 1 2 3, whose variance is 1.25
    assert separate.value == 0
    assert separate.high == pytest.approx(spread, rel=0.15)
    assert separate.low == pytest.approx(-spread, rel=0.15)


def test_crossing_by_hand():
    y = np.array([[1.0, 0.5, 0.0, 0.2, 0.1, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.1, 0.1, 0.1, 0.1, 0.1, 0.1]])
    assert crossing(y, 0.1).tolist() == [5, 0, 6]
    assert crossing(y, 0.15).tolist() == [4, 0, 0]


def test_values_between_points_by_hand():
    y = np.array([[0.0, 2.0, 6.0], [1.0, 1.0, 0.0]])
    assert at(y, np.array([[0.5, 1.5, 2.0, 9.0], [0.0, 1.0, 1.25, -1.0]])).tolist() == [[1, 4, 6, 6], [1, 1, 0.75, 1]]


def test_a_planted_slope_is_found():
    x = np.geomspace(0.1, 0.5, 8)
    assert log_slope(x, np.stack([3 * x**1.7, 0.2 * x])) == pytest.approx([1.7, 1.0], rel=1e-12)
    assert np.isnan(log_slope(x, -x))


@pytest.mark.parametrize(("exponent", "transition"), [(1.0, True), (2.0, True), (None, False)])
def test_the_form_that_made_the_curves_predicts_them_better(exponent, transition):
    n = np.arange(10.0, 25.0)
    truth = np.exp(-0.15 * n) + 0.02 if exponent is None else np.clip(1 - n / 20, 0, None) ** exponent
    y = truth + np.random.default_rng(0).normal(0, 0.003, (6, len(n)))
    gain = held_out_gain(n, y, 0.001)
    assert gain.shape == (6,)
    assert (gain.mean() > 0.1) if transition else (gain.mean() < -0.1)
    with pytest.raises(Refused, match="three curves and five points are needed; got 2 and 15"):
        held_out_gain(n, y[:2], 0.001)


def test_bands_are_one_interval_for_each_number():
    values = np.random.default_rng(2).normal(size=(4, 3, 5)) + np.arange(5)
    found = bands(values, lambda drawn: drawn.mean((-3, -2)), resamples=400, seed=3)
    assert found.value.shape == found.low.shape == found.high.shape == (5,)
    assert (found.low < found.value).all()
    assert (found.value < found.high).all()
    one = bootstrap(values, lambda drawn: drawn.mean((-3, -2))[..., 2], resamples=400, seed=3)
    assert (found[2].value, found[2].low, found[2].high) == (one.value, one.low, one.high)
