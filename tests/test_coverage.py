"""The study of coverage: its cases know their truth, and what is kept is what it finds."""

import numpy as np
import pytest

from spectral.book import coverage
from spectral.book.coverage import CASES, DESIGNS, interval, load, missed, save, share, study

CHECKED = range(10)


@pytest.mark.parametrize("name", CASES)
def test_the_truth_of_a_case_is_its_value_for_very_many_teachers(name):
    case = CASES[name]
    many = case.draw(np.random.default_rng(0), 40_000, 1)
    assert float(case.statistic(many)) == pytest.approx(case.truth, abs=0.03)


@pytest.mark.parametrize("name", CASES)
def test_what_is_kept_is_what_the_study_finds(name):
    """The first repetitions, made again."""
    rows = {(row["case"], row["teachers"], row["trials"]): row for row in load()}
    for design in DESIGNS:
        row = rows[name, *design]
        assert row["repetitions"] == 1_000
        below, above = missed(name, *design, CHECKED)
        assert below == [index for index in row["below"] if index in CHECKED]
        assert above == [index for index in row["above"] if index in CHECKED]


def test_more_teachers_cover_better_and_a_maximum_hardly_ever():
    covered = {(row["case"], row["teachers"]): share(row)[0] for row in load()}
    for name in ("mean", "skewed mean", "exponent"):
        assert 0.7 < covered[name, 4] < covered[name, 10] < 0.96, name
    assert covered["mean, Student's t", 4] == pytest.approx(0.95, abs=0.03)
    assert covered["highest", 4] < 0.5


def test_a_truth_that_is_wrong_is_missed(monkeypatch):
    """Three standard deviations off: nearly every interval lies below it."""
    monkeypatch.setitem(CASES, "mean", CASES["mean"]._replace(truth=3.0))
    below, above = missed("mean", 4, 3, CHECKED)
    assert len(below) >= 8
    assert above == []


def test_a_repetition_depends_on_nothing_else():
    assert interval("slope", 4, 3, 7) == interval("slope", 4, 3, 7) != interval("slope", 4, 3, 8)


def test_a_study_is_written_and_read(tmp_path, monkeypatch):
    monkeypatch.setattr(coverage, "DESIGNS", ((2, 2),))
    said = []
    rows = study(3, said.append)
    save(rows, tmp_path / "study.json")
    assert load(tmp_path / "study.json") == rows
    assert len(rows) == len(said) == len(CASES)
    assert share({"below": [1], "above": [2], "repetitions": 4}) == (0.5, 0.25)


def test_what_is_no_study_is_refused(tmp_path):
    (tmp_path / "study.json").write_text('[{"case": "mean"}]')
    with pytest.raises(ValueError, match=r"cannot be read .*an entry is not a case.*python -m spectral coverage"):
        load(tmp_path / "study.json")
