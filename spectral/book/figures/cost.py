"""The figure of the page on cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullLocator

from spectral.book.figures.style import NEUTRAL, ROLES

MODES = {"eager": (NEUTRAL, "s", "--"), "compiled": (ROLES["spectral"].colour, "o", "-")}


Costs = Sequence[Mapping[str, float]]
"""Median and range, for each size."""


def against_sizes(sizes: Mapping[str, Any], costs: Mapping[str, Mapping[str, Costs | None]]) -> None:
    """Milliseconds per student and epoch against members and widths, medians with their range, a line for each mode."""
    titles = {
        "members": ("students $E$", f"$h_S$ = {sizes['members_width']} nodes"),
        "widths": ("nodes $h_S$", f"$E$ = {sizes['widths_members']} students"),
    }
    _, axes = plt.subplots(2, 1, figsize=(6, 7.4))
    for ax, (axis, (label, title)) in zip(axes, titles.items(), strict=True):
        for mode, (colour, marker, style) in MODES.items():
            measured = costs[axis][mode]
            if measured is None:
                continue
            low, median, high = (np.array([cost[key] for cost in measured]) for key in ("low", "median", "high"))
            bars = [median - low, high - median]
            ax.errorbar(sizes[axis], median, bars, color=colour, marker=marker, linestyle=style, capsize=3, label=mode)
        ax.set(xscale="log", yscale="log", xlabel=label, ylabel="ms per student and epoch", title=title)
        ax.set_xticks(sizes[axis], [f"{size:,}" for size in sizes[axis]])
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_minor_locator(NullLocator())
    axes[0].legend()
