"""Figures of the chapter on topology."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import bars, diagonal, legend_below, pairs, shares
from spectral.book.figures.style import LEAST, NEUTRAL, ROLES, axes_of
from spectral.stats.intervals import Interval

STRENGTHS = {
    "in": r"received, as it is: $\Sigma_j\, w_{ij}$",
    "unit in": r"received, with $\Vert w_i \Vert = 1$",
    "unit out": r"sent, with $\Vert w_i \Vert = 1$",
    "open": "along the open paths over a node",
}


def node_by_node(teacher: Mapping[str, ArrayLike], student: Mapping[str, ArrayLike]) -> None:
    """Strengths of a student's nodes against those of the teacher nodes whose partners they are; a panel for each.

    Their names are among `STRENGTHS`.
    """
    _, axes = axes_of(len(student), height=3.3)
    for ax, name in zip(axes, student, strict=True):
        pairs(ax, teacher[name], student[name], "spectral")
        if name != "in":  # which has another scale
            diagonal(ax)
        ax.set(title=STRENGTHS[name], xlabel="teacher node", ylabel="its partner in the student")


def distributions(panels: Mapping[str, Mapping[str, Sequence[np.ndarray]]]) -> None:
    """Falling cumulative distributions: a panel for each label of x, in it for each role values of some networks."""
    figure, axes = axes_of(len(panels), height=3.3)
    for ax, (label, roles) in zip(axes, panels.items(), strict=True):
        for role, networks in roles.items():
            for index, values in enumerate(networks):
                shares(ax, values, role, label="" if index else None)
        ax.set(xlabel=label, ylabel="part of the nodes above it")
    legend_below(figure, axes[0], columns=3)


def measures(rows: Sequence[str], correlation: tuple[Interval, Interval], distance: tuple[Interval, Interval]) -> None:
    """What is compared, a row each from the top, (R,) of each interval.

    Left the correlation of nodes and partners, with the teacher and with another one; right the distance from the
    teacher, of all survivors and of the partners alone, in units of another teacher's.
    """
    figure, (left, right) = axes_of(2, height=0.75 + 0.38 * len(rows), sharey=True)
    mine = ROLES["spectral"].colour
    _points(left, correlation[0], mine, "partners")
    _points(left, correlation[1], NEUTRAL, "another teacher's nodes, paired alike", marker="s")
    _points(right, distance[0], mine, "all survivors", marker="D", up=0.16)
    _points(right, distance[1], mine, "", up=-0.16)
    right.axvline(1, color=NEUTRAL, linewidth=1)
    right.text(1.05, -0.75, "as another teacher", ha="left", va="center", fontsize=LEAST)
    left.set_xlabel("correlation, node by node")
    right.set(xlabel="distance of the distributions", xlim=(0, None))
    left.set_ylim(len(rows) - 0.5, -1.1)
    for ax in (left, right):
        ax.set_yticks(range(len(rows)), rows, fontsize=LEAST)
        ax.grid(axis="y", linewidth=0.5, alpha=0.5)
    legend_below(figure, columns=2)


def _points(ax: Axes, values: Interval, colour: str, label: str, *, marker: str = "o", up: float = 0.0) -> None:
    ax.errorbar(
        values.value,
        np.arange(len(values.value)) - up,
        xerr=bars(values),
        fmt=marker,
        color=colour,
        markerfacecolor="white" if marker == "D" else colour,
        markersize=5,
        capsize=2,
        linewidth=1.5,
        label=label or None,
    )
