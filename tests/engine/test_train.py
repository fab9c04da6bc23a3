import copy
import functools
import itertools
import os
import signal
from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from spectral import Student, TrainingDiverged, compute
from spectral.engine import batched, members
from spectral.engine.batched import loss_backward, shuffled_batches
from spectral.engine.train import Optimiser, epochs_to_record, train
from spectral.lab.experiment import prepare
from spectral.measures import mse
from spectral.penalties import split_l2
from spectral.streams import counted_orders, member_streams, order_keys
from spectral.tasks import Patterns

LOOPS = pytest.mark.parametrize("loop", ["kernel", "torch"])
SETTINGS = {"epochs": 2, "batch_size": 60, "learning_rate": 0.005, "l2_phi": 0.01, "l2_lam": 5e-4}


def keys_of(config):
    return order_keys(member_streams(config.members, "order"))


def fit(config, task, student, **options):
    return train(student, task, **SETTINGS | {"keys": keys_of(config)} | options)


@pytest.mark.parametrize("activation", ["relu", "tanh", "erf"])
@pytest.mark.parametrize("train_lam_in", [False, True])
def test_written_gradient_equals_automatic_differentiation(small, activation, train_lam_in):
    task, student = prepare(replace(small, activation=activation))
    with torch.no_grad():
        for parameter in student.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, dtype=parameter.dtype)
    student.first.lam_in.requires_grad_(train_lam_in)
    loss = (student(task.train.x) - task.train.y).square().mean(-1)
    trained = [p for p in student.parameters() if p.requires_grad]
    expected = torch.autograd.grad(loss.sum(), trained)
    returned = loss_backward(student, task.train.x, task.train.y)
    torch.testing.assert_close(returned, loss.detach(), rtol=1e-13, atol=1e-14)
    for parameter, gradient in zip(trained, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-12, atol=1e-13)
        assert parameter.grad.stride() == parameter.stride()  # a fused optimiser reads both as one block


@LOOPS
@pytest.mark.parametrize("parametrization", ["spectral", "direct"])
def test_training_equals_one_model_at_a_time_with_autograd_and_adam(small, parametrization, loop):
    """Every member against a plain loop of its own: same batches (partial one kept), same penalty, torch's Adam."""
    config = replace(small, parametrization=parametrization)
    task, student = prepare(config)
    _, start = prepare(config)
    fit(config, task, student, loop=loop)
    for member in range(3):
        names = ("first.phi", "first.lam_out", "second.phi")
        alone = Student(5, 8, 3, parametrization=parametrization, dtype=torch.float64)
        alone.load_state_dict({name: value[[member]] for name, value in start.state_dict().items()})
        adam = torch.optim.Adam([p for p in alone.parameters() if p.requires_grad], lr=0.005, eps=1e-7)
        x, y = task.train.x[[member]], task.train.y[[member]]
        assert x.shape[1] == 200  # three batches of 60 and a partial one of 20
        for epoch in (1, 2):
            shuffled = counted_orders(keys_of(config), epoch, 200)[member]
            for batch in shuffled.split(60):
                loss = (alone(x[:, batch]) - y[:, batch]).square().mean() + split_l2(alone.first, 0.01, 5e-4).sum()
                adam.zero_grad()
                loss.backward()
                adam.step()
        for name in names:
            expected, got = alone.state_dict()[name][0], student.state_dict()[name][member]
            torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-12)


@LOOPS
def test_one_step_of_adam_by_hand(toy, loop):
    """After one step Adam has moved each number by lr * g / (|g| + eps), that is by lr against the sign of g."""
    x, y = torch.tensor([[[1.0, 1.0]]]).double(), torch.tensor([[7.0]]).double()
    patterns = Patterns(x, y)
    before = copy.deepcopy(toy)
    options = SETTINGS | {"epochs": 1, "batch_size": 1, "l2_phi": 0.0, "l2_lam": 0.0}
    task = type("Task", (), {"train": patterns, "validation": patterns, "test": patterns})()
    train(toy, task, keys=torch.tensor([1]), loop=loop, **options)
    # residual 8 - 7 = 1, dL/dy = 2; node 0 (w = (3, 4), lam = -1, readout 1): dL/dw = 2 * (1, 1), dL/dlam = -2 * 7
    g = torch.tensor([2.0, 2.0]).double()
    torch.testing.assert_close(toy.first.phi[0, 0], before.first.phi[0, 0] - 0.005 * g / (g + 1e-7))
    assert toy.first.lam_out[0, 0].item() == pytest.approx(-1 + 0.005, abs=1e-9)
    assert torch.equal(toy.first.phi[0, 1], before.first.phi[0, 1])  # node 1 is silent on this pattern


