"""Figures of the chapter on other ways to small networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import bars, line, reference
from spectral.book.figures.style import LEAST, NEUTRAL, ROLES, Role, axes_of, side_by_side
from spectral.stats.intervals import Interval

_INDIGO, _OLIVE, _PURPLE, _GREEN, _ROSE, _GREY = "#332288", "#999933", "#AA4499", "#117733", "#CC6677", "#444444"

LOOKS = {
    "spectral": ROLES["spectral"],
    "lasso": ROLES["lasso"],
    "l1": Role("", _PURPLE, (0, (5, 1))),
    "ridge": Role("", _INDIGO, "-."),
    "slimming": Role("", _OLIVE, ":"),
    "magnitude": Role("", _INDIGO, "-"),
    "taylor": Role("", _OLIVE, (0, (3, 1, 1, 1))),
    "rewind": Role("", _PURPLE, (0, (5, 1))),
    "cluster": Role("", _GREEN, ":"),
    "grow": Role("", _ROSE, (0, (8, 2))),
    "search": Role("", _GREY, "--"),
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
    _, axes = axes_of(len(panels), height=3.8, sharex=True, sharey=True)
    for ax, (title, ways) in zip(axes, panels.items(), strict=True):
        for way, errors in ways.items():
            look = LOOKS[way]
            line(ax, nodes, errors, label=words[way], colour=look.colour, style=look.line)
        reference(ax, teacher_hidden, "$h_T$", axis="x")
        ax.set(title=title, yscale="log", ylabel="test error, thousandths of E[y²]", xlabel="nodes")
        ax.tick_params(labelbottom=True)
        ax.legend(loc="upper right", bbox_to_anchor=(1, 0.97))
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(low, 15 * high)  # room for the legends


def dots(
    rows: Mapping[str, str],
    panels: Mapping[str, Sequence[Series]],
    *,
    log: Mapping[str, bool],
    at: Mapping[str, float] | None = None,
) -> None:
    """A row for each way, by name what it is called, from the top; a panel for each number: points with intervals."""
    figure, axes = axes_of(len(panels), columns=3, height=1.1 + 0.27 * len(rows))
    shared = side_by_side()
    for index, (ax, (title, every)) in enumerate(zip(axes, panels.items(), strict=True)):
        for series, shift in zip(every, np.linspace(-0.17, 0.17, len(every)) if len(every) > 1 else [0], strict=True):
            for place, (way, name) in enumerate(rows.items()):
                if way in series.values:
                    _dot(ax, place + shift, series, series.values[way], LOOKS[way].colour, name)
        if at and title in at:
            ax.axvline(at[title], color=NEUTRAL, linewidth=1)
        ax.set(xscale="log" if log.get(title) else "linear", xlabel=title)
        if log.get(title) and ax.get_xlim()[1] / ax.get_xlim()[0] < 30:  # too little for powers of ten
            ax.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
            ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            ax.xaxis.set_minor_formatter(NullFormatter())
        ax.xaxis.label.set_fontsize(LEAST + 0.6)
        ax.grid(axis="y", linewidth=0.5, alpha=0.5)
        ax.set_yticks(range(len(rows)), [] if shared and index else rows.values(), fontsize=LEAST)
        ax.set_ylim(len(rows) - 0.5, -0.5)
    named = [series for every in panels.values() for series in every if series.label]
    if named:
        figure.legend(handles=[_mark(series) for series in named], loc="outside lower center", ncols=2)


def _dot(ax: Axes, place: float, series: Series, found: Interval, colour: str, name: str) -> None:
    ax.errorbar(
        [found.value],
        [place],
        xerr=bars(found),
        fmt="o",
        color=colour,
        markerfacecolor="white" if series.hollow else colour,
        capsize=3,
        linewidth=1.5,
        label=f"{name}, {series.label}" if series.label else name,
    )


def _mark(series: Series) -> Line2D:
    """Its entry in a legend."""
    face = "white" if series.hollow else NEUTRAL
    return Line2D([], [], linestyle="", marker="o", color=NEUTRAL, markerfacecolor=face, label=series.label)
