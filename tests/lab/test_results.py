import itertools
import os
import random
import signal
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from standin import assert_same, exit_code, fork, in_fresh_process, never

from spectral.curves import prune_sweep
from spectral.engine import members
from spectral.engine.dropping import Roster
from spectral.engine.plan import adam
from spectral.lab import presets
from spectral.lab.config import ConfigError, ExperimentConfig
from spectral.lab.experiment import compute, draw_task
from spectral.lab.files import DamagedResult
from spectral.lab.results import SWEPT, OutOfMemory, WeightsNotKept, found_in, record, run, score_epochs
from spectral.lab.store import CheckpointFile, Store
from spectral.measures import nodes_found
from spectral.prune import node_scores, rank
from spectral.stats.intervals import jackknife
from spectral.streams import Member
from spectral.students import as_student

RESULTS = sys.modules["spectral.lab.results"]


@pytest.fixture
def dropping(small, monkeypatch):
    """50 epochs in which nodes leave: a check every third, and a coarse idea of weakness."""
    monkeypatch.setattr(members, "Roster", partial(Roster, resolution=0.55))
    monkeypatch.setattr(members, "CHECK_EVERY", 3)
    return replace(small, student_hidden=12, epochs=50)


def test_the_second_time_it_is_loaded_and_the_same(small, store):
    first = run(small, store=store)
    assert_same(run(small, store=store, trainer=never), first)
    assert run(small, store=store).provenance == first.provenance


def test_a_result_is_a_line_and_in_a_notebook_a_table(small, store):
    result = run(small, store=store)
    assert repr(result) == f"<Result {small.hash()}: 1 × 3 students of 8 nodes, 4 epochs>"
    head, _, row = ([cell.strip() for cell in line.split("|")[1:-1]] for line in result._repr_markdown_().splitlines())
    shown = dict(zip(head, row, strict=True))
    assert shown["experiment"] == "of no preset"
    assert (shown["teachers × trials"], shown["epochs"], shown["hash"]) == ("1 × 3", "4", f"`{small.hash()}`")
    assert shown["effective size"] == f"{result.estimate(result.alive.sum(-1)):.1f}"
    assert shown["date"] == result.provenance["date"][:10]
    assert presets.name_of(presets.configurations("paper")["grid/spectral/40"]) == "grid/spectral/40"


def test_what_is_kept_is_what_was_trained(small, store):
    config = replace(small, teachers=2, trials=2, epochs=100)
    result, trained = run(config, store=store), compute(config)
    members, width = 4, 8
    assert torch.equal(result.scores, node_scores(trained.student))
    assert torch.equal(result.product, node_scores(trained.student, "product"))
    assert torch.equal(result.lam_out, trained.student.first.lam_out)
    assert torch.equal(result.test_power, trained.task.test.y.square().mean(-1))
    assert result.scores.shape == result.product.shape == result.lam_out.shape == result.alive.shape == (members, width)
    assert torch.equal(result.alive, result.scores > 0.05 * result.scores.amax(-1, keepdim=True))
    history = result.history
    assert history.epochs == trained.history.epochs
    assert history.score_epochs == score_epochs(100)
    assert history.scores.shape == (len(history.score_epochs), members, width)
    assert torch.equal(history.scores[-1], result.scores)
    for now, past, other in (
        (result.train_mse, history.train_mse, trained.history.train_mse),
        (result.validation_mse, history.validation_mse, trained.history.validation_mse),
        (result.test_mse, history.test_mse, trained.history.test_mse),
    ):
        assert torch.equal(past, other)
        assert torch.equal(now, past[-1])


