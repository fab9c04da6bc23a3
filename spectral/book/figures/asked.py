"""Figures of the chapter on students asked together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import heat, legend_below, line, reference
from spectral.book.figures.style import COLUMN, LEAST, NEUTRAL, ROLES
from spectral.stats.intervals import Interval

MARKERS = {"spectral": "o", "published": "s", "matched": "^", "lasso": "D"}
"""Kinds of students where they are points."""


def against_width(widths: Sequence[int], panels: Mapping[str, Mapping[str, Interval]], teacher_hidden: int) -> None:
    """What is counted against the student's width: a panel for each way to count, in it a line for each role."""
    figure, axes = plt.subplots(1, len(panels), figsize=(COLUMN, 4.4), sharex=True, sharey=True)
    for ax, (title, counts) in zip(axes, panels.items(), strict=True):
        for role, interval in counts.items():
            line(ax, widths, interval, role, marker="o")
        reference(ax, teacher_hidden, "$h_T$")
        ax.set(xscale="log", yscale="log", title=title, xlabel="width $h_S$")
        ax.set_xticks(widths, labels=[str(width) for width in widths])
        ax.set_yticks([10, 20, 50, 100, 200, 500], labels=["10", "20", "50", "100", "200", "500"])
        ax.minorticks_off()
    axes[0].set_ylabel("nodes, or groups of nodes")
    legend_below(figure, axes[0], columns=2)


def against_number(
    several: tuple[ArrayLike, Mapping[str, Interval]],
    one: tuple[ArrayLike, Mapping[str, ArrayLike]],
    teacher_hidden: int,
) -> None:
    """Groups in common against the number of students: of several teachers with intervals, and of one with many."""
    figure, axes = plt.subplots(1, 2, figsize=(COLUMN, 4.4), sharey=True)
    numbers, found = several
    for role, interval in found.items():
        line(axes[0], numbers, interval, role, marker="o")
    numbers, alone = one
    for role, values in alone.items():
        look = ROLES[role]
        axes[1].plot(numbers, values, color=look.colour, linestyle=look.line, linewidth=2, marker="o")
    for ax, title in zip(axes, ("several teachers", "one teacher"), strict=True):
        reference(ax, teacher_hidden, "$h_T$")
        ax.set(title=title, xlabel="students asked", ylim=(0, None))
    axes[1].set(xscale="log")
    axes[1].set_xticks([2, 5, 10, 30], labels=["2", "5", "10", "30"])
    axes[1].minorticks_off()
    axes[0].set_ylabel("groups in every student")
    legend_below(figure, axes[0], columns=2)


def certificate(found: Mapping[str, np.ndarray], certain: float, right: float) -> None:
    """Share of the teacher's nodes found against recurrence: a point for the students of each teacher and setting."""
    figure, ax = plt.subplots(figsize=(COLUMN, 5))
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
    ax.text(0.01, right, f"{right:g} of the nodes", va="top", fontsize=LEAST)
    ax.set(xlabel="recurrence of the students", ylabel="teacher nodes found by one student", xlim=(0, 1.02))
    legend_below(figure, columns=2)


def ratios(panels: Mapping[str, Interval], sizes: Sequence[int], dims: Sequence[int]) -> None:
    """Groups in common over the teacher's size, a map of size and inputs for each kind of student."""
    _, axes = plt.subplots(len(panels), 1, figsize=(COLUMN, 3.1 * len(panels)), sharex=True, squeeze=False)
    for ax, (role, values) in zip(axes[:, 0], panels.items(), strict=True):
        heat(ax, values, sizes, dims, centre=1, far=0.5)
        ax.set(title=ROLES[role].label, ylabel="teacher's size $h_T$")
    axes[-1, 0].set_xlabel("inputs $d$")
