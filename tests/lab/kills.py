"""Kill what writes at every step: ``python tests/lab/kills.py``, five minutes; ``--stride 8`` is a sample.

Each trial forks a process that saves a result, a checkpoint, a sweep, tables or the ledger's verdicts, and kills itself
(SIGKILL) before, after or, of a write, in the middle of one storage event: a file opened for writing, a write, a flush,
a renaming, a link, a removal, a new folder. In "pairs" the next process is killed, too, at each of its own events. Then
there is the old state or the new, and nothing else; a run that is not killed ends with all of it, to the bit, and
leaves no temporary files. In "race" three processes, some of them on other hosts, save other numbers at once without
locks, and some are killed.

No event escapes: Python's audit hooks count those of a run that is not killed, and must find the same.

What this cannot show: that a disk has what it was told to flush. A kill leaves the system's caches as they are; when
the power fails they are lost, and a disk may lie about flushes, or do them in another order. Nor does it stop a process
between the parts of one system call, nor does it know network disks whose hosts see each other's files late.
"""

from __future__ import annotations

import argparse
import builtins
import functools
import io
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from standin import config, exit_code, fork, trainer

from spectral.book import claims
from spectral.book.quantities import Counted
from spectral.lab import export as export_module
from spectral.lab import files, store
from spectral.lab.config import ConfigError
from spectral.lab.export import export
from spectral.lab.files import StoreError
from spectral.lab.store import Store
from spectral.lab.sweep import status, sweep

NAME = "0123456789ab"
OPEN, FILE = builtins.open, io.FileIO
STEPS = ("fsync", "replace", "rename", "link", "unlink", "remove", "mkdir", "rmdir", "truncate", "ftruncate", "symlink")
AUDITED = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.symlink"}
RACES = 500

Point = tuple[int, str]
"""A storage event of a process, by number, and whether it is killed "before", "within" or "after" it."""