@pytest.mark.parametrize("changes", [{}, {"parametrization": "direct"}])
def test_what_pruning_costs_is_kept_of_every_member_by_both_scores(dropping, store, changes):
    """From no node, whose error is E[y^2], to as many as any member has left, with whom the error is the test error."""
    config = replace(dropping, **changes)
    result, trained = run(config, store=store), compute(config)
    left = int((result.scores > 0).sum(-1).max())
    assert left < 12 or changes, "nothing left"
    assert result.sweeps.keys() == {"incoming", "product"} == set(SWEPT)
    for kind, sweep in result.sweeps.items():
        assert sweep.shape == (3, left + 1)
        torch.testing.assert_close(sweep[:, 0], result.test_power, rtol=1e-12, atol=0)
        torch.testing.assert_close(sweep[:, -1], result.test_mse, rtol=1e-12, atol=0)
        whole = prune_sweep(trained.student, trained.task.test, rank(node_scores(trained.student, kind)))
        assert torch.equal(sweep, whole[:, : left + 1])
        again = prune_sweep(result.student(), result.task().test, rank(result.by(kind)))
        assert torch.equal(sweep, again[:, : left + 1])
        assert torch.equal(whole[:, left:], whole[:, left:][:, :1].expand(-1, 13 - left)), "what left had an effect"
    assert not torch.equal(*result.sweeps.values())


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
        {"train_lam_second": True},
        {"parametrization": "direct", "lam_start": 0.5, "phi_start": 2.0},
    ],
)
@pytest.mark.parametrize("nodes_leave", [False, True])
def test_a_rebuilt_student_answers_exactly_as_the_trained_one(small, store, request, changes, nodes_leave):
    config = replace(request.getfixturevalue("dropping") if nodes_leave else small, **changes)
    result, trained = run(config, store=store), compute(config)
    if nodes_leave and not changes:
        assert (result.scores == 0).any(), "nothing left"
    x = trained.task.test.x
    assert torch.equal(result.task().test.x, x)
    with torch.no_grad():
        assert torch.equal(result.student()(x), trained.student(x))
        assert torch.equal(result.student([2, 0])(x[[2, 0]]), trained.student(x)[[2, 0]])
    assert torch.equal(node_scores(result.student()), result.scores)
    assert torch.equal(result.phi, trained.student.first.phi * (result.scores > 0).unsqueeze(-1))
    assert result.second.shape == (3, config.second_nodes, config.student_hidden)


def test_scores_and_estimates_by_name_and_teacher(small, store):
    result = run(replace(small, teachers=3, trials=2), store=store)
    assert torch.equal(result.by("incoming"), result.scores)
    assert torch.equal(result.by("product"), result.product)
    assert torch.equal(result.by("eigenvalue"), node_scores(result.student(), "eigenvalue"))
    for log in (False, True):
        expected = jackknife(result.test_mse.numpy().reshape(3, 2), log=log)
        assert result.estimate(result.test_mse, log=log) == expected
    assert result.estimate(result.scores, lambda values: values.max((0, 1))).value.shape == (8,)
    alone = run(small, store=store)
    assert alone.estimate(alone.test_mse) == jackknife(alone.test_mse.numpy().reshape(3, 1)), "its trials are the units"


def test_teacher_nodes_are_found_among_survivors(small):
    """A student that is its teacher: all of its nodes, or those whose norm is above the threshold."""
    task = draw_task(small)
    student, norms = as_student(task.teacher), task.teacher.first.norm(dim=-1)
    assert nodes_found(task, student, 0.0).tolist() == [4, 4, 4]
    above = (norms > 0.7 * norms.amax(-1, keepdim=True)).sum(-1)
    assert nodes_found(task, student, 0.7).tolist() == above.tolist() != [4, 4, 4]
    assert torch.equal(nodes_found(task, student), nodes_found(task, student, 0.05))


def test_nodes_are_found_in_the_members_whose_weights_were_kept(small, store, monkeypatch):
    monkeypatch.setattr(RESULTS, "KEEP_NUMBERS", 0)
    monkeypatch.setattr(RESULTS, "KEEP_MEMBERS", 2)
    result = run(replace(small.direct_twin(), epochs=60), store=store)
    assert torch.equal(found_in(result), nodes_found(result.task([0, 1]), result.student([0, 1])))


def test_tasks_are_drawn_again(small, store):
    result, task = run(replace(small, teachers=2), store=store), compute(replace(small, teachers=2)).task
    for chosen in (None, [4, 1]):
        again, rows = result.task(chosen), slice(None) if chosen is None else chosen
        assert torch.equal(again.teacher.first, task.teacher.first[rows])
        assert torch.equal(again.teacher.second, task.teacher.second[rows])
        for name in ("train", "validation", "test"):
            assert torch.equal(getattr(again, name).x, getattr(task, name).x[rows])
            assert torch.equal(getattr(again, name).y, getattr(task, name).y[rows])
    assert result.members([4, 1]) == [Member(0, 1, 1), Member(0, 0, 1)]


