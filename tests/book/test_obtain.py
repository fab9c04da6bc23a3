"""What a chapter shows: stored, trained in seconds, or named as missing."""

import re
from dataclasses import replace

import pytest

from spectral import ConfigError
from spectral.book.obtain import NotTrained, obtain, obtain_most, obtain_results
from spectral.lab.collection import MissingResult
from spectral.lab.presets import Experiment, experiments

GRID = [experiment for experiment in experiments("paper") if experiment.design == "grid"]


def of(config, name: str = "small") -> Experiment:
    return Experiment(name, "grid", "student_hidden", "spectral", config)


@pytest.fixture
def empty_store(monkeypatch, tmp_path):
    monkeypatch.setenv("SPECTRAL_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("SPECTRAL_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def test_a_store_without_the_preset_says_what_to_run(empty_store):
    """Hours of training do not begin by themselves; and nothing is written."""
    for ask in (lambda: obtain_results(GRID, 10.0), lambda: obtain({one: one.config for one in GRID}, 10.0)):
        with pytest.raises(NotTrained) as caught:
            ask()
        message = str(caught.value)
        assert "32 of the 32 runs that this chapter shows are not there" in message
        assert re.search(r"takes about [\d.]+ (min|h) on two cores, more than the 10 minutes", message)
        assert "python -m spectral sweep paper" in message
    assert not empty_store.exists()
    for patience in (-1, float("nan")):
        with pytest.raises(ConfigError, match=f"patience must be a number of minutes of at least 0; got {patience}"):
            obtain({}, patience)


def test_what_belongs_to_no_preset_cannot_be_swept(empty_store, small):
    with pytest.raises(NotTrained, match="Ask for fewer or smaller students, or give the chapter more patience"):
        obtain({"large": replace(small, epochs=10**9)}, 0.5)


def test_what_takes_seconds_is_trained_and_kept(empty_store, small):
    with pytest.raises(NotTrained, match="more than the 0 minutes of its parameter patience"):
        obtain({"small": small}, patience=0.0)
    (result,) = obtain({"small": small}, patience=1.0).values()
    assert result.config == small
    assert (empty_store / f"{small.hash()}.npz").exists()
    assert obtain({"small": small}, patience=0.0)["small"].provenance == result.provenance


def test_experiments_come_as_results(empty_store, small):
    found = obtain_results([of(small)], 1.0)
    assert list(found) == [of(small)]
    assert found[of(small)].config == small
    with pytest.raises(MissingResult):
        found[of(replace(small, seed=3), "another")]


def test_what_is_there_is_shown_without_the_rest(empty_store, small, capsys):
    """A run that takes days is left out and named as missing; one that the chapter needs is not."""
    there = obtain({"small": small}, patience=1.0)["small"]
    both = [of(small), of(replace(small, student_hidden=1_000, epochs=10**9), "large")]
    found = obtain_most(both, 1.0, "small")
    assert list(found) == both[:1]
    assert found[both[0]].provenance == there.provenance
    assert re.search(
        "left out: 1 settings. 1 of the 2 runs that this chapter shows are not there", capsys.readouterr().out
    )
    with pytest.raises(NotTrained):
        obtain_most(both, 1.0, "large")
    assert list(obtain_most(both[:1], 0.0, "small")) == both[:1]
    assert capsys.readouterr().out == ""
