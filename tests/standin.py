"""A trainer that takes no time: numbers that follow from the configuration, work that is saved in stages."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from spectral.lab.config import ExperimentConfig
from spectral.lab.results import Result, Trainer
from spectral.lab.store import Arrays

STAGES = 4


def config(width: int = 3) -> ExperimentConfig:
    """Two members; another width is another experiment."""
    return ExperimentConfig(input_dim=2, teacher_second=2, student_hidden=width, trials=2)


def trainer(log: Path, seconds: float = 0.0) -> Trainer:
    """Each stage takes `seconds`; the log says when a run starts, and what it has saved."""

    def note(*words: object) -> None:
        with log.open("a") as file:
            file.write(" ".join(map(str, words)) + "\n")

    def train(config, checkpoint):
        name, shape = config.hash(), (len(config.members), config.student_hidden, config.input_dim)
        state = checkpoint.load() or {"stage": 0, "phi": torch.zeros(shape, dtype=torch.float64)}
        note(name, "starts", state["stage"])
        for stage in range(state["stage"], STAGES):
            time.sleep(seconds)
            draw = np.random.default_rng([int(name, 16), stage]).normal(size=shape)
            state = {"stage": stage + 1, "phi": state["phi"] / 2 + torch.from_numpy(draw)}
            checkpoint.save(state)
            note(name, "saved", stage + 1)
        return arrays(config, state["phi"].numpy())

    return train


def arrays(config: ExperimentConfig, phi: np.ndarray) -> Arrays:
    """Names and shapes are those of `spectral.lab.results.record`."""
    members, width, _ = phi.shape
    errors = np.abs(phi).sum((1, 2)) * np.array([[4.0], [2.0], [1.0]])
    scores = np.linalg.norm(phi, axis=-1)
    sweep = np.linspace(errors[0], errors[-1], width + 1, axis=-1)
    return {
        "scores": scores,
        "product": 2 * scores,
        "lam_out": np.ones((members, width)),
        "test_power": errors[0],
        "sweep_incoming": sweep,
        "sweep_product": sweep,
        "epochs": np.array([0, 1, config.epochs]),
        "train_mse": errors,
        "validation_mse": errors,
        "test_mse": errors,
        "score_epochs": np.array([config.epochs]),
        "score_history": scores[None],
        "kept": np.arange(members),
        "node": np.tile(np.arange(width), (members, 1)),
        "phi": phi,
        "second_phi": np.ones((members, width, config.teacher_second)),
    }


def never(config, checkpoint):
    """A trainer for runs that must not train."""
    raise AssertionError(f"{config.hash()} was computed")


def starts(log: Path) -> list[tuple[str, int]]:
    """What was started, in order, and from which stage."""
    words = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [(name, int(stage)) for name, what, stage in words if what == "starts"]


def saved(log: Path) -> dict[str, int]:
    """The last stage that every run has saved."""
    words = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return {name: int(stage) for name, what, stage in words if what == "saved"}


def assert_same(one: Result, other: Result) -> None:
    """All numbers, bit for bit."""
    assert one.config == other.config
    assert one.kept == other.kept
    for field in ("scores", "product", "lam_out", "alive", "train_mse", "validation_mse", "test_mse", "test_power"):
        assert torch.equal(getattr(one, field), getattr(other, field)), field
    for field in ("epochs", "score_epochs"):
        assert getattr(one.history, field) == getattr(other.history, field), field
    for field in ("train_mse", "validation_mse", "test_mse", "scores"):
        assert torch.equal(getattr(one.history, field), getattr(other.history, field)), field
    assert one.sweeps.keys() == other.sweeps.keys()
    assert all(torch.equal(sweep, other.sweeps[kind]) for kind, sweep in one.sweeps.items())
    assert one._weights.keys() == other._weights.keys()
    assert all(torch.equal(values, other._weights[name]) for name, values in one._weights.items())


def in_fresh_process(function: str, *arguments: object) -> None:
    """Call ``module.function`` of these tests where nothing has run yet, so that it can fork."""
    module, name = function.split(".")
    folder = Path(__file__).parent
    rooms = [str(path) for path in folder.iterdir() if path.is_dir()]
    code = f"import sys; sys.path += {rooms}; import {module}; {module}.{name}(*{[str(a) for a in arguments]!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def fork(work) -> int:
    """The process id of a child that does `work` and ends."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            if code:
                sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
            os._exit(code)
    return process


def exit_code(process: int) -> int:
    """Of a child, once it has ended; minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
