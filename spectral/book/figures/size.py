"""Figures of the chapter on the effective size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import legend_below, line, reference
from spectral.book.figures.style import COLUMN, LEAST, NEUTRAL, axes_of
from spectral.stats.intervals import Interval


def against_width(widths: Sequence[int], panels: Mapping[str, Mapping[str, Interval]], teacher_hidden: int) -> None:
    """Effective size against the student's width: a panel for each title, in it a line for each role."""
    figure, axes = axes_of(len(panels), height=4)
    for ax, (title, sizes) in zip(axes, panels.items(), strict=True):
        ax.plot(widths, widths, color=NEUTRAL, linewidth=1, linestyle=":")
        ax.text(widths[-1], widths[-1], "all nodes", ha="right", va="bottom", fontsize=LEAST)
        for role, interval in sizes.items():
            line(ax, widths, interval, role, marker="o")
        reference(ax, teacher_hidden, "$h_T$")
        ax.set(xscale="log", yscale="log", ylabel="effective size $n$", title=title)
        ax.set_xlabel("student width $h_S$")
    legend_below(figure, axes[0])


def against_time(sizes: Mapping[str, tuple[ArrayLike, Interval]], teacher_hidden: int) -> None:
    """Effective size against the epoch, a line for each role."""
    figure, ax = plt.subplots(figsize=(COLUMN, 4.6))
    for role, (epochs, interval) in sizes.items():
        line(ax, epochs, interval, role, marker="o")
    reference(ax, teacher_hidden, "$h_T$")
    ax.set(xscale="log", yscale="log", xlabel="epoch", ylabel=r"effective size by $\Vert w_i \Vert$")
    legend_below(figure)
