"""What every chapter of the book does: take its parameters, say its numbers, and name where they come from.

A chapter is a notebook. Its first code cell, tagged ``parameters``, declares each parameter with its type
(``student_hidden: int = 60  # hidden nodes of the student``); papermill puts the caller's values into a cell after
it. Papermill itself only warns of a name that it does not know and checks no type, so the chapter does both.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from torch import Tensor

from spectral.book.claims import announced, read_claims
from spectral.book.quantities import NOT_REPRODUCED, PARTLY, REPRODUCED, Statistic, mean
from spectral.lab import presets
from spectral.lab.config import ConfigError, ExperimentConfig, check_type, parse_settings, unknown_name
from spectral.lab.files import REPOSITORY
from spectral.lab.results import Runs, run
from spectral.lab.store import Store
from spectral.lab.sweep import expected_seconds, readable_time
from spectral.stats.intervals import Interval, bootstrap

_INJECTED = "# Parameters"  # how papermill begins the cell that it adds

Key = TypeVar("Key")

MOST_NAMES = 6
"""How many runs a line of provenance names."""

_INTERVAL = re.compile(r"\[([-+\d.e]+), ([-+\d.e]+)\]")
"""An interval, which no line of a table should break within."""

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

MARKS = {REPRODUCED: "✔", PARTLY: "◐", NOT_REPRODUCED: "✘"}
"""What stands beside a verdict, so that it is told by more than its words."""


class NotTrained(LookupError):
    """Runs that a chapter shows are not in the store, and training them takes longer than it may."""


class Parameter(NamedTuple):
    """A parameter as its chapter declares it."""

    kind: str
    default: Any


def declared(namespace: Mapping[str, Any]) -> dict[str, Parameter]:
    """The annotated assignments of the notebook cells so far, by name."""
    found = {}
    for _, statement in _statements(namespace):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            kind, default = ast.unparse(statement.annotation), ast.literal_eval(statement.value)
            found[statement.target.id] = Parameter(kind, default)
    if not found:  # nbval keeps no history of cells, and injects nothing: values are defaults
        annotations = namespace.get("__annotations__", {})
        found = {name: Parameter(kind.__name__, namespace[name]) for name, kind in annotations.items()}
    return found


def parameters(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """The chapter's parameters and their values, checked; call it after the parameters cell with ``globals()``.

    Raises
    ------
    ConfigError
        If papermill was given a name that the parameters cell does not declare (a misspelled or unused parameter), or
        a parameter has another type than declared.
    """
    known = declared(namespace)
    for cell, statement in _statements(namespace):
        if cell.startswith(_INJECTED) and isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name) and target.id not in known:
                    raise unknown_name("parameter", target.id, known)
    return {name: check_type(name, namespace[name], parameter.kind) for name, parameter in known.items()}


def _statements(namespace: Mapping[str, Any]) -> Iterator[tuple[str, ast.stmt]]:
    """The statements of the notebook cells so far, each with the text of its cell."""
    for cell in namespace["In"]:
        try:
            statements = ast.parse(cell).body
        except SyntaxError:  # a cell with a magic: no parameters in there
            continue
        yield from ((cell, statement) for statement in statements)


def config(values: Mapping[str, Any], **fixed: Any) -> ExperimentConfig:
    """The experiment of a chapter: its parameters where they are fields of `ExperimentConfig`, and `fixed` ones."""
    names = {field.name for field in fields(ExperimentConfig)}
    return ExperimentConfig.from_mapping({name: value for name, value in values.items() if name in names} | fixed)


def experiments(preset: str, settings: str, *prefixes: str) -> dict[str, ExperimentConfig]:
    """The experiments of a preset whose names begin with one of `prefixes`, with other `settings`.

    `settings` is a text of ``name=value`` pairs with spaces between them, as in ``"teacher_hidden=10 epochs=500"``.

    Raises
    ------
    ConfigError
        If the preset or a setting is unknown or impossible, or two experiments become the same by it.
    """
    changes = parse_settings(settings.split())
    found: dict[str, ExperimentConfig] = {}
    for name, config in presets.experiments(preset).items():
        if name.startswith(prefixes):
            changed = replace(config, **changes)
            twin = next((other for other, there in found.items() if there == changed), None)
            if twin is not None:
                raise ConfigError(f"settings {settings!r} make {name} and {twin} the same, which this chapter compares")
            found[name] = changed
    return found


def widths(text: str, available: Iterable[int] | None = None) -> list[int]:
    """The student widths that a chapter is asked to show, as in ``"10 40 500"``, smallest first.

    Raises
    ------
    ConfigError
        If the text holds no whole numbers above zero, or a width that is not `available` (that the preset has not).
    """
    asked = text.split()
    if available is None:
        if not asked or not all(re.fullmatch("0*[1-9][0-9]*", width) for width in asked):
            raise ConfigError(f"widths must hold whole numbers of nodes with spaces between, as 60 200; got {text!r}")
    else:
        known = sorted(set(available))
        if not asked or not set(asked) <= set(map(str, known)):
            raise ConfigError(f"widths must be some of {' '.join(map(str, known))}; got {text!r}")
    return sorted(set(map(int, asked)))


def obtain(configs: Mapping[Key, ExperimentConfig], patience: float) -> dict[Key, Runs]:
    """The runs of a chapter: from the store, or trained if all that is missing takes at most `patience` minutes.

    Raises
    ------
    NotTrained
        If it takes longer; says how long, and what to run.
    ConfigError
        If `patience` is negative.
    """
    if not patience >= 0:
        raise ConfigError(f"patience must be a number of minutes of at least 0; got {patience}")
    store = Store.default()
    missing = [config for config in configs.values() if not store.has(config.hash())]
    seconds = sum(map(expected_seconds, missing))
    if seconds > 60 * patience:
        raise NotTrained(
            f"{len(missing)} of the {len(configs)} runs that this chapter shows are not there, and training them takes "
            f"{readable_time(seconds)} on two cores, more than the {patience:g} minutes of its parameter patience. "
            f"{_how_to_train(missing)}, or give the chapter more patience. What is trained is kept"
        )
    return {key: run(config) for key, config in configs.items()}


class Sample(NamedTuple):
    """Members that several runs can be compared by: their indices, teacher by teacher, and how many of what."""

    members: list[int]
    teachers: int
    trials: int


def comparable(*runs: Runs) -> Sample:
    """The members whose weights all of some runs have kept: as many trials of every teacher that has one.

    The runs must have the same teachers and trials.
    """
    config = runs[0].config
    there = set(range(config.teachers * config.trials)).intersection(*(result.kept for result in runs))
    kept = [
        [n for n in range(t * config.trials, (t + 1) * config.trials) if n in there] for t in range(config.teachers)
    ]
    kept = [members for members in kept if members]
    trials = min(map(len, kept))
    return Sample([n for members in kept for n in members[:trials]], len(kept), trials)


def interval(values: Tensor | np.ndarray, sample: Sample, of: Statistic = mean) -> Interval:
    """What the values of a sample's members, (E,) or (E, n), amount to, with an interval as the ledger's.

    `of` maps (..., T, K, n) to (...), as in `spectral.book.quantities`. A single member has no interval (NaN), and
    neither has what could not be measured.
    """
    array = np.asarray(values, float).reshape(sample.teachers, sample.trials, -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = bootstrap(array, of, **read_claims()[1])
    return replace(found, low=np.nan, high=np.nan) if len(sample.members) == 1 else found


def obtain_most(configs: Mapping[Key, ExperimentConfig], patience: float, needed: Key) -> dict[Key, Runs]:
    """As `obtain`, but where that takes longer the missing runs are left out, and a line says so.

    For a chapter that shows many settings side by side, while a sweep is still under way.

    Raises
    ------
    NotTrained
        If the one that is `needed` is among those.
    ConfigError
        If `patience` is negative.
    """
    try:
        return obtain(configs, patience)
    except NotTrained as error:
        store = Store.default()
        there = {key: config for key, config in configs.items() if store.has(config.hash())}
        if needed not in there:
            raise
        print(f"left out: {len(configs) - len(there)} settings. {error}")
        return obtain(there, patience)


def _how_to_train(missing: Sequence[ExperimentConfig]) -> str:
    for preset in presets.PRESETS:
        if set(missing) <= set(presets.experiments(preset).values()):
            return f"Train them with: python -m spectral sweep {preset}, which can be interrupted"
    return "Ask for fewer or smaller students"


def verdict(*claims: str) -> Any:
    """The boxes of some claims, as they were announced: statement, what was measured, the rule, the verdict."""
    entries = {entry["id"]: entry for entry in announced()}
    for claim in claims:
        if claim not in entries:
            raise unknown_name("claim", claim, entries)
    return boxes([entries[claim] for claim in claims])


def boxes(entries: Sequence[Mapping[str, Any]]) -> Any:
    """A box for each of some entries of `spectral.book.claims.announcement`."""
    from IPython.display import Markdown

    return Markdown("\n\n".join(map(_box, entries)))


def at_a_glance(entries: Sequence[Mapping[str, Any]]) -> Any:
    """A table with a row for each of some entries of `spectral.book.claims.announcement`, and a link to its chapter."""
    rows = [
        (
            entry["statement"],
            "<br>".join(measured(part) for part in entry["parts"]),
            _marked(entry["verdict"]),
            _link(entry["chapter"]),
        )
        for entry in entries
    ]
    return table(("claim", "measured", "verdict", "chapter"), *rows)


def _box(entry: Mapping[str, Any]) -> str:
    lines = [
        f":::{{admonition}} {_marked(entry['verdict'])}",
        f":class: verdict {entry['verdict'].split()[0]}",
        f"*{entry['statement']}*",
        "",
    ]
    for part in entry["parts"]:
        mark = f" {part['verdict'].capitalize()}." if len(entry["parts"]) > 1 else ""
        found = f"**{measured(part)}**, {part['sample']}" if part["measured"] else "Not measured yet"
        lines.append(f"- {part['meaning']} {found}. Rule: {rule(part)}.{mark}")
    if entry["changed"]:
        lines.append(f"- The rule was changed: {entry['changed']}")
    return "\n".join(
        [*lines, "", f"Claim `{entry['id']}`, judged at preset `paper`; {{doc}}`all claims </book/claims>`.", ":::"]
    )


def measured(part: Mapping[str, Any]) -> str:
    """What was measured of a part of an announced claim: value and 95 % interval."""
    if part["measured"] is None:
        return "–"
    value, low, high = (_number(x) for x in part["measured"])
    return f"{value} [{low}, {high}]"


def rule(part: Mapping[str, Any]) -> str:
    """The bounds of a part of an announced claim in words."""
    return f"reproduced if {_within(part['reproduced'])}, partly if {_within(part['partly'])}"


def _within(bounds: Sequence[float | None]) -> str:
    low, high = bounds
    if low is None or high is None:
        return f"at most {high:g}" if low is None else f"at least {low:g}"
    return f"within [{low:g}, {high:g}]"


def _number(value: float) -> str:
    """Three digits; two and a power of ten for what is small."""
    if value == 0 or abs(value) >= 0.01:
        return f"{value:#.3g}".rstrip(".")
    digits, power = f"{value:.1e}".split("e")
    return f"{digits}·10{str(int(power)).translate(_RAISED)}"


def say(**values: object) -> None:
    """Hand formatted values to the chapter's text, where ``{glue:text}`` shows them by name."""
    from myst_nb import glue

    for name, value in values.items():
        glue(name, str(value), display=False)


