"""A sweep on many machines, by Dask distributed: ``python -m spectral sweep paper --scheduler ADDRESS``.

Workers train members and send them back; this process hands out the work, puts experiments together and is the only
one that writes. So workers need no disk in common with it. What is stored is, bit for bit, what one machine of their
kind stores.

- Work is handed out in parts of an experiment, each of about a minute and shorter towards the end, one to each thread
  of a worker and none ahead. A worker that is slow or stands still holds up nothing but its part; when there is nothing
  else left to do, another worker does that, too, and who is through first counts.
- The part of a worker that is lost is done again elsewhere, `ATTEMPTS` times in all. Then its experiment has failed.
- Finished parts of unfinished experiments are kept every half minute and at the end, however this process ends other
  than by a kill. The next sweep goes on from them.
- Workers are asked what they run before they get work. One with other versions than this process gets none.

Everyone who reaches a Dask scheduler can have its workers run code: keep it in a closed network, or give Dask
certificates (``tls://``).
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import queue
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from tqdm import tqdm

from spectral.engine.plan import SAVE_EVERY
from spectral.engine.train import TrainingDiverged
from spectral.errors import Told
from spectral.lab.config import ENGINE_VERSION, ExperimentConfig
from spectral.lab.files import DamagedResult
from spectral.lab.parts import Part, Range, cut, grain, join_and_record, missing, origin, train_part
from spectral.lab.provenance import describe, package_version, revision
from spectral.lab.results import load, run
from spectral.lab.store import Arrays, Busy, CheckpointFile, Store
from spectral.lab.sweep import Outcome, Pace, core_seconds, look, member_seconds, readable_time
from spectral.progress import bar

if TYPE_CHECKING:
    import distributed

PART = 60.0
"""Seconds of work in a part, which are lost with its worker."""

ATTEMPTS = 4
"""Workers that a part is given to, one after the other, before its experiment has failed."""

LOOK = 1.0
"""Seconds between two looks at who is there."""

CONNECT = 5.0
"""Seconds within which a scheduler has to answer."""

GRACE = 10.0
"""Seconds for which there may be none but workers of other versions."""

LATE, LATE_SECONDS = 3.0, 10.0
"""A part is late that takes so many times as long as expected, and at least so many seconds."""

REST, LONGEST_REST = 1.0, 60.0
"""Seconds for which a worker gets nothing after an error, twice as long after each further one, and at most."""

_ROOMS = ("", "engine", "lab")  # whose code makes numbers

PartTrainer = Callable[[ExperimentConfig, int, int], Part]


class ClusterError(Told, ConnectionError):
    """There is no cluster to work with; the message says why, and what to do."""


@contextmanager
def connect(address: str) -> Iterator[distributed.Client]:
    """A client of the scheduler at `address`, such as ``tcp://10.0.0.1:8786``.

    Raises
    ------
    ClusterError
        If Dask is not installed, or no scheduler answers there.
    """
    dask = _distributed()
    try:
        dask.comm.get_address_host_port(address)  # of one that is none, a client is left half made
        client = dask.Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ClusterError(
            f"no scheduler answers at {address!r} ({str(error).splitlines()[0] if str(error) else 'silence'}). Start "
            "one with: dask scheduler, which prints its address; a firewall may be in between"
        ) from None
    with client:
        yield client


@contextmanager
def local(workers: int) -> Iterator[distributed.Client]:
    """A client of so many worker processes on this machine, which listen to it alone and end with it.

    Raises
    ------
    ClusterError
        If Dask is not installed, or `workers` is below 1.
    """
    if workers < 1:
        raise ClusterError(f"a sweep needs at least 1 worker; got {workers}")
    dask = _distributed()
    with ExitStack() as stack:
        with _deaf_children():
            place = dask.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                memory_limit=0,  # a share of the memory each would be less than one of them may need
                silence_logs="CRITICAL",
            )
            stack.enter_context(place)
        yield stack.enter_context(dask.Client(place, set_as_default=False))


def sweep_on(
    client: distributed.Client,
    experiments: Mapping[str, ExperimentConfig],
    store: Store,
    *,
    report: Callable[[str], None] = print,
    progress: bool | None = None,
    trainer: PartTrainer = train_part,
) -> Outcome:
    """Compute what is missing on the workers of `client`, those with most to do first; else as `spectral.lab.sweep`.

    Interrupted at any moment, it goes on where it was, here or elsewhere; several at once share the work. Workers may
    come and go. A run that fails is named in the outcome, and does not keep the others from being computed.

    Parameters
    ----------
    progress:
        Whether to show a bar of all members; None shows it where somebody looks.
    trainer:
        What trains members from a first to the one before an end, on a worker; for tests.

    Raises
    ------
    StoreError
        If the store cannot be read or written.
    ClusterError
        If the scheduler is lost, or there are none but workers of other versions.
    """
    threads = max(1, sum(_threads(client).values()))
    outcome, absent, total = look(experiments, store, report, lambda config: core_seconds(config) / threads)
    if absent:
        count = sum(len(config.members) for config in absent.values())
        with bar(count, "members", progress) as shown, _Crew(client, _above(shown, report)) as crew:
            _Sweep(crew, absent, store, outcome, shown, trainer, total * threads).run()
    report(outcome.told())
    return outcome


@functools.cache
def versions() -> dict[str, Any]:
    """What decides a process's numbers: versions of engine and packages, and a hash of the code that makes them."""
    package, digest = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(path for room in _ROOMS for path in (package / room).glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    names = {"spectral": "student-teacher-spectral"}
    names |= {name: name for name in ("numpy", "numba", "scikit-learn", "torch-pruning")}
    return {
        "engine": ENGINE_VERSION,
        "torch": torch.__version__,
        **{name: package_version(package) for name, package in names.items()},
        "code": digest.hexdigest()[:12],
    }


def introduce() -> tuple[str, dict[str, Any]]:
    """The host of this process, and its `versions`."""
    return socket.gethostname(), versions()


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """In what two processes' `versions` differ, in words; empty if in nothing."""
    other = [name for name in {**ours, **theirs} if theirs.get(name) != ours.get(name)]
    if not other:
        return ""
    told = (", ".join(f"{name} {there.get(name)}" for name in other) for there in (theirs, ours))
    return "it has {}; here is {}".format(*told)


@dataclass(eq=False)
class _Experiment:
    """One that is under way: which of its members are through, and which nobody has been given."""

    name: str
    config: ExperimentConfig
    claim: ExitStack
    file: CheckpointFile
    parts: list[Part]
    gaps: list[Range]
    source: dict[str, Any]  # the revision, before hours in which files may change
    grain: int
    unkept: bool = False
    kept_at: float = field(default_factory=time.monotonic)
    over: bool = False

    def left(self) -> int:
        """Members that are not through."""
        return len(self.config.members) - sum(part.end - part.first for part in self.parts)


@dataclass(eq=False)
class _Job:
    """A call for a worker: members `first` to the one before `end`; or all of them, to be put together."""

    of: _Experiment
    first: int
    end: int
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    expected: float  # seconds, by the guess
    at: dict[_Worker, float] = field(default_factory=dict)  # since when
    tried: set[_Worker] = field(default_factory=set)
    mishaps: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"member {self.first}" if self.end == self.first + 1 else f"members {self.first} to {self.end - 1}"


@dataclass(eq=False)
class _Worker:
    address: str
    threads: int
    taken: bool | None = None  # None: it has been asked what it runs
    calls: dict[Future, tuple[_Job | None, distributed.Future]] = field(default_factory=dict)
    errors: int = 0  # in a row
    rests_until: float = 0.0

    def stumble(self) -> None:
        """Rest after an error: one on which nothing works would else run through all jobs."""
        self.rests_until = time.monotonic() + min(REST * 2**self.errors, LONGEST_REST)
        self.errors += 1


class _Crew:
    """The workers of a client, what each is doing, and what comes back from them."""

    def __init__(self, client: distributed.Client, report: Callable[[str], None]) -> None:
        self.report, self._client = report, client
        self._workers: dict[str, _Worker] = {}
        self._refused: dict[str, str] = {}
        self._inbox: queue.SimpleQueue[tuple[_Worker, Future]] = queue.SimpleQueue()
        self._looked, self._sorry, self._alone = -LOOK, 0.0, False

    def __enter__(self) -> _Crew:
        return self

    def __exit__(self, *error: object) -> None:
        pending = [call for worker in self._workers.values() for _, call in worker.calls.values()]
        with suppress(Exception):  # of a scheduler that is gone, too: then they are
            self._client.cancel(pending, force=True)

    @property
    def threads(self) -> int:
        """Of all workers that take part; at least 1."""
        return max(1, sum(worker.threads for worker in self.able()))

    def free(self) -> list[_Worker]:
        """Workers that take part and have nothing to do on one of their threads, the idlest first."""
        now = time.monotonic()
        able = [one for one in self.able() if len(one.calls) < one.threads and now >= one.rests_until]
        return sorted(able, key=lambda worker: len(worker.calls) / worker.threads)

    def able(self) -> set[_Worker]:
        """Workers that take part."""
        return {worker for worker in self._workers.values() if worker.taken}

    def jobs(self) -> Iterator[_Job]:
        """All that are under way."""
        for worker in self._workers.values():
            yield from (job for job, _ in worker.calls.values() if job is not None)

    def give(self, worker: _Worker, job: _Job) -> None:
        """Have a worker do a job."""
        job.at[worker] = time.monotonic()
        self._call(worker, job, job.function, *job.arguments)

    def look(self) -> list[tuple[_Worker, list[_Job]]]:
        """Who has come is asked what it runs; who has gone is named, with the jobs that it had."""
        if time.monotonic() - self._looked < LOOK:
            return []
        there = _threads(self._client)
        self._looked = time.monotonic()
        gone = [worker for address, worker in self._workers.items() if address not in there]
        lost = []
        for worker in gone:
            del self._workers[worker.address]
            lost.append((worker, [job for job, _ in worker.calls.values() if job is not None]))
            self._client.cancel([call for _, call in worker.calls.values()], force=True)
            worker.calls.clear()
        for address, threads in there.items():
            if address not in self._workers:
                worker = self._workers[address] = _Worker(address, threads)
                self._call(worker, None, introduce)
        self._check()
        return lost

    def results(self) -> Iterator[tuple[_Worker, _Job, Future]]:
        """What has come back, once there is something, or after a moment in which there was nothing."""
        wait = LOOK
        with suppress(queue.Empty):
            while True:
                worker, answer = self._inbox.get(timeout=wait)
                job, _ = worker.calls.pop(answer, (None, None))
                if worker.taken is None:
                    self._judge(worker, answer)
                elif job is not None:
                    yield worker, job, answer
                wait = 0.0

    def _call(self, worker: _Worker, job: _Job | None, function: Callable[..., Any], *arguments: Any) -> None:
        import dask

        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}):  # parts travel by this way
            call = self._client.submit(function, *arguments, workers=[worker.address], pure=False)

        async def answer() -> Any:
            return await self._client.gather(call, asynchronous=True)

        coming = asyncio.run_coroutine_threadsafe(answer(), self._client.loop.asyncio_loop)  # type: ignore[union-attr]
        worker.calls[coming] = job, call
        coming.add_done_callback(lambda done: self._inbox.put((worker, done)))

    def _judge(self, worker: _Worker, answer: Future) -> None:
        try:
            host, theirs = answer.result()
            why = differences(theirs, versions())
        except CancelledError:
            return
        except Exception as error:  # whatever a worker answers that knows nothing of this
            host, why = "?", f"it cannot say what it runs: {type(error).__name__}: {error}"
        worker.taken = not why
        if why:
            self._refused[worker.address] = f"worker {worker.address} (host {host}) gets no work: {why}"
            self.report(f"{self._refused[worker.address]}. Install the same on both")

    def _check(self) -> None:
        """Raise ClusterError if there are none but refused workers for a while; say so if there are none at all."""
        if any(worker.taken is not False for worker in self._workers.values()):
            self._sorry, self._alone = 0.0, False
        elif self._workers:
            self._sorry = self._sorry or time.monotonic()
            if time.monotonic() - self._sorry >= GRACE:
                reasons = "; ".join(self._refused[address] for address in self._workers)
                raise ClusterError(f"no worker is left that may work: {reasons}. Install the same on all")
        elif not self._alone:
            self._alone = True
            self.report("no worker is there; waiting until one comes")


