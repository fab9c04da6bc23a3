"""Made-up worlds: students of which everything is known, in the place of all that preset `paper` trains.

A `World` says by `Maker` what every student is like. Makers start from the teacher: `perfect` students are their
teachers, but for a little noise, with dead nodes beside; all other makers change one thing. Teachers and patterns are
few, so that a world is quick to make.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import SimpleNamespace

import torch
from torch import Tensor

from spectral import ExperimentConfig, Student
from spectral.curves import prune_sweep
from spectral.engine.ladder import Rungs
from spectral.lab.collection import Results
from spectral.lab.experiment import draw_task, other_teachers
from spectral.lab.presets import Experiment, experiments
from spectral.lab.results import SWEPT
from spectral.measures import mse, survivors
from spectral.prune import node_scores, rank
from spectral.tasks import Task, Teacher

TEACHERS = 4


@dataclass
class Made:
    """Weights of E students, `first` (E, h, d) and `second` (E, m, h), and what is planted in place of their errors.

    `errors` is the test error over E[y^2], `growth` its growth with n = 0 ... h_S nodes, (h_S + 1,). On a ladder the
    error is that of nodes that are missing; `on_rungs` is what it is multiplied with, what is added to it, and how many
    nodes fewer are found.
    """

    first: Tensor
    second: Tensor
    errors: float | None = None
    growth: Tensor | None = None
    on_rungs: tuple[float, float, int] = (1.0, 0.0, 0)


Maker = Callable[[ExperimentConfig, Teacher], Made]


def perfect(config: ExperimentConfig, teacher: Teacher) -> Made:
    """The teacher, each weight off by some thousandths, and dead nodes up to the student's width."""
    generator = torch.Generator().manual_seed(config.teacher_hidden)
    second = teacher.second
    if second is None:  # a committee: the sum over many nodes of the second layer that each see little of it
        slope = {"relu": 1.0, "erf": (2 / torch.pi) ** 0.5}[config.activation]
        second = torch.full((len(teacher.first), 400, teacher.first.shape[1]), 1 / (400 * slope))
    first, second = (w * (1 + 0.003 * torch.randn(w.shape, generator=generator)) for w in (teacher.first, second))
    dead = config.student_hidden - first.shape[1]
    if dead < 0:
        return Made(first[:, : config.student_hidden], second[..., : config.student_hidden])
    pad = torch.nn.functional.pad
    return Made(pad(first, (0, 0, 0, dead)), pad(second, (0, dead)))


def split(config: ExperimentConfig, teacher: Teacher) -> Made:
    """Every node of the student is a copy of a teacher node, and has its share of what that sends."""
    made, h, size = perfect(config, teacher), config.student_hidden, config.teacher_hidden
    copies = torch.arange(h) % size
    share = torch.bincount(copies, minlength=size)[copies]
    return Made(made.first[:, copies], made.second[..., copies] / share)


def surplus(nodes: Callable[[ExperimentConfig], int], score: float = 0.5) -> Maker:
    """Perfect, with some more nodes that live, of this part of the largest incoming norm, and send next to nothing."""

    def make(config: ExperimentConfig, teacher: Teacher) -> Made:
        made, size, more = perfect(config, teacher), config.teacher_hidden, nodes(config)
        length = score * made.first.norm(dim=-1).amax(-1)
        made.first[:, size : size + more] = 0
        made.first[:, size : size + more, 0] = length[:, None]
        made.second[..., size : size + more] = 1e-6 * made.second.abs().amax()
        return made

    return make


def heavy(nodes: Callable[[ExperimentConfig], int]) -> Maker:
    """Perfect, with some more nodes that live and send as much as teacher nodes do."""

    def make(config: ExperimentConfig, teacher: Teacher) -> Made:
        made, more = surplus(nodes)(config, teacher), nodes(config)
        size = config.teacher_hidden
        made.second[..., size : size + more] = made.second[..., :1]
        return made

    return make


def missing(nodes: int) -> Maker:
    """Perfect, but for some teacher nodes that nobody stands for."""

    def make(config: ExperimentConfig, teacher: Teacher) -> Made:
        made = perfect(config, teacher)
        made.first[:, :nodes] = made.second[..., :nodes] = 0
        return made

    return make


