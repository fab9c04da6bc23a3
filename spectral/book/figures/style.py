"""One style for all figures, and what the protagonists look like.

Colours belong to roles and keep them through the book. They are from the palette of Okabe and Ito, told apart with
the common colour vision deficiencies; roles differ in line style too, so that they survive print without colour.
"""

from __future__ import annotations

from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

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
    "matched": Role("direct student, same settings", "#D55E00", "-."),
    "unpenalised": Role("spectral student, no penalty on λ", "#009E73", (0, (5, 1))),
    "published": Role("direct student, published settings", "#CC79A7", ":"),
    "lasso": Role("direct student, group lasso", "#E69F00", (0, (3, 1, 1, 1))),
    "other": Role("another random teacher", "#777777", (0, (1, 2))),
}
MOST_CURVES = 10
POSITIVE, NEGATIVE, NEUTRAL = "#0072B2", "#D55E00", "#666666"


def use_style() -> None:
    """Set the book's style, and vector graphics with reproducible content in notebooks.

    The ground is opaque white: a transparent figure cannot be read on a dark page.
    """
    sns.set_theme(context="notebook", style="ticks", palette="colorblind")
    plt.rcParams.update(
        {
            "figure.figsize": (6, 3.8),
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": "medium",
            "font.size": 12,
            "legend.frameon": False,
            "svg.hashsalt": "spectral",
        }
    )
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    set_matplotlib_formats("svg", metadata={"Date": None})


def shades(role: str, count: int) -> list[str]:
    """Colours for `count` variants of one role, from light to dark."""
    colour = ROLES[role].colour
    ends = sns.light_palette(colour, 8)[3], sns.dark_palette(colour, 8)[3]
    return sns.blend_palette([ends[0], colour, ends[1]], count).as_hex() if count > 1 else [colour]


def size_colours(count: int) -> list[str]:
    """Colours for `count` sizes, from dark for small ones to bright; the brightest can still be seen on white."""
    palette = sns.color_palette("viridis", 256).as_hex()
    return [palette[index] for index in np.linspace(0, 215, count).round().astype(int)]