@LOOPS
@pytest.mark.parametrize("rule", [Optimiser("sgd"), Optimiser("sgd", 0.5), Optimiser("adamw"), Optimiser()])
def test_what_a_node_without_gradient_does(small, loop, rule):
    """By hand: with SGD and AdamW a factor shrinks by a part of itself at each step, with Adam by the learning rate."""
    task, student = prepare(small)
    rate, steps, strengths = 0.005, 3, {"phi": 0.5, "lam_out": 0.3}
    task = replace(task, train=Patterns(task.train.x, torch.zeros_like(task.train.y)))
    with torch.no_grad():
        student.second.phi.zero_().requires_grad_(False)  # silent: the answers are right, and nothing is learned
        student.first.phi.copy_(torch.linspace(1, 2, student.first.phi.numel()).view_as(student.first.phi))
    start = {name: getattr(student.first, name).detach().clone() for name in strengths}
    fit(small, task, student, loop=loop, optimiser=rule, l2_phi=0.5, l2_lam=0.3, epochs=steps, batch_size=200)
    for name, strength in strengths.items():
        found = getattr(student.first, name).detach()
        if rule.rule == "adam":
            torch.testing.assert_close(found, start[name] - steps * rate, rtol=0, atol=1e-4)
            continue
        left, velocity = 1.0, 0.0
        for _ in range(steps):
            velocity = rule.momentum * velocity + 2 * rate * strength * left
            left -= velocity
        torch.testing.assert_close(found, start[name] * left, rtol=1e-12, atol=0)


def test_in_the_torch_loop_a_member_depends_on_its_company_by_rounding_only(small):
    """float64, 200 steps (50 epochs of 4): alone against in a batch of three within 1e-12."""
    task, student = prepare(small)
    history = fit(small, task, student, epochs=50, loop="torch")
    for index, member in enumerate(small.members):
        config = replace(small, trials=1)
        part = {
            name: Patterns(patterns.x[[index]], patterns.y[[index]])
            for name, patterns in (("train", task.train), ("validation", task.validation), ("test", task.test))
        }
        alone = Student(5, 8, 3, generators=member_streams([member], "initial"), dtype=torch.float64)
        key = order_keys(member_streams([member], "order"))
        record = fit(config, replace(task, **part), alone, epochs=50, keys=key, loop="torch")
        for name, value in alone.state_dict().items():
            torch.testing.assert_close(student.state_dict()[name][[index]], value, rtol=0, atol=1e-12)
        torch.testing.assert_close(history.test_mse[:, [index]], record.test_mse, rtol=0, atol=1e-12)


def test_adding_teachers_or_trials_changes_nothing_for_the_others(small):
    one, two = compute(replace(small, trials=1, teacher_seed=1)), compute(replace(small, trials=2, teachers=2))
    torch.testing.assert_close(two.history.test_mse[:, [2]], one.history.test_mse, rtol=0, atol=1e-13)


def test_learning_lowers_the_error_on_all_three_sets(small):
    history = compute(replace(small, epochs=60)).history
    for errors in (history.train_mse, history.validation_mse, history.test_mse):
        assert (errors[-1] < 0.2 * errors[0]).all()


def test_history_is_the_state_at_its_epochs(small):
    result = compute(small, record_at=[0, 2])
    history = result.history
    assert history.epochs == (0, 2, 4)
    assert history.scores.shape == (3, 3, 8)
    task, start = prepare(small)
    torch.testing.assert_close(history.test_mse[0], mse(start, task.test), rtol=1e-13, atol=0)
    torch.testing.assert_close(history.validation_mse[-1], mse(result.student, task.validation), rtol=1e-13, atol=0)
    halfway = compute(replace(small, epochs=2)).student
    assert torch.equal(history.scores[1], halfway.first.weight.norm(dim=-1))


def test_repeats_exactly_and_leaves_the_global_state_alone(small):
    state = torch.get_rng_state()
    first, second = compute(small), compute(small)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.history.test_mse, second.history.test_mse)


def test_frozen_parts_stay(small):
    student = compute(replace(small, parametrization="direct")).student
    assert torch.equal(student.first.lam_out, torch.ones(3, 8, dtype=torch.float64))
    assert torch.equal(student.first.lam_in, torch.zeros(3, 5, dtype=torch.float64))


