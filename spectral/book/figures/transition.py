"""Figures of the chapter on universality: pruning curves, exponents and critical sizes, students beside teachers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import forest, heat, legend_below, line, points, reference
from spectral.book.figures.style import COLUMN, NEUTRAL, ROLES, Line, size_colours
from spectral.stats.intervals import Interval

Curve = tuple[ArrayLike, Interval]
"""A line's points: x, and values with intervals."""

LINES: Sequence[Line] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
"""Styles that tell the lines of one panel apart, with their colours."""

GROWTH = r"growth of the error / $\mathrm{E}[y^2]$"
KEPT = "nodes kept over the teacher's nodes, $n/h_T$"
RATIO = "critical over teacher's size, $n_c/h_T$"


def _numbered(ax: Axes, axis: str, values: ArrayLike) -> None:
    """Ticks of a logarithmic axis at some values, written out, and no others."""
    getattr(ax, f"set_{axis}ticks")(values, [f"{value:g}" for value in np.asarray(values)])
    ax.minorticks_off()


def committees(curves: Mapping[tuple[str, int], Mapping[str, Curve]]) -> None:
    """Pruning curves of committees by activation and size: of "students", by the "product", and in "theory"."""
    _, axes = plt.subplots(2, 1, figsize=(COLUMN, 8), sharex=True)
    for ax, kind in zip(axes, ("relu", "erf"), strict=True):
        chosen = {size: found for (activation, size), found in curves.items() if activation == kind}
        for (size, found), colour in zip(chosen.items(), size_colours(len(chosen)), strict=True):
            line(ax, *found["students"], colour=colour, label=f"students, $h_T$ = {size}")
            last = size == list(chosen)[-1]  # the one that names what is the same for all
            line(ax, *found["product"], colour=colour, style=":", label="ranked by the product" if last else "")
            line(ax, *found["theory"], colour="black", style="--", label="theory" if last else "")
        ax.set(title=f"committees, {kind}", ylabel=GROWTH, ylim=(-0.05, 1.25))
        reference(ax, 1, "$h_T$", axis="x")
        ax.legend()
    axes[-1].set_xlabel(KEPT)


def pruning(students: Mapping[int, Curve], teachers: Mapping[int, Curve], threshold: float) -> None:
    """Pruning curves by the teacher's size, of students and of the teachers themselves.

    Below, the same on a logarithmic axis, where a band that reaches below zero would hide all others: lines alone.
    `threshold` is that of the critical size, in units of E[y^2].
    """
    _, axes = plt.subplots(2, 1, figsize=(COLUMN, 8), sharex=True)
    for size, colour in zip(students, size_colours(len(students)), strict=True):
        for (n, growth), style, label in ((students[size], "-", f"$h_T$ = {size}"), (teachers[size], "--", "")):
            line(axes[0], n, growth, colour=colour, style=style, label=label)
            axes[1].plot(n, growth.value, color=colour, linestyle=style, linewidth=2)
    for ax in axes:
        reference(ax, 1, "$h_T$", axis="x")
        ax.set(ylabel=GROWTH)
    reference(axes[1], threshold, "threshold of $n_c$")
    axes[1].set(yscale="log", ylim=(threshold / 10, 1.5), xlabel=KEPT)
    axes[0].legend(title="dashed: teachers")


def rounding(
    sizes: np.ndarray, jumps: Mapping[str, Interval], scatter: Mapping[str, Interval], resolution: float
) -> None:
    """Jump, and scatter of n_c/h_T, against the teacher's size, of roles "spectral" and "teacher".

    The threshold that no jump can be below is `resolution` over the size.
    """
    _, axes = plt.subplots(2, 1, figsize=(COLUMN, 7), sharex=True)
    for role, label, marker, shift in (
        ("spectral", "students", "o", 1.06),
        ("teacher", "teachers themselves", "s", 1),
    ):
        for ax, found in zip(axes, (jumps, scatter), strict=True):
            points(ax, sizes * shift, found[role], colour=ROLES[role].colour, marker=marker, label=label)
    axes[0].plot(sizes, resolution / sizes, color=NEUTRAL, linestyle=":", label="threshold of $n_c$")
    axes[0].plot(sizes, jumps["teacher"].value[0] * sizes[0] / sizes, color=NEUTRAL, label="1/$h_T$")
    axes[0].set(xscale="log", yscale="log", ylabel="jump below $n_c$ / $\\mathrm{E}[y^2]$")
    axes[1].set(xlabel="teacher's nodes, $h_T$", ylabel="scatter of $n_c/h_T$", ylim=(0, None))
    _numbered(axes[1], "x", sizes)
    axes[0].legend()


