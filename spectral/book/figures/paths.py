"""Figures of the chapter on paths.

Axes: E members, d inputs, h_T nodes of a teacher's first layer, m nodes of its second layer, P points of a curve.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from spectral.book.figures import drawing
from spectral.book.figures.style import COLUMN, axes_of
from spectral.stats.intervals import Interval


def sorted_weights(rank: np.ndarray, curves: Mapping[str, Interval], differences: Mapping[str, Interval]) -> None:
    """Sorted weights of paths (P,), by role, against their rank; beside them the differences from the teacher's."""
    _, (left, right) = axes_of(2, sharex=True)
    for ax, found in ((left, curves), (right, differences)):
        for role, values in found.items():
            drawing.line(ax, rank, values, role)
        ax.set_xlabel("rank / number of paths")
        ax.legend()
    left.set_ylabel(r"weight of the path, $w_{ij} W_{ki}$")
    right.set_ylabel("difference from the teacher")


def second_layer(answers: ArrayLike, cosine: ArrayLike, alike: float) -> None:
    """How like its partner each node of the teacher's second layer is, against how often it answers, (E, m) each."""
    _, ax = plt.subplots(figsize=(COLUMN, 4.4))
    drawing.pairs(ax, answers, cosine, "spectral", label="second-layer node")
    drawing.reference(ax, alike, "")
    ax.set(
        xlim=(0, 1),
        xlabel="part of the patterns to which the teacher's node answers",
        ylabel="cosine with its partner in the student",
    )


def path_by_path(single: tuple[Tensor, Tensor], total: tuple[Tensor, Tensor], found: Tensor) -> None:
    """One student's paths against its teacher's, which come first in each pair.

    Above single paths (m, h_T, d), filled if they end in one of the second layer's nodes that are `found` (m,); below
    totals over the second layer (h_T, d).
    """
    _, (above, below) = plt.subplots(2, 1, figsize=(COLUMN, 9.6))
    for nodes, hollow in ((~found, True), (found, False)):
        own, student = (weights[nodes] for weights in single)
        label = f"second-layer node {'not ' * hollow}found"
        drawing.pairs(above, own, student, "whole" if hollow else "spectral", label=label, hollow=hollow)
    drawing.pairs(below, *total, "spectral", label="total over the second layer")
    for ax, title in ((above, "single paths"), (below, "open paths, summed")):
        drawing.diagonal(ax)
        ax.set(title=title, xlabel="teacher", ylabel="student")
        ax.legend()
