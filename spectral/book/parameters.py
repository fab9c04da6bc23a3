"""A chapter's parameters: declared with types in its first code cell, checked before any work.

The cell is tagged ``parameters`` and holds lines as ``student_hidden: int = 60  # hidden nodes of the student``;
papermill puts the caller's values into a cell after it. Papermill itself only warns of a name that it does not know
and checks no type, so this does both.

What a chapter has no parameter for it takes in one text, its parameter ``settings``: any field of `ExperimentConfig`
as ``name=value``, as in ``"activation=tanh input_dim=5"``. `given` reads both together.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from spectral.lab.config import ConfigError, check_type, parse_settings, unknown_name
from spectral.lab.config import parameters as fields

_INJECTED = "# Parameters"  # how papermill begins the cell that it adds

_FIELDS = {field.name: field for field in fields()}  # of `ExperimentConfig`


class Declared(NamedTuple):
    """A parameter as its chapter declares it."""

    kind: str
    default: Any


def declared(namespace: Mapping[str, Any]) -> dict[str, Declared]:
    """The annotated assignments of the notebook cells so far, by name."""
    found = {}
    for _, statement in _statements(namespace):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            kind, default = ast.unparse(statement.annotation), ast.literal_eval(statement.value)
            found[statement.target.id] = Declared(kind, default)
    if not found:  # nbval keeps no history of cells, and injects nothing: values are defaults
        annotations = namespace.get("__annotations__", {})
        found = {name: Declared(kind.__name__, namespace[name]) for name, kind in annotations.items()}
    return found


class Given(NamedTuple):
    """What a chapter is to be executed with.

    Attributes
    ----------
    values:
        Its parameters by name. One that ``settings`` name has the value that they give.
    settings:
        The fields of `ExperimentConfig` that ``settings`` name, with their values.
    """

    values: dict[str, Any]
    settings: dict[str, Any]

    @property
    def fields(self) -> dict[str, Any]:
        """What it says of an experiment, in its settings and in parameters that are fields of `ExperimentConfig`."""
        return {name: value for name, value in self.values.items() if name in _FIELDS} | self.settings


def given(namespace: Mapping[str, Any]) -> Given:
    """The chapter's parameters and settings.

    Raises
    ------
    ConfigError
        If papermill was given a name that the parameters cell does not declare (a misspelled or unused parameter), a
        parameter has another type than declared, a setting is none or impossible, or something is given twice with
        different values.
    """
    known, injected = declared(namespace), set()
    for cell, statement in _statements(namespace):
        if cell.startswith(_INJECTED) and isinstance(statement, ast.Assign):
            injected |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
    for name in sorted(injected - set(known)):
        raise _not_declared(name, known)
    values = {name: check_type(name, namespace[name], parameter.kind) for name, parameter in known.items()}
    settings = _read(str(values.get("settings", "")), values)
    for name, value in settings.items():
        if name in injected and values[name] != value:
            raise ConfigError(f"{name} is given twice: {values[name]!r} as parameter, {value!r} in settings")
    return Given({name: settings.get(name, value) for name, value in values.items()}, settings)


def _not_declared(name: str, known: Iterable[str]) -> ConfigError:
    if "settings" in known and name in _FIELDS:
        return ConfigError(
            f"{name} is not a parameter of this chapter, but can be set: -r settings '{name}=VALUE' (one text for all "
            "settings, with spaces between)"
        )
    return unknown_name("parameter", name, known)


def _read(text: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a text holds, beside a chapter's parameters."""
    pairs = text.split()
    names = [pair.partition("=")[0] for pair in pairs]
    for name in names:
        if name in values and name not in _FIELDS:
            raise ConfigError(f"{name} is a parameter of this chapter and no setting: give it as such, by its own name")
        if names.count(name) > 1:
            raise ConfigError(f"settings give {name} {names.count(name)} times; got {text!r}")
    return {name: _FIELDS[name].check(value) for name, value in parse_settings(pairs).items()}


def _statements(namespace: Mapping[str, Any]) -> Iterator[tuple[str, ast.stmt]]:
    """The statements of the notebook cells so far, each with the text of its cell."""
    for cell in namespace["In"]:
        try:
            statements = ast.parse(cell).body
        except SyntaxError:  # a cell with a magic: no parameters in there
            continue
        yield from ((cell, statement) for statement in statements)


def papermill_command(chapter: str, namespace: Mapping[str, Any]) -> str:
    """The shell command that executes a chapter again, with the parameters that are not at their defaults.

    Texts are passed raw (``-r``): papermill would take ``-p widths 60`` for a number.
    """
    changed = [
        f" -{'r' if parameter.kind == 'str' else 'p'} {name} {shlex.quote(str(namespace[name]))}"
        for name, parameter in declared(namespace).items()
        if namespace[name] != parameter.default
    ]
    return f"papermill book/{chapter}.ipynb out.ipynb{''.join(changed)}"


def parse_widths(text: str, available: Iterable[int] | None = None) -> list[int]:
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


def check_between(name: str, value: float, low: float, high: float) -> None:
    """Raise ConfigError unless a parameter lies between two bounds, both excluded."""
    if not low < value < high:
        raise ConfigError(f"{name} must lie between {low:g} and {high:g} (both excluded); got {value}")


def check_least(name: str, value: float, least: float) -> None:
    """Raise ConfigError unless a parameter is at least as large as that."""
    if not value >= least:
        raise ConfigError(f"{name} must be at least {least:g}; got {value}")
