"""Do stored results hold? Checksums of all of them, and a random sample trained again.

On the same processor, with the same versions, a member trained alone has the stored numbers to the last bit. Training
is chaotic: anywhere else it ends elsewhere, but in the same distribution. A retrained member is therefore compared with
all stored members of its experiment: its effective size, the teacher nodes found and the logarithm of its test error
over E[y^2] must lie in their prediction intervals. These are as wide as it takes for all comparisons of a sample
together to pass with a probability of 99 %, if all is well.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.stats
import torch

from spectral.lab.config import ENGINE_VERSION, ConfigError, ExperimentConfig
from spectral.lab.experiment import compute
from spectral.lab.files import DamagedResult
from spectral.lab.results import found_in, load, run, stored_config
from spectral.lab.store import Store
from spectral.measures import effective_size, nodes_found
from spectral.prune import node_scores

LEVEL = 0.99
COUNT_SPREAD = 0.5
"""Smallest standard deviation of a count: where all members agree, one node more or less is no contradiction."""


@dataclass(frozen=True)
class Check:
    """One quantity of a retrained member against the stored ones."""

    experiment: str
    member: int
    quantity: str
    value: float
    low: float
    high: float

    @property
    def passed(self) -> bool:
        """Whether the value lies in the prediction interval."""
        return self.low <= self.value <= self.high


def damaged(store: Store) -> dict[str, str]:
    """All results that are not what was written, by hash, with the reason."""
    found = {}
    for name in store.hashes():
        try:
            engine = store.load(name)[1].get("engine")
            if engine == ENGINE_VERSION and (config := stored_config(name, store)).hash() == name:
                load(config, store)
        except DamagedResult as error:
            found[name] = str(error)
    return found


def retrain(
    experiments: Mapping[str, ExperimentConfig],
    store: Store,
    sample: int,
    *,
    seed: int | None = None,
    report: Callable[[str], None] = print,
) -> list[Check]:
    """Train a random `sample` of the stored members again, alone, and compare.

    Where several students of a teacher make one network, all of that teacher's are trained.

    Raises
    ------
    ConfigError
        If `sample` is negative, or larger than the number of members stored in company.
    """
    there = [
        (name, index)
        for name, config in experiments.items()
        if store.has(config.hash()) and len(config.members) > 1
        for index in range(len(config.members))
    ]
    if not 0 <= sample <= len(there):
        raise ConfigError(f"a sample of {sample} cannot be drawn from {len(there)} stored members")
    level = 1 - (1 - LEVEL) / max(1, 4 * sample)
    checks, same = [], 0
    for name, index in random.Random(seed).sample(there, sample):
        config = experiments[name]
        report(f"training member {index} of {name} again")
        first = index - index % config.trials if config.ladder == "cluster" else index
        asked = config.members[first : first + config.trials if config.ladder == "cluster" else index + 1]
        again, place = compute(config, asked, record_at=(), scores_at=()), index - first
        stored = run(config, store=store)
        same += bool(torch.equal(node_scores(again.student)[place], stored.scores[index]))
        seen = {
            "effective size": (effective_size(stored.scores), effective_size(node_scores(again.student))),
            "teacher nodes found": (found_in(stored), nodes_found(again.task, again.student)),
            "log error / E[y^2]": (
                (stored.test_mse / stored.test_power).log(),
                (again.history.test_mse[-1] / again.task.test.y.square().mean(-1)).log(),
            ),
        }
        if stored.rungs is not None and again.rungs is not None:
            rung = len(config.rungs) // 2
            seen[f"log error / E[y^2], {config.rungs[rung]} nodes"] = (
                (stored.rungs.test_mse[:, rung] / stored.test_power).log(),
                (again.rungs.test_mse[:, rung] / again.task.test.y.square().mean(-1)).log(),
            )
        for quantity, (many, one) in seen.items():
            spread = 0.0 if quantity.startswith("log") else COUNT_SPREAD
            low, high = prediction_interval(many.double().numpy(), level, spread)
            checks.append(Check(name, index, quantity, float(one[place]), low, high))
    if sample:
        report(f"{same} of {sample} have the stored scores to the last bit")
    return checks


def prediction_interval(values: np.ndarray, level: float = LEVEL, least_spread: float = 0.0) -> tuple[float, float]:
    """Where one more value lies with probability `level`, if it is like the n > 1 independent normal `values`."""
    n = len(values)
    spread = max(float(values.std(ddof=1)), least_spread)
    half = scipy.stats.t.ppf((1 + level) / 2, n - 1) * spread * (1 + 1 / n) ** 0.5
    return float(values.mean() - half), float(values.mean() + half)