class _Sweep:
    """Experiments on their way through a crew."""

    def __init__(
        self,
        crew: _Crew,
        absent: Mapping[str, ExperimentConfig],
        store: Store,
        outcome: Outcome,
        shown: tqdm,
        trainer: PartTrainer,
        total: float,
    ) -> None:
        self._crew, self._store, self._outcome, self._shown, self._trainer = crew, store, outcome, shown, trainer
        self._waiting = deque(sorted(absent.items(), key=lambda item: core_seconds(item[1]), reverse=True))
        self._elsewhere: dict[str, ExperimentConfig] = {}
        self._asked = 0.0
        self._begun: list[_Experiment] = []
        self._again: deque[_Job] = deque()
        self._remaining, self._pace = total, Pace(total)

    def run(self) -> None:
        """Until all experiments are stored, there or failed."""
        try:
            while self._waiting or self._elsewhere or self._begun:
                for worker, jobs in self._crew.look():
                    for job in jobs:
                        self._missed(job, worker, "was lost")
                self._hand_out()
                self._keep()
                for worker, job, answer in self._crew.results():
                    self._take(worker, job, answer)
        finally:
            with ExitStack() as claims:
                for experiment in self._begun:
                    claims.push(experiment.claim)
                self._keep(now=True)

    def _hand_out(self) -> None:
        given = True
        while given:
            given = False
            for worker in self._crew.free():
                job = self._next(worker) or self._late(worker)
                if job is not None:
                    self._crew.give(worker, job)
                    given = True

    def _next(self, worker: _Worker) -> _Job | None:
        """What comes next, and can be given to this worker."""
        while True:
            for job in self._again:
                if worker not in job.tried or self._crew.able() <= job.tried:
                    self._again.remove(job)
                    return job
            for experiment in self._begun:  # the parts of one close together, so that it is soon stored
                if experiment.gaps:
                    return self._part(experiment)
            if self._waiting:
                self._begin(*self._waiting.popleft())
            elif not self._ask_again():
                return None

    def _part(self, experiment: _Experiment) -> _Job:
        """The next members of an experiment: a minute's, or a fraction of what is left for each thread."""
        each = member_seconds(experiment.config)
        seconds = min(PART, self._remaining * self._pace.factor / (4 * self._crew.threads))
        size = int(seconds / (each * self._pace.factor)) if each else len(experiment.config.members)
        first, end = cut(experiment.gaps, max(size // experiment.grain, 1) * experiment.grain)
        arguments = experiment.config, first, end
        return _Job(experiment, first, end, self._trainer, arguments, each * (end - first))

    def _late(self, worker: _Worker) -> _Job | None:
        """A job that another worker should have been through with by now."""
        now = time.monotonic()
        late = [
            job
            for job in self._crew.jobs()
            if not job.of.over
            and len(job.at) == 1
            and worker not in job.at
            and now - min(job.at.values()) > max(LATE_SECONDS, LATE * job.expected * self._pace.factor)
        ]
        return min(late, key=lambda job: min(job.at.values()), default=None)

    def _begin(self, name: str, config: ExperimentConfig) -> None:
        key, claim = config.hash(), ExitStack()
        try:
            claim.enter_context(self._store.claim(key, wait=False))
            if self._store.has(key):  # by now
                run(config, store=self._store)
                self._finish(name, config, len(config.members), claim)
                self._outcome.present.append(name)
                return
            file = self._store.parts(key)
            parts = _saved_parts(file)
        except Busy:
            if name not in self._elsewhere:
                self._crew.report(f"{name}: another process is at it")
            self._elsewhere[name] = config
            return
        except DamagedResult as error:
            self._finish(name, config, len(config.members), claim)
            self._give_up(name, str(error))
            return
        gaps = missing(len(config.members), parts)
        experiment = _Experiment(name, config, claim, file, parts, gaps, revision(), grain(config))
        own = experiment.left() * member_seconds(config)
        self._shown.update(len(config.members) - experiment.left())
        self._remaining -= core_seconds(config) - own
        self._crew.report(f"{name} ({key}): {self._time(own)} of {self._time(self._remaining)} left")
        self._elsewhere.pop(name, None)
        self._begun.append(experiment)
        self._put_together(experiment)

    def _ask_again(self) -> bool:
        """Whether experiments that another process had have been begun, since it no longer has them."""
        before = len(self._begun)
        if self._elsewhere and time.monotonic() - self._asked >= LOOK:
            self._asked = time.monotonic()
            for name, config in list(self._elsewhere.items()):
                self._begin(name, config)
        return len(self._begun) > before

    def _take(self, worker: _Worker, job: _Job, answer: Future) -> None:
        """What has become of a job."""
        experiment = job.of
        if experiment.over or job.at.pop(worker, None) is None:  # another worker was through first
            return
        try:
            result = answer.result()
        except TrainingDiverged as error:
            self._fail(experiment, str(error))
        except CancelledError:  # by the scheduler, or since there is none any more
            self._missed(job, worker, "was cut off")
        except Exception as error:  # whatever can go wrong on another machine
            worker.stumble()
            self._missed(job, worker, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
        else:
            worker.errors = 0
            job.at.clear()
            if isinstance(result, Part):
                self._pace.note(result.where["seconds"], job.expected)
                experiment.parts.append(result)
                experiment.unkept = True
                self._remaining -= job.expected
                self._shown.update(result.end - result.first)
                self._put_together(experiment)
            else:
                self._save(experiment, result)

    def _missed(self, job: _Job, worker: _Worker, how: str) -> None:
        """A worker has not done a job: another has to."""
        job.at.pop(worker, None)
        job.tried.add(worker)
        job.mishaps.append(f"{worker.address} {how}")
        if job.of.over or job.at:
            return
        if len(job.mishaps) < ATTEMPTS:
            self._crew.report(f"{job.of.name}: worker {worker.address} {how}; to be done again: {job}")
            self._again.append(job)
        else:
            self._fail(job.of, f"{ATTEMPTS} times {job} could not be trained: {'; '.join(job.mishaps)}")

    def _put_together(self, experiment: _Experiment) -> None:
        if experiment.left() == 0:
            arguments, count = (experiment.config, experiment.parts), len(experiment.config.members)
            self._again.appendleft(_Job(experiment, 0, count, join_and_record, arguments, PART))

    def _save(self, experiment: _Experiment, arrays: Arrays) -> None:
        config, file = experiment.config, experiment.file
        how = {"resumed": file.resumed} | origin(experiment.parts)
        try:
            self._store.save(config.hash(), arrays, describe(config) | experiment.source | file.spent() | how)
            load(config, self._store)
        except DamagedResult as error:
            self._fail(experiment, str(error))
            return
        self._end(experiment)
        self._outcome.computed.append(experiment.name)
        self._crew.report(f"{experiment.name} is stored; {self._time(self._remaining)} left")

    def _fail(self, experiment: _Experiment, why: str) -> None:
        self._keep_parts(experiment)
        self._end(experiment)
        self._give_up(experiment.name, why)

    def _give_up(self, name: str, why: str) -> None:
        self._outcome.failed[name] = why
        self._crew.report(f"{name} failed: {why}")

    def _end(self, experiment: _Experiment) -> None:
        """Forget an experiment that is stored, or has failed."""
        experiment.over = True
        self._begun.remove(experiment)
        self._again = deque(job for job in self._again if job.of is not experiment)
        self._finish(experiment.name, experiment.config, experiment.left(), experiment.claim)

    def _finish(self, name: str, config: ExperimentConfig, left: int, claim: ExitStack) -> None:
        """Nothing more is to be done of an experiment, of which so many members were left."""
        claim.close()
        self._elsewhere.pop(name, None)
        self._shown.update(left)
        self._remaining -= left * member_seconds(config)

    def _keep(self, now: bool = False) -> None:
        for experiment in self._begun:
            if now or time.monotonic() - experiment.kept_at >= SAVE_EVERY:
                self._keep_parts(experiment)

    def _keep_parts(self, experiment: _Experiment) -> None:
        """Have what is through survive this process."""
        if experiment.unkept:
            experiment.file.save({"parts": [part._asdict() for part in experiment.parts]})
            experiment.unkept = False
        experiment.kept_at = time.monotonic()

    def _time(self, seconds: float) -> str:
        """How long so many seconds of one core's work take all workers."""
        return readable_time(max(0.0, self._pace.factor * seconds / self._crew.threads))


def _saved_parts(file: CheckpointFile) -> list[Part]:
    """What of a run is through; raises DamagedResult."""
    saved = file.load()
    try:
        return [] if saved is None else [Part(**part) for part in saved["parts"]]
    except (KeyError, TypeError):
        raise DamagedResult(
            f"{file.path} holds no parts of a run, or those of another version. It is not used; delete it and repeat "
            "the command"
        ) from None


def _threads(client: distributed.Client) -> dict[str, int]:
    """The workers' addresses and threads; raises ClusterError."""
    try:
        there: dict[str, int] = client.nthreads()
    except (OSError, ValueError, AttributeError, CancelledError) as error:  # as a client says that it is closed
        raise ClusterError(
            f"the scheduler is lost ({type(error).__name__}). What was finished is kept; start a scheduler and workers "
            "again, and the same command goes on from there"
        ) from None
    return there


def _distributed() -> ModuleType:
    try:
        import distributed
    except ImportError:
        raise ClusterError(
            "a sweep on workers takes Dask, which is not installed here; install it with: "
            "pip install 'student-teacher-spectral[cluster]', or pip install distributed"
        ) from None
    return distributed


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes that are begun in the meantime do not hear Ctrl-C, which a terminal sends to all: this one ends them.

    They inherit that the signal is blocked, from the thread that starts them, also later on.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which unblocks the signal when it begins
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _above(shown: tqdm, report: Callable[[str], None]) -> Callable[[str], None]:
    """`report` for lines above a bar, which would else end up in it."""

    def told(line: str) -> None:
        with shown.external_write_mode():
            report(line)

    return told
