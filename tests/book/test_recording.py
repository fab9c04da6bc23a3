"""A figure as the page has it: its variants, its numbers, the size of its text; and in the dark."""

import base64
import csv
import io
import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from spectral.book import figures
from spectral.book.figures.dark import GROUND, INK, dark, dark_svg
from spectral.book.figures.recording import COLUMNS, record
from spectral.book.figures.style import COLUMN, LEAST, ROLES, ROW
from spectral.stats.intervals import Interval


@pytest.fixture(autouse=True)
def style():
    with plt.rc_context():
        figures.use_style()
        yield
    assert plt.get_fignums() == []


def rows(draw, *data) -> list[tuple[str, ...]]:
    """The numbers of a figure without their panel."""
    read = list(csv.reader(io.StringIO(record(draw, *data).numbers)))
    assert tuple(read[0]) == COLUMNS
    return [tuple(row[1:]) for row in read[1:]]


def test_numbers_of_lines_with_bands():
    def draw(values):
        _, ax = plt.subplots()
        figures.line(ax, [1, 2], values, "lasso")
        figures.reference(ax, 7, "only to guide the eye")

    values = Interval(np.array([3.0, 5.0]), np.array([2.0, 4.5]), np.array([4.0, 5.5]))
    label = ROLES["lasso"].label
    assert rows(draw, values) == [
        (label, "line", "1", "3", "", ""),
        (label, "line", "2", "5", "", ""),
        ("", "band", "1", "", "2", "4"),
        ("", "band", "2", "", "4.5", "5.5"),
    ]


def test_numbers_of_points_bars_and_maps():
    def points(values):
        _, ax = plt.subplots()
        figures.points(ax, [10, 20], values, colour="#000000", label="both")

    values = Interval(np.array([3.0, 5.0]), np.array([2.0, 4.5]), np.array([4.0, 5.5]))
    assert rows(points, values) == [("both", "point", "10", "3", "2", "4"), ("both", "point", "20", "5", "4.5", "5.5")]
    assert rows(lambda: plt.subplots()[1].bar([1, 2], [3, 4], label="b")) == [
        ("b", "bar", "1", "3", "", ""),
        ("b", "bar", "2", "4", "", ""),
    ]
    assert rows(lambda: figures.matrix(plt.subplots()[1], [[1.0, -3.0]], "w", colourbar=False)) == [
        ("", "map", "0", "0", "1", ""),
        ("", "map", "1", "0", "-3", ""),
    ]
    half = rows(lambda: plt.subplots(figsize=(5, 3))[1].scatter([1.5, 2], [np.nan, 3], label="half"))
    assert half == [("half", "point", "2", "3", "", "")]


def test_numbers_of_points_without_intervals():
    """As of two teachers: values alone."""

    def draw(x):
        _, ax = plt.subplots()
        figures.points(ax, x, Interval(np.array([3.0]), np.array([np.nan]), np.array([np.nan])), colour="#000000")

    assert rows(draw, [1]) == [("", "point", "1", "3", "", "")]


def test_panels_stand_side_by_side_or_below_each_other():
    shapes = []

    def draw():
        figure, axes = figures.axes_of(3, columns=2, height=3)
        shapes.append((figure.get_figwidth(), figure.get_figheight(), len(axes)))
        axes[0].set_title("a title")

    drawn = record(draw)
    assert shapes == [(ROW, 6, 3), (COLUMN, 9, 3)]
    assert drawn.narrow not in ("", drawn.svg)
    assert min(drawn.smallest) >= LEAST


def test_one_panel_is_drawn_once():
    assert record(lambda: figures.axes_of(1)).narrow == ""


def test_what_cannot_be_shown_is_refused():
    with pytest.raises(RuntimeError, match="one figure is to be drawn; 0 were"):
        record(lambda: None)
    with pytest.raises(RuntimeError, match="one figure is to be drawn; 2 were"):
        record(lambda: (plt.figure(), plt.figure()))
    with pytest.raises(RuntimeError, match=r"is 9 inches wide, drawn for a narrow screen too"):
        record(lambda: plt.subplots(figsize=(9, 3)))


def test_the_same_figure_is_the_same_text():
    assert record(lambda: plt.subplots()) == record(lambda: plt.subplots())


def luminance(colour: str) -> float:
    rgb = np.array(to_rgb(colour))
    return float(np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("role", [role for role in ROLES.values() if role.colour != "#000000"], ids=lambda r: r.label)
def test_colours_of_roles_stand_out_in_the_dark(role):
    """WCAG asks of graphics for a contrast of 3."""
    assert (luminance(dark(role.colour)) + 0.05) / (luminance(GROUND) + 0.05) > 3


def test_white_and_black_change_places():
    assert (dark("#ffffff"), dark("#000000")) == (GROUND, INK)
    assert luminance(dark("#333333")) > luminance(dark("#cccccc"))


def test_colours_stay_apart_in_the_dark():
    changed = [np.array(to_rgb(dark(role.colour))) for role in ROLES.values()]
    apart = [np.abs(a - b).max() for i, a in enumerate(changed) for b in changed[:i]]
    assert min(apart) > 0.1


def test_a_figure_in_the_dark():
    """Its ground, its text without a colour of its own, and a map around white."""

    def draw():
        _, ax = plt.subplots()
        figures.matrix(ax, np.zeros((2, 2)), "all of it is zero", limit=1)

    svg = dark_svg(record(draw).svg)
    assert "#ffffff" not in svg
    assert f'<svg fill="{INK}" ' in svg
    assert f"fill: {GROUND}" in svg
    image = re.search(r"data:image/png;base64,([A-Za-z0-9+/=]+)", svg)
    assert image
    pixels = plt.imread(io.BytesIO(base64.b64decode(image[1])))
    assert np.allclose(pixels[..., :3].reshape(-1, 3).mean(0), to_rgb(GROUND), atol=0.02)