def test_alternating_training_rests_one_factor_in_every_epoch(small):
    states = [compute(replace(small, trained="alternate", epochs=n)).student.first for n in (1, 2, 3)]
    assert torch.equal(states[0].lam_out, torch.ones(3, 8, dtype=torch.float64))  # epoch 1 trains phi
    assert torch.equal(states[1].phi, states[0].phi)  # epoch 2 trains the eigenvalues
    assert not torch.equal(states[1].lam_out, states[0].lam_out)
    assert torch.equal(states[2].lam_out, states[1].lam_out)
    assert not torch.equal(states[2].phi, states[1].phi)


def test_variants_train_what_they_say(small):
    eigenvalues = compute(replace(small, trained="eigenvalues")).student.first
    _, start = prepare(small)
    assert torch.equal(eigenvalues.phi, start.first.phi)
    assert not torch.equal(eigenvalues.lam_out, start.first.lam_out)
    both = compute(replace(small, train_lam_in=True)).student.first
    assert (both.lam_in != 0).all()
    second = compute(replace(small, train_lam_second=True)).student.second
    assert (second.lam_out != 1).all()
    frozen = compute(
        replace(small, parametrization="direct", lam_start=0.5, phi_start=2.0, learning_rate=1e-12)
    ).student
    assert (frozen.first.lam_out == 0.5).all()
    torch.testing.assert_close(frozen.first.weight, start.first.weight, rtol=0, atol=1e-9)


@LOOPS
def test_a_traced_training_records_eigenvalues(small, loop):
    """The same training, with |lam| |phi| = score at every epoch, and the eigenvalues that are there at the end."""
    plain, traced = compute(small, loop=loop), compute(replace(small, traced=True), loop=loop)
    assert plain.history.eigenvalues is None
    assert torch.equal(plain.history.scores, traced.history.scores)
    assert (traced.history.eigenvalues[0] == 1).all()
    assert torch.equal(traced.history.eigenvalues[-1], traced.student.first.lam_out)
    norms = traced.student.first.phi.norm(dim=-1) * traced.student.first.lam_out.abs()
    torch.testing.assert_close(traced.history.scores[-1], norms, rtol=1e-12, atol=0)


def test_group_lasso_ends_where_its_objective_is_stationary(small):
    """Frozen second layer, all patterns in one batch: |dL/dw_i| <= s for rows at zero, dL/dw_i = -s w_i/|w_i| else."""
    strength = 0.2
    config = replace(small, parametrization="direct", l2_phi=0.0, group_lasso=strength)
    task, student = prepare(config)
    student.second.phi.requires_grad_(False)
    options = {"batch_size": 200, "l2_phi": 0.0, "group_lasso": strength}
    fit(config, task, student, epochs=3000, learning_rate=0.005, **options)
    fit(config, task, student, epochs=3000, learning_rate=0.0002, **options)
    fit(config, task, student, epochs=1000, learning_rate=0.00001, **options)
    loss_backward(student, task.train.x, task.train.y)
    gradient, rows = student.first.phi.grad, student.first.phi.detach()
    norms = rows.norm(dim=-1)
    dead = norms == 0
    assert 0 < dead.sum() < dead.numel()
    assert (gradient.norm(dim=-1)[dead] <= strength).all()
    pull = gradient + strength * rows / norms.unsqueeze(-1)
    assert pull[~dead].norm(dim=-1).max() < 0.02 * strength


@pytest.mark.parametrize("chunk", [1, 2 * 60 * 8, 10_000])
def test_a_few_members_at_a_time_change_nothing(small, monkeypatch, chunk):
    config = replace(small, trials=5)
    whole = compute(config, loop="torch")
    monkeypatch.setattr(batched, "AT_ONCE", chunk)
    parts = compute(config, loop="torch")
    for name, value in whole.student.state_dict().items():
        torch.testing.assert_close(parts.student.state_dict()[name], value, rtol=0, atol=1e-13)
    torch.testing.assert_close(parts.history.test_mse, whole.history.test_mse, rtol=1e-12, atol=0)


class Memory:
    """A checkpoint that keeps every state, as a file would: by value."""

    def __init__(self):
        self.states = []

    def load(self):
        return copy.deepcopy(self.states[-1]) if self.states else None

    def save(self, state):
        self.states.append(copy.deepcopy(state))


VARIANTS = [
    {},
    {"dtype": "float32", "drop_dead": False},
    {"trained": "alternate"},
    {"train_lam_in": True},
    {"parametrization": "direct", "l2_phi": 0.0, "group_lasso": 0.3},
]


