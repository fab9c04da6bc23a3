from dataclasses import replace
from functools import partial

import pytest
import torch

from spectral import compact, node_scores
from spectral.engine import batched, members
from spectral.engine.dropping import Roster
from spectral.engine.plan import adam
from spectral.engine.train import train
from spectral.lab.experiment import prepare
from spectral.streams import member_streams, order_keys


def fit(config, monkeypatch, loop="kernel", resolution=None, **roster):
    """50 epochs of 4 steps, a check every third epoch, and a coarse idea of weakness, so that nodes do leave."""
    monkeypatch.setattr(batched, "Roster", partial(Roster, resolution=resolution, **roster))
    monkeypatch.setattr(members, "Roster", partial(Roster, resolution=resolution))
    for module in (batched, members):
        monkeypatch.setattr(module, "CHECK_EVERY", 3)
    task, student = prepare(config)
    history = train(
        student,
        task,
        epochs=50,
        batch_size=60,
        learning_rate=0.005,
        l2_phi=0.01,
        l2_lam=5e-4,
        keys=order_keys(member_streams(config.members, "order")),
        loop=loop,
        drop_dead=True,
        record_at=range(51),
    )
    return task, student, history


@pytest.mark.parametrize("loop", ["kernel", "torch"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("parametrization", ["spectral", "direct"])
def test_leaving_equals_staying_as_a_frozen_zero(small, monkeypatch, activation, parametrization, loop):
    """Cut out against masked and frozen at the same epochs: within 1e-12 after 200 steps in float64."""
    config = replace(small, activation=activation, parametrization=parametrization, student_hidden=12)
    _, left, history = fit(config, monkeypatch, loop, resolution=0.55)
    _, stayed, other = fit(config, monkeypatch, "torch", resolution=0.55, repack_below=0.0)
    alive = (history.scores[-1] > 0).sum(-1)
    assert alive.max() < 11, "nothing was repacked"
    assert alive.min() >= 1
    assert len(set(alive.tolist())) > 1, "members of one size test no padding"
    for name, value in stayed.state_dict().items():
        torch.testing.assert_close(left.state_dict()[name], value, rtol=0, atol=1e-12)
    torch.testing.assert_close(history.scores, other.scores, rtol=0, atol=1e-12)
    torch.testing.assert_close(history.test_mse, other.test_mse, rtol=0, atol=1e-12)


@pytest.mark.parametrize("loop", ["kernel", "torch"])
def test_a_dropped_node_never_comes_back(small, monkeypatch, loop):
    _, student, history = fit(replace(small, student_hidden=12), monkeypatch, loop, resolution=0.55)
    dead = history.scores == 0
    assert (dead[1:] | ~dead[:-1]).all()
    assert torch.equal(node_scores(student) == 0, dead[-1])
    assert (student.first.out_features, student.second.in_features) == (12, 12)
    assert torch.equal(student.second.phi.abs().sum(1) == 0, dead[-1])


def test_the_restored_student_does_what_the_narrow_one_did(small, monkeypatch):
    task, student, history = fit(replace(small, student_hidden=12), monkeypatch, resolution=0.55)
    narrow, _ = compact(student, history.scores[-1] > 0)
    mse = (narrow(task.test.x) - task.test.y).square().mean(-1)
    torch.testing.assert_close(mse, history.test_mse[-1], rtol=1e-12, atol=0)


def test_without_weak_nodes_nothing_changes(small, monkeypatch):
    _, dropping, history = fit(small, monkeypatch)
    _, never, other = fit(small, monkeypatch, resolution=0.0)
    assert all(torch.equal(value, never.state_dict()[name]) for name, value in dropping.state_dict().items())
    assert torch.equal(history.scores, other.scores)


def test_one_weak_check_is_no_death_and_the_strongest_never_dies(small):
    _, student = prepare(small)
    optimiser = adam(student, 0.005)
    roster = Roster(student, optimiser)
    with torch.no_grad():
        student.first.phi[0, 3] = 1e-30
        student.first.phi[1] = 0  # a member without any weight has no strongest node, and loses none
    roster.check()
    assert (roster.origin >= 0).all()
    with torch.no_grad():
        student.first.phi[0, 3] = 1
    roster.check()
    assert (roster.origin >= 0).all()
    with torch.no_grad():
        student.first.phi[0, 3] = 1e-30
    roster.check()
    roster.check()
    assert torch.nonzero(roster.origin < 0).tolist() == [[0, 3]]
