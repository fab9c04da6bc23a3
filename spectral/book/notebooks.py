"""What an executed chapter holds, as its notebook is stored: title, figures with their words, values in its text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spectral.book.page import FIGURE

GLUED = "application/papermill.record/text/plain"
"""The type under which an output holds a value that `spectral.book.page.Page.say` has handed to the text."""


@dataclass(frozen=True)
class Words:
    """The name, the caption and the alternative text of a figure; empty where there is none."""

    name: str
    caption: str
    alt: str


def figures(notebook: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every cell with a figure, and the data of its output: the drawing, and under `FIGURE` what pages need besides."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if FIGURE in output.get("data", {}):
                yield cell, output["data"]


def words(cell: Mapping[str, Any]) -> Words:
    """What a cell's metadata say of its figure."""
    settings = cell["metadata"].get("mystnb", {})
    figure = settings.get("figure", {})
    return Words(figure.get("name", ""), figure.get("caption", ""), settings.get("image", {}).get("alt", ""))


def text_of(source: str | list[str]) -> str:
    """A notebook's text, which is stored as one or in lines."""
    return source if isinstance(source, str) else "".join(source)


def title(notebook: Mapping[str, Any]) -> str:
    """The first heading of a notebook.

    Raises
    ------
    ValueError
        If it begins with none.
    """
    found = re.search(r"^# (.*)$", text_of(notebook["cells"][0]["source"]), re.MULTILINE)
    if found is None:
        raise ValueError("a notebook that does not begin with a heading is no chapter")
    return found[1]


def said(notebook: Mapping[str, Any]) -> dict[str, str]:
    """The values that a chapter has handed to its text, by name."""
    return {
        output["metadata"]["scrapbook"]["name"]: ast.literal_eval(text_of(output["data"][GLUED]))
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        if GLUED in output.get("data", {})
    }


def plain(caption: str, values: Mapping[str, str]) -> str:
    """A caption for who has no MyST: values in their places, no marks; formulas stay TeX.

    Examples
    --------
    >>> plain("**Nodes die** in {glue:text}`n` of students ({doc}`chapter 5 <05-size>`).", {"n": "30"})
    'Nodes die in 30 of students (chapter 5).'
    """
    text = re.sub(r"\{glue:text\}`([^`]+)`", lambda found: values[found[1]], caption)
    text = re.sub(r"\{numref\}`([^`]+)`", r"the figure “\1”", text)
    text = re.sub(r"\{\w+\}`([^`<]+?)(?: <[^>]*>)?`", r"\1", text)
    return re.sub(r"\*\*(.+?)\*\*", r"\1", text)
