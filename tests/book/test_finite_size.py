"""Finite-size scaling of curves with planted critical sizes, exponents and scalings."""

import numpy as np
import pytest
from planted import SIZES, family, planted

from spectral.book import finite_size
from spectral.book.finite_size import (
    RESOLUTION,
    SCALED_BY,
    collapse_quality,
    fit_collapse,
    mean_curves,
    rescale,
    shape_quality,
)
from spectral.book.universality import Setting
from spectral.stats.collapse import Curve, quality
from spectral.stats.intervals import Refused


def scaled(c: float = 1.0, noise: float = 0.02) -> list[Setting]:
    """Curves that grow steeper and lower with their size: ``s^-b f((n/(c h_T) - 1) s^a)``, s = h_T/20, a = b = 0.3."""
    settings = []
    for size in SIZES:
        rng, unit = np.random.default_rng(size), size / SCALED_BY
        n = np.arange(2 * size + 1)
        curve = unit**-0.3 / (1 + np.exp(4 * (n / (c * size) - 1) * unit**0.3))
        settings.append(Setting(size, 10, curve * (1 + noise * rng.normal(size=(4, 3, 1)))))
    return settings


def test_a_planted_collapse_is_found_with_its_parameters():
    settings = scaled()
    fit, fixed = fit_collapse(settings), collapse_quality(settings)
    assert fit.refused == ""
    assert fit.parameters.value == pytest.approx([1.0, 0.3, 0.3], abs=0.05)
    assert (fit.parameters.low < fit.parameters.value).all()
    assert (fit.parameters.value < fit.parameters.high).all()
    assert (np.array([1.0, 0.3, 0.3]) >= fit.parameters.low).all()
    assert (np.array([1.0, 0.3, 0.3]) <= fit.parameters.high).all()
    assert 0 < fit.quality.low <= fit.quality.value < 3 < fixed.value
    assert fixed.low <= fixed.value <= fixed.high


def test_a_collapse_at_the_edge_is_told():
    """The best c lies below what is searched."""
    fit = fit_collapse(scaled(c=0.7))
    assert "at an edge of their bounds" in fit.refused
    assert fit.parameters.value[0] == pytest.approx(0.8, abs=1e-3)


def test_curves_whose_critical_size_moves_with_a_power_of_theirs_collapse():
    """These n_c/h_T are c (1 - k s^-a), with a near 0.2: c is no more than the limit, and need not be near 1."""
    settings = [planted(size, ratio) for size, ratio in zip(SIZES, (0.5, 0.6, 0.65, 0.7), strict=True)]
    fit, fixed = fit_collapse(settings), collapse_quality(settings)
    assert fit.refused == ""
    assert fit.parameters.low[1] < 0.2 < fit.parameters.high[1]
    assert fit.quality.high < 3 < fixed.low


def test_an_exponent_that_the_curves_leave_open_is_refused():
    """A power of n/h_T - 1 collapses with any a, if b goes with it."""
    fit = fit_collapse(family(ratio=1.0))
    assert "do not determine the collapse" in fit.refused
    assert np.isfinite([*fit.parameters.value, fit.quality.value]).all()
    assert np.isnan([*fit.parameters.low, *fit.parameters.high, fit.quality.low, fit.quality.high]).all()


def test_an_exponent_is_refused_whose_interval_over_teachers_is_wide(monkeypatch):
    """Errors of one curve's points go together, so that its own range can be narrow where teachers disagree."""
    monkeypatch.setattr(finite_size, "WIDEST", 1e-4)
    fit = fit_collapse(scaled())
    assert "the teachers do not determine the collapse: a has the interval 0.3" in fit.refused
    assert fit.parameters.value == pytest.approx([1.0, 0.3, 0.3], abs=0.05)
    assert np.isnan([*fit.parameters.low, *fit.parameters.high, fit.quality.low, fit.quality.high]).all()


def test_one_size_is_no_family():
    for analyse in (fit_collapse, collapse_quality, mean_curves):
        with pytest.raises(Refused, match=r"two sizes or more; got \[20\]"):
            analyse([planted(20, dim=5), planted(20, dim=10)])


def test_curves_of_one_shape_have_a_good_quality():
    """Their n_c is the same part of h_T, and they differ by their noise alone: S is about 1 or less."""
    found = collapse_quality(family(ratio=0.95))
    assert found.value < 1.5
    assert collapse_quality([planted(20, 0.9), planted(40, 1.1)]).low > 5


def test_curves_of_one_shape_are_one_at_their_own_critical_sizes():
    """Teachers whose n_c is another part of h_T each; those of another exponent are told apart."""
    settings = [planted(size, ratio) for size, ratio in zip(SIZES, (1.0, 0.9, 0.5, 0.2), strict=True)]
    found = shape_quality(settings, np.eye(4))
    assert found.value < 2
    assert found.low <= found.value <= found.high
    other = [*settings[:3], planted(160, 0.2, beta=2.5)]
    assert shape_quality(other, np.eye(4)).low > 5
    assert collapse_quality(settings).low > 20


def test_axes_are_rescaled_by_the_size_in_units():
    """At four times the unit, a = 1/2 stretches the distance twofold, b = 1 the growth and its error fourfold."""
    curve = Curve(4 * SCALED_BY, [0.5, 1.0, 1.5], [1.0, 0.5, 0.0], [0.1, 0.1, 0.2])
    found = finite_size.rescale(np.array([1.0, 0.5, 1.0]), curve)
    assert found.size == curve.size
    assert found.x.tolist() == [-1.0, 0.0, 1.0]
    assert found.y.tolist() == [4.0, 2.0, 0.0]
    assert found.dy.tolist() == pytest.approx([0.4, 0.4, 0.8])
    shifted = finite_size.rescale(np.array([0.5, 0.0, 0.0]), curve)
    assert shifted.x.tolist() == [0.0, 1.0, 2.0]
    assert shifted.y.tolist() == curve.y.tolist()


def test_mean_curves_are_those_near_the_transition():
    """One for each size, from half of h_T to a quarter more; the errors are never below what means something."""
    found = mean_curves(family(noise=0.0))
    curves = found.curves(found.values)
    assert [curve.size for curve in curves] == list(SIZES)
    for curve in curves:
        assert (curve.x[0], curve.x[-1]) == (0.5, 1.25)
        assert curve.y[0] == pytest.approx(0.5**1.5, abs=1e-3)
        assert not curve.y[curve.x >= 1].any()
        assert (curve.dy == RESOLUTION).all()
    assert (mean_curves(family(noise=0.1)).errors[:, 0] > RESOLUTION).all()


def test_a_common_scale_changes_nothing():
    """At a = b = 0 every c is as good."""
    settings = family(noise=0.05)
    found = mean_curves(settings)
    same = [
        quality([rescale(np.array([c, 0, 0]), curve) for curve in found.curves(found.values)])[0] for c in (0.8, 1.2)
    ]
    assert same[0] == pytest.approx(same[1], rel=1e-9)
    assert collapse_quality(settings).value == pytest.approx(same[0], rel=1e-9)
