"""Figures of the chapter on tables of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spectral.apply.rightsize import RightSize, nodes_text
from spectral.book.figures import peers
from spectral.book.figures.drawing import bars, legend_below
from spectral.book.figures.style import (
    COLUMN,
    LEAST,
    NEGATIVE,
    NEUTRAL,
    POSITIVE,
    ROLES,
    axes_of,
    shades,
    side_by_side,
    use_style,
)
from spectral.stats.intervals import Interval, stack


def loss_against_size(found: RightSize) -> None:
    """The validation loss at every size with its interval over students, the whole students', and the answer."""
    _loss_against_size(found)


def _loss_against_size(found: RightSize) -> Figure:
    figure, ax = plt.subplots(figsize=(COLUMN, 3.6))
    sizes, spectral, whole = np.asarray(found.ladder), ROLES["spectral"], ROLES["whole"]
    ax.fill_between(sizes, found.loss.low, found.loss.high, color=spectral.colour, alpha=0.2, lw=0)
    ax.plot(sizes, found.loss.value, color=spectral.colour, marker="o", ms=4, label="cut and trained on")
    ax.axhline(found.whole.value, color=whole.colour, ls=whole.line, label=f"whole, {found.settings.width} nodes")
    label = "size" if found.doubt is None else "estimate, not named"
    ax.axvline(found.nodes, color=NEUTRAL, ls=":", label=f"{label}: {nodes_text(found.nodes)}")
    ax.axvspan(max(found.interval.low, 0), found.interval.high, color=NEUTRAL, alpha=0.15, lw=0)
    ax.set_xscale("symlog", linthresh=10)
    shown = [size for size in (0, 2, 5, 10, 20, 50, 100, 200, 500) if size <= sizes[-1]]
    ax.set_xticks(shown, [str(size) for size in shown])
    ax.minorticks_off()
    lowest, highest = float(np.min(found.loss.value)), float(np.max(found.loss.value))
    regression = found.table.task == "regression"
    loss = "squared error, in variances of\nthe target" if regression else "cross entropy, in nats,\n"
    ax.set(xlabel="nodes", ylabel=f"{loss} (validation)")
    ax.set_yscale("log" if highest > 5 * lowest > 0 else "linear")
    legend_below(figure, ax)
    return figure


def save_curve(found: RightSize, path: Path) -> None:
    """The figure as a file, in the format that its name says."""
    with plt.rc_context():
        use_style()
        figure = _loss_against_size(found)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def against_others(found: RightSize) -> None:
    """By how much each other model's test loss is above the small network's, with its interval over rows."""
    _, ax = plt.subplots(figsize=(COLUMN, 1 + 0.32 * len(found.beyond)))
    _losses(ax, list(found.beyond.values()))
    ax.set_yticks(range(len(found.beyond)), list(found.beyond))
    ax.set(xlabel="test loss beyond the small network's")


def _losses(ax: Axes, values: Sequence[Interval]) -> None:
    """A row for each model, from the top: teal where the small network is better, brown where it is worse."""
    for place, one in enumerate(values):
        colour = POSITIVE if one.low > 0 else NEGATIVE if one.high < 0 else NEUTRAL
        face = "white" if colour == NEUTRAL else colour
        ax.errorbar(one.value, place, xerr=bars(one), color=colour, mfc=face, fmt="o", ms=5, capsize=3)
    ax.axvline(0, color=NEUTRAL, linewidth=1)
    ax.set_ylim(len(values) - 0.5, -0.5)
    ax.grid(axis="y", linewidth=0.5, alpha=0.5)


