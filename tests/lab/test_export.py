"""Stored results as tables and in a few words, from students of which everything is known."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from standin import config, trainer

from spectral.lab.export import export, sizes, summary
from spectral.lab.results import Result, run
from spectral.stats.intervals import jackknife


@pytest.fixture
def result(store, tmp_path) -> Result:
    """Three teachers of two trials, six nodes each."""
    return run(replace(config(6), teachers=3), store=store, trainer=trainer(tmp_path / "log"))


def test_sizes_by_each_score(result):
    """The product is twice the norm here, and every eigenvalue is 1."""
    found = sizes(result)
    alive = result.scores > 0.05 * result.scores.amax(-1, keepdim=True)
    assert found["incoming"] == found["product"] == alive.sum(-1).tolist()
    assert found["eigenvalue"] == [6] * 6
    assert found["incoming_pooled"] == (result.scores > 0.05 * result.scores.max()).sum(-1).tolist()


def test_a_summary_has_intervals_over_the_teachers(result):
    """Test errors end at a quarter of E[y^2] in all members; the interval of a ratio is that of its logarithm."""
    found = summary(result)
    assert list(found) == [
        "effective size, incoming",
        "effective size, product",
        "effective size, eigenvalue",
        "effective size, incoming_pooled",
        "test error / E[y^2]",
    ]
    assert found["effective size, eigenvalue"] == "6, 3 × 2"
    assert found["test error / E[y^2]"] == "0.25, 3 × 2"
    pooled = jackknife(np.array(sizes(result)["incoming_pooled"], float).reshape(3, 2))
    assert found["effective size, incoming_pooled"] == f"{pooled:.3g}, 3 × 2"


def test_two_trials_alone_are_no_interval(store, tmp_path):
    found = summary(run(config(6), store=store, trainer=trainer(tmp_path / "log")))
    assert found["effective size, eigenvalue"] == "6, 2 × 1"


def test_tables_hold_what_is_stored_and_nothing_of_what_is_not(result, store, tmp_path):
    experiments = {"there": result.config, "not there": config(9)}
    paths = export(experiments, store, tmp_path / "deep" / "tables")
    assert [path.name for path in paths] == ["members.csv", "history.csv", "scores.csv", "rungs.csv"]
    members, history, scores, rungs = (list(csv.DictReader(path.read_text().splitlines())) for path in paths)
    assert {row["experiment"] for row in members + history + scores} == {"there"}
    assert (len(members), len(history), len(scores), len(rungs)) == (6, 6 * 3, 6 * 6, 0)
    assert [(row["member"], row["teacher_seed"], row["trial"]) for row in members] == [
        (str(index), str(member.teacher_seed), str(member.trial)) for index, member in enumerate(result.config.members)
    ]
    for column in ("train_mse", "validation_mse", "test_mse", "test_power"):
        assert [float(row[column]) for row in members] == getattr(result, column).tolist()
    assert [int(row["size_incoming"]) for row in members] == sizes(result)["incoming"]
    last = [float(row["test_mse"]) for row in history if int(row["epoch"]) == result.config.epochs]
    assert last == result.test_mse.tolist()
    assert [float(row["incoming"]) for row in scores] == result.scores.flatten().tolist()
    assert {row["hash"] for row in scores} == {result.config.hash()}


def test_a_ladder_has_a_row_for_each_network(small, store, tmp_path):
    config = replace(small, ladder="cut", ladder_epochs=1)
    kept = run(config, store=store)
    rows = list(csv.DictReader(export({"cut": config}, store, tmp_path)[-1].read_text().splitlines()))
    assert [int(row["nodes"]) for row in rows] == list(config.rungs) * 3
    assert [float(row["test_mse"]) for row in rows] == kept.rungs.test_mse.flatten().tolist()
    assert [int(row["teacher_nodes_found"]) for row in rows] == kept.rungs.found.flatten().tolist()
    assert [int(row["member"]) for row in rows] == [0] * 7 + [1] * 7 + [2] * 7
