import ast
import json
import os
import random
import signal
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from standin import assert_same, exit_code, fork, in_fresh_process, never

from spectral.dropping import Roster
from spectral.lab.config import ENGINE_VERSION, ConfigError, ExperimentConfig
from spectral.lab.experiment import compute
from spectral.lab.files import REPOSITORY, DamagedResult
from spectral.lab.provenance import command, peak_memory_mib
from spectral.lab.results import OutOfMemory, WeightsNotKept, record, run, score_epochs
from spectral.lab.store import CheckpointFile, Store
from spectral.prune import node_scores
from spectral.streams import Member
from spectral.train import adam

TRAIN, RUNS = sys.modules["spectral.train"], sys.modules["spectral.lab.results"]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "committed", tmp_path / "local")


@pytest.fixture
def dropping(small, monkeypatch):
    """50 epochs in which nodes leave: a check every third, and a coarse idea of weakness."""
    monkeypatch.setattr(TRAIN, "Roster", partial(Roster, resolution=0.55))
    monkeypatch.setattr(TRAIN, "CHECK_EVERY", 3)
    return replace(small, student_hidden=12, epochs=50)


def trained(config, _checkpoint=None):
    return record(compute(config))


def test_the_second_time_it_is_loaded_and_the_same(small, store):
    first = run(small, store=store)
    assert_same(run(small, store=store, trainer=never), first)
    assert run(small, store=store).provenance == first.provenance


def test_what_is_kept_is_what_was_trained(small, store):
    config = replace(small, teachers=2, trials=2, epochs=100)
    runs, result = run(config, store=store), compute(config)
    members, width = 4, 8
    assert torch.equal(runs.scores, node_scores(result.student))
    assert torch.equal(runs.product, node_scores(result.student, "product"))
    assert torch.equal(runs.lam_out, result.student.first.lam_out)
    assert torch.equal(runs.test_power, result.task.test.y.square().mean(-1))
    assert runs.scores.shape == runs.product.shape == runs.lam_out.shape == runs.alive.shape == (members, width)
    assert torch.equal(runs.alive, runs.scores > 0.05 * runs.scores.amax(-1, keepdim=True))
    history = runs.history
    assert history.epochs == result.history.epochs
    assert history.score_epochs == score_epochs(100)
    assert history.scores.shape == (len(history.score_epochs), members, width)
    assert torch.equal(history.scores[-1], runs.scores)
    for now, past, other in (
        (runs.train_mse, history.train_mse, result.history.train_mse),
        (runs.val_mse, history.validation_mse, result.history.validation_mse),
        (runs.test_mse, history.test_mse, result.history.test_mse),
    ):
        assert torch.equal(past, other)
        assert torch.equal(now, past[-1])


@pytest.mark.parametrize("epochs", [1, 2, 7, 40, 2_000, 8_000])
def test_scores_are_kept_of_ten_epochs_at_most(epochs):
    chosen = score_epochs(epochs)
    assert chosen[0] == 0
    assert chosen[-1] == epochs
    assert len(set(chosen)) == len(chosen) <= 10
    assert list(chosen) == sorted(chosen)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"parametrization": "direct"},
        {"parametrization": "direct", "l2_phi": 0.0, "group_lasso": 0.1},
        {"train_lam_in": True},
        {"trained": "eigenvalues"},
        {"trained": "alternate"},
        {"activation": "tanh", "dtype": "float32"},
        {"student_second": 5},
    ],
)
@pytest.mark.parametrize("nodes_leave", [False, True])
def test_a_rebuilt_student_answers_exactly_as_the_trained_one(small, store, request, changes, nodes_leave):
    config = replace(request.getfixturevalue("dropping") if nodes_leave else small, **changes)
    runs, result = run(config, store=store), compute(config)
    if nodes_leave and not changes:
        assert (runs.scores == 0).any(), "nothing left"
    x = result.task.test.x
    assert torch.equal(runs.task().test.x, x)
    with torch.no_grad():
        assert torch.equal(runs.student()(x), result.student(x))
        assert torch.equal(runs.student([2, 0])(x[[2, 0]]), result.student(x)[[2, 0]])
    assert torch.equal(node_scores(runs.student()), runs.scores)
    assert torch.equal(runs.phi, result.student.first.phi * (runs.scores > 0).unsqueeze(-1))
    assert runs.second.shape == (3, config.second_nodes, config.student_hidden)


