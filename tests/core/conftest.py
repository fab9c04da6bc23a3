"""Students that are nowhere at their start."""

from collections.abc import Callable

import pytest
import torch

from spectral import ExperimentConfig, Student
from spectral.lab.experiment import prepare
from spectral.tasks import Task


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