@LOOPS
@pytest.mark.parametrize("changes", VARIANTS)
def test_an_interrupted_run_ends_with_the_same_bits(small, monkeypatch, changes, loop):
    """Taken up wherever a state was saved, with nodes leaving at a coarse resolution."""
    for module in (batched, members):
        monkeypatch.setattr(module, "SAVE_EVERY", 0.0)
        monkeypatch.setattr(module, "CHECK_EVERY", 2)
        monkeypatch.setattr(module, "Roster", functools.partial(module.Roster, resolution=0.7))
    config, memory = replace(small, epochs=16, student_hidden=12, **changes), Memory()
    whole = compute(config, checkpoint=memory, scores_at=[1, 5, 16], loop=loop)
    assert len(memory.states) >= 15
    if config.drop_dead:
        assert (whole.history.scores[-1] == 0).any()
    for state in memory.states:
        again = Memory()
        again.save(state)
        resumed = compute(config, checkpoint=again, scores_at=[1, 5, 16], loop=loop)
        assert all(torch.equal(v, whole.student.state_dict()[n]) for n, v in resumed.student.state_dict().items())
        for name in ("train_mse", "validation_mse", "test_mse", "scores"):
            assert torch.equal(getattr(resumed.history, name), getattr(whole.history, name))


@LOOPS
@pytest.mark.parametrize("last", [False, True])
def test_an_interrupt_saves_before_it_returns(small, monkeypatch, capsys, loop, last):
    """Ctrl-C at a recorded epoch, or at the very end: one line, and a state from which the same bits follow."""
    config, memory = replace(small, epochs=400), Memory()
    whole = compute(config, loop=loop)
    sets = 3 * len(whole.history.epochs) * (3 if loop == "kernel" else 1)
    moment = sets - 1 if last else 30
    module, name = (members.kernel, "squared_error") if loop == "kernel" else (batched, "mse")
    recorded, calls = getattr(module, name), itertools.count()

    def interrupting(*arguments):
        if next(calls) == moment:
            os.kill(os.getpid(), signal.SIGINT)
        return recorded(*arguments)

    monkeypatch.setattr(module, name, interrupting)
    # Some shells start what runs in the background with Ctrl-C ignored, and Python leaves it so.
    outside, before = signal.getsignal(signal.SIGINT), signal.default_int_handler
    signal.signal(signal.SIGINT, before)
    try:
        with pytest.raises(KeyboardInterrupt):
            compute(config, checkpoint=memory, loop=loop)
        assert signal.getsignal(signal.SIGINT) is before
    finally:
        signal.signal(signal.SIGINT, outside)
    assert len(memory.states) == 1
    assert capsys.readouterr().err == "interrupted; the same command goes on from here\n"
    resumed = compute(config, checkpoint=memory, loop=loop)
    assert all(torch.equal(v, whole.student.state_dict()[n]) for n, v in resumed.student.state_dict().items())
    assert torch.equal(resumed.history.test_mse, whole.history.test_mse)


def test_a_run_begun_by_one_loop_is_not_finished_by_the_other(small, monkeypatch):
    for module in (batched, members):
        monkeypatch.setattr(module, "SAVE_EVERY", 0.0)
    for loop, other in (("kernel", "torch"), ("torch", "kernel")):
        memory = Memory()
        compute(replace(small, epochs=60), checkpoint=memory, loop=loop)
        memory.states = memory.states[:1]
        with pytest.raises(ValueError, match=f"finish it with loop='{loop}', or delete its checkpoint"):
            compute(replace(small, epochs=60), checkpoint=memory, loop=other)


class Waits(TorchDispatchMode):
    """Counts what makes a processor wait for a GPU: numbers that Python asks for, sizes that depend on values."""

    NAMES = ("_local_scalar_dense", "nonzero", "masked_select", "unique")

    def __init__(self):
        super().__init__()
        self.count, self.drawn = 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.__name__
        self.count += any(part in name for part in self.NAMES)
        self.drawn += "rand" in name
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("lasso", [0.0, 1e-3])
def test_an_epoch_of_the_torch_loop_asks_for_one_number(small, lasso):
    """Which is whether the loss is still finite, at its end; as many in a long epoch as in a short one."""
    config = replace(small, parametrization="direct") if lasso else small
    waits = {}
    for epochs in (1, 5):
        for batch_size in (60, 10):
            task, student = prepare(config)
            options = {"epochs": epochs, "batch_size": batch_size, "record_at": (), "group_lasso": lasso}
            keys = keys_of(config)
            with Waits() as seen:
                fit(config, task, student, keys=keys, loop="torch", **options)
            waits[epochs, batch_size] = seen.count
            assert not seen.drawn
    assert waits[5, 60] == waits[5, 10] == waits[1, 60] + 4
    assert waits[1, 60] == waits[1, 10]
    with Waits() as seen:
        torch.randperm(3)[0].item()
    assert seen.drawn  # what is counted here would be seen
    assert seen.count