def test_tasks_are_drawn_again(small, store):
    runs, task = run(replace(small, teachers=2), store=store), compute(replace(small, teachers=2)).task
    for chosen in (None, [4, 1]):
        again, rows = runs.task(chosen), slice(None) if chosen is None else chosen
        assert torch.equal(again.teacher.first, task.teacher.first[rows])
        assert torch.equal(again.teacher.second, task.teacher.second[rows])
        for name in ("train", "validation", "test"):
            assert torch.equal(getattr(again, name).x, getattr(task, name).x[rows])
            assert torch.equal(getattr(again, name).y, getattr(task, name).y[rows])
    assert runs.members([4, 1]) == [Member(0, 1, 1), Member(0, 0, 1)]


def test_weights_of_direct_members_are_kept_of_all_teachers_first(small, store, monkeypatch):
    monkeypatch.setattr(RUNS, "KEEP_NUMBERS", 0)
    monkeypatch.setattr(RUNS, "KEEP_MEMBERS", 4)
    config = replace(small, teachers=3, trials=2)
    direct, result = run(config.direct_twin(), store=store), compute(config.direct_twin())
    assert direct.kept == (0, 1, 2, 4)  # trial 0 of the teachers 0, 1, 2, and trial 1 of teacher 0
    assert direct.scores.shape == (6, 8)
    kept = list(direct.kept)
    with torch.no_grad():
        assert torch.equal(direct.student(kept)(result.task.test.x[kept]), result.student(result.task.test.x)[kept])
    message = rf"members 3, 5 of run {direct.config.hash()} were not kept, to save space; those of 0, 1, 2, 4 were"
    for ask in (direct.student, lambda: direct.phi, lambda: direct.second, lambda: direct.student([0, 5, 3])):
        with pytest.raises(WeightsNotKept, match=message):
            ask()
    with pytest.raises(WeightsNotKept, match="members 5 of run"):
        direct.student([0, 5])
    assert run(config, store=store).kept == (0, 1, 2, 3, 4, 5), "spectral members are all kept"
    monkeypatch.setattr(RUNS, "KEEP_NUMBERS", 5 * 8 * (5 + 3))
    assert record(compute(config.direct_twin()))["kept"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("changes", [{"student_hidden": 10**12}, {"student_hidden": 10**18}, {"patterns": 10**12}])
def test_what_cannot_fit_says_so_at_once(small, store, changes):
    config, start = replace(small, **changes), time.monotonic()
    with pytest.raises(OutOfMemory) as error:
        run(config, store=store)
    assert time.monotonic() - start < 5
    assert f"3 students of {config.student_hidden} nodes" in str(error.value)
    assert f"{config.patterns + 100:,} patterns" in str(error.value)
    assert "Lower trials or teachers, then student_hidden, patterns or test_patterns" in str(error.value)
    assert not store.has(config.hash())


@pytest.mark.parametrize("device", ["gpu", "cuda", "cuda:99"])
def test_a_device_that_is_not_there_is_refused_before_any_work(small, store, device):
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ConfigError, match=rf"device '{device}' cannot be used here: .* 'cpu' always works"):
        run(small, store=store, device=device, trainer=never)
    assert not store.local.exists()


def test_provenance_says_where_numbers_come_from_and_how_to_repeat_them(small, store):
    config = replace(small, train_lam_in=True, learning_rate=1e-5, activation="erf")
    provenance = run(config, store=store).provenance
    assert provenance["config"] == config.changed(everything=True)
    assert (provenance["engine"], provenance["hash"]) == (ENGINE_VERSION, config.hash())
    assert (provenance["torch"], provenance["numpy"]) == (torch.__version__, np.__version__)
    assert (provenance["device"], provenance["compiled"], provenance["resumed"]) == ("cpu", False, 0)
    assert 0 < provenance["seconds"] < 60
    assert provenance["cpu_seconds"] > 0
    assert 10 < provenance["peak_memory_mib"] < 1e6
    assert time.strptime(provenance["date"], "%Y-%m-%dT%H:%M:%SZ").tm_year >= 2024
    assert {"git", "dirty", "machine", "python", "sha256"} <= provenance.keys()
    text = json.dumps(provenance)
    for place in (REPOSITORY, Path.home(), store.local, Path(sys.prefix), Path.cwd()):
        assert f'"{place}' not in text
        assert f"{place}/" not in text


