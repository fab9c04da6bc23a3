"""What an experiment is: everything that decides its numbers, typed, checked and hashed.

The defaults are the published spectral setting (arXiv:2310.12612 and its public code), with the one number that
the code does not give, ``teacher_second``, set to 10.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self, get_args

from spectral.activations import ACTIVATIONS
from spectral.engine.ladder import Order, Way
from spectral.engine.plan import ADAM_EPS, Optimiser, Rule
from spectral.errors import Told
from spectral.penalties import balanced_strength
from spectral.streams import Member
from spectral.students import Parametrization
from spectral.tasks import InputKind, TeacherKind, check_inputs

ENGINE_VERSION = 5
"""Moves when, and only when, the same configuration gives other numbers, or more of them are kept."""


_CHOICES: dict[str, tuple[str, ...]] = {
    "teacher": get_args(TeacherKind),
    "parametrization": get_args(Parametrization),
    "activation": tuple(name for name in ACTIVATIONS if name != "identity"),
    "inputs": get_args(InputKind),
    "dtype": ("float32", "float64"),
    "trained": ("both", "eigenvalues", "alternate"),
    "optimiser": get_args(Rule),
    "ladder": ("none", *get_args(Way)),
    "order": get_args(Order),
}


RUNGS = (0.25, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0)
"""Nodes of the networks on a ladder, in parts of the teacher's."""


_MAY_BE_ZERO = (
    *("teacher_seed", "student_second", "seed", "l2_phi", "l2_lam", "l2_second", "group_lasso", "label_noise"),
    *("momentum", "l1", "slimming", "ladder_epochs"),
)


Twin = Literal["published", "matched", "lasso"]


class ConfigError(Told, ValueError):
    """A parameter is unknown, of the wrong type, or impossible; the message says which and what is allowed."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """The error for a misspelled `name`, with the closest known one."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return ConfigError(f"unknown {kind} {name!r}{hint} Known: {', '.join(known)}")


