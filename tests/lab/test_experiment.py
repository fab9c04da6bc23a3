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


def test_students_that_share_their_patterns_have_starts_and_orders_of_their_own(small):
    """Also noise is the first one's; a teacher has patterns of its own."""
    config = replace(small, teachers=2, trials=2, shared_patterns=True, label_noise=0.3)
    task, student = prepare(config)
    for patterns in (task.train, task.validation, task.test):
        assert torch.equal(patterns.x[0], patterns.x[1])
        assert torch.equal(patterns.y[2], patterns.y[3])
        assert not torch.equal(patterns.x[0], patterns.x[2])
    assert not torch.equal(student.first.phi[0], student.first.phi[1])
    alone, _ = prepare(replace(config, shared_patterns=False))
    assert torch.equal(alone.train.y[0], task.train.y[0])
    assert not torch.equal(alone.train.x[1], task.train.x[1])


def test_slimming_starts_from_the_same_weights_with_rows_of_unit_length_and_keeps_it(small):
    """And brings eigenvalues to exactly zero, where the penalty is strong enough."""
    config = replace(small, l2_phi=0.0, l2_lam=0.0, slimming=0.05, epochs=60, drop_dead=False)
    (_, student), (_, usual) = prepare(config), prepare(small)
    ones = torch.ones(3, 8, dtype=torch.float64)
    torch.testing.assert_close(student.first.weight, usual.first.weight)
    torch.testing.assert_close(student.first.phi.norm(dim=-1), ones)
    for loop in ("kernel", "torch"):
        trained = compute(config, loop=loop).student
        torch.testing.assert_close(trained.first.phi.detach().norm(dim=-1), ones)
        assert (trained.first.lam_out == 0).any()
        assert (trained.first.lam_out != 0).any()


def test_l1_brings_weights_of_both_layers_to_zero(small):
    config = replace(small.direct_twin(), l2_phi=0.0, l1=0.02, epochs=60)
    for loop in ("kernel", "torch"):
        trained = compute(config, loop=loop).student
        for layer in (trained.first, trained.second):
            assert 0 < int((layer.phi == 0).sum()) < layer.phi.numel()
