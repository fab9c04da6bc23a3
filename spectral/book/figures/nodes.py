"""Figures of chapter 9: teacher nodes and their partners, what goes with the surplus, two networks side by side."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import legend_below, network, pairs, reference, shares
from spectral.book.figures.style import COLUMN


def angles(degrees: Mapping[str, ArrayLike], alike: float) -> None:
    """Part of the teacher nodes whose partner is within an angle, by role; `alike` is a cosine to compare with."""
    figure, ax = plt.subplots(figsize=(COLUMN, 4.8))
    for role, values in degrees.items():
        shares(ax, values, role, rising=True)
    reference(ax, float(np.degrees(np.arccos(alike))), f"cosine {alike:g}", axis="x")
    ax.set(
        xscale="log",
        xlabel="angle between teacher node and partner, degrees",
        ylabel="part of the teacher nodes within it",
    )
    legend_below(figure, columns=2)


def surplus(missing: Mapping[str, ArrayLike], extra: Mapping[str, ArrayLike]) -> None:
    """Surplus nodes against missing nodes of the second layer, a point for each student, (E,) by role.

    Points are moved a little, so that equal ones can be seen; all roles but the first are hollow.
    """
    _, ax = plt.subplots(figsize=(COLUMN, 4.6))
    for index, (role, x) in enumerate(missing.items()):
        x, y = np.asarray(x), np.asarray(extra[role])
        aside = np.random.default_rng(0).uniform(-0.15, 0.15, (2, len(x)))
        pairs(ax, x + aside[0], y + aside[1], role, hollow=index > 0)
    ax.set(xlabel="second-layer nodes of the teacher that are not found", ylabel="surplus nodes")
    ax.legend()


def networks(teacher: tuple[ArrayLike, ArrayLike], student: tuple[ArrayLike, ArrayLike]) -> None:
    """A teacher above its student, weights (h, d) and (m, h) each; equal places have equal heights."""
    _, axes = plt.subplots(2, 1, figsize=(COLUMN, 10))
    shapes = np.array([np.shape(first) for first, _ in (teacher, student)])
    most, inputs = shapes.max(0)
    places = [inputs, most, len(np.asarray(teacher[1]))]
    for ax, weights, title in zip(axes, (teacher, student), ("teacher", "surviving student"), strict=True):
        network(ax, weights, ["inputs", "nodes", "second layer"], places=places)
        ax.set_title(title)
