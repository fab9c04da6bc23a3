"""Execute a chapter with papermill and write it, with its outputs, where it is asked for.

    python book/execute.py book/03-training.ipynb TARGET.ipynb

TARGET may be the chapter itself: that refreshes the committed outputs. It is replaced only once all cells have run,
and holds no path and no metadata of the run: of the machine it says what the chapter itself says under its figures.
"""

import argparse
import os
import sys
from pathlib import Path

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError


def scrub(notebook: nbformat.NotebookNode) -> None:
    """Remove what papermill and the kernel leave of the machine: paths, times, versions."""
    notebook.metadata = {
        "kernelspec": {
            "display_name": "Python 3",
            "language": "python",
            "name": "python3",
        },
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        tags = cell.metadata.pop("tags", [])
        tags = [tag for tag in tags if not tag.startswith("papermill")]
        if tags:
            cell.metadata["tags"] = tags


def main() -> int:
    """Run the command line; exit status 1 if a cell fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapter", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    try:
        notebook = papermill.execute_notebook(
            arguments.chapter, None, progress_bar=False, kernel_name="python3"
        )
    except PapermillExecutionError as error:
        print(f"{arguments.chapter}: {error}", file=sys.stderr)
        return 1
    scrub(notebook)
    arguments.target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = arguments.target.with_suffix(".unfinished")
    nbformat.write(notebook, unfinished)
    os.replace(unfinished, arguments.target)
    print(f"{arguments.chapter} executed into {arguments.target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
