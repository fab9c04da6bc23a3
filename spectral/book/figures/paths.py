"""Figures of the chapter on paths.

Axes: E members, d inputs, h_T nodes of a teacher's first layer, m nodes of its second layer, P points of a curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from spectral.book.figures import drawing
from spectral.book.figures.style import COLUMN, NEUTRAL, SHORT, axes_of
from spectral.stats.intervals import Interval

NAMES = SHORT | {"teacher": "teacher", "whole": "not pruned", "spectral": "pruned", "other": "another teacher"}
"""Names of networks at the ends of their lines."""


def sorted_weights(rank: np.ndarray, curves: Mapping[str, Interval], differences: Mapping[str, Interval]) -> None:
    """Sorted weights of paths (P,), by role, against their rank; beside them the differences from the teacher's."""
    figure, (left, right) = axes_of(2, height=3.5)
    for ax, found in ((left, curves), (right, differences)):
        for role, values in found.items():
            drawing.line(ax, rank, values, role)
        ax.set(xlim=(0, 1), xticks=(0, 0.5, 1), xlabel="rank / number of paths")
    left.set_title("weight, in mean paths", x=0, ha="left")
    right.set_title("difference from the teacher", x=0, ha="left")
    right.axhline(0, color=NEUTRAL, linewidth=1)
    for ax, found in ((left, curves), (right, differences)):
        drawing.name_ends(figure, ax, drawing.ends(found, NAMES))


def steps(labels: Sequence[str], distances: Mapping[str, Interval]) -> None:
    """Distances from the teacher, step by step, a line for each role."""
    figure, ax = plt.subplots(figsize=(COLUMN, 3.6))
    for role, values in distances.items():
        drawing.line(ax, np.arange(len(labels)), values, role, marker="o")
    ax.set(yscale="log", ylabel="distance, in mean paths", xlim=(-0.15, len(labels) - 0.85))
    ax.set_xticks(range(len(labels)), labels)
    drawing.numbered(ax.yaxis, (0.02, 0.05, 0.1, 0.2, 0.5, 1))
    drawing.name_ends(figure, ax, drawing.ends(distances, NAMES))


def second_layer(answers: ArrayLike, cosine: ArrayLike, alike: float) -> None:
    """How like its partner each node of the teacher's second layer is, against how often it answers, (E, m) each."""
    figure, ax = plt.subplots(figsize=(COLUMN, 3.4))
    drawing.pairs(ax, answers, cosine, "spectral", label="second-layer node")
    ax.axhline(alike, color=NEUTRAL, linewidth=1)
    ax.set(xlim=(0, 1), ylim=(None, 1.05), ylabel="cosine with its partner")
    ax.set_xlabel("part of the patterns to which the node answers")
    drawing.name_ends(figure, ax, [(alike, "found", NEUTRAL)])


def path_by_path(single: tuple[Tensor, Tensor], total: tuple[Tensor, Tensor], found: Tensor, every: int = 1) -> None:
    """One student's paths against its teacher's, which come first in each pair.

    On the left every so many-th of the single paths (m, h_T, d), filled if they end in one of the second layer's nodes
    that are `found` (m,); on the right totals over the second layer (h_T, d).
    """
    figure, (left, right) = axes_of(2, height=3.9)
    for nodes, hollow in ((~found, True), (found, False)):
        own, student = (weights[nodes].flatten()[::every] for weights in single)
        label = f"ends in a node {'not ' * hollow}found"
        drawing.pairs(left, own, student, "whole" if hollow else "spectral", label=label, hollow=hollow)
    drawing.pairs(right, *total, "spectral", label="total over the second layer")
    for ax, title in ((left, "single paths"), (right, "open paths, summed")):
        drawing.diagonal(ax)
        ax.set(title=title, xlabel="teacher", ylabel="student")
    drawing.legend_below(figure, left, columns=2)
