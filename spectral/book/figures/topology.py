"""Figures of the chapter on topology."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import diagonal, pairs, shares
from spectral.book.figures.style import COLUMN, LEAST

STRENGTHS = {
    "in": r"in-strength, $\Sigma_j\, w_{ij}$",
    "unit in": r"in-strength, $\Vert w_i \Vert = 1$",
    "unit out": r"out-strength, $\Vert w_i \Vert = 1$",
    "open": "path strength, open paths",
}


def node_by_node(teacher: Mapping[str, ArrayLike], student: Mapping[str, ArrayLike]) -> None:
    """The `STRENGTHS` of a student's nodes against those of the teacher nodes whose partners they are."""
    _, axes = plt.subplots(2, 2, figsize=(COLUMN, 6.6))
    for ax, (name, title) in zip(axes.flat, STRENGTHS.items(), strict=True):
        pairs(ax, teacher[name], student[name], "spectral")
        if name != "in":  # which has another scale
            diagonal(ax)
        ax.set_title(title, fontsize=LEAST)
    for ax in axes[1]:
        ax.set_xlabel("teacher node")
    for ax in axes[:, 0]:
        ax.set_ylabel("its partner in the student")


def distributions(panels: Mapping[str, Mapping[str, Sequence[np.ndarray]]]) -> None:
    """Falling cumulative distributions: a panel for each label of x, in it for each role values of some networks."""
    _, axes = plt.subplots(len(panels), 1, figsize=(COLUMN, 3.8 * len(panels)))
    for ax, (label, roles) in zip(axes, panels.items(), strict=True):
        for role, networks in roles.items():
            for index, values in enumerate(networks):
                shares(ax, values, role, label="" if index else None)
        ax.set(xlabel=label, ylabel="part of the nodes with at least this")
    axes[0].legend()
