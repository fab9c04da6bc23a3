"""Sweeps on workers that are processes of their own, and die, stand still, or run something else."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import test_parts
import torch
from standin import assert_same, never

from spectral.__main__ import main
from spectral.engine.train import TrainingDiverged
from spectral.lab import cluster, crew
from spectral.lab.cluster import sweep_on
from spectral.lab.crew import ClusterError, Crew, Job, Worker, connect, differences, introduce, local, versions
from spectral.lab.parts import train_part
from spectral.lab.results import load
from spectral.lab.store import Store
from spectral.lab.sweep import Outcome, status, sweep
from spectral.progress import bar

TINY = replace(test_parts.TINY, trials=3)
EXPERIMENTS = {
    "spectral": TINY,
    "direct": TINY.direct_twin(),
    "ladder": replace(TINY.direct_twin(), ladder="cluster", ladder_epochs=3),
    "torch": replace(TINY, train_lam_second=True),
}
OTHER = """
import sys, types
older = sys.modules["spectral.lab.crew"] = types.ModuleType("spectral.lab.crew")
def introduce():
    return "elsewhere", {versions!r} | {{"engine": 99}}
introduce.__module__, older.introduce = older.__name__, introduce
from distributed.cli.dask_worker import main
main(sys.argv[1:])
"""
CLIENT = """
import sys
from pathlib import Path
sys.path[:0] = {paths}
from spectral.lab import cluster, crew
from spectral.lab.store import Store
import test_cluster
cluster.SAVE_EVERY, cluster.PART = 0.0, 1e-9
with crew.connect({address!r}) as client:
    trainer = test_cluster.noted(Path({log!r}), seconds=0.1)
    store = Store(Path({folder!r}, "c"), Path({folder!r}, "l"))
    cluster.sweep_on(client, test_cluster.EXPERIMENTS, store, trainer=trainer)