def stranger(config: ExperimentConfig, teacher: Teacher) -> Made:
    """Perfect students of other teachers."""
    return perfect(config, other_teachers(config))


def scaled(factor: float) -> Maker:
    """Perfect, with all that is sent multiplied."""

    def make(config: ExperimentConfig, teacher: Teacher) -> Made:
        made = perfect(config, teacher)
        return replace(made, second=factor * made.second)

    return make


def positive(config: ExperimentConfig, teacher: Teacher) -> Made:
    """Perfect, with positive weights alone."""
    made = perfect(config, teacher)
    return Made(made.first.abs(), made.second)


def balanced(config: ExperimentConfig, teacher: Teacher) -> Made:
    """Perfect, with incoming weights as long as makes both penalties of an eigenvalue of one equal."""
    made = perfect(config, teacher)
    norm = made.first.norm(dim=-1, keepdim=True)
    length = (config.l2_lam / config.l2_phi) ** 0.5 if config.l2_phi else 1.0
    scale = torch.where(norm > 0, length / norm, 1.0)
    return Made(made.first * scale, made.second / scale.mT)


def extra(nodes: Callable[[ExperimentConfig], int]) -> Maker:
    """Perfect, with some more nodes of full strength, in directions that are the same for all students."""

    def make(config: ExperimentConfig, teacher: Teacher) -> Made:
        made, size, more = perfect(config, teacher), config.teacher_hidden, nodes(config)
        common = torch.randn(more, made.first.shape[-1], generator=torch.Generator().manual_seed(5))
        made.first[:, size : size + more] = common * made.first.norm(dim=-1).max() / common.norm(dim=-1, keepdim=True)
        made.second[..., size : size + more] = made.second.abs().amax()
        return made

    return make


def scattered(config: ExperimentConfig, teacher: Teacher) -> Made:
    """Students of random nodes, each of its own."""
    made = perfect(config, teacher)
    return replace(made, first=torch.randn(made.first.shape, generator=torch.Generator().manual_seed(6)))


def weak(config: ExperimentConfig, teacher: Teacher) -> Made:
    """Perfect, with a gauge in which half of the nodes have a score next to nothing."""
    made, half = perfect(config, teacher), config.teacher_hidden // 2
    made.first[:, :half] /= 100
    made.second[..., :half] *= 100
    return made


def fading(config: ExperimentConfig, teacher: Teacher) -> Made:
    """Scores that fall by the same factor from node to node: nowhere a gap."""
    made, h = perfect(config, teacher), config.student_hidden
    lengths = torch.logspace(0, -6, h)
    first = torch.zeros_like(made.first)
    first[..., 0] = lengths
    return Made(first, made.second)


def erring(error: float) -> Maker:
    """Perfect, but that the test error is said to be this part of E[y^2]."""
    return lambda config, teacher: replace(perfect(config, teacher), errors=error)


def falling(
    ratio: Callable[[ExperimentConfig], float] = lambda config: 1.0,
    beta: Callable[[ExperimentConfig], float] = lambda config: 1.5,
    jump: float = 0.0,
) -> Maker:
    """Perfect, but that pruning is said to cost ``jump + (1 - n/n_c)^beta`` below n_c = ratio h_T."""

    def make(config: ExperimentConfig, teacher: Teacher) -> Made:
        n = torch.arange(config.student_hidden + 1).double()
        x = (1 - n / (ratio(config) * config.teacher_hidden)).clamp_min(0)
        grown = (jump * (x > 0) + x ** beta(config)).clamp_max(1)
        return replace(perfect(config, teacher), growth=grown)

    return make


def exponential(config: ExperimentConfig, teacher: Teacher) -> Made:
    """Perfect, but that pruning is said to cost an exponential of the number of nodes."""
    n = torch.arange(config.student_hidden + 1).double()
    grown = torch.exp(-5 * n / config.teacher_hidden)
    return replace(perfect(config, teacher), growth=(grown - grown[-1]) / (grown[0] - grown[-1]))


def on_rungs(times: float = 1.0, plus: float = 0.0, lost: int = 0) -> Maker:
    """Perfect, but that the networks on the ladder are said to be worse."""
    return lambda config, teacher: replace(perfect(config, teacher), on_rungs=(times, plus, lost))


