"""All experiments of a preset, one after the other: what is there, what is missing, how long it will take."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from spectral.engine.train import TrainingDiverged
from spectral.lab.config import ENGINE_VERSION, ExperimentConfig
from spectral.lab.files import DamagedResult
from spectral.lab.results import OutOfMemory, Trainer, load, run
from spectral.lab.store import Busy, Store

SECONDS_PER_PATTERN, SECONDS_PER_PRODUCT, SECONDS_PER_SMOOTH = 25e-9, 1.6e-11, 2e-9
"""Cost on one core of a pattern in an epoch: by itself, for each multiplication or addition of a node's products, and
for each node whose activation is not relu."""

TORCH_LOOP = 8
"""Times as long as the kernel."""


@dataclass
class Outcome:
    """What a sweep did: names of experiments, and why some failed."""

    computed: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def told(self) -> str:
        """It in a line."""
        return f"{len(self.computed)} computed, {len(self.failed)} failed, {len(self.present)} were there"


class Pace:
    """How long work takes in parts of what was expected, from what has been seen of it.

    A first, tiny run says little of the others: most of what it took was to begin it and to keep it. So what was
    expected counts as if a tenth of all had been seen to be so.

    Parameters
    ----------
    total:
        Seconds expected of all.
    """

    def __init__(self, total: float) -> None:
        self._spent = self._work = total / 10

    @property
    def factor(self) -> float:
        """Times as long as expected."""
        return self._spent / self._work if self._work else 1.0

    def note(self, spent: float, expected: float) -> None:
        """Work that was expected to take so many seconds has taken others."""
        self._spent, self._work = self._spent + spent, self._work + expected


def expected_seconds(config: ExperimentConfig) -> float:
    """A guess at the time that training takes on two cores, of which a member keeps one busy."""
    return core_seconds(config) / min(len(config.members), 2)


def core_seconds(config: ExperimentConfig) -> float:
    """A guess at the time that training all members takes on one core."""
    return len(config.members) * member_seconds(config)


def member_seconds(config: ExperimentConfig) -> float:
    """A guess at the time that training a member takes on one core, from what its products cost.

    Where nodes die and leave, most of the training is done at a little more than the teacher's width.
    """
    width = float(config.student_hidden)
    leave = config.optimiser == "adam" and (config.parametrization == "spectral" or config.group_lasso)
    if config.drop_dead and leave:
        width = min(width, 1.3 * config.teacher_hidden + 0.15 * width)
    each = SECONDS_PER_PRODUCT * (4 * config.input_dim + 6 * config.second_nodes)
    if config.activation != "relu":
        each += SECONDS_PER_SMOOTH
    trainings = [(width, config.epochs)]
    if config.ladder != "none":
        trainings += [(nodes, config.ladder_epochs) for nodes in config.rungs]
    passes = sum(epochs * (SECONDS_PER_PATTERN + nodes * each) for nodes, epochs in trainings)
    loop = TORCH_LOOP if config.train_lam_second else 1
    return loop * config.train_patterns * passes


def sweep(
    experiments: Mapping[str, ExperimentConfig],
    store: Store,
    *,
    report: Callable[[str], None] = print,
    device: str | torch.device = "cpu",
    progress: bool | None = None,
    trainer: Trainer | None = None,
) -> Outcome:
    """Compute what is missing, cheapest first. Interrupted at any moment, it goes on where it was.

    Two sweeps at once share the work, each on its own cores: ``OMP_NUM_THREADS=1`` for both on two. On a disk without
    locks, as network disks can be, they may compute the same, and keep the first result.

    A run that fails is named in the outcome, and does not keep the others from being computed.

    Raises
    ------
    StoreError
        If the store cannot be read or written.
    """
    outcome, missing, total = look(experiments, store, report, expected_seconds)
    pace = Pace(total)
    for wait in (False, True):  # what another process is computing comes last
        for name, config in sorted(missing.items(), key=lambda item: expected_seconds(item[1])):
            left = sum(map(expected_seconds, missing.values()))
            here, start = False, time.monotonic()
            try:
                if wait:
                    with store.claim(config.hash()):  # the other process is through, or dead
                        pass
                here, start = store.has(config.hash()), time.monotonic()
                if not here:
                    one, all_left = (
                        readable_time(pace.factor * seconds) for seconds in (expected_seconds(config), left)
                    )
                    report(f"{name} ({config.hash()}): {one} of {all_left} left")
                run(config, store=store, device=device, progress=progress, wait=wait, trainer=trainer)
            except Busy:
                report(f"{name}: another process is at it")
                continue
            except (DamagedResult, TrainingDiverged, OutOfMemory) as error:
                outcome.failed[name] = str(error)
                report(f"{name} failed: {error}")
            else:
                (outcome.present if here else outcome.computed).append(name)
                if not here:
                    pace.note(time.monotonic() - start, expected_seconds(config))
            del missing[name]
    report(outcome.told())
    return outcome


def look(
    experiments: Mapping[str, ExperimentConfig],
    store: Store,
    report: Callable[[str], None],
    expected: Callable[[ExperimentConfig], float],
) -> tuple[Outcome, dict[str, ExperimentConfig], float]:
    """What of the experiments is there, whole or damaged; what is missing, and how many seconds of work that is.

    Raises
    ------
    StoreError
        If something is missing, and the store cannot be written.
    """
    outcome, missing = Outcome(), {}
    for name, config in experiments.items():
        if not store.has(config.hash()):
            missing[name] = config
            continue
        try:
            run(config, store=store)
        except DamagedResult as error:
            outcome.failed[name] = str(error)
            report(f"{name} failed: {error}")
        else:
            store.tidy(config.hash())
            outcome.present.append(name)
    total = sum(map(expected, missing.values()))
    there = f"{len(outcome.present)} of {len(experiments)} runs are there"
    report(f"{there}; {len(missing)} to compute, {readable_time(total)} expected")
    if missing:
        store.check_writable()
    return outcome, missing, total


def status(experiments: Mapping[str, ExperimentConfig], store: Store) -> dict[str, str]:
    """The state of every experiment: "committed", "local", "unfinished", "missing" or "damaged: ..."."""
    states = {}
    for name, config in experiments.items():
        key = config.hash()
        try:
            load(config, store)
        except KeyError:
            states[name] = "unfinished" if store.is_begun(key) else "missing"
        except DamagedResult as error:
            states[name] = f"damaged: {error}"
        else:
            states[name] = "committed" if os.path.lexists(store.committed / f"{key}.json") else "local"
    return states


def stale(store: Store) -> dict[str, str]:
    """Results that no present configuration can name: of another engine, or damaged; with the reason."""
    reasons = {}
    for key in store.hashes():
        try:
            engine = store.load(key)[1].get("engine")
        except DamagedResult as error:
            reasons[key] = str(error)
            continue
        if engine != ENGINE_VERSION:
            reasons[key] = f"computed by engine version {engine}; this is version {ENGINE_VERSION}"
    return reasons


def readable_time(seconds: float) -> str:
    """A duration in words."""
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
