"""Collapses of curves with planted exponents; fixed seeds throughout."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectral.stats.collapse import WIDEST, Collapse, Curve, collapse, quality
from spectral.stats.intervals import Refused

A, B = 0.7, 0.2
BOUNDS = [(0.8, 1.25), (-0.5, 1.5), (-1.0, 1.5)]
SCALE = 0  # place of c: where a is 0, a common scale of x, on which nothing depends

Master = Callable[[np.ndarray], np.ndarray]


def step(u: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(4 * u))


def power(u: np.ndarray) -> np.ndarray:
    """Of this any a is as good: what it does to x can be done to y."""
    return np.clip(-u, 0, None) ** 1.5


def family(noise: float = 0.01, seed: int = 0, a: float = A, b: float = B, master: Master = step) -> list[Curve]:
    """Finite-size scaling: ``y = s^-b f((x - 1) s^a)`` with s = L/20, and errors of one size for all."""
    rng, x = np.random.default_rng(seed), np.linspace(0.5, 1.25, 31)
    return [
        Curve(
            size,
            x,
            (size / 20) ** -b * master((x - 1) * (size / 20) ** a) + noise * rng.normal(size=31),
            np.full(31, noise),
        )
        for size in (10, 20, 40, 80)
    ]


def rescale(parameters: np.ndarray, curve: Curve) -> Curve:
    c, a, b = parameters
    unit = curve.size / 20
    return Curve(curve.size, (curve.x / c - 1) * unit**a, curve.y * unit**b, curve.dy * unit**b)


def judged(curves: list[Curve]) -> Collapse:
    return collapse(curves, rescale, BOUNDS, nuisances=[SCALE], starts=4)


def unless_refused(curves: list[Curve]) -> Collapse | None:
    try:
        return judged(curves)
    except Refused:
        return None


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


def test_quality_takes_the_points_of_all_other_curves_that_enclose_one():
    """As a weighted fit of a straight line has it, curve by curve and point by point."""
    rng = np.random.default_rng(1)
    curves = [
        Curve(k, np.sort(rng.uniform(0, k, 3 + k)), rng.normal(size=3 + k), rng.uniform(0.5, 2, 3 + k))
        for k in range(1, 5)
    ]
    terms = []
    for curve in curves:
        for x, y, dy in zip(curve.x, curve.y, curve.dy, strict=True):
            others = [c for c in curves if c is not curve and c.x[0] <= x <= c.x[-1]]
            right = [np.searchsorted(c.x, x) for c in others]
            near = [(c.x[i], c.y[i], c.dy[i]) for c, r in zip(others, right, strict=True) for i in (r - 1, r)]
            if near:
                at, value, error = np.transpose(near)
                design = np.stack([np.ones(len(at)), at - x], 1) / error[:, None]
                variance = np.linalg.inv(design.T @ design)
                master = (variance @ design.T @ (value / error))[0]
                terms.append((y - master) ** 2 / (dy**2 + variance[0, 0]))
    assert len(terms) < sum(len(curve.x) for curve in curves)
    assert quality(curves) == (pytest.approx(np.mean(terms)), len(terms))


def test_quality_of_curves_apart_is_infinite():
    a, b = Curve(1, [0.0, 1.0], [0.0, 1.0], [1.0, 1.0]), Curve(2, [5.0, 6.0], [0.0, 1.0], [1.0, 1.0])
    assert quality([a, b]) == (np.inf, 0)


@pytest.mark.parametrize(("noise", "least", "most"), [(0.01, 3, 3), (0.03, 1, 3), (0.1, 0, 0)])
def test_planted_exponents_lie_within_what_is_stated_or_are_refused(noise, least, most):
    """Between precise curves, which are never refused, and noisy ones, which always are, there is no wrong answer."""
    found = [one for one in (unless_refused(family(noise, seed)) for seed in range(3)) if one is not None]
    assert least <= len(found) <= most
    for one in found:
        assert 0.4 < one.quality < 1.6
        assert (one.low <= one.parameters).all()
        assert (one.parameters <= one.high).all()
        assert (one.low <= [1, A, B]).all()
        assert (one.high >= [1, A, B]).all()
        assert (one.high[1:] - one.low[1:] <= WIDEST * np.diff(BOUNDS)[1:, 0] + 1e-9).all()


def test_the_exponents_of_precise_curves_are_found():
    found = judged(family(0.003))
    assert found.parameters == pytest.approx([1, A, B], abs=0.03)
    assert (found.high - found.low < [0.05, 0.15, 0.1]).all()
    wrong, _ = quality([rescale(np.array([1.0, A, 0.0]), curve) for curve in family(0.003)])
    assert wrong > 20 * found.quality


@pytest.mark.parametrize("noise", [0.01, 0.03, 0.1])
def test_a_power_has_no_exponent_of_its_own(noise):
    with pytest.raises(Refused, match="as good is parameter 1 from") as caught:
        judged(family(noise, master=power))
    found = caught.value.estimate
    assert found.high[1] - found.low[1] > 1
    assert 0.4 < found.quality < 1.6


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_flat_curves_have_no_exponent(level):
    with pytest.raises(Refused, match="do not determine") as caught:
        judged(family(0.03, b=0.0, master=lambda u: np.full_like(u, level)))
    found = caught.value.estimate
    assert found.high[1] - found.low[1] > 1


@pytest.mark.parametrize("seed", range(3))
def test_curves_that_do_not_depend_on_their_size_have_exponents_near_zero(seed):
    """And any common scale: it is no reason to refuse."""
    found = judged(family(0.01, seed, a=0.0, b=0.0))
    assert found.parameters[1:] == pytest.approx([0, 0], abs=0.1)
    assert (found.low[1:] <= 0).all()
    assert (found.high[1:] >= 0).all()
    assert (found.low[SCALE], found.high[SCALE]) == BOUNDS[SCALE]
    with pytest.raises(Refused, match=r"parameter 0 from 0\.80 to 1\.25"):
        collapse(family(0.01, seed, a=0.0, b=0.0), rescale, BOUNDS, starts=4)


def test_two_minima_as_good_as_each_other_are_refused():
    x = np.linspace(0, 1, 30)
    curves = [Curve(size, x, np.sin(x) + size, np.full(30, 0.01)) for size in (1, 2)]

    def shifted(parameters: np.ndarray, curve: Curve) -> Curve:
        return replace(curve, y=curve.y - 4 * parameters[0] ** 2 * curve.size)

    with pytest.raises(Refused, match=r"as good is parameter 0 from -0\.5. to 0\.5.") as caught:
        collapse(curves, shifted, [(-1, 1)])
    assert abs(caught.value.estimate.parameters[0]) == pytest.approx(0.5, abs=1e-3)
    assert collapse(curves, shifted, [(0, 1)]).parameters == pytest.approx([0.5], abs=1e-3)


def test_what_is_not_judged_is_found_alike_and_not_refused():
    searched = collapse(family(), rescale, BOUNDS, starts=4, judge=False)
    assert searched.parameters.tolist() == judged(family()).parameters.tolist()
    assert np.isnan([searched.low, searched.high]).all()
    assert 0.4 < collapse(family(master=power), rescale, BOUNDS, starts=4, judge=False).quality < 1.6


def test_a_minimum_at_the_edge_is_refused_and_says_where():
    with pytest.raises(Refused, match="lie at an edge") as caught:
        collapse(family(), rescale, [(0.8, 1.25), (0.9, 1.5), (-1.0, 1.5)], nuisances=[SCALE], starts=4)
    assert caught.value.estimate.parameters[1] == pytest.approx(0.9, abs=0.01)


def test_too_little_is_refused():
    with pytest.raises(Refused, match="two curves or more; got 1"):
        judged(family()[:1])
    few = [Curve(c.size, c.x[::8], c.y[::8], c.dy[::8]) for c in family()[:2]]
    with pytest.raises(Refused, match="of 8 points overlap; 10 are needed"):
        judged(few)
    apart = [replace(curve, x=curve.x + curve.size) for curve in family()]
    with pytest.raises(Refused, match="of 124 points overlap; 62 are needed") as caught:
        judged(apart)
    assert caught.value.estimate.points < 62
    with pytest.raises(ValueError, match="every bound must be a pair of increasing numbers"):
        collapse(family(), rescale, [(0.8, 1.2), (1.0, 0.2), (0.0, 0.6)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dy": [1.0, 0.0]}, r"dy must be above 0; the least is 0.0, at \[1\]"),
        ({"x": [1.0, 1.0]}, r"x must increase; 1.0 and 1.0 stand at \[0\] and \[1\]"),
        ({"y": [1.0, np.nan]}, r"y must be finite: 1 of 2 numbers are not; the first, nan, stands at \[1\]"),
        ({"y": [1.0]}, "must be of one length"),
        ({"x": [], "y": [], "dy": []}, r"of one point or more; got shapes \(0,\), \(0,\), \(0,\)"),
        ({"x": [1e17, 1e17 + 1]}, "that an offset has made equal, subtract it before"),
        ({"x": ["a", "b"]}, "x must be real numbers"),
        ({"size": np.nan}, "size must be a finite number; got nan"),
        ({"size": "large"}, "size must be a finite number; got a str, 'large'"),
    ],
)
def test_impossible_curves_are_refused(change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        replace(Curve(1, [0.0, 1.0], [0.0, 1.0], [1.0, 1.0]), **change)


@given(
    seed=st.integers(0, 99),
    shift=st.floats(-1e8, 1e8),
    scale=st.floats(-280, 280),
    y_shift=st.floats(-1e6, 1e6),
    y_scale=st.floats(-90, 90),
)
def test_quality_has_no_unit_and_no_origin(seed, shift, scale, y_shift, y_scale):
    """Of x and of y: no point is dropped, and S is the same to the digits that an offset leaves of x."""
    rng = np.random.default_rng(seed)
    curves = [
        Curve(size, np.sort(rng.permutation(64)[:9]) / 64, rng.normal(size=9), rng.uniform(0.5, 2, 9))
        for size in (1, 2, 3)
    ]
    moved = [
        Curve(c.size, (c.x + shift) * 10**scale, (c.y + y_shift) * 10**y_scale, c.dy * 10**y_scale) for c in curves
    ]
    s, points = quality(curves)
    found, still = quality(moved)
    assert still == points
    assert found == pytest.approx(s, rel=1e-5)


def test_no_point_is_dropped_where_errors_differ():
    """Between a precise and a vague point the master curve is their line still; by hand, 1 at x = 1."""
    for precise in (1e-3, 1e-8, 1e-40):
        line, point = Curve(1, [0.0, 2.0], [0.0, 2.0], [precise, 1.0]), Curve(2, [1.0], [4.0], [1.0])
        assert quality([line, point]) == (pytest.approx(9 / (1 + (1 + precise**2) / 4)), 1)


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ([], "a quality is of curves; got none"),
        ([1.0], "curves must be of type Curve; got a float, 1.0"),
        ([Curve(1, [0.0], [1e60], [1e-60])], "errors and values from 1e-60 to 1e.60 have no digit in common"),
    ],
)
def test_what_has_no_quality(curves, message):
    with pytest.raises((ValueError, TypeError), match=message):
        quality(curves)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rescale": 1.0}, "rescale must be a function"),
        ({"rescale": lambda parameters, curve: curve.x}, "curves must be of type Curve; got an array"),
        ({"bounds": []}, "bounds must be pairs of numbers, one for each parameter"),
        ({"bounds": [0.0, 1.0]}, "bounds must be pairs of numbers"),
        ({"bounds": [(0.0, np.inf)] * 3}, "a pair of increasing numbers, both finite"),
        ({"nuisances": [3]}, r"nuisances must be places of 3 parameters, from 0; got \[3\]"),
        ({"starts": 0}, "starts must be a whole number of at least 1; got 0"),
        ({"seed": -1}, "seed must be a whole number of at least 0; got -1"),
        ({"least_points": np.nan}, "least_points must be a whole number of at least 1; got a float, nan"),
    ],
)
def test_what_a_collapse_refuses_before_it_searches(change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        collapse(**{"curves": family(), "rescale": rescale, "bounds": BOUNDS, "starts": 1} | change)
