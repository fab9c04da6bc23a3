"""Figures of the chapter on the transition: pruning curves, jumps, theory, exponents; students beside teachers.

Growth of the error is given in units of E[y^2], and drawn in thousandths of that.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from spectral.activations import ACTIVATIONS
from spectral.book.figures.drawing import legend_below, line, numbered, points, reference
from spectral.book.figures.style import NEUTRAL, ROLES, Line, axes_of, leftmost, shades, side_by_side, size_colours
from spectral.stats.intervals import Interval

Curve = tuple[ArrayLike, Interval]
"""A line's points: x, and values with intervals."""

GROWTH = r"growth $\Delta$, thousandths of E[y²]"
KEPT = "nodes kept over the teacher's, $n/h_T$"


def thousandths(curve: Curve) -> Curve:
    """A curve of growth in thousandths of E[y^2]."""
    return curve[0], curve[1].scaled(1000)


def growing(panels: Mapping[str, Mapping[int, Curve]]) -> None:
    """Pruning curves by the teacher's size, a panel for each title."""
    figure, axes = axes_of(len(panels), height=3.5, sharey=True)
    for ax, (title, curves) in zip(axes, panels.items(), strict=True):
        for (size, found), colour in zip(curves.items(), size_colours(len(curves)), strict=True):
            line(ax, *thousandths(found), colour=colour, label=f"$h_T$ = {size}")
        ax.set(title=title, xlabel=KEPT, xlim=(0, 1.5), ylim=(-30, 1050), xticks=[0, 0.5, 1, 1.5])
        reference(ax, 1, "$h_T$", axis="x")
    for ax in leftmost(axes):
        ax.set_ylabel(GROWTH)
    legend_below(figure, axes[0], columns=6 if side_by_side() else 3)


def rounding(jumps: Mapping[str, Curve], scatter: Mapping[str, Curve], resolution: float) -> None:
    """Jump, and scatter of n_c/h_T, against the teacher's size.

    Of students that are "near" their teacher's size, of those that are "far" from it, and of "teacher"; as many of
    these as there are. The threshold that no jump can be below is `resolution` over the size.
    """
    looks = {
        "near": ("students of their teacher's size", ROLES["spectral"].colour, "o", 1.05),
        "far": ("other students", ROLES["spectral"].colour, "x", 1.1),
        "teacher": ("teachers, pruned alike", ROLES["teacher"].colour, "s", 1.0),
    }
    figure, (left, right) = axes_of(2, height=3.5)
    every = np.unique(np.concatenate([sizes for sizes, _ in jumps.values()]))
    for of in jumps:
        label, colour, marker, aside = looks[of]
        for ax, (sizes, values), factor in ((left, jumps[of], 1000), (right, scatter[of], 1)):
            points(ax, aside * np.asarray(sizes), values.scaled(factor), colour=colour, marker=marker, label=label)
    left.plot(every, 1000 * resolution / every, color=NEUTRAL, linestyle=":", label="the least that a jump can be")
    left.set(xscale="log", yscale="log", ylabel="jump, thousandths of E[y²]")
    numbered(left.yaxis, (1, 10, 100))
    right.set(xscale="log", ylabel="scatter of $n_c/h_T$ over students", ylim=(0, None))
    for ax in (left, right):
        ax.set_xlabel("teacher's nodes, $h_T$")
        numbered(ax.xaxis, every)
    legend_below(figure, left, columns=2 if side_by_side() else 1)


def committees(curves: Mapping[tuple[str, int], Mapping[str, Curve]]) -> None:
    """Pruning curves of committees by activation and size: of "students", by the "product", and in "theory"."""
    kinds = [kind for kind in ACTIVATIONS if any(activation == kind for activation, _ in curves)]
    figure, axes = axes_of(len(kinds), height=3.5, sharey=True)
    for ax, kind in zip(axes, kinds, strict=True):
        chosen = {size: found for (activation, size), found in curves.items() if activation == kind}
        for (size, found), colour in zip(chosen.items(), size_colours(3), strict=False):
            line(ax, *thousandths(found["students"]), colour=colour, label=f"students, $h_T$ = {size}")
            last = size == list(chosen)[-1]  # the one that names what is the same for all
            style: Line = (0, (1, 1))
            product = thousandths(found["product"])
            line(ax, *product, colour=colour, style=style, label="ranked by the product" if last else "")
            line(ax, *thousandths(found["theory"]), colour="black", style="--", label="theory" if last else "")
        ax.set(title=f"committees of {kind} nodes", xlabel=KEPT, xticks=[0, 0.5, 1, 1.5])
        ax.set(xlim=(0, 1.5), ylim=(-50, 1250))
        reference(ax, 1, "$h_T$", axis="x")
    for ax in leftmost(axes):
        ax.set_ylabel(GROWTH)
    legend_below(figure, axes[0], columns=4 if side_by_side() else 2)


def sliding(
    centres: ArrayLike,
    panels: Mapping[str, Mapping[str, Interval]],
    limits: Mapping[str, float],
    window: tuple[float, float],
    threshold: float,
) -> None:
    """Exponents against the middle of their window: a panel for each title, in it a line for each of three.

    They are "students"; "tenfold", the same where n_c is at ten times the `threshold`; and "teachers". `limits` holds
    what theory has for infinite teachers, by title. The usual `window` is shaded.
    """
    looks: Mapping[str, tuple[str, str, Line]] = {
        "students": (f"students, $n_c$ at {1000 * threshold:g} thousandths", ROLES["spectral"].colour, "-"),
        "tenfold": (f"students, $n_c$ at {10_000 * threshold:g} thousandths", shades("spectral", 2)[0], "-."),
        "teachers": ("teachers, pruned alike", ROLES["teacher"].colour, "--"),
    }
    figure, axes = axes_of(len(panels), columns=3, height=3.2, sharey=True)
    for ax, (title, exponents) in zip(axes, panels.items(), strict=True):
        for of, found in exponents.items():
            label, colour, style = looks[of]
            line(ax, centres, found, colour=colour, style=style, label=label)
        if title in limits:
            ax.axhline(limits[title], color=NEUTRAL, linestyle=":", label="theory, infinitely many nodes")
        ax.axvspan(*window, color=NEUTRAL, alpha=0.1, linewidth=0)
        ax.set(title=title, xscale="log", ylim=(0, 6), xlabel="distance $x$ from $n_c$")
        numbered(ax.xaxis, (0.1, 0.2, 0.5))
    for ax in leftmost(axes):
        ax.set_ylabel("exponent $\\beta$")
    legend_below(figure, axes[0], columns=2 if side_by_side() else 1)


def gains(sizes: np.ndarray, found: Mapping[str, Interval]) -> None:
    """Gain of the power law over the exponential, against the teacher's size: a panel for each window."""
    _, axes = axes_of(len(found), columns=3, height=2.9)
    for ax, (title, interval) in zip(axes, found.items(), strict=True):
        points(ax, sizes, interval, colour=ROLES["spectral"].colour)
        ax.axhline(0, color=NEUTRAL, linewidth=1)
        ax.set(xscale="log", title=title, xlabel="teacher's nodes, $h_T$")
        numbered(ax.xaxis, sizes[::2] if side_by_side() else sizes)
    for ax in leftmost(axes):
        ax.set_ylabel("gain per point")
