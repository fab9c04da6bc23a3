"""What a notebook shows of an error whose message says all: the message, and the line of the cell that it comes from.

Notebooks otherwise show forty lines of how the program came there. With ``SPECTRAL_TRACEBACK=1`` in the environment
they do so of these errors, too.
"""

from __future__ import annotations

import os
import traceback


class Told:
    """A base of exceptions whose messages say what arrived, what was expected, and what to do."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        assert isinstance(self, BaseException)
        if os.environ.get("SPECTRAL_TRACEBACK"):
            return "".join(traceback.format_exception(self)).splitlines()
        lines = [f"{type(self).__name__}: {self}"]
        frames = traceback.extract_tb(self.__traceback__)
        cell = next((frame for frame in frames if frame.name.startswith(("<module>", "<cell"))), None)
        if cell is not None and cell.line:
            lines.append(f"in line {cell.lineno} of the cell: {cell.line}")
        return lines
