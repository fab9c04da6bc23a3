"""Figures of the chapter on students asked together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import heat, legend_below, line
from spectral.book.figures.style import COLUMN, LEAST, NEUTRAL, ROLES, axes_of, side_by_side
from spectral.stats.intervals import Interval

MARKERS = {"spectral": "o", "published": "s", "matched": "^", "lasso": "D"}
"""Kinds of students where they are points."""


def against_width(widths: Sequence[int], panels: Mapping[str, Mapping[str, Interval]], teacher_hidden: int) -> None:
    """What is counted against the student's width: a panel for each way to count, in it a line for each role."""
    figure, axes = axes_of(len(panels), height=3.5, sharex=True, sharey=True)
    for ax, (title, counts) in zip(axes, panels.items(), strict=True):
        for role, interval in counts.items():
            line(ax, widths, interval, role, marker="o")
        ax.axhline(teacher_hidden, color=NEUTRAL, linewidth=1)
        ax.set(xscale="log", yscale="log", title=title, xlabel="width $h_S$", ylabel="nodes")
        ax.set_xticks(widths, labels=[str(width) for width in widths])
        ax.set_yticks([10, 20, 50, 100, 200, 500], labels=["10", "20", "50", "100", "200", "500"])
        ax.minorticks_off()
        ax.tick_params(labelbottom=True)
    axes[0].text(widths[0], 0.96 * teacher_hidden, "teacher's nodes", va="top", fontsize=LEAST)  # below it is no data
    most = max(float(np.max(np.fmax(one.value, one.high))) for counts in panels.values() for one in counts.values())
    axes[0].set_ylim(0.6 * teacher_hidden, 1.2 * most)
    legend_below(figure, axes[0], columns=2 if side_by_side() else 1)


def against_number(
    several: tuple[ArrayLike, Mapping[str, Interval]],
    one: tuple[ArrayLike, Mapping[str, ArrayLike]],
    teacher_hidden: int,
) -> None:
    """Groups in common against the number of students: of several teachers with intervals, and of one with many."""
    figure, (left, right) = axes_of(2, height=3.3, sharey=True)
    numbers, found = several
    for role, interval in found.items():
        line(left, numbers, interval, role, marker="o")
    left.set_xticks(np.asarray(numbers))
    numbers, alone = one
    for role, values in alone.items():
        look = ROLES[role]
        right.plot(numbers, values, color=look.colour, linestyle=look.line, linewidth=2, marker="o", label=look.label)
    for ax, title in ((left, "several teachers"), (right, "one teacher, many students")):
        ax.axhline(teacher_hidden, color=NEUTRAL, linewidth=1)
        ax.set(title=title, xlabel="students asked", ylabel="groups in every student")
    left.set_ylim(min(0.65 * teacher_hidden, left.get_ylim()[0]), None)
    left.text(0.97, 0.1, "line: teacher's nodes", transform=left.transAxes, ha="right", fontsize=LEAST)
    right.set(xscale="log")
    right.set_xticks([2, 5, 10, 30], labels=["2", "5", "10", "30"])
    right.minorticks_off()
    legend_below(figure, left, columns=2 if side_by_side() else 1)


def certificate(found: Mapping[str, np.ndarray], certain: float, right: float) -> None:
    """Share of the teacher's nodes found against recurrence: a point for the students of each teacher and setting."""
    figure, ax = plt.subplots(figsize=(COLUMN, 4.8))
    ax.axvspan(certain, 1.02, color=NEUTRAL, alpha=0.12, linewidth=0)
    for role, pairs in found.items():
        look = ROLES[role]
        ax.scatter(
            pairs[:, 0],
            pairs[:, 1],
            s=28,
            marker=MARKERS[role],
            facecolor="none",
            edgecolor=look.colour,
            linewidth=1.2,
            label=look.label,
        )
    ax.axhline(right, color=NEUTRAL, linewidth=1)
    ax.text(certain - 0.01, 0.02, "students agree", rotation=90, ha="right", va="bottom", fontsize=LEAST)
    ax.set(xlabel="recurrence of the students", ylabel="teacher nodes found by one student")
    ax.set(xlim=(0, 1.02), ylim=(0, 1.03))
    legend_below(figure)


def ratios(panels: Mapping[str, Interval], sizes: Sequence[int], dims: Sequence[int]) -> None:
    """Groups in common over the teacher's size, a map of size and inputs for each kind of student."""
    _, axes = axes_of(len(panels), height=3)
    for ax, (role, values) in zip(axes, panels.items(), strict=True):
        heat(ax, values, sizes, dims, centre=1, far=0.5)
        ax.set(title=ROLES[role].label, ylabel="teacher's nodes $h_T$", xlabel="inputs $d$")
