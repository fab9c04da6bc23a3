import os
import random
import re
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from standin import assert_same, config, exit_code, fork, in_fresh_process, never, saved, starts, trainer

from spectral.engine.train import TrainingDiverged
from spectral.lab.config import ENGINE_VERSION
from spectral.lab.files import StoreError
from spectral.lab.results import run
from spectral.lab.store import Store
from spectral.lab.sweep import expected_seconds, stale, status, sweep

KILLS = 50
EXPERIMENTS = {f"width/{width}": config(width) for width in range(1, 13)}
HASHES = {experiment.hash() for experiment in EXPERIMENTS.values()}


def quiet(line):
    pass


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*") if path.suffix != ".lock"}


def test_a_sweep_computes_all_and_then_nothing(store, tmp_path):
    lines = []
    outcome = sweep(EXPERIMENTS, store, report=lines.append, trainer=trainer(tmp_path / "log"))
    assert outcome.computed == list(EXPERIMENTS)
    assert (outcome.present, outcome.failed) == ([], {})
    assert lines[0].startswith("0 of 12 runs are there; 12 to compute, about")
    assert lines[1].startswith(f"width/1 ({config(1).hash()}): about")
    assert lines[-1] == "12 computed, 0 failed, 0 were there"
    before = files(store.local)
    outcome = sweep(EXPERIMENTS, store, report=quiet, trainer=never)
    assert (outcome.computed, outcome.present, outcome.failed) == ([], list(EXPERIMENTS), {})
    assert files(store.local) == before


def test_a_first_tiny_run_does_not_decide_what_is_left(store, tmp_path, monkeypatch):
    """It takes a tenth of a second, a thousand times what was expected of it; the other takes 50 s, as expected."""
    monkeypatch.setattr("spectral.lab.sweep.expected_seconds", lambda config: {1: 1e-4, 2: 50.0}[config.student_hidden])
    few = {"tiny": config(1), "large": config(2)}
    lines: list[str] = []
    sweep(few, store, report=lines.append, trainer=trainer(tmp_path / "log", seconds=0.025))
    assert lines[1].endswith("about 0 s of about 50 s left")
    assert 51 <= int(re.search(r": about (\d+) s of", lines[2])[1]) < 80


def test_a_finished_store_need_not_be_writable(store, tmp_path):
    sweep(EXPERIMENTS, replace(store, publish=True), report=quiet, trainer=trainer(tmp_path / "log"))
    (tmp_path / "file").write_text("not a folder")
    nowhere = replace(store, local=tmp_path / "file" / "store")
    assert sweep(EXPERIMENTS, nowhere, report=quiet, trainer=never).present == list(EXPERIMENTS)
    with pytest.raises(StoreError, match="cannot be written"):
        sweep(EXPERIMENTS | {"another": config(77)}, nowhere, report=quiet, trainer=never)


def test_what_fails_is_named_and_the_others_are_computed(store, tmp_path):
    stand_in, bad = trainer(tmp_path / "log"), config(2).hash()

    def diverging(experiment, checkpoint):
        if experiment.hash() == bad:
            raise TrainingDiverged("the loss of member 1 is not finite")
        return stand_in(experiment, checkpoint)

    outcome = sweep(EXPERIMENTS, store, report=quiet, trainer=diverging)
    assert outcome.failed == {"width/2": "the loss of member 1 is not finite"}
    assert outcome.computed == [name for name in EXPERIMENTS if name != "width/2"]
    outcome = sweep(EXPERIMENTS, store, report=quiet, trainer=stand_in)
    assert (outcome.computed, outcome.failed) == (["width/2"], {})


def test_what_is_damaged_has_failed_and_is_left_alone(store, tmp_path):
    few = {name: EXPERIMENTS[name] for name in ("width/1", "width/2", "width/3", "width/4")}
    run(config(2), store=store, trainer=trainer(tmp_path / "log"))
    store.checkpoint(config(3).hash()).save({"stage": 1})
    damaged = store.local / f"{config(2).hash()}.npz", store.checkpoint(config(3).hash()).path
    for path in damaged:
        path.write_bytes(path.read_bytes()[:-5])
    before = files(store.local)
    outcome = sweep(few, store, report=quiet, trainer=trainer(tmp_path / "log"))
    assert (outcome.computed, outcome.present) == (["width/1", "width/4"], [])
    assert list(outcome.failed) == ["width/2", "width/3"]
    for path, message in zip(damaged, outcome.failed.values(), strict=True):
        assert f"{path} is damaged" in message
        assert "delete " + path.name.replace(".npz", ".json") in message
    after = files(store.local)
    assert {name: after[name] for name in before} == before


def test_status(store, tmp_path):
    few = {name: EXPERIMENTS[f"width/{number}"] for number, name in enumerate("abcde", start=1)}
    assert set(status(few, store).values()) == {"missing"}
    assert not store.local.exists(), "asking writes nothing"
    run(few["a"], store=replace(store, publish=True), trainer=trainer(tmp_path / "log"))
    for name in "be":
        run(few[name], store=store, trainer=trainer(tmp_path / "log"))
    store.checkpoint(few["c"].hash()).save({"stage": 1})
    path = store.local / f"{few['e'].hash()}.npz"
    path.write_bytes(path.read_bytes()[:-1])
    states = status(few, store)
    assert states.pop("e").startswith(f"damaged: {path} is damaged")
    assert states == {"a": "committed", "b": "local", "c": "unfinished", "d": "missing"}