def _link(chapter: str) -> str:
    """The number of a chapter, which leads there unless the chapter is still to be written."""
    number = chapter.partition("-")[0].lstrip("0")
    there = (REPOSITORY / "book" / f"{chapter}.ipynb").exists()
    return f"{{doc}}`{number} </book/{chapter}>`" if there else f"{number}, to come"


def say_claims(entries: Sequence[Mapping[str, Any]]) -> None:
    """Hand a ledger to the book's text: of claim "size" the names ``size.statement``, ``.measured``, ``.verdict``."""
    for entry in entries:
        say(
            **{
                f"{entry['id']}.statement": entry["statement"],
                f"{entry['id']}.measured": "; ".join(map(measured, entry["parts"])),
                f"{entry['id']}.verdict": _marked(entry["verdict"]),
            }
        )


def _marked(verdict: str) -> str:
    return f"{MARKS.get(verdict, '–')} {verdict}"


def table(header: Sequence[str], *rows: Sequence[object]) -> Any:
    """A Markdown table of a few rows; everything is written as `str` writes it, and intervals are kept whole."""
    from IPython.display import Markdown

    lines = [header, ["---"] * len(header), *rows]
    text = "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
    return Markdown(_INTERVAL.sub("[\\1,\u00a0\\2]", text))


