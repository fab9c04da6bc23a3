"""What a sweep on workers adds to its work: ``python tests/lab/overhead.py``, nine minutes; ``--seconds .1``: one.

A thousand members, in twenty experiments, each take a second, in which a worker sleeps: so two workers can be measured
on any machine, also one that has other things to do. All else is as ever: parts are cut, sent, put together and stored.
Ideal are 500 s. Told is what is above that: for the members, from the first one's start to the last one's end; for the
sweep; and with all that comes before and after, once, however long the sweep: workers start, load PyTorch and the
kernel for a first small experiment, and end.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from spectral import ExperimentConfig
from spectral.lab.cluster import sweep_on
from spectral.lab.crew import local
from spectral.lab.parts import Part
from spectral.lab.store import Store
from spectral.lab.sweep import member_seconds

EXPERIMENTS, MEMBERS, WORKERS = 20, 50, 2
TINY = ExperimentConfig(
    input_dim=5,
    teacher_hidden=4,
    teacher_second=3,
    student_hidden=8,
    trials=MEMBERS,
    epochs=1,
    patterns=250,
    test_patterns=100,
    batch_size=60,
)


def asleep(log: Path, seconds: float) -> Callable[[ExperimentConfig, int, int], Part]:
    """A trainer that sleeps for each member, and notes from when to when; numbers are those of one epoch."""

    def train(config: ExperimentConfig, first: int, end: int) -> Part:
        import time
        from dataclasses import replace

        from spectral.lab.parts import train_part

        begun = time.time()
        time.sleep(seconds * (end - first))
        slept = time.time()
        made = train_part(replace(config, epochs=1), first, end)
        made.where["seconds"] = slept - begun
        with log.open("a") as file:
            file.write(f"{begun} {slept} {end - first}\n")
        return made

    return train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a member (default: 1)")
    seconds = parser.parse_args().seconds
    epochs = round(seconds / member_seconds(TINY))  # so that as much is expected of it
    experiments = {f"{seed}": replace(TINY, epochs=epochs, seed=seed) for seed in range(EXPERIMENTS)}
    ideal = EXPERIMENTS * MEMBERS * seconds / WORKERS
    with tempfile.TemporaryDirectory() as folder:
        log, store = Path(folder, "log"), Store(Path(folder, "c"), Path(folder, "l"))
        start = time.time()
        with local(WORKERS) as client:
            sweep_on(client, {"first": replace(TINY, seed=EXPERIMENTS)}, store, trainer=asleep(Path(folder, "no"), 0.0))
            up = time.time()
            outcome = sweep_on(client, experiments, store, trainer=asleep(log, seconds))
            through = time.time()
        end = time.time()
        parts = [tuple(map(float, line.split())) for line in log.read_text().splitlines()]
    assert len(outcome.computed) == EXPERIMENTS
    assert sum(count for *_, count in parts) == EXPERIMENTS * MEMBERS, "no member was done twice"
    steady = max(slept for _, slept, _ in parts) - min(begun for begun, *_ in parts)
    print(f"{len(parts)} parts; ideal {ideal:.1f} s")
    told = {"members": steady, "sweep": through - up, "with start and end": end - start}
    for what, wall in told.items():
        print(f"{what}: {wall:.1f} s, overhead {100 * (wall / ideal - 1):.2f} %")


if __name__ == "__main__":
    main()
