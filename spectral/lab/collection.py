"""The results of many experiments together: read when they are first asked for, chosen by what they are there for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any, NamedTuple, TypeVar

from numpy.typing import ArrayLike

from spectral.errors import Told
from spectral.lab.presets import Experiment
from spectral.lab.results import Result, WeightsNotKept, run
from spectral.lab.store import Store
from spectral.stats.intervals import Interval, Statistic, by_teacher, estimate, estimate_share, mean

T = TypeVar("T")

_FIELDS = {field.name for field in fields(Experiment)}


class MissingResult(Told, LookupError):
    """A result that was asked for has not been computed, or is of no experiment here."""


class NotComputed(MissingResult):
    """An experiment is here, and its result not in the store."""


class Results(Mapping[Experiment, Result]):
    """From experiments to their results, and what has been made of these.

    Parameters
    ----------
    experiments:
        What there is, in the order in which it is shown.
    read:
        What gives the result of one of them, or raises MissingResult; called once for each.

    Examples
    --------
    >>> from spectral.lab.presets import experiments
    >>> results = Results.stored(experiments("paper"), Store.default())
    >>> [experiment.name for experiment in results.select(design="grid", student="spectral", student_hidden=[40, 60])]
    ['grid/spectral/40', 'grid/spectral/60']
    """

    def __init__(self, experiments: Iterable[Experiment], read: Callable[[Experiment], Result]) -> None:
        self._experiments = {experiment.name: experiment for experiment in experiments}
        self._read = read
        self._results: dict[Experiment, Result] = {}
        self._derived: dict[tuple[Any, ...], Any] = {}

    @classmethod
    def stored(cls, experiments: Iterable[Experiment], store: Store) -> Results:
        """Those that are in the store; of others NotComputed is raised when they are asked for."""

        def read(experiment: Experiment) -> Result:
            if not store.has(experiment.config.hash()):
                raise NotComputed(f"{experiment.name} ({experiment.config.hash()}) is not in the store")
            return run(experiment.config, store=store)

        return cls(experiments, read)

    def __getitem__(self, experiment: Experiment) -> Result:
        if self._experiments.get(experiment.name) != experiment:
            raise MissingResult(f"{experiment.name} is none of the {len(self)} experiments here")
        if experiment not in self._results:
            self._results[experiment] = self._read(experiment)
        return self._results[experiment]

    def __contains__(self, experiment: object) -> bool:
        """Whether it is one of these; its result need not have been computed."""
        return experiment in self._experiments.values()

    def __iter__(self) -> Iterator[Experiment]:
        return iter(self._experiments.values())

    def __len__(self) -> int:
        return len(self._experiments)

    def named(self, name: str) -> Experiment:
        """The experiment of that name; raises MissingResult if there is none."""
        if name not in self._experiments:
            raise MissingResult(f"there is no experiment {name}")
        return self._experiments[name]

    def select(self, **wanted: Any) -> list[Experiment]:
        """The experiments of which all that is `wanted` is true, in their order.

        Names are fields of `Experiment` or of its configuration; a list or tuple as value means one of its entries.
        """
        return [one for one in self if all(_is(_field(one, name), value) for name, value in wanted.items())]

    def one(self, **wanted: Any) -> Experiment:
        """The one experiment of `select`; raises MissingResult unless there is exactly one."""
        found = self.select(**wanted)
        if len(found) != 1:
            raise MissingResult(f"{len(found)} of the experiments here have {wanted}; one is needed")
        return found[0]

    def table(self, *fields: str, **wanted: Any) -> dict[Any, Result]:
        """The results of `select`, by the values of one field or of several, as in ``["spectral", 200]``."""
        chosen = self.select(**wanted)
        keys = [tuple(_field(one, name) for name in fields) for one in chosen]
        return {key if len(fields) > 1 else key[0]: self[one] for key, one in zip(keys, chosen, strict=True)}

    def derived(self, make: Callable[..., T], experiment: Experiment, *arguments: Any) -> T:
        """``make(result, *arguments)`` of an experiment's result, made once and kept as long as this."""
        key = make, experiment, *arguments
        if key not in self._derived:
            self._derived[key] = make(self[experiment], *arguments)
        return self._derived[key]


def _field(experiment: Experiment, name: str) -> Any:
    return getattr(experiment if name in _FIELDS else experiment.config, name)


def _is(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, (list, tuple)) else bool(value == wanted)


class Sample(NamedTuple):
    """The members that several results can be compared by.

    Attributes
    ----------
    members:
        Their indices, teacher by teacher.
    teachers, trials:
        T, and K of each teacher.
    """

    members: list[int]
    teachers: int
    trials: int

    def estimate(self, values: ArrayLike, statistic: Statistic = mean, *, log: bool = False) -> Interval:
        """What the values of these members, (E, ...), amount to; see `spectral.stats.intervals.estimate`."""
        return estimate(by_teacher(values, self.teachers), statistic, log=log)

    def share(self, parts: ArrayLike, of: int = 1) -> Interval:
        """Which part of some things are so, from each member's part (E,) of its `of`; alone where there are few units.

        See `spectral.stats.intervals.share`.
        """
        return estimate_share(by_teacher(parts, self.teachers), of)


def comparable(*results: Result) -> Sample:
    """The members whose weights all of some results have kept: as many trials of every teacher that has one.

    The results must have the same teachers and trials.

    Raises
    ------
    WeightsNotKept
        If there is no such member.
    """
    config = results[0].config
    there = set(range(config.teachers * config.trials)).intersection(*(result.kept for result in results))
    kept = [
        [n for n in range(t * config.trials, (t + 1) * config.trials) if n in there] for t in range(config.teachers)
    ]
    kept = [members for members in kept if members]
    if not kept:
        raise WeightsNotKept(f"of no member have all {len(results)} results kept the weights; compare fewer of them")
    trials = min(map(len, kept))
    return Sample([n for members in kept for n in members[:trials]], len(kept), trials)