def command(notebook: str, namespace: Mapping[str, Any]) -> str:
    """The shell command that executes a chapter again, with the parameters that are not at their defaults.

    Texts are passed raw (``-r``): papermill would take ``-p widths 60`` for a number.
    """
    changed = [
        f" -{'r' if parameter.kind == 'str' else 'p'} {name} {shlex.quote(str(namespace[name]))}"
        for name, parameter in declared(namespace).items()
        if namespace[name] != parameter.default
    ]
    return f"papermill book/{notebook}.ipynb out.ipynb{''.join(changed)}"


def provenance(notebook: str, namespace: Mapping[str, Any], *runs: Runs) -> Any:
    """One line of Markdown under a figure: how many trials, what trained them, for how long, and how to repeat it."""
    from IPython.display import Markdown

    first = runs[0].provenance
    count = f"{_count(runs, 'teachers')} × {_count(runs, 'trials')}, {_count(runs, 'epochs')}"
    seconds = sum(run.provenance["cpu_seconds"] for run in runs)
    machine = first["machine"].replace(", 1 threads", ", 1 thread")  # as early runs have it
    names = ", ".join(f"`{run.provenance['hash']}`" for run in runs[:MOST_NAMES])
    if len(runs) > MOST_NAMES:
        names += f" and {len(runs) - MOST_NAMES} more (all are listed by `python -m spectral status`)"
    return Markdown(
        f"*{count}; trained in {readable_time(seconds)} of processor time on "
        f"{machine} ({first['device']}), torch {first['torch'].split('+')[0]}, {first['date'][:10]}. "
        f"Runs {names}. To repeat:* `{command(notebook, namespace)}`"
    )


def _count(runs: Sequence[Runs], what: str) -> str:
    """How many there are of something, as in ``1 teacher`` or ``500 to 2,000 epochs``."""
    numbers = sorted({getattr(run.config, what) for run in runs})
    ends = " to ".join(f"{number:,}" for number in numbers[:: max(1, len(numbers) - 1)])
    return f"{ends} {what if numbers[-1] > 1 else what[:-1]}"
