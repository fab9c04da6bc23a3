"""The workers of a Dask cluster: how one comes by them, what they run, what each is doing, and what comes back.

Workers are asked what they run before they get work. One with other versions than this process gets none.

Everyone who reaches a Dask scheduler can have its workers run code: keep it in a closed network, or give Dask
certificates (``tls://``).
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import platform
import queue
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch

from spectral.errors import Told
from spectral.lab.config import ENGINE_VERSION
from spectral.lab.provenance import package_version

if TYPE_CHECKING:
    import distributed

LOOK = 1.0
"""Seconds between two looks at who is there."""

CONNECT = 5.0
"""Seconds within which a scheduler has to answer."""

GRACE = 10.0
"""Seconds for which there may be none but workers of other versions."""

SILENCE = 60.0
"""Seconds within which one of the workers should have said what it runs; it has to load PyTorch first."""

REST, LONGEST_REST = 1.0, 60.0
"""Seconds for which a worker gets nothing after an error, twice as long after each further one, and at most."""

_CODE = ("*.py", "engine/*.py", *(f"lab/{name}.py" for name in ("config", "experiment", "parts", "results")))
"""What makes numbers, or what a worker is sent and sends back; the rest of the package reads and tells them."""


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


@functools.cache
def versions() -> dict[str, Any]:
    """What decides a process's numbers: versions of engine and packages, and a hash of the code that makes them."""
    names = {"spectral": "student-teacher-spectral"}
    names |= {name: name for name in ("numpy", "scipy", "numba", "scikit-learn", "torch-pruning")}
    return {
        "engine": ENGINE_VERSION,
        "python": platform.python_version(),  # provenance has this process's
        "torch": torch.__version__,
        **{name: package_version(package) for name, package in names.items()},
        "code": _digest(Path(__file__).parents[1]),
    }


