"""What the chapter on tables of one's own shows: an answer in words and tables, and what the book's own tables say."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from spectral.apply.rightsize import RightSize, Settings, nodes_text
from spectral.apply.tables import Table, TableError, read_table
from spectral.book.figures.owndata import LOOKS, Planted, Row
from spectral.book.markdown import table
from spectral.lab.config import ConfigError
from spectral.stats.intervals import Interval

BUNDLED = {"diabetes": "target"}
"""Tables that come with scikit-learn, by name, and their targets."""

Answers = Sequence[Mapping[str, Any]]
"""Entries of ``book/tables.json``; see `spectral.bench.owndata`."""


def read(data: str, target: str, task: str) -> Table:
    """The table that a chapter's parameters name.

    Raises
    ------
    ConfigError
        If it cannot be read.
    """
    tasks: dict[str, Literal["auto", "regression", "classification"]] = {
        "auto": "auto",
        "regression": "regression",
        "classification": "classification",
    }
    if task not in tasks:
        raise ConfigError(f"task must be one of {', '.join(tasks)}; got {task!r}")
    source: Any = Path(data)
    if data in BUNDLED:
        source, target = importlib.import_module("sklearn.datasets").load_diabetes(as_frame=True).frame, BUNDLED[data]
    if not target:
        raise ConfigError(f"target must name the column of {data} that is to be predicted")
    try:
        return read_table(source, target, task=tasks[task])
    except TableError as error:
        raise ConfigError(str(error)) from None


def settings(**values: Any) -> Settings:
    """`Settings`, whose errors are `ConfigError`."""
    try:
        return Settings(**values)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def answer(found: RightSize) -> Any:
    """A box with the answer."""
    from IPython.display import Markdown

    students = f"{found.interval:.1f} over {len(found.sizes)} students"
    count = nodes_text(found.nodes)
    if found.doubt is None:
        title, text = count, f"{count} ({students}); {found.recurrence:.2f} of what one student says is in another."
    else:
        title, text = "No size is named", f"Since {found.doubt}. The estimate would be {count} ({students})."
    return Markdown("\n".join([f":::{{admonition}} {title}", text, "", *(f"- {note}" for note in found.notes), ":::"]))


def others(found: RightSize) -> Any:
    """A table of the models that were tested, theirs beside the small network's."""
    score = "R²" if found.table.task == "regression" else "accuracy"
    rows = [
        (name, f"{value:.3f}", f"{found.score[name]:.3f}", f"{found.beyond[name]:.3f}" if name in found.beyond else "")
        for name, value in found.test.items()
    ]
    return table(("model", "test loss", score, "beyond the small network"), *rows)


def of_way(answers: Answers, way: str, *, made: bool) -> dict[str, Mapping[str, Any]]:
    """By name of a table the answer in one way; of the made tables, or of the real ones."""
    return {entry["table"]: entry for entry in answers if entry["way"] == way and _made(entry) == made}


def planted(answers: Answers) -> list[Planted]:
    """Of the tables that were made, for the figure."""
    return [
        Planted(_label(name), entry["known"], interval(entry["interval"]), interval(entry["recurrence"]))
        for name, entry in of_way(answers, "spectral", made=True).items()
    ]


def known_answers(answers: Answers) -> Any:
    """A table of the tables that were made."""
    rows = [
        (
            _label(name),
            f"{interval(entry['interval']):.1f}",
            f"{interval(entry['recurrence']):.2f}",
            "yes" if entry["named"] else "no",
        )
        for name, entry in of_way(answers, "spectral", made=True).items()
    ]
    return table(("made of", "nodes found", "recurrence", "named"), *rows)


def holds(entry: Mapping[str, Any]) -> bool:
    """Whether the interval of an answer holds the nodes that the table was made with."""
    low, high = entry["interval"][1:]
    return bool(low - 1e-9 <= entry["known"] <= high + 1e-9)


def rows(answers: Answers) -> list[Row]:
    """Of the real tables, for the figure."""
    found = []
    for name in of_way(answers, "search", made=False):  # the last way: where it is there, all are
        ways = {way: of_way(answers, way, made=False)[name] for way in LOOKS}
        found.append(
            Row(
                name,
                {way: interval(entry["interval"]) for way, entry in ways.items()},
                {way: entry["named"] for way, entry in ways.items()},
            )
        )
    return found


def beyond(answers: Answers) -> tuple[dict[str, list[Interval]], list[str]]:
    """By model, the test losses beyond the small networks' of all real tables; and the tables' names."""
    real = of_way(answers, "spectral", made=False)
    models: dict[str, list[Interval]] = {"linear": [], "wide, no penalty": [], "gradient boosting": []}
    for entry in real.values():
        for model, name in zip(models, (_linear(entry), _wide(entry), "gradient boosting"), strict=True):
            models[model].append(interval(entry["beyond"][name]))
    return models, list(real)


def worth(answers: Answers) -> Any:
    """A table of what small networks of the real tables are worth, beside other models."""
    lines = []
    for name, entry in of_way(answers, "spectral", made=False).items():
        scores = entry["score"]
        shown = [scores["small network"], scores[_wide(entry)], scores[_linear(entry)], scores["gradient boosting"]]
        size = f"{name}, {entry['rows']:,} × {entry['columns']}"
        lines.append((size, entry["nodes"], *(f"{value:.2f}" for value in shown)))
    return table(("table, rows × columns", "nodes", "small", "wide", "linear", "boosting"), *lines)


def counts(answers: Answers) -> dict[str, int]:
    """How many of the real tables, and of the made ones, do what the text speaks of."""
    real, made = (of_way(answers, "spectral", made=made) for made in (False, True))
    planted = [entry for entry in made.values() if entry["known"]]
    wider = of_way(answers, "spectral, wider", made=False)
    return {
        "real": len(real),
        "named": sum(entry["named"] for entry in real.values()),
        "no_worse_than_linear": sum(entry["beyond"][_linear(entry)][2] >= 0 for entry in real.values()),
        "better_than_linear": sum(entry["beyond"][_linear(entry)][1] > 0 for entry in real.values()),
        "like_wide": sum(low <= 0 <= high for _, low, high in (one["beyond"][_wide(one)] for one in real.values())),
        "same_from_wider": sum(_overlap(real[name]["interval"], wider[name]["interval"]) for name in real),
        "few": sum(entry["nodes"] <= 4 for entry in real.values()),
        "planted": len(planted),
        "held": sum(map(holds, planted)),
        "agreed": sum(entry["recurrence"][0] >= 0.9 for entry in planted),
    }


def interval(triple: Sequence[float | None]) -> Interval:
    """What JSON keeps as [value, low, high]."""
    value, low, high = (float("nan") if part is None else part for part in triple)
    return Interval(value, low, high)


def _made(entry: Mapping[str, Any]) -> bool:
    return entry["table"].startswith(("planted", "linear", "noise"))


def _linear(entry: Mapping[str, Any]) -> str:
    return "ridge" if entry["task"] == "regression" else "logistic regression"


def _wide(entry: Mapping[str, Any]) -> str:
    return next(model for model in entry["beyond"] if model.endswith("no penalty"))


def _label(name: str) -> str:
    """What a made table is called where it is shown."""
    return name.removeprefix("planted, ").replace(" nodes, ", " nodes, no. ")


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[1] <= other[2] and other[1] <= one[2]