def sliding(
    centres: ArrayLike,
    panels: Mapping[str, Mapping[str, Interval]],
    limits: Mapping[str, float],
    window: tuple[float, float],
    threshold: float,
) -> None:
    """Exponents against the middle of their window: a panel for each title, in it a line for each role.

    Roles are "spectral"; "wide", the same where n_c is at ten times the `threshold`; and "teacher". `limits` holds
    what theory has for infinite teachers, by title. The ledger's `window` is shaded.
    """
    labels = {
        "spectral": f"students, $n_c$ at {threshold:g}",
        "wide": f"at {10 * threshold:g}",
        "teacher": "teachers themselves",
    }
    styles: Mapping[str, Line] = {"spectral": "-", "wide": "-.", "teacher": "--"}
    _, axes = plt.subplots(len(panels), 1, figsize=(COLUMN, 3 * len(panels)), sharex=True, squeeze=False)
    for ax, (title, exponents) in zip(axes[:, 0], panels.items(), strict=True):
        for role, found in exponents.items():
            line(ax, centres, found, colour=ROLES[role].colour, style=styles[role], label=labels[role])
        if title in limits:
            reference(ax, limits[title], "theory, infinite teacher")
        ax.axvspan(*window, color=NEUTRAL, alpha=0.1, linewidth=0)
        ax.set(title=title, ylabel="exponent $\\beta$", xscale="log", ylim=(0, 6))
    axes[0, 0].legend()
    axes[-1, 0].set_xlabel("distance from the transition, $x = 1 - n/n_c$ (middle of window)")
    _numbered(axes[-1, 0], "x", (0.1, 0.2, 0.5))


def gains(sizes: np.ndarray, found: Mapping[str, Interval]) -> None:
    """Gain of the power law over the exponential, against the teacher's size: a panel for each window."""
    _, axes = plt.subplots(len(found), 1, figsize=(COLUMN, 2.6 * len(found)), sharex=True, squeeze=False)
    for index, (ax, (title, interval)) in enumerate(zip(axes[:, 0], found.items(), strict=True)):
        points(ax, sizes, interval, colour=ROLES["spectral"].colour)
        reference(ax, 0, "" if index else "both predict equally well")
        ax.set(xscale="log", title=title, ylabel="gain per point")
    axes[-1, 0].set_xlabel("teacher's nodes, $h_T$")
    _numbered(axes[-1, 0], "x", sizes)


def collapse(x: ArrayLike, panels: Mapping[str, tuple[Sequence[str], Interval, Interval]]) -> None:
    """Curves over each other, and below what is left without their mean: for each title labels, curves, residuals."""
    _, axes = plt.subplots(2 * len(panels), 1, figsize=(COLUMN, 6 * len(panels)), sharex=True, height_ratios=(3, 2) * 2)
    for (above, below), (title, (labels, *parts)) in zip(axes.reshape(-1, 2), panels.items(), strict=True):
        for index, (label, colour) in enumerate(zip(labels, size_colours(len(labels)), strict=True)):
            for ax, part in zip((above, below), parts, strict=True):
                line(ax, x, part[index], colour=colour, style=LINES[index % len(LINES)], label=label)
        above.set(title=f"different {title}", ylabel=r"growth / $\mathrm{E}[y^2]$")
        above.legend()
        below.set(ylabel="difference\nfrom the mean")
        below.axhline(0, color=NEUTRAL, linewidth=1)
    axes[-1].set_xlabel("nodes kept over the critical number, $n/n_c$")