"""


def noted(log: Path, seconds: float = 0.0, first: Callable[[], object] | None = None, end: bool = False):
    """A trainer that notes members and its process, and before all else does what is to be done once.

    It is made here and not found by its name: workers do not know this module.
    """

    def train(config, start, stop):
        import os
        import time

        from spectral.lab.parts import train_part

        once = log.with_suffix(".once")
        if first is not None:
            try:
                once.open("x").write(str(os.getpid()))
            except FileExistsError:
                pass
            else:
                first()
        time.sleep(seconds * (stop - start))
        made = train_part(config, start, stop)
        with log.open("a") as file:
            file.write(f"{config.hash()} {start} {stop} {os.getpid()}\n")
        return made

    return train


def read(log: Path) -> list[tuple[str, int, int, int]]:
    """What has been trained: experiment, members, process."""
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [(name, int(first), int(end), int(process)) for name, first, end, process in lines]


class Place:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.workers, self._processes = folder, {}, []
        file = folder / "scheduler.json"
        self.scheduler = self._start("-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
                                     "--no-dashboard", "--scheduler-file", str(file))  # fmt: skip
        while not (file.exists() and '"address"' in file.read_text()):
            time.sleep(0.05)
        self.address = re.search(r'"address": "([^"]+)"', file.read_text())[1]

    def start(self, name: str, *program: str) -> None:
        options = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--memory-limit", "0", "--name", name)
        where = ("--host", "127.0.0.1", "--local-directory", str(self.folder))
        program = program or ("-m", "distributed.cli.dask_worker")
        self.workers[name] = self._start(*program, self.address, *options, *where)

    def wait(self, client, count: int) -> None:
        while len(client.nthreads()) != count:
            time.sleep(0.05)

    def close(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def _start(self, *words: str) -> subprocess.Popen:
        log = (self.folder / "log").open("a")
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        with log:
            process = subprocess.Popen([sys.executable, *words], stdout=log, stderr=log, env=environment)
        self._processes.append(process)
        return process


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("place"))
    made.start("one")
    made.start("two")
    yield made
    made.close()


@pytest.fixture
def client(place):
    with connect(place.address) as made:
        place.wait(made, sum(process.poll() is None for process in place.workers.values()))
        made.run(introduce)  # loads PyTorch
        yield made


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Store:
    """All experiments as one process computes them."""
    folder = tmp_path_factory.mktemp("home")
    store = Store(folder / "c", folder / "l")
    sweep(EXPERIMENTS, store, report=lambda line: None, progress=False)
    return store


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    """Parts of one member, and nobody waits long."""
    monkeypatch.setattr(cluster, "PART", 1e-9)
    monkeypatch.setattr(crew, "LOOK", 0.1)
    monkeypatch.setattr(crew, "REST", 0.1)


def assert_as_at_home(store: Store, home: Store, experiments=EXPERIMENTS) -> None:
    for config in experiments.values():
        assert_same(load(config, store), load(config, home))
        ours, theirs = store.load(config.hash())[0], home.load(config.hash())[0]
        assert {name: (a.dtype, a.tobytes()) for name, a in ours.items()} == {
            name: (a.dtype, a.tobytes()) for name, a in theirs.items()
        }


def test_results_are_those_of_one_machine(client, place, store, home, tmp_path):
    lines: list[str] = []
    outcome = sweep_on(client, EXPERIMENTS, store, report=lines.append, trainer=noted(tmp_path / "log", seconds=0.02))
    assert (sorted(outcome.computed), outcome.present, outcome.failed) == (sorted(EXPERIMENTS), [], {})
    assert_as_at_home(store, home)
    work = read(tmp_path / "log")
    assert len({process for *_, process in work}) == 2
    members = {
        name: sorted(one[1:3] for one in work if one[0] == config.hash()) for name, config in EXPERIMENTS.items()
    }
    assert members["spectral"] == [(n, n + 1) for n in range(6)]
    assert members["ladder"] == [(0, 3), (3, 6)], "the students of a teacher stay together"
    assert members["torch"] == [(0, 6)]
    assert lines[0].startswith("0 of 4 runs are there; 4 to compute, about")
    assert re.fullmatch(rf"torch \({EXPERIMENTS['torch'].hash()}\): about \d+ s of about \d+ s left", lines[1])
    assert lines[-1] == "4 computed, 0 failed, 0 were there"
    provenance = store.provenance(TINY.hash())
    assert sum(provenance["hosts"].values()) == 6
    assert 0 < provenance["cpu_seconds"] < 60
    assert (provenance["loop"], provenance["resumed"]) == ("kernel", 0)
    assert not list(store.local.glob("*.parts"))
    outcome = sweep_on(client, EXPERIMENTS, store, report=lines.append, trainer=never)
    assert outcome == Outcome(present=list(EXPERIMENTS))


def kept_parts(store: Store) -> dict[str, set[tuple[int, int]]]:
    """Members of unfinished experiments that are through and kept."""
    files = {path.stem: store.parts(path.stem).load() for path in store.local.glob("*.parts")}
    return {name: {(part["first"], part["end"]) for part in state["parts"]} for name, state in files.items()}


def assert_goes_on(client, store: Store, home: Store, log: Path) -> None:
    """Another sweep does what is left, and nothing that was kept."""
    kept, before = kept_parts(store), len(read(log))
    assert any(kept.values())
    assert set(status(EXPERIMENTS, store).values()) >= {"unfinished"}
    outcome = sweep_on(client, EXPERIMENTS, store, report=lambda line: None, trainer=noted(log))
    assert not outcome.failed
    assert_as_at_home(store, home)
    again = read(log)[before:]
    for name, parts in kept.items():
        assert not parts & {tuple(members) for one, *members, _ in again if one == name}
        assert store.provenance(name)["resumed"] == 1
    assert kept_parts(store) == {}


def test_an_interrupt_keeps_what_is_through(client, store, home, tmp_path):
    """As the last experiment begins, the one before is not stored."""
    begun = []

    def interrupt(line: str) -> None:
        begun.extend(re.findall(r"\(([0-9a-f]{12})\): about", line))
        if len(begun) == len(EXPERIMENTS):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep_on(client, EXPERIMENTS, store, report=interrupt, trainer=noted(tmp_path / "log"))
    assert_goes_on(client, store, home, tmp_path / "log")


def test_a_killed_client_is_taken_up_again(client, place, store, home, tmp_path):
    log = tmp_path / "log"
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    code = CLIENT.format(paths=paths, address=place.address, log=str(log), folder=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    store = Store(tmp_path / "c", tmp_path / "l")
    while not list(tmp_path.glob("l/*.parts")):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert_goes_on(client, store, home, log)


def test_another_version_is_refused_by_name(client, place, store, home, tmp_path, monkeypatch):
    """The other two go on, and not to their end before it has said what it runs."""
    refusals: list[str] = []
    said = tmp_path / "said"

    def report(line: str) -> None:
        if "gets no work" in line:
            refusals.append(line)
            said.touch()

    train = noted(tmp_path / "log")

    def patient(config, first, end):
        import time

        for _ in range(1200):
            if said.exists():
                break
            time.sleep(0.05)
        return train(config, first, end)

    place.start("other", "-c", OTHER.format(versions=versions()))
    place.wait(client, 3)
    sweep_on(client, {"spectral": TINY}, store, report=report, trainer=patient)
    (refusal,) = refusals
    named = r"worker tcp://127.0.0.1:\d+ \(host elsewhere\) gets no work"
    engine = versions()["engine"]
    assert re.fullmatch(rf"{named}: it has engine 99; here is engine {engine}. Install the same on both", refusal)
    assert place.workers["other"].pid not in {process for *_, process in read(tmp_path / "log")}
    assert_as_at_home(store, home, {"spectral": TINY})

    ours = versions() | {"torch": "3.0", "code": "0"}
    monkeypatch.setattr(crew, "versions", lambda: ours)
    monkeypatch.setattr(crew, "GRACE", 0.0)
    with pytest.raises(ClusterError, match=r"no worker is left that may work: worker .*; here is .*torch 3.0, code 0"):
        sweep_on(client, {"direct": TINY.direct_twin()}, store, report=report, trainer=never)
    assert len(refusals) == 4
    place.workers.pop("other").kill()


def test_what_stands_still_holds_up_nobody(client, place, store, home, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "LATE_SECONDS", 1.0)

    def stand_still():
        import os
        import signal

        os.kill(os.getpid(), signal.SIGSTOP)

    log = tmp_path / "log"
    few = {name: EXPERIMENTS[name] for name in ("spectral", "direct")}
    try:
        sweep_on(client, few, store, report=lambda line: None, trainer=noted(log, first=stand_still))
        assert_as_at_home(store, home, few)
        stopped = int(log.with_suffix(".once").read_text())
        assert stopped not in {process for *_, process in read(log)}
    finally:
        for process in place.workers.values():
            process.send_signal(signal.SIGCONT)


def test_a_thread_that_hangs_is_not_waited_for(client, store, home, tmp_path, monkeypatch):
    """What has failed on the other worker goes there again, though the one that hangs has not tried it."""
    monkeypatch.setattr(cluster, "LATE_SECONDS", 0.3)
    hung, failed, over = (tmp_path / name for name in ("hung", "failed", "over"))

    def trainer(config, first, end):
        import time

        if first == 0 and not hung.exists():
            hung.touch()
            while not over.exists():
                time.sleep(0.05)
        if first == 5 and not failed.exists():
            failed.touch()
            raise OSError("once")
        return train_part(config, first, end)

    try:
        sweep_on(client, {"spectral": TINY}, store, report=lambda line: None, trainer=trainer)
    finally:
        over.touch()
    assert failed.exists()
    assert_as_at_home(store, home, {"spectral": TINY})


def test_what_a_dead_worker_had_is_done_elsewhere(client, place, store, home, tmp_path):
    """And what fails wherever it is done has failed, with a sentence; what diverges at once."""

    def kill_myself():
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    bad, wild = replace(TINY, seed=1), replace(TINY, seed=2)
    names = {bad.hash(): "fails", wild.hash(): "diverges"}
    train = noted(tmp_path / "log", first=kill_myself)

    def trainer(config, first, end):
        what = names.get(config.hash())
        if what == "fails" and first == 3:
            raise OSError("there is no such disk")
        if what == "diverges":
            raise TrainingDiverged("the loss of member 1 is not finite")
        return train(config, first, end)

    lines: list[str] = []
    experiments = {"spectral": TINY, "bad": bad, "wild": wild, "direct": TINY.direct_twin()}
    outcome = sweep_on(client, experiments, store, report=lines.append, trainer=trainer)
    assert sorted(outcome.computed) == ["direct", "spectral"]
    assert_as_at_home(store, home, {name: EXPERIMENTS[name] for name in outcome.computed})
    assert outcome.failed["wild"] == "the loss of member 1 is not finite"
    assert re.match(
        r"4 times member 3 could not be trained: tcp\S+ OSError: there is no such disk; ", outcome.failed["bad"]
    )
    (lost,) = (line for line in lines if "was lost" in line)
    assert re.fullmatch(r"\w+: worker tcp://\S+ was lost; to be trained again: member \d", lost)
    assert sum(process.poll() is None for process in place.workers.values()) == 1


def alone(monkeypatch, answers: list[Future | None]) -> tuple[Crew, list[str]]:
    """A crew of one worker, which gives these answers; and what is told of it."""

    def call(self, worker, job, function, *_):
        answer = answers.pop(0) or Future()
        worker.calls[answer] = job, None
        if answer.done():
            self._inbox.put((worker, answer))

    monkeypatch.setattr(crew, "LOOK", 0.0)
    monkeypatch.setattr(Crew, "_call", call)
    lines: list[str] = []
    return Crew(SimpleNamespace(nthreads=lambda: {"tcp://one:1": 1}), lines.append), lines


def test_a_question_that_was_cut_off_is_asked_again(monkeypatch):
    cut, said = Future(), Future()
    cut.set_exception(CancelledError())
    said.set_result(introduce())
    made, lines = alone(monkeypatch, [cut, said])
    for able in (0, 1):
        made.look()
        assert list(made.results()) == []
        assert len(made.able()) == able
    assert lines == []


def test_a_worker_that_says_nothing_is_told_once(monkeypatch):
    made, lines = alone(monkeypatch, [None])
    made.look()
    monkeypatch.setattr(crew, "SILENCE", 0.0)
    for _ in range(3):
        made.look()
    (line,) = lines
    assert line.startswith("worker tcp://one:1 has not said for 0 s what it runs")


def test_what_cannot_be_put_together_is_told_so(client, store, monkeypatch):
    def fail(config, parts):
        raise OSError("no memory")

    monkeypatch.setattr(cluster, "join_and_record", fail)
    lines: list[str] = []
    outcome = sweep_on(client, {"spectral": TINY}, store, report=lines.append)
    assert outcome.failed["spectral"].startswith("4 times members 0 to 5 could not be put together: tcp")
    assert sum(line.endswith("to be put together again: members 0 to 5") for line in lines) == 3


def test_two_names_of_one_experiment_are_computed_once(client, store, home, tmp_path):
    lines: list[str] = []
    both = {"spectral": TINY, "again": replace(TINY)}
    outcome = sweep_on(client, both, store, report=lines.append, trainer=noted(tmp_path / "log"))
    assert (outcome.computed, outcome.present, outcome.failed) == (["spectral"], ["again"], {})
    assert len(read(tmp_path / "log")) == len(TINY.members)
    assert not any("another process" in line for line in lines)


def test_what_others_store_is_noticed_without_workers(store, home, monkeypatch):
    """Another process has the experiment; when it is through, nothing is left to do."""
    monkeypatch.setattr(Crew, "free", lambda self: [None] if next(looks) == 0 else [])
    looks, key = count(), TINY.hash()
    made, _ = alone(monkeypatch, [None])
    outcome, claim = Outcome(), ExitStack()
    claim.enter_context(store.claim(key))

    def report(line: str) -> None:
        assert line == "spectral: another process is at it"
        store.save(key, *home.load(key))
        claim.close()

    made.report = report
    with bar(len(TINY.members), "members", False) as shown:
        cluster._Sweep(made, {"spectral": TINY}, store, outcome, shown, never, 1.0).run()
    assert outcome == Outcome(present=["spectral"])


@pytest.fixture
def preset(monkeypatch, tmp_path) -> Store:
    """The command line's preset and store."""
    monkeypatch.setenv("SPECTRAL_RESULTS", str(tmp_path / "committed"))
    monkeypatch.setenv("SPECTRAL_STORE", str(tmp_path / "local"))
    monkeypatch.setattr(sys.modules["spectral.__main__"], "configurations", lambda name: {"spectral": TINY})
    yield Store.default()
    torch.set_flush_denormal(False)  # the command line turns it on, for its process


