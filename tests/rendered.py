"""The book as a reader has it: the pages of its table of contents, and how they are built."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).parents[1]
PROGRAMS = ("chromium", "google-chrome", "chromium-browser")


def pages() -> list[str]:
    """The pages in the order of the table of contents, without endings: `book/index`, ..."""
    return list(parse_toc_yaml(ROOT / "_toc.yml"))


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that `make` fills, once for all tests that ask for it by this name, in whatever process they run."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    done = folder.with_suffix(".done")
    with FileLock(folder.with_suffix(".lock")):
        if not done.exists():
            make(folder)
            done.touch()
    return folder


def browser_program() -> str:
    """The browser of this machine, and that Playwright is there to steer it."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        absent("the Python package playwright; pip install -r requirements.txt")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        absent(f"one of {', '.join(PROGRAMS)}; on Debian: apt-get install chromium")
    return program


def absent(what: str) -> None:
    """Skip aloud; in CI fail, so that the test is not lost there in silence."""
    message = f"THE BOOK WAS NOT OPENED IN A BROWSER. Missing: {what}"
    if os.environ.get("CI"):
        pytest.fail(f"{message} (CI is set, so this is a failure)", pytrace=False)
    pytest.skip(message)


def build(out: Path) -> Path:
    """The folder of pages made from the committed chapters, with warnings as errors."""
    command = Path(sys.executable).with_name("jupyter-book")
    call = [command, "build", ROOT, "--path-output", out, "-W", "-n", "--keep-going"]
    built = subprocess.run(call, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout[-3_000:] + built.stderr[-3_000:]
    return html(out)


def html(out: Path) -> Path:
    """Where `build` leaves the pages."""
    return out / "_build" / "html"
