"""What every chapter of the book does: take its parameters, say its numbers, and name where they come from.

A chapter is a notebook. Its first code cell, tagged ``parameters``, declares each parameter with its type
(``student_hidden: int = 60  # hidden nodes of the student``); papermill puts the caller's values into a cell after
it. Papermill itself only warns of a name that it does not know and checks no type, so the chapter does both.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from spectral.experiment import ExperimentConfig, check_type, unknown_name
from spectral.runs import Runs
from spectral.sweep import readable_time

_INJECTED = "# Parameters"  # how papermill begins the cell that it adds


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


def say(**values: object) -> None:
    """Hand formatted values to the chapter's text, where ``{glue:text}`` shows them by name."""
    from myst_nb import glue

    for name, value in values.items():
        glue(name, str(value), display=False)


def table(header: Sequence[str], *rows: Sequence[object]) -> Any:
    """A Markdown table of a few rows; everything is written as `str` writes it."""
    from IPython.display import Markdown

    lines = [header, ["---"] * len(header), *rows]
    return Markdown("\n".join(f"| {' | '.join(map(str, line))} |" for line in lines))


def command(notebook: str, namespace: Mapping[str, Any]) -> str:
    """The shell command that executes a chapter again, with the parameters that are not at their defaults."""
    changed = [
        f" -p {name} {namespace[name]}"
        for name, parameter in declared(namespace).items()
        if namespace[name] != parameter.default
    ]
    return f"papermill book/{notebook}.ipynb out.ipynb{''.join(changed)}"


def provenance(notebook: str, namespace: Mapping[str, Any], *runs: Runs) -> Any:
    """One line of Markdown under a figure: how many trials, what trained them, for how long, and how to repeat it."""
    from IPython.display import Markdown

    config, first = runs[0].config, runs[0].provenance
    count = f"{_count(config.teachers, 'teacher')} × {_count(config.trials, 'trial')}"
    seconds = sum(run.provenance["cpu_seconds"] for run in runs)
    names = ", ".join(f"`{run.provenance['hash']}`" for run in runs)
    return Markdown(
        f"*{count}, {config.epochs:,} epochs; trained in {readable_time(seconds)} of processor time on "
        f"{first['machine']} ({first['device']}), torch {first['torch'].split('+')[0]}, {first['date'][:10]}. "
        f"Runs {names}. To repeat:* `{command(notebook, namespace)}`"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
