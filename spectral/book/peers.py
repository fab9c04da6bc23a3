"""Ways to networks of few nodes, compared: what validation chose among the attempts of each, and what that is worth.

Axes: A attempts, T teachers, K trials, N rungs, G pairs of ways.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch

from spectral.book.quantities import THRESHOLD, Measured, quantity
from spectral.curves import crossing
from spectral.lab.collection import MissingResult, Results
from spectral.lab.presets import METHODS, Experiment
from spectral.lab.results import Result
from spectral.stats.intervals import Interval, estimate, geometric_mean, mean

Setting = Literal["usual", "label_noise", "inputs"]
Compared = Literal["spectral over others", "wide over search"]

WIDE = tuple(method for method in METHODS if method not in ("grow", "search"))
"""Ways that begin with a wide student."""

WORDS = {
    "spectral": "spectral",
    "lasso": "group lasso",
    "l1": "L1",
    "ridge": "ridge",
    "slimming": "network slimming",
    "magnitude": "magnitude",
    "taylor": "Taylor's importance",
    "rewind": "magnitude, in rounds",
    "cluster": "Expand-and-Cluster",
    "grow": "grown",
    "search": "trained at its size",
}
"""What the ways are called."""


class Ladder(NamedTuple):
    """What a way has on its rungs.

    Attributes
    ----------
    nodes:
        Sizes of the rungs, (N,).
    validation, test:
        Errors in units of E[y^2], for each teacher (T, N).
    found:
        Teacher nodes found, (T, N).
    attempt:
        Which attempt of the way it is, (T, N).
    """

    nodes: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    found: np.ndarray
    attempt: np.ndarray


def attempts(result: Result) -> tuple[np.ndarray, ...]:
    """Validation errors, test errors and nodes found of all attempts of a result, (A, T, N) each."""
    rungs, config = result.rungs, result.config
    if rungs is None:
        raise MissingResult(f"run {config.hash()} has no ladder; a way to small networks needs one")
    power = result.test_power.unsqueeze(-1)
    parts = (rungs.validation_mse / power, rungs.test_mse / power, rungs.found)
    shape = config.teachers, config.trials, len(rungs.nodes)
    return tuple(part.double().numpy().reshape(shape).swapaxes(0, 1) for part in parts)


def experiments(results: Results, setting: str, method: str) -> list[Experiment]:
    """All attempts of a way in a setting; MissingResult if there are none."""
    found = results.select(design="peers", varied=setting, student=method)
    if not found:
        raise MissingResult(f"there are no networks of {method!r} in setting {setting!r}")
    return found


def ladder(results: Results, setting: str, method: str) -> Ladder:
    """Of each teacher and rung the attempt with the smallest validation error."""
    chosen = experiments(results, setting, method)
    validation, *others = (
        np.concatenate(parts) for parts in zip(*(results.derived(attempts, one) for one in chosen), strict=True)
    )
    best = validation.argmin(0)
    test, found = (np.take_along_axis(part, best[None], 0)[0] for part in others)
    return Ladder(np.array(chosen[0].config.rungs), validation.min(0), test, found, best)


def at_teachers_size(results: Results, setting: str, method: str) -> int:
    """The rung that has as many nodes as the teacher."""
    config = experiments(results, setting, method)[0].config
    return config.rungs.index(config.teacher_hidden)


def error(results: Results, setting: str, method: str) -> np.ndarray:
    """Test error at the teacher's size, in units of E[y^2], (T,)."""
    return ladder(results, setting, method).test[:, at_teachers_size(results, setting, method)]


def found(results: Results, setting: str, method: str) -> np.ndarray:
    """Teacher nodes found at the teacher's size, (T,)."""
    return ladder(results, setting, method).found[:, at_teachers_size(results, setting, method)]


