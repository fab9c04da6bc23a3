"""The results that a chapter shows: from the store, or trained if that does not take too long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from spectral.errors import Told
from spectral.lab import presets
from spectral.lab.collection import Results
from spectral.lab.config import ConfigError, ExperimentConfig
from spectral.lab.presets import Experiment
from spectral.lab.results import Result, run
from spectral.lab.store import Store
from spectral.lab.sweep import expected_seconds, readable_time

Key = TypeVar("Key")


class NotTrained(Told, LookupError):
    """Results that a chapter shows are not in the store, and training them takes longer than it may."""


def obtain(configs: Mapping[Key, ExperimentConfig], patience: float) -> dict[Key, Result]:
    """The results of some configurations: stored, or trained if all that is missing takes at most `patience` minutes.

    Raises
    ------
    NotTrained
        If it takes longer; says how long, and what to run.
    ConfigError
        If `patience` is negative.
    """
    if not patience >= 0:
        raise ConfigError(f"patience must be a number of minutes of at least 0; got {patience}")
    store = Store.default()
    missing = [config for config in configs.values() if not store.has(config.hash())]
    seconds = sum(map(expected_seconds, missing))
    if seconds > 60 * patience:
        raise NotTrained(
            f"{len(missing)} of the {len(configs)} runs that this chapter shows are not there, and training them takes "
            f"{readable_time(seconds)} on two cores, more than the {patience:g} minutes of its parameter patience. "
            f"{_how_to_train(missing)}, or give the chapter more patience. What is trained is kept"
        )
    return {key: run(config) for key, config in configs.items()}


def obtain_results(experiments: Iterable[Experiment], patience: float) -> Results:
    """`obtain` for experiments of a preset; errors as there."""
    found = obtain({experiment: experiment.config for experiment in experiments}, patience)
    return Results(found, found.__getitem__)


def obtain_most(experiments: Iterable[Experiment], patience: float, needed: str) -> Results:
    """As `obtain_results`, but where that takes longer the missing ones are left out, and a line says so.

    For a chapter that shows many settings side by side, while a sweep is still under way.

    Raises
    ------
    NotTrained
        If the one that is `needed`, by name, is among those.
    ConfigError
        If `patience` is negative.
    """
    every = list(experiments)
    try:
        return obtain_results(every, patience)
    except NotTrained as error:
        store = Store.default()
        there = [experiment for experiment in every if store.has(experiment.config.hash())]
        if needed not in {experiment.name for experiment in there}:
            raise
        print(f"left out: {len(every) - len(there)} settings. {error}")
        return obtain_results(there, patience)


def _how_to_train(missing: Sequence[ExperimentConfig]) -> str:
    for preset in presets.PRESETS:
        if set(missing) <= set(presets.configurations(preset).values()):
            return f"Train them with: python -m spectral sweep {preset}, which can be interrupted"
    return "Ask for fewer or smaller students"