def test_the_command_line_has_workers_of_its_own(preset, home, capfd):
    assert main(["sweep", "paper", "--workers", "1"]) == 0
    assert_as_at_home(preset, home, {"spectral": TINY})
    told = capfd.readouterr()
    assert told.out.splitlines()[-1] == "1 computed, 0 failed, 0 were there"
    assert "distributed" not in told.err


def test_the_command_line_goes_to_a_scheduler(preset, place, home):
    assert main(["sweep", "paper", "--scheduler", place.address]) == 0
    assert_as_at_home(preset, home, {"spectral": TINY})


def test_a_client_that_closes_between_two_looks_is_told(place, monkeypatch):
    monkeypatch.setattr(crew, "threads_of", lambda _: {})
    lost, job = Worker("tcp://one:1", 1), Job(None, 0, 1, train_part, (TINY, 0, 1), 1.0)
    with connect(place.address) as client:
        made = Crew(client, print)
        made._workers[lost.address] = lost
        made.give(lost, job)
        client.close()
        with pytest.raises(ClusterError, match="the scheduler is lost"):
            made.give(lost, job)
        with pytest.raises(ClusterError, match="the scheduler is lost"):
            made.look()


def test_a_lost_scheduler_is_told(place, store, tmp_path, monkeypatch):
    """After this there is none."""
    monkeypatch.setattr(crew, "CONNECT", 0.5)

    def report(line: str) -> None:
        if "): about" in line:
            place.scheduler.kill()
            place.scheduler.wait()

    train = noted(tmp_path / "log", seconds=0.1)
    with connect(place.address) as client, pytest.raises(ClusterError, match=r"the scheduler is lost .* goes on from"):
        sweep_on(client, EXPERIMENTS, store, report=report, trainer=train)


