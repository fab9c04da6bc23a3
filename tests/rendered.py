"""The book as a reader has it: the pages of its table of contents, and how they are built."""

import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def pages() -> list[str]:
    """The pages in the order of the table of contents, without endings: `book/index`, ..."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    return [toc["root"], *(page["file"] for chapter in chapters for page in (chapter, *chapter.get("sections", [])))]


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
