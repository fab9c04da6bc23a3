import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spectral import ConfigError
from spectral.book import chapter
from spectral.book.quantities import ratio_of_means
from spectral.stats.intervals import Interval

CELL = "student_hidden: int = 40  # nodes\nlearning_rate: float = 0.005\nactivation: str = 'relu'\n"


def notebook(injected: str = "") -> dict:
    """The names of a notebook after its parameters cell and the cell that papermill adds."""
    namespace: dict = {}
    exec(CELL + injected, namespace)
    return namespace | {"In": ["", CELL, f"# Parameters\n{injected}"], "Out": {}, "get_ipython": lambda: None}


def test_parameters_come_back_typed():
    values = chapter.parameters(notebook("student_hidden = 7\nlearning_rate = 1\n"))
    assert values == {"student_hidden": 7, "learning_rate": 1.0, "activation": "relu"}
    assert isinstance(values["learning_rate"], float)


@pytest.mark.parametrize(
    ("injected", "message"),
    [
        ("studnt_hidden = 100", "unknown parameter 'studnt_hidden'; did you mean 'student_hidden'"),
        ("epochs = 10", "unknown parameter 'epochs'. Known: activation, learning_rate, student_hidden"),
        ("student_hidden = '100'", "student_hidden must be of type int; got '100', of type str"),
        ("student_hidden = 1.5", "student_hidden must be of type int; got 1.5, of type float"),
        ("activation = None", "activation must be of type str; got None, of type NoneType"),
    ],
)
def test_wrong_parameters(injected, message):
    with pytest.raises(ConfigError, match=message):
        chapter.parameters(notebook(injected))


def test_cells_with_magics_hold_no_parameters():
    cells = ["%matplotlib inline\nx: int = 1", "y: int = 2", "z = 3"]
    assert chapter.declared({"In": cells}) == {"y": ("int", 2)}


def test_a_runner_without_history_is_understood():
    """As nbval runs notebooks: no cell is remembered, the annotations are."""
    values = chapter.parameters(notebook() | {"In": [""]})
    assert values == {"student_hidden": 40, "learning_rate": 0.005, "activation": "relu"}


def test_a_cell_can_be_run_again():
    """Names that later cells have made are no parameters, and a name that is imported later is no excuse."""
    again = notebook() | {"values": {}, "epochs": 3}
    again["In"] += ["values = {}\nepochs = 3"]
    assert chapter.parameters(again)["student_hidden"] == 40
    with pytest.raises(ConfigError, match="unknown parameter 'run'"):
        chapter.parameters(notebook("run = 5") | {"run": len})


def test_config_takes_the_fields_and_leaves_the_rest():
    config = chapter.config({"student_hidden": 7, "threshold": 0.1}, activation="erf")
    assert (config.student_hidden, config.activation) == (7, "erf")


def test_command_repeats_the_chapter():
    assert chapter.command("03-training", notebook()) == "papermill book/03-training.ipynb out.ipynb"
    line = chapter.command("03-training", notebook("student_hidden = 7\nactivation = 'erf'\n"))
    assert line == "papermill book/03-training.ipynb out.ipynb -p student_hidden 7 -r activation erf"
    assert chapter.command("x", notebook("activation = '60 100'\n")).endswith(" -r activation '60 100'")


def test_experiments_of_a_preset_with_other_settings():
    found = chapter.experiments("paper", "epochs=300 l2_lam=0", "grid/spectral", "grid/published")
    assert {name.split("/")[1] for name in found} == {"spectral", "published"}
    assert {(config.epochs, config.l2_lam, config.teachers) for config in found.values()} == {(300, 0.0, 10)}
    assert {config.learning_rate for name, config in found.items() if "published" in name} == {0.002}


@pytest.mark.parametrize(
    ("preset", "settings", "message"),
    [
        ("papr", "", "unknown preset 'papr'; did you mean 'paper'"),
        ("paper", "epoch=3", "unknown parameter 'epoch'; did you mean 'epochs'"),
        ("paper", "epochs", "a setting is NAME=VALUE; got 'epochs'"),
        ("paper", "epochs=many", "epochs must be of type int; got 'many'"),
        ("paper", "student_hidden=50", "make grid/spectral/20 and grid/spectral/10 the same"),
    ],
)
def test_impossible_experiments(preset, settings, message):
    with pytest.raises(ConfigError, match=message):
        chapter.experiments(preset, settings, "grid/spectral")


