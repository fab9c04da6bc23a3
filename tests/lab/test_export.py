"""Stored results as tables and in a few words, from students of which everything is known."""

import csv
import sys
from dataclasses import replace

import numpy as np
import pytest
from standin import config, trainer

from spectral.lab.choose import by_hash
from spectral.lab.collection import MissingResult
from spectral.lab.config import ConfigError
from spectral.lab.export import TABLES, account, export, readable, sizes, summary
from spectral.lab.results import Result, run
from spectral.stats.intervals import Interval, jackknife


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
        "size_incoming",
        "size_product",
        "size_eigenvalue",
        "size_incoming_pooled",
        "test_error",
    ]
    assert readable(found["size_eigenvalue"]) == "6.00, 3 × 2"
    assert readable(found["test_error"]) == "0.250, 3 × 2"
    assert found["size_incoming_pooled"] == jackknife(np.array(sizes(result)["incoming_pooled"], float).reshape(3, 2))


def test_two_trials_alone_are_no_interval(store, tmp_path):
    found = summary(run(config(6), store=store, trainer=trainer(tmp_path / "log")))
    assert readable(found["size_eigenvalue"]) == "6.00, 2 × 1"


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((23.0667, 9.8532, 123.7801), "23.1 [9.9, 123.8]"),
        ((1234.56, 1100.4, 1300.9), "1235 [1100, 1301]"),
        ((0.0123456, 0.00998, 0.0151), "0.0123 [0.0100, 0.0151]"),
        ((0.000999999, 0.00098, 0.00102), "0.00100 [0.00098, 0.00102]"),
        ((4.5678e-5, 3.2e-5, 1.23e-4), "4.57 [3.20, 12.30] · 10^-5"),
        ((-2.5, -3.14159, 0.001), "-2.50 [-3.14, 0.00]"),
        ((0.0, np.nan, np.nan), "0.00"),
        ((np.nan, np.nan, np.nan), "–"),
    ],
)
def test_numbers_are_rounded_to_three_digits_and_intervals_to_their_place(numbers, text):
    assert readable(Interval(*numbers, "3 × 1")) == f"{text}, 3 × 1"


def test_an_account_has_all_numbers_as_they_were_measured(result, store):
    told = account(
        result.config.hash(), store, by_hash({"other": config(9), "it": result.config, "again": result.config})
    )
    assert told["config"] == result.config.changed(everything=True)
    assert (told["experiment"], told["provenance"]["loop"]) == ("it", None)
    assert told["file"] == str(store.local / f"{result.config.hash()}.npz")
    assert [one["test_mse"] for one in told["members"]] == result.test_mse.tolist()
    assert [one["size_incoming"] for one in told["members"]] == sizes(result)["incoming"]
    assert [(one["member"], one["teacher_seed"], one["trial"]) for one in told["members"]] == [
        (index, member.teacher_seed, member.trial) for index, member in enumerate(result.config.members)
    ]
    found, size = summary(result)["size_incoming"], told["measures"]["size_incoming"]
    assert (size["value"], size["low"], size["high"]) == (found.value, found.low, found.high)
    assert (size["level"], size["n"], size["of"], size["unit"], size["log"]) == (0.95, 3, "teachers", "nodes", False)
    assert size["value"] == np.mean([one["size_incoming"] for one in told["members"]])


def test_of_another_engines_result_only_its_origin_is_told(result, store):
    arrays, meta = store.load(result.config.hash())
    name = "0123456789ab"
    store.save(name, arrays, meta | {"engine": 1})
    told = account(name, store, by_hash({"it": result.config}))
    assert (told["experiment"], told["measures"], told["members"]) == (None, {}, [])
    assert told["provenance"]["engine"] == 1


def test_tables_hold_what_is_stored_and_nothing_of_what_is_not(result, store, tmp_path):
    experiments = {"there": result.config, "not there": config(9)}
    paths = export(experiments, store, tmp_path / "deep" / "tables")
    assert [path.name for path in paths] == ["runs.csv", "members.csv", "history.csv", "scores.csv", "rungs.csv"]
    runs, members, history, scores, rungs = (list(csv.DictReader(path.read_text().splitlines())) for path in paths)
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
    (told,) = runs
    assert {name: told[name] for name in told if name in result.config.changed(everything=True)} == {
        name: str(value) for name, value in result.config.changed(everything=True).items()
    }
    assert (told["experiment"], told["date"], told["loop"]) == ("there", result.provenance["date"], "")


@pytest.mark.parametrize("table", TABLES)
def test_parquet_holds_what_csv_holds_and_knows_the_types(result, store, tmp_path, table):
    """Also of a table without rows."""
    pandas = pytest.importorskip("pandas")
    csv_path, path = (
        next(path for path in export({"it": result.config}, store, tmp_path, kind) if path.stem == table)
        for kind in ("csv", "parquet")
    )
    found = pandas.read_parquet(path)
    assert [*found] == csv_path.read_text().splitlines()[0].split(",")
    kinds = {str: "str", int: "int64", float: "float64", bool: "bool"}
    known = {name: kind for name, kind in TABLES[table].columns.items() if found[name].notna().all()}
    assert {name: str(found[name].dtype) for name in known} == {name: kinds[kind] for name, kind in known.items()}
    if len(found):
        read = pandas.read_csv(csv_path, dtype={"hash": str, "git": str})
        pandas.testing.assert_frame_equal(read, found, check_dtype=False, rtol=0, atol=0)


@pytest.mark.parametrize(("least", "groups"), [(100, 1), (2, 2), (1, 3)])
def test_parquet_has_groups_of_runs(result, store, tmp_path, monkeypatch, least, groups):
    """Each group brings statistics of every column, which are more than the run itself."""
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("spectral.lab.export._GROUP", least)
    runs, *_ = export(dict.fromkeys("abc", result.config), store, tmp_path, "parquet")
    file = parquet.ParquetFile(runs)
    assert file.num_row_groups == groups
    assert file.read()["experiment"].to_pylist() == ["a", "b", "c"]


def test_parquet_without_its_package_is_refused_before_any_work(result, store, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigError, match=r"needs the package pyarrow .* install student-teacher-spectral\[apply\]"):
        export({"it": result.config}, store, tmp_path / "tables", "parquet")
    with pytest.raises(ConfigError, match=r"unknown format 'parket'; did you mean 'parquet'\?"):
        export({"it": result.config}, store, tmp_path / "tables", "parket")
    assert not (tmp_path / "tables").exists()


def test_nothing_is_written_of_nothing(store, tmp_path):
    with pytest.raises(MissingResult, match="none of 1 results is there, and nothing was written"):
        export({"not there": config(9)}, store, tmp_path / "tables")
    assert not (tmp_path / "tables").exists()


def test_a_ladder_has_a_row_for_each_network(small, store, tmp_path):
    config = replace(small, ladder="cut", ladder_epochs=1)
    kept = run(config, store=store)
    rows = list(csv.DictReader(export({"cut": config}, store, tmp_path)[-1].read_text().splitlines()))
    assert [int(row["nodes"]) for row in rows] == list(config.rungs) * 3
    assert [float(row["test_mse"]) for row in rows] == kept.rungs.test_mse.flatten().tolist()
    assert [int(row["teacher_nodes_found"]) for row in rows] == kept.rungs.found.flatten().tolist()
    assert [int(row["member"]) for row in rows] == [0] * 7 + [1] * 7 + [2] * 7
