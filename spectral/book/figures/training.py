"""Figures of the chapter on training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt

from spectral.book.figures.drawing import line, name_ends, numbered, points
from spectral.book.figures.style import COLUMN, LEAST, NEUTRAL, ROLES, axes_of, shades
from spectral.stats.intervals import Interval


def learning_curves(epochs: Sequence[int], panels: Mapping[str, Mapping[str, Interval]]) -> None:
    """Errors (epochs,) in thousandths of E[y^2] against the epoch: a panel for each title, in it every role."""
    _, axes = axes_of(len(panels), height=3.3, sharey=True)
    for ax, (title, errors) in zip(axes, panels.items(), strict=True):
        for role, values in errors.items():
            line(ax, epochs, values, role)
        ax.set(xscale="symlog", yscale="log", title=title, xlim=(0, epochs[-1]), xlabel="epoch")
        numbered(ax.xaxis, (0, 10, 100, 1_000))
        numbered(ax.yaxis, (0.1, 1, 10, 100, 1_000))
    axes[0].set_ylabel(r"error, thousandths of $\mathrm{E}[y^2]$")
    axes[-1].legend(loc="upper right")


def cost_ratios(
    batches: Sequence[int], ratios: Mapping[int, Interval], engine: tuple[int, Interval], most: float
) -> None:
    """How many times as long a spectral step takes in PyTorch, against the batch: a line for each width.

    For the `engine` a point, its batch and its ratio; and a line at the largest ratio that the ledger takes for small.
    """
    figure, ax = plt.subplots(figsize=(COLUMN, 3.5))
    colours = dict(zip(ratios, shades("spectral", len(ratios)), strict=True))
    for width, values in ratios.items():
        line(ax, batches, values, colour=colours[width], marker="o")
    batch, ratio = engine
    points(ax, [batch], ratio, colour=ROLES["teacher"].colour, marker="s", label="this book's engine")
    place = batch, float(ratio.value[0])
    ax.annotate("this book's engine", place, (-8, 8), textcoords="offset points", ha="right", fontsize=LEAST)
    ax.axhline(1, color=NEUTRAL, linewidth=1)
    ax.axhline(most, color=NEUTRAL, linewidth=1, linestyle=":")
    ax.set(xscale="log", xlabel="patterns in a batch", ylabel="spectral step / direct step", ylim=(0.93, None))
    numbered(ax.xaxis, batches)
    ends = [(float(values.value[-1]), f"PyTorch, {width:,} nodes", colours[width]) for width, values in ratios.items()]
    name_ends(figure, ax, [*ends, (1.0, "no difference", NEUTRAL), (most, f"asked: {most:g}", NEUTRAL)])
