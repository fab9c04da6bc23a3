"""The experiments of the book, by name, at three sizes.

=======  ====================================================================================================
preset   what it is for
=======  ====================================================================================================
smoke    Does everything run? Seconds; the numbers mean nothing.
laptop   Five minutes on two cores, from nothing: fewer teachers, widths and epochs, the physics right.
paper    The paper's scale and what the book reports: a student of each of 30 teachers, of 20 for universality and why.
=======  ====================================================================================================

Names are paths: ``grid/spectral/200`` is the spectral student of 200 nodes in the main grid, and
``universal/h_T=40,d=5/200`` one whose teachers have 40 nodes and 5 inputs. Teachers and trials of `paper` were not
looked at before the rules of the book's claims were written down.

With other *settings*, any fields of `ExperimentConfig`, every experiment has them. What is derived of a configuration
follows: controls, multiples of a penalty or of the epochs, students five times as wide as their teacher. What varies a
field that is fixed is left out, and where sizes are varied as a grid, the one that is fixed is left.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from spectral.lab.config import ConfigError, ExperimentConfig, Twin, unknown_name
from spectral.penalties import balanced_strength

StudentKind = Literal["spectral", "published", "matched", "lasso"]
STUDENTS: tuple[StudentKind, ...] = get_args(StudentKind)
"""The four students of the main grid: the spectral one, and conventional ones with three kinds of settings."""


@dataclass(frozen=True)
class Experiment:
    """One experiment of a preset, and what it is there for.

    Attributes
    ----------
    name:
        A path that says it in short, as in ``grid/spectral/200``.
    design:
        What it belongs to: "grid", "one-teacher", "m" (the second layer's width), "variant", "long", "universal" or
        "crowded" (settings of the universal ones once more, with one thing changed), "control" (the published direct
        student with one of its settings changed), "narrow" (conventional networks of few nodes, see `Universal`),
        "why" (students from which one thing after the other is taken, see `Why`), "together" (several students of
        each teacher, see `Together`) or "peers" (other ways to networks of few nodes, see `Peers`).
    varied:
        What sets it apart within its design: a field of its configuration, "teacher" (size and inputs), "committee",
        "penalties" (both), the name of a variant, or what an experiment on "why" intervenes in: "l2" (the strengths of
        both penalties), "rule" (of the steps), "adam_eps", "steps" (learning rate and epochs), "start" (of the
        factors), "layers" (which factors of which layer are trained or penalised), or "published" (nothing). Of
        "peers" it is the setting: "usual", "label_noise" or "inputs".
    student:
        One of `STUDENTS`, or "narrow"; "matched" for all conventional ones of "why"; one of `METHODS` for "peers".
    config:
        What is computed.
    base:
        Name of the experiment that it differs from in the one thing varied; empty where there is no such.
    """

    name: str
    design: str
    varied: str
    student: str
    config: ExperimentConfig
    base: str = ""


@dataclass(frozen=True)
class Universal:
    """Sizes of the experiments on universality. Students have five times their teacher's nodes.

    Time is counted in steps: where a setting has fewer or more batches to an epoch than the others, it is trained for
    more or fewer epochs, so that the number of steps is the same.

    Attributes
    ----------
    common:
        Settings that these experiments share.
    teachers, trials:
        Of every setting.
    sizes, dims:
        h_T and d of the grid of teachers; those of `BASE` are among them.
    committees:
        h_T of the committees, which have `COMMITTEE_DIM` inputs.
    activations, inputs, noise, penalties, patterns, epochs:
        What is varied of the base one by one: activation, kind of inputs, label noise, factor of both penalties,
        patterns (training and validation), training time.
    crowded:
        Settings whose students were seen to find fewer nodes than the teacher has. They are trained again with the
        penalties times each of `lighter`, with `denser` times the patterns, and for `longer` times the epochs: those
        of the first `crowded_teachers` teachers.
    narrow, narrow_parts:
        Settings (h_T, d) on whose teachers conventional networks of few nodes are trained without penalties, and their
        numbers of nodes as parts of h_T; those of fewer than `NARROWEST` nodes are left out.
    """

    common: dict[str, Any]
    teachers: int
    trials: int
    sizes: tuple[int, ...]
    dims: tuple[int, ...]
    committees: tuple[int, ...]
    activations: tuple[str, ...]
    inputs: tuple[str, ...]
    noise: tuple[float, ...]
    penalties: tuple[float, ...]
    patterns: tuple[int, ...]
    epochs: tuple[int, ...]
    crowded: tuple[str, ...]
    crowded_teachers: int
    lighter: tuple[float, ...]
    narrow: tuple[tuple[int, int], ...]
    narrow_parts: tuple[float, ...]
    denser: int = 4
    longer: int = 4


@dataclass(frozen=True)
class Why:
    """Sizes of the experiments on why nodes die: what is changed of a student of `width` nodes, one after the other.

    Attributes
    ----------
    teachers:
        One student of each; all experiments have the same ones.
    l2_phi, l2_lam:
        The two penalties, each of the first with each of the second.
    longer:
        Times the usual epochs, in the experiments on the rule of the steps.
    eps, rates:
        Of Adam; each learning rate comes with the usual epochs, a `longer`-th and `longer` times as many.
    phi_starts, lam_starts:
        At what the factors start; eigenvalues that do so are trained, or frozen.
    l2_second:
        Penalty on the second layer.
    """

    common: dict[str, Any]
    teachers: int
    width: int
    l2_phi: tuple[float, ...]
    l2_lam: tuple[float, ...]
    eps: tuple[float, ...]
    rates: tuple[float, ...]
    phi_starts: tuple[float, ...]
    lam_starts: tuple[float, ...]
    l2_second: tuple[float, ...]
    longer: int = 4


@dataclass(frozen=True)
class Together:
    """Sizes of the experiments that ask several students of each teacher, of all four kinds.

    Attributes
    ----------
    teachers, trials, widths:
        How many teachers of the usual size, students of each, and their nodes.
    map_teachers, map_trials, sizes, dims:
        The same of teachers of other sizes h_T and inputs d, whose students have five times their nodes.
    """

    common: dict[str, Any]
    teachers: int
    trials: int
    widths: tuple[int, ...]
    map_teachers: int
    map_trials: int
    sizes: tuple[int, ...]
    dims: tuple[int, ...]


@dataclass(frozen=True)
class Peers:
    """Sizes of the experiments that compare ways to networks of few nodes.

    A way has several attempts: strengths of its penalty, or else starts. All have one budget of nodes times epochs.

    Attributes
    ----------
    common:
        Settings that these experiments share. `epochs` and `ladder_epochs` are those of a wide student and of the
        networks that are cut from it, and so make the budget.
    teachers, fewer:
        In the usual setting, and in the others; each setting has teachers of its own.
    width:
        Nodes of the wide students.
    strengths:
        In parts of the published penalties, or of what corresponds to them.
    inputs, noise:
        Of the other settings.
    """

    common: dict[str, Any]
    teachers: int
    fewer: int
    width: int
    strengths: tuple[float, ...]
    inputs: tuple[str, ...]
    noise: tuple[float, ...]


@dataclass(frozen=True)
class Preset:
    """Sizes of the book's experiments.

    Attributes
    ----------
    common:
        Settings that all experiments share.
    teachers, trials:
        Of the main grid and all that is compared with it.
    widths:
        h_S of the main grid.
    trials_alone, widths_alone:
        Trials and widths of the paper's own design, which has one teacher.
    width:
        h_S of the variants.
    long:
        Epochs of the experiments on training time.
    universal:
        Of the experiments on universality.
    why:
        Of those on why nodes die.
    together:
        Of those that ask several students.
    peers:
        Of those that compare ways to networks of few nodes.
    """

    common: dict[str, Any]
    teachers: int
    trials: int
    widths: tuple[int, ...]
    trials_alone: int
    widths_alone: tuple[int, ...]
    width: int
    long: int
    universal: Universal
    why: Why
    together: Together
    peers: Peers


FEW_REASONS: dict[str, Any] = {
    **{"l2_phi": (0.0, 0.0005, 0.01), "l2_lam": (0.0, 0.0005, 0.01), "eps": (1e-3,), "rates": (0.02,)},
    **{"phi_starts": (0.1,), "lam_starts": (0.3,), "l2_second": (0.01,), "longer": 2},
}
"""What the small presets change to ask why nodes die."""

PRESETS = {
    "smoke": Preset(
        common={"epochs": 2, "patterns": 1_000, "test_patterns": 500},
        teachers=2,
        trials=1,
        widths=(10, 30),
        trials_alone=2,
        widths_alone=(30,),
        width=30,
        long=3,
        universal=Universal(
            common={"epochs": 2, "patterns": 1_000, "test_patterns": 500},
            teachers=2,
            trials=1,
            sizes=(5, 20),
            dims=(10,),
            committees=(5,),
            activations=("tanh", "erf"),
            inputs=("uniform", "correlated", "digits"),
            noise=(0.3,),
            penalties=(0.1, 10.0),
            patterns=(500,),
            epochs=(1,),
            crowded=("activation=erf",),
            crowded_teachers=2,
            lighter=(0.1,),
            narrow=((20, 10),),
            narrow_parts=(0.5, 1.0),
        ),
        why=Why(
            common={"epochs": 2, "patterns": 1_000, "test_patterns": 500},
            teachers=2,
            width=30,
            **FEW_REASONS,
        ),
        together=Together(
            common={"epochs": 2, "patterns": 1_000, "test_patterns": 500},
            teachers=2,
            trials=3,
            widths=(25, 30),
            map_teachers=2,
            map_trials=2,
            sizes=(5, 10),
            dims=(5,),
        ),
        peers=Peers(
            common={"epochs": 2, "ladder_epochs": 1, "patterns": 1_000, "test_patterns": 500},
            teachers=2,
            fewer=2,
            width=40,
            strengths=(0.1, 1.0),
            inputs=(),
            noise=(0.3,),
        ),
    ),
    "laptop": Preset(
        common={"epochs": 600},
        teachers=5,
        trials=1,
        widths=(10, 40, 100, 200),
        trials_alone=5,
        widths_alone=(60,),
        width=100,
        long=900,
        universal=Universal(
            common={"epochs": 400},
            teachers=3,
            trials=1,
            sizes=(5, 20, 40),
            dims=(5, 10),
            committees=(20,),
            activations=("erf",),
            inputs=("digits",),
            noise=(0.3,),
            penalties=(10.0,),
            patterns=(1_000,),
            epochs=(200,),
            crowded=("h_T=40,d=5",),
            crowded_teachers=3,
            lighter=(0.1,),
            narrow=((40, 5),),
            narrow_parts=(0.2, 0.35, 0.6, 1.0),
            denser=2,
            longer=2,
        ),
        why=Why(
            common={"epochs": 600},
            teachers=3,
            width=40,
            **FEW_REASONS,
        ),
        together=Together(
            common={"epochs": 600},
            teachers=3,
            trials=3,
            widths=(40, 100),
            map_teachers=3,
            map_trials=2,
            sizes=(10,),
            dims=(5, 10),
        ),
        peers=Peers(
            common={"epochs": 400, "ladder_epochs": 150},
            teachers=2,
            fewer=2,
            width=60,
            strengths=(0.1, 1.0),
            inputs=(),
            noise=(0.3,),
        ),
    ),
    "paper": Preset(
        common={"epochs": 2_000},
        teachers=30,
        trials=1,
        widths=(10, 20, 40, 60, 100, 200, 500, 1_000),
        trials_alone=30,
        widths_alone=(40, 200),
        width=200,
        long=8_000,
        universal=Universal(
            common={"epochs": 2_000},
            teachers=20,
            trials=1,
            sizes=(5, 10, 20, 40, 80, 160),
            dims=(5, 10, 20, 40),
            committees=(20, 40),
            activations=("tanh", "erf"),
            inputs=("uniform", "correlated", "digits"),
            noise=(0.1, 0.3, 1.0),
            penalties=(0.1, 0.3, 3.0, 10.0),
            patterns=(500, 2_000, 5_000, 20_000),
            epochs=(500, 1_000),
            crowded=("h_T=40,d=5", "h_T=80,d=10", "h_T=80,d=40", "activation=erf", "committee=erf,h_T=40"),
            crowded_teachers=10,
            lighter=(0.1, 0.01),
            narrow=tuple((size, dim) for size in (20, 40, 80, 160) for dim in (5, 10)),
            narrow_parts=(0.06, 0.09, 0.13, 0.2, 0.3, 0.45, 0.7, 1.0, 1.4),
        ),
        why=Why(
            common={"epochs": 2_000},
            teachers=20,
            width=100,
            l2_phi=(0.0, 5e-4, 0.00224, 0.01, 0.0447),
            l2_lam=(0.0, 1.12e-4, 5e-4, 0.00223, 0.01),
            eps=(1e-9, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3),
            rates=(0.00125, 0.005, 0.02),
            phi_starts=(0.1, 0.3, 3.0),
            lam_starts=(0.1, 0.3, 3.0),
            l2_second=(5e-4, 0.01),
        ),
        together=Together(
            common={"epochs": 2_000},
            teachers=6,
            trials=5,
            widths=(60, 200, 500),
            map_teachers=4,
            map_trials=3,
            sizes=(10, 20, 40),
            dims=(5, 10, 20),
        ),
        peers=Peers(
            common={"epochs": 1_500, "ladder_epochs": 500},
            teachers=10,
            fewer=6,
            width=100,
            strengths=(0.032, 0.1, 0.32, 1.0),
            inputs=("digits",),
            noise=(0.3,),
        ),
    ),
}

GRID_SEED, TEACHER_SEED, TEACHER_ALONE = 3107, 1000, 1100
"""Base seed of all trials; seeds of the first teacher of the grid, and of the one teacher of the paper's own design."""

UNIVERSAL_SEED, UNIVERSAL_TEACHERS, COMMITTEES = 3108, 1200, 1700
"""For universality: base seed; seed of the first teacher of the grid, where each setting has teachers of its own; seed
of the first committee."""

WHY_SEED, WHY_TEACHERS = 3110, 1850
"""For why nodes die: base seed; seed of the first teacher."""

TOGETHER_SEED, TOGETHER_TEACHERS = 3111, 1900
"""For students asked together: base seed; seed of the first teacher. Each setting of the map has its own teachers."""

PEERS_SEED, PEERS_TEACHERS = 3112, 2000
"""For other ways to networks of few nodes: base seed; seed of the first teacher."""

BASE, COMMITTEE_DIM = (20, 10), 20
"""(h_T, d) of the teachers that everything else is varied for, the paper's; inputs of the committees."""

NARROWEST = 5
"""Nodes of the narrowest conventional networks."""


Settings = Mapping[str, Any]
"""Fields of `ExperimentConfig` that are fixed in all experiments, with their values."""


def experiments(preset: str, settings: Settings | None = None, designs: Collection[str] = ()) -> list[Experiment]:
    """The experiments of a preset, with other settings if there are any, and of some designs if any are named.

    Raises
    ------
    ConfigError
        If there is no such preset, a setting is unknown or impossible, or settings make two experiments the same.
    """
    if preset not in PRESETS:
        raise unknown_name("preset", preset, PRESETS)
    every = _experiments(PRESETS[preset], settings, designs) if settings else _all(preset)
    found = [experiment for experiment in every if not designs or experiment.design in designs]
    return _different(found) if settings else found


@functools.cache
def _all(preset: str) -> tuple[Experiment, ...]:
    return tuple(_experiments(PRESETS[preset], {}, ()))


def _different(experiments: list[Experiment]) -> list[Experiment]:
    """These experiments, no two of which may be the same."""
    found: dict[ExperimentConfig, Experiment] = {}
    for experiment in experiments:
        twin = found.setdefault(experiment.config, experiment)
        if twin is not experiment:
            raise ConfigError(f"settings make {experiment.name} and {twin.name} the same, which are to be compared")
    return experiments


def standard(settings: Settings) -> str:
    """The name of the experiment on universality that everything else is varied for; see `BASE`."""
    return f"universal/{_standard(settings)}/{settings.get('student_hidden', 5 * _base(settings)[0])}"


def _base(settings: Settings) -> tuple[int, int]:
    return settings.get("teacher_hidden", BASE[0]), settings.get("input_dim", BASE[1])


def _standard(settings: Settings) -> str:
    return "h_T={},d={}".format(*_base(settings))


def _start(settings: Settings, **values: Any) -> ExperimentConfig:
    """A configuration with the settings over these values."""
    return ExperimentConfig.from_mapping(values | dict(settings))


def _vary(settings: Settings, config: ExperimentConfig, **changes: Any) -> ExperimentConfig:
    """`config` with changes of what is not fixed."""
    return replace(config, **{name: value for name, value in changes.items() if name not in settings})


def _axis(settings: Settings, field: str, values: Sequence[int], usual: int = 0) -> list[tuple[int, int]]:
    """Places and values along a grid; the place of the value that is fixed is its own, or else that of the `usual`."""
    if field not in settings:
        return list(enumerate(values))
    value = settings[field]
    return [(next((values.index(one) for one in (value, usual) if one in values), 0), value)]


def configurations(preset: str) -> dict[str, ExperimentConfig]:
    """The configurations of a preset by the experiments' names; errors as in `experiments`."""
    return {experiment.name: experiment.config for experiment in experiments(preset)}


def name_of(config: ExperimentConfig) -> str | None:
    """What an experiment is called in the first preset that has it; None if none has."""
    every = (item for preset in PRESETS for item in configurations(preset).items())
    return next((name for name, one in every if one == config), None)


PUBLISHED_BATCH = 500
"""Patterns in a batch of the published direct students, which needs as many to train on."""


def twins(config: ExperimentConfig) -> dict[str, ExperimentConfig]:
    """A spectral configuration and its three conventional controls, by the names in `STUDENTS`.

    Where there are fewer than `PUBLISHED_BATCH` patterns to train on, without the published one.
    """
    few = config.train_patterns < PUBLISHED_BATCH
    kinds = [twin for twin in get_args(Twin) if not (twin == "published" and few)]
    return {"spectral": config} | {twin: config.direct_twin(twin) for twin in kinds}


def controls(config: ExperimentConfig) -> dict[str, ExperimentConfig]:
    """The published direct student with one of its settings changed to what the spectral student's `config` has.

    By the name of that setting: "learning_rate", "batch_size", and "epochs", which are as many as it takes to make the
    sum of all steps, learning rate times number, that of the spectral student.
    """
    published, matched = config.direct_twin("published"), config.direct_twin()
    epochs = round(published.epochs * _travelled(matched) / _travelled(published))
    changes: dict[str, dict[str, Any]] = {
        "learning_rate": {"learning_rate": config.learning_rate},
        "batch_size": {"batch_size": config.batch_size},
        "epochs": {"epochs": epochs},
    }
    return {name: replace(published, **change) for name, change in changes.items()}


def _experiments(p: Preset, fixed: Settings, designs: Collection[str]) -> Iterator[Experiment]:
    parts: dict[tuple[str, ...], Iterator[Experiment]] = {
        ("grid", "one-teacher", "m", "variant", "long", "control"): _main(p, fixed),
        ("universal", "crowded", "narrow"): _universal(p.universal, fixed),
        ("why",): _why(p.why, fixed),
        ("together",): _together(p.together, fixed),
        ("peers",): _peers(p.peers, fixed),
    }
    for of, part in parts.items():
        if not designs or set(designs) & set(of):  # settings may be impossible in a part that is not asked for
            yield from part


def _main(p: Preset, fixed: Settings) -> Iterator[Experiment]:
    size: dict[str, Any] = {"teachers": p.teachers, "trials": p.trials}
    grid = _start(fixed, seed=GRID_SEED, teacher_seed=TEACHER_SEED, **size, **p.common)
    alone = replace(_vary(fixed, grid, teacher_seed=TEACHER_ALONE, trials=p.trials_alone), teachers=1)

    def all_twins(design: str, varied: str, config: ExperimentConfig, label: str = "") -> Iterator[Experiment]:
        for student, twin in twins(config).items():
            place = f"{student}/{twin.student_hidden}"
            base = f"grid/{place}" if label else ""
            yield Experiment(f"{label or design}/{place}", design, varied, student, twin, base)

    for _, width in _axis(fixed, "student_hidden", p.widths):
        yield from all_twins("grid", "student_hidden", replace(grid, student_hidden=width))
    for _, width in _axis(fixed, "student_hidden", p.widths_alone):
        yield from all_twins("one-teacher", "student_hidden", replace(alone, student_hidden=width))
    middle = _vary(fixed, grid, student_hidden=p.width)
    width = middle.student_hidden
    for second in () if "teacher_second" in fixed else (5, 20):
        yield from all_twins("m", "teacher_second", replace(middle, teacher_second=second), f"m={second}")
    variants: dict[str, dict[str, Any]] = {
        "alternate": {"trained": "alternate"},
        "eigenvalues": {"trained": "eigenvalues"},
        "lam_in": {"train_lam_in": True},
        "unpenalised": {"l2_lam": 0.0},
        "never-drop": {"drop_dead": False},
        "wide-second": {"student_second": 3 * middle.teacher_second},
    }
    for name, changes in variants.items():
        if not set(changes) & set(fixed):
            config, base = replace(middle, **changes), f"grid/spectral/{width}"
            yield Experiment(f"variant/{name}/{width}", "variant", name, "spectral", config, base)
    longer = replace(middle, epochs=round(p.long / p.common["epochs"] * middle.epochs))
    for student in ("spectral", "matched"):
        config, base = twins(longer)[student], f"grid/{student}/{width}"
        yield Experiment(f"long/{student}/{width}", "long", "epochs", student, config, base)
    for name, config in controls(middle).items() if middle.train_patterns >= PUBLISHED_BATCH else ():
        value, base = getattr(config, name), f"grid/published/{width}"
        yield Experiment(f"control/{name}={value:g}/{width}", "control", name, "published", config, base)


def _universal(u: Universal, fixed: Settings) -> Iterator[Experiment]:
    common = _start(fixed, seed=UNIVERSAL_SEED, teachers=u.teachers, trials=u.trials, **u.common)
    apart = max(u.teachers, common.teachers)  # seeds of the first teachers of two settings
    settings: dict[str, Experiment] = {}

    def named(setting: str, varied: str, config: ExperimentConfig, of: Experiment | None = None) -> Experiment:
        config = _vary(fixed, config, student_hidden=5 * config.teacher_hidden)
        name, design = f"universal/{setting}/{config.student_hidden}", "universal"
        if setting.startswith("crowded,"):
            design = "crowded"
        found = Experiment(name, design, varied, "spectral", config, of.name if of else "")
        return settings.setdefault(setting, found)

    def penalised(config: ExperimentConfig, factor: float) -> ExperimentConfig:
        return replace(config, l2_phi=factor * config.l2_phi, l2_lam=factor * config.l2_lam)

    def unless_fixed(field: str, values: Sequence[Any]) -> Sequence[Any]:
        return () if field in fixed else values

    for row, size in _axis(fixed, "teacher_hidden", u.sizes, BASE[0]):
        for column, dim in _axis(fixed, "input_dim", u.dims, BASE[1]):
            seed = UNIVERSAL_TEACHERS + apart * (row * len(u.dims) + column)
            config = _vary(fixed, replace(common, teacher_hidden=size, input_dim=dim), teacher_seed=seed)
            yield named(f"h_T={size},d={dim}", "teacher", config)
    base = settings[_standard(fixed)]
    for activation in unless_fixed("activation", u.activations):
        yield named(f"activation={activation}", "activation", replace(base.config, activation=activation), base)
    kinds = ("relu", "erf") if "activation" not in fixed else (common.activation,)
    for index, size in unless_fixed("teacher", _axis(fixed, "teacher_hidden", u.committees)):
        seed = COMMITTEES + apart * index
        shape = _vary(fixed, replace(common, teacher_hidden=size), input_dim=COMMITTEE_DIM, teacher_seed=seed)
        for activation in kinds:
            config = replace(shape, teacher="committee", activation=activation)
            yield named(f"committee={activation},h_T={size}", "committee", config)
    for inputs in unless_fixed("inputs", u.inputs):
        config = _with_inputs(base.config, inputs)
        yield named(f"inputs={inputs}", "inputs", config, base)
    for level in unless_fixed("label_noise", u.noise):
        yield named(f"noise={level:g}", "label_noise", replace(base.config, label_noise=level), base)
    for factor in u.penalties if base.config.l2_phi or base.config.l2_lam else ():
        yield named(f"penalty={factor:g}", "penalties", penalised(base.config, factor), base)
    for patterns in unless_fixed("patterns", u.patterns):
        yield named(f"patterns={patterns}", "patterns", _with_patterns(base.config, patterns=patterns), base)
    for part in u.epochs:
        epochs = round(part / u.common["epochs"] * base.config.epochs)
        if 0 < epochs < base.config.epochs:
            yield named(f"epochs={epochs}", "epochs", replace(base.config, epochs=epochs), base)
    for crowded in u.crowded:
        if crowded not in settings:
            continue
        of = settings[crowded]
        config = replace(of.config, teachers=min(u.crowded_teachers, of.config.teachers))
        for factor in u.lighter if config.l2_phi or config.l2_lam else ():
            yield named(f"crowded,{crowded},penalty={factor:g}", "penalties", penalised(config, factor), of)
        if config.inputs != "digits":  # of which there are no more
            patterns = u.denser * config.patterns
            changed = _with_patterns(config, patterns=patterns)
            yield named(f"crowded,{crowded},patterns={patterns}", "patterns", changed, of)
        epochs = u.longer * config.epochs
        yield named(f"crowded,{crowded},epochs={epochs}", "epochs", replace(config, epochs=epochs), of)
    narrow = dict.fromkeys((fixed.get("teacher_hidden", size), fixed.get("input_dim", dim)) for size, dim in u.narrow)
    for size, dim in unless_fixed("student_hidden", list(narrow)):
        of = settings[f"h_T={size},d={dim}"]
        free = replace(of.config.direct_twin(), l2_phi=0.0)
        for width in sorted({round(part * size) for part in u.narrow_parts if round(part * size) >= NARROWEST}):
            config = replace(free, student_hidden=width)
            yield Experiment(
                f"narrow/h_T={size},d={dim}/{width}", "narrow", "student_hidden", "narrow", config, of.name
            )


def _why(w: Why, fixed: Settings) -> Iterator[Experiment]:
    design: dict[str, Any] = {"seed": WHY_SEED, "teacher_seed": WHY_TEACHERS, "teachers": w.teachers, "trials": 1}
    usual = _start(fixed, student_hidden=w.width, traced=True, **design, **w.common)
    plain, epochs, width = replace(usual, traced=False), usual.epochs, usual.student_hidden
    direct: dict[str, Any] = {"parametrization": "direct"}
    rules: dict[str, dict[str, Any]] = {
        "adamw": {"optimiser": "adamw"},
        "momentum": {"optimiser": "sgd", "momentum": 0.9, "learning_rate": 0.01},
    }

    def named(label: str, varied: str, of: ExperimentConfig, **changes: Any) -> Iterator[Experiment]:
        if not set(changes) & set(fixed):
            config = replace(of, **changes)
            student = "matched" if config.parametrization == "direct" else "spectral"
            base = f"why/published/{width}" if label != varied else ""
            yield Experiment(f"why/{label}/{width}", "why", varied, student, config, base)

    yield from named("published", "published", usual)
    for a in w.l2_phi:
        for b in w.l2_lam:
            if (a, b) != (usual.l2_phi, usual.l2_lam):
                yield from named(f"a={a:g},b={b:g}", "l2", plain, l2_phi=a, l2_lam=b)
    yield from named("direct", "layers", usual, **direct)
    for rule, changes in rules.items():
        yield from named(rule, "rule", usual, **changes)
        yield from named(f"{rule},b=0", "rule", plain, l2_lam=0.0, **changes)
        yield from named(f"{rule},a=0", "rule", plain, l2_phi=0.0, **changes)
        yield from named(f"{rule},direct", "rule", plain, **direct, **changes)
        yield from named(f"{rule},longer", "rule", replace(plain, epochs=w.longer * epochs), **changes)
    yield from named("adamw,times 10", "rule", plain, l2_phi=0.1, l2_lam=0.005, **rules["adamw"])
    yield from named("sgd", "rule", plain, optimiser="sgd", learning_rate=0.1)
    for eps in w.eps:
        yield from named(f"eps={eps:g}", "adam_eps", plain, adam_eps=eps)
    for rate in w.rates:
        for count in (epochs // w.longer, epochs, w.longer * epochs):
            if (rate, count) != (usual.learning_rate, epochs):
                timed = replace(plain, epochs=max(1, count))
                yield from named(f"rate={rate:g},epochs={timed.epochs}", "steps", timed, learning_rate=rate)
    for start in w.phi_starts:
        yield from named(f"phi={start:g}", "start", plain, phi_start=start)
    for start in w.lam_starts:
        yield from named(f"lam={start:g}", "start", plain, lam_start=start)
        yield from named(f"frozen={start:g}", "start", plain, lam_start=start, **direct)
    yield from named("lam_in", "layers", plain, train_lam_in=True)
    yield from named("lam_second", "layers", plain, train_lam_second=True)
    for strength in w.l2_second:
        yield from named(f"second={strength:g}", "layers", plain, l2_second=strength)
        yield from named(f"direct,second={strength:g}", "layers", plain, l2_second=strength, **direct)


def _together(t: Together, fixed: Settings) -> Iterator[Experiment]:
    size: dict[str, Any] = {"teachers": t.teachers, "trials": t.trials}
    usual = _start(fixed, seed=TOGETHER_SEED, teacher_seed=TOGETHER_TEACHERS, **size, **t.common)
    for _, width in _axis(fixed, "student_hidden", t.widths):
        for student, twin in twins(replace(usual, student_hidden=width)).items():
            yield Experiment(f"together/{student}/{width}", "together", "student_hidden", student, twin)
    own = _vary(fixed, usual, teachers=t.map_teachers, trials=t.map_trials)
    for row, nodes in _axis(fixed, "teacher_hidden", t.sizes):
        for column, dim in _axis(fixed, "input_dim", t.dims):
            shape = replace(own, teacher_hidden=nodes, input_dim=dim)
            seed = TOGETHER_TEACHERS + t.teachers + t.map_teachers * (row * len(t.dims) + column)
            config = _vary(fixed, shape, teacher_seed=seed, student_hidden=5 * nodes)
            for student, twin in twins(config).items():
                name = f"together/{student},h_T={nodes},d={dim}/{config.student_hidden}"
                yield Experiment(name, "together", "teacher", student, twin)


METHODS = (
    *("spectral", "lasso", "l1", "ridge", "slimming"),
    *("magnitude", "taylor", "rewind", "cluster", "grow", "search"),
)
"""Ways to networks of few nodes: penalties, of several strengths, and then what has none, from several starts."""


def _peers(p: Peers, fixed: Settings) -> Iterator[Experiment]:
    shape: dict[str, Any] = {"student_hidden": p.width, "ladder": "cut", "shared_patterns": True, "trials": 1}
    usual = _start(fixed, seed=PEERS_SEED, teacher_seed=PEERS_TEACHERS, teachers=p.teachers, **shape, **p.common)
    settings = [("", "usual", usual)]
    settings += [(f",noise={level:g}", "label_noise", replace(usual, label_noise=level)) for level in p.noise]
    settings += [(f",inputs={inputs}", "inputs", _with_inputs(usual, inputs)) for inputs in p.inputs]
    for index, (setting, varied, config) in enumerate(settings):
        if varied in fixed:
            continue
        if index:
            seed = usual.teacher_seed + p.teachers + p.fewer * (index - 1)
            config = _vary(fixed, config, teachers=p.fewer, teacher_seed=seed)
        for name, way in _ways(config, p.strengths).items():
            place = f"{name}{setting}/{way.student_hidden}"
            yield Experiment(f"peers/{place}", "peers", varied, name.partition(",")[0], way)


def _ways(config: ExperimentConfig, strengths: tuple[float, ...]) -> dict[str, ExperimentConfig]:
    """All attempts of all `METHODS`, at the teachers of `config` and with its budget of nodes times epochs."""
    plain = replace(config, parametrization="direct", l2_phi=0.0)
    free = replace(config, l2_phi=0.0, l2_lam=0.0)
    lasso, ridge = balanced_strength(config.l2_phi, config.l2_lam), config.l2_phi
    on_rungs = sum(config.rungs)
    budget = config.student_hidden * config.epochs + on_rungs * config.ladder_epochs
    ways: dict[str, ExperimentConfig] = {}
    for factor in strengths:
        ways |= {
            f"spectral,{factor:g}": replace(config, l2_phi=factor * config.l2_phi, l2_lam=factor * config.l2_lam),
            f"lasso,{factor:g}": replace(plain, group_lasso=factor * lasso),
            f"l1,{factor:g}": replace(plain, l1=factor * lasso / config.input_dim**0.5),
            f"ridge,{factor:g}": replace(plain, l2_phi=factor * ridge, l2_second=factor * ridge),
            f"slimming,{factor:g}": replace(free, slimming=factor * lasso),
        }
    starts = replace(plain, trials=len(strengths))

    def spent(nodes: int) -> dict[str, Any]:
        """The whole budget on so many nodes in all, each for as many epochs."""
        return dict.fromkeys(("epochs", "ladder_epochs"), max(1, round(budget / nodes)))

    lowest, highest = config.rungs[0], config.rungs[-1]
    return ways | {
        "magnitude": starts,
        "taylor": replace(starts, order="taylor"),
        "rewind": replace(starts, ladder="rewind", **spent(config.student_hidden + on_rungs)),
        "cluster": replace(starts, ladder="cluster"),
        "grow": replace(starts, ladder="grow", student_hidden=lowest, **spent(on_rungs)),
        "search": replace(starts, ladder="fresh", student_hidden=highest, **spent(on_rungs)),
    }


def _with_inputs(config: ExperimentConfig, inputs: str) -> ExperimentConfig:
    """`config` with other inputs; of digits all that there are."""
    few = {"patterns": 1_300, "validation_fraction": 300 / 1_300, "test_patterns": 497}
    return _with_patterns(config, inputs=inputs, **(few if inputs == "digits" else {}))


def _with_patterns(config: ExperimentConfig, **changes: Any) -> ExperimentConfig:
    """`config` with other patterns and as many steps as before."""
    changed = replace(config, **changes)
    times = _batches(config) / _batches(changed)
    return replace(
        changed, epochs=max(1, round(times * config.epochs)), ladder_epochs=round(times * config.ladder_epochs)
    )


def _travelled(config: ExperimentConfig) -> float:
    """Learning rate times number of steps: how far Adam, whose steps have one length, can move a weight."""
    return config.learning_rate * config.epochs * _batches(config)


def _batches(config: ExperimentConfig) -> int:
    """In an epoch, with the partial one at its end."""
    return -(-config.train_patterns // config.batch_size)
