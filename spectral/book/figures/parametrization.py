"""Figures of the chapter on the spectral parametrization."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import matrix, name_ends
from spectral.book.figures.style import COLUMN, LEAST, NEUTRAL, shades


def one_node(x: ArrayLike, answers: Mapping[float, ArrayLike]) -> None:
    """Answers (P,) of a relu node to inputs (P,) along its eigenvector, by its eigenvalue, largest first."""
    x = np.asarray(x)
    figure, ax = plt.subplots(figsize=(COLUMN, 3.2))
    ends = []
    for (lam, found), colour in zip(answers.items(), shades("spectral", len(answers)), strict=True):
        answer, name = np.asarray(found), rf"$\lambda$ = {lam:g}"
        ax.plot(x, answer, color=colour, linewidth=2, label=name)
        if answer[0] > answer[-1]:  # it answers on the left
            ax.annotate(name, (x[0], answer[0]), (0, 5), textcoords="offset points", fontsize=LEAST)
        else:
            ends.append((float(answer[-1]), name, colour))
    ax.set(
        xlabel=r"input along the eigenvector, $-\phi_i \cdot x$",
        ylabel=r"answer of the node, $g(w_i \cdot x)$",
    )
    ax.locator_params(nbins=5)
    name_ends(figure, ax, ends)


def matrices(found: Mapping[str, ArrayLike], inputs: int) -> None:
    """Matrices of a layer's graph by their titles, cut where its so many `inputs` end and its outputs begin."""
    figure, axes = plt.subplots(2, -(-len(found) // 2), figsize=(COLUMN, 4.2))
    limit = max(float(np.abs(np.asarray(values)).max()) for values in found.values())
    for ax, (title, values) in zip(axes.flat, found.items(), strict=True):
        matrix(ax, values, title, limit=limit, colourbar=False)
        for edge in (ax.axhline, ax.axvline):
            edge(inputs - 0.5, color=NEUTRAL, linewidth=1)
        ax.set(xticks=[], yticks=[])
    figure.colorbar(axes.flat[0].images[0], ax=axes, shrink=0.6)


def valley(shares: ArrayLike, costs: ArrayLike, bound: float) -> None:
    """The penalty of one weight against how it is shared between its factors; `bound` is the group lasso's."""
    _, ax = plt.subplots(figsize=(COLUMN, 3.2))
    ax.plot(shares, costs, color=shades("spectral", 1)[0], linewidth=2)
    ax.axhline(bound, color=NEUTRAL, linewidth=1)
    name, place = r"group lasso, $2\sqrt{ab}\,\Vert w\Vert$", (min(np.asarray(shares)), bound)
    ax.annotate(name, place, (0, 3), textcoords="offset points", fontsize=LEAST)
    ax.set(
        xscale="log",
        yscale="log",
        xlabel=r"share $c$, with $\phi \to c\,\phi$ and $\lambda \to \lambda / c$",
        ylabel="penalty",
    )
