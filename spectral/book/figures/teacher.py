"""Figures of the chapter on the teacher."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from spectral.book.figures import drawing
from spectral.book.figures.style import COLUMN, ROLES, axes_of


def graph(first: ArrayLike, second: ArrayLike) -> None:
    """A teacher of weights (h, d) and (m, h) as a layered graph; its answer is the sum of the second layer."""
    first, second = np.asarray(first), np.asarray(second)
    _, ax = plt.subplots(figsize=(COLUMN, 4))
    names = [
        f"inputs\n$d$ = {first.shape[1]}",
        f"teacher nodes\n$h_T$ = {first.shape[0]}",
        f"second layer\n$m$ = {second.shape[0]}",
        "sum",
    ]
    drawing.network(ax, [first, second, np.ones((1, len(second)))], names)


def answers(t: ArrayLike, lines: Sequence[ArrayLike], test: ArrayLike) -> None:
    """Answers (P,) along three `lines`, against positions t (P,); beside them how answers to test patterns scatter."""
    _, (left, right) = axes_of(2, height=3.2)
    for values, style in zip(lines, ("-", "--", ":"), strict=True):
        left.plot(t, values, color=ROLES["teacher"].colour, linestyle=style)
    left.set(xlabel="position $t$ along a line", ylabel="answer $y$")
    drawing.histogram(right, test, "answer $y$ to a test pattern")
    right.set_ylabel("density")


def damage(without: ArrayLike) -> None:
    """Damage (h,) done by the loss of each node alone, in thousandths of E[y^2], in falling order."""
    values = np.asarray(without)
    _, ax = plt.subplots(figsize=(COLUMN, 3.2))
    ax.plot(np.arange(1, len(values) + 1), values, "o", color=ROLES["teacher"].colour, label="teacher node")
    ax.set(
        xlabel="teacher nodes, most important first",
        ylabel="damage without it,\nthousandths of E[y²]",
        yscale="log",
    )
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    drawing.numbered(ax.yaxis, [digit * 10.0**power for power in range(-6, 4) for digit in (1, 2, 5)])
