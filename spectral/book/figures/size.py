"""Figures of the chapter on the effective size.

In all of them a panel has a title, and in it each role has a line of sizes with its intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import ends, line, name_ends, numbered
from spectral.book.figures.style import COLUMN, LEAST, NEUTRAL, SHORT, axes_of, leftmost
from spectral.stats.intervals import Interval

Panels = Mapping[str, Mapping[str, Interval]]

STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
"""Numbers of nodes at which axes may have ticks."""


def against_width(
    widths: Sequence[int], panels: Panels, teacher_hidden: int, *, headline: str = "", size: str = "effective size $n$"
) -> None:
    """Sizes against the student's width; beside each line's end its role and its size at the widest student.

    A `headline` over all panels says what is found, `size` what is counted.
    """
    figure, axes = axes_of(len(panels), height=3.5, sharey=True)
    for ax, (title, sizes) in zip(axes, panels.items(), strict=True):
        ax.plot(widths, widths, color=NEUTRAL, linewidth=1, linestyle=":")
        _lines(ax, widths, sizes, teacher_hidden, title, "o")
        ax.set(xlabel="student's width $h_S$", ylim=(0.8 * widths[0], 1.15 * widths[-1]))
        numbered(ax.xaxis, [w for w in widths if w in (10, 100, 1_000, widths[0], widths[-1])])
    for ax in leftmost(axes):
        ax.set_ylabel(size)
    if headline:
        figure.suptitle(headline, fontsize=13)
    for ax, sizes in zip(axes, panels.values(), strict=True):
        found = {role: f"{SHORT[role]} {interval.value[-1]:.0f}" for role, interval in sizes.items()}
        others = [(teacher_hidden, f"teacher {teacher_hidden}", NEUTRAL), (widths[-1], "all nodes", NEUTRAL)]
        name_ends(figure, ax, [*ends(sizes, found), *others])


def against_threshold(thresholds: Sequence[float], panels: Panels, teacher_hidden: int, chosen: float) -> None:
    """Sizes against the threshold above which a node counts as alive; a thin line at the one that is `chosen`."""
    figure, axes = axes_of(len(panels), height=3.3, sharey=True)
    most = max(float(np.max(interval.value)) for sizes in panels.values() for interval in sizes.values())
    for ax, (title, sizes) in zip(axes, panels.items(), strict=True):
        ax.axvline(chosen, color=NEUTRAL, linewidth=1)
        _lines(ax, thresholds, sizes, teacher_hidden, title, None)
        ax.set(xlabel="threshold", ylim=(0.7 * teacher_hidden, 1.2 * most))
        numbered(ax.xaxis, sorted({thresholds[0], chosen, thresholds[-1]}))
    for ax in leftmost(axes):
        ax.set_ylabel("effective size $n$")
    for ax, sizes in zip(axes, panels.values(), strict=True):
        name_ends(figure, ax, [*ends(sizes), (teacher_hidden, "teacher", NEUTRAL)])


def against_time(sizes: Mapping[str, tuple[ArrayLike, Interval]], teacher_hidden: int) -> None:
    """Sizes against the epoch, a line for each role: named at its end, or at its beginning if others are longer."""
    figure, ax = plt.subplots(figsize=(COLUMN, 3.5))
    last = max(np.max(epochs) for epochs, _ in sizes.values())
    last_ones = {}
    for role, (epochs, interval) in sizes.items():
        line(ax, epochs, interval, role, marker="o")
        if np.max(epochs) == last:
            last_ones[role] = interval
        else:
            begin = np.min(epochs), interval.value[0]
            ax.annotate(SHORT[role], begin, (0, 7), textcoords="offset points", fontsize=LEAST)
    ax.axhline(teacher_hidden, color=NEUTRAL, linewidth=1)
    most = max(float(np.max(interval.value)) for _, interval in sizes.values())
    ax.set(xscale="log", yscale="log", xlabel="epoch", ylabel="effective size $n$")
    ax.set_ylim(0.8 * teacher_hidden, 1.25 * most)
    numbered(ax.xaxis, (10, 50, 200, 1_000, 5_000))
    numbered(ax.yaxis, STEPS)
    name_ends(figure, ax, [*ends(last_ones), (teacher_hidden, "teacher", NEUTRAL)])


def _lines(
    ax: Axes, x: ArrayLike, sizes: Mapping[str, Interval], teacher_hidden: int, title: str, marker: str | None
) -> None:
    for role, interval in sizes.items():
        line(ax, x, interval, role, marker=marker)
    ax.axhline(teacher_hidden, color=NEUTRAL, linewidth=1)
    ax.set(xscale="log", yscale="log")
    ax.set_title(title, x=0, ha="left")  # what stands beside the axes leaves room to the right
    numbered(ax.yaxis, STEPS)
