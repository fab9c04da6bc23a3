"""How large a layer must be: planted sizes, noise, what is kept, and what is refused."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from spectral.__main__ import main
from spectral.apply.fitting import flushing
from spectral.apply.report import card, save, summary
from spectral.apply.rightsize import Disagreement, RightSize, Settings, look_for_size, right_size
from spectral.apply.tables import TableError, read_table
from spectral.bench.owndata import planted
from spectral.stats.intervals import Interval

QUICK = Settings(width=40, students=4, strengths=(10.0, 3.0, 1.0), steps=1_200, on_steps=300)
SMALL = Settings(width=8, students=3, strengths=(1.0,), steps=20, on_steps=10)


@pytest.fixture(scope="module")
def made() -> RightSize:
    """Of 800 rows made by five nodes that read six of eight columns."""
    return right_size(read_table(planted(5, 3, rows=800), "y"), QUICK, progress=False)


@pytest.fixture
def mixed():
    """Numbers with gaps, categories with a rare and a missing one, and three classes."""
    rng = np.random.default_rng(0)
    rows = 240
    frame = pd.DataFrame({"a": rng.normal(size=rows), "b": rng.normal(3, 2, size=rows)})
    frame["kind"] = rng.choice(["red", "green", "blue", None], rows, p=[0.4, 0.3, 0.2, 0.1])
    frame["level"] = [f"l{k}" for k in rng.integers(0, 40, rows)]
    frame.loc[::7, "a"] = np.nan
    frame["y"] = np.where(frame.b > 4, "high", np.where(frame.kind == "red", "red", "other"))
    return frame


def test_a_planted_size_is_found_and_students_agree(made):
    assert made.interval.low <= 5 <= made.interval.high
    assert made.nodes == 5
    assert made.recurrence.value >= 0.9
    assert made.doubt is None
    assert made.beyond["ridge"].low > 0
    assert made.beyond["gradient boosting"].low > 0
    assert made.loss.value[made.ladder.index(5)] < 0.8 * made.loss.value[made.ladder.index(4)]
    assert made.score["small network"] > 0.95


def test_test_rows_were_seen_by_nobody(made):
    """Answers on rows that were put aside come out of the network that is handed out."""
    table = made.table
    answers = made.predict(table.features)
    error = np.square(answers - table.y).mean() / table.y.var()
    assert error == pytest.approx(made.test["small network"].value, rel=0.5)


@pytest.mark.parametrize("seed", [0, 1])
def test_of_noise_no_size_is_named(seed):
    table = read_table(planted(5, seed, rows=300, noise=1e3), "y")
    with pytest.raises(Disagreement, match=r"no size is named .* The estimate would be") as raised:
        right_size(table, replace(QUICK, steps=300), progress=False)
    found = raised.value.found
    assert found.nodes <= 2
    assert not found.recurrence.value >= 0.5
    assert "No size is named" in summary(found)


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({}, None),
        ({"interval": Interval(5, 2, 8)}, "differ too much, 5, 5, 5, 5 nodes"),
        ({"recurrence": Interval(0.3, 0.1, 0.5)}, "found different nodes: 0.30"),
        ({"recurrence": Interval(math.nan, math.nan, math.nan)}, "found different nodes"),
        ({"nodes": 0}, "nothing to size"),
    ],
)
def test_when_a_size_is_named(made, changes, doubt):
    found = replace(made, **changes)
    assert (found.doubt is None) if doubt is None else doubt in found.doubt
    if doubt is not None:
        assert doubt in str(Disagreement(found))


def test_the_same_seed_gives_the_same_answer_and_leaves_pytorchs_own_alone(mixed):
    table, before = read_table(mixed, "y"), torch.get_rng_state()
    one, two = (look_for_size(table, SMALL, progress=False) for _ in range(2))
    assert card(one) == card(two)
    assert all(torch.equal(a, b) for a, b in zip(one.network.parameters(), two.network.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), before)
    other = look_for_size(table, replace(SMALL, seed=1), progress=False)
    assert card(other)["test"] != card(one)["test"]


def from_card(kept, frame):
    """The inputs of the network, by the card alone."""
    columns = []
    for entry in kept["inputs"]:
        column = frame[entry["column"]]
        if entry["kind"] == "level":
            columns.append(column.where(column.notna(), "missing").isin(entry["levels"]).astype(float))
        else:
            value = column.isna() if entry["kind"] == "missing" else column.fillna(entry["median"])
            columns.append((value.astype(float) - entry["mean"]) / entry["scale"])
    return np.stack(columns, 1).astype(np.float32)


@pytest.mark.parametrize("target", ["y", "b"])
def test_what_is_kept_predicts_by_itself(mixed, target, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    table = read_table(mixed, target)
    found = look_for_size(table, SMALL, progress=False)
    folder = tmp_path / "kept"
    assert [path.name for path in save(found, folder)] == ["card.json", "curve.csv", "network.onnx", "network.pt"]
    kept = json.loads((folder / "card.json").read_text())
    session = runtime.InferenceSession(folder / "network.onnx", providers=["CPUExecutionProvider"])
    for rows in (1, 100):
        frame = mixed.drop(columns=target).head(rows)
        (outputs,) = session.run(None, {"inputs": from_card(kept, frame)})
        if target == "y":
            assert [kept["classes"][place] for place in outputs.argmax(1)] == found.predict(frame).tolist()
        else:
            np.testing.assert_allclose(outputs[:, 0], found.predict(frame), atol=1e-6, rtol=1e-6)
    state = torch.load(folder / "network.pt", weights_only=True)
    assert state.keys() == found.network.state_dict().keys()
    assert len(pd.read_csv(folder / "curve.csv")) == len(found.ladder)
    with pytest.raises(FileExistsError, match="not an empty folder"):
        save(found, folder)


def test_nothing_is_kept_of_what_fails(mixed, tmp_path):
    def fail(*_):
        raise OSError("no space")

    found = look_for_size(read_table(mixed, "y"), SMALL, progress=False)
    with pytest.raises(OSError, match="no space"):
        save(found, tmp_path / "kept", draw=fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("way", ["lasso", "magnitude", "search"])
def test_other_ways_give_an_answer_of_the_same_form(mixed, way):
    found = look_for_size(read_table(mixed, "b"), replace(SMALL, way=way), progress=False)
    assert found.ladder == (0, 1, 2, 3, 4)
    assert len(found.sizes) == 3
    assert set(found.test) >= {"small network", "whole student", "ridge", "gradient boosting"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 1}, "width must be a whole number of at least 2"),
        ({"students": 2}, "students must be a whole number of at least 3"),
        ({"steps": 0.5}, "steps must be a whole number"),
        ({"learning_rate": 0.0}, "learning_rate must be a finite number above 0"),
        ({"strengths": (1.0, 3.0)}, "strengths must fall"),
        ({"strengths": (1.0, 0.0)}, "finite numbers above 0"),
        ({"test_fraction": 1.0}, "test_fraction must lie between 0 and 1"),
        ({"tolerance": -1.0}, "tolerance must be a finite number"),
        ({"way": "magic"}, "way must be one of"),
    ],
)
def test_impossible_settings_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Settings(**values)


def test_too_few_rows_for_the_students(mixed):
    with pytest.raises(TableError, match="cannot be dealt out"):
        look_for_size(read_table(mixed.head(30), "b"), replace(SMALL, students=20), progress=False)


@pytest.mark.parametrize("before", [False, True])
def test_small_numbers_are_zero_while_networks_train_and_afterwards_as_before(before):
    def small():
        return float(torch.tensor([1e-38]) * 0.01) == 0

    torch.set_flush_denormal(before)
    try:
        with flushing():
            assert small()
        assert small() == before
    finally:
        torch.set_flush_denormal(False)


def test_the_command_prints_and_keeps_an_answer(mixed, tmp_path, capsys):
    file, folder = tmp_path / "mine.csv", tmp_path / "kept"
    mixed.to_csv(file, index=False)
    quick = ["--width", "8", "--students", "3", "--steps", "20"]
    code = main(["size", str(file), "--target", "y", "--json", "--to", str(folder), *quick])
    out, err = capsys.readouterr()
    printed = json.loads(out)
    assert printed == json.loads((folder / "card.json").read_text())
    assert code == (0 if printed["named"] else 1)
    assert "240 rows, 4 columns, classification" in err
    assert (folder / "curve.svg").stat().st_size > 1_000
    for arguments, message in (
        (["--target", "Y"], "did you mean 'y'"),
        (["--target", "y", "--to", str(folder)], "not an empty folder"),
        (["--target", "y", "--students", "1"], "students must be"),
    ):
        assert main(["size", str(file), *arguments]) == 2
        assert message in capsys.readouterr().err
