"""The chapters as notebooks, and how a test executes one."""

import contextlib
import os
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import papermill
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from papermill.translators import translate_parameters
from rendered import ROOT
from traitlets.config import Config

os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # the kernel is the one of this environment, whatever a user's folder has

CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))


def code(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def names(path: Path) -> set[str]:
    """The parameters of a chapter, as papermill reads them."""
    return set(papermill.inspect_notebook(str(path)))


def sources(path: Path, **parameters) -> list[str]:
    """The code of a chapter's cells, with the caller's parameters where papermill puts them."""
    declared, *others = (cell.source for cell in code(path))
    return [declared, translate_parameters("python3", "python", parameters, "Parameters"), *others]


def run(path: Path, tmp_path: Path, *, cells: int | None = None, **parameters) -> list[str]:
    """Run a chapter's cells, or so many of them, in a shell of this process from another folder: no kernel is started.

    Returns what has run. An error of a cell is raised.
    """
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    InteractiveShell._instance = shell  # what displays, displays there
    try:
        with contextlib.chdir(tmp_path), capture_output(), plt.rc_context():
            for source in sources(path, **parameters)[: cells and cells + 1]:
                shell.run_cell(source, store_history=True).raise_error()
    finally:
        InteractiveShell.clear_instance()
    return shell.user_ns["In"][1:]


def execute(path: Path, tmp_path: Path, **parameters) -> nbformat.NotebookNode:
    return papermill.execute_notebook(
        path, tmp_path / "out.ipynb", parameters=parameters, progress_bar=False, cwd=str(tmp_path)
    )