def check_type(name: str, value: object, kind: str) -> int | float | str | bool:
    """`value` as the type called `kind` ("int", "float", "str" or "bool"), or a ConfigError that names all three.

    A whole number below 2^63 is a valid float; a float, a string or a truth value is not a valid int.
    """
    allowed: dict[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "str": (str,), "bool": (bool,)}
    if isinstance(value, bool) != (kind == "bool") or not isinstance(value, allowed[kind]):
        raise ConfigError(f"{name} must be of type {kind}; got {value!r}, of type {type(value).__name__}")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ConfigError(f"{name} must be below 2^63 in size; got a number of {value.bit_length()} bits")
    return float(value) if kind == "float" and isinstance(value, int) else value  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """Everything that decides a run's numbers. Equal configurations give equal hashes and equal runs.

    Attributes
    ----------
    input_dim:
        d, inputs of teacher and student.
    teacher:
        "two-layer" (the paper's), "committee" or "linear"; see `spectral.tasks`.
    teacher_hidden, teacher_second:
        h_T and m, nodes of the teacher's two layers.
    teachers, teacher_seed:
        How many random teachers; teacher t has the seed ``teacher_seed + t``.
    student_hidden:
        h_S, hidden nodes of the student.
    student_second:
        Nodes of the student's second layer; 0 for as many as the teacher's, as in the paper. The teacher's number
        becomes 0, so that one experiment has one name.
    parametrization:
        "spectral" or "direct" (conventional: eigenvalues frozen at 1).
    trials:
        Students for each teacher, each with its own data, initial weights and order of patterns.
    epochs, batch_size, learning_rate:
        Of the training loop.
    patterns, validation_fraction, test_patterns:
        Training patterns of a trial, the part of them held out for validation, and test patterns.
    l2_phi, l2_lam:
        Strengths of the penalties on phi and lam_out (the latter acts where lam_out is trained).
    group_lasso:
        Strength of a group lasso on the rows of a direct student's first layer; see `spectral.engine.train`.
    trained:
        What a spectral student trains of its first layer: "both" eigenvectors and eigenvalues, "eigenvalues" alone, or
        both in "alternate" epochs.
    train_lam_in:
        Whether the eigenvalues of the inputs are trained (and penalised) along with lam_out.
    drop_dead:
        Whether nodes that have vanished leave for good, which is faster and a rule of ours; see
        `spectral.engine.dropping`.
    activation:
        "relu", "tanh" or "erf", of teacher and student.
    inputs:
        "gaussian", "uniform", "correlated" or "digits"; see `spectral.tasks`. Of digits there are 1,797 for all three
        sets together.
    dtype:
        "float32" or "float64".
    seed:
        Base seed of the trials.
    label_noise:
        Standard deviation of Gaussian noise on the training answers, in units of their root mean square. Validation
        and test answers are clean.
    optimiser, momentum, adam_eps:
        "adam", "adamw" (whose penalties are decoupled) or "sgd"; the momentum of the latter; epsilon of the former.
    l2_second:
        Strength of the penalty on the weights of the student's second layer, which the paper leaves alone.
    lam_start:
        What lam_out starts at; a direct student keeps it.
    phi_start:
        What phi is multiplied with at the start.
    train_lam_second:
        Whether the eigenvalues of the second layer's nodes are trained (and penalised) along with the first layer's.
        PyTorch's loop trains such students; the kernel does not know them.
    traced:
        Whether eigenvalues are kept along with the scores, at four times as many epochs.
    l1:
        Strength of an L1 penalty on all weights of a direct student; see `spectral.engine.train`.
    slimming:
        Strength of an L1 penalty on the eigenvalues of a spectral student whose eigenvectors have unit length.
    ladder, ladder_epochs, order:
        How networks of `rungs` nodes are made after the training, or "none"; the epochs that each is trained for; by
        what the nodes are chosen that it starts with, "product" or "taylor". See `spectral.engine.ladder`.
    shared_patterns:
        Whether all students of a teacher have the patterns of the first, and only start and order are their own.

    Raises
    ------
    ConfigError
        At construction, before any work.

    Examples
    --------
    >>> ExperimentConfig(student_hidden=40).learning_rate
    0.005
    >>> ExperimentConfig(student_hidden=0)
    Traceback (most recent call last):
    spectral.lab.config.ConfigError: student_hidden must be at least 1; got 0
    """

    input_dim: int = 10
    teacher: str = "two-layer"
    teacher_hidden: int = 20
    teacher_second: int = 10
    teachers: int = 1
    teacher_seed: int = 0
    student_hidden: int = 200
    student_second: int = 0
    parametrization: str = "spectral"
    trials: int = 30
    epochs: int = 2_000
    patterns: int = 10_000
    validation_fraction: float = 0.2
    test_patterns: int = 10_000
    batch_size: int = 300
    learning_rate: float = 0.005
    l2_phi: float = 0.01
    l2_lam: float = 5e-4
    group_lasso: float = 0.0
    trained: str = "both"
    train_lam_in: bool = False
    drop_dead: bool = True
    activation: str = "relu"
    inputs: str = "gaussian"
    dtype: str = "float32"
    seed: int = 0
    label_noise: float = 0.0
    optimiser: str = "adam"
    momentum: float = 0.0
    adam_eps: float = ADAM_EPS
    l2_second: float = 0.0
    lam_start: float = 1.0
    phi_start: float = 1.0
    train_lam_second: bool = False
    traced: bool = False
    l1: float = 0.0
    slimming: float = 0.0
    ladder: str = "none"
    ladder_epochs: int = 0
    order: str = "product"
    shared_patterns: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            name, value = field.name, check_type(field.name, getattr(self, field.name), str(field.type))
            object.__setattr__(self, name, value)
            if isinstance(value, bool):
                continue
            if isinstance(value, str):
                if value not in _CHOICES[name]:
                    raise ConfigError(f"{name} must be one of {', '.join(_CHOICES[name])}; got {value!r}")
                continue
            if not math.isfinite(value):
                raise ConfigError(f"{name} must be a finite number; got {value}")
            lowest = 0 if name in _MAY_BE_ZERO else 1
            if isinstance(value, int) and value < lowest:
                raise ConfigError(f"{name} must be at least {lowest}; got {value}")
            if value < 0 or (value == 0 and name not in _MAY_BE_ZERO):
                raise ConfigError(f"{name} must be {'at least' if name in _MAY_BE_ZERO else 'above'} 0; got {value}")
        if self.student_second == self.teacher_second:
            object.__setattr__(self, "student_second", 0)
        if self.validation_fraction >= 1 or self.validation_patterns < 1 or self.train_patterns < 1:
            raise ConfigError(
                f"validation_fraction must leave patterns on both sides of the split; {self.validation_fraction} "
                f"of {self.patterns} patterns does not"
            )
        try:
            check_inputs(self.inputs, self.input_dim, self.patterns + self.test_patterns)
        except ValueError as error:
            raise ConfigError(f"inputs = {self.inputs!r}: {error}") from None
        if self.teacher == "linear" and self.activation == "relu":
            raise ConfigError(
                "activation must be tanh or erf for a linear teacher: its answers have both signs, and the sum of a "
                "relu student's second layer is never negative; got 'relu'"
            )
        if self.parametrization == "direct" and (self.trained != "both" or self.train_lam_in or self.train_lam_second):
            raise ConfigError(
                "trained, train_lam_in and train_lam_second are choices for spectral students; a direct one has no "
                f"eigenvalues to train: got trained = {self.trained!r}, train_lam_in = {self.train_lam_in}, "
                f"train_lam_second = {self.train_lam_second}"
            )
        try:
            chosen = self.steps_by
        except ValueError as error:
            raise ConfigError(str(error)) from None
        for name in ("group_lasso", "l1", "slimming"):
            if getattr(self, name) and chosen.rule != "adam":
                raise ConfigError(f"{name} is a step in Adam's metric; optimiser must be adam, got {chosen.rule!r}")
        for name in ("group_lasso", "l1"):
            if self.parametrization == "spectral" and getattr(self, name):
                raise ConfigError(
                    f"{name} must be 0 for spectral students; got {getattr(self, name)}. Theirs is made by l2_phi and "
                    "l2_lam; an explicit one takes parametrization = 'direct'"
                )
        if self.slimming and (self.parametrization == "direct" or self.trained == "eigenvalues" or self.train_lam_in):
            raise ConfigError(
                "slimming needs spectral students that train eigenvectors and lam_out, and no lam_in; got "
                f"parametrization = {self.parametrization!r}, trained = {self.trained!r}, train_lam_in = "
                f"{self.train_lam_in}"
            )
        self._check_ladder()
        if self.batch_size > self.train_patterns:
            raise ConfigError(
                f"batch_size must be at most the {self.train_patterns} training patterns "
                f"(patterns less the validation_fraction); got {self.batch_size}"
            )

    def _check_ladder(self) -> None:
        """Whether what is said of the ladder goes together."""
        if (self.ladder == "none") != (self.ladder_epochs == 0):
            raise ConfigError(
                "a ladder needs ladder_epochs of at least 1, and no ladder none; got ladder = "
                f"{self.ladder!r}, ladder_epochs = {self.ladder_epochs}"
            )
        if self.ladder == "none" and self.order != "product":
            raise ConfigError(f"order is that of a ladder's nodes; there is no ladder, got {self.order!r}")
        if self.order == "taylor" and self.ladder != "cut":
            raise ConfigError(f"order = 'taylor' is a choice for ladder = 'cut'; got {self.ladder!r}")
        if self.ladder == "cluster" and (self.trials < 2 or self.activation != "relu"):
            raise ConfigError(
                "ladder = 'cluster' asks two or more students of a teacher, of relu nodes; got trials = "
                f"{self.trials}, activation = {self.activation!r}"
            )
        if self.ladder != "none" and (self.teacher != "two-layer" or not self.rungs):
            raise ConfigError(
                "a ladder needs a two-layer teacher, and a student at least as wide as its lowest rung; got teacher = "
                f"{self.teacher!r}, student_hidden = {self.student_hidden}"
            )

        if self.ladder in ("grow", "fresh") and self.student_hidden not in self.rungs:
            raise ConfigError(
                f"with ladder = {self.ladder!r} the student stands on a rung itself: student_hidden must be one of "
                f"{', '.join(map(str, self.rungs))}, got {self.student_hidden}"
            )
        if self.ladder != "none" and self.optimiser != "adam":
            raise ConfigError(f"networks on a ladder are trained by adam; got optimiser = {self.optimiser!r}")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """A configuration from names and values, as they come from a notebook or a file.

        Raises
        ------
        ConfigError
            Also for an unknown name; the message holds the closest known one.
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise unknown_name("parameter", str(name), known)
        return cls(**values)

    @property
    def validation_patterns(self) -> int:
        """Patterns held out of the training set for validation."""
        return round(self.patterns * self.validation_fraction)

    @property
    def train_patterns(self) -> int:
        """Patterns that are trained on."""
        return self.patterns - self.validation_patterns

    @property
    def second_nodes(self) -> int:
        """Nodes of the student's second layer."""
        return self.student_second or self.teacher_second

    @property
    def rungs(self) -> tuple[int, ...]:
        """Nodes of the networks on the ladder, from below; no more than the student's where they are cut from it."""
        sizes = sorted({max(1, round(part * self.teacher_hidden)) for part in RUNGS})
        free = self.ladder in ("grow", "fresh")
        return tuple(size for size in sizes if free or size <= self.student_hidden)

    @property
    def steps_by(self) -> Optimiser:
        """What turns gradients into steps."""
        return Optimiser(self.optimiser, self.momentum, self.adam_eps)  # type: ignore[arg-type]

    @property
    def members(self) -> list[Member]:
        """All students of the run, teacher by teacher, and trial by trial within a teacher."""
        seeds = range(self.teacher_seed, self.teacher_seed + self.teachers)
        return [Member(self.seed, teacher_seed, trial) for teacher_seed in seeds for trial in range(self.trials)]

    def direct_twin(self, settings: Twin = "matched") -> Self:
        """The conventional control: same teachers, data and initial weights, eigenvalues frozen.

        "matched" keeps every other setting. "published" takes the public code's learning rate (0.002) and batch
        (500) for direct students, which also makes fewer and smaller steps. "lasso" is matched, with the penalty on
        phi replaced by the group lasso that the spectral student's two penalties amount to.

        Raises
        ------
        ConfigError
            If `settings` is unknown.
        """
        changes: dict[str, dict[str, Any]] = {
            "matched": {},
            "published": {"learning_rate": 0.002, "batch_size": 500},
            "lasso": {"l2_phi": 0.0, "group_lasso": balanced_strength(self.l2_phi, self.l2_lam)},
        }
        if settings not in changes:
            raise unknown_name("direct twin", settings, changes)
        plain: dict[str, Any] = {
            **{"parametrization": "direct", "trained": "both"},
            **{"train_lam_in": False, "train_lam_second": False},
        }
        return replace(self, **plain | changes[settings])

    def changed(self, *, everything: bool = False) -> dict[str, Any]:
        """The parameters that are not at their defaults, or `everything`, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        defaults = {field.name: field.default for field in fields(self)}
        return {name: value for name, value in values.items() if everything or value != defaults[name]}

    def hash(self) -> str:
        """Twelve hexadecimal digits that name this configuration under this engine version.

        Parameters at their defaults are left out, so that a new parameter, whose default is what was done before,
        renames no run. A default that changes moves the engine version.
        """
        values = self.changed() | {"engine": ENGINE_VERSION}
        text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def parse_settings(pairs: Iterable[str]) -> dict[str, Any]:
    """Parameters of `ExperimentConfig` from ``name=value`` texts, each as the type that it should have.

    Raises
    ------
    ConfigError
        If a pair has no "=" or a name is unknown. A value that is not of its type stays a text, which
        `ExperimentConfig` refuses.
    """
    kinds = {field.name: str(field.type) for field in fields(ExperimentConfig)}
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise ConfigError(f"a setting is NAME=VALUE; got {pair!r}")
        if name not in kinds:
            raise unknown_name("parameter", name, kinds)
        values[name] = text
        if kinds[name] in ("int", "float"):
            with contextlib.suppress(ValueError):
                values[name] = {"int": int, "float": float}[kinds[name]](text)
        elif kinds[name] == "bool":
            values[name] = {"true": True, "false": False}.get(text.lower(), text)
    return values