@dataclass(frozen=True)
class World:
    """Who is made by which maker: kinds of students, or designs, or names; what is not named is `perfect`."""

    makers: Mapping[str, Maker] = field(default_factory=dict)
    changes: Mapping[str, object] = field(default_factory=dict)

    @cached_property
    def results(self) -> Results:
        """All of preset `paper`."""
        small = {"teachers": TEACHERS, "trials": 1, "test_patterns": 400, "patterns": 600, "inputs": "gaussian"}
        chosen = [
            replace(one, config=replace(one.config, **small | {"batch_size": 300} | dict(self.changes) | several(one)))
            for one in experiments("paper")
        ]
        return Results(chosen, self._read)

    def _read(self, experiment: Experiment) -> SimpleNamespace:
        keys = (experiment.name, experiment.student, experiment.design)
        maker = next((self.makers[key] for key in keys if key in self.makers), perfect)
        return result(experiment.config, maker)


def several(one: Experiment) -> dict[str, int]:
    """Students of each teacher, where one is not enough."""
    return {"trials": 2} if one.config.ladder == "cluster" else {}


class Sweeping(SimpleNamespace):
    """A result whose sweeps are made when they are first asked for: most of the time that a world takes."""

    def __init__(self, swept: Callable[[], dict[str, Tensor]], **known: object) -> None:
        super().__init__(**known)
        self._swept = swept

    @cached_property
    def sweeps(self) -> dict[str, Tensor]:
        return self._swept()


_TASKS: dict[tuple, Task] = {}


def task_of(config: ExperimentConfig) -> Task:
    """Teachers and patterns; students of all widths have the same."""
    key = (config.teacher, config.activation, config.teacher_hidden, config.teacher_second, config.input_dim)
    key = (*key, config.teacher_seed, config.teachers, config.trials, config.test_patterns)
    if key not in _TASKS:
        _TASKS[key] = draw_task(config)
    return _TASKS[key]


def result(config: ExperimentConfig, maker: Maker) -> SimpleNamespace:
    """What a run with these students would leave behind."""
    task = task_of(config)
    made = maker(config, task.teacher)
    members = len(made.first)
    student = Student(
        config.input_dim, config.student_hidden, made.second.shape[1], members, activation=config.activation
    )
    with torch.no_grad():
        student.first.phi.copy_(-made.first)
        student.second.phi.copy_(-made.second)
    power = task.test.y.square().mean(-1)
    scores = {kind: node_scores(student, kind) for kind in SWEPT}

    def swept() -> dict[str, Tensor]:
        if made.growth is None:
            return {kind: prune_sweep(student, task.test, rank(scores[kind])) for kind in SWEPT}
        factor = 1 + 0.02 * torch.randn(members, 1, generator=torch.Generator().manual_seed(0))
        sweep = power[:, None] * made.growth.expand(members, -1) * factor
        sweep[:, 0] = power
        return dict.fromkeys(SWEPT, sweep)

    spread = 1 + 0.02 * torch.randn(members, generator=torch.Generator().manual_seed(1))
    error = mse(student, task.test) if made.errors is None else made.errors * power * spread
    every = range(members)

    def of(chosen):
        return every if chosen is None else chosen

    return Sweeping(
        swept,
        config=config,
        scores=scores["incoming"],
        product=scores["product"],
        by=scores.__getitem__,
        alive=survivors(scores["incoming"]),
        test_mse=error.clamp_min(1e-12),
        test_power=power,
        kept=tuple(every),
        rungs=ladder(config, made, power, spread),
        task=lambda chosen=None: task,
        student=lambda chosen=None: student,
        members=lambda chosen=None: [config.members[e] for e in of(chosen)],
    )


def ladder(config: ExperimentConfig, made: Made, power: Tensor, spread: Tensor) -> Rungs | None:
    """What stands on the rungs: an error of (1 - n/h_T)^1.5 and a thousandth of E[y^2], all of the nodes found."""
    if config.ladder == "none":
        return None
    (times, plus, lost), nodes = made.on_rungs, torch.tensor(config.rungs)
    missing = (1 - nodes / config.teacher_hidden).clamp_min(0)
    errors = (times * (missing**1.5 + 0.001) + plus) * (power * spread).unsqueeze(-1)
    found = (nodes.clamp_max(config.teacher_hidden) - lost).expand(len(power), -1)
    return Rungs(config.rungs, errors, errors, found)
