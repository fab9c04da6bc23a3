from dataclasses import replace

import pytest
import torch

from spectral.bench import loops as bench_loops
from spectral.engine.train import train
from spectral.lab.experiment import make_student, prepare
from spectral.measures import mse
from spectral.streams import member_streams, order_keys

EPOCHS = 3


def trained(config):
    """The task and the students of `config`, after some epochs of whole batches and a partial one."""
    task, student = prepare(config)
    train(
        student,
        task,
        epochs=EPOCHS,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        l2_phi=config.l2_phi,
        l2_lam=config.l2_lam,
        keys=order_keys(member_streams(config.members, "order")),
        loop="kernel",
    )
    return task, student


@pytest.mark.parametrize("parametrization", ["spectral", "direct"])
@pytest.mark.parametrize("loop", [name for name in bench_loops.PLAIN_LOOPS if "compiled" not in name])
def test_the_plain_loop_trains_what_the_engine_trains(small, parametrization, loop):
    """Every member, in float64: same batches, penalties, optimiser."""
    config = replace(small, parametrization=parametrization)
    (task, student), start = trained(config), make_student(config)
    for member in range(3):
        plain = bench_loops.PlainLoop(config, task, start, loop, member)
        for _ in range(EPOCHS):
            plain.epoch()
        for name in ("phi", "lam_out"):
            got, expected = getattr(plain.first, name), getattr(student.first, name)[member]
            torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)
        torch.testing.assert_close(plain.second.weight, student.second.weight[member], rtol=0, atol=1e-10)
    assert not torch.equal(plain.second.weight, start.second.weight[2])


@pytest.mark.parametrize("threads", [1, 2])
def test_the_timed_engine_is_the_one_that_trains(small, threads):
    """To the last bit, an epoch at a time or several."""
    engine, (_, student) = bench_loops.Engine(small, threads), trained(small)
    engine.epochs()
    engine.epochs(EPOCHS - 1)
    for index, member in enumerate(engine.members):
        for name, value in student.state_dict().items():
            assert torch.equal(member.student.state_dict()[name][0], value[index]), name


def test_an_engine_that_does_less_than_it_should_is_not_timed(small):
    engine = bench_loops.Engine(replace(small, learning_rate=1e200))
    with pytest.raises(FloatingPointError, match="no longer finite"):
        engine.epochs(5)


def test_the_parts_are_those_of_an_epoch(small):
    """Forward is the error of all patterns, which an epoch changes, and the updates of another one, too."""
    (task, student), parts = prepare(small), bench_loops.parts(small)
    assert list(parts) == ["epoch", "shuffle", "forward", "update"]
    errors = [parts["forward"]()]
    for name in ("epoch", "update", "shuffle"):
        parts[name]()
        errors.append(parts["forward"]())
    assert errors[0] == pytest.approx(float(mse(student, task.train)[0]), rel=1e-12)
    assert len({*errors}) == 3
    assert errors[3] == errors[2]  # the order of the patterns changes nothing


def test_plain_loops_at_once_come_back_when_all_are_through(small):
    with bench_loops.at_once(small, "Adam, fused", 2) as train_all:
        train_all(2)
        train_all(1)


def test_a_plain_loop_that_cannot_start_is_noticed(small):
    with pytest.raises((RuntimeError, BrokenPipeError)), bench_loops.at_once(small, "none of them", 2) as train_all:
        train_all(1)


@pytest.mark.parametrize(("index", "parametrization"), [(0, "spectral"), (1, "direct")])
def test_the_module_loops_train_what_the_engine_trains(small, index, parametrization):
    """With a spectral layer, and with an ordinary one whose weights are penalised as phi is; from one start."""
    engine = bench_loops.Engine(replace(small, parametrization=parametrization))
    loop, start = bench_loops.module_loops(small)[index], make_student(small)
    engine.steps(5)
    loop.steps(5)
    assert not torch.allclose(loop.first.weight, start.first.weight[0])
    own = engine.members[0].student
    torch.testing.assert_close(loop.first.weight, own.first.weight[0], rtol=0, atol=1e-10)
    torch.testing.assert_close(loop.second.weight, own.second.weight[0], rtol=0, atol=1e-10)


def test_a_whole_run_that_fails_says_why(small):
    with pytest.raises(RuntimeError, match="device 'nowhere' cannot be used"):
        bench_loops.whole_run(small, "nowhere")