@pytest.fixture
def empty_store(monkeypatch, tmp_path):
    monkeypatch.setenv("SPECTRAL_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("SPECTRAL_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def test_a_store_without_the_preset_says_what_to_run(empty_store):
    """Hours of training do not begin by themselves; and nothing is written."""
    with pytest.raises(chapter.NotTrained) as caught:
        chapter.obtain(chapter.experiments("paper", "", "grid/"), patience=10.0)
    message = str(caught.value)
    assert "32 of the 32 runs that this chapter shows are not there" in message
    assert re.search(r"takes about [\d.]+ (min|h) on two cores, more than the 10 minutes", message)
    assert "python -m spectral sweep paper" in message
    assert not empty_store.exists()
    with pytest.raises(ConfigError, match="patience must be a number of minutes of at least 0; got -1"):
        chapter.obtain({}, patience=-1)


def test_what_takes_seconds_is_trained_and_kept(empty_store, small):
    (runs,) = chapter.obtain({"small": small}, patience=1.0).values()
    assert runs.config == small
    assert (empty_store / f"{small.hash()}.npz").exists()
    assert chapter.obtain({"small": small}, patience=0.0)["small"].provenance == runs.provenance


def test_runs_are_compared_by_members_that_all_have_kept():
    """Two teachers of three trials: the first teacher has two trials in both, the second has three in one."""

    def runs(*kept):
        return SimpleNamespace(config=SimpleNamespace(teachers=2, trials=3), kept=kept)

    assert chapter.comparable(runs(0, 1, 2, 3, 4, 5)) == ([0, 1, 2, 3, 4, 5], 2, 3)
    assert chapter.comparable(runs(0, 1, 2, 3, 4, 5), runs(0, 2, 3, 4, 5)) == ([0, 2, 3, 4], 2, 2)
    assert chapter.comparable(runs(0, 1, 2), runs(0, 1, 4)) == ([0, 1], 1, 2)


def test_intervals_are_the_ledgers():
    """Two teachers at 1 and 3, whatever the trial: a resample of teachers has mean 1, 2 or 3."""
    sample = chapter.Sample([0, 1, 2, 3], 2, 2)
    found = chapter.interval(torch.tensor([1.0, 1.0, 3.0, 3.0]), sample)
    assert found == Interval(2.0, 1.0, 3.0)
    assert found.brief(".1f") == "2.0 [1.0, 3.0]"
    values = [[1.0, 2.0], [3.0, 2.0], [0.0, 0.0], [0.0, 0.0]]
    pooled = chapter.interval(torch.tensor(values), sample, ratio_of_means)
    assert pooled.value == 1.0
    assert np.isnan(chapter.interval(torch.zeros(4, 2), sample, ratio_of_means).value)
    alone = chapter.interval(torch.tensor([5.0]), chapter.Sample([0], 1, 1))
    assert alone.value == 5.0
    assert np.isnan([alone.low, alone.high]).all()


def test_what_is_there_is_shown_without_the_rest(empty_store, small, capsys):
    """A run that takes days is left out and named as missing; one that the chapter needs is not."""
    there = chapter.obtain({"small": small}, patience=1.0)["small"]
    large = replace(small, student_hidden=1_000, epochs=100_000)
    found = chapter.obtain_most({"small": small, "large": large}, 1.0, "small")
    assert list(found) == ["small"]
    assert found["small"].provenance == there.provenance
    assert re.search(
        "left out: 1 settings. 1 of the 2 runs that this chapter shows are not there", capsys.readouterr().out
    )
    with pytest.raises(chapter.NotTrained):
        chapter.obtain_most({"small": small, "large": large}, 1.0, "large")
    assert set(chapter.obtain_most({"small": small}, 0.0, "small")) == {"small"}
    assert capsys.readouterr().out == ""


ENTRY = {
    "id": "size",
    "statement": "It has the teacher's size.",
    "chapter": "05-size",
    "changed": "",
    "verdict": "partly reproduced",
    "parts": [
        {
            "meaning": "Survivors.",
            "measured": [23.44, 22.0, 0.00032],
            "sample": "10 × 3",
            "reproduced": [20.0, 25.0],
            "partly": [None, 30.0],
            "verdict": "partly reproduced",
        }
    ],
}


def test_a_box_says_claim_measurement_rule_and_verdict():
    text = chapter.boxes([ENTRY]).data
    assert text.startswith(":::{admonition} ◐ partly reproduced\n:class: verdict partly\n")
    assert "*It has the teacher's size.*" in text
    assert "Survivors. **23.4 [22.0, 3.2·10⁻⁴]**, 10 × 3." in text
    assert "Rule: reproduced if within [20, 25], partly if at most 30." in text
    assert "The rule was changed" not in text
    waiting = ENTRY | {"parts": [ENTRY["parts"][0] | {"measured": None, "sample": ""}]}
    assert "Survivors. Not measured yet. Rule:" in chapter.boxes([waiting]).data
    assert "The rule was changed: it was wrong" in chapter.boxes([ENTRY | {"changed": "it was wrong"}]).data


def test_the_table_of_claims_links_to_chapters():
    text = chapter.at_a_glance([ENTRY]).data
    row = "| It has the teacher's size. | 23.4 [22.0, 3.2·10⁻⁴] | ◐ partly reproduced | {doc}`5 </book/05-size>` |"
    assert row in text
    assert "| 99, to come |" in chapter.at_a_glance([ENTRY | {"chapter": "99-future"}]).data


def test_tables_keep_intervals_whole():
    text = chapter.table(("n", "a, b"), (1, "2.0 [1.5, -2.5]")).data
    assert text.splitlines() == ["| n | a, b |", "| --- | --- |", "| 1 | 2.0 [1.5,\u00a0-2.5] |"]


def test_boxes_come_from_what_was_announced():
    assert "✔ reproduced" in chapter.verdict("size").data
    with pytest.raises(ConfigError, match="unknown claim 'sise'; did you mean 'size'"):
        chapter.verdict("sise")


@pytest.mark.parametrize("text", ["", "60, 100", "60 -1", "0", "1e3", "60 x", "\u0663", "\u00b2"])
def test_what_is_no_list_of_widths(text):
    assert chapter.widths(" 200 60  060") == [60, 200]
    with pytest.raises(ConfigError, match=f"widths must hold whole numbers .* got {re.escape(repr(text))}"):
        chapter.widths(text)


def test_widths_are_those_of_the_preset():
    assert chapter.widths("500 10", [10, 40, 500]) == [10, 500]
    for text in ("", "10 41", "ten"):
        with pytest.raises(ConfigError, match=f"widths must be some of 10 40 500; got {text!r}"):
            chapter.widths(text, [10, 40, 500, 10])