def test_stale_results(store, tmp_path, monkeypatch):
    for width, publish in ((1, True), (2, False), (3, False)):
        run(config(width), store=replace(store, publish=publish), trainer=trainer(tmp_path / "log"))
    assert stale(store) == {}
    path = store.local / f"{config(2).hash()}.json"
    path.write_bytes(path.read_bytes()[:-9])
    assert stale(store).keys() == {path.stem}
    assert f"{path} is damaged" in stale(store)[path.stem]
    monkeypatch.setattr(sys.modules["spectral.lab.sweep"], "ENGINE_VERSION", ENGINE_VERSION + 1)
    reasons = stale(store)
    assert reasons.keys() == {config(width).hash() for width in (1, 2, 3)}
    assert reasons[config(1).hash()] == (
        f"computed by engine version {ENGINE_VERSION}; this is version {ENGINE_VERSION + 1}"
    )


def test_larger_runs_are_expected_to_take_longer():
    experiment = config(1_000)
    ladder = {"ladder": "cut", "ladder_epochs": 500}
    for changes in ({"epochs": 4_000}, {"trials": 30}, {"drop_dead": False}, {"patterns": 20_000}, ladder):
        assert expected_seconds(replace(experiment, **changes)) > expected_seconds(experiment) > 0


def two_sweeps(folder: str) -> None:
    store = Store(Path(folder, "c"), Path(folder, "l"))

    def work(name: str, order: list[str]) -> int:
        def child():
            experiments = {name: EXPERIMENTS[name] for name in order}
            outcome = sweep(experiments, store, report=quiet, trainer=trainer(Path(folder, "log"), seconds=0.005))
            assert not outcome.failed
            Path(folder, name).write_text(" ".join(outcome.computed))

        return fork(child)

    names = list(EXPERIMENTS)
    processes = work("one", names), work("two", names), work("three", names[::-1])
    assert [exit_code(process) for process in processes] == [0, 0, 0]


def test_sweeps_at_once_share_the_work(tmp_path):
    """Two in the same order, which meet at every run, and one that comes from the other end."""
    in_fresh_process("test_sweep.two_sweeps", tmp_path)
    assert sorted(starts(tmp_path / "log")) == sorted((name, 0) for name in HASHES), "each was computed once"
    computed = [(tmp_path / name).read_text().split() for name in ("one", "two", "three")]
    assert set().union(*computed) == set(EXPERIMENTS)
    store = Store(tmp_path / "c", tmp_path / "l")
    assert set(status(EXPERIMENTS, store).values()) == {"local"}
    assert sweep(EXPERIMENTS, store, report=quiet, trainer=never).present == list(EXPERIMENTS)


def storm(folder: str) -> None:
    """Kill a sweep at random moments until it has finished, and again from the start until there were `KILLS`."""
    draw, kills, rounds = random.Random(2310), 0, 0
    calm = Store(Path(folder, "c"), Path(folder, "calm"))
    sweep(EXPERIMENTS, calm, report=quiet, trainer=trainer(Path(folder, "calm.log")))
    undisturbed = {key: calm.load(key)[0] for key in HASHES}
    while kills < KILLS:
        rounds += 1
        store, log = Store(Path(folder, "c"), Path(folder, f"{rounds}")), Path(folder, f"{rounds}.log")
        code = None
        while code != 0:
            finished, before, stages = set(store.hashes()), len(starts(log)), saved(log)
            process = fork(lambda store=store, log=log: sweep(EXPERIMENTS, store, report=quiet, trainer=trainer(log)))
            if kills < KILLS:
                time.sleep(draw.uniform(0.005, 0.1))
                os.kill(process, signal.SIGKILL)
            code = exit_code(process)
            assert code in (0, -signal.SIGKILL)
            kills += code != 0

            states = status(EXPERIMENTS, store)
            assert set(states.values()) <= {"local", "unfinished", "missing"}, states
            for key in store.hashes():
                arrays, _ = store.load(key)
                assert all((arrays[name] == values).all() for name, values in undisturbed[key].items())
            assert finished <= set(store.hashes()), "something was lost"
            for key, stage in starts(log)[before:]:
                assert key not in finished, "finished work was repeated"
                assert stage >= stages.get(key, 0), "saved work was repeated"
        assert set(states.values()) == {"local"}
        for experiment in EXPERIMENTS.values():
            assert_same(run(experiment, store=store, trainer=never), run(experiment, store=calm, trainer=never))
    Path(folder, "kills").write_text(f"{kills} {rounds}")


def test_a_sweep_survives_fifty_kills(tmp_path):
    in_fresh_process("test_sweep.storm", tmp_path)
    kills, rounds = map(int, (tmp_path / "kills").read_text().split())
    assert kills == KILLS
    assert rounds < KILLS, "no sweep went on after a kill"
