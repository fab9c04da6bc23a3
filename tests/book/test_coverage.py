"""The study of coverage: its cases know their truth, and what is kept is what it finds."""

import numpy as np
import pytest

from spectral.book.coverage import CASES, covered, load, missed, one_interval, save, study

CHECKED = range(10)


@pytest.mark.parametrize("name", CASES)
def test_the_truth_of_a_case_is_its_value_for_very_many_teachers(name):
    case = CASES[name]
    many = case.draw(np.random.default_rng(0), 40_000, 1)
    assert float(case.statistic(many)) == pytest.approx(case.truth(), abs=0.03)


@pytest.mark.parametrize("name", CASES)
def test_what_is_kept_is_what_the_study_finds(name):
    """The first repetitions, made again."""
    rows = {(row["case"], row["teachers"], row["trials"]): row for row in load()}
    for design in CASES[name].designs:
        row = rows[name, *design]
        assert row["repetitions"] == 1_000
        below, above = missed(name, *design, CHECKED)
        assert below == [index for index in row["below"] if index in CHECKED]
        assert above == [index for index in row["above"] if index in CHECKED]


def parts_of(name: str) -> list[float]:
    """Which part of the intervals holds the truth, with 4, 10, 20 and 30 teachers."""
    rows = [row for row in load() if row["case"] == name]
    assert [(row["teachers"], row["trials"]) for row in rows] == [(4, 1), (10, 1), (20, 1), (30, 1)]
    return [covered(row)[0] for row in rows]


def test_the_study_is_of_all_cases():
    assert {row["case"] for row in load()} == CASES.keys()


@pytest.mark.parametrize("name", ["mean", "slope", "real exponents"])
def test_intervals_hold_what_they_promise_with_few_teachers_too(name):
    """Within what 1,000 repetitions can tell of 95 %: three standard errors are 2 %."""
    assert all(abs(part - 0.95) < 0.0207 for part in parts_of(name))


def test_the_study_shows_where_intervals_fail():
    """Shares hold the truth more often than promised, unless there are teachers of which hardly anything is found."""
    assert min(parts_of("share")) > 0.95
    few, *more = parts_of("all or none")
    assert few > 0.95
    assert all(0.8 < part < 0.92 for part in more)  # so many teachers need not show the one of which nothing is found
    assert all(0.89 < part < 0.93 for part in parts_of("exponent"))  # found too steep, if teachers differ as planted
    assert all(0.91 < part < 0.96 for part in parts_of("skewed mean"))  # the logarithm of a mean is skewed, too


def test_a_truth_that_is_wrong_is_missed(monkeypatch):
    """Three standard deviations off: nearly every interval lies below it."""
    monkeypatch.setitem(CASES, "mean", CASES["mean"]._replace(truth=lambda: 3.0))
    below, above = missed("mean", 4, 3, CHECKED)
    assert len(below) >= 8
    assert above == []


def test_a_repetition_depends_on_nothing_else():
    assert one_interval("slope", 4, 3, 7) == one_interval("slope", 4, 3, 7) != one_interval("slope", 4, 3, 8)


def test_a_study_is_written_and_read(tmp_path, monkeypatch):
    for name, case in CASES.items():
        monkeypatch.setitem(CASES, name, case._replace(designs=((3, 2),)))
    said = []
    rows = study(3, said.append)
    save(rows, tmp_path / "study.json")
    assert load(tmp_path / "study.json") == rows
    assert len(rows) == len(said) == len(CASES)
    assert covered({"below": [1], "above": [2], "repetitions": 4}) == (0.5, 0.25)


def test_what_is_no_study_is_refused(tmp_path):
    (tmp_path / "study.json").write_text('[{"case": "mean"}]')
    with pytest.raises(ValueError, match=r"cannot be read .*an entry is not a case.*python -m spectral coverage"):
        load(tmp_path / "study.json")
