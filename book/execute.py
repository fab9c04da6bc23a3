"""Execute a chapter with papermill and write it, with its outputs, where it is asked for.

    python book/execute.py book/03-training.ipynb TARGET.ipynb

TARGET may be the chapter itself: that refreshes the committed outputs. It is replaced only once all cells have run,
and holds no path, time or version of the machine, so that git shows changes of the results and nothing else.
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
        if cell.cell_type == "code":
            cell.metadata["tags"] = [
                tag
                for tag in cell.metadata.get("tags", [])
                if not tag.startswith("papermill")
            ]
            if not cell.metadata["tags"]:
                del cell.metadata["tags"]


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
