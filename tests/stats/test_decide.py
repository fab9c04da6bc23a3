"""Verdicts on several numbers at once, by hand and on made-up numbers whose truth is known."""

import numpy as np
import pytest
import scipy.stats

from spectral.stats.decide import holm, inside, outside
from spectral.stats.intervals import Interval, jackknife

MARGIN = (-1.0, 1.0)


def normal(value, error):
    """Intervals of numbers with standard errors, by level."""
    value, error = np.asarray(value, float), np.asarray(error, float)

    def at(level):
        half = scipy.stats.norm.ppf(0.5 + level / 2) * error
        return Interval(value, value - half, value + half)

    return at


def test_an_interval_lies_inside_outside_or_across():
    found = Interval(np.zeros(5), np.array([-1, -1.1, 1.1, -3, 1.0]), np.array([1, 0.5, 2, -1.2, 2.0]))
    assert inside(found, MARGIN).tolist() == [True, False, False, False, False]
    assert outside(found, MARGIN).tolist() == [False, False, True, True, False]
    assert inside(found, (-np.inf, 1)).tolist() == [True, True, False, True, False]
    assert bool(inside(Interval(0.0, -0.5, 0.5), MARGIN))


@pytest.mark.parametrize("seed", range(5))
def test_holm_steps_down_as_by_its_p_values(seed):
    """Sorted p-values against 5 % over how many are left, until the first that is too large."""
    rng = np.random.default_rng(seed)
    value, error = rng.normal(0, 0.6, 12), rng.uniform(0.1, 0.5, 12)
    # 1 less the highest level at which both ends are inside
    p = 2 * scipy.stats.norm.sf((1 - np.abs(value)) / error)
    expected, order = np.zeros(12, bool), np.argsort(p)
    for rank, index in enumerate(order):
        if p[index] > 0.05 / (12 - rank):
            break
        expected[index] = True
    found = holm(normal(value, error), lambda each: inside(each, MARGIN))
    assert found.tolist() == expected.tolist()


def test_a_single_number_is_not_corrected():
    assert holm(normal([0.0], [0.5]), lambda each: inside(each, MARGIN)).tolist() == [True]
    assert holm(normal([0.0], [0.52]), lambda each: inside(each, MARGIN)).tolist() == [False]
    assert holm(normal(0.0, 0.5), lambda each: inside(each, MARGIN)).tolist() == [True]


def test_all_together_are_seldom_wrong():
    """Twenty numbers on the margin itself: "inside" is false for every one, and one in forty would say so alone."""
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(200):
        values = rng.normal(1.0, 0.2, (12, 1, 20))
        wrong += holm(lambda level, v=values: jackknife(v, level=level), lambda each: inside(each, MARGIN)).any()
    assert wrong / 200 < 0.06


def test_what_is_far_inside_is_shown_for_all():
    found = holm(normal(np.zeros(24), np.full(24, 0.1)), lambda each: inside(each, MARGIN))
    assert found.all()
    assert not holm(normal(np.zeros(24), np.full(24, 0.1)), lambda each: outside(each, MARGIN)).any()


def test_of_what_has_no_interval_nothing_is_shown():
    unknown = Interval(0.0, np.nan, np.nan)
    assert not inside(unknown, (-np.inf, np.inf))
    assert not outside(unknown, (1, 2))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: inside(Interval(0.0, -1.0, 1.0), (1, -1)), r"the lower one first; got a tuple, \(1, -1\)"),
        (lambda: outside(Interval(0.0, -1.0, 1.0), (np.nan, 1)), "bounds must be two numbers, the lower one first"),
        (lambda: holm(normal([0.0], [0.1]), lambda each: inside(each, MARGIN), 95), "level must lie between 0 and 1"),
        (lambda: holm(0.0, lambda each: inside(each, MARGIN)), "at_level must be a function"),
        (lambda: holm(normal([0.0], [0.1]), MARGIN), "lies must be a function"),
        (
            lambda: holm(normal([0.0, 1.0], [0.1, 0.1]), lambda each: True),
            "lies must give a bool for each of 2 numbers",
        ),
    ],
)
def test_an_impossible_argument_is_named(ask, message):
    with pytest.raises((ValueError, TypeError), match=message):
        ask()