def maps(found: Mapping[str, Interval], nodes: Sequence[int], dims: Sequence[int]) -> None:
    """Maps (nodes, dims), one below the other, by title; all of what would be 1."""
    _, axes = plt.subplots(len(found), 1, figsize=(COLUMN, 4.8 * len(found)), squeeze=False)
    for ax, (title, grid) in zip(axes[:, 0], found.items(), strict=True):
        heat(ax, grid, nodes, dims, centre=1, far=0.25)
        ax.set(title=title, xlabel="inputs, $d$", ylabel="teacher's nodes, $h_T$")


def narrow(panels: Mapping[int, Mapping[int, tuple[Curve, tuple[float, float]]]]) -> None:
    """Error of networks of few nodes against their number: a panel for each h_T, in it a line for each d.

    Each with the student (its needed size, and its error with so many nodes) as a star.
    """
    figure, axes = plt.subplots(len(panels), 1, figsize=(COLUMN, 3 * len(panels)), sharex=True, squeeze=False)
    for ax, (size, lines) in zip(axes[:, 0], panels.items(), strict=True):
        for index, (colour, (dim, (found, student))) in enumerate(
            zip(size_colours(len(lines)), lines.items(), strict=True)
        ):
            line(ax, *found, colour=colour, style=LINES[index], marker="o", label=f"from scratch, $d$ = {dim}")
            ax.plot(*student, "*", color=colour, markersize=14, markeredgecolor="black", label=f"pruned, $d$ = {dim}")
        reference(ax, size, "$h_T$", axis="x")
        ax.set(xscale="log", yscale="log", title=f"$h_T$ = {size}", ylabel=r"test error / $\mathrm{E}[y^2]$")
    axes[-1, 0].set_xlabel("nodes of the network")
    _numbered(axes[-1, 0], "x", (5, 10, 20, 40, 80, 160))
    legend_below(figure, axes[0, 0])


def conditions(groups: Mapping[str, Sequence[str]], found: Interval, within: tuple[float, float]) -> None:
    """n_c/h_T, a row each in groups with a title; see `spectral.book.figures.forest`."""
    _, ax = plt.subplots(figsize=(COLUMN, 12))
    forest(ax, list(groups.items()), found, centre=1, within=within)
    ax.set(xlabel=RATIO)


def training(sizes: Mapping[int, Curve], longest: Mapping[str, Curve]) -> None:
    """Surviving nodes over the teacher's against the epoch, by the teacher's size; dashed, students trained longest."""
    _, ax = plt.subplots(figsize=(COLUMN, 4.4))
    for (size, found), colour in zip(sizes.items(), size_colours(len(sizes)), strict=True):
        line(ax, *found, colour=colour, label=f"$h_T$ = {size}")
    for label, found in longest.items():
        line(ax, *found, colour="black", style="--", label=label)
    reference(ax, 1, "$h_T$")
    ax.set(xscale="log", yscale="log", xlabel="epoch", ylabel="surviving over teacher's nodes")
    _numbered(ax, "y", (0.2, 0.5, 1, 2, 5))
    ax.legend()


def penalties(lines: Mapping[str, Curve]) -> None:
    """n_c/h_T against the strength of the penalties, by teachers; the first, dashed, are those to compare with."""
    figure, ax = plt.subplots(figsize=(COLUMN, 5.5))
    colours = ["black", *size_colours(len(lines) - 1)]
    styles = ["--", *(style for style in LINES if style != "--")]
    for index, (label, found) in enumerate(lines.items()):
        line(ax, *found, colour=colours[index], style=styles[index % len(styles)], marker="o", label=label)
    reference(ax, 1, "$h_T$")
    ax.set(xscale="log", yscale="log", xlabel="penalties, times those of the paper", ylabel=RATIO)
    _numbered(ax, "y", (0.3, 0.5, 1, 2))
    legend_below(figure, ax)
