from dataclasses import replace

import pytest
import torch

from spectral import ExperimentConfig, compute
from spectral.lab.config import ENGINE_VERSION
from spectral.lab.experiment import prepare


def test_a_second_layer_of_its_own_width():
    config = ExperimentConfig(student_second=30, trials=2, patterns=500, test_patterns=5, epochs=1)
    task, student = prepare(config)
    assert student.second.weight.shape == (2, 30, 200)
    assert task.teacher.second.shape == (2, 10, 20)


def test_twins_share_teachers_data_and_start(small):
    (task, student), (other_task, other) = prepare(small), prepare(small.direct_twin())
    assert torch.equal(task.train.x, other_task.train.x)
    assert torch.equal(task.teacher.first, other_task.teacher.first)
    assert torch.equal(student.first.phi, other.first.phi)
    assert torch.equal(student.second.phi, other.second.phi)


@pytest.mark.parametrize(
    ("kind", "activation"),
    [
        (k, a)
        for k in ("two-layer", "committee", "linear")
        for a in ("relu", "tanh", "erf")
        if (k, a) != ("linear", "relu")
    ],
)
def test_every_kind_of_teacher_is_learned(small, kind, activation):
    """To a tenth of E[y^2]. Eight nodes in the second layer, since bounded ones cannot answer beyond their number."""
    changes = {"epochs": 60, "patterns": 2_500, "dtype": "float32", "l2_phi": 1e-4, "teacher_second": 8}
    result = compute(replace(small, teacher=kind, activation=activation, **changes))
    assert result.student.first.phi.dtype == torch.float32
    assert (result.history.test_mse[-1] < 0.1 * result.task.test.y.square().mean(-1)).all()


def test_single_precision_sees_the_same_world(small):
    (task, student), (other_task, other) = prepare(small), prepare(replace(small, dtype="float32"))
    assert torch.equal(task.train.x.float(), other_task.train.x)
    assert torch.equal(task.teacher.first.float(), other_task.teacher.first)
    assert torch.equal(student.first.phi.float(), other.first.phi)


@pytest.mark.parametrize("loop", ["kernel", "torch"])
def test_golden_numbers(small, loop):
    """Moves only when the engine's numbers move; then `ENGINE_VERSION` has to move too."""
    golden = torch.tensor([0.31541446333585976, 0.8350322646241084, 0.48217040637748243], dtype=torch.float64)
    torch.testing.assert_close(compute(small, loop=loop).history.test_mse[-1], golden, rtol=1e-9, atol=0)
    assert ENGINE_VERSION == 5


def test_digits_fit_the_paper_s_shape():
    """1,000 to train on, 300 to validate, 497 to test."""
    config = ExperimentConfig(inputs="digits", patterns=1_300, validation_fraction=300 / 1_300, test_patterns=497)
    task, _ = prepare(config, config.members[:1])
    assert [s.y.shape[1] for s in (task.train, task.validation, task.test)] == [1_000, 300, 497]