def beyond(panels: Mapping[str, Sequence[Interval]], rows: Sequence[str]) -> None:
    """By how much other models' test losses are above the small network's: a panel for each model, a row a table."""
    _, axes = axes_of(len(panels), columns=3, height=0.9 + 0.27 * len(rows), sharex=True)
    for index, (ax, (title, values)) in enumerate(zip(axes, panels.items(), strict=True)):
        _losses(ax, values)
        ax.set_xscale("symlog", linthresh=0.1)
        ax.set(
            title=title, xlabel="loss beyond\nthe small network's" if side_by_side() else "loss beyond the small one's"
        )
        ax.set_xticks([-1, -0.1, 0, 0.1, 1], ["−1", "−0.1", "0", "0.1", "1"])
        ax.minorticks_off()
        ax.tick_params(labelbottom=True)
        ax.set_yticks(range(len(rows)), [] if side_by_side() and index else rows, fontsize=LEAST)


class Planted(NamedTuple):
    """A table that was made: with how many nodes (None if it is not of nodes), what was found, and the recurrence."""

    label: str
    known: int | None
    nodes: Interval
    recurrence: Interval


def planted(rows: Sequence[Planted], certain: float) -> None:
    """Nodes that were found of tables that were made, and the recurrence of the students; a row each, from the top."""
    figure, (left, right) = axes_of(2, height=1.1 + 0.27 * len(rows))
    colour = ROLES["spectral"].colour
    for ax, part in ((left, "nodes"), (right, "recurrence")):
        values = stack([getattr(row, part) for row in rows])
        ax.errorbar(
            values.value,
            range(len(rows)),
            xerr=bars(values),
            color=colour,
            fmt="o",
            ms=5,
            capsize=3,
            label="found" if ax is left else None,
        )
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.grid(axis="y", linewidth=0.5, alpha=0.5)
        ax.set_yticks(range(len(rows)), [row.label for row in rows], fontsize=LEAST)
    known = [np.nan if row.known is None else row.known for row in rows]
    black = ROLES["teacher"].colour
    left.plot(known, range(len(rows)), "|", color=black, markersize=14, markeredgewidth=2, label="made with", zorder=0)
    if side_by_side():
        right.set_yticklabels([])
    right.axvline(certain, color=NEUTRAL, linewidth=1)
    left.set_xlabel("nodes")
    right.set(xlabel="recurrence of the students", xlim=(0, 1.05))
    legend_below(figure, left, columns=2)


class Row(NamedTuple):
    """Sizes of one table by name of a way, with intervals, and whether students agree."""

    label: str
    sizes: Mapping[str, Interval]
    named: Mapping[str, bool]


LOOKS = {
    "spectral": ("spectral, from 100 nodes", ROLES["spectral"].colour, "o"),
    "spectral, wider": ("spectral, from 200 nodes", shades("spectral", 3)[2], "s"),
    "lasso": ("group lasso", ROLES["lasso"].colour, "^"),
    "magnitude": ("cut, no penalty", peers.LOOKS["magnitude"].colour, "D"),
    "search": ("trained at every size", peers.LOOKS["search"].colour, "x"),
}


def sizes_of_tables(rows: Sequence[Row]) -> None:
    """The size that each way finds for each table; filled where students agree, hollow where no size is named."""
    figure, ax = plt.subplots(figsize=(COLUMN, 1.1 + 0.42 * len(rows)))
    for place, row in enumerate(rows):
        for shift, (way, value) in zip(np.linspace(-0.3, 0.3, len(LOOKS)), row.sizes.items(), strict=False):
            label, colour, marker = LOOKS[way]
            ax.errorbar(
                value.value,
                place + shift,
                xerr=[[value.value - max(value.low, 0)], [value.high - value.value]],
                color=colour,
                fmt=marker,
                ms=5,
                capsize=2,
                lw=1,
                mfc=colour if row.named[way] else "white",
                label=label if place == 0 else None,
            )
    ax.set_yticks(range(len(rows)), [row.label for row in rows])
    ax.invert_yaxis()
    ax.set_xscale("symlog", linthresh=5)
    ax.set_xlim(left=-0.3)
    ax.set_xticks([0, 1, 2, 5, 10, 20, 50, 100], ["0", "1", "2", "5", "10", "20", "50", "100"])
    ax.minorticks_off()
    ax.grid(axis="y", color="#eeeeee")
    ax.set(xlabel="nodes")
    legend_below(figure, ax, columns=2)