@LOOPS
def test_counted_orders_are_what_is_trained_on(small, loop):
    """The same as one step after the other by hand, on the batches that the keys name."""
    task, student = prepare(small)
    fit(small, task, student, epochs=1, batch_size=200, l2_phi=0.0, l2_lam=0.0, loop=loop)
    index = counted_orders(keys_of(small), 1, 200)
    [(x, y)] = shuffled_batches(task.train, index, 200)
    for member in range(3):
        assert torch.equal(x[member], task.train.x[member, index[member]])
        assert torch.equal(y[member], task.train.y[member, index[member]])
    _, again = prepare(small)
    loss_backward(again, x, y)
    torch.optim.Adam(again.parameters(), lr=0.005, eps=1e-7).step()
    for name, value in again.state_dict().items():
        torch.testing.assert_close(student.state_dict()[name], value, rtol=0, atol=1e-13)


def test_epochs_to_record():
    assert epochs_to_record(1) == (0, 1)
    epochs = epochs_to_record(2000)
    assert epochs[0] == 0
    assert epochs[-1] == 2000
    assert len(epochs) <= 32


@LOOPS
def test_a_diverging_loss_names_member_epoch_and_rate(small, loop):
    task, student = prepare(small)
    with torch.no_grad():
        student.first.phi[1, 0, 0] = torch.nan
    with pytest.raises(TrainingDiverged, match=r"member 1 is not finite in epoch 0 at learning rate 0.005"):
        fit(small, task, student, loop=loop)
    task, student = prepare(small)
    with pytest.raises(TrainingDiverged, match=r"members? \d.* is not finite in epoch \d+ at learning rate 1e\+200"):
        fit(small, task, student, learning_rate=1e200, loop=loop)
    assert not torch.isfinite(mse(student, task.train)).all()  # the state in which it was seen


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, not 0"),
        ({"epochs": 1.5}, "epochs must be a whole number of at least 1, not 1.5"),
        ({"batch_size": 10.0}, "batch_size must be a whole number of at least 1, not 10.0"),
        ({"batch_size": 201}, "batch_size must be at most the 200 training patterns, not 201"),
        ({"learning_rate": float("nan")}, "learning_rate must be a finite number above 0, not nan"),
        ({"l2_phi": -1.0}, "l2_phi must be a finite number of at least 0, not -1"),
        ({"keys": torch.zeros(2, dtype=torch.int64)}, r"3 members need 3 int64 keys .* of shape \(2,\)"),
        ({"loop": "fast"}, "unknown loop 'fast'; choose one of kernel, torch"),
        ({"record_at": [5]}, r"record_at must name epochs from 0 to 2; got \[2, 5\]"),
        ({"scores_at": [-1]}, r"scores_at must name epochs from 0 to 2; got \[-1, 2\]"),
        ({"group_lasso": 0.1}, "group_lasso needs a direct student"),
        ({"l2_second": -1.0}, "l2_second must be a finite number of at least 0, not -1"),
        ({"group_lasso": -0.1}, "group_lasso must be a finite number of at least 0, not -0.1"),
    ],
)
def test_impossible_arguments_fail_before_training(small, changes, message):
    task, student = prepare(small)
    before = copy.deepcopy(student.state_dict())
    with pytest.raises(ValueError, match=message):
        fit(small, task, student, **changes)
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())


def test_patterns_that_do_not_fit(small):
    task, student = prepare(small)
    wide = Patterns(torch.zeros(3, 10, 6), torch.zeros(3, 10))
    short = Patterns(torch.zeros(3, 10, 5).double(), torch.zeros(3, 9).double())
    broken = Patterns(torch.full((3, 10, 5), torch.inf).double(), torch.zeros(3, 10).double())
    single = Patterns(torch.zeros(3, 10, 5), torch.zeros(3, 10))
    with pytest.raises(ValueError, match=r"train patterns of shape \(3, patterns, 5\); got \(3, 10, 6\)"):
        fit(small, replace(task, train=wide), student)
    with pytest.raises(ValueError, match=r"test answers must have shape \(3, 10\); got \(3, 9\)"):
        fit(small, replace(task, test=short), student)
    with pytest.raises(ValueError, match=r"student's type torch.float64; got torch.float32"):
        fit(small, replace(task, test=single), student)
    with pytest.raises(ValueError, match="validation patterns hold values that are not finite"):
        fit(small, replace(task, validation=broken), student)
    with pytest.raises(ValueError, match="nothing of this student is trained"):
        fit(small, task, student.requires_grad_(False))
