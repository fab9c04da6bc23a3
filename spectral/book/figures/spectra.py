"""Figures of the chapter on spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import ends, line, name_ends, numbered, spectrum
from spectral.book.figures.style import COLUMN, LEAST, NEUTRAL, ROLES, axes_of, side_by_side
from spectral.stats.intervals import Interval

MOST_LINES = 80
"""Dead nodes that are drawn in time; of more, as many that are spread evenly over all of them."""


EPOCHS = (10, 100, 1_000, 10_000)
"""Ticks of axes in time."""


def histograms(
    edges: ArrayLike,
    counts: Mapping[str, Interval],
    region: tuple[float, float],
    inside: Mapping[str, float],
    width: int,
) -> None:
    """Nodes per student in bins of their scores, a panel for each role; the first bin holds all that are smaller.

    A `region` of scores is shaded; of each role so many nodes lie `inside`. Students have `width`
    nodes.
    """
    bounds = np.asarray(edges, float)
    _, axes = axes_of(len(counts), height=2.1, sharex=True, sharey=True)
    for ax, (role, interval) in zip(axes, counts.items(), strict=True):
        ax.axvspan(*region, color=NEUTRAL, alpha=0.22, linewidth=0)
        ax.stairs(interval.value, bounds, fill=True, color=ROLES[role].colour, alpha=0.25)
        spectrum(ax, bounds, interval, role)
        text = f"in grey: {inside[role]:.{int(inside[role] < 10)}f} nodes"
        ax.text(bounds[2], 0.97, text, transform=ax.get_xaxis_transform(), va="top", fontsize=LEAST)
        ax.set(xscale="log", yscale="symlog", ylim=(0, 12 * width), xlim=(bounds[0], bounds[-1]))
        ax.set_title(ROLES[role].label)
        ax.set_xticks(
            [bounds[:2].prod() ** 0.5, 1e-6, 1e-4, 1e-2, 1], ["dead", *(f"$10^{{{n}}}$" for n in (-6, -4, -2)), "1"]
        )
        ax.set_yticks([0, 1, 10, 100], ["0", "1", "10", "100"])
        ax.minorticks_off()
    columns = 2 if side_by_side() else 1
    for ax in axes[::columns]:
        ax.set_ylabel("nodes per bin")
    for ax in axes[-columns:]:
        ax.set_xlabel("score / its student's largest")


def above(thresholds: ArrayLike, sizes: Mapping[str, Interval], teacher_hidden: int, threshold: float) -> None:
    """Nodes above a threshold against the threshold, a line for each role; the one that the book uses is marked."""
    _, ax = plt.subplots(figsize=(COLUMN, 3.7))
    for role, interval in sizes.items():
        line(ax, thresholds, interval, role)
    ax.axhline(teacher_hidden, color=NEUTRAL, linewidth=1, label=f"the teacher's {teacher_hidden} nodes")
    ax.axvline(threshold, color=NEUTRAL, linewidth=1)
    ax.text(threshold, 1, " threshold", transform=ax.get_xaxis_transform(), va="top", fontsize=LEAST)
    most = max(float(interval.value.max()) for interval in sizes.values())
    ax.set(xscale="log", yscale="log", xlim=(np.min(thresholds), 1), ylim=(0.8, 2.2 * most))
    ax.set(xlabel="threshold, as a part of the largest score", ylabel="nodes above it, $n$")
    ax.set_yticks([n for n in (1, 10, 100, 1_000) if n < most], [f"{n:,}" for n in (1, 10, 100, 1_000) if n < most])
    ax.legend(loc="lower left")


def opening(
    epochs: Sequence[int],
    one: ArrayLike,
    inside: Mapping[str, Interval],
    threshold: float,
    region: tuple[float, float],
) -> None:
    """How the gap opens: first `one` student's scores (epochs, h_S) over its largest; then nodes in the gap region.

    `inside` are the numbers of nodes by role, at the same epochs; the region lies between two scores, and is shaded.
    """
    figure, (first, second) = axes_of(2, height=3.4)
    first.axhspan(*region, color=NEUTRAL, alpha=0.22, linewidth=0)
    _nodes(first, epochs, np.asarray(one), threshold)
    for role, interval in inside.items():
        line(second, epochs, interval, role, marker="o")
    most = max(float(interval.value.max()) for interval in inside.values())
    second.set(xscale="log", yscale="symlog", xlabel="epoch", ylabel="nodes in the grey region", ylim=(0, 2 * most + 1))
    second.set_title("means over teachers")
    numbered(second.xaxis, EPOCHS)
    second.set_yticks([n for n in (0, 1, 10, 100) if n <= most], [str(n) for n in (0, 1, 10, 100) if n <= most])
    name_ends(figure, second, ends(inside))


def _nodes(ax: Axes, epochs: Sequence[int], scores: np.ndarray, threshold: float) -> None:
    """A line for each node, coloured by whether it survives."""
    survives = scores[-1] > threshold
    dead = np.flatnonzero(~survives)
    dead = dead[np.linspace(0, len(dead) - 1, min(len(dead), MOST_LINES)).round().astype(int)]
    for nodes, colour, text in (
        (np.flatnonzero(survives), ROLES["spectral"].colour, "survives"),
        (dead, NEUTRAL, "dies"),
    ):
        lines = ax.plot(epochs, scores[:, nodes], color=colour, linewidth=0.8, alpha=0.8)
        if lines:
            lines[0].set_label(text)
    ax.set(xscale="log", yscale="log", xlabel="epoch", ylabel="score / largest", ylim=(None, 30))
    ax.set_title("one spectral student's nodes")
    ax.set_yticks([1e-6, 1e-4, 1e-2, 1], [*(f"$10^{{{n}}}$" for n in (-6, -4, -2)), "1"])
    numbered(ax.xaxis, EPOCHS)
    ax.legend(loc="upper left", ncols=2)
