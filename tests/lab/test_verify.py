"""Whether stored results hold: what is damaged is named, and members that are trained again are judged fairly."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from standin import config, trainer

from spectral import ConfigError, compute
from spectral.lab.results import run
from spectral.lab.verify import Check, damaged, prediction_interval, retrain


def test_damage_is_found_by_name(store, tmp_path):
    for width in (3, 4, 5):
        run(config(width), store=store, trainer=trainer(tmp_path / "log"))
    assert damaged(store) == {}
    path = store.local / f"{config(4).hash()}.npz"
    path.write_bytes(path.read_bytes()[:-3])
    found = damaged(store)
    assert list(found) == [config(4).hash()]
    assert f"{path} is damaged" in found[path.stem]


def test_a_prediction_interval_by_hand():
    """1, 2, 3: mean 2, deviation 1; one more lies within t(0.995, 2) sqrt(1 + 1/3) of it."""
    half = scipy.stats.t.ppf(0.995, 2) * (4 / 3) ** 0.5
    assert prediction_interval(np.array([1.0, 2.0, 3.0])) == pytest.approx((2 - half, 2 + half))
    low, high = prediction_interval(np.full(3, 20.0), least_spread=0.5)
    assert (low, high) == pytest.approx((20 - half / 2, 20 + half / 2)), "equal counts are no proof that all are equal"


def test_prediction_intervals_hold_as_often_as_they_say():
    """One more of thirty normal numbers, 4,000 times: 80 % within an interval of that level."""
    draws = np.random.default_rng(0).normal(size=(4_000, 31))
    hits = [low <= one[-1] <= high for one in draws for low, high in [prediction_interval(one[:-1], 0.8)]]
    assert np.mean(hits) == pytest.approx(0.8, abs=0.02)


def test_a_check_passes_within_its_interval():
    inside = Check("x", 0, "effective size", 20.0, 19.0, 20.0)
    assert inside.passed
    assert not replace(inside, value=20.1).passed
    assert not replace(inside, value=18.9).passed


def test_more_comparisons_have_wider_intervals(small, store):
    """All of a sample together pass with a probability of 99 %, if all is well: each has its share of what is left."""
    run(small, store=store)
    told: list[str] = []
    one, three = (retrain({"small": small}, store, count, seed=0, report=told.append) for count in (1, 3))
    assert told[-1] == "3 of 3 have the stored scores to the last bit"
    assert [check.quantity for check in one] == ["effective size", "teacher nodes found", "log error / E[y^2]"]
    assert {check.member for check in three} == {0, 1, 2}
    assert one[0].high - one[0].low < three[0].high - three[0].low
    assert all(check.passed for check in three)


def test_only_members_in_company_can_be_drawn(store, small):
    lonely = replace(small, trials=1)
    run(lonely, store=store)
    for sample in (1, -1):
        with pytest.raises(ConfigError, match=f"a sample of {sample} cannot be drawn from 0 stored members"):
            retrain({"lonely": lonely, "missing": small}, store, sample)
    assert retrain({"lonely": lonely}, store, 0) == []


def test_networks_that_a_teachers_students_make_together_are_trained_again_together(small, store):
    """And compared on the rung of the teacher's size; half of a teacher's students make no such network."""
    ladder = replace(small, teachers=2, trials=2, ladder="cluster", ladder_epochs=2, shared_patterns=True)
    run(ladder, store=store)
    told: list[str] = []
    checks = retrain({"ladder": ladder}, store, 4, report=told.append)
    assert told[-1] == "4 of 4 have the stored scores to the last bit"
    assert sorted(check.member for check in checks if check.quantity == "log error / E[y^2], 4 nodes") == [0, 1, 2, 3]
    assert all(check.passed for check in checks)
    with pytest.raises(ConfigError, match="asks all 2 students of a teacher; these are some of them"):
        compute(ladder, ladder.members[:1])
