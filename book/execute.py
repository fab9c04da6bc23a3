"""Execute chapters with papermill, and write them, with their outputs.

    python book/execute.py book/03-training.ipynb
    python book/execute.py --into _build/source/book --jobs 2 book/*.ipynb

Without a folder to write into, the committed outputs are refreshed. A chapter is
replaced only once all of its cells have run, and holds no path and no metadata of
the run: of the machine it says what it says itself under its figures.
"""

import argparse
import heapq
import json
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # loaded where they are used: Ctrl-C is welcome at any moment
    import nbformat
    from papermill.exceptions import PapermillExecutionError

# The kernel is the one of this environment, whatever a user's folder has.
os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"

SECONDS = 8.0
"""What a chapter takes of which nothing is known."""

NOTED: list[int] = []
"""Interrupts of this process that its next chapter must not miss."""

PAGES = 30.0
"""What building the pages takes, of which nothing is known."""


def scrub(notebook: "nbformat.NotebookNode") -> None:
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


def execute(chapter: Path, target: Path) -> None:
    """Execute a chapter, and replace `target` once that is done."""
    import nbformat
    import papermill

    notebook = papermill.execute_notebook(
        chapter, None, progress_bar=False, kernel_name="python3"
    )
    scrub(notebook)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    nbformat.write(notebook, unfinished)
    os.replace(unfinished, target)


def told(chapter: Path, error: "PapermillExecutionError") -> str:
    """What failed, and then where; with its traceback where the kernel gives one."""
    from papermill.exceptions import strip_color

    text = [f"{error.ename}: {error.evalue}"]
    text.append(f"  in {chapter}, In [{error.exec_count}]")
    shown = strip_color("\n".join(error.traceback)).splitlines()
    if shown[:1] == text[0].splitlines()[:1]:  # an error of the project's own
        rest = shown[len(text[0].splitlines()) :]
        text += [f"  {line.strip()}" for line in rest]
        text.append("  --traceback shows how the program came there")
    else:
        text += shown
    return "\n".join(text)


def attempt(chapter: Path, target: Path) -> tuple[float, str]:
    """Execute a chapter in a process of its own: how long it took, why it failed."""
    start = time.monotonic()
    try:
        heed_interrupts()
        from papermill.exceptions import PapermillExecutionError

        execute(chapter, target)
    except KeyboardInterrupt:
        # What nbclient was waiting for is given up, and asyncio would tell of it.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        NOTED.append(signal.SIGINT)  # another chapter may wait in this process
        raise
    except PapermillExecutionError as error:
        return time.monotonic() - start, told(chapter, error)
    finally:
        note_interrupts()
    return time.monotonic() - start, ""


def begin(place: str) -> None:
    """Begin a process that executes chapters; what its kernels need meanwhile lies in a folder."""
    note_interrupts()
    os.environ["TMPDIR"] = tempfile.tempdir = place


def note_interrupts() -> None:
    """Only note Ctrl-C, while there is nothing to end here."""
    signal.signal(signal.SIGINT, lambda number, frame: NOTED.append(number))


def heed_interrupts() -> None:
    """Let Ctrl-C interrupt from here on, as one does that was noted before."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if NOTED:
        raise KeyboardInterrupt


def load_times(path: Path | None) -> dict[str, float]:
    """The seconds that chapters and pages took last, by name; empty if unknown."""
    try:
        return dict(json.loads(path.read_text())) if path else {}
    except (OSError, ValueError):
        return {}


def save_times(path: Path | None, times: Mapping[str, float]) -> None:
    """Keep them, with those that are there."""
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        every = {name: round(seconds, 1) for name, seconds in times.items()}
        path.write_text(json.dumps(load_times(path) | every, indent=1) + "\n")


def in_words(seconds: float) -> str:
    """A duration, as in 40 s or 2 min 5 s."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def span(seconds: Sequence[float], jobs: int) -> float:
    """How long chapters take together, the next one where a process is free."""
    ends = [0.0] * jobs
    for one in seconds:
        heapq.heapreplace(ends, ends[0] + one)
    return max(ends)


def say(text: str) -> None:
    """Print a line, over what a progress bar of a chapter may have left in it."""
    print(f"\r\x1b[K{text}" if sys.stdout.isatty() else text, flush=True)


def execute_all(
    chapters: Sequence[Path], into: Path | None, jobs: int, times: Path | None
) -> list[Path]:
    """Execute chapters side by side, telling how far it is; return those that failed."""
    known = load_times(times)
    expected = {one: known.get(one.stem, SECONDS) for one in chapters}
    queue = sorted(chapters, key=lambda one: -expected[one])
    total = span([expected[one] for one in queue], jobs)
    pages = known.get("pages", PAGES) if into else 0
    then = f"; then the pages, about {in_words(pages)}" if into else ""
    count = len(queue)
    some = f"{count} chapter" + "s" * (count > 1)
    say(f"{some} to execute, about {in_words(total)}{then}")
    failed, took = [], {}
    start = time.monotonic()
    note_interrupts()  # the processes begin with it
    with (
        tempfile.TemporaryDirectory(prefix="book-") as place,
        ProcessPoolExecutor(jobs, initializer=begin, initargs=[place]) as pool,
    ):
        try:
            running = {
                pool.submit(attempt, one, into / one.name if into else one): one
                for one in queue
            }
            heed_interrupts()
            for number, done in enumerate(as_completed(running), 1):
                chapter = running[done]
                took[chapter], error = done.result()
                pace = sum(took.values()) / sum(map(expected.get, took))
                left = (
                    max(0.0, pace * total - (time.monotonic() - start)) + pages
                )
                rest = (
                    f"; about {in_words(left)} left" if number < count else ""
                )
                how = "failed after" if error else "in"
                name = f"chapter {number:{len(str(count))}} of {count}: {chapter.stem}"
                say(f"{name} {how} {in_words(took[chapter])}{rest}")
                if error:
                    failed.append(chapter)
                    print(error, file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            good = {one.stem: took[one] for one in took if one not in failed}
            save_times(times, good)
    return failed


def main() -> int:
    """Run the command line; exit status 1 if a cell fails, 130 if interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", type=Path, nargs="*", metavar="CHAPTER")
    parser.add_argument(
        "--into", type=Path, metavar="FOLDER", help="default: in place"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="side by side"
    )
    parser.add_argument(
        "--times", type=Path, metavar="FILE", help="of the last time"
    )
    parser.add_argument(
        "--traceback", action="store_true", help="of errors, all of it"
    )
    options = parser.parse_args()
    if not options.chapters:
        print("no chapter has changed")
        return 0
    if options.traceback:
        os.environ["SPECTRAL_TRACEBACK"] = "1"  # which spectral.errors reads
    try:
        failed = execute_all(
            options.chapters, options.into, max(1, options.jobs), options.times
        )
    except KeyboardInterrupt:
        goes_on = "`make book` goes on where it stopped"
        kept = "the chapters that are through are kept"
        say(f"interrupted; {goes_on if options.into else kept}")
        return 130
    if failed:
        names = ", ".join(one.stem for one in failed)
        print(f"{len(failed)} of {len(options.chapters)} failed: {names}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
