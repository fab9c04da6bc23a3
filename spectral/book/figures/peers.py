"""Figures of the chapter on other ways to small networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import legend_below, line, reference
from spectral.book.figures.style import COLUMN, LEAST, NEUTRAL, ROLES, Role
from spectral.stats.intervals import Interval

LOOKS = {
    "spectral": ROLES["spectral"],
    "lasso": ROLES["lasso"],
    "l1": Role("", "#009E73", (0, (5, 1))),
    "ridge": Role("", "#D55E00", "-."),
    "slimming": Role("", "#CC79A7", ":"),
    "magnitude": Role("", "#D55E00", "-."),
    "taylor": Role("", "#E69F00", (0, (3, 1, 1, 1))),
    "rewind": Role("", "#009E73", (0, (5, 1))),
    "cluster": Role("", "#CC79A7", ":"),
    "grow": Role("", "#56B4E9", (0, (8, 2))),
    "search": Role("", "#000000", "--"),
}
"""Colours and lines of the ways; the spectral student and the group lasso have the book's. A panel has each once."""


class Series(NamedTuple):
    """Numbers of some of the rows of a panel of `dots`."""

    label: str
    values: Mapping[str, Interval]
    hollow: bool = False


def curves(
    nodes: ArrayLike, panels: Mapping[str, Mapping[str, Interval]], words: Mapping[str, str], teacher_hidden: int
) -> None:
    """Test error against nodes: a panel for each kind of ways, a line for each way."""
    _, axes = plt.subplots(len(panels), 1, figsize=(COLUMN, 4.2 * len(panels)), sharex=True, sharey=True, squeeze=False)
    for ax, (title, ways) in zip(axes[:, 0], panels.items(), strict=True):
        for way, errors in ways.items():
            look = LOOKS[way]
            line(ax, nodes, errors, label=words[way], colour=look.colour, style=look.line)
        reference(ax, teacher_hidden, "$h_T$", axis="x")
        ax.set(title=title, yscale="log", ylabel="test error / $E[y^2]$")
        ax.legend(loc="upper right")
    axes[-1, 0].set_xlabel("nodes")


def dots(
    rows: Sequence[str],
    panels: Mapping[str, Sequence[Series]],
    *,
    log: Mapping[str, bool],
    at: Mapping[str, float] | None = None,
) -> None:
    """A row for each way, from the top, and a panel for each number: points with their intervals."""
    size = max(6, 2 + 1.8 * len(panels)), 1.6 + 0.34 * len(rows)
    figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    places, several = np.arange(len(rows)), any(len(series) > 1 for series in panels.values())
    for ax, (title, every) in zip(axes[0], panels.items(), strict=True):
        for series in every:
            known = [place for place, row in enumerate(rows) if row in series.values]
            found = [series.values[row] for row in rows if row in series.values]
            value, low, high = (np.array([getattr(one, part) for one in found]) for part in ("value", "low", "high"))
            ax.errorbar(
                value,
                known,
                xerr=[value - low, high - value],
                fmt="o",
                color=NEUTRAL if series.hollow else ROLES["spectral"].colour,
                markerfacecolor="white" if series.hollow else None,
                capsize=3,
                linewidth=1.5,
                label=series.label,
            )
        if at and title in at:
            ax.axvline(at[title], color=NEUTRAL, linewidth=1)
        ax.set(xscale="log" if log.get(title) else "linear", xlabel=title)
        if log.get(title) and ax.get_xlim()[1] / ax.get_xlim()[0] < 30:  # too little for powers of ten
            ax.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
            ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            ax.xaxis.set_minor_formatter(NullFormatter())
        ax.xaxis.label.set_size("small")
        ax.grid(axis="y", linewidth=0.5, alpha=0.5)
    axes[0, 0].set_yticks(places, rows, fontsize=LEAST)
    axes[0, 0].set_ylim(len(rows) - 0.5, -0.5)
    if several:
        legend_below(figure, axes[0, 0], columns=2)
