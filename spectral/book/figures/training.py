"""Figures of the chapter on training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import trials


def learning_curves(epochs: Sequence[int], panels: Mapping[str, Mapping[str, ArrayLike]]) -> None:
    """Errors (epochs, members) in units of E[y^2] against the epoch: a panel for each title, in it every role."""
    _, axes = plt.subplots(len(panels), 1, figsize=(6, 3.5 * len(panels)), sharex=True, squeeze=False)
    for ax, (title, errors) in zip(axes[:, 0], panels.items(), strict=True):
        for role, values in errors.items():
            trials(ax, epochs, values, role)
        ax.set(xscale="symlog", yscale="log", title=title, xlim=(0, epochs[-1]), ylabel=r"error / $\mathrm{E}[y^2]$")
    axes[-1, 0].set_xlabel("epoch")
    axes[0, 0].legend(fontsize="small")
