"""Shared fixtures: a toy student that can be checked by hand, a small experiment in float64, the built book."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from rendered import build, html, made_once

from spectral import ExperimentConfig, Student
from spectral.lab.experiment import prepare
from spectral.tasks import Task

settings.register_profile("project", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("project")


def pytest_addoption(parser):
    text = "pages to read, of the whole book, in place of those that Jupyter Book makes for the tests"
    parser.addoption("--site", type=Path, metavar="FOLDER", help=text)


@pytest.fixture
def toy() -> Student:
    """One student, d = 2, h = 3, m = 1, relu. Weight rows w = -lam phi: (3, 4), (0, -1), (2, 0); readout 1, 2, 0.5.

    For x = (1, 1) the nodes give 7, 0, 2, so y = 7 + 0 + 1 = 8.
    For x = (1, -2) they give 0, 2, 2, so y = 0 + 4 + 1 = 5.
    """
    student = Student(2, 3, 1, dtype=torch.float64)
    with torch.no_grad():
        student.first.phi.copy_(torch.tensor([[[3.0, 4.0], [0.0, 0.5], [-1.0, 0.0]]]))
        student.first.lam_out.copy_(torch.tensor([[-1.0, 2.0, 2.0]]))
        student.second.phi.copy_(-torch.tensor([[[1.0, 2.0, 0.5]]]))
    return student


@pytest.fixture
def small() -> ExperimentConfig:
    """Three members in float64, 8 nodes, quick to train."""
    return ExperimentConfig(
        input_dim=5,
        teacher_hidden=4,
        teacher_second=3,
        student_hidden=8,
        trials=3,
        epochs=4,
        patterns=250,
        test_patterns=100,
        batch_size=60,
        dtype="float64",
    )


@pytest.fixture
def shaken() -> Callable[[ExperimentConfig], tuple[Task, Student]]:
    """From a configuration to its tasks and students, all factors of these moved off their start."""

    def prepared(config: ExperimentConfig) -> tuple[Task, Student]:
        task, student = prepare(config)
        with torch.no_grad():
            for parameter in student.parameters():
                parameter += 0.3 * torch.randn(parameter.shape, dtype=parameter.dtype, generator=torch.Generator())
        return task, student

    return prepared


@pytest.fixture
def scratch_store(monkeypatch, tmp_path_factory) -> None:
    """What a chapter trains in a test is not kept."""
    monkeypatch.setenv("SPECTRAL_STORE", str(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="session")
def site(tmp_path_factory, pytestconfig) -> Path:
    """The book built from the committed chapters, once for all tests that read it, in whatever process they run."""
    if given := pytestconfig.getoption("--site"):
        return given.resolve()
    return html(made_once(tmp_path_factory, "site", build))
