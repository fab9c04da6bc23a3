"""Tables with and without a known answer: what they hold, and that asking goes on from where it stopped."""

import json
from dataclasses import replace

import numpy as np
import pytest

from spectral.apply.rightsize import Settings
from spectral.bench import owndata
from spectral.lab.config import ConfigError

QUICK = Settings(width=6, students=3, strengths=(1.0,), steps=10, on_steps=5)


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Two quick questions, and the file of the answers."""
    monkeypatch.setattr(owndata, "ASKED", {"spectral": QUICK, "search": replace(QUICK, way="search")})
    source = owndata.Source(lambda: owndata.planted(5, 0, rows=80), "y", "regression")
    monkeypatch.setattr(owndata, "sources", lambda: {"mine": source})
    return tmp_path / "tables.json"


def test_answers_are_kept_one_by_one_and_go_on(asked):
    said = []
    first = owndata.measure(asked, said.append)
    assert [(entry["table"], entry["way"]) for entry in first] == [("mine", "spectral"), ("mine", "search")]
    assert (first[0]["rows"], first[0]["columns"], len(first[0]["sizes"])) == (80, 8, 3)
    kept = json.loads(asked.read_text())
    asked.write_text(json.dumps(kept[:1]))
    again = owndata.measure(asked, said.append)
    assert again[0] == kept[0]
    same = [{key: entry[key] for key in ("nodes", "sizes", "test", "score")} for entry in (again[1], kept[1])]
    assert same[0] == same[1], "the same question has another answer"
    assert len(said) == 3


def test_a_file_of_something_else_is_refused(tmp_path):
    file = tmp_path / "tables.json"
    for text in ("{", "[1]", '[{"table": "iris"}]'):
        file.write_text(text)
        with pytest.raises(ConfigError, match=r"the answers of tables .* remove it and measure anew"):
            owndata.load(file)


def test_a_planted_table_has_its_nodes_in_some_of_its_columns():
    frame = owndata.planted(10, 1, rows=4_000, noise=0.0)
    assert list(frame.columns) == [f"x{place}" for place in range(10)] + ["y"]
    x, y = frame.drop(columns="y").to_numpy(), frame.y.to_numpy()
    line = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)[0]
    assert 0.05 < np.var(y - np.column_stack([x, np.ones(len(x))]) @ line) / np.var(y) < 0.95, "it is (not) a line"
    assert frame.equals(owndata.planted(10, 1, rows=4_000, noise=0.0))
    linear = owndata.planted(0, 0, noise=0.0)
    x, y = linear.drop(columns="y").to_numpy(), linear.y.to_numpy()
    assert np.abs(np.linalg.lstsq(x, y, rcond=None)[0][-2:]).max() < 1e-12, "columns that say nothing say something"
    noisy = owndata.planted(5, 2, rows=20_000, noise=0.5).y
    assert noisy.var() / owndata.planted(5, 2, rows=20_000, noise=0.0).y.var() == pytest.approx(1.25, rel=0.05)


def test_the_books_answers_are_all_there():
    """Every real table in five ways, every made one by spectral students, from one clean revision."""
    held = owndata.load()
    there = [(entry["table"], entry["way"]) for entry in held]
    assert sorted(there) == sorted(owndata._asked())
    assert len({entry["git"] for entry in held}) == 1
    assert not any(entry["dirty"] for entry in held)


def test_sizes_that_were_planted_are_found():
    """The result itself: intervals hold the planted sizes, and students agree where the rows suffice."""
    planted = [entry for entry in owndata.load() if entry["known"]]
    assert len(planted) == 9
    for entry in planted:
        low, high = entry["interval"][1:]
        assert low - 1e-9 <= entry["known"] <= high + 1e-9, entry["table"]
        assert entry["recurrence"][0] >= 0.9 or entry["known"] > 10, entry["table"]
    (noise,) = [entry for entry in owndata.load() if entry["table"] == "noise"]
    assert (noise["nodes"], noise["named"]) == (0, False)