def _digest(package: Path) -> str:
    """Of the code that makes numbers; line ends, which a checkout may change, do not count."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in _CODE for path in package.glob(pattern) if path.name != "__main__.py"):
        code = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + code + b"\0")
    return digest.hexdigest()[:12]


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
class Job:
    """A call for a worker: members `first` to the one before `end`; or all of them, to be put together."""

    of: Any  # the experiment
    first: int
    end: int
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    expected: float  # seconds, by the guess
    work: str = "trained"  # what is done to the members, as in "could not be trained"
    at: dict[Worker, float] = field(default_factory=dict)  # since when
    tried: set[Worker] = field(default_factory=set)
    mishaps: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"member {self.first}" if self.end == self.first + 1 else f"members {self.first} to {self.end - 1}"


@dataclass(eq=False)
class Worker:
    """A process that takes jobs, as many at a time as it has threads."""

    address: str
    threads: int
    taken: bool | None = None  # None: it has not said what it runs
    calls: dict[Future, tuple[Job | None, distributed.Future]] = field(default_factory=dict)
    errors: int = 0  # in a row
    rests_until: float = 0.0
    since: float = field(default_factory=time.monotonic)

    def jobs(self) -> list[Job]:
        """What it is at."""
        return [job for job, _ in self.calls.values() if job is not None]

    def stumble(self) -> None:
        """Rest after an error: one on which nothing works would else run through all jobs."""
        self.rests_until = time.monotonic() + min(REST * 2**self.errors, LONGEST_REST)
        self.errors += 1


class Crew:
    """The workers of a client, what each is doing, and what comes back from them."""

    def __init__(self, client: distributed.Client, report: Callable[[str], None]) -> None:
        self.report, self._client = report, client
        self._workers: dict[str, Worker] = {}
        self._refused: dict[str, str] = {}
        self._inbox: queue.SimpleQueue[tuple[Worker, Future]] = queue.SimpleQueue()
        self._looked, self._sorry, self._told = -LOOK, 0.0, ""

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *error: object) -> None:
        pending = [call for worker in self._workers.values() for _, call in worker.calls.values()]
        with suppress(Exception):  # of a scheduler that is gone, too: then they are
            self._client.cancel(pending, force=True)

    @property
    def threads(self) -> int:
        """Of all workers that take part; at least 1."""
        return max(1, sum(worker.threads for worker in self.able()))

    def free(self) -> list[Worker]:
        """Workers that take part and have nothing to do on one of their threads, the idlest first."""
        now = time.monotonic()
        able = [one for one in self.able() if len(one.calls) < one.threads and now >= one.rests_until]
        return sorted(able, key=lambda worker: len(worker.calls) / worker.threads)

    def able(self) -> set[Worker]:
        """Workers that take part."""
        return {worker for worker in self._workers.values() if worker.taken}

    def give(self, worker: Worker, job: Job) -> None:
        """Have a worker do a job."""
        job.at[worker] = time.monotonic()
        self._call(worker, job, job.function, *job.arguments)

    def look(self) -> list[tuple[Worker, list[Job]]]:
        """Who has come is asked what it runs; who has gone is named, with the jobs that it had."""
        if time.monotonic() - self._looked < LOOK:
            return []
        there = threads_of(self._client)
        self._looked = time.monotonic()
        gone = [worker for address, worker in self._workers.items() if address not in there]
        lost = []
        for worker in gone:
            del self._workers[worker.address]
            lost.append((worker, worker.jobs()))
            with _reached():
                self._client.cancel([call for _, call in worker.calls.values()], force=True)
            worker.calls.clear()
        for address, threads in there.items():
            if address not in self._workers:
                self._workers[address] = Worker(address, threads)
        for worker in self._workers.values():
            if worker.taken is None and not worker.calls:  # new, or the question was cut off
                self._call(worker, None, introduce)
        self._check()
        return lost

    def results(self) -> Iterator[tuple[Worker, Job, Future]]:
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

    def _call(self, worker: Worker, job: Job | None, function: Callable[..., Any], *arguments: Any) -> None:
        import dask

        async def answer() -> Any:
            return await self._client.gather(call, asynchronous=True)

        # Parts travel by this way, and Dask thinks them large.
        with _reached(), dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}):
            call = self._client.submit(function, *arguments, workers=[worker.address], pure=False)
            loop = self._client.loop.asyncio_loop  # type: ignore[union-attr]
            coming = asyncio.run_coroutine_threadsafe(answer(), loop)
        worker.calls[coming] = job, call
        coming.add_done_callback(lambda done: self._inbox.put((worker, done)))

    def _judge(self, worker: Worker, answer: Future) -> None:
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
        """Raise ClusterError if there are none but refused workers for a while; say so if none is there, or speaks."""
        now = time.monotonic()
        silent = [worker for worker in self._workers.values() if worker.taken is None]
        if silent or self.able():
            self._sorry = 0.0
            if self.able() or now - max(worker.since for worker in silent) < SILENCE:
                self._told = ""
            else:
                self._tell(
                    f"worker {silent[0].address} has not said for {SILENCE:.0f} s what it runs, and no other may work; "
                    "it has other work, or hangs; waiting until one answers"
                )
        elif self._workers:
            self._sorry = self._sorry or now
            if now - self._sorry >= GRACE:
                reasons = "; ".join(self._refused[address] for address in self._workers)
                raise ClusterError(f"no worker is left that may work: {reasons}. Install the same on all")
        else:
            self._tell("no worker is there; waiting until one comes")

    def _tell(self, why: str) -> None:
        """Say once why nothing goes on."""
        if why != self._told:
            self._told = why
            self.report(why)


def threads_of(client: distributed.Client) -> dict[str, int]:
    """The workers' addresses and threads; raises ClusterError."""
    with _reached():
        there: dict[str, int] = client.nthreads()
    return there


@contextmanager
def _reached() -> Iterator[None]:
    """A call of a client, which has many ways to say that it is closed; raises ClusterError."""
    from distributed.client import ClosedClientError

    try:
        yield
    except (ClosedClientError, OSError, ValueError, AttributeError, RuntimeError, CancelledError) as error:
        raise ClusterError(
            f"the scheduler is lost ({error!r}). What was finished is kept; start a scheduler and workers again, and "
            "the same command goes on from there"
        ) from None


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
