"""The experiments of the book, by name, at three sizes.

=======  ====================================================================================================
preset   what it is for
=======  ====================================================================================================
smoke    Does everything run? Seconds; the numbers mean nothing.
laptop   Some ten minutes on two cores, from nothing: fewer teachers, widths and epochs, the physics right.
paper    The paper's scale and what the book reports: 10 teachers x 3 trials (30 members) for every setting.
=======  ====================================================================================================

Names are paths: ``grid/spectral/200`` is the spectral student of 200 nodes in the main grid. Teachers and trials of
`paper` were not looked at before the rules of the book's claims were written down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, get_args

from spectral.experiment import ExperimentConfig, Twin, unknown_name

STUDENTS = ("spectral", *get_args(Twin))
"""The four students of the main grid: the spectral one, and conventional ones with three kinds of settings."""


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
    """

    common: dict[str, Any]
    teachers: int
    trials: int
    widths: tuple[int, ...]
    trials_alone: int
    widths_alone: tuple[int, ...]
    width: int
    long: int


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
    ),
    "laptop": Preset(
        common={"epochs": 1_000},
        teachers=5,
        trials=1,
        widths=(10, 20, 40, 100, 200),
        trials_alone=5,
        widths_alone=(60,),
        width=100,
        long=2_000,
    ),
    "paper": Preset(
        common={"epochs": 2_000},
        teachers=10,
        trials=3,
        widths=(10, 20, 40, 60, 100, 200, 500, 1_000),
        trials_alone=30,
        widths_alone=(40, 200),
        width=200,
        long=8_000,
    ),
}

GRID_SEED, TEACHER_SEED, TEACHER_ALONE = 2310, 100, 200
"""Base seed of all trials; seeds of the first teacher of the grid, and of the one teacher of the paper's own design."""


def experiments(preset: str) -> dict[str, ExperimentConfig]:
    """The configurations of a preset by name.

    Raises
    ------
    ConfigError
        If there is no such preset.
    """
    if preset not in PRESETS:
        raise unknown_name("preset", preset, PRESETS)
    return dict(_experiments(PRESETS[preset]))


def twins(config: ExperimentConfig) -> dict[str, ExperimentConfig]:
    """A spectral configuration and its three conventional controls, by the names in `STUDENTS`."""
    return {"spectral": config} | {twin: config.direct_twin(twin) for twin in get_args(Twin)}


def _experiments(p: Preset) -> Iterator[tuple[str, ExperimentConfig]]:
    grid = ExperimentConfig(seed=GRID_SEED, teacher_seed=TEACHER_SEED, teachers=p.teachers, trials=p.trials, **p.common)
    alone = replace(grid, teacher_seed=TEACHER_ALONE, teachers=1, trials=p.trials_alone)
    for width in p.widths:
        for student, config in twins(replace(grid, student_hidden=width)).items():
            yield f"grid/{student}/{width}", config
    for width in p.widths_alone:
        for student, config in twins(replace(alone, student_hidden=width)).items():
            yield f"one-teacher/{student}/{width}", config
    middle = replace(grid, student_hidden=p.width)
    for second in (5, 20):
        for student, config in twins(replace(middle, teacher_second=second)).items():
            yield f"m={second}/{student}/{p.width}", config
    variants: dict[str, dict[str, Any]] = {
        "alternate": {"trained": "alternate"},
        "eigenvalues": {"trained": "eigenvalues"},
        "lam_in": {"train_lam_in": True},
        "unpenalised": {"l2_lam": 0.0},
        "never-drop": {"drop_dead": False},
    }
    for name, changes in variants.items():
        yield f"variant/{name}/{p.width}", replace(middle, **changes)
    for student in ("spectral", "matched"):
        yield f"long/{student}/{p.width}", twins(replace(middle, epochs=p.long))[student]
