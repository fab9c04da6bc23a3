"""A figure as the page has it: drawn for wide and narrow screens, with its numbers and the size of its text."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import FillBetweenPolyCollection, PathCollection
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text

from spectral.book.figures import style

COLUMNS = ("panel", "series", "kind", "x", "y", "low", "high")
"""Of the table of a figure's numbers. In a map x and y are places, column and row from zero, and low is the value."""

Row = tuple[object, ...]


class Recorded(NamedTuple):
    """A drawing.

    Attributes
    ----------
    svg:
        For a wide screen, or for all of them.
    narrow:
        For a telephone; empty if it is the same.
    smallest:
        The smallest text in points, of both.
    numbers:
        What is drawn, as CSV with `COLUMNS`.
    """

    svg: str
    narrow: str
    smallest: tuple[float, float]
    numbers: str


def record(draw: Callable[..., object], *arguments: Any, **keywords: Any) -> Recorded:
    """Call `draw`, which draws one figure of what it is given; twice if it is wider than a column.

    Raises
    ------
    RuntimeError
        If it draws no figure, or several; or if a figure that is drawn for a narrow screen is wide.
    """
    figure = _drawn(draw, arguments, keywords)
    try:
        numbers, svg, size = _csv(numbers_of(figure)), _svg(figure), _smallest(figure)
        wide = figure.get_figwidth() > style.COLUMN
    finally:
        plt.close(figure)
    if not wide:
        return Recorded(svg, "", (size, size), numbers)
    with style.narrow():
        figure = _drawn(draw, arguments, keywords)
    try:
        if figure.get_figwidth() > style.COLUMN:
            raise RuntimeError(
                f"the figure is {figure.get_figwidth():g} inches wide, drawn for a narrow screen too; more than "
                f"{style.COLUMN:g} cannot be read there. Ask for its axes by spectral.book.figures.axes_of."
            )
        return Recorded(svg, _svg(figure), (size, _smallest(figure)), numbers)
    finally:
        plt.close(figure)


def _drawn(draw: Callable[..., object], arguments: Sequence[Any], keywords: dict[str, Any]) -> Figure:
    before = set(plt.get_fignums())
    draw(*arguments, **keywords)
    made = sorted(set(plt.get_fignums()) - before)
    if len(made) != 1:
        for number in made:
            plt.close(number)
        raise RuntimeError(f"one figure is to be drawn; {len(made)} were. Is there a plt.figure in the function?")
    return plt.figure(made[0])


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _smallest(figure: Figure) -> float:
    return min(float(text.get_fontsize()) for text in figure.findobj(Text) if text.get_visible() and text.get_text())


def numbers_of(figure: Figure) -> Iterator[Row]:
    """What a figure's axes show, a row of `COLUMNS` each: lines, bands, points with their bars, bars, maps."""
    for number, ax in enumerate(figure.axes, 1):
        for series, kind, *columns in _series(ax):
            for row in zip(*np.broadcast_arrays(*map(np.atleast_1d, columns)), strict=True):
                if not np.isfinite(row).any():
                    continue  # a place without a point
                texts = [f"{value:.5g}" if np.isfinite(value) else "" for value in row]
                yield (ax.get_title() or number, series, kind, *texts, *[""] * (4 - len(texts)))


def _series(ax: Axes) -> Iterator[tuple[Any, ...]]:
    """(label, kind, x, y, low, high), as many of the numbers as there are; what only guides the eye is left out."""
    held = {part for container in ax.containers for part in container.get_children()}
    for container in ax.containers:
        if isinstance(container, ErrorbarContainer):
            yield from _points(container)
        elif isinstance(container, BarContainer):
            places = [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in container]
            yield _label(container), "bar", *np.array(places, float).reshape(-1, 2).T
    for line in ax.lines:
        x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
        guide = line.get_transform() != ax.transData and not line.get_transform().contains_branch(ax.transData)
        if line not in held and not guide and len(x) > 1:
            yield _label(line), "line", x, y
    for collection in ax.collections:
        if isinstance(collection, FillBetweenPolyCollection):
            yield _label(collection), "band", *_band(collection)
        elif isinstance(collection, PathCollection):
            yield _label(collection), "point", *np.ma.filled(collection.get_offsets(), np.nan).T
    for image in ax.images:
        values: np.ndarray = np.ma.filled(np.ma.asarray(image.get_array(), float), np.nan)
        if values.ndim == 2 and values.size <= 2_500:
            rows, columns = np.indices(values.shape)
            yield _label(image), "map", columns.ravel(), rows.ravel(), values.ravel()


def _points(container: ErrorbarContainer) -> Iterator[tuple[Any, ...]]:
    line, _, bars = container
    x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
    along = 0 if container.has_xerr else 1
    segments = [np.reshape(segment, (-1, 2)) for segment in bars[0].get_segments()]  # empty where there is no interval
    ends = np.array([ends[:, along] if len(ends) else (np.nan, np.nan) for ends in segments], float).reshape(-1, 2)
    yield _label(container), "interval of x" if along == 0 else "point", x, y, ends[:, 0], ends[:, 1]


def _band(collection: FillBetweenPolyCollection) -> tuple[np.ndarray, ...]:
    """x, y (which a band has not), low and high, of the corners of a band between two lines."""
    corners = np.concatenate([path.vertices for path in collection.get_paths()] or [np.zeros((0, 2))])
    x = np.unique(corners[:, 0])
    ends = [(corners[corners[:, 0] == place, 1].min(), corners[corners[:, 0] == place, 1].max()) for place in x]
    low, high = np.array(ends, float).reshape(-1, 2).T
    return x, np.full(len(x), np.nan), low, high


def _label(artist: Any) -> str:
    label = str(artist.get_label() or "")
    return "" if label.startswith("_") else label


def _csv(rows: Iterator[Row]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return out.getvalue()
