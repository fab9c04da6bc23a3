"""Figures of chapter 9: whose node is whose, what the survivors are, what goes with the surplus, and two networks."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import legend_below, network, pairs, reference, shares
from spectral.book.figures.style import COLUMN, LEAST, NEGATIVE, NEUTRAL, POSITIVE, ROLES, SIGNS, axes_of
from spectral.stats.intervals import Interval

KINDS = {"partners": POSITIVE, "duplicates": "#80CDC1", "mixtures": "#DFC27D", "others": NEGATIVE}
"""What survivors can be, and their colours: teal for the teacher's nodes."""


def cosines(panels: Mapping[str, ArrayLike]) -> None:
    """Cosines of a student's nodes with those of a teacher, (h, h_T), as maps; the first h_T rows are partners."""
    figure, axes = axes_of(len(panels), height=3.7)
    for ax, (title, values) in zip(axes, panels.items(), strict=True):
        rows, columns = np.shape(values)
        partners = min(rows, columns)
        image = ax.imshow(values, cmap=SIGNS, vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
        ax.axhline(columns - 0.5, color=NEUTRAL, linewidth=1)
        ax.set(title=title, xlabel="teacher's nodes", ylabel="student's surviving nodes")
        ax.set_xticks([0, columns - 1], ["1", f"{columns}"])
        ends = sorted({0, partners - 1, rows - 1})
        ax.set_yticks(ends, [f"{end + 1}" for end in ends])
        for spine in ax.spines.values():
            spine.set_visible(True)
    bar = figure.colorbar(image, ax=axes, shrink=0.85, aspect=30, ticks=[-1, -0.5, 0, 0.5, 1])
    bar.set_label("cosine of incoming weights")


def kinds(counts: Mapping[str, Mapping[str, Interval]], teacher_hidden: int) -> None:
    """How many of each role's survivors are of which of `KINDS`, as bars from the top that are put together."""
    figure, ax = plt.subplots(figsize=(COLUMN, 1.4 + 0.42 * len(counts)))
    place = np.arange(len(counts))
    before = np.zeros(len(counts))
    for kind, colour in KINDS.items():
        number = np.array([float(count[kind].value) for count in counts.values()])
        ax.barh(place, number, left=before, color=colour, height=0.65, label=kind)
        before += number
    for y, total in zip(place, before, strict=True):
        ax.text(float(total), float(y), f" {total:.0f}", va="center", fontsize=LEAST)
    ax.axvline(teacher_hidden, color=NEUTRAL, linewidth=1)
    ax.text(teacher_hidden, -0.75, " $h_T$", va="center", fontsize=LEAST)
    ax.set_yticks(place, [ROLES[role].label.replace(", ", ",\n") for role in counts], fontsize=LEAST)
    ax.set(xlabel="surviving nodes", ylim=(len(counts) - 0.5, -1.1))
    legend_below(figure, columns=4)


def angles(degrees: Mapping[str, ArrayLike], alike: float) -> None:
    """Part of the teacher nodes whose partner is within an angle, by role; `alike` is a cosine to compare with."""
    figure, ax = plt.subplots(figsize=(COLUMN, 4.2))
    for role, values in degrees.items():
        shares(ax, values, role, rising=True)
    reference(ax, float(np.degrees(np.arccos(alike))), f"cosine {alike:g}", axis="x")
    ax.set(
        xscale="log",
        xlabel="angle between teacher node and partner, degrees",
        ylabel="part of the teacher nodes",
        xlim=(0.1, 200),
        ylim=(0, 1.07),
    )
    ax.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    legend_below(figure, columns=2)


def surplus(missing: Mapping[str, ArrayLike], extra: Mapping[str, ArrayLike]) -> None:
    """Surplus nodes against missing nodes of the second layer, a point for each student, (E,) by role.

    Points are moved a little, so that equal ones can be seen; all roles but the first are hollow.
    """
    figure, ax = plt.subplots(figsize=(COLUMN, 3.6))
    for index, (role, x) in enumerate(missing.items()):
        x, y = np.asarray(x), np.asarray(extra[role])
        aside = np.random.default_rng(0).uniform(-0.15, 0.15, (2, len(x)))
        pairs(ax, x + aside[0], y + aside[1], role, hollow=index > 0)
    ax.set(xlabel="second-layer nodes that are not found", ylabel="surplus nodes")
    legend_below(figure)


def networks(teacher: tuple[ArrayLike, ArrayLike], student: tuple[ArrayLike, ArrayLike]) -> None:
    """A teacher and its student, weights (h, d) and (m, h) each; equal places have equal heights."""
    figure, axes = axes_of(2, height=4.6)
    figure.set_layout_engine("constrained", wspace=0.08)  # or the labels of the two would touch
    shapes = np.array([np.shape(first) for first, _ in (teacher, student)])
    most, inputs = shapes.max(0)
    places = [inputs, most, len(np.asarray(teacher[1]))]
    for ax, weights, title in zip(axes, (teacher, student), ("teacher", "surviving student"), strict=True):
        network(ax, weights, ["inputs", "nodes", "second layer"], places=places, least=0.2)
        ax.set_title(title)
