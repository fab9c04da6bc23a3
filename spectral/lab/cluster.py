"""A sweep on many machines, by Dask distributed: ``python -m spectral sweep paper --scheduler ADDRESS``.

Workers train members and send them back; this process hands out the work, puts experiments together and is the only
one that writes. So workers need no disk in common with it. What is stored is, bit for bit, what one machine of their
kind stores.

- Work is handed out in parts of an experiment, each of about a minute and shorter towards the end, one to each thread
  of a worker and none ahead. A worker that is slow or stands still holds up nothing but its part; when there is nothing
  else left to do, another worker does that, too, and who is through first counts.
- The part of a worker that is lost, or fails, is done again elsewhere; its experiment has failed after `ATTEMPTS`.
- Finished parts of unfinished experiments are kept every half minute and at the end, however this process ends other
  than by a kill. The next sweep goes on from them.

Who works, `spectral.lab.crew` knows.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from spectral.engine.plan import SAVE_EVERY
from spectral.engine.train import TrainingDiverged
from spectral.lab.config import ExperimentConfig
from spectral.lab.crew import LOOK, Crew, Job, Worker, threads_of
from spectral.lab.files import DamagedResult
from spectral.lab.parts import Part, Range, cut, grain, join_and_record, missing, origin, train_part
from spectral.lab.provenance import describe, revision
from spectral.lab.results import load, run
from spectral.lab.store import Arrays, Busy, CheckpointFile, Store
from spectral.lab.sweep import Outcome, Pace, core_seconds, look, member_seconds, readable_time
from spectral.progress import bar

if TYPE_CHECKING:
    import distributed

PART = 60.0
"""Seconds of work in a part, which are lost with its worker."""

ATTEMPTS = 4
"""Times that a part is tried, on other workers if there are any, before its experiment has failed."""

LATE, LATE_SECONDS = 3.0, 10.0
"""A part is late that takes so many times as long as expected, and at least so many seconds."""

PartTrainer = Callable[[ExperimentConfig, int, int], Part]


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
    cores = max(1, sum(threads_of(client).values()))
    outcome, absent, total = look(experiments, store, report, lambda config: core_seconds(config) / cores)
    if absent:
        count = sum(len(config.members) for config in absent.values())
        with bar(count, "members", progress) as shown, Crew(client, _above(shown, report)) as crew:
            _Sweep(crew, absent, store, outcome, shown, trainer, total * cores).run()
    report(outcome.told())
    return outcome


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


class _Sweep:
    """Experiments on their way through a crew."""

    def __init__(
        self,
        crew: Crew,
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
        self._again: deque[Job] = deque()
        self._remaining, self._pace = total, Pace(total)

    def run(self) -> None:
        """Until all experiments are stored, there or failed."""
        try:
            while self._waiting or self._elsewhere or self._begun:
                for worker, jobs in self._crew.look():
                    for job in jobs:
                        self._missed(job, worker, "was lost")
                self._hand_out()
                self._ask_again(begin=False)  # no worker may be free, or there
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

    def _next(self, worker: Worker) -> Job | None:
        """What comes next, and can be given to this worker."""
        while True:
            for job in self._again:
                if worker not in job.tried or self._hopeful() <= job.tried:
                    self._again.remove(job)
                    return job
            for experiment in self._begun:  # the parts of one close together, so that it is soon stored
                if experiment.gaps:
                    return self._part(experiment)
            if self._waiting:
                self._begin(*self._waiting.popleft())
            elif not self._ask_again():
                return None

    def _hopeful(self) -> set[Worker]:
        """Workers that will ask for something: one whose jobs are all late may hang, and be alive all the same."""
        hopeful = self._crew.able()
        return {one for one in hopeful if sum(self._is_late(job, one) for job in one.jobs()) < one.threads}

    def _part(self, experiment: _Experiment) -> Job:
        """The next members of an experiment: a minute's, or a fraction of what is left for each thread."""
        each = member_seconds(experiment.config)
        seconds = min(PART, self._remaining * self._pace.factor / (4 * self._crew.threads))
        size = int(seconds / (each * self._pace.factor)) if each else len(experiment.config.members)
        first, end = cut(experiment.gaps, max(size // experiment.grain, 1) * experiment.grain)
        arguments = experiment.config, first, end
        return Job(experiment, first, end, self._trainer, arguments, each * (end - first))

    def _late(self, worker: Worker) -> Job | None:
        """A job that another worker should have been through with by now."""
        late = [
            job
            for one in self._crew.able() - {worker}
            for job in one.jobs()
            if not job.of.over and job.at.keys() == {one} and self._is_late(job, one)
        ]
        return min(late, key=lambda job: min(job.at.values()), default=None)

    def _is_late(self, job: Job, worker: Worker) -> bool:
        """Whether a worker should have been through with a job that it has; so it should if another one was."""
        allowed = max(LATE_SECONDS, LATE * job.expected * self._pace.factor)
        return worker not in job.at or time.monotonic() - job.at[worker] > allowed

    def _begin(self, name: str, config: ExperimentConfig) -> None:
        key, claim = config.hash(), ExitStack()
        if any(one.config.hash() == key for one in self._begun):  # under another name
            self._elsewhere[name] = config
            return
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

    def _ask_again(self, begin: bool = True) -> bool:
        """Whether experiments that another process had have been begun, since it no longer has them.

        One that is stored by now is taken in any case. Without a worker none is begun: others may have some.
        """
        before = len(self._begun)
        if self._elsewhere and time.monotonic() - self._asked >= LOOK:
            self._asked = time.monotonic()
            for name, config in list(self._elsewhere.items()):
                if begin or self._store.has(config.hash()):
                    self._begin(name, config)
        return len(self._begun) > before

    def _take(self, worker: Worker, job: Job, answer: Future) -> None:
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

    def _missed(self, job: Job, worker: Worker, how: str) -> None:
        """A worker has not done a job: another has to."""
        job.at.pop(worker, None)
        job.tried.add(worker)
        job.mishaps.append(f"{worker.address} {how}")
        if job.of.over or job.at:
            return
        if len(job.mishaps) < ATTEMPTS:
            self._crew.report(f"{job.of.name}: worker {worker.address} {how}; to be {job.work} again: {job}")
            self._again.append(job)
        else:
            self._fail(job.of, f"{ATTEMPTS} times {job} could not be {job.work}: {'; '.join(job.mishaps)}")

    def _put_together(self, experiment: _Experiment) -> None:
        if experiment.left() == 0:
            arguments, count = (experiment.config, experiment.parts), len(experiment.config.members)
            self._again.appendleft(Job(experiment, 0, count, join_and_record, arguments, PART, "put together"))

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


def _above(shown: tqdm, report: Callable[[str], None]) -> Callable[[str], None]:
    """`report` for lines above a bar, which would else end up in it."""

    def told(line: str) -> None:
        with shown.external_write_mode():
            report(line)

    return told
