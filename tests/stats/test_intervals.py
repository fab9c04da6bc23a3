"""Intervals against closed forms: Student's t, the exact binomial, jackknives by hand; and how often they are right."""

import numpy as np
import pytest
import scipy.stats

from spectral.stats.intervals import (
    Interval,
    Refused,
    by_teacher,
    estimate,
    estimate_pairs,
    estimate_share,
    geometric_mean,
    jackknife,
    left_out,
    mean,
    ratio_of_means,
    share,
    slope_weights,
    spread,
    stack,
)

NAN = float("nan")
T_OF_TWO = 0.95 * (2 / (1 - 0.95**2)) ** 0.5  # Student's t with two degrees of freedom has this closed form


def bounds(interval: Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high


def students(values: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Mean of the teachers' means with Student's t, by scipy."""
    means = values.mean(1)
    low, high = scipy.stats.t.interval(level, len(means) - 1, loc=means.mean(), scale=scipy.stats.sem(means))
    return means.mean(), low, high


def test_a_statistic_without_each_unit_by_hand():
    """Of 1, 2 and 6 the mean is 3; without one of them 4, 3.5 and 1.5. Two trials of a unit are left out together."""
    whole, left = left_out(np.array([[1.0], [2.0], [6.0]]))
    assert (float(whole), left.tolist()) == (3.0, [4.0, 3.5, 1.5])
    whole, left = left_out(np.array([[0.0, 2.0], [2.0, 2.0], [6.0, 6.0]]), lambda values: values.sum((0, 1)))
    assert (float(whole), left.tolist()) == (18.0, [16.0, 14.0, 6.0])
    whole, left = left_out(np.ones((4, 2, 5, 3)))
    assert (whole.shape, left.shape) == ((5, 3), (4, 5, 3))


def test_the_spread_of_what_is_left_by_hand():
    """4, 3.5 and 1.5: mean 3, squares 1 + 0.25 + 2.25 = 3.5, times (T - 1)/T; at any level, on either scale."""
    whole, left = np.array(3.0), np.array([4.0, 3.5, 1.5])
    found = spread(whole, left, trials=7)
    half = T_OF_TWO * (3.5 * 2 / 3) ** 0.5
    assert bounds(found) == pytest.approx((3.0, 3.0 - half, 3.0 + half), rel=1e-12)
    assert found.sample == "3 × 7"
    for level in (0.5, 0.99):
        half = scipy.stats.t.ppf(0.5 + level / 2, 2) * (3.5 * 2 / 3) ** 0.5
        assert bounds(spread(whole, left, level=level)) == pytest.approx((3.0, 3.0 - half, 3.0 + half), rel=1e-12)
    logarithm = spread(np.log(whole), np.log(left))
    assert bounds(spread(whole, left, log=True)) == pytest.approx(tuple(np.exp(bounds(logarithm))), rel=1e-12)


@pytest.mark.parametrize("log", [False, True])
def test_the_jackknife_is_the_spread_of_what_is_left(log):
    values = np.random.default_rng(5).lognormal(size=(5, 3, 2))
    parts = left_out(values, ratio_of_means)
    for level in (0.9, 0.95):
        found = spread(*parts, trials=3, log=log, level=level)
        assert (found, found.sample) == (jackknife(values, ratio_of_means, log=log, level=level), "5 × 3")


def test_what_cannot_be_left_out_is_refused():
    with pytest.raises(Refused, match="an interval needs 3 teachers, or trials of one, or more; got 2") as caught:
        left_out(np.array([[1.0], [3.0]]))
    assert caught.value.estimate == 2.0
    with pytest.raises(Refused, match="logarithmic scale needs numbers above 0") as caught:
        spread(np.array(1.0), np.array([2.0, 0.0, 1.0]), log=True)
    assert caught.value.estimate == 1.0


@pytest.mark.parametrize(("teachers", "trials"), [(3, 1), (4, 3), (10, 3), (30, 1)])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_of_a_mean_it_is_students_interval_over_the_teachers_means(teachers, trials, level):
    values = np.random.default_rng(teachers).normal(3, 2, (teachers, trials))
    assert bounds(jackknife(values, level=level)) == pytest.approx(students(values, level), rel=1e-12, abs=1e-12)
    assert jackknife(values).sample == f"{teachers} × {trials}"


def test_a_mean_by_hand():
    """Mean 2, standard deviation 1, three units: half width t(0.975, 2) / sqrt(3) = 4.3027 / 1.7321."""
    found = estimate(by_teacher([1, 2, 3]))
    assert found.value == 2.0
    assert (found.high - 2.0, 2.0 - found.low) == pytest.approx((2.48414, 2.48414), abs=1e-5)
    assert f"{found:.1f}, {found.sample}" == "2.0 [-0.5, 4.5], 3 × 1"


def test_a_ratio_by_hand():
    """1/2, 2/2, 3/4: (1 + 2 + 3)/(2 + 2 + 4) = 3/4; without one of them 5/6, 4/6 and 3/4, whose squares add to 1/72."""
    found = jackknife(np.array([[[1.0, 2.0]], [[2.0, 2.0]], [[3.0, 4.0]]]), ratio_of_means)
    half = T_OF_TWO * (2 / 3 / 72) ** 0.5
    assert bounds(found) == pytest.approx((0.75, 0.75 - half, 0.75 + half), rel=1e-12)


def test_the_logarithmic_scale_is_the_interval_of_the_logarithm():
    values = np.random.default_rng(0).lognormal(size=(5, 3, 2))
    plain = jackknife(values, lambda left: np.log(ratio_of_means(left)))
    found = jackknife(values, ratio_of_means, log=True)
    assert bounds(found) == pytest.approx(tuple(np.exp(bounds(plain))), rel=1e-12)
    assert 0 < found.low < found.value < found.high


def test_the_logarithmic_scale_holds_for_arrays_as_for_numbers():
    values = np.random.default_rng(0).lognormal(size=(5, 3, 2))
    found = jackknife(values, geometric_mean, log=True)
    for index in range(2):
        alone = jackknife(values[..., index], geometric_mean, log=True)
        assert bounds(found[index]) == pytest.approx(bounds(alone), rel=1e-12)


@pytest.mark.parametrize("values", [[[-1.0], [-2.0], [-3.0]], [[1.0], [0.0], [0.0]]])  # or nothing is left of them
def test_the_logarithmic_scale_is_for_what_is_above_zero(values):
    with pytest.raises(Refused, match="logarithmic scale needs numbers above 0") as caught:
        jackknife(np.array(values), log=True)
    assert caught.value.estimate == np.mean(values)
    assert f"{estimate(np.array(values), log=True):.2f}" == f"{np.mean(values):.2f}"


def test_what_could_not_be_measured_stays_unknown():
    """Of two numbers one, as where a size has no curve: the other has its interval."""
    values = np.random.default_rng(0).lognormal(size=(4, 3, 2))
    values[..., 1] = NAN
    for log in (False, True):
        found = jackknife(values, log=log)
        assert np.isfinite(bounds(found[0])).all()
        assert f"{found[1]:.1f}" == "–"


def test_a_statistic_that_refuses():
    """All of it, or what is left without one unit: a value without an interval."""

    def three(left: np.ndarray) -> float:
        if len(left) < 3:
            raise Refused("two are too few", "an estimate of its own")
        return float(left.mean())

    with pytest.raises(Refused, match="an interval leaves one of 3 units out, and then two are too few") as caught:
        jackknife(np.arange(3.0).reshape(3, 1), three)
    assert caught.value.estimate == 1.0
    found = estimate(np.arange(3.0).reshape(3, 1), three)
    assert (found.value, f"{found:.1f}", found.sample) == (1.0, "1.0", "3 × 1")
    with pytest.raises(Refused, match=r"^two are too few"):
        estimate(np.arange(2.0).reshape(2, 1), three)


def test_teachers_are_left_out_with_all_their_trials():
    """Trials of one teacher are never parted, and no teacher is there twice."""
    values, seen = np.repeat(np.arange(4.0), 3).reshape(4, 3), []

    def watched(left: np.ndarray) -> float:
        seen.append(sorted(left[:, 0].tolist()))
        assert (left == left[:, :1]).all(), "trials of two teachers were mixed"
        return float(left.mean())

    found = jackknife(values, watched)
    assert seen == [[0, 1, 2, 3], [1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    assert bounds(found) == pytest.approx(students(values))  # three equal trials say no more than one


def test_equal_values_have_an_interval_of_no_width():
    assert bounds(jackknife(np.full((3, 2), 7.0))) == (7.0, 7.0, 7.0)


def test_an_interval_for_each_number_that_a_statistic_gives():
    values = np.random.default_rng(2).normal(size=(4, 3, 5)) + np.arange(5)
    found = jackknife(values)
    assert found.value.shape == found.low.shape == found.high.shape == (5,)
    assert (found.low < found.value).all()
    assert (found.value < found.high).all()
    for index in range(5):
        assert bounds(found[index]) == pytest.approx(bounds(jackknife(values[..., index])), rel=1e-12)
    table = jackknife(values, lambda left: np.outer(mean(left), [1, 10]))
    assert table.value.shape == (5, 2)
    assert table.high[:, 1] == pytest.approx(10 * found.high)


def test_settings_with_teachers_of_their_own_are_left_out_in_step():
    """The i-th teacher of each. What they have in common cancels; what they have not adds up as if it had no order."""
    values = np.repeat(np.arange(4.0).reshape(4, 1, 1), 2, axis=2)

    def difference(left: np.ndarray) -> float:
        first, second = mean(left)
        return first - second

    assert bounds(jackknife(values, difference)) == (0, 0, 0)
    values[:, 0, 1] = [1.0, 3.0, 0.0, 2.0]  # in an order that has nothing to do with the first
    half = scipy.stats.t.ppf(0.975, 3) * (2 * 5 / 3 / 4) ** 0.5  # two means of four, of variance 5/3
    assert bounds(jackknife(values, difference)) == pytest.approx((0, -half, half), rel=1e-12)


@pytest.mark.parametrize("kind", ["members", "teachers and trials", "teachers of their own"])
def test_intervals_cover_as_often_as_they_say(kind):
    """95 % intervals over 2,000 samples of four teachers: between 93.5 and 96.5 % hold the truth."""
    generator, hits = np.random.default_rng(0), 0
    for _ in range(2_000):
        if kind == "members":
            found = jackknife(generator.normal(size=(4, 1)))
        elif kind == "teachers and trials":
            found = jackknife(generator.normal(size=(4, 1)) + generator.normal(size=(4, 3)))
        else:
            values = generator.normal(size=(4, 1, 6)) + generator.normal(size=(4, 3, 6))
            found = jackknife(values, lambda left: mean(left) @ slope_weights(np.arange(6)))
        hits += found.low <= 0 <= found.high
    assert 0.935 < hits / 2_000 < 0.965


@pytest.mark.parametrize("teachers", [1, 2])
def test_too_few_units_are_refused_and_the_value_is_not_lost(teachers):
    values = np.arange(6.0 * teachers).reshape(teachers, 2, 3)
    with pytest.raises(
        Refused, match=f"an interval needs 3 teachers, or trials of one, or more; got {teachers}"
    ) as caught:
        jackknife(values)
    assert caught.value.estimate.tolist() == values.mean((0, 1)).tolist()
    found = estimate(values)
    assert found.value.tolist() == values.mean((0, 1)).tolist()
    assert np.isnan([found.low, found.high]).all()
    assert found.low.shape == (3,)
    assert found.sample == f"{teachers} × 2"
    alone = estimate(values[..., 0], log=True)
    assert alone.value == values[..., 0].mean()
    assert f"{alone:.1f}" == f"{alone.value:.1f}"


def test_where_there_are_enough_an_estimate_is_the_jackknife():
    values = np.random.default_rng(3).lognormal(size=(3, 2))
    for log in (False, True):
        found, expected = estimate(values, log=log, level=0.9), jackknife(values, log=log, level=0.9)
        assert (found, found.sample) == (expected, expected.sample)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, NAN])
def test_a_level_is_a_part(level):
    for take in (jackknife, estimate):
        with pytest.raises(ValueError, match=f"level must lie between 0 and 1, as 0.95; got {level}"):
            take(np.ones((3, 1)), level=level)
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        spread(np.array(1.0), np.ones(3), level=level)


def test_members_become_teachers_and_trials():
    """Two teachers of two trials. One teacher: its trials are the units."""
    values = [1, 3, 10, 20]
    assert by_teacher(values, 2).tolist() == [[1, 3], [10, 20]]
    assert by_teacher(values, 1).tolist() == by_teacher(values).tolist() == [[1], [3], [10], [20]]
    assert by_teacher(np.ones((6, 5)), 3).shape == (3, 2, 5)
    assert by_teacher(np.ones((6, 5)), 1).shape == (6, 1, 5)
    for teachers in (3, 5):
        with pytest.raises(ValueError, match=f"4 values cannot be shared out among {teachers} teachers"):
            by_teacher(values, teachers)
    for nothing in ([], 3.0):
        with pytest.raises(ValueError, match="there must be a value for each member"):
            by_teacher(nothing)


def test_geometric_mean_by_hand():
    """1, 4 and 16: logarithms 0, log 4, 2 log 4; the mean of the logarithms with its interval, taken back."""
    values = by_teacher([1.0, 4.0, 16.0])
    plain = jackknife(np.log(values))
    found = jackknife(values, geometric_mean, log=True)
    assert bounds(found) == pytest.approx((4.0, np.exp(plain.low), np.exp(plain.high)))
    assert geometric_mean(np.array([[[1.0, 2.0], [4.0, 8.0]]])).tolist() == pytest.approx([2.0, 4.0])


def test_a_ratio_of_means_is_pooled():
    values = np.array([[1.0, 2.0], [3.0, 2.0], [0.0, 0.0], [0.0, 0.0]])
    assert ratio_of_means(by_teacher(values, 2)) == 1.0
    assert np.isnan(ratio_of_means(np.zeros((2, 2, 2))))


def test_slope_weights_give_the_slope():
    x = np.array([1.0, 2.0, 4.0])
    assert slope_weights(x) @ (3 * x + 5) == pytest.approx(3.0)
    with pytest.raises(ValueError, match="two different points"):
        slope_weights([2.0, 2.0])


@pytest.mark.parametrize("count", [3, 10, 30])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_a_share_of_one_yes_or_no_each_is_the_exact_binomial(count, level):
    """Clopper and Pearson's interval, as scipy has it, for any number of yes."""
    for yes in range(count + 1):
        found = share(by_teacher([1.0] * yes + [0.0] * (count - yes)), level=level)
        exact = scipy.stats.binomtest(yes, count).proportion_ci(level, method="exact")
        assert bounds(found) == pytest.approx((yes / count, exact.low, exact.high), rel=1e-12, abs=1e-12)
        assert found.sample == f"{count} × 1"


@pytest.mark.parametrize("of", [1, 20])
@pytest.mark.parametrize("trials", [1, 3])
@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
def test_a_share_is_never_of_no_width(of, trials, part):
    """That all, or none, or in each teacher the same part were so does not say that it is always like that."""
    found = share(np.full((10, trials), part), of)
    assert found.value == part
    assert 0 <= found.low <= part <= found.high <= 1
    assert 0.01 < found.high - found.low < 0.7
    assert (found.low == 0) == (part == 0)
    assert (found.high == 1) == (part == 1)


def test_more_things_say_more_but_not_more_than_independent_ones():
    """All of 20 nodes of ten teachers: as 200 independent ones, but for what nine degrees of freedom leave open."""
    few, many = share(np.ones((10, 1)), of=1), share(np.ones((10, 1)), of=20)
    assert few.low < many.low
    independent = scipy.stats.binomtest(200, 200).proportion_ci(method="exact").low
    assert many.low < independent
    count = 200 * (scipy.stats.t.ppf(0.975, 199) / scipy.stats.t.ppf(0.975, 9)) ** 2
    assert many.low == pytest.approx(0.025 ** (1 / count), rel=1e-12)  # all of n: the lower bound has p^n = 2.5 %


def test_things_of_one_teacher_count_as_few():
    """Two fifths of the teachers have all, the others none: of their 100 nodes as many count as scatter so, four."""
    clustered = share(by_teacher([1.0, 1.0, 1.0, 0.0, 0.0]), of=20)
    count = 4 * (scipy.stats.t.ppf(0.975, 99) / scipy.stats.t.ppf(0.975, 4)) ** 2  # p (1 - p) = 0.24, variance 0.3 / 5
    expected = (
        scipy.stats.beta.ppf(0.025, 0.6 * count, 0.4 * count + 1),
        scipy.stats.beta.ppf(0.975, 0.6 * count + 1, 0.4 * count),
    )
    assert bounds(clustered) == pytest.approx((0.6, *expected), rel=1e-12)
    even = share(np.full((5, 1), 0.6), of=20)
    assert even.value == pytest.approx(0.6)
    assert clustered.low < even.low < even.high < clustered.high
    repeated = share(np.repeat([[1.0], [1.0], [1.0], [0.0], [0.0]], 3, 1))  # three trials that always agree
    exact = scipy.stats.binomtest(3, 5).proportion_ci(method="exact")
    assert repeated.low <= exact.low + 0.05
    assert repeated.high >= exact.high - 0.05


def test_shares_cover_where_a_symmetric_interval_does_not():
    """Ten teachers whose own share differs, three trials of 20 nodes, 97 % found: at least 93 % of the intervals hold.

    A symmetric interval of the mean is of no width whenever all nodes were found.
    """
    generator, hits, widths = np.random.default_rng(0), 0, []
    for _ in range(500):
        own = generator.beta(97 / 2, 3 / 2, (10, 1))
        found = share(generator.binomial(20, own, (10, 3)) / 20, of=20)
        hits += found.low <= 0.97 <= found.high
        widths.append(found.high - found.low)
    assert hits / 500 > 0.93
    assert 0.02 < np.mean(widths) < 0.12


def test_the_trials_of_one_teacher_are_units():
    found = share(by_teacher([1.0, 1.0, 0.0, 1.0], 1))
    exact = scipy.stats.binomtest(3, 4).proportion_ci(method="exact")
    assert bounds(found) == pytest.approx((0.75, exact.low, exact.high))
    assert found.sample == "4 × 1"


def test_what_is_no_share():
    for parts in ([[0.5], [1.1], [0.0]], [[-0.1], [0.5], [0.5]], [[NAN], [0.5], [0.5]], [0.5, 0.5, 0.5]):
        with pytest.raises(ValueError, match="shares must be numbers from 0 to 1, one for each member"):
            share(np.array(parts))
    with pytest.raises(Refused, match="an interval needs 3 teachers, or trials of one, or more; got 2") as caught:
        share(np.array([[1.0, 0.5], [0.0, 0.5]]), of=20)
    assert caught.value.estimate == 0.5


def test_intervals_in_words():
    assert f"{Interval(21.04, 18.46, 23.51):.1f}" == "21.0 [18.5, 23.5]"
    assert f"{Interval(20.02, 19.98, 20.04):.1f}" == "20.0"  # in these digits the interval says nothing
    assert f"{Interval(20.02, 19.98, 20.04):.2f}" == "20.02 [19.98, 20.04]"
    assert f"{Interval(1.234, NAN, NAN):.1f}" == "1.2"
    assert f"{Interval(1.234, 1.0, NAN):.1f}" == "1.2"
    assert f"{Interval(NAN, NAN, NAN):.1f}" == "–"
    assert f"{Interval(NAN, 0.0, 1.0):.1f}" == "–"
    assert str(Interval(1.2345, 0.1, 12.345)) == f"{Interval(1.2345, 0.1, 12.345)}" == "1.23 [0.1, 12.3]"


def test_zero_has_no_sign():
    assert f"{Interval(-0.04, -0.2, 0.1):.1f}" == "0.0 [-0.2, 0.1]"
    assert f"{Interval(0.04, -0.04, 0.1):.1f}" == "0.0 [0.0, 0.1]"
    assert f"{Interval(-0.04, NAN, NAN):.1f}" == "0.0"


def test_another_unit():
    found = Interval(0.02, 0.01, 0.04, "10 × 3").scaled(1_000)
    assert (*bounds(found), found.sample) == (20.0, 10.0, 40.0, "10 × 3")
    assert f"{found:.0f}" == "20 [10, 40]"
    assert Interval(np.array([1.0, 2.0]), np.zeros(2), np.ones(2)).scaled(2).value.tolist() == [2.0, 4.0]


def test_parts_of_many_and_many_together():
    many = Interval(np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros((2, 2)), np.full((2, 2), 9.0), "4 × 3")
    assert f"{many[1, 0]:.0f}" == "3 [0, 9]"
    assert many[1, 0].sample == "4 × 3"
    assert many[:, 1].value.tolist() == [2.0, 4.0]
    assert many[np.array([False, True])].high.tolist() == [[9.0, 9.0]]
    again = stack([many[0], many[1]])
    for part in ("value", "low", "high"):
        assert getattr(again, part).tolist() == getattr(many, part).tolist()
    assert stack([Interval(1.0, 0.0, 2.0), Interval(5.0, 4.0, NAN)]).value.tolist() == [1.0, 5.0]
    assert stack([]).value.shape == (0,)


def test_what_is_not_above_zero_has_no_interval_among_others_that_are():
    """On the logarithmic scale; alone it is refused."""
    values = np.stack([[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 1.0, 1.0]], -1)[:, None]  # (T, K, 2); a zero is left alone
    shifted = values - np.array([0.0, 1.0])
    found = jackknife(shifted, log=True)
    assert found.value == pytest.approx([2.5, -0.25])
    assert found.low[0] > 0
    assert np.isnan([found.low[1], found.high[1]]).all()
    with pytest.raises(Refused, match="above 0"):
        jackknife(shifted[..., 1], log=True)


def test_pairs_by_hand():
    """Of u_k + u_l over all pairs the mean is twice that of u, and leaving one out is as for u itself."""
    units = np.array([0.1, 0.4, 0.2, 0.7, 0.3])
    matrix = np.add.outer(units, units)
    np.fill_diagonal(matrix, np.nan)  # what a unit has in common with itself is not asked
    found, plain = estimate_pairs(matrix), jackknife(units[:, None])
    assert found.value == pytest.approx(2 * plain.value)
    assert (found.low, found.high) == (pytest.approx(2 * plain.low), pytest.approx(2 * plain.high))
    assert estimate_pairs(matrix[:3, :3]).value == pytest.approx(2 * units[:3].mean())
    assert np.isnan(estimate_pairs(matrix[:3, :3]).low)


def test_intervals_of_pairs_hold_the_truth():
    """Of pairs that have something of both units and something of their own: about 95 in 100 intervals."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        units = rng.normal(size=8)
        found = estimate_pairs(np.add.outer(units, units) + rng.normal(size=(8, 8)))
        held += found.low <= 0 <= found.high
    assert 0.91 <= held / 400 <= 0.99


@pytest.mark.parametrize("matrix", [np.ones((1, 1)), np.ones((2, 3)), [[0, np.nan], [1, 0]]])
def test_pairs_that_are_none_are_refused(matrix):
    with pytest.raises(ValueError, match=r"square matrix of two or more units|first, nan, stands at \[0, 1\]"):
        estimate_pairs(matrix)


THREE = np.array([[1.0], [2.0], [6.0]])


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: estimate([1, 2, 3], 95), r"values must have shape \(T, K, ...\).*got \(3,\). Of one value for each"),
        (lambda: estimate(THREE, 95), "statistic must be a function, .*; got a int, 95"),
        (lambda: estimate(THREE, level="0.95"), "level must lie between 0 and 1, as 0.95; got a str, '0.95'"),
        (lambda: estimate(THREE, level=True), "level must lie between 0 and 1, as 0.95; got a bool, True"),
        (lambda: estimate(np.ones((0, 1))), r"one or more; got \(0, 1\)"),
        (lambda: estimate(np.ones((3, 0))), r"one or more; got \(3, 0\)"),
        (lambda: estimate(None), "values must be real numbers, in rows of one length; got a NoneType, None"),
        (lambda: estimate([["a"], ["b"], ["c"]]), "values must be real numbers"),
        (lambda: estimate([[1], [2, 3], [4]]), "values must be real numbers, in rows of one length"),
        (lambda: estimate(THREE + 1j), r"values must be real numbers.*an array of shape \(3, 1\) and type complex128"),
        (lambda: estimate([[1], [np.inf], [2]]), r"or NaN for what could.*the first, inf, stands at \[1, 0\]"),
        (lambda: estimate(THREE, lambda values: None), "what the statistic gives must be real numbers"),
        (lambda: estimate(THREE, lambda values: values[:, 0]), r"one shape.*\(3,\) of all 3 and \(2,\) without"),
        (lambda: spread(1.0, np.ones((3, 2))), r"left must be of shape \(T, \*\(\)\).*got \(3, 2\)"),
        (lambda: spread(1.0, np.ones(3), trials=0), "trials must be a whole number of at least 1; got 0"),
        (lambda: by_teacher([1, 2, 3, 4], 2.0), "teachers must be a whole number of at least 1; got a float, 2.0"),
        (lambda: by_teacher([1, 2, 3, 4], 0), "teachers must be a whole number of at least 1; got 0"),
        (lambda: by_teacher(["a", "b"]), "values must be real numbers"),
        (lambda: share(THREE / 6, of=0), "of must be a whole number of at least 1; got 0"),
        (lambda: share(THREE / 6, of=2.5), "of must be a whole number of at least 1; got a float, 2.5"),
        (lambda: share(np.ones((3, 0))), "shares must be numbers from 0 to 1, one for each member"),
        (lambda: mean([1.0, 2.0]), r"values must have shape \(T, K, ...\)"),
        (lambda: geometric_mean(-THREE), "a geometric mean is of numbers that are not negative; the least is -6"),
        (lambda: ratio_of_means(THREE), r"a ratio is of two values, \(T, K, 2\); got shape \(3, 1\)"),
        (
            lambda: slope_weights([1.0, NAN]),
            r"x must be finite: 1 of 2 numbers are not; the first, nan, stands at \[1\]",
        ),
        (lambda: slope_weights(np.eye(2)), "a slope needs two different points, in one row"),
        (lambda: slope_weights([]), "a slope needs two different points, in one row"),
        (lambda: Interval(1.0, 0.0, 2.0).scaled(-1), "factor must be a finite number above 0; got -1"),
        (
            lambda: f"{Interval(np.ones(3), np.ones(3), np.ones(3)):.1f}",
            r"an array of \(3,\) values; write one of them",
        ),
        (lambda: stack([Interval(1.0, 0.0, 2.0), jackknife(np.ones((3, 1, 2)))]), r"one shape; got \[\(\), \(2,\)\]"),
    ],
)
def test_an_impossible_argument_is_named(ask, message):
    with pytest.raises((ValueError, TypeError), match=message):
        ask()


def test_lists_are_as_good_as_arrays():
    assert estimate(THREE.tolist()) == estimate(THREE)
    assert estimate_share([[1.0], [0.0]]).value == 0.5
    assert geometric_mean([[0.0], [2.0]]) == 0


@pytest.mark.parametrize("of", [estimate, estimate_share])
@pytest.mark.parametrize("units", [1, 2])
def test_of_one_teacher_nothing_is_said_of_others(of, units):
    """No bounds, rather than bounds without a width: neither in words, nor inside or outside of anything."""
    found = of(np.ones((units, 1)))
    assert (found.value, f"{found:.1f}") == (1.0, "1.0")
    assert np.isnan([found.low, found.high]).all()
    with pytest.raises(Refused, match=f"or more; got {units}"):
        spread(1.0, np.ones(units))


@pytest.mark.parametrize("factor", [1e-300, 1e-160, 1e160, 1e300])
def test_an_interval_has_no_unit(factor):
    """Neither do its bounds fall together where squares vanish, nor are they infinite where squares are."""
    found, expected = jackknife(factor * THREE), jackknife(THREE)
    assert bounds(found) == pytest.approx([factor * end for end in bounds(expected)], rel=1e-12)
    assert factor * slope_weights(factor * THREE[:, 0]) == pytest.approx(slope_weights(THREE[:, 0]), rel=1e-12)


@pytest.mark.parametrize("log", [False, True])
def test_what_is_infinite_has_no_interval(log):
    """A statistic of all units, or of those left: as a quality of curves that nowhere overlap."""
    found = jackknife(THREE, lambda values: [np.inf, 1.0 if len(values) == 3 else np.inf, values.mean()], log=log)
    assert found.value.tolist() == [np.inf, 1, 3]
    assert np.isnan([found.low[:2], found.high[:2]]).all()
    assert bounds(found[2]) == pytest.approx(bounds(jackknife(THREE, log=log)))
    assert jackknife([[1e-300], [1.0], [1e300]], geometric_mean, log=True).high == np.inf
