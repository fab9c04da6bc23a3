"""What an experiment is: everything that decides its numbers, typed, checked and hashed.

The defaults are the published spectral setting (arXiv:2310.12612 and its public code), with the one number that
the code does not give, ``teacher_second``, set to 10.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import hashlib
import inspect
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, NamedTuple, Self, TypeVar, get_args

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

T = TypeVar("T")

RUNGS = (0.25, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0)
"""Nodes of the networks on a ladder, in parts of the teacher's."""

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
    # To which zero is added: -0.0 equals 0.0, and must have its hash.
    return value + 0.0 if kind == "float" else value  # type: ignore[operator, return-value]


class Parameter(NamedTuple):
    """A parameter of `ExperimentConfig`: what it is called, and what it may be.

    Attributes
    ----------
    name:
        As in ``--set name=value``.
    kind:
        "int", "float", "str" or "bool".
    default:
        The published setting, or what was done before there was this parameter.
    meaning:
        In words.
    choices:
        All values there are; empty where that is any number that is `allowed`.
    least:
        0 where 0 is allowed; else None, and numbers must be above 0.
    """

    name: str
    kind: str
    default: int | float | str | bool
    meaning: str
    choices: tuple[str | bool, ...]
    least: int | None

    @property
    def allowed(self) -> str:
        """What a value must be, in words."""
        if self.choices:
            return f"one of {', '.join(map(_written, self.choices))}"
        if self.least is not None:
            return f"at least {self.least}"
        return "at least 1" if self.kind == "int" else "above 0"

    def check(self, value: object) -> int | float | str | bool:
        """`value` as this parameter's type, or a ConfigError that says what it must be."""
        value = check_type(self.name, value, self.kind)
        if self.choices:
            fits = value in self.choices
        else:
            assert not isinstance(value, str)
            if not math.isfinite(value):
                raise ConfigError(f"{self.name} must be a finite number; got {value}")
            fits = value > 0 or value == self.least
        if not fits:
            raise ConfigError(f"{self.name} must be {self.allowed}; got {value!r}")
        return value

    def parse(self, text: str) -> int | float | str | bool:
        """A text as this parameter's type; one that is none stays a text, which `check` refuses."""
        if self.kind == "bool":
            return {"true": True, "false": False}.get(text.lower(), text)
        with contextlib.suppress(ValueError):
            return {"int": int, "float": float, "str": str}[self.kind](text)
        return text


def _written(value: object) -> str:
    """A value as it is written after ``--set name=``."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parameter(default: T, meaning: str, *, choices: tuple[str, ...] = (), least: int | None = None) -> T:
    """A field with what `Parameter` says of it; typed as its default, which is what a class without instances has."""
    told = {"meaning": meaning, "choices": (True, False) if isinstance(default, bool) else choices, "least": least}
    return field(default=default, metadata=told)


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """Everything that decides a run's numbers. Equal configurations give equal hashes and equal runs.

    Attributes
    ----------
    {parameters}

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

    input_dim: int = _parameter(10, "d, inputs of teacher and student")
    teacher: str = _parameter(
        "two-layer", "the paper's, or another; see `spectral.tasks`", choices=get_args(TeacherKind)
    )
    teacher_hidden: int = _parameter(20, "h_T, nodes of the teacher's first layer")
    teacher_second: int = _parameter(10, "m, nodes of the teacher's second layer")
    teachers: int = _parameter(1, "how many random teachers")
    teacher_seed: int = _parameter(0, "teacher t has the seed ``teacher_seed + t``", least=0)
    student_hidden: int = _parameter(200, "h_S, hidden nodes of the student")
    student_second: int = _parameter(
        0,
        "nodes of the student's second layer; 0 for as many as the teacher's, as in the paper. The teacher's number "
        "becomes 0, so that one experiment has one name",
        least=0,
    )
    parametrization: str = _parameter(
        "spectral", '"direct" is conventional: eigenvalues frozen at 1', choices=get_args(Parametrization)
    )
    trials: int = _parameter(
        30, "students for each teacher, each with its own data, initial weights and order of patterns"
    )
    epochs: int = _parameter(2_000, "of the training loop")
    patterns: int = _parameter(10_000, "of a trial, for training and validation")
    validation_fraction: float = _parameter(0.2, "the part of the patterns held out for validation, below 1")
    test_patterns: int = _parameter(10_000, "of a trial, for the test")
    batch_size: int = _parameter(300, "patterns in a step, at most those of training")
    learning_rate: float = _parameter(0.005, "of the optimiser")
    l2_phi: float = _parameter(0.01, "strength of the penalty on phi", least=0)
    l2_lam: float = _parameter(5e-4, "strength of the penalty on lam_out, where that is trained", least=0)
    group_lasso: float = _parameter(
        0.0,
        "strength of a group lasso on the rows of a direct student's first layer; see `spectral.engine.train`",
        least=0,
    )
    trained: str = _parameter(
        "both",
        "what a spectral student trains of its first layer: both eigenvectors and eigenvalues, eigenvalues alone, or "
        "both in alternate epochs",
        choices=("both", "eigenvalues", "alternate"),
    )
    train_lam_in: bool = _parameter(
        False, "whether the eigenvalues of the inputs are trained (and penalised) along with lam_out"
    )
    drop_dead: bool = _parameter(
        True,
        "whether nodes that have vanished leave for good, which is faster and a rule of ours; see "
        "`spectral.engine.dropping`",
    )
    activation: str = _parameter(
        "relu", "of teacher and student", choices=tuple(name for name in ACTIVATIONS if name != "identity")
    )
    inputs: str = _parameter(
        "gaussian",
        "what patterns are drawn from; see `spectral.tasks`. Of digits there are 1,797 for all three sets together",
        choices=get_args(InputKind),
    )
    dtype: str = _parameter("float32", "of all numbers", choices=("float32", "float64"))
    seed: int = _parameter(0, "base seed of the trials", least=0)
    label_noise: float = _parameter(
        0.0,
        "standard deviation of Gaussian noise on the training answers, in units of their root mean square. Validation "
        "and test answers are clean",
        least=0,
    )
    optimiser: str = _parameter("adam", '"adamw" has decoupled penalties', choices=get_args(Rule))
    momentum: float = _parameter(0.0, 'of "sgd", below 1', least=0)
    adam_eps: float = _parameter(ADAM_EPS, 'epsilon of "adam" and "adamw"')
    l2_second: float = _parameter(
        0.0, "strength of the penalty on the student's second layer, which the paper leaves alone", least=0
    )
    lam_start: float = _parameter(1.0, "what lam_out starts at; a direct student keeps it")
    phi_start: float = _parameter(1.0, "what phi is multiplied with at the start")
    train_lam_second: bool = _parameter(
        False,
        "whether the eigenvalues of the second layer's nodes are trained (and penalised) along with the first layer's. "
        "PyTorch's loop trains such students; the kernel does not know them",
    )
    traced: bool = _parameter(False, "whether eigenvalues are kept along with the scores, at four times as many epochs")
    l1: float = _parameter(
        0.0, "strength of an L1 penalty on all weights of a direct student; see `spectral.engine.train`", least=0
    )
    slimming: float = _parameter(
        0.0,
        "strength of an L1 penalty on the eigenvalues of a spectral student whose eigenvectors have unit length",
        least=0,
    )
    ladder: str = _parameter(
        "none",
        "how networks of `rungs` nodes are made after the training; see `spectral.engine.ladder`",
        choices=("none", *get_args(Way)),
    )
    ladder_epochs: int = _parameter(0, "that each network on the ladder is trained for", least=0)
    order: str = _parameter(
        "product", "by what the nodes are chosen that a network on the ladder starts with", choices=get_args(Order)
    )
    shared_patterns: bool = _parameter(
        False,
        "whether all students of a teacher have the patterns of the first, and only start and order are their own",
    )

    def __post_init__(self) -> None:
        for one in parameters():
            object.__setattr__(self, one.name, one.check(getattr(self, one.name)))
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
        known = [one.name for one in parameters()]
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
        values = {one: getattr(self, one.name) for one in parameters()}
        return {one.name: value for one, value in values.items() if everything or value != one.default}

    def hash(self) -> str:
        """Twelve hexadecimal digits that name this configuration under this engine version.

        Parameters at their defaults are left out, so that a new parameter, whose default is what was done before,
        renames no run. A default that changes moves the engine version.
        """
        values = self.changed() | {"engine": ENGINE_VERSION}
        text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@functools.cache
