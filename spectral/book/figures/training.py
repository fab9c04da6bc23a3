"""Figures of the chapter on training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spectral.book.figures.drawing import line
from spectral.book.figures.style import axes_of
from spectral.stats.intervals import Interval


def learning_curves(epochs: Sequence[int], panels: Mapping[str, Mapping[str, Interval]]) -> None:
    """Errors (epochs,) in units of E[y^2] against the epoch: a panel for each title, in it every role."""
    _, axes = axes_of(len(panels), sharex=True, sharey=True)
    for ax, (title, errors) in zip(axes, panels.items(), strict=True):
        for role, values in errors.items():
            line(ax, epochs, values, role)
        ax.set(xscale="symlog", yscale="log", title=title, xlim=(0, epochs[-1]), xlabel="epoch")
        ax.set_ylabel(r"error / $\mathrm{E}[y^2]$")
    axes[0].legend()
