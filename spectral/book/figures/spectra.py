"""Figures of the chapter on spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import legend_below, line, reference, spectrum
from spectral.book.figures.style import COLUMN, NEUTRAL, ROLES
from spectral.stats.intervals import Interval


def histograms(edges: ArrayLike, counts: Mapping[int, Mapping[str, Mapping[str, Interval]]]) -> None:
    """Nodes per student in bins of their scores: a row for each width, a column for each scale, in it every role.

    `counts` are by width, by the name of the scale, and by role.
    """
    columns = list(next(iter(counts.values())))
    figure, axes = plt.subplots(len(counts), len(columns), figsize=(COLUMN, 2.6 * len(counts)), squeeze=False)
    for row, (width, panels) in zip(axes, counts.items(), strict=True):
        for ax, roles in zip(row, panels.values(), strict=True):
            for role, interval in roles.items():
                spectrum(ax, edges, interval, role)
            ax.set(yscale="symlog", ylim=(0, 2 * width), title=f"$h_S$ = {width}")
        row[0].set_ylabel("nodes per student")
    for ax, name in zip(axes[-1], columns, strict=True):
        ax.set_xlabel(name)
    legend_below(figure, axes[0, 0])


def above(thresholds: ArrayLike, sizes: Mapping[str, Interval], teacher_hidden: int, threshold: float) -> None:
    """Nodes above a threshold against the threshold, a line for each role; the one that the book uses is marked."""
    figure, ax = plt.subplots(figsize=(COLUMN, 4.4))
    for role, interval in sizes.items():
        line(ax, thresholds, interval, role)
    reference(ax, teacher_hidden, "$h_T$")
    reference(ax, threshold, "threshold", axis="x")
    names = {"xlabel": "threshold, as a part of the largest score", "ylabel": "nodes above it, $n$"}
    ax.set(xscale="log", yscale="log", **names)
    legend_below(figure)


def opening(
    epochs: Sequence[int],
    one: ArrayLike,
    inside: Mapping[str, Interval],
    threshold: float,
    region: tuple[float, float],
) -> None:
    """How the gap opens: above, `one` student's scores (epochs, h_S) over its largest; below, nodes in the gap region.

    `inside` are the numbers of nodes by role, at the same epochs; the region lies between two scores.
    """
    figure, axes = plt.subplots(2, 1, figsize=(COLUMN, 7.6), sharex=True)
    _nodes(axes[0], epochs, np.asarray(one), threshold)
    for role, interval in inside.items():
        line(axes[1], epochs, interval, role, marker="o")
    low, high = region
    title = f"scores from {low:g} to {high:g} of the largest"
    axes[1].set(xlabel="epoch", ylabel="nodes in the gap region", yscale="symlog", title=title)
    legend_below(figure, axes[1])


def _nodes(ax: Axes, epochs: Sequence[int], scores: np.ndarray, threshold: float) -> None:
    """A line for each node, coloured by whether it survives."""
    survives = scores[-1] > threshold
    for alive, colour, text in ((False, NEUTRAL, "is dead at the end"), (True, ROLES["spectral"].colour, "survives")):
        lines = ax.plot(epochs, scores[:, survives == alive], color=colour, linewidth=0.8, alpha=0.8)
        if lines:
            lines[0].set_label(text)
    ax.legend(loc="lower left", frameon=True, framealpha=1)
    reference(ax, threshold, "threshold")
    ax.set(xscale="log", yscale="log", ylabel="score / largest", title="one spectral student, node by node")
