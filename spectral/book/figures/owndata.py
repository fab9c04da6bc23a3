"""Figures of the chapter on tables of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from spectral.apply.rightsize import RightSize, nodes_text
from spectral.book.figures.drawing import legend_below
from spectral.book.figures.style import COLUMN, NEUTRAL, ROLES, use_style
from spectral.stats.intervals import Interval


def loss_against_size(found: RightSize) -> None:
    """The validation loss at every size with its interval over students, the whole students', and the answer."""
    _loss_against_size(found)


def _loss_against_size(found: RightSize) -> Figure:
    figure, ax = plt.subplots()
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
    unit = "squared error, target of variance 1" if found.table.task == "regression" else "cross entropy, nats"
    ax.set(xlabel="nodes", ylabel=f"validation loss\n({unit})", yscale="log" if highest > 5 * lowest > 0 else "linear")
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
    _, ax = plt.subplots(figsize=(COLUMN, 0.6 + 0.5 * len(found.beyond)))
    for place, value in enumerate(found.beyond.values()):
        ax.errorbar(
            value.value,
            place,
            xerr=[[value.value - value.low], [value.high - value.value]],
            color=ROLES["spectral"].colour,
            fmt="o",
            capsize=3,
        )
    ax.axvline(0, color=NEUTRAL, ls=":")
    ax.set_yticks(range(len(found.beyond)), list(found.beyond))
    ax.invert_yaxis()
    ax.set(xlabel="test loss beyond the small network's")


class Row(NamedTuple):
    """Sizes of one table by name of a way, with intervals, and whether students agree."""

    label: str
    sizes: Mapping[str, Interval]
    named: Mapping[str, bool]


LOOKS = {
    "spectral": ("spectral, from 100 nodes", ROLES["spectral"].colour, "o"),
    "spectral, wider": ("spectral, from 200 nodes", ROLES["whole"].colour, "s"),
    "lasso": ("group lasso", ROLES["lasso"].colour, "^"),
    "magnitude": ("cut, no penalty", ROLES["matched"].colour, "D"),
    "search": ("trained at every size", "#000000", "x"),
}


def sizes_of_tables(rows: Sequence[Row]) -> None:
    """The size that each way finds for each table; filled where students agree, hollow where no size is named."""
    figure, ax = plt.subplots(figsize=(COLUMN, 1 + 0.55 * len(rows)))
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