def test_weights_of_direct_members_are_kept_of_all_teachers_first(small, store, monkeypatch):
    """As many as fit; three times as many where several teachers have several students each."""
    for name in ("KEEP_NUMBERS", "KEEP_TOGETHER"):
        monkeypatch.setattr(RESULTS, name, 0)
    monkeypatch.setattr(RESULTS, "KEEP_MEMBERS", 4)
    config = replace(small, teachers=3, trials=2)
    direct, trained = run(config.direct_twin(), store=store), compute(config.direct_twin())
    assert direct.kept == (0, 1, 2, 4)  # trial 0 of the teachers 0, 1, 2, and trial 1 of teacher 0
    assert direct.scores.shape == (6, 8)
    assert {sweep.shape for sweep in direct.sweeps.values()} == {(6, 9)}, "what pruning costs is kept of all"
    kept = list(direct.kept)
    with torch.no_grad():
        assert torch.equal(direct.student(kept)(trained.task.test.x[kept]), trained.student(trained.task.test.x)[kept])
    message = rf"members 3, 5 of run {direct.config.hash()} were not kept, to save space; those of 0, 1, 2, 4 were"
    for ask in (direct.student, lambda: direct.phi, lambda: direct.second, lambda: direct.student([0, 5, 3])):
        with pytest.raises(WeightsNotKept, match=message):
            ask()
    with pytest.raises(WeightsNotKept, match="members 5 of run"):
        direct.student([0, 5])
    assert run(config, store=store).kept == (0, 1, 2, 3, 4, 5), "spectral members are all kept"
    monkeypatch.setattr(RESULTS, "KEEP_TOGETHER", 5 * 8 * (5 + 3))
    assert record(compute(config.direct_twin()))["kept"].tolist() == [0, 1, 2, 3, 4]
    single = replace(config, teachers=1, trials=6).direct_twin()
    assert record(compute(single))["kept"].tolist() == [0, 1, 2, 3]
    monkeypatch.setattr(RESULTS, "KEEP_NUMBERS", 5 * 8 * (5 + 3))
    assert record(compute(single))["kept"].tolist() == [0, 1, 2, 3, 4]


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


def test_a_result_of_other_values_is_refused(small, store):
    """A default that has changed, or a file made otherwise, under a name that fits."""
    run(small, store=store)
    arrays, meta = store.load(small.hash())

    def put(config: dict) -> None:
        (store.local / f"{small.hash()}.json").unlink()
        store.save(small.hash(), arrays, meta | {"config": config})

    put(meta["config"] | {"learning_rate": 0.01, "seed": 5})
    with pytest.raises(DamagedResult, match=f"{small.hash()} was computed with other values of learning_rate, seed"):
        run(small, store=store, trainer=never)
    older = {name: value for name, value in meta["config"].items() if name != "group_lasso"}
    put(older)
    run(small, store=store, trainer=never)  # a parameter that is newer than the result


def test_an_interrupted_run_goes_on_where_it_was(dropping, store, tmp_path, monkeypatch):
    undisturbed = run(dropping, store=Store(tmp_path / "c", tmp_path / "other"))
    monkeypatch.setattr(members, "SAVE_EVERY", 0.0)
    epochs, save = [], CheckpointFile.save

    def interrupting(checkpoint, state):
        save(checkpoint, state)
        epochs.append({member["epoch"] for member in state["members"]})
        if len(epochs) in (10, 20):
            raise KeyboardInterrupt

    monkeypatch.setattr(CheckpointFile, "save", interrupting)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(dropping, store=store)
        assert store.checkpoint(dropping.hash()).path.exists()
        assert not store.has(dropping.hash())
    done = run(dropping, store=store)
    assert all(after > before for before, after in itertools.pairwise(map(min, epochs))), "an epoch was computed twice"
    assert done.provenance["resumed"] == 2
    assert_same(done, undisturbed)
    assert not store.checkpoint(dropping.hash()).path.exists()


def killed_three_times(folder: str) -> None:
    """Train, kill, train on; and train undisturbed, in another store."""
    members.SAVE_EVERY, members.CHECK_EVERY, members.Roster = 0.0, 3, partial(Roster, resolution=0.55)
    config = ExperimentConfig(
        input_dim=5, teacher_hidden=4, teacher_second=3, student_hidden=12, trials=3, epochs=200, patterns=250,
        test_patterns=100, batch_size=60,
    )  # fmt: skip
    adam(torch.nn.Linear(1, 1), 0.1)  # imports for a second what all children need
    store, calm = Store(Path(folder, "c"), Path(folder, "l")), Store(Path(folder, "c"), Path(folder, "calm"))
    checkpoint, draw = store.checkpoint(config.hash()).path, random.Random(2310)

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
    in_fresh_process("test_results.killed_three_times", tmp_path)


def test_what_stands_on_a_ladder_is_kept(small, store):
    """In the store and out of it; of a run without a ladder there is nothing."""
    config = replace(small, ladder="cut", ladder_epochs=2)
    trained, kept = compute(config), run(config, store=store)
    assert kept.rungs.nodes == trained.rungs.nodes == (1, 2, 3, 4, 5, 6, 8)
    for name in ("validation_mse", "test_mse", "found"):
        assert torch.equal(getattr(kept.rungs, name), getattr(trained.rungs, name)), name
    assert run(small, store=store).rungs is None
    assert torch.equal(run(small, store=store).scores, kept.scores), "the student is the same with a ladder"
