"""The bar that shows how far a training is, to whoever waits for it: on a terminal, in Jupyter Lab, or by papermill.

A program that executes a notebook keeps what cells print, and nobody sees it meanwhile. So there the bar goes past the
notebook to the terminal that the kernel was started from, and nothing of it is kept. In a notebook that somebody looks
at it stands below the cell, and goes when it is full.
"""

from __future__ import annotations

import io
import os
import sys
from typing import IO, Any

from tqdm import tqdm


def bar(total: int, what: str, shown: bool | None = None) -> tqdm:
    """A bar of so many steps, which leaves nothing when it is closed.

    Parameters
    ----------
    what:
        What is counted: epochs, steps.
    shown:
        Whether to show it; None for: where somebody looks.
    """
    to = None if shown is False else _viewer()
    off = None if shown is None and to is None else shown is False
    return tqdm(total=total, desc=what, leave=False, disable=off, file=to)


def _viewer() -> IO[str] | None:
    """Where a bar of a notebook is seen; None where there is no notebook, or nobody."""
    # Not imported: training needs no notebooks, and where one runs this is loaded.
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return None
    if getattr(kernel, "_allow_stdin", False):  # who can be asked something sees the notebook
        return _Below()
    terminal = getattr(sys.stderr, "_original_stdstream_copy", None)  # what the kernel's own log goes to
    if not isinstance(terminal, int) or not os.isatty(terminal):
        return None
    return open(terminal, "w", encoding="utf-8", closefd=False)


class _Below(io.StringIO):
    """A file whose last line stands below a notebook's cell."""

    encoding = "utf-8"
    _place: Any = None

    def write(self, text: str) -> int:
        line = text.strip("\r\n")
        if not line:
            return len(text)
        data = {"text/plain": line.strip()}
        if self._place is None:
            if data["text/plain"]:
                self._place = sys.modules["IPython"].display.display(data, raw=True, display_id=True)
        else:
            self._place.update(data, raw=True)
        return len(text)
