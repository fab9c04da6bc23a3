"""The chapters as notebooks, and how a test executes one."""

import os
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.translators import translate_parameters
from rendered import ROOT

os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # the kernel is the one of this environment, whatever a user's folder has

CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))


def code(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def names(path: Path) -> set[str]:
    """The parameters of a chapter, as papermill reads them."""
    return set(papermill.inspect_notebook(str(path)))


def begin(path: Path, **parameters) -> dict[str, Any]:
    """The names after a chapter's first two cells, with the caller's parameters between them as papermill puts them."""
    declared, opening = (cell.source for cell in code(path)[:2])
    injected = translate_parameters("python3", "python", parameters, "Parameters")
    names: dict[str, Any] = {"In": []}
    for source in (declared, injected, opening):
        names["In"].append(source)
        exec(source, names)
    return names


def execute(path: Path, tmp_path: Path, **parameters) -> nbformat.NotebookNode:
    return papermill.execute_notebook(
        path, tmp_path / "out.ipynb", parameters=parameters, progress_bar=False, cwd=str(tmp_path)
    )