def test_a_sweep_that_loses_its_workers_can_be_repeated(preset, monkeypatch, capsys):
    """Which scripts see: its exit code is not that of a wrong command."""

    def lose(*_, **__):
        raise ClusterError("the scheduler is lost")

    monkeypatch.setattr(crew, "connect", nullcontext)
    monkeypatch.setattr(cluster, "sweep_on", lose)
    assert main(["sweep", "paper", "--scheduler", "tcp://one:1"]) == 1
    assert capsys.readouterr().err.endswith("error: the scheduler is lost\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scheduler", "tcp://127.0.0.1:1"], "no scheduler answers at 'tcp://127.0.0.1:1'"),
        (["--scheduler", "nonsense"], "no scheduler answers at 'nonsense' (missing port"),
        (["--workers", "0"], "a sweep needs at least 1 worker; got 0"),
        (["--workers", "1", "--device", "meta"], "workers train on their processors; --device meta"),
    ],
)
def test_what_cannot_be_is_told_before_any_work(preset, capsys, monkeypatch, options, message):
    monkeypatch.setattr(crew, "CONNECT", 0.5)
    assert main(["sweep", "paper", *options]) == 2
    assert message in capsys.readouterr().err
    assert not preset.local.exists()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"pip install 'student-teacher-spectral\[cluster\]'"), local(1):
        pass


