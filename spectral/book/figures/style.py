"""One style for all figures, and what the protagonists look like.

Colours belong to roles and keep them through the book. They are from the palette of Okabe and Ito, with a red that is
one, and told apart with the common colour vision deficiencies; roles differ in line style too, so that they survive
print without colour. Signs and maps have the colours of `SIGNS`, which are no role's.

A figure is `COLUMN` wide, so that its text can be read on a telephone. One that is wider on a wide screen asks for
its axes by `axes_of`, and is drawn a second time with `narrow`, its panels below each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Line = str | tuple[int, tuple[int, ...]]


class Role(NamedTuple):
    """How one protagonist is drawn everywhere."""

    label: str
    colour: str
    line: Line


ROLES = {
    "teacher": Role("teacher", "#000000", "--"),
    "spectral": Role("spectral student", "#0072B2", "-"),
    "whole": Role("spectral student, not pruned", "#56B4E9", (0, (8, 2))),
    "wide": Role("spectral student, wider second layer", "#882255", (0, (4, 1, 1, 1, 1, 1))),
    "matched": Role("direct student, same settings", "#CC3311", "-."),
    "unpenalised": Role("spectral student, no penalty on λ", "#009E73", (0, (5, 1))),
    "published": Role("direct student, published settings", "#CC79A7", ":"),
    "lasso": Role("direct student, group lasso", "#E69F00", (0, (3, 1, 1, 1))),
    "other": Role("another random teacher", "#777777", (0, (1, 2))),
}
SHORT = {"spectral": "spectral", "lasso": "group lasso", "matched": "same settings", "published": "published"}
"""Names of students at the ends of their lines."""

NEUTRAL = "#666666"

SIGNS = "BrBG"
"""The map of colours around a centre: brown below, teal above."""

POSITIVE, NEGATIVE = "#01665E", "#8C510A"
"""Ends of `SIGNS`, for what has a sign and no size."""

COLUMN, ROW = 5.2, 7.2
"""Widths of figures in inches: of one column, and of panels side by side."""

LEAST = 9.6
"""The smallest text in points: at `COLUMN` it has 9 pixels where 350 are left for the figure."""

_side_by_side = True


def use_style() -> None:
    """Set the book's style, and vector graphics with reproducible content in notebooks.

    The ground is opaque white: a transparent figure cannot be read on a dark page.
    """
    sns.set_theme(context="notebook", style="ticks", palette="colorblind")
    plt.rcParams.update(
        {
            "figure.figsize": (COLUMN, 3.6),
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": "medium",
            "font.size": 12,
            "text.color": "black",
            "axes.labelcolor": "black",
            "xtick.labelcolor": "black",
            "ytick.labelcolor": "black",
            "axes.labelsize": 11.5,
            "xtick.labelsize": 10.5,
            "ytick.labelsize": 10.5,
            "legend.fontsize": LEAST,
            "legend.frameon": False,
            "svg.hashsalt": "spectral",
        }
    )
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    set_matplotlib_formats("svg", metadata={"Date": None})


def axes_of(
    count: int, *, columns: int = 2, height: float = 3.4, width: float | None = None, **keywords: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with axes for some panels, of a `height` in inches each: in rows of so many `columns`.

    Drawn `narrow` they stand below each other. With a `width`, in inches, all of them together are as wide as that on a
    wide screen. `keywords` are those of ``plt.subplots``. Places without a panel are left empty.
    """
    across = min(columns, count) if _side_by_side else 1
    down = -(-count // across)
    wide = COLUMN if across == 1 else width or ROW
    figure, axes = plt.subplots(down, across, figsize=(wide, height * down), squeeze=False, **keywords)
    for spare in axes.flat[count:]:
        spare.remove()
    return figure, list(axes.flat[:count])


@contextmanager
def narrow() -> Iterator[None]:
    """In here `axes_of` stand below each other, and `side_by_side` is False."""
    global _side_by_side
    _side_by_side = False
    try:
        yield
    finally:
        _side_by_side = True


def side_by_side() -> bool:
    """Whether a figure may be `ROW` wide; where not, it is one column."""
    return _side_by_side


def leftmost(axes: Sequence[Axes], columns: int | None = None) -> Sequence[Axes]:
    """Of axes of `axes_of` those without others to their left: one of each row of so many `columns`, or of one row."""
    return axes[:: columns or len(axes)] if _side_by_side else axes


def shades(role: str, count: int) -> list[str]:
    """Colours for `count` variants of one role, from light to dark."""
    colour = ROLES[role].colour
    ends = sns.light_palette(colour, 8)[3], sns.dark_palette(colour, 8)[3]
    return sns.blend_palette([ends[0], colour, ends[1]], count).as_hex() if count > 1 else [colour]


def size_colours(count: int) -> list[str]:
    """Colours for `count` sizes, from dark for small ones to bright; the brightest can still be seen on white."""
    palette = sns.color_palette("viridis", 256).as_hex()
    return [palette[index] for index in np.linspace(0, 215, count).round().astype(int)]
