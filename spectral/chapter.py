"""What every chapter of the book does: take its parameters, say its numbers, and name where they come from.

A chapter is a notebook. Its first code cell, tagged ``parameters``, declares each parameter with its type
(``student_hidden: int = 60  # hidden nodes of the student``); papermill puts the caller's values into a cell after
it. Papermill itself only warns of a name that it does not know and checks no type, so the chapter does both.
"""

from __future__ import annotations

import ast
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import torch

from spectral.experiment import ConfigError, ExperimentConfig, Run, check_type, unknown_name

_PLAIN = (bool, int, float, str, list, tuple, dict, type(None))
_NOTEBOOK_NAMES = ("In", "Out")


def declared(cells: Iterable[str]) -> dict[str, str]:
    """The annotated assignments of some notebook cells: each name and its type, as written."""
    names = {}
    for cell in cells:
        try:
            statements = ast.parse(cell).body
        except SyntaxError:  # a cell with a magic: no parameters in there
            continue
        for statement in statements:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                names[statement.target.id] = ast.unparse(statement.annotation)
    return names


def parameters(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """The chapter's parameters and their values, checked; call it right after the parameters cell with ``globals()``.

    Raises
    ------
    ConfigError
        If the notebook holds a plain value under a name that its parameters cell does not declare (a misspelled
        or unused parameter), or a parameter has another type than declared.
    """
    known = declared(namespace["In"])
    for name, value in namespace.items():
        if name in known or name.startswith("_") or name in _NOTEBOOK_NAMES:
            continue
        if isinstance(value, _PLAIN):
            raise unknown_name("parameter", name, known)
    return {name: check_type(name, namespace[name], kind) for name, kind in known.items()}


def config(values: Mapping[str, Any], **fixed: Any) -> ExperimentConfig:
    """The experiment of a chapter: its parameters where they are fields of `ExperimentConfig`, and `fixed` ones."""
    names = {field.name for field in fields(ExperimentConfig)}
    return ExperimentConfig.from_mapping({name: value for name, value in values.items() if name in names} | fixed)


def say(**values: object) -> None:
    """Hand formatted values to the chapter's text, where ``{glue:text}`` shows them by name."""
    from myst_nb import glue

    for name, value in values.items():
        glue(name, str(value), display=False)


def command(notebook: str, values: Mapping[str, Any]) -> str:
    """The shell command that executes a chapter again with `values`."""
    options = " ".join(f"-p {name} {value}" for name, value in values.items())
    return f"papermill book/{notebook}.ipynb out.ipynb {options}".rstrip()


def provenance(notebook: str, values: Mapping[str, Any], *runs: Run) -> Any:
    """One line of Markdown under a figure: how many trials, what trained them, for how long, and how to repeat it."""
    from IPython.display import Markdown

    first = runs[0]
    device = first.student.first.phi.device
    machine = f"{platform.machine()} {device}, {os.cpu_count()} cores, torch {torch.__version__.split('+')[0]}"
    count = f"{first.config.teachers} teacher(s) × {first.config.trials} trial(s)"
    seconds = sum(run.seconds for run in runs)
    names = ", ".join(f"`{run.config.hash()}`" for run in runs)
    return Markdown(
        f"*{count}, {first.config.epochs:,} epochs, trained live in {seconds:.0f} s ({machine}). "
        f"Configurations {names}. To repeat:* `{command(notebook, values)}`"
    )


__all__ = ["ConfigError", "command", "config", "declared", "parameters", "provenance", "say"]
