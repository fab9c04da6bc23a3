"""Build the pages of the book with Jupyter Book, whose sixty lines go to a file.

    python book/render.py _build/source _build/book --log _build/book.log

What it warns of is shown, and the end of the file if it fails.
"""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

from execute import PAGES, in_words, load_times, save_times

COLOURS = re.compile("\x1b\\[[0-9;]*m")

SHOWN = 25
"""Lines of the log, of a build that failed."""


def render(source: Path, out: Path, log: Path) -> int:
    """Build the pages of `source` below `out`, and return the status of that."""
    command = Path(sys.executable).with_name("jupyter-book")
    call = [command, "build", source, "--path-output", out]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        return subprocess.run(
            call, stdout=file, stderr=subprocess.STDOUT
        ).returncode


def main() -> int:
    """Run the command line; exit status as of Jupyter Book, 130 if interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, metavar="SOURCE")
    parser.add_argument("out", type=Path, metavar="FOLDER")
    parser.add_argument("--log", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--times", type=Path, metavar="FILE", help="of the last time"
    )
    options = parser.parse_args()
    known, start = (
        load_times(options.times).get("pages", PAGES),
        time.monotonic(),
    )
    print(f"building the pages, about {in_words(known)}", flush=True)
    try:
        status = render(options.source, options.out, options.log)
    except KeyboardInterrupt:
        print("interrupted; `make book` goes on where it stopped")
        return 130
    lines = COLOURS.sub(
        "", options.log.read_text(errors="replace")
    ).splitlines()
    if status:
        print(*lines[-SHOWN:], sep="\n", file=sys.stderr)
        print(
            f"the pages were not built; all of it: {options.log}",
            file=sys.stderr,
        )
        return status
    for line in lines:
        if "WARNING: " in line:
            print(line, file=sys.stderr)
    took = time.monotonic() - start
    save_times(options.times, {"pages": took})
    print(f"pages built in {in_words(took)}; what Sphinx said: {options.log}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
