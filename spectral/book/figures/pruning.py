"""Figures of the chapter on pruning: how the error grows as nodes go, and where that begins.

A curve is the growth of the error, in units of E[y^2], with n = 0, 1, ... nodes kept, with its intervals. All figures
have thousandths of that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import legend_below, line, reference
from spectral.book.figures.style import COLUMN, LEAST, NEUTRAL, ROLES, Role, axes_of, shades
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

TOP = 20
"""The largest growth in the figures whose axes are linear, in thousandths."""

GROWTH = r"growth $\Delta$, thousandths of E[y²]"


def by_width(curves: Mapping[int, Interval], teacher: Interval, teacher_hidden: int) -> None:
    """Curves of spectral students of several widths, and the mean one of their teachers."""
    _, ax = plt.subplots(figsize=(COLUMN, 3.7))
    for (width, curve), colour in zip(curves.items(), shades("spectral", len(curves)), strict=True):
        _curve(ax, curve, Role(f"student of {width:,}", colour, "-"), 2 * teacher_hidden)
    _curve(ax, teacher, ROLES["teacher"], teacher_hidden)
    _linear(ax, teacher_hidden)
    ax.legend(loc="upper right", bbox_to_anchor=(1, 0.92))


def by_role(curves: Mapping[str, Interval], teacher_hidden: int) -> None:
    """Curves of several roles about the teacher's size, and in an inset with all nodes."""
    figure, ax = plt.subplots(figsize=(COLUMN, 4.4))
    most = max(len(curve.value) for curve in curves.values()) - 1
    inset = ax.inset_axes((0.54, 0.36, 0.45, 0.53))
    for role, curve in curves.items():
        for axes, end in ((ax, 2 * teacher_hidden), (inset, most)):
            _curve(axes, curve, _unnamed(role), end)
    _linear(ax, teacher_hidden)
    if "published" in curves:
        values = 1000 * curves["published"].value
        _name(inset, int(np.argmax(values < TOP / 2)), TOP / 2)
    inset.axvline(teacher_hidden, color=NEUTRAL, linewidth=1)
    inset.set(xlim=(0, most), ylim=(-0.05 * TOP, TOP), xticks=[0, most // 2, most], yticks=[0, TOP])
    inset.set_title(f"up to all {most:,} nodes", fontsize=LEAST)
    inset.tick_params(labelsize=LEAST)
    legend_below(figure, ax, columns=2)


def against_width(
    widths: Sequence[int], sizes: Mapping[str, Interval], prices: Mapping[str, Interval], teacher_hidden: int
) -> None:
    """Against the student's width, a line for each role: the needed size; and the growth with as many nodes as h_T."""
    figure, (left, right) = axes_of(2, height=3.4)
    for ax, values in ((left, sizes), (right, prices)):
        for role, interval in values.items():
            line(ax, widths, interval, role, marker="o")
        ax.set(xscale="log", xlabel="student's width $h_S$")
        ax.set_xticks(widths, [f"{width:,}" for width in widths])
        ax.minorticks_off()
    left.axhline(teacher_hidden, color=NEUTRAL, linewidth=1)
    left.text(widths[-1], teacher_hidden, "$h_T$", ha="right", va="top", fontsize=LEAST)  # below it is no data
    left.set(ylabel="needed size $n_c$", ylim=(0.9 * teacher_hidden, None))
    right.set(ylabel=f"$\\Delta({teacher_hidden})$, thousandths of E[y²]", ylim=(0, None))
    legend_below(figure, left, columns=2)


def below(curves: Mapping[str, Interval], teacher_hidden: int, tolerance: float) -> None:
    """Curves below the teacher's size over all orders of magnitude, of `RANKINGS` or roles; linear about zero."""
    figure, ax = plt.subplots(figsize=(COLUMN, 4.6))
    most = teacher_hidden + 12
    for name, curve in curves.items():
        _curve(ax, curve, _unnamed(name) if name in ROLES else RANKINGS[name], most)
    if "published" in curves:
        values = 1000 * curves["published"].value
        _name(ax, min(teacher_hidden, len(values) - 1), values[min(teacher_hidden, len(values) - 1)])
    ax.set_yscale("symlog", linthresh=0.1)
    ax.set(xlim=(0, most), ylim=(-0.1, 2000), ylabel=GROWTH, xlabel="nodes kept, $n$")
    ax.set_yticks([0, 0.1, 1, 10, 100, 1000], ["0", "0.1", "1", "10", "100", "1,000"])
    ax.axhline(0, color=NEUTRAL, linewidth=1)
    reference(ax, teacher_hidden, "$h_T$", axis="x")
    reference(ax, 1000 * tolerance, "tolerance")
    legend_below(figure, columns=2)


def onsets(tolerances: ArrayLike, sizes: Mapping[str, Interval], teacher_hidden: int, tolerance: float) -> None:
    """The needed size against the growth that counts as zero, a line for each role."""
    figure, ax = plt.subplots(figsize=(COLUMN, 4.4))
    thousandths = 1000 * np.asarray(tolerances)
    for role, begin in sizes.items():
        line(ax, thousandths, begin, role, label=_unnamed(role).label)
    if "published" in sizes:
        middle = len(thousandths) // 2
        _name(ax, thousandths[middle], sizes["published"].value[middle])
    ax.set(xscale="log", yscale="log", xlabel="growth that counts as zero, thousandths of E[y²]")
    ax.set_ylabel("needed size $n_c$")
    ax.set_yticks([5, 10, 20, 50, 100], ["5", "10", "20", "50", "100"])
    ax.set_xticks([1, 10, 100], ["1", "10", "100"])
    ax.minorticks_off()
    reference(ax, teacher_hidden, "$h_T$")
    reference(ax, 1000 * tolerance, "elsewhere", axis="x")
    legend_below(figure, columns=2)


def _unnamed(role: str) -> Role:
    """Its look in a legend of two columns, for which the published student's name is too wide; see `_name`."""
    return ROLES[role]._replace(label="") if role == "published" else ROLES[role]


def _name(ax: Axes, x: float, y: float) -> None:
    """The published student's name beside its curve, which falls."""
    text = "direct student,\npublished settings"
    ax.annotate(text, (x, y), (5, 5), textcoords="offset points", fontsize=LEAST, linespacing=1.1)


def _curve(ax: Axes, curve: Interval, look: Role, most: int) -> None:
    """With at most so many nodes kept."""
    shown = curve[: most + 1].scaled(1000)
    line(ax, np.arange(len(shown.value)), shown, label=look.label, colour=look.colour, style=look.line)


def _linear(ax: Axes, teacher_hidden: int) -> None:
    ax.set(xlim=(0.3 * teacher_hidden, 2 * teacher_hidden), ylim=(-0.03 * TOP, TOP), yticks=range(0, TOP + 1, 5))
    ax.set(xlabel="nodes kept, $n$", ylabel=GROWTH)
    ax.axhline(0, color=NEUTRAL, linewidth=1)
    reference(ax, teacher_hidden, "$h_T$", axis="x")
