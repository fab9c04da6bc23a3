"""Figures of the chapter on why nodes die."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import bars, forest, heat, legend_below, line
from spectral.book.figures.style import COLUMN, LEAST, NEUTRAL, ROLES, Role, shades
from spectral.stats.intervals import Interval

_LIGHT, _MIDDLE, _DARK = shades("spectral", 3)

RULES = {
    "adam": Role("Adam", _MIDDLE, "-"),
    "momentum": Role("SGD with momentum", _DARK, ":"),
    "adamw": Role("AdamW", _LIGHT, "--"),
    "direct": Role(r"Adam, $\lambda$ frozen", ROLES["matched"].colour, ROLES["matched"].line),
}
"""How the rules of the steps are drawn: spectral students in blue, the conventional one in its own colour."""


class Decay(NamedTuple):
    """Scores of dying nodes at some epochs, (S,), and of a node that is left alone, (S,)."""

    epochs: ArrayLike
    scores: Interval
    alone: np.ndarray


def plane(
    sizes: Interval,
    l2_phi: Sequence[float],
    l2_lam: Sequence[float],
    marked: Sequence[tuple[int, int]],
    teacher_hidden: int,
) -> None:
    """Survivors for each pair of penalties, rows for that on phi; `marked` cells are framed."""
    _, ax = plt.subplots(figsize=(COLUMN, 4.2))
    rows, columns = ([f"{value:g}" for value in values] for values in (l2_phi, l2_lam))
    heat(ax, sizes, rows, columns, centre=teacher_hidden, far=teacher_hidden, spec=".0f")
    for row, column in marked:
        ax.add_patch(Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, fill=False, edgecolor="black", linewidth=2))
    ax.set(xlabel=r"$b$, penalty on eigenvalues $\lambda$", ylabel=r"$a$, penalty on eigenvectors $\phi$")


def by_rule(sizes: Mapping[str, Interval], rows: Sequence[str], teacher_hidden: int, width: int) -> None:
    """Survivors by what is changed of the penalties, a row each from the top, with a point for each rule of the steps.

    The names of the rules stand beside their points in the first row.
    """
    _, ax = plt.subplots(figsize=(COLUMN, 0.9 + 0.68 * len(rows)))
    shifts = np.linspace(-0.25, 0.25, len(sizes))
    for shift, marker, (rule, found) in zip(shifts, "oDs", sizes.items(), strict=True):
        look, places = RULES[rule], np.arange(len(rows)) + shift
        ax.errorbar(found.value, places, xerr=bars(found), fmt=marker, color=look.colour, capsize=3, label=look.label)
        right = rule == "momentum"
        end = np.fmax(found.value, found.high)[0] if right else np.fmin(found.value, found.low)[0]
        ax.annotate(
            look.label,
            (end, shift),
            (8 if right else -8, 0),
            textcoords="offset points",
            ha="left" if right else "right",
            va="center",
            fontsize=LEAST,
        )
    for place, text in ((teacher_hidden, "teacher"), (width, "all nodes")):
        ax.axvline(place, color=NEUTRAL, linewidth=1)
        ax.text(place, 1.0, text, transform=ax.get_xaxis_transform(), ha="center", va="bottom", fontsize=LEAST)
    ax.set_yticks(range(len(rows)), rows)
    ax.set(ylim=(len(rows) - 0.5, -0.5), xlim=(0, 1.04 * width), xlabel="nodes that survive")
    ax.grid(axis="y", linewidth=0.5, alpha=0.5)


def decays(found: Mapping[str, Decay], least: float) -> None:
    """Scores of dying nodes down to the `least`, a panel for each rule; dashed, a node that the loss leaves alone."""
    figure, axes = plt.subplots(2, 2, figsize=(COLUMN, 4.8), sharex=True, sharey=True)
    for ax, (rule, decay) in zip(axes.flat, found.items(), strict=True):
        look = RULES[rule]
        line(ax, decay.epochs, decay.scores, label="dying nodes", colour=look.colour)
        alone = np.maximum(decay.alone, least)
        ax.plot(decay.epochs, alone, color="black", linestyle="--", linewidth=1.2, label="left alone by the loss")
        ax.set(xscale="log", yscale="log", ylim=(least, 1), title=look.label)
    for ax in axes[1]:
        ax.set_xlabel("epoch")
    for ax in axes[:, 0]:
        ax.set_ylabel(r"score $\Vert w_i \Vert$")
    legend_below(figure, axes[0, 0], columns=2)


def balances(found: Mapping[str, tuple[ArrayLike, Interval]]) -> None:
    """The two penalties of the survivors, one over the other, along training."""
    _, ax = plt.subplots(figsize=(COLUMN, 3.3))
    for rule, (epochs, ratio) in found.items():
        look = RULES[rule]
        line(ax, epochs, ratio, label=look.label, colour=look.colour, style=look.line)
        end = np.asarray(epochs)[-1], ratio.value[-1]
        text = look.label.replace(" with", "\nwith")
        ax.annotate(text, end, (5, 0), textcoords="offset points", va="center", fontsize=LEAST)
    ax.axhline(1, color=NEUTRAL, linewidth=1)
    ax.text(0.01, 1, "balance", transform=ax.get_yaxis_transform(), va="bottom", fontsize=LEAST)
    ax.set(xscale="log", yscale="log", xlabel="epoch")
    ax.set_ylabel("penalty on $\\lambda$ / penalty on $\\phi$")


def interventions(groups: Sequence[tuple[str, Sequence[str]]], ratios: Interval) -> None:
    """Survivors of all other interventions over those as published, in groups with titles."""
    rows = sum(len(names) for _, names in groups)
    _, ax = plt.subplots(figsize=(COLUMN, 0.8 + 0.2 * rows + 0.26 * len(groups)))
    forest(ax, groups, ratios, centre=1, within=(0.8, 1.25))
    ax.set(xscale="log", xlabel="survivors, times\nas many as published")
    ax.set_xticks([0.5, 1, 2, 4], labels=["0.5", "1", "2", "4"])
    ax.minorticks_off()
