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
