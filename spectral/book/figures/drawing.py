"""What figures are made of: functions that draw what they are given on an axes, and compute nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from spectral.book.figures.style import LEAST, NEGATIVE, NEUTRAL, POSITIVE, ROLES, SHORT, SIGNS, Line, Role
from spectral.stats.intervals import Interval


def matrix(ax: Axes, values: ArrayLike, title: str, *, limit: float | None = None, colourbar: bool = True) -> None:
    """A matrix as a map of colours, zero in white, teal positive, brown negative."""
    values = np.asarray(values)
    limit = float(np.abs(values).max()) if limit is None else limit
    image = ax.imshow(values, cmap=SIGNS, vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
    ax.set_title(title)
    for spine in ax.spines.values():
        spine.set_visible(True)
    if colourbar:
        ax.figure.colorbar(image, ax=ax, shrink=0.85)


def network(
    ax: Axes,
    weights: Sequence[ArrayLike],
    labels: Sequence[str],
    *,
    places: Sequence[int] | None = None,
    least: float = 0.0,
) -> None:
    """A layered network: one column of nodes a layer, edges as wide and opaque as their weight, coloured by sign.

    `weights` holds the matrices (outputs, inputs) from left to right; `labels` names the columns. Nodes are spread
    evenly over as many `places` as their column has, from the top (default: as there are nodes): so that networks of
    different sizes can be drawn with the same nodes at the same heights. Edges below `least` of the strongest of their
    layer are left out.
    """
    matrices = [np.asarray(w) for w in weights]
    sizes = [matrices[0].shape[1], *(w.shape[0] for w in matrices)]
    heights = [np.linspace(1, 0, p + 2)[1 : n + 1] for n, p in zip(sizes, places or sizes, strict=True)]
    for layer, w in enumerate(matrices):
        strength = np.abs(w) / max(np.abs(w).max(), 1e-30)
        ends = np.array([[(layer, y0), (layer + 1, y1)] for y1 in heights[layer + 1] for y0 in heights[layer]])
        shown = (strength >= least).ravel()
        strength = strength.ravel()[shown]
        colours = np.where(w.ravel()[shown] > 0, POSITIVE, NEGATIVE)
        ax.add_collection(LineCollection(list(ends[shown]), colors=colours, linewidths=2 * strength, alpha=strength))
    for layer, ys in enumerate(heights):
        ax.scatter(np.full(len(ys), layer), ys, s=30, color="white", edgecolor="black", zorder=3)
    ax.set_xticks(range(len(sizes)), labels)
    ax.set_yticks([])
    ax.set_ylim(0, 1)
    ax.tick_params(length=0)
    sns.despine(ax=ax, left=True, bottom=True)


def histogram(ax: Axes, values: ArrayLike, label: str, *, density: bool = True) -> None:
    """A histogram of one quantity, with its name below."""
    sns.histplot(
        x=np.asarray(values).ravel(), ax=ax, stat="density" if density else "count", color=NEUTRAL, edgecolor="white"
    )
    ax.set_xlabel(label)


def spectrum(ax: Axes, edges: ArrayLike, counts: Interval, role: str) -> None:
    """A histogram as a stepped line: mean number of nodes in each bin, with a band for its interval."""
    style = ROLES[role]
    mean, low, high = (np.append(part, part[-1]) for part in (counts.value, counts.low, counts.high))
    ax.fill_between(edges, low, high, step="post", color=style.colour, alpha=0.2, linewidth=0)
    ax.step(edges, mean, where="post", color=style.colour, linestyle=style.line, linewidth=2, label=style.label)


def pairs(ax: Axes, x: ArrayLike, y: ArrayLike, role: str, *, label: str | None = None, hollow: bool = False) -> None:
    """The same things measured in two networks, a point each; on the `diagonal` where both agree."""
    style = ROLES[role]
    ax.scatter(
        np.asarray(x).ravel(),
        np.asarray(y).ravel(),
        s=12,
        facecolor="none" if hollow else style.colour,
        edgecolor=style.colour,
        linewidth=0.7,
        alpha=0.6,
        label=style.label if label is None else label,
    )


def diagonal(ax: Axes) -> None:
    """A thin line on which both coordinates are equal."""
    ax.axline((0, 0), slope=1, color=NEUTRAL, linewidth=1, zorder=0)


def shares(ax: Axes, values: ArrayLike, role: str, *, label: str | None = None, rising: bool = False) -> None:
    """Which part of the values lies at or above each (at or below, if `rising`), in steps."""
    style = ROLES[role]
    ordered = np.sort(np.asarray(values).ravel())[:: 1 if rising else -1]
    part = np.arange(1, len(ordered) + 1) / max(1, len(ordered))
    name = style.label if label is None else label
    ax.step(ordered, part, where="post", color=style.colour, linestyle=style.line, linewidth=2.2, label=name)


def reference(ax: Axes, value: float, label: str, *, axis: str = "y") -> None:
    """A thin line across the axes at a value to compare with, named at its end."""
    if axis == "y":
        ax.axhline(value, color=NEUTRAL, linewidth=1)
        ax.text(1, value, label, transform=ax.get_yaxis_transform(), ha="right", va="bottom", fontsize=LEAST)
    else:
        ax.axvline(value, color=NEUTRAL, linewidth=1)
        ax.text(value, 1, f" {label}", transform=ax.get_xaxis_transform(), ha="left", va="top", fontsize=LEAST)


def line(
    ax: Axes,
    x: ArrayLike,
    values: Interval,
    role: str = "spectral",
    *,
    label: str | None = None,
    colour: str | None = None,
    style: Line | None = None,
    marker: str | None = None,
) -> None:
    """Values as a line, their intervals as a band around it; label, colour and style are the role's by default.

    With a `colour` of its own it is no role's, and has no label and a full line unless these are given.
    """
    usual = ROLES[role] if colour is None else Role("", colour, "-")
    name, colour, style = usual.label if label is None else label, usual.colour, style or usual.line
    ax.fill_between(x, values.low, values.high, color=colour, alpha=0.2, linewidth=0)
    ax.plot(x, values.value, color=colour, linestyle=style, linewidth=2, marker=marker, label=name or None)


def points(
    ax: Axes, x: ArrayLike, values: Interval, *, colour: str, marker: str = "o", label: str | None = None
) -> None:
    """Values as points, each with its interval as a bar."""
    ax.errorbar(x, values.value, bars(values), fmt=marker, color=colour, capsize=3, linewidth=1.5, label=label)


def heat(
    ax: Axes,
    values: Interval,
    rows: Sequence[object],
    columns: Sequence[object],
    *,
    centre: float,
    far: float,
    spec: str = ".2f",
) -> None:
    """A map of (rows, columns): each value with its interval, teal above `centre`, brown below, white there.

    Colours are strong at a distance of `far`, or at the largest if that is more; even then text can be read on them.
    Numbers are formatted by `spec`. The interval stands below the value, each end in a line, if the map is that large.
    """
    limit = 1.6 * max(float(np.nanmax(np.abs(values.value - centre))), far)
    ax.imshow(values.value, cmap=SIGNS, vmin=centre - limit, vmax=centre + limit, aspect="auto")
    for row, column in np.ndindex(values.value.shape):
        if np.isfinite(values.value[row, column]):
            value, _, bounds = f"{values[row, column]:{spec}}".partition(" ")
            ax.text(column, row - 0.16, value, ha="center", va="center", fontsize=LEAST + 1, weight="bold")
            ax.text(column, row + 0.24, bounds, ha="center", va="center", fontsize=LEAST)
    ax.set_xticks(range(len(columns)), map(str, columns))
    ax.set_yticks(range(len(rows)), map(str, rows))
    ax.tick_params(length=0)
    sns.despine(ax=ax, left=True, bottom=True)


def forest(
    ax: Axes,
    groups: Sequence[tuple[str, Sequence[str]]],
    values: Interval,
    *,
    centre: float,
    within: tuple[float, float],
) -> None:
    """One row a value, from the top, in groups with a title; filled points have their interval within the strip."""
    ax.axvspan(*within, color=NEUTRAL, alpha=0.15, linewidth=0)
    ax.axvline(centre, color=NEUTRAL, linewidth=1)
    ticks, labels, index, height = [], [], 0, 0.0
    for title, rows in groups:
        ticks.append(height)
        labels.append(title)
        for row in rows:
            height += 1
            one = values[index : index + 1]
            inside = within[0] <= one.low[0] and one.high[0] <= within[1]
            colour = POSITIVE if inside else NEGATIVE
            ax.errorbar(
                one.value,
                [height],
                xerr=bars(one),
                fmt="o",
                color=colour,
                markerfacecolor=colour if inside else "white",
                capsize=3,
                linewidth=1.5,
            )
            ticks.append(height)
            labels.append(row)
            index += 1
        height += 1.3
    ax.set_yticks(ticks, labels, fontsize=LEAST)
    titles = {title for title, _ in groups}
    for tick, label in zip(ax.yaxis.get_major_ticks(), labels, strict=True):
        tick.tick1line.set_visible(label not in titles)
        tick.label1.set_fontweight("bold" if label in titles else "normal")
    ax.set_ylim(height, -1)


def name_ends(figure: Figure, ax: Axes, named: Sequence[tuple[float, str, str]]) -> None:
    """Names beyond the right edge of a figure's axes, of what ends there: heights in the axes' unit, names and colours.

    Where two would lie on each other they give way; a thin line in its colour leads from each height to its name. The
    limits and scales of the axes have to be set before.
    """
    figure.draw_without_rendering()  # from here on the axes are as high as they will be
    per_point = figure.dpi / 72 / ax.bbox.height
    named = sorted((end for end in named if np.isfinite(end[0])), key=lambda end: end[0])
    heights = [ax.transAxes.inverted().transform(ax.transData.transform((1, end[0])))[1] for end in named]
    apart = 1.25 * LEAST * per_point * np.arange(len(named))
    places = isotonic_regression(np.array(heights) - apart).x + apart
    for height, place, (_, name, colour) in zip(heights, places, named, strict=True):
        x, y = [1.01, 1.05, 1.07], [height, place, place]
        ax.plot(x, y, color=colour, linewidth=1.2, transform=ax.transAxes, clip_on=False)
        ax.text(1.085, place, name, transform=ax.transAxes, ha="left", va="center", fontsize=LEAST)


def ends(values: Mapping[str, Interval], names: Mapping[str, str] = SHORT) -> list[tuple[float, str, str]]:
    """For `name_ends`, of the line of each role: its last height, the role's name, and its colour."""
    return [(float(found.value[-1]), names[role], ROLES[role].colour) for role, found in values.items()]


def numbered(axis: Axis, ticks: ArrayLike) -> None:
    """Ticks at some places alone, each with its number, as in 1,000."""
    axis.set_major_locator(FixedLocator(np.asarray(ticks).tolist()))
    axis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:,g}"))
    axis.set_minor_locator(NullLocator())


def bars(values: Interval) -> np.ndarray:
    """Lengths of error bars, (2, N): below and above of each value."""
    return np.array([values.value - values.low, values.high - values.value]).reshape(2, -1)


def legend_below(figure: Figure, ax: Axes | None = None, *, columns: int = 1) -> None:
    """One legend for a figure, under it; of one of its axes, or of all."""
    entries = () if ax is None else ax.get_legend_handles_labels()
    figure.legend(*entries, loc="outside lower center", ncols=columns)
