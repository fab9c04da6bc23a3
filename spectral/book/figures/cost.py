"""The figures of the page on cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from spectral.book.figures.drawing import legend_below, reference
from spectral.book.figures.style import COLUMN, ROLES, axes_of, size_colours

Costs = Sequence[Mapping[str, float]]
"""Median and range, for each size."""

_MARKERS = "os^Dv"


def students(seconds: Mapping[str, Mapping[int, float]]) -> None:
    """Seconds of a student's training against its nodes, both logarithmic, a line for each role."""
    figure, ax = plt.subplots(figsize=(COLUMN, 4.4))
    for role, by_width in seconds.items():
        style = ROLES[role]
        ax.plot(
            [*by_width], [*by_width.values()], color=style.colour, linestyle=style.line, marker="o", label=style.label
        )
    ax.set(xscale="log", yscale="log", xlabel="student width $h_S$", ylabel="seconds of one core, a student")
    _sizes_below(ax, sorted({width for by_width in seconds.values() for width in by_width}))
    _plain_logarithms(ax)
    legend_below(figure, ax)


def rates(widths: Sequence[int], rate: Mapping[str, Any]) -> None:
    """GFLOP/s against nodes, medians with their range: a panel for each number of threads, with the roof as a line."""
    figure, axes = axes_of(len(rate["roof"]), height=3.9)
    for (threads, roof), ax in zip(rate["roof"].items(), axes, strict=True):
        kernels = [kernel for kernel in rate["kernel"] if f"{kernel['threads']}" == threads]
        for kernel, colour, marker in zip(kernels, size_colours(len(kernels)), _MARKERS, strict=False):
            _medians(ax, widths, kernel["gflops"], colour, marker, f"$d = m$ = {kernel['inputs']}")
        reference(ax, roof["median"], "roof")
        ax.set(xscale="log", ylabel="GFLOP/s", title=f"{threads} thread{'s' if threads != '1' else ''}")
        ax.set_ylim(0, 1.15 * roof["median"])
        ax.set_xlabel("nodes $h_S$")
        _sizes_below(ax, widths)
    legend_below(figure, axes[0], columns=2)


def against_sizes(sizes: Mapping[str, Any], costs: Mapping[str, Costs]) -> None:
    """Milliseconds per student and epoch, medians with range: against members and, logarithmic, against widths."""
    titles = {
        "members": ("students $E$", f"$h_S$ = {sizes['members_width']} nodes"),
        "widths": ("nodes $h_S$", f"$E$ = {sizes['widths_members']} students"),
    }
    _, axes = axes_of(2)
    for ax, (axis, (label, title)) in zip(axes, titles.items(), strict=True):
        _medians(ax, sizes[axis], costs[axis], ROLES["spectral"].colour, "o")
        ax.set(xscale="log", xlabel=label, ylabel="ms per student and epoch", title=title)
        _sizes_below(ax, sizes[axis])
    axes[0].set_ylim(bottom=0)
    axes[1].set_yscale("log")
    _plain_logarithms(axes[1])


def _medians(ax: Axes, sizes: Sequence[int], measured: Costs, colour: str, marker: str, label: str = "") -> None:
    low, median, high = (np.array([cost[key] for cost in measured]) for key in ("low", "median", "high"))
    bars = [median - low, high - median]
    ax.errorbar(sizes, median, bars, color=colour, marker=marker, capsize=3, label=label or None)


def _sizes_below(ax: Axes, sizes: Sequence[int]) -> None:
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=45)
    ax.xaxis.set_minor_locator(NullLocator())


def _plain_logarithms(ax: Axes) -> None:
    """Numbers without exponents at 1, 2 and 5 of every decade, upwards."""
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_locator(NullLocator())
