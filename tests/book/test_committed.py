"""The committed runs: whole, of this engine, of the book's experiments, small, and made by committed code."""

import re
from functools import partial
from pathlib import Path

import pytest
import torch
from standin import never

from spectral import ExperimentConfig, greedy_order, prune_sweep, rank, run
from spectral.curves import onset
from spectral.lab.config import ENGINE_VERSION
from spectral.lab.files import REPOSITORY
from spectral.lab.presets import configurations
from spectral.lab.results import Result
from spectral.lab.store import Store
from spectral.measures import nodes_found
from spectral.students import as_student

FOLDER = REPOSITORY / "book" / "results"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
STORE = Store(committed=FOLDER, local=Path("/nonexistent"))


def stored(config: ExperimentConfig) -> Result:
    """The committed result; nothing is trained."""
    assert STORE.has(config.hash()), f"{config.hash()} is not committed"
    return run(config, store=STORE, trainer=never)


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_result_is_what_it_says(name):
    _, provenance = STORE.load(name)
    config = ExperimentConfig.from_mapping(provenance["config"])
    assert config.hash() == name
    assert provenance["engine"] == ENGINE_VERSION
    assert config in configurations("paper").values()
    assert provenance["dirty"] is False
    assert not re.search(r"/(home|root|tmp|Users|work)/", str(provenance))
    result = stored(config)
    assert torch.isfinite(result.test_mse).all()
    assert result.scores.shape == (config.teachers * config.trials, config.student_hidden)


def test_nothing_else_is_there_and_it_stays_small():
    files = {path.name for path in FOLDER.iterdir()}
    assert files == {f"{name}.{kind}" for name in NAMES for kind in ("json", "npz")}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 80 * 2**20  # a clone takes seconds


def test_stored_students_are_those_that_were_measured():
    """The weights of a stored spectral run give its errors again, and hold the teacher's nodes: of two teachers.

    What pruning costs goes from E[y^2], without any node, to that error.
    """
    config = configurations("paper")["grid/spectral/200"]
    result = stored(config)
    student, task = result.student([0, 29]), result.task([0, 29])
    with torch.no_grad():
        errors = (student(task.test.x) - task.test.y).square().mean(-1)
    torch.testing.assert_close(errors, result.test_mse[[0, 29]], rtol=1e-4, atol=0)
    assert nodes_found(task, student).min() >= 18
    for sweep in result.sweeps.values():
        torch.testing.assert_close(sweep[:, -1], result.test_mse, rtol=1e-4, atol=0)
        torch.testing.assert_close(sweep[:, 0], result.test_power, rtol=1e-4, atol=0)


def test_pruned_as_well_as_one_can_a_student_loses_what_its_teacher_would_lose():
    """Greedy removal, of ten teachers: the needed sizes agree, and not for want of an alternative.

    At a hundredth of E[y^2], where teachers differ in how many of their own nodes they need.
    """
    config, few, needed = configurations("paper")["grid/spectral/60"], range(10), partial(onset, tolerance=0.01)
    result = stored(config)
    task, student = result.task(few), result.student(few)
    own, learned = (
        needed(prune_sweep(network, task.test, greedy_order(network, task.validation))).double()
        for network in (as_student(task.teacher), student)
    )
    shuffled = torch.rand(student.members, 60, generator=torch.Generator().manual_seed(0)) + result.alive[few]
    assert (learned - own).mean().abs() < 1.5
    assert torch.corrcoef(torch.stack([learned, own]))[0, 1] > 0.7
    assert needed(prune_sweep(student, task.test, rank(shuffled))).double().mean() > own.mean() + 4
    assert needed(prune_sweep(student, task.test, rank(result.scores[few]))).double().mean() < own.mean() + 3
