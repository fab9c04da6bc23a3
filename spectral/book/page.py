"""A chapter's page: what every chapter of the book does, on one object that its second cell opens.

    page = Page("05-size", globals())

checks the parameters. From then on the page says which results the chapter shows and obtains them, hands numbers to
its text, and shows figures with their numbers and the runs that these come from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from typing import Any

from spectral.book import figures, parameters
from spectral.book.claims import HOLDS, announced
from spectral.book.figures.recording import record
from spectral.book.markdown import boxes, measured_text, table, tally_text
from spectral.book.obtain import Key, obtain, obtain_most, obtain_results
from spectral.lab import presets
from spectral.lab.collection import Results
from spectral.lab.config import ConfigError, ExperimentConfig, unknown_name
from spectral.lab.results import Result
from spectral.lab.sweep import readable_time
from spectral.stats.intervals import Interval

FIGURE = "application/vnd.spectral.figure+json"
"""The type under which a figure's output holds what the book's pages need of it besides the drawing."""


class Page:
    """One chapter.

    Parameters
    ----------
    chapter:
        Its file's name without ending, as ``05-size``.
    namespace:
        The notebook's ``globals()``, with the parameters cell executed. A parameter that ``settings`` name gets its
        value in there.

    Attributes
    ----------
    values:
        The chapter's parameters by name.
    settings:
        The fields of `ExperimentConfig` that its parameter ``settings`` names, with their values.

    Raises
    ------
    ConfigError
        As `spectral.book.parameters.given`, before any work.
    """

    table = staticmethod(table)

    def __init__(self, chapter: str, namespace: MutableMapping[str, Any]) -> None:
        self._given = parameters.given(namespace)
        self._repeat = parameters.papermill_command(chapter, namespace)
        self.values, self.settings = self._given.values, self._given.settings
        namespace.update({name: value for name, value in self.settings.items() if name in self.values})
        figures.use_style()

    def config(self, **fixed: Any) -> ExperimentConfig:
        """The chapter's experiment: its parameters that are fields of `ExperimentConfig`, its settings, `fixed` ones.

        Of a setting that is fixed at another value a line says that it is left out.

        Raises
        ------
        ConfigError
            If a value is impossible.
        """
        for name, value in fixed.items():
            if self.settings.get(name, value) != value:
                print(f"left out: {name}={self.settings[name]}; in this chapter it is {value}")
        return ExperimentConfig.from_mapping(self._given.fields | fixed)

    def two_layers(self, **fixed: Any) -> ExperimentConfig:
        """As `config`, for a chapter that compares nodes of both layers with the teacher's.

        Raises
        ------
        ConfigError
            Also if the teacher has no second layer.
        """
        config = self.config(**fixed)
        if config.teacher != "two-layer":
            raise ConfigError(
                f"teacher must be two-layer, since this chapter looks at both layers; got {config.teacher!r}"
            )
        return config

    def twins(self, config: ExperimentConfig) -> dict[str, ExperimentConfig]:
        """A spectral configuration and its controls, by role; where patterns are few, without the published one.

        A line says so: the published settings need `spectral.lab.presets.PUBLISHED_BATCH` patterns in a batch.

        Raises
        ------
        ConfigError
            If the student is itself one of its controls.
        """
        if config.parametrization != "spectral":
            raise ConfigError(
                "parametrization must be spectral, since this chapter compares spectral students with direct ones; got "
                f"{config.parametrization!r}"
            )
        twins = presets.twins(config)
        if "published" not in twins:
            print(f"left out: the published direct students need {presets.PUBLISHED_BATCH} training patterns")
        return {role: twins[role] for role in ("spectral", "lasso", "matched", "published") if role in twins}

    def obtain(self, configs: Mapping[Key, ExperimentConfig]) -> dict[Key, Result]:
        """`spectral.book.obtain.obtain` with the chapter's patience.

        Of two students that have names as keys and are the same, with parameters that make them so, a line tells.
        """
        names: dict[ExperimentConfig, Key] = {}
        for name, config in configs.items():
            if isinstance(name, str) and names.setdefault(config, name) != name:
                print(f"with these parameters two students are the same: {names[config]!r} and {name!r}")
        return obtain(configs, self.values["patience"])

    def experiments(self, *designs: str, optional: Collection[str] = (), **wanted: Any) -> list[presets.Experiment]:
        """The experiments of some designs of the chapter's preset, with its settings.

        `wanted` is as in `spectral.lab.collection.Results.select`; of a field that settings fix it says nothing. Where
        settings fix what an `optional` design varies, experiments are left out, and a line says so.

        Raises
        ------
        ConfigError
            If the preset is unknown, a setting is impossible, two experiments become the same, or one of a design that
            is not optional would be left out.
        """
        preset, free = self.values["preset"], {n: value for n, value in wanted.items() if n not in self.settings}
        usual, found = (
            Results(presets.experiments(preset, settings, designs), _no_result).select(design=designs, **free)
            for settings in ({}, self.settings)
        )
        count = {one: sum(each.design == one for each in usual) for one in designs}
        lost = {one: max(0, number - sum(each.design == one for each in found)) for one, number in count.items()}
        text = self.values.get("settings", "")
        for design, number in lost.items():
            if number and design not in optional:
                raise ConfigError(
                    f"settings {text!r} leave out {number} of the {count[design]} experiments {design!r} that this "
                    "chapter compares: they vary what is fixed, or are impossible with it"
                )
        if any(lost.values()):
            why = "fixes what they vary, or is impossible there"
            print(f"left out: {sum(lost.values())} of {len(usual)} experiments: {text!r} {why}")
        return found

    def results(self, *designs: str, needed: str = "", optional: Collection[str] = (), **wanted: Any) -> Results:
        """The results of `experiments`.

        If one experiment is `needed`, by name, any others may be missing; see `spectral.book.obtain.obtain_most`.

        Raises
        ------
        ConfigError, NotTrained
            As there, and as in `spectral.book.obtain`.
        """
        chosen = self.experiments(*designs, optional=designs if needed else optional, **wanted)
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
            "repeat": self._repeat,
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
