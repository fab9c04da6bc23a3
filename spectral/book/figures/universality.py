"""Figures of the chapter on where the transition is the teacher's: maps, penalties, settings, networks of few nodes.

Errors are given in units of E[y^2], and drawn in thousandths of that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import forest, heat, legend_below, line, numbered
from spectral.book.figures.style import COLUMN, NEUTRAL, Line, axes_of, leftmost, shades, side_by_side, size_colours
from spectral.book.figures.transition import GROWTH, Curve, thousandths
from spectral.stats.intervals import Interval

LINES: Sequence[Line] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
"""Styles that tell the lines of one panel apart, with their colours."""

RATIO = "critical over teacher's size, $n_c/h_T$"


def cells(grid: Interval, nodes: Sequence[int], dims: Sequence[int], framed: Sequence[tuple[int, int]] = ()) -> None:
    """A map (nodes, dims) of what would be 1; the cells (row, column) that are `framed` have a thick border."""
    _, ax = plt.subplots(figsize=(COLUMN, 4.3))
    heat(ax, grid, nodes, dims, centre=1, far=0.25)
    for row, column in framed:
        place = (column - 0.47, row - 0.46)
        ax.add_patch(Rectangle(place, 0.94, 0.92, fill=False, edgecolor="black", linewidth=1.8))
    ax.set(xlabel="inputs, $d$", ylabel="teacher's nodes, $h_T$")


def penalties(lines: Mapping[str, Curve]) -> None:
    """n_c/h_T against the strength of the penalties, by teachers; the first, dashed, are those to compare with."""
    figure, ax = plt.subplots(figsize=(COLUMN, 4.9))
    colours = ["black", *size_colours(len(lines) - 1)]
    styles = ["--", *(style for style in LINES if style != "--")]
    for index, (label, found) in enumerate(lines.items()):
        line(ax, *found, colour=colours[index], style=styles[index % len(styles)], marker="o", label=label)
    ax.axhline(1, color=NEUTRAL, linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="penalties, times the usual ones", ylabel=RATIO)
    numbered(ax.xaxis, (0.01, 0.1, 1, 10))
    numbered(ax.yaxis, (0.3, 0.5, 1, 2, 3))
    legend_below(figure, ax)


def lightened(panels: Mapping[int, Mapping[float, ArrayLike]]) -> None:
    """Growth with n = 0 ... nodes kept, a panel for each h_T, in it a line for each strength of the penalties."""
    figure, axes = axes_of(len(panels), height=3.3, sharey=True)
    strengths = sorted({strength for curves in panels.values() for strength in curves})
    colours = dict(zip(strengths, shades("spectral", len(strengths)), strict=True))
    for ax, (size, curves) in zip(axes, panels.items(), strict=True):
        for strength, grown in curves.items():
            whole = np.append(grown, 0.0)  # beyond its survivors nothing is lost
            kept = np.append(np.arange(len(whole) - 1), max(3 * size, len(whole)))
            ax.plot(kept, 1000 * whole, color=colours[strength], linewidth=2, label=f"{strength:g}")
        ax.set(title=f"a teacher of {size} nodes", xlabel="nodes kept, $n$", xlim=(0, 2.5 * size), ylim=(-1, 40))
        ax.axvline(size, color=NEUTRAL, linewidth=1)
    for ax in leftmost(axes):
        ax.set_ylabel(GROWTH)
    handles = {label: entry for ax in axes for entry, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    names = [f"{strength:g}" for strength in strengths]
    title = "penalties, times the usual ones"
    figure.legend([handles[name] for name in names], names, loc="outside lower center", ncols=6, title=title)


def conditions(panels: Sequence[tuple[Mapping[str, Sequence[str]], Interval]], within: tuple[float, float]) -> None:
    """n_c/h_T on a logarithmic axis, a row each in groups with a title; see `spectral.book.figures.forest`.

    A panel for each pair of such groups and their values.
    """
    _, axes = axes_of(len(panels), height=5.6)
    for ax, (groups, found) in zip(axes, panels, strict=True):
        forest(ax, list(groups.items()), found, centre=1, within=within)
        ax.set(xscale="log", xlim=(0.25, 5.4), xlabel="$n_c/h_T$")
        numbered(ax.xaxis, (0.25, 0.5, 1, 2, 5))


def training(sizes: Mapping[int, Curve], longest: Mapping[str, Curve]) -> None:
    """Surviving nodes over the teacher's against the epoch, by the teacher's size; dashed, students trained longest."""
    figure, ax = plt.subplots(figsize=(COLUMN, 4))
    for (size, found), colour in zip(sizes.items(), size_colours(len(sizes)), strict=True):
        line(ax, *found, colour=colour, label=f"$h_T$ = {size}")
    for label, found in longest.items():
        line(ax, *found, colour="black", style="--", label=label)
    ax.axhline(1, color=NEUTRAL, linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="epoch", ylabel="surviving over teacher's nodes")
    numbered(ax.xaxis, (100, 1_000, 10_000))
    numbered(ax.yaxis, (0.2, 0.5, 1, 2, 5))
    legend_below(figure, ax, columns=3)


def collapse(x: ArrayLike, panels: Mapping[str, tuple[Sequence[str], Interval]]) -> None:
    """Curves over each other: for each title their labels, and the curves at equal n/n_c."""
    _, axes = axes_of(len(panels), height=3.5, sharey=True)
    for ax, (title, (labels, curves)) in zip(axes, panels.items(), strict=True):
        for index, (label, colour) in enumerate(zip(labels, size_colours(len(labels)), strict=True)):
            line(ax, x, curves[index].scaled(1000), colour=colour, style=LINES[index % len(LINES)], label=label)
        ax.set(title=title, xlabel="nodes kept over critical size, $n/n_c$", ylim=(-30, None))
        ax.legend(loc="upper right")
    for ax in leftmost(axes):
        ax.set_ylabel(GROWTH)


def narrow(panels: Mapping[int, Mapping[int, tuple[Curve, tuple[float, float]]]]) -> None:
    """Error of networks of few nodes against their number: a panel for each h_T, in it a line for each d.

    Each with the student (its needed size, and its error with so many nodes) as a star.
    """
    figure, axes = axes_of(len(panels), height=2.9, sharex=True, sharey=True)
    for ax, (size, lines) in zip(axes, panels.items(), strict=True):
        for index, (colour, (dim, (found, (nodes, error)))) in enumerate(
            zip(size_colours(3), lines.items(), strict=False)
        ):
            label = f"from scratch, $d$ = {dim}"
            line(ax, *thousandths(found), colour=colour, style=LINES[index], marker="o", label=label)
            ax.plot(
                nodes,
                1000 * error,
                "*",
                color=colour,
                markersize=14,
                markeredgecolor="black",
                label=f"pruned, $d$ = {dim}",
            )
        ax.set(xscale="log", yscale="log", title=f"$h_T$ = {size}", xlabel="nodes of the network")
        ax.tick_params(labelbottom=True, labelleft=True)
        ax.axvline(size, color=NEUTRAL, linewidth=1)
        numbered(ax.xaxis, (5, 10, 20, 40, 80, 160))
        numbered(ax.yaxis, (0.1, 1, 10, 100))
    for ax in leftmost(axes, 2):
        ax.set_ylabel("test error, thousandths")
    legend_below(figure, axes[0], columns=4 if side_by_side() else 2)
