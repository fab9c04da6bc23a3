"""Build the pages of the book with Jupyter Book, whose sixty lines go to a file.

    python book/render.py _build/source _build/book --log _build/book.log

What it warns of is shown, and the end of the file if it fails. With `--sphinx PACKAGES`, a folder of packages that stand
for those of the environment, the pages are built by Sphinx alone, from the ``conf.py`` that Jupyter Book makes of
``_config.yml`` and ``_toc.yml``, in the source's folder; nothing else of Jupyter Book can be imported then, and warnings
are errors.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import yaml

from execute import PAGES, in_words, load_times, save_times

COLOURS = re.compile("\x1b\\[[0-9;]*m")

SHOWN = 25
"""Lines of the log, of a build that failed."""

ITS_OWN = (
    "jupyter_book",
    "sphinx_comments",
    "sphinx_jupyterbook_latex",
    "sphinx_thebe",
)
"""Extensions that Jupyter Book adds, and of which no page of this book has anything."""

JUPYTER_BOOK = Path(sys.executable).with_name("jupyter-book")


def render(source: Path, out: Path, log: Path, packages: Path | None) -> int:
    """Build the pages of `source` below `out`, and return the status of that."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        to_log = {"stdout": file, "stderr": subprocess.STDOUT}
        if packages is None:
            call = [JUPYTER_BOOK, "build", source, "--path-output", out]
            return subprocess.run(call, **to_log).returncode
        call = [JUPYTER_BOOK, "config", "sphinx", source]
        if status := subprocess.run(call, **to_log).returncode:
            return status
        with (source / "conf.py").open("a") as conf:
            conf.write(without_jupyter_book(source))
        call = [sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going"]
        call += ["--doctree-dir", out.with_name("doctrees"), source, out]
        found = os.environ | {"PYTHONPATH": str(packages.resolve())}
        return subprocess.run(call, **to_log, env=found).returncode


def without_jupyter_book(source: Path) -> str:
    """The end of ``conf.py``: what Jupyter Book does when it builds, and nothing of its own."""
    config = yaml.safe_load((source / "_config.yml").read_text())
    local = config["sphinx"]["local_extensions"].values()
    folders = sorted({str((source / folder).resolve()) for folder in local})
    return f"""
import sys

sys.modules["jupyter_book"] = None  # importing it fails
sys.path += {folders}
extensions = [name for name in extensions if name not in {ITS_OWN}]
"""


def main() -> int:
    """Run the command line; exit status as of Jupyter Book, 130 if interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, metavar="SOURCE")
    parser.add_argument("out", type=Path, metavar="FOLDER")
    parser.add_argument("--log", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--times", type=Path, metavar="FILE", help="of the last time"
    )
    parser.add_argument(
        "--sphinx",
        type=Path,
        metavar="PACKAGES",
        help="build without Jupyter Book",
    )
    options = parser.parse_args()
    known, start = (
        load_times(options.times).get("pages", PAGES),
        time.monotonic(),
    )
    print(f"building the pages, about {in_words(known)}", flush=True)
    try:
        status = render(
            options.source, options.out, options.log, options.sphinx
        )
    except KeyboardInterrupt:
        print("interrupted; `make book` goes on where it stopped")
        return 130
    lines = COLOURS.sub(
        "", options.log.read_text(errors="replace")
    ).splitlines()
    warnings = [line for line in lines if "WARNING: " in line]
    if status:
        print(*warnings, *lines[-SHOWN:], sep="\n", file=sys.stderr)
        print(
            f"the pages were not built; all of it: {options.log}",
            file=sys.stderr,
        )
        return status
    for line in warnings:
        print(line, file=sys.stderr)
    took = time.monotonic() - start
    save_times(options.times, {"pages": took})
    print(f"pages built in {in_words(took)}; what Sphinx said: {options.log}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
