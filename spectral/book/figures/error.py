"""Figures of the chapter on the error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt

from spectral.book.figures.drawing import legend_below, line, reference
from spectral.stats.intervals import Interval


def against_width(widths: Sequence[int], panels: Mapping[str, Mapping[str, Interval]], teacher_hidden: int) -> None:
    """Error in thousandths of E[y^2] against the student's width: a panel for each title, in it every role."""
    size = 6, 3.2 * len(panels)
    figure, axes = plt.subplots(len(panels), 1, figsize=size, sharex=True, sharey=True, squeeze=False)
    for ax, (title, errors) in zip(axes[:, 0], panels.items(), strict=True):
        for role, interval in errors.items():
            line(ax, widths, interval, role, marker="o")
        reference(ax, teacher_hidden, "$h_T$", axis="x")
        ax.set(xscale="log", yscale="log", title=title, ylabel=r"error, $10^{-3}\ \mathrm{E}[y^2]$")
    axes[-1, 0].set_xlabel("student width $h_S$")
    legend_below(figure, axes[0, 0])
