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


def sorted_weights(rank: np.ndarray, curves: Mapping[str, np.ndarray]) -> None:
    """Sorted weights of paths (P, E), by role, against their rank; below it the differences from the teacher's."""
    _, (above, below) = plt.subplots(2, 1, figsize=(6, 8), sharex=True)
    for role in ("published", "whole", "spectral", "teacher"):
        if role in curves:
            drawing.trials(above, rank, curves[role], role)
    for role in ("other", "matched", "lasso", "spectral"):
        drawing.trials(below, rank, curves[role] - curves["teacher"], role)
    above.set(ylabel=r"weight of the path, $w_{ij} W_{ki}$")
    below.set(xlabel="rank / number of paths", ylabel="difference from the teacher")
    for ax in (above, below):
        ax.legend(fontsize="small")


def second_layer(answers: ArrayLike, cosine: ArrayLike, alike: float) -> None:
    """How like its partner each node of the teacher's second layer is, against how often it answers, (E, m) each."""
    _, ax = plt.subplots(figsize=(6, 4.4))
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
    _, (above, below) = plt.subplots(2, 1, figsize=(5.4, 9.6))
    for nodes, hollow in ((~found, True), (found, False)):
        own, student = (weights[nodes] for weights in single)
        label = f"second-layer node {'not ' * hollow}found"
        drawing.pairs(above, own, student, "whole" if hollow else "spectral", label=label, hollow=hollow)
    drawing.pairs(below, *total, "spectral", label="total over the second layer")
    for ax, title in ((above, "single paths"), (below, "open paths, summed")):
        drawing.diagonal(ax)
        ax.set(title=title, xlabel="teacher", ylabel="student")
        ax.legend(fontsize="small")