def needed(results: Results, setting: str, method: str) -> np.ndarray:
    """Nodes of the lowest rung from which on upwards validation errors are near the smallest of all ways, (T,).

    Near is less than `THRESHOLD` of E[y^2] above it. Where a way has no such rung, twice its highest.
    """
    best = np.min([ladder(results, setting, other).validation.min(-1) for other in METHODS], 0)
    own = ladder(results, setting, method)
    place = crossing(torch.from_numpy(own.validation - best[:, None]), THRESHOLD).numpy()
    return np.append(own.nodes, 2 * own.nodes[-1])[place]


def complete(results: Results, setting: str, method: str, above: int = 0) -> np.ndarray:
    """Share of single attempts that found all teacher nodes, so many rungs above the teacher's size, (T,)."""
    chosen = experiments(results, setting, method)
    found = np.concatenate([results.derived(attempts, one)[2] for one in chosen])  # (A, T, N)
    place = at_teachers_size(results, setting, method) + above
    return (found[..., place] >= chosen[0].config.teacher_hidden).mean(0)


def just_cut(results: Results, setting: str, method: str) -> np.ndarray:
    """Test error at the teacher's size before anything is trained on, of the attempts that were chosen, (T,).

    Raises
    ------
    MissingResult
        If the way does not cut by the product of norms.
    """
    chosen = experiments(results, setting, method)
    if any((one.config.ladder, one.config.order) != ("cut", "product") for one in chosen):
        raise MissingResult(f"networks of {method!r} are not cut by the product of norms")
    place, every = at_teachers_size(results, setting, method), []
    for one in chosen:
        result, config = results[one], one.config
        sweep = result.sweeps["product"] / result.test_power.unsqueeze(-1)
        errors = sweep[:, min(config.teacher_hidden, sweep.shape[1] - 1)]
        every.append(errors.double().numpy().reshape(config.teachers, config.trials).T)
    best = ladder(results, setting, method).attempt[None, :, place]
    return np.take_along_axis(np.concatenate(every), best, 0)[0]


def seconds(results: Results, setting: str, method: str) -> float:
    """Processor time of all attempts, for a teacher."""
    chosen = experiments(results, setting, method)
    return sum(results[one].provenance["cpu_seconds"] for one in chosen) / chosen[0].config.teachers


def typical(values: np.ndarray, *, log: bool = True) -> Interval:
    """What values of each teacher, (T, ...), amount to: their geometric mean, or their mean."""
    return estimate(values[:, None], geometric_mean if log else mean, log=log)


def settings(results: Results) -> list[str]:
    """Those in which ways are compared here."""
    return [setting for setting in get_args(Setting) if results.select(design="peers", varied=setting)]


def _pairs(compared: Compared) -> list[tuple[str, str]]:
    if compared == "spectral over others":
        return [("spectral", method) for method in METHODS if method != "spectral"]
    return [(method, "search") for method in WIDE]


def _compared(
    results: Results, compared: Compared, setting: Setting, of: Callable[[Results, str, str], np.ndarray]
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """A number of both ways of each pair, (T, 1, G), and the pairs' names."""
    pairs = _pairs(compared)
    own, other = (
        np.stack([of(results, setting, way) for way in ways], -1)[:, None] for ways in zip(*pairs, strict=True)
    )
    return own, other, tuple(WORDS[b if compared == "spectral over others" else a] for a, b in pairs)


@quantity("peer_error")
def peer_error(results: Results, *, compared: Compared, setting: Setting) -> Measured:
    """Test error of networks of the teacher's size, one way over another, for each pair of ways."""
    own, other, cells = _compared(results, compared, setting, error)
    return Measured(own / other, geometric_mean, log=True, cells=cells)


@quantity("peer_nodes")
def peer_nodes(results: Results, *, compared: Compared, setting: Setting) -> Measured:
    """Nodes that it takes, one way over another, for each pair of ways."""
    own, other, cells = _compared(results, compared, setting, needed)
    return Measured(own / other, geometric_mean, log=True, cells=cells)


@quantity("peer_found")
def peer_found(results: Results, *, compared: Compared, setting: Setting) -> Measured:
    """Teacher nodes found in networks of the teacher's size, one way less another, for each pair of ways."""
    own, other, cells = _compared(results, compared, setting, found)
    return Measured(own - other, cells=cells)
