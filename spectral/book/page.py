"""A chapter's page: what every chapter of the book does, on one object that its second cell opens.

    page = Page("05-size", globals())

checks the parameters. From then on the page says which results the chapter shows and obtains them, hands numbers to
its text, and shows figures with their numbers and the runs that these come from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from spectral.book import figures, parameters
from spectral.book.claims import HOLDS, announced
from spectral.book.figures.recording import record
from spectral.book.markdown import boxes, measured_text, table, tally_text
from spectral.book.obtain import Key, obtain, obtain_most, obtain_results, with_settings
from spectral.lab import presets
from spectral.lab.collection import Results
from spectral.lab.config import ExperimentConfig, unknown_name
from spectral.lab.results import Result
from spectral.lab.sweep import readable_time
from spectral.stats.intervals import Interval

FIGURE = "application/vnd.spectral.figure+json"
"""The type under which a figure's output holds what the book's pages need of it besides the drawing."""

PUBLISHED_BATCH = 500
"""Patterns in a batch of the published direct students, which needs as many to train on."""


class Page:
    """One chapter.

    Parameters
    ----------
    chapter:
        Its file's name without ending, as ``05-size``.
    namespace:
        The notebook's ``globals()``, with the parameters cell executed.

    Attributes
    ----------
    values:
        The chapter's parameters by name.

    Raises
    ------
    ConfigError
        If a parameter is unknown or has another type than declared, before any work.
    """

    table = staticmethod(table)

    def __init__(self, chapter: str, namespace: Mapping[str, Any]) -> None:
        self._chapter, self._namespace = chapter, namespace
        self.values = parameters.checked(namespace)
        figures.use_style()

    def config(self, **fixed: Any) -> ExperimentConfig:
        """The chapter's experiment: its parameters where they are fields of `ExperimentConfig`, and `fixed` ones.

        Raises
        ------
        ConfigError
            If a value is impossible.
        """
        names = {field.name for field in fields(ExperimentConfig)}
        return ExperimentConfig.from_mapping({n: v for n, v in self.values.items() if n in names} | fixed)

    def twins(self, config: ExperimentConfig) -> dict[str, ExperimentConfig]:
        """A spectral configuration and its controls, by role; where patterns are few, without the published one.

        A line says so: the published settings need `PUBLISHED_BATCH` patterns in a batch.
        """
        twins = {"spectral": config, "lasso": config.direct_twin("lasso"), "matched": config.direct_twin()}
        if config.train_patterns >= PUBLISHED_BATCH:
            return twins | {"published": config.direct_twin("published")}
        print(f"left out: the published direct students need {PUBLISHED_BATCH} training patterns")
        return twins

    def obtain(self, configs: Mapping[Key, ExperimentConfig]) -> dict[Key, Result]:
        """`spectral.book.obtain.obtain` with the chapter's patience."""
        return obtain(configs, self.values["patience"])

    def results(self, *designs: str, needed: str = "", **wanted: Any) -> Results:
        """The results of the chapter's preset, with its settings: of some designs, and of what else is `wanted`.

        `wanted` is as in `spectral.lab.collection.Results.select`. If one experiment is `needed`, by name, others may
        be missing; see `spectral.book.obtain.obtain_most`.

        Raises
        ------
        ConfigError, NotTrained
            As in `spectral.book.obtain`.
        """
        every = Results(presets.experiments(self.values["preset"]), _no_result)
        chosen = with_settings(every.select(design=designs, **wanted), self.values.get("settings", ""))
        if needed:
            return obtain_most(chosen, self.values["patience"], needed)
        return obtain_results(chosen, self.values["patience"])

    def widths(self, available: Sequence[int] | None = None) -> list[int]:
        """The chapter's parameter `widths` as numbers, smallest first.

        Raises
        ------
        ConfigError
            If it holds anything else, or a width that is not `available`.
        """
        return parameters.parse_widths(self.values["widths"], available)

    def say(self, spec: str = "", /, **values: object) -> None:
        """Hand numbers to the chapter's text, where ``{glue:text}`` shows them by name.

        With a `spec`, as in ``.1f``, numbers and intervals are formatted by it. None and NaN are a dash: a thin preset
        has no such thing.
        """
        from myst_nb import glue

        for name, value in values.items():
            glue(name, _said(value, spec), display=False)

    def verdict(self, *claims: str) -> Any:
        """The boxes of some claims, as they were announced: statement, what was measured, the rule, the verdict."""
        entries = {entry["id"]: entry for entry in announced()}
        for claim in claims:
            if claim not in entries:
                raise unknown_name("claim", claim, entries)
        return boxes([entries[claim] for claim in claims])

    def say_claims(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Hand a ledger to the text: how many claims have which verdict, and of claim "size" what its tests measured.

        The names are ``tally.paper``, ``tally.ours``, ``size.1``, ``size.2`` and so on, and ``size.3.cells`` for in how
        many cells the third test of that claim holds, as in ``2 of 3``.
        """
        self.say(**{f"tally.{of}": tally_text(entries, of) for of in ("paper", "ours")})
        for entry in entries:
            for number, test in enumerate(entry["tests"], 1):
                self.say(**{f"{entry['id']}.{number}": measured_text(test)})
                if test["cells"]:
                    held = f"{test['words'].count(HOLDS)} of {len(test['cells'])}"
                    self.say(**{f"{entry['id']}.{number}.cells": held})

    def show(
        self,
        draw: Callable[..., object],
        *arguments: Any,
        runs: Iterable[Result] = (),
        live: tuple[str, Mapping[str, Any]] | None = None,
        **keywords: Any,
    ) -> None:
        """Draw a figure, and show it with what the book's pages need besides.

        That is its variant for telephones, its numbers, and the `runs` that it was made from: how many trials, what
        trained them, for how long, and how to repeat it. Caption, name and alternative text stand in the cell's
        metadata. A figure that moves is `live`: its name, and its data, which go to ``_static/live-NAME.js``.

        Raises
        ------
        RuntimeError
            As `spectral.book.figures.recording.record`.
        """
        from IPython.display import display

        drawn, runs = record(draw, *arguments, **keywords), list(runs)
        figure = {
            "narrow": drawn.narrow,
            "smallest": list(drawn.smallest),
            "numbers": drawn.numbers,
            "runs": [result.provenance["hash"] for result in runs],
            "made": _made(runs),
            "repeat": parameters.papermill_command(self._chapter, self._namespace),
            "live": None if live is None else {"name": live[0], "data": dict(live[1])},
        }
        display({"image/svg+xml": drawn.svg, FIGURE: figure}, raw=True)


def _made(runs: Sequence[Result]) -> str:
    """How many trials, what trained them, and for how long; empty if nothing was trained."""
    if not runs:
        return ""
    first = runs[0].provenance
    seconds = sum(result.provenance["cpu_seconds"] for result in runs)
    return (
        f"{_count(runs, 'teachers')} × {_count(runs, 'trials')}, {_count(runs, 'epochs')}; trained in "
        f"{readable_time(seconds)} of processor time on {first['machine']} ({first['device']}), "
        f"torch {first['torch'].split('+')[0]}, {first['date'][:10]}"
    )


def _said(value: object, spec: str) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, Interval) or (spec and not isinstance(value, str)):
        return format(value, f"z{spec}" if isinstance(value, float) else spec)  # zero has no sign
    return str(value)


def _no_result(experiment: presets.Experiment) -> Result:
    raise NotImplementedError(f"{experiment.name} was chosen from, not asked for")


def _count(results: Sequence[Result], what: str) -> str:
    """How many there are of something, as in ``1 teacher`` or ``500 to 2,000 epochs``."""
    numbers = sorted({getattr(result.config, what) for result in results})
    ends = " to ".join(f"{number:,}" for number in numbers[:: max(1, len(numbers) - 1)])
    return f"{ends} {what if numbers[-1] > 1 else what[:-1]}"