def parameters() -> tuple[Parameter, ...]:
    """All parameters of `ExperimentConfig`, in their order."""
    found: list[Any] = [*fields(ExperimentConfig)]
    return tuple(Parameter(f.name, str(f.type), f.default, **f.metadata) for f in found)


def _described() -> str:
    """The entries of `parameters` in a docstring."""
    choices = {p: f". {p.allowed.capitalize()}" if p.kind == "str" else "" for p in parameters()}
    return "\n".join(f"{p.name}:\n    {p.meaning}{choices[p]}." for p in parameters())


if ExperimentConfig.__doc__:  # python -OO has none
    ExperimentConfig.__doc__ = inspect.cleandoc(ExperimentConfig.__doc__).replace("{parameters}", _described())


def parse_settings(pairs: Iterable[str]) -> dict[str, Any]:
    """Parameters of `ExperimentConfig` from ``name=value`` texts, each as the type that it should have.

    Raises
    ------
    ConfigError
        If a pair has no "=" or a name is unknown. A value that is not of its type stays a text, which
        `ExperimentConfig` refuses.
    """
    return {one.name: one.parse(text) for one, text in _pairs(pairs)}


def parse_lists(pairs: Iterable[str]) -> dict[str, list[Any]]:
    """Parameters and the values that each is to have, from ``name=value,value,...`` texts.

    Raises
    ------
    ConfigError
        If a pair has no "=", a name is unknown, or a value is impossible by itself.
    """
    return {one.name: [one.check(one.parse(part)) for part in text.split(",")] for one, text in _pairs(pairs)}


def combinations(values: Mapping[str, Sequence[Any]]) -> dict[str, ExperimentConfig]:
    """The configurations of all combinations of some values, each once, by what sets them apart.

    Raises
    ------
    ConfigError
        If a combination is impossible; of several, the message says which.

    Examples
    --------
    >>> list(combinations({"student_hidden": [30, 60], "trials": [3], "parametrization": ["spectral", "direct"]}))[1:3]
    ['student_hidden=30 parametrization=direct', 'student_hidden=60 parametrization=spectral']
    """
    varied = [name for name, several in values.items() if len(set(several)) > 1]
    found: dict[ExperimentConfig, str] = {}
    for combination in itertools.product(*values.values()):
        asked = dict(zip(values, combination, strict=True))
        name = " ".join(f"{key}={_written(asked[key])}" for key in varied)
        try:
            found.setdefault(ExperimentConfig.from_mapping(asked), name)
        except ConfigError as error:
            raise (ConfigError(f"{name}: {error}") if varied else error) from None
    return {name or config.hash(): config for config, name in found.items()}


def _pairs(pairs: Iterable[str]) -> Iterator[tuple[Parameter, str]]:
    known = {one.name: one for one in parameters()}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise ConfigError(f"a setting is NAME=VALUE; got {pair!r}")
        if name not in known:
            raise unknown_name("parameter", name, known)
        yield known[name], text