@pytest.mark.parametrize(
    ("file", "code", "same"),
    [
        ("prune.py", "x = 1\r\ny = 2\r\n", True),
        ("prune.py", "x = 1\ny = 3\n", False),
        ("engine/kernel.py", "", False),
        ("lab/parts.py", "", False),
        ("lab/export.py", "", True),
        ("__main__.py", "", True),
    ],
)
def test_only_code_that_makes_numbers_counts(tmp_path, file, code, same):
    for name in ("prune.py", "__main__.py", "engine/kernel.py", "lab/parts.py", "lab/export.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x = 1\ny = 2\n")
    before = crew._digest(tmp_path)
    (tmp_path / file).write_bytes(code.encode())
    assert (crew._digest(tmp_path) == before) is same


def test_differences_are_told_in_words():
    ours = versions()
    assert ours.keys() >= {"engine", "python", "torch", "numba", "numpy", "scipy", "spectral", "code"}
    assert differences(ours, ours) == ""
    theirs = {name: value for name, value in ours.items() if name != "code"} | {"numpy": "9.9"}
    told = differences(theirs, ours)
    assert told == f"it has numpy 9.9, code None; here is numpy {ours['numpy']}, code {ours['code']}"
    assert train_part.__module__ == "spectral.lab.parts", "whose code is compared"
