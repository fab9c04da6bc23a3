"""How curves leave zero: with planted exponents, in the form that made them."""

import numpy as np
import pytest

from spectral.stats.intervals import Refused
from spectral.stats.rise import at, held_out_gain, log_slope


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


N = np.arange(6.0)
CURVES = np.exp(-N) + np.random.default_rng(0).normal(0, 0.01, (4, 6))


def test_the_gain_has_no_unit():
    expected = held_out_gain(N, CURVES, 0.001)
    for factor in (1e-300, 1e200):
        assert held_out_gain(1e-3 * N, factor * CURVES, factor * 0.001) == pytest.approx(expected, rel=1e-6)


def test_a_slope_of_what_is_not_positive_is_unknown():
    x = np.array([1.0, 2.0, 4.0])
    for wrong in (0.0, -1.0, np.inf, np.nan):
        found = log_slope(x, [[1.0, 2.0, 4.0], [1.0, wrong, 4.0]])
        assert found[0] == pytest.approx(1.0)
        assert np.isnan(found[1])


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: at(CURVES, [np.nan]), r"index must be finite.*the first, nan, stands at \[0\]"),
        (lambda: at([[1.0, np.nan]], [0.5]), r"y must be finite.*the first, nan, stands at \[0, 1\]"),
        (lambda: at(np.ones((2, 0)), [0.0]), r"N at least 1, and index \(M,\) or \(..., M\); got \(2, 0\) and \(1,\)"),
        (lambda: at(CURVES, 1.0), r"got \(4, 6\) and \(\)"),
        (lambda: at(CURVES, np.ones((3, 2))), r"got \(4, 6\) and \(3, 2\)"),
        (lambda: log_slope(N, CURVES), "from two different x above 0, or more; got"),
        (lambda: log_slope([1.0, 1.0], [1.0, 2.0]), "from two different x above 0, or more; got"),
        (lambda: log_slope([1.0, np.inf], [1.0, 2.0]), r"x must be finite.*stands at \[1\]"),
        (lambda: log_slope([1.0, 2.0], [1.0, 2.0, 3.0]), r"x must have shape \(M,\) and y \(..., M\)"),
        (lambda: held_out_gain(N, CURVES[0], 0.1), r"x must have shape \(N,\) and y \(T, N\); got \(6,\) and \(6,\)"),
        (lambda: held_out_gain(N, np.where(CURVES > 0.9, np.nan, CURVES), 0.1), r"y must be finite: 4 of 24 numbers"),
        (lambda: held_out_gain(-N, CURVES, 0.1), "x must be numbers of at least 0, not all of them 0"),
        (lambda: held_out_gain(0 * N, CURVES, 0.1), "x must be numbers of at least 0, not all of them 0"),
        (lambda: held_out_gain(N, CURVES, -1), "resolution must be a finite number of at least 0; got -1"),
        (lambda: held_out_gain(N, np.ones((4, 6)), 0), "all curves but curve 0 agree at point 0, which has no error"),
    ],
)
def test_an_impossible_argument_is_named(ask, message):
    with pytest.raises(ValueError, match=message):
        ask()
