"""Figures of the chapter on pruning: how the error grows as nodes go, and where that begins.

A curve is the growth of the error with n = 0, 1, ... nodes kept, with its intervals; it is drawn against n - h_T.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import legend_below, line, reference
from spectral.book.figures.style import COLUMN, NEUTRAL, ROLES, Role, shades
from spectral.stats.intervals import Interval

_BLUE = ROLES["spectral"].colour

RANKINGS = {
    "incoming": Role(r"$\Vert w_i\Vert$, the paper's", _BLUE, "-"),
    "eigenvalue": Role(r"$\vert\lambda_i\vert$", _BLUE, ":"),
    "product": Role(r"$\Vert w_i\Vert\,\Vert w_i^{\mathrm{out}}\Vert$", _BLUE, "-."),
    "greedy": Role("greedy removal", ROLES["whole"].colour, (0, (5, 1))),
    "survivors": Role("random, of survivors", NEUTRAL, "--"),
    "all": Role("random, of all", NEUTRAL, ":"),
}
"""How the curves of a spectral student are drawn, by what ranks its nodes."""

WAYS = {"incoming": r"in the order of $\Vert w_i\Vert$", "greedy": "greedy removal"}
"""Ways to remove nodes for which the needed size is shown, and their titles."""


def by_width(curves: Mapping[int, Interval], teacher_hidden: int, tolerance: float) -> None:
    """Curves of spectral students of several widths: around zero, and over all orders of magnitude."""
    _, axes = plt.subplots(2, 1, figsize=(COLUMN, 7.4))
    colours = shades("spectral", len(curves))
    for (width, curve), colour in zip(curves.items(), colours, strict=True):
        for ax in axes:
            _curve(ax, curve, teacher_hidden, Role(f"$h_S$ = {width:,}", colour, "-"))
    _near_zero(axes[0])
    _logarithmic(axes[1], teacher_hidden)
    _references(axes, teacher_hidden, tolerance)
    axes[0].legend()


def by_role(curves: Mapping[str, Interval], teacher_hidden: int, tolerance: float) -> None:
    """Curves of several roles: around zero and the teacher's size, and all of them."""
    figure, axes = plt.subplots(2, 1, figsize=(COLUMN, 8.4))
    for role, curve in curves.items():
        for ax in axes:
            _curve(ax, curve, teacher_hidden, ROLES[role])
    most = max(12, max(len(curve.value) for curve in curves.values()) - 1 - teacher_hidden)
    _near_zero(axes[0])
    _logarithmic(axes[1], teacher_hidden, most)
    axes[1].set_xscale("symlog", linthresh=teacher_hidden)
    half = teacher_hidden // 2
    far = {x for x in (50, 100, 500) if x < 0.8 * most}
    axes[1].set_xticks(sorted({-teacher_hidden, -half, 0, half, most} | far))
    axes[1].xaxis.set_major_formatter("{x:g}")
    _references(axes, teacher_hidden, tolerance)
    legend_below(figure, axes[0], columns=2)


def all_below(curves: Mapping[str, Interval], looks: Mapping[str, Role], teacher_hidden: int, tolerance: float) -> None:
    """Curves below the teacher's size over all orders of magnitude, in one panel, each in its look."""
    figure, ax = plt.subplots(figsize=(COLUMN, 5.4))
    for name, curve in curves.items():
        _curve(ax, curve, teacher_hidden, looks[name])
    _logarithmic(ax, teacher_hidden)
    _references([ax], teacher_hidden, tolerance)
    legend_below(figure, columns=2)


def onsets(
    tolerances: ArrayLike, panels: Mapping[str, Mapping[str, Interval]], teacher_hidden: int, tolerance: float
) -> None:
    """The needed size against the growth that counts as zero: a panel for each of `WAYS`, a line for each role."""
    figure, axes = plt.subplots(2, 1, figsize=(COLUMN, 8.4), sharex=True)
    for ax, (way, title) in zip(axes, WAYS.items(), strict=True):
        for role, begin in panels[way].items():
            line(ax, tolerances, begin, role)
        ax.set(xscale="log", yscale="log", title=title, ylabel="needed size $n_c$")
        ax.set_yticks([5, 10, 20, 50, 100], labels=["5", "10", "20", "50", "100"])
        ax.minorticks_off()
        reference(ax, teacher_hidden, "$h_T$")
        reference(ax, tolerance, "tolerance", axis="x")
    axes[1].set_xlabel(r"growth $\Delta$ that counts as zero")
    legend_below(figure, axes[0], columns=2)


def _curve(ax: Axes, curve: Interval, teacher_hidden: int, look: Role) -> None:
    beyond = np.arange(len(curve.value)) - teacher_hidden
    line(ax, beyond, curve, label=look.label, colour=look.colour, style=look.line)


def _near_zero(ax: Axes) -> None:
    """Linear, around the teacher's size."""
    ax.set(xlim=(-6, 12), ylim=(-0.002, 0.02), ylabel=r"growth $\Delta$, thousandths")
    ax.yaxis.set_major_formatter(lambda value, _: f"{1000 * value:g}")


def _logarithmic(ax: Axes, teacher_hidden: int, most: int = 12) -> None:
    """Logarithmic far from zero, linear between -0.0001 and 0.0001."""
    ax.set_yscale("symlog", linthresh=1e-4)
    ax.set(xlim=(-teacher_hidden, most), ylim=(-1e-4, 2), ylabel=r"growth $\Delta$ of the error")


def _references(axes: Sequence[Axes], teacher_hidden: int, tolerance: float) -> None:
    for ax in axes:
        ax.axhline(0, color=NEUTRAL, linewidth=1)
        reference(ax, 0, "$h_T$", axis="x")
        reference(ax, tolerance, "tolerance")
    axes[-1].set_xlabel("nodes kept beyond the teacher's, $n - h_T$")
