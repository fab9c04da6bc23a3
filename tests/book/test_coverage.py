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


def test_intervals_hold_what_they_promise_with_few_teachers_too():
    """Within what 1,000 repetitions can tell of 95 %."""
    found = {(row["case"], row["teachers"]): covered(row)[0] for row in load()}
    for name in ("mean", "skewed mean", "slope", "real exponents"):
        parts = [part for (case, _), part in found.items() if case == name]
        assert all(abs(part - 0.95) < 0.03 for part in parts), name
    assert min(found["share", 4], found["share", 10]) > 0.95  # never fewer than promised


def test_the_study_shows_where_intervals_fail():
    found = {(row["case"], row["teachers"]): covered(row)[0] for row in load()}
    assert found["exponent", 4] < 0.93  # steeper than the truth on average, if teachers differ as much as planted
    assert found["all or none", 10] < 0.9  # ten teachers need not show the one of which nothing is found
    assert found["highest", 4] < 0.9  # above the truth by construction


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
