"""Figures of the chapter on the spectral parametrization."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
from numpy.typing import ArrayLike

from spectral.book.figures.drawing import matrix, reference
from spectral.book.figures.style import COLUMN, NEUTRAL, axes_of, shades


def one_node(x: ArrayLike, answers: Mapping[float, ArrayLike]) -> None:
    """Answers (P,) of a relu node to inputs (P,) along its eigenvector, by its eigenvalue, largest first."""
    _, ax = plt.subplots(figsize=(COLUMN, 3.4))
    for (lam, answer), colour in zip(answers.items(), shades("spectral", len(answers)), strict=True):
        ax.plot(x, answer, color=colour, linewidth=2, label=rf"$\lambda$ = {lam:g}")
    ax.set(
        xlabel=r"input along the eigenvector, $-\phi_i \cdot x$",
        ylabel=r"answer of the node, $g(w_i \cdot x)$",
    )
    ax.legend()


def matrices(found: Mapping[str, ArrayLike], inputs: int) -> None:
    """Matrices of a layer's graph by their titles, cut where its so many `inputs` end and its outputs begin."""
    _, axes = axes_of(len(found), height=2.6)
    for ax, (title, values) in zip(axes, found.items(), strict=True):
        matrix(ax, values, title)
        for edge in (ax.axhline, ax.axvline):
            edge(inputs - 0.5, color=NEUTRAL, linewidth=1)
        ax.set(xticks=[], yticks=[])


def valley(shares: ArrayLike, costs: ArrayLike, bound: float) -> None:
    """The penalty of one weight against how it is shared between its factors; `bound` is the group lasso's."""
    _, ax = plt.subplots(figsize=(COLUMN, 3.2))
    ax.plot(shares, costs, color=shades("spectral", 1)[0], linewidth=2)
    reference(ax, bound, r"group lasso, $2\sqrt{ab}\,\Vert w\Vert$")
    ax.set(
        xscale="log",
        yscale="log",
        xlabel=r"share $c$, with $\phi \to c\,\phi$ and $\lambda \to \lambda / c$",
        ylabel="penalty",
    )
