"""A chapter's page: its parameters, what it obtains, what it says and where its numbers come from."""

import json
from types import SimpleNamespace
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
import torch
from standin import config, trainer

from spectral import ConfigError
from spectral.book import page as module
from spectral.book.obtain import NotTrained
from spectral.book.page import FIGURE, Page
from spectral.lab.collection import MissingResult
from spectral.lab.results import Result, run
from spectral.lab.store import Store
from spectral.stats.intervals import Interval

CELL = """
student_hidden: int = 40  # nodes
threshold: float = 0.05
widths: str = '10 30'
preset: str = 'smoke'
settings: str = ''
patience: float = 1.0
"""


@pytest.fixture
def store(monkeypatch, tmp_path) -> Store:
    monkeypatch.setenv("SPECTRAL_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("SPECTRAL_STORE", str(tmp_path / "store"))
    return Store.default()


@pytest.fixture
def opened(monkeypatch):
    """A function that opens a page with other parameters, as papermill would give them; and the style is not set."""
    monkeypatch.setattr(module.figures, "use_style", lambda: None)

    def open_page(injected: str = "") -> Page:
        namespace: dict[str, Any] = {}
        exec(CELL + injected, namespace)
        return Page("05-size", namespace | {"In": ["", CELL, f"# Parameters\n{injected}"]})

    return open_page


@pytest.fixture
def said(monkeypatch) -> dict[str, str]:
    """What has been handed to the text."""
    found: dict[str, str] = {}
    monkeypatch.setattr("myst_nb.glue", lambda name, value, display: found.__setitem__(name, value))
    return found


def test_a_page_checks_its_parameters(opened):
    page = opened("student_hidden = 7")
    assert page.values == {
        "student_hidden": 7, "threshold": 0.05, "widths": "10 30", "preset": "smoke", "settings": "", "patience": 1.0,
    }  # fmt: skip
    with pytest.raises(ConfigError, match="unknown parameter 'studnt_hidden'; did you mean 'student_hidden'"):
        opened("studnt_hidden = 7")
    with pytest.raises(ConfigError, match="threshold must be of type float; got 'low'"):
        opened("threshold = 'low'")


def test_config_takes_the_fields_and_leaves_the_rest(opened):
    found = opened("student_hidden = 7").config(activation="erf")
    assert (found.student_hidden, found.activation, found.learning_rate) == (7, "erf", 0.005)
    assert opened().config(student_hidden=9).student_hidden == 9
    with pytest.raises(ConfigError, match="student_hidden must be at least 1; got 0"):
        opened("student_hidden = 0").config()


def test_twins_by_role(opened, capsys):
    page = opened()
    whole = page.config()
    assert page.twins(whole) == {
        "spectral": whole,
        "lasso": whole.direct_twin("lasso"),
        "matched": whole.direct_twin(),
        "published": whole.direct_twin("published"),
    }
    assert capsys.readouterr().out == ""
    few = page.config(patterns=600, batch_size=100)  # 480 to train on
    assert list(page.twins(few)) == ["spectral", "lasso", "matched"]
    assert capsys.readouterr().out == "left out: the published direct students need 500 training patterns\n"
    assert "published" in page.twins(page.config(patterns=625, batch_size=100)), "500 are enough"


def test_a_page_has_its_patience(opened, store, small):
    assert opened().obtain({"small": small})["small"].config == small
    with pytest.raises(NotTrained, match="more than the 0 minutes of its parameter patience"):
        opened("patience = 0.0").obtain({"another": small.direct_twin()})


def test_results_are_those_of_the_preset_with_its_settings(opened, store):
    results = opened("settings = 'test_patterns=400'").results("grid", "long", student="spectral", student_hidden=[30])
    assert [experiment.name for experiment in results] == ["grid/spectral/30", "long/spectral/30"]
    found = results.table("design")
    assert {design: result.config.epochs for design, result in found.items()} == {"grid": 2, "long": 3}
    assert all(result.config.test_patterns == 400 for result in found.values())
    with pytest.raises(MissingResult):
        results.named("grid/spectral/10")


def test_impossible_results_are_refused_before_any_work(opened, store):
    with pytest.raises(ConfigError, match="unknown preset 'papr'; did you mean 'paper'"):
        opened("preset = 'papr'").results("grid")
    with pytest.raises(ConfigError, match="leave out 4 of the 8 experiments 'grid' that this chapter compares"):
        opened("settings = 'student_hidden=50'").results("grid")
    with pytest.raises(ConfigError, match="activation must be one of relu, tanh, erf"):
        opened("settings = 'activation=gelu'").results("grid")
    with pytest.raises(NotTrained, match="python -m spectral sweep paper"):
        opened("preset = 'paper'").results("grid", student="spectral")
    assert not store.local.exists()


def test_settings_reach_the_experiment_and_the_notebook(opened):
    page = opened("settings = 'student_hidden=60 activation=tanh'")
    assert page.settings == {"student_hidden": 60, "activation": "tanh"}
    assert (page.config().student_hidden, page.config(epochs=3).activation) == (60, "tanh")
    namespace = {"In": [CELL], "__annotations__": {}}
    exec(CELL + "settings = 'student_hidden=60'", namespace)
    Page("05-size", namespace)
    assert namespace["student_hidden"] == 60
    with pytest.raises(ConfigError, match="teacher must be two-layer"):
        opened("settings = 'teacher=committee'").two_layers()
    assert opened().two_layers(epochs=3) == opened().config(epochs=3)


def test_a_setting_that_the_chapter_fixes_is_told_of(opened, capsys):
    page = opened("settings = 'trials=5 epochs=9'")
    assert (page.config(trials=1, teachers=1).trials, page.config(epochs=9).trials) == (1, 5)
    assert capsys.readouterr().out == "left out: trials=5; in this chapter it is 1\n"


def test_students_that_are_the_same_are_told_of(opened, store, small, capsys):
    page = opened()
    assert len(page.obtain({"one": small, "other": small, 3: small})) == 3
    assert capsys.readouterr().out == "with these parameters two students are the same: 'one' and 'other'\n"
    with pytest.raises(ConfigError, match="parametrization must be spectral"):
        page.twins(small.direct_twin())


def test_experiments_that_settings_rule_out_are_told_of(opened, capsys):
    page = opened("settings = 'teacher_second=5'")
    assert len(page.experiments("grid", "m", optional=["m"])) == 8
    assert (
        capsys.readouterr().out
        == "left out: 8 of 16 experiments: 'teacher_second=5' fixes what they vary, or is impossible there\n"
    )
    with pytest.raises(ConfigError, match="leave out 8 of the 8 experiments 'm'"):
        page.experiments("grid", "m")
    assert [one.name for one in page.experiments("grid", student="spectral", teacher_second=10)] == [
        "grid/spectral/10",
        "grid/spectral/30",
    ]


def test_where_one_is_needed_others_may_be_missing(opened, store, capsys):
    opened().results("grid", student="spectral", student_hidden=10)
    page = opened("patience = 0.0")
    results = page.results("grid", needed="grid/spectral/10", student="spectral")
    assert [experiment.name for experiment in results] == ["grid/spectral/10"]
    assert capsys.readouterr().out.startswith("left out: 1 settings. 1 of the 2 runs")
    with pytest.raises(NotTrained):
        page.results("grid", needed="grid/spectral/30", student="spectral")


def test_widths(opened):
    assert opened().widths() == [10, 30]
    assert opened("widths = '500'").widths([10, 500]) == [500]
    with pytest.raises(ConfigError, match="widths must be some of 10 500; got '10 30'"):
        opened().widths([10, 500])


def test_numbers_are_handed_to_the_text(opened, said):
    page, nan = opened(), float("nan")
    page.say(".1f", size=Interval(21.04, 18.46, 23.51), slope=-0.14, alone=Interval(3.0, nan, nan), word="high")
    page.say(none=None, nothing=nan, whole=3, interval=Interval(1.234, 1.0, 2.0))
    page.say(".2f", none_too=None, nothing_too=nan, unmeasured=Interval(nan, nan, nan))
    assert said == {
        "size": "21.0 [18.5, 23.5]",
        "slope": "-0.1",
        "alone": "3.0",
        "word": "high",
        "none": "–",
        "nothing": "–",
        "whole": "3",
        "interval": "1.23 [1, 2]",
        "none_too": "–",
        "nothing_too": "–",
        "unmeasured": "–",
    }


def test_tables_are_markdown(opened):
    text = opened().table(("n", "size"), (1, f"{Interval(2.0, 1.5, 2.5):.1f}")).data
    assert text.splitlines() == ["| n | size |", "| --- | --- |", "| 1 | 2.0 [1.5,\u00a02.5] |"]


@pytest.fixture
def entries(monkeypatch) -> list[dict[str, Any]]:
    """Two claims as they could have been announced."""
    test = {
        "quantity": "effective_size",
        "meaning": "Survivors.",
        "unit": "nodes",
        "against": "20",
        "limit": "",
        "holds": [16.0, 25.0],
    }
    test |= {"measured": [20.0, 19.0, 21.0], "cells": [], "words": [], "sample": "30 × 1", "verdict": "holds"}
    beyond = test | {"limit": "by the product", "measured": [40.0, 39.0, 41.0], "verdict": "does not hold"}
    size = {"id": "size", "of": "paper", "statement": "It is.", "takeaway": "Count.", "chapter": "05-size"}
    size |= {"verdict": "holds within limits", "limits": ["does not hold by the product"], "changed": ""}
    lasso = size | {"id": "lasso", "of": "ours", "statement": "So does that.", "verdict": "confirmed", "limits": []}
    made = [size | {"tests": [test, test, beyond]}, lasso | {"tests": [test]}]
    monkeypatch.setattr(module, "announced", lambda: made)
    return made


def test_boxes_come_from_what_was_announced(opened, entries):
    assert "✔ confirmed" in opened().verdict("lasso").data
    both = opened().verdict("lasso", "size").data
    assert both.count("::::{admonition}") == 2
    assert both.index("✔ confirmed") < both.index("◐ holds within limits"), "in the order in which they are asked for"
    with pytest.raises(ConfigError, match="unknown claim 'sise'; did you mean 'size'"):
        opened().verdict("sise")


def test_every_claim_is_said(opened, said, entries):
    """How many have which verdict, and what each of their tests measured."""
    opened().say_claims(entries)
    number, beyond = "20.0 nodes [19.0, 21.0]", "40.0 nodes [39.0, 41.0]"
    assert said == {
        "tally.paper": "1 holds within limits",
        "tally.ours": "1 confirmed",
        "size.1": number,
        "size.2": number,
        "size.3": beyond,
        "lasso.1": number,
    }


@pytest.fixture
def results(store, tmp_path) -> list[Result]:
    """Two results, of two members each."""
    return [run(config(width), store=store, trainer=trainer(tmp_path / "log")) for width in (1, 2)]


@pytest.fixture
def shown(monkeypatch) -> list[dict[str, Any]]:
    """The outputs of the cells."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: found.append(data))
    return found


def draw(x: list[float], title: str = "") -> None:
    _, ax = plt.subplots(figsize=(5, 3))
    ax.plot(x, label="a line")
    ax.set_title(title)


def test_a_figure_is_shown_with_its_numbers_and_its_runs(opened, results, shown):
    opened("student_hidden = 7").show(draw, [3.0, 5.0], title="a title", runs=iter(results))
    (data,) = shown
    assert data["image/svg+xml"].startswith("<?xml")
    figure = data[FIGURE]
    assert figure["numbers"].splitlines()[1:] == ["a title,a line,line,0,3,,", "a title,a line,line,1,5,,"]
    assert figure["runs"] == [result.config.hash() for result in results]
    assert figure["made"].startswith("1 teacher × 2 trials, 2,000 epochs; trained in about 0 s of processor time on ")
    assert figure["made"].endswith(f"torch {torch.__version__.split('+')[0]}, {results[0].provenance['date'][:10]}")
    assert figure["repeat"] == "papermill book/05-size.ipynb out.ipynb -p student_hidden 7"
    assert figure["live"] is None
    assert json.loads(json.dumps(figure)) == figure


def test_a_figure_of_nothing_trained_says_so(opened, shown):
    opened().show(draw, [1.0, 2.0], live=("moving", {"a": [1, 2]}))
    assert shown[0][FIGURE]["made"] == ""
    assert shown[0][FIGURE]["runs"] == []
    assert shown[0][FIGURE]["live"] == {"name": "moving", "data": {"a": [1, 2]}}


def test_what_was_trained_is_counted_from_the_fewest_to_the_most(opened, results, shown):
    changed = []
    for epochs, teachers in ((500, 1), (2_000, 10), (1_000, 4)):
        settings = SimpleNamespace(epochs=epochs, teachers=teachers, trials=3)
        changed.append(SimpleNamespace(config=settings, provenance=results[0].provenance))
    opened().show(draw, [1.0, 2.0], runs=changed)
    assert shown[0][FIGURE]["made"].startswith("1 to 10 teachers × 3 trials, 500 to 2,000 epochs;")
