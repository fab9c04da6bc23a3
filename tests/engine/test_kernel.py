"""The kernel against autograd and the torch loop, and what makes it safe: the same bits in any company, everywhere."""

import importlib
import itertools
import json
import math
import os
import random
import subprocess
import sys
import textwrap
from dataclasses import replace

import numba.core.caching
import numpy as np
import pytest
import torch

from spectral import ExperimentConfig, compute, node_scores
from spectral.engine import kernel, members
from spectral.engine.members import Apprentice, side_by_side
from spectral.engine.plan import Plan
from spectral.lab.experiment import prepare
from spectral.measures import effective_size, match_teacher, survivors
from spectral.streams import counted_orders, member_streams, order_keys

ROSTER = members.Roster
VARIANTS = {
    "relu": {},
    "tanh": {"activation": "tanh"},
    "erf": {"activation": "erf"},
    "direct": {"parametrization": "direct"},
    "lam_in": {"train_lam_in": True},
    "eigenvalues": {"trained": "eigenvalues"},
    "alternate": {"trained": "alternate"},
    "lasso": {"parametrization": "direct", "l2_phi": 0.0, "group_lasso": 0.02},
    "a second layer of its own": {"student_second": 7},
    "odd sizes": {"input_dim": 7, "student_hidden": 13},
    "one node": {"student_hidden": 1},
    "several tiles to a batch": {"patterns": 1_000, "batch_size": 700},
    "one batch": {"batch_size": 200},
    "noise": {"label_noise": 0.3},
    "committee": {"teacher": "committee", "activation": "erf", "teacher_second": 1},
    "adamw": {"optimiser": "adamw", "l2_second": 0.01},
    "adamw, direct, large eps": {"optimiser": "adamw", "parametrization": "direct", "adam_eps": 1e-3},
    "sgd": {"optimiser": "sgd", "l2_second": 0.01, "train_lam_in": True},
    "momentum": {"optimiser": "sgd", "momentum": 0.9, "trained": "alternate"},
    "l1": {"parametrization": "direct", "l2_phi": 0.0, "l1": 0.005},
    "slimming": {"l2_phi": 0.0, "l2_lam": 0.0, "slimming": 0.01},
    "large eps": {"adam_eps": 1e-3, "lam_start": 0.5, "phi_start": 2.0},
}


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_200_steps_equal_the_torch_loop(small, changes):
    """In float64, to 1e-10: weights, errors on all sets, scores."""
    config = replace(small, epochs=50, **changes)
    ours, reference = compute(config, loop="kernel"), compute(config, loop="torch")
    for name, value in reference.student.state_dict().items():
        torch.testing.assert_close(ours.student.state_dict()[name], value, rtol=0, atol=1e-10)
    for name in ("train_mse", "validation_mse", "test_mse", "scores"):
        expected = getattr(reference.history, name)
        torch.testing.assert_close(getattr(ours.history, name), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_gradients_equal_autograd(small, shaken, changes):
    """Of one step on all patterns, from Adam's first memory of them: a tenth of the gradient, penalties included."""
    config = replace(small, epochs=1, **changes)
    config = replace(config, batch_size=config.train_patterns, group_lasso=0.0)
    task, student = shaken(config)
    plan = Plan(1, config.batch_size, 1e-12, config.l2_phi, config.l2_lam, 0.0, config.trained == "alternate", False)
    x, y, own = task.train.x[:1], task.train.y[:1], student.member(0)
    penalty = config.l2_phi * own.first.phi.square().sum() if own.first.phi.requires_grad else 0
    for factor in (own.first.lam_out, own.first.lam_in):
        penalty = penalty + (config.l2_lam * factor.square().sum() if factor.requires_grad else 0)
    ((own(x) - y).square().mean() + penalty).backward()
    member = Apprentice(student, task, 0, 1, plan)
    side_by_side([member], None, members.tqdm(disable=True))
    pairs = [(own.first.phi, member._means.phi), (own.second.phi, member._means.second)]
    pairs += [(own.first.lam_out, member._means.lam_out), (own.first.lam_in, member._means.lam_in)]
    moved = 0
    for parameter, mean in pairs:
        rests = config.trained == "alternate" and parameter is own.first.lam_out
        if parameter.grad is not None and not rests:
            torch.testing.assert_close(10 * torch.from_numpy(mean), parameter.grad[0], rtol=1e-12, atol=1e-13)
            moved += 1
    assert moved >= 2


def apprentices(config):
    """All members of `config` on their way."""
    task, student = prepare(config)
    plan = Plan(
        config.epochs,
        config.batch_size,
        config.learning_rate,
        config.l2_phi,
        config.l2_lam,
        config.group_lasso,
        config.trained == "alternate",
        config.drop_dead,
    )
    keys = order_keys(member_streams(config.members, "order"))
    return [Apprentice(student, task, index, int(key), plan) for index, key in enumerate(keys)]


def bits(member):
    state = member.state()
    numbers = [state["epoch"], *state["errors"], *state["scores"], *member.student.state_dict().values()]
    return [number.numpy().tobytes() if isinstance(number, torch.Tensor) else number for number in numbers]


def test_a_member_has_the_same_bits_in_any_company(monkeypatch):
    """Alone, among its like, among others, in another order; with one thread, two and five; nodes leave on the way."""
    monkeypatch.setattr(members, "Roster", lambda *a, **k: ROSTER(*a, resolution=0.3, **k))
    config = ExperimentConfig(
        student_hidden=30, trials=3, epochs=40, patterns=500, test_patterns=100, batch_size=150, input_dim=5
    )
    others = [
        replace(config, student_hidden=7, activation="erf", epochs=25),
        replace(config, input_dim=11, dtype="float64", teacher_second=4),
        replace(config, parametrization="direct", l2_phi=0.0, group_lasso=0.02, student_hidden=61),
    ]

    def trained(company, threads):
        monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
        side_by_side(company, None, members.tqdm(disable=True))
        return company

    alone = [bits(trained([member], 1)[0]) for member in apprentices(config)]
    for threads, seed in itertools.product((1, 2, 5), (0, 1)):
        mine = apprentices(config)
        company = mine + [member for other in others for member in apprentices(other)]
        random.Random(seed).shuffle(company)
        trained(company, threads)
        assert [bits(member) for member in mine] == alone
    assert any((member.scores[-1] == 0).any() for member in mine), "no node left"


def test_orders_are_the_counted_ones():
    keys = order_keys([torch.Generator().manual_seed(seed) for seed in range(3)])
    for key, epoch, count in itertools.product(range(3), (1, 7, 10**9), (1, 2, 5, 200, 8_000, 40_000)):
        order, hashes = np.empty(count, np.int64), np.empty((2, count), np.uint64)
        kernel.shuffle(int(keys[key]), epoch, order, hashes)
        assert np.array_equal(order, counted_orders(keys[[key]], epoch, count)[0])


def test_smooth_activations_are_exact():
    """Against the C library, to two units in the last place of a double; NaN stays NaN."""
    z = np.concatenate([np.linspace(-40, 40, 20_001), np.logspace(-300, 2, 2_000), -np.logspace(-300, 2, 2_000)])
    for code, function in ((kernel.TANH, math.tanh), (kernel.ERF, lambda v: math.erf(v * math.sqrt(0.5)))):
        found, bell = [], []
        for part in np.array_split(z, 100):
            tile, slope = np.zeros(2 * int(kernel.TILE)), np.zeros(2 * int(kernel.TILE))
            tile[: len(part)] = part
            evaluate(tile, slope, code, len(part))
            found.append(tile[: len(part)])
            bell.append(slope[: len(part)])
        expected = np.array([function(value) for value in z])
        np.testing.assert_allclose(np.concatenate(found), expected, rtol=5e-16, atol=0)
        if code == kernel.ERF:
            expected = math.sqrt(2 / math.pi) * np.exp(-0.5 * z * z)
            np.testing.assert_allclose(np.concatenate(bell), expected, rtol=1e-12, atol=1e-300)
        tile[:2] = math.nan, 1
        evaluate(tile, slope, code, 2)
        assert math.isnan(tile[0])
        assert not math.isnan(tile[1])


@kernel.compiled
def evaluate(tile, slope, code, n):
    kernel._activate(tile, slope, 0, code, n)


def test_in_distribution_it_is_the_torch_loop():
    """30 members in float32, long enough for rounding to have grown: sizes, nodes found and errors differ by chance.

    Both see the same teachers and patterns, so means may differ by three standard errors of the paired differences.
    """
    config = ExperimentConfig(
        input_dim=5, teacher_hidden=5, student_hidden=20, teachers=30, trials=1, epochs=250, patterns=1_250,
        test_patterns=1_000, batch_size=50, seed=4,
    )  # fmt: skip
    seen = []
    for loop in ("kernel", "torch"):
        result = compute(config, loop=loop, record_at=(), scores_at=())
        scores = node_scores(result.student)
        matching = match_teacher(result.task.teacher.first, result.student.first.weight, survivors(scores))
        seen.append([effective_size(scores), matching.count(), result.history.test_mse[-1].log()])
    assert seen[0][0].double().mean() < 12, "nothing died"
    assert not torch.equal(seen[0][2], seen[1][2])
    for ours, reference in zip(*seen, strict=True):
        difference = (ours - reference).double()
        assert difference.mean().abs() <= 3 * difference.std() / 30**0.5 + 1e-12


CHILD = """
import json, sys, time
from spectral import ExperimentConfig, compute
from spectral.engine import kernel, members
members.PATIENCE = float(sys.argv[1])
result = compute(ExperimentConfig(student_hidden=5, trials=2, epochs=3, patterns=100, test_patterns=9, batch_size=20))
hits = sum(sum(f.stats.cache_hits.values()) for f in (kernel.train_epochs, kernel.squared_error))
print(json.dumps([result.loop, hits, result.history.test_mse.tolist()]))
"""


def child(patience, **environment):
    call = [sys.executable, "-c", textwrap.dedent(CHILD), str(patience)]
    return subprocess.Popen(
        call, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_two_processes_compile_at_once_and_a_third_reads_it(tmp_path):
    """From an empty cache: both say that they compile, all have the same numbers, the third compiles nothing."""
    first = [child(0.2, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)]
    told = [process.communicate(timeout=300) for process in first]
    told.append(child(60, NUMBA_CACHE_DIR=str(tmp_path)).communicate(timeout=300))
    found = [json.loads(out) for out, _ in told]
    assert [loop for loop, _, _ in found] == ["kernel"] * 3
    assert found[0][2] == found[1][2] == found[2][2]
    assert found[2][1] == 2, "it was compiled again"
    assert ["compiling the training kernel" in err for _, err in told] == [True, True, False]


def test_without_any_writable_place_it_compiles_for_itself(monkeypatch):
    monkeypatch.setattr(numba.core.caching.CacheImpl, "_locator_classes", [])
    double = kernel.compiled(lambda x: 2 * x)
    assert double(21) == 42
    assert not double.stats.cache_path


def test_a_kernel_that_cannot_be_kept_trains_all_the_same(small, monkeypatch, capsys):
    """No space on the disk: what numba compiled is used, and one line says so."""

    def no_space(*_):
        raise OSError(28, "No space left on device")

    expected = compute(small).history.test_mse
    member = apprentices(small)[0]
    compiling = iter([no_space, no_space, member.compile])
    monkeypatch.setattr(Apprentice, "compile", lambda self: next(compiling)())
    assert torch.equal(compute(small).history.test_mse, expected)
    assert "cannot be kept, and will be compiled again: [Errno 28] No space left" in capsys.readouterr().err


def test_without_numba_pytorch_trains_and_says_so_once(small, monkeypatch, capsys):
    training = importlib.import_module("spectral.engine.train")
    monkeypatch.setitem(sys.modules, "numba", None)  # importing it fails
    training._numba_works.cache_clear()
    try:
        results = [compute(small) for _ in range(2)]
        assert [result.loop for result in results] == ["torch", "torch"]
        assert capsys.readouterr().err.count("PyTorch trains") == 1
        with pytest.raises(ValueError, match=r"where numba is installed; use loop='torch'"):
            compute(small, loop="kernel")
    finally:
        training._numba_works.cache_clear()


def test_what_the_kernel_does_not_know_is_trained_by_pytorch(small):
    training = importlib.import_module("spectral.engine.train")
    _, student = prepare(small)
    assert training.which_loop(student) == "kernel"
    student.second.lam_out.requires_grad_(True)
    assert training.which_loop(student) == "torch"
    student.second.lam_out.requires_grad_(False)
    student.activation = "identity"
    assert training.which_loop(student) == "torch"
