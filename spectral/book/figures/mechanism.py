"""Figures of the chapter on why nodes die."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import forest, heat, legend_below, line, points, reference
from spectral.book.figures.style import COLUMN, ROLES, Role, shades
from spectral.stats.intervals import Interval

_LIGHT, _MIDDLE, _DARK = shades("spectral", 3)

RULES = {
    "adam": Role("Adam", _MIDDLE, "-"),
    "adamw": Role("AdamW", _LIGHT, "--"),
    "momentum": Role("SGD with momentum", _DARK, ":"),
    "direct": Role(r"Adam, $\lambda$ frozen", ROLES["matched"].colour, ROLES["matched"].line),
}
"""How the rules of the steps are drawn: spectral students in blue, the conventional one in its own colour."""


class Decay(NamedTuple):
    """Scores of dying nodes at some epochs: quantiles (S, 3), and of a node that is left alone, (S,)."""

    epochs: ArrayLike
    quantiles: np.ndarray
    alone: np.ndarray


def plane(
    sizes: Interval,
    l2_phi: Sequence[float],
    l2_lam: Sequence[float],
    marked: Sequence[tuple[int, int]],
    teacher_hidden: int,
) -> None:
    """Survivors for each pair of penalties, rows for that on phi; `marked` cells are framed."""
    _, ax = plt.subplots(figsize=(COLUMN, 4.6))
    rows, columns = ([f"{value:g}" for value in values] for values in (l2_phi, l2_lam))
    heat(ax, sizes, rows, columns, centre=teacher_hidden, far=teacher_hidden, spec=".0f")
    for row, column in marked:
        ax.add_patch(Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, fill=False, edgecolor="black", linewidth=2))
    ax.set(xlabel=r"$b$, penalty on eigenvalues $\lambda$", ylabel=r"$a$, penalty on eigenvectors $\phi$")


def by_rule(sizes: Mapping[str, Interval], columns: Sequence[str], teacher_hidden: int) -> None:
    """Survivors by what is changed of the penalties, a point for each rule of the steps."""
    figure, ax = plt.subplots(figsize=(COLUMN, 4.4))
    places = np.arange(len(columns))
    for shift, (rule, found) in zip(np.linspace(-0.18, 0.18, len(sizes)), sizes.items(), strict=True):
        look = RULES[rule]
        points(ax, places + shift, found, colour=look.colour, marker="osD"[len(ax.containers) % 3], label=look.label)
    reference(ax, teacher_hidden, "$h_T$")
    ax.set_xticks(places, columns)
    ax.set(ylim=(0, None), xlim=(-0.5, len(columns) - 0.5), ylabel="survivors")
    legend_below(figure, columns=3)


def decays(found: Mapping[str, Decay]) -> None:
    """Scores of dying nodes, a panel for each rule; dashed, a node that the loss leaves alone."""
    figure, axes = plt.subplots(2, 2, figsize=(COLUMN, 6.2), sharex=True, sharey=True)
    for ax, (rule, decay) in zip(axes.flat, found.items(), strict=True):
        look, epochs = RULES[rule], np.asarray(decay.epochs)
        low, middle, high = np.maximum(decay.quantiles, 1e-9).T
        ax.fill_between(epochs, low, high, color=look.colour, alpha=0.2, linewidth=0)
        ax.plot(epochs, middle, color=look.colour, linewidth=2, label="dying nodes")
        ax.plot(epochs, np.maximum(decay.alone, 1e-9), color="black", linestyle="--", linewidth=1.2, label="left alone")
        ax.set(xscale="log", yscale="log", ylim=(1e-7, 1), title=look.label)
    for ax in axes[1]:
        ax.set_xlabel("epoch")
    for ax in axes[:, 0]:
        ax.set_ylabel(r"$\Vert w_i \Vert$")
    legend_below(figure, axes[0, 0], columns=2)


def balances(found: Mapping[str, tuple[ArrayLike, Interval]]) -> None:
    """The two penalties of the survivors, one over the other, along training."""
    figure, ax = plt.subplots(figsize=(COLUMN, 4.2))
    for rule, (epochs, ratio) in found.items():
        look = RULES[rule]
        line(ax, epochs, ratio, label=look.label, colour=look.colour, style=look.line)
    reference(ax, 1, "balance")
    ax.set(xscale="log", yscale="log", xlabel="epoch", ylabel=r"$b \sum \lambda_i^2 \, / \, a \sum \Vert\phi_i\Vert^2$")
    legend_below(figure, columns=3)


def interventions(groups: Sequence[tuple[str, Sequence[str]]], ratios: Interval) -> None:
    """Survivors of all other interventions over those as published, in groups with titles."""
    rows = sum(len(names) for _, names in groups)
    _, ax = plt.subplots(figsize=(COLUMN, 1 + 0.27 * rows + 0.3 * len(groups)))
    forest(ax, groups, ratios, centre=1, within=(0.8, 1.25))
    ax.set(xscale="log", xlabel="survivors, times the published student's")
    ax.set_xticks([0.5, 1, 2, 4], labels=["0.5", "1", "2", "4"])
    ax.minorticks_off()
