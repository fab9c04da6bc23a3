"""What an experiment's configuration makes: teachers and patterns, untrained students, trained ones."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from spectral.engine.ladder import Rungs, climb, measure
from spectral.engine.train import Checkpoint, History, Loop, train, which_loop
from spectral.lab.config import ConfigError, ExperimentConfig
from spectral.streams import Member, member_streams, order_keys
from spectral.students import Student
from spectral.tasks import Task, Teacher, make_task, make_teacher


@dataclass(frozen=True)
class Trained:
    """A finished training: E students, what they learned from, and how it went.

    Attributes
    ----------
    config, task, student, history:
        What was asked, the teachers and patterns, the trained students, the record of the training.
    seconds:
        Wall time of the training, since it was last resumed.
    loop:
        Which of the two loops of `spectral.engine.train` it was.
    rungs:
        What stands on the ladder; None if there is none.
    networks:
        The same as networks, by their nodes.
    """

    config: ExperimentConfig
    task: Task
    student: Student
    history: History
    seconds: float
    loop: Loop
    rungs: Rungs | None = None
    networks: Mapping[int, Student] = field(default_factory=dict)


def draw_task(
    config: ExperimentConfig, members: Sequence[Member] | None = None, *, device: str | torch.device = "cpu"
) -> Task:
    """The teachers and patterns of an experiment, or of some `members` of it."""
    members = config.members if members is None else members
    if config.shared_patterns:
        members = [member._replace(trial=0) for member in members]
    return make_task(
        members,
        _draw_teacher(config, members),
        inputs=config.inputs,
        train_patterns=config.train_patterns,
        validation_patterns=config.validation_patterns,
        test_patterns=config.test_patterns,
        label_noise=config.label_noise,
    ).to(check_device(device))


def make_student(
    config: ExperimentConfig, members: Sequence[Member] | None = None, *, device: str | torch.device = "cpu"
) -> Student:
    """The untrained students of an experiment, or of some `members` of it."""
    members = config.members if members is None else members
    student = Student(
        config.input_dim,
        config.student_hidden,
        config.second_nodes,
        len(members),
        parametrization=config.parametrization,
        activation=config.activation,
        train_phi=config.trained != "eigenvalues",
        train_lam_in=config.train_lam_in,
        train_lam_second=config.train_lam_second,
        generators=member_streams(members, "initial"),
        device=check_device(device),
        dtype=getattr(torch, config.dtype),
    )
    with torch.no_grad():
        student.first.lam_out.fill_(config.lam_start)
        student.first.phi.mul_(config.phi_start)
        if config.slimming:  # the same weights, with each row's length in its eigenvalue
            length = student.first.phi.norm(dim=-1)
            student.first.lam_out.mul_(length)
            student.first.phi.div_(length.unsqueeze(-1))
    return student


def prepare(
    config: ExperimentConfig, members: Sequence[Member] | None = None, *, device: str | torch.device = "cpu"
) -> tuple[Task, Student]:
    """The teachers, patterns and untrained students of an experiment, or of some `members` of it."""
    return draw_task(config, members, device=device), make_student(config, members, device=device)


def check_device(device: str | torch.device) -> torch.device:
    """`device`, if it can be computed on.

    Raises
    ------
    ConfigError
        If it is unknown, or not there.
    """
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(
            f"device {str(device)!r} cannot be used here: {str(error).splitlines()[0]}. CUDA devices seen: "
            f"{torch.cuda.device_count()}; 'cpu' always works"
        ) from None
    return torch.device(device)


def compute(
    config: ExperimentConfig,
    members: Sequence[Member] | None = None,
    *,
    device: str | torch.device = "cpu",
    record_at: Iterable[int] | None = None,
    scores_at: Iterable[int] | None = None,
    progress: bool | None = None,
    loop: Loop | None = None,
    checkpoint: Checkpoint | None = None,
) -> Trained:
    """Train the students of `config`, all or some `members`; see `spectral.engine.train.train` for options and errors.

    Raises
    ------
    ConfigError
        If `device` cannot be used; if only some students of a teacher are given that are to make one network.
    """
    members = config.members if members is None else members
    if config.ladder == "cluster" and len(members) < config.trials * len({one.teacher_seed for one in members}):
        raise ConfigError(f"ladder = 'cluster' asks all {config.trials} students of a teacher; these are some of them")
    task, student = prepare(config, members, device=device)
    loop = which_loop(student) if loop is None else loop
    keys = order_keys(member_streams(members, "order")).to(task.train.y.device)
    start = time.perf_counter()
    history = train(
        student,
        task,
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        l2_phi=config.l2_phi,
        l2_lam=config.l2_lam,
        l2_second=config.l2_second,
        optimiser=config.steps_by,
        group_lasso=config.group_lasso,
        l1=config.l1,
        slimming=config.slimming,
        alternate=config.trained == "alternate",
        keys=keys,
        drop_dead=config.drop_dead,
        record_at=record_at,
        scores_at=scores_at,
        traced=config.traced,
        progress=progress,
        loop=loop,
        checkpoint=checkpoint,
    )
    networks: dict[int, Student] = {}
    if config.ladder != "none":
        networks = climb(
            config.ladder,  # type: ignore[arg-type]
            student,
            task,
            config.rungs,
            draw=lambda nodes: make_student(replace(config, student_hidden=nodes), members, device=device),
            keys=keys,
            epochs=config.ladder_epochs,
            batch_size=config.batch_size,
            learning_rate=config.learning_rate,
            order=config.order,  # type: ignore[arg-type]
            trials=config.trials,
            progress=progress,
            loop=loop,
        )
    rungs = measure(networks, task) if networks else None
    return Trained(config, task, student, history, time.perf_counter() - start, loop, rungs, networks)


def other_teachers(config: ExperimentConfig, members: Sequence[Member] | None = None) -> Teacher:
    """For each member (default all) another random teacher of its teacher's shape: the one with the next seed."""
    members = config.members if members is None else members
    return _draw_teacher(config, [member._replace(teacher_seed=member.teacher_seed + 1) for member in members])


def _draw_teacher(config: ExperimentConfig, members: Sequence[Member]) -> Teacher:
    return make_teacher(
        members,
        kind=config.teacher,
        input_dim=config.input_dim,
        teacher_hidden=config.teacher_hidden,
        teacher_second=config.teacher_second,
        activation=config.activation,
        dtype=getattr(torch, config.dtype),
    )