@pytest.mark.parametrize(
    "config",
    [
        ExperimentConfig(),
        ExperimentConfig(student_hidden=40, learning_rate=1e-5, drop_dead=False, trained="alternate", seed=7),
        ExperimentConfig().direct_twin("lasso"),
    ],
)
def test_the_command_names_the_configuration(config):
    start, *settings = command(config).split(" --set ")
    assert start == "python -m spectral run"
    values = {}
    for setting in settings:
        name, text = setting.split("=")
        try:
            values[name] = ast.literal_eval(text)
        except ValueError:
            values[name] = text
    assert ExperimentConfig.from_mapping(values) == config
    assert ExperimentConfig.from_mapping(values).hash() == config.hash()


def test_a_result_of_other_values_is_refused(small, store):
    """A default that has changed, or a file made otherwise, under a name that fits."""
    run(small, store=store)
    arrays, meta = store.load(small.hash())
    store.save(small.hash(), arrays, meta | {"config": meta["config"] | {"learning_rate": 0.01, "seed": 5}})
    with pytest.raises(DamagedResult, match=f"{small.hash()} was computed with other values of learning_rate, seed"):
        run(small, store=store, trainer=never)
    older = {name: value for name, value in meta["config"].items() if name != "group_lasso"}
    store.save(small.hash(), arrays, meta | {"config": older})
    run(small, store=store, trainer=never)  # a parameter that is newer than the result


def test_an_interrupted_run_goes_on_where_it_was(dropping, store, tmp_path, monkeypatch):
    undisturbed = run(dropping, store=Store(tmp_path / "c", tmp_path / "other"))
    monkeypatch.setattr(TRAIN, "SAVE_EVERY", 0.0)
    epochs, save = [], CheckpointFile.save

    def interrupting(checkpoint, state):
        save(checkpoint, state)
        epochs.append(state["epoch"])
        if state["epoch"] in (20, 35):
            raise KeyboardInterrupt

    monkeypatch.setattr(CheckpointFile, "save", interrupting)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(dropping, store=store)
        assert store.checkpoint(dropping.hash()).path.exists()
        assert not store.has(dropping.hash())
    done = run(dropping, store=store)
    assert epochs == list(range(50)), "no epoch was computed twice"
    assert done.provenance["resumed"] == 2
    assert_same(done, undisturbed)
    assert not store.checkpoint(dropping.hash()).path.exists()


def killed_three_times(folder: str) -> None:
    """Train, kill, train on; and train undisturbed, in another store."""
    TRAIN.SAVE_EVERY, TRAIN.CHECK_EVERY, TRAIN.Roster = 0.0, 3, partial(Roster, resolution=0.55)
    config = ExperimentConfig(
        input_dim=5, teacher_hidden=4, teacher_second=3, student_hidden=12, trials=3, epochs=200, patterns=250,
        test_patterns=100, batch_size=60,
    )  # fmt: skip
    store, calm = Store(Path(folder, "c"), Path(folder, "l")), Store(Path(folder, "c"), Path(folder, "calm"))
    checkpoint, draw = store.checkpoint(config.hash()).path, random.Random(2310)
    adam(torch.nn.Linear(1, 1), 0.1)  # imports for a second what all children need

    def version():
        return checkpoint.stat().st_mtime_ns if checkpoint.exists() else None

    for _ in range(3):
        before = version()
        process = fork(lambda: run(config, store=store, progress=False))
        while version() == before:  # until it has come a bit further than the last one
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 0.03))
        os.kill(process, signal.SIGKILL)
        assert exit_code(process) == -signal.SIGKILL
        assert not store.has(config.hash())
    assert exit_code(fork(lambda: run(config, store=store, progress=False))) == 0
    assert exit_code(fork(lambda: run(config, store=calm, progress=False))) == 0
    survived, undisturbed = (run(config, store=each, trainer=never) for each in (store, calm))
    assert survived.provenance["resumed"] == 3
    assert undisturbed.provenance["resumed"] == 0
    assert (survived.scores == 0).any(), "nothing left"
    assert_same(survived, undisturbed)


def test_a_killed_run_ends_with_the_numbers_of_an_undisturbed_one(tmp_path):
    in_fresh_process("test_runs.killed_three_times", tmp_path)


@pytest.mark.parametrize(("platform", "unit"), [("linux", 2**10), ("darwin", 2**20)])
def test_peak_memory_has_the_unit_of_the_system(platform, unit, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr("resource.getrusage", lambda who: SimpleNamespace(ru_maxrss=300 * unit))
    assert peak_memory_mib() == 300


def test_peak_memory_is_unknown_where_no_module_tells(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert peak_memory_mib() is None