class Storage:
    """Storage events of this process from now on, in order; the one at `kill` is its last."""

    def __init__(self, kill: Point | None = None) -> None:
        self.events: list[str] = []
        self.audited, self._kill, self._on = 0, kill, True
        for name in STEPS:
            setattr(os, name, functools.partial(self.event, name, getattr(os, name)))
        low = os.open

        def os_open(path, flags, *rest, **options):
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return self.event("open", low, path, flags, *rest, **options)
            return low(path, flags, *rest, **options)

        storage = self

        class Watched(io.FileIO):
            def __init__(self, path, mode):
                storage.event("open", super().__init__, path, mode)

            def write(self, data):
                if storage.reached("within"):
                    super().write(bytes(data)[: len(data) // 2])
                    die()
                return storage.event("write", super().write, data)

        def high_open(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, **options):
            if not set(mode) & set("wax+"):
                return OPEN(file, mode, buffering, encoding, errors, newline, **options)
            binary = io.BufferedWriter(Watched(file, mode.replace("b", "").replace("t", "")))
            return binary if "b" in mode else io.TextIOWrapper(binary, encoding, errors, newline)

        os.open, builtins.open, io.open = os_open, high_open, high_open
        sys.addaudithook(self._audit)

    def event(self, kind, step, *arguments, **options):
        if self.reached("before"):
            die()
        after = self.reached("after")
        self.events.append(kind)
        try:
            return step(*arguments, **options)
        finally:
            if after:
                die()

    def reached(self, when: str) -> bool:
        return self._kill == (len(self.events), when)

    def unseen(self) -> int:
        """How many events Python's audit hooks have seen more than were counted here."""
        self._on = False
        return self.audited - sum(kind not in ("write", "fsync") for kind in self.events)

    def _audit(self, event, arguments):
        writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if self._on and (event in AUDITED or (writes and str(arguments[0]) != Unwatched.now)):
            self.audited += 1


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Scenario:
    """Work on a folder, and what may be there after it was killed.

    Attributes
    ----------
    prepare:
        Makes the old state.
    work:
        What is killed, and repeated until it is through.
    check:
        Fails if the state is neither the old nor the new; told whether `work` is through.
    """

    name: str
    prepare: Callable[[Path], None]
    work: Callable[[Path], None]
    check: Callable[[Path, bool], None]


def events(scenario: Scenario, folder: Path) -> list[str]:
    """Those of one run that is not killed."""
    seen, told = os.pipe()

    def child():
        storage = Storage()
        scenario.work(folder)
        assert storage.unseen() == 0, f"{storage.unseen()} storage events were not counted"
        os.write(told, " ".join(storage.events).encode())

    code = exit_code(fork(child))
    os.close(told)
    with OPEN(seen, "rb") as pipe:
        found = pipe.read().decode().split()
    assert code == 0, scenario.name
    return found


def points(found: list[str]) -> Iterator[Point]:
    for number, kind in enumerate(found):
        yield number, "before"
        if kind == "write":
            yield number, "within"
        yield number, "after"


def killed(scenario: Scenario, folder: Path, point: Point) -> None:
    def child():
        Storage(point)
        scenario.work(folder)

    code = exit_code(fork(child))
    assert code == -signal.SIGKILL, f"{scenario.name} was not killed at {point}, but ended with {code}"
    scenario.check(folder, False)


def clean(scenario: Scenario, folder: Path) -> None:
    """A run that is not killed."""
    assert exit_code(fork(lambda: scenario.work(folder))) == 0, f"{scenario.name} did not end"
    scenario.check(folder, True)
    left = [path.name for path in folder.rglob("*.tmp")]
    assert not left, f"{scenario.name} left {left}"


def exhaust(scenario: Scenario, base: Path, stride: int, *, pairs: bool) -> int:
    """Kill at every point, or at every so manieth; with `pairs` also the next run at its points. How many trials."""
    trials, number = 0, iter(range(10**9))

    def copy(of: Path) -> Path:
        folder = base / f"{next(number)}"
        shutil.copytree(of, folder, symlinks=True)
        return folder

    start = base / "start"
    start.mkdir()
    scenario.prepare(start)
    scenario.check(start, False)
    for first, point in list(enumerate(points(events(scenario, copy(start)))))[stride // 2 :: stride]:
        after = copy(start)
        killed(scenario, after, point)
        if not pairs:
            clean(scenario, after)
            trials += 1
            continue
        for second in list(points(events(scenario, copy(after))))[first % stride :: stride]:
            folder = copy(after)
            killed(scenario, folder, second)
            clean(scenario, folder)
            shutil.rmtree(folder)
            trials += 1
    return trials


def store_of(folder: Path) -> Store:
    return Store(folder / "committed", folder / "local")


def numbers(value: int = 0) -> dict[str, np.ndarray]:
    return {"a": np.arange(40.0).reshape(5, 8) + value}


def saves(*, orphan: bool) -> Scenario:
    """A result; with `orphan` numbers of another process lie there, whose provenance was lost."""

    def prepare(folder: Path) -> None:
        store = store_of(folder)
        if orphan:
            store.save(NAME, numbers(7), {"by": "another"})
            (store.local / f"{NAME}.json").unlink()
        store.checkpoint(NAME).save({"stage": 1})

    def work(folder: Path) -> None:
        with store_of(folder).claim(NAME):
            if not store_of(folder).has(NAME):
                store_of(folder).save(NAME, numbers(), {"by": "this"})
        store_of(folder).checkpoint(NAME).remove()

    def check(folder: Path, through: bool) -> None:
        store = store_of(folder)
        if store.has(NAME):
            arrays, meta = store.load(NAME)
            assert (arrays["a"] == numbers()["a"]).all()
            assert meta["by"] == "this"
        else:
            assert store.checkpoint(NAME).load() == {"stage": 1}
            assert not through
        assert not (through and store.checkpoint(NAME).path.exists())

    return Scenario("save, numbers of another there" if orphan else "save", prepare, work, check)


def published() -> Scenario:
    def prepare(folder: Path) -> None:
        store_of(folder).save(NAME, numbers(), {"by": "this"})

    def work(folder: Path) -> None:
        store = Store(folder / "committed", folder / "local", publish=True)
        store.promote(NAME)
        store.tidy(NAME)

    def check(folder: Path, through: bool) -> None:
        for place in (folder / "local", folder / "committed"):
            store = Store(place, place)
            if store.has(NAME):
                assert (store.load(NAME)[0]["a"] == numbers()["a"]).all()
            else:
                assert place.name == "committed"
                assert not through

    return Scenario("publish", prepare, work, check)


def checkpoints() -> Scenario:
    def state(stage: int) -> dict:
        return {"stage": stage, "phi": torch.full((20,), float(stage))}

    def prepare(folder: Path) -> None:
        store_of(folder).checkpoint(NAME).save(state(1))

    def work(folder: Path) -> None:
        store_of(folder).checkpoint(NAME).save(state(2))

    def check(folder: Path, through: bool) -> None:
        found = store_of(folder).checkpoint(NAME).load()
        assert found["stage"] in ((2,) if through else (1, 2))
        assert torch.equal(found["phi"], state(found["stage"])["phi"])

    return Scenario("checkpoint", prepare, work, check)


class Unwatched:
    """A log whose writing is no storage event."""

    now = ""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, mode: str):
        Unwatched.now = str(self.path)
        return io.TextIOWrapper(io.BufferedWriter(FILE(self.path, mode)))


def swept(base: Path) -> Scenario:
    chosen = {f"width/{width}": config(width) for width in (2, 3)}
    calm = store_of(base / "calm")
    sweep(chosen, calm, report=lambda line: None, trainer=trainer(base / "calm.log"))
    expected = {name: calm.load(name)[0] for name in calm.hashes()}

    def work(folder: Path) -> None:
        stand_in = trainer(Unwatched(folder / "log"))
        outcome = sweep(chosen, store_of(folder), report=lambda line: None, trainer=stand_in)
        assert not outcome.failed

    def check(folder: Path, through: bool) -> None:
        store = store_of(folder)
        states = status(chosen, store)
        assert set(states.values()) <= ({"local"} if through else {"local", "unfinished", "missing"}), states
        for name in store.hashes():
            arrays, _ = store.load(name)
            assert arrays.keys() == expected[name].keys()
            assert all((arrays[key] == values).all() for key, values in expected[name].items())
        stages: dict[str, int] = {}
        log = folder / "log"
        for line in log.read_text().splitlines() if log.exists() else ():
            name, what, stage = line.split()
            assert int(stage) >= stages.get(name, 0), "saved work was repeated"
            if what == "saved":
                stages[name] = int(stage)
        assert not (through and list(store.local.glob("*.checkpoint")))

    return Scenario("sweep", lambda folder: None, work, check)


def exported(base: Path) -> Scenario:
    chosen = {"width/3": config(3)}
    store = store_of(base / "results")
    sweep(chosen, store, report=lambda line: None, trainer=trainer(base / "results.log"))
    new = {path.name: path.read_bytes() for path in export(chosen, store, base / "tables")}

    def prepare(folder: Path) -> None:
        for name in new:
            (folder / name).write_bytes(b"old")

    def check(folder: Path, through: bool) -> None:
        for name, content in new.items():
            assert (folder / name).read_bytes() in ((content,) if through else (b"old", content)), name

    return Scenario("export", prepare, lambda folder: export(chosen, store, folder) and None, check)


def announced() -> Scenario:
    def judged(size: float) -> list[claims.Judged]:
        test = claims.Test("effective_size", (16, 25), (40,), {"score": "incoming"}, "")
        claim = claims.Claim("size", "paper", "It is.", (test,), "05-size")
        return [claims.verdict(claim, [claims.judge(test, Counted(size), 0.95)])]

    def announce(size: float, folder: Path) -> None:
        claims.announce(judged(size), folder / "verdicts.json")

    def check(folder: Path, through: bool) -> None:
        entries = claims.announced(folder / "verdicts.json")
        said = entries[0]["tests"][0]["measured"][0]
        assert said == 20.0 if through else said in (20.0, 40.0)

    return Scenario("announcement", lambda folder: announce(40.0, folder), lambda folder: announce(20.0, folder), check)


def race(base: Path, rounds: int) -> int:
    """Three at once, of up to three hosts, each with its own numbers, two of them killed at a random event, or none."""
    draw = random.Random(1)
    whole, finished = {n: numbers(n)["a"] for n in range(4)}, 0
    for number in range(rounds):
        plans = [(f"host{draw.choice((1, 1, 2, 3))}", draw.choice(["", "before", "after"])) for _ in range(3)]
        stops = [draw.randrange(18) for _ in plans]
        store = store_of(base / f"{number}")
        gate, opened = os.pipe()

        def saving(n, store=store, gate=gate, opened=opened, plans=plans, stops=stops):
            host, when = plans[n]
            os.close(opened)
            socket.gethostname = lambda: host
            os.read(gate, 1)
            Storage((stops[n], when) if when else None)
            store.save(NAME, numbers(n), {"by": n})

        children = [fork(functools.partial(saving, n)) for n in range(3)]
        os.close(gate)
        os.close(opened)
        codes = [exit_code(child) for child in children]
        assert set(codes) <= {0, -signal.SIGKILL}, codes

        def check(through: bool, store=store):
            if store.has(NAME):
                arrays, meta = store.load(NAME)
                assert (arrays["a"] == whole[meta["by"]]).all(), "numbers of one and provenance of another"
                return meta["by"]
            assert not through
            return None

        by = check(0 in codes)
        finished += by is not None
        last = fork(lambda store=store: store.save(NAME, numbers(3), {"by": 3}))
        assert exit_code(last) == 0
        assert by in (None, check(True)), "a result was replaced"
    assert rounds < 200 or 0.2 * rounds < finished < rounds, "races that all end alike show little"
    return rounds


def campaigns(base: Path, stride: int) -> Iterator[tuple[str, int]]:
    def room(name: str) -> Path:
        (base / name).mkdir()
        return base / name

    for number, scenario in enumerate(
        (saves(orphan=False), saves(orphan=True), published(), checkpoints(), announced())
    ):
        yield f"{scenario.name}, pairs", exhaust(scenario, room(f"pairs{number}"), stride, pairs=True)
    for scenario in (swept(room("calm")), exported(room("results"))):
        yield scenario.name, exhaust(scenario, room(scenario.name), stride, pairs=False)
    yield "race", race(room("race"), RACES // stride)


def in_place(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@contextmanager
def exporting_in_place(path: Path) -> Iterator[BinaryIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        yield file


def provenance_first(folder: Path, name: str, data: bytes, text: bytes) -> None:
    files.write_atomically(folder / f"{name}.json", text)
    files.write_atomically(folder / f"{name}.npz", data)


def one_after_the_other(folder: Path, name: str, data: bytes, text: bytes) -> None:
    files.write_atomically(folder / f"{name}.npz", data)
    files.write_atomically(folder / f"{name}.json", text)


def checkpoint_first(folder: Path, name: str, data: bytes, text: bytes, keep=store._keep) -> None:
    files.remove(folder / f"{name}.checkpoint")
    keep(folder, name, data, text)


def nothing(*arguments: object) -> None:
    pass


def faults(base: Path) -> Iterator[tuple[str, bool]]:
    """What is planted, and whether it is noticed."""

    def saving(folder: Path) -> Scenario:
        return saves(orphan=False)

    planted: dict[str, tuple[Callable[[Path], Scenario] | None, object, str, object]] = {
        "verdicts written in place": (lambda folder: announced(), claims, "write_atomically", in_place),
        "checkpoints written in place": (lambda folder: checkpoints(), store, "write_atomically", in_place),
        "tables written in place": (exported, export_module, "replacing", exporting_in_place),
        "provenance before the numbers": (saving, store, "_keep", provenance_first),
        "the checkpoint removed before the result": (saving, store, "_keep", checkpoint_first),
        "temporary files left": (saving, store, "remove_stale", nothing),
        "numbers of one and provenance of another": (None, store, "_keep", one_after_the_other),
    }
    for number, (name, (make, module, attribute, wrong)) in enumerate(planted.items()):
        folder = base / f"fault{number}"
        folder.mkdir()
        right = getattr(module, attribute)
        setattr(module, attribute, wrong)
        if wrong is nothing:
            files.remove_stale = nothing
        try:
            if make is None:
                race(folder, 100)
            else:
                exhaust(make(folder), folder, 1, pairs=False)
            yield name, False
        except (AssertionError, ConfigError, StoreError):
            yield name, True
        finally:
            setattr(module, attribute, right)
            files.remove_stale = store.remove_stale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", action="store_true", help="plant faults, and say whether they are noticed")
    parser.add_argument("--stride", type=int, default=1, metavar="N", help="of N points in a row one (default: all)")
    options = parser.parse_args()
    torch.set_num_threads(1)  # what forks has no threads
    memory, total, begun = Path("/dev/shm"), 0, time.monotonic()  # a disk's pace shows nothing
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as base:
        start = begun
        if options.faults:
            noticed = dict(faults(Path(base)))
            print(*(f"{name}: {'noticed' if seen else 'MISSED'}" for name, seen in noticed.items()), sep="\n")
            sys.exit(not all(noticed.values()))
        for name, trials in campaigns(Path(base), options.stride):
            total += trials
            print(f"{name:40} {trials:6} trials {time.monotonic() - start:6.1f} s", flush=True)
            start = time.monotonic()
    print(f"{'all':40} {total:6} trials {time.monotonic() - begun:6.1f} s")


if __name__ == "__main__":
    main()
