from dataclasses import replace

import pytest
import torch

from spectral.bench import loops as bench_loops
from spectral.lab.experiment import make_student, prepare
from spectral.layers import SpectralLinear
from spectral.penalties import split_l2
from spectral.streams import member_streams
from spectral.train import train


@pytest.mark.parametrize("parametrization", ["spectral", "direct"])
@pytest.mark.parametrize("loop", [name for name in bench_loops.PLAIN_LOOPS if "compiled" not in name])
def test_the_plain_loop_trains_what_the_engine_trains(small, parametrization, loop):
    """Every member, three epochs of three whole batches and a partial one: same batches, penalties, optimiser."""
    config = replace(small, parametrization=parametrization)
    (task, student), start = prepare(config), make_student(config)
    train(
        student,
        task,
        epochs=3,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        l2_phi=config.l2_phi,
        l2_lam=config.l2_lam,
        order=member_streams(config.members, "order"),
    )
    for member in range(3):
        plain = bench_loops.PlainLoop(config, task, start, loop, member)
        for _ in range(3):
            plain.epoch()
        for name in ("phi", "lam_out"):
            got, expected = getattr(plain.first, name), getattr(student.first, name)[member]
            torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)
        torch.testing.assert_close(plain.second.weight, student.second.weight[member], rtol=0, atol=1e-10)
    assert not torch.equal(plain.second.weight, start.second.weight[2])


def test_the_timed_engine_is_the_one_that_trains(small):
    engine, student = bench_loops.Engine(small), make_student(small)
    for _ in range(2):
        engine.epoch()
    options = {name: getattr(small, name) for name in ("batch_size", "learning_rate", "l2_phi", "l2_lam")}
    train(student, engine.task, epochs=2, order=member_streams(small.members, "order"), **options)
    for name, value in student.state_dict().items():
        assert torch.equal(engine.student.state_dict()[name], value), name


@pytest.mark.parametrize("parametrization", ["spectral", "direct"])
def test_the_module_loop_trains_what_the_engine_trains(small, parametrization):
    """With a spectral layer, and with an ordinary one whose weights are penalised as phi is."""
    config = replace(small, parametrization=parametrization)
    engine, start = bench_loops.Engine(config), make_student(config)
    if parametrization == "spectral":
        first = SpectralLinear.from_linear(start.first.to_linear(0))
        loop = bench_loops.ModuleLoop(config, first, lambda: split_l2(first, config.l2_phi, config.l2_lam))
    else:
        first = start.first.to_linear(0)
        loop = bench_loops.ModuleLoop(config, first, lambda: config.l2_phi * first.weight.square().sum())
    with torch.no_grad():
        loop.second.weight.copy_(start.second.weight[0])
    engine.steps(5)
    loop.steps(5)
    assert not torch.allclose(first.weight, start.first.weight[0])
    torch.testing.assert_close(first.weight, engine.student.first.weight[0], rtol=0, atol=1e-10)
    torch.testing.assert_close(loop.second.weight, engine.student.second.weight[0], rtol=0, atol=1e-10)


def test_a_whole_run_that_fails_says_why(small):
    with pytest.raises(RuntimeError, match="device 'nowhere' cannot be used"):
        bench_loops.whole_run(small, "nowhere")
