"""Figures are checked by what they draw, not by their pixels."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from spectral.book import figures
from spectral.book.figures.style import LEAST
from spectral.stats.intervals import Interval, stack


@pytest.fixture
def ax():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def test_matrix_is_centred_on_zero(ax):
    figures.matrix(ax, [[1.0, -3.0]], "weights")
    image = ax.images[0]
    assert image.get_clim() == (-3.0, 3.0)
    assert image.get_array().tolist() == [[1.0, -3.0]]


def test_network_draws_every_node_and_edge(ax):
    figures.network(ax, [np.array([[1.0, -2.0], [0.0, 4.0], [1.0, 1.0]]), np.ones((1, 3))], ["in", "hidden", "out"])
    assert [len(c.get_offsets()) for c in ax.collections[2:]] == [2, 3, 1]
    assert [len(c.get_segments()) for c in ax.collections[:2]] == [6, 3]
    assert ax.collections[0].get_linewidths() == [0.5, 1.0, 0.0, 2.0, 0.5, 0.5]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["in", "hidden", "out"]


def test_networks_of_different_sizes_share_their_places(ax):
    """Two nodes on three places stand where the first two of three nodes stand."""
    figures.network(ax, [np.ones((3, 1))], ["in", "out"])
    figures.network(ax, [np.ones((2, 1))], ["in", "out"], places=[1, 3])
    three, two = (ax.collections[i].get_offsets()[:, 1] for i in (2, 5))
    assert three.tolist() == [0.75, 0.5, 0.25]
    assert two.tolist() == [0.75, 0.5]


def test_pairs_are_points_about_a_diagonal(ax):
    figures.pairs(ax, [[1.0, 2.0]], [[1.5, 2.5]], "spectral", label="nodes")
    figures.diagonal(ax)
    assert ax.collections[0].get_offsets().tolist() == [[1.0, 1.5], [2.0, 2.5]]
    assert ax.get_legend_handles_labels()[1] == ["nodes"]
    assert ax.lines[0].get_slope() == 1


def test_shares_fall_from_one(ax):
    """Half of 1, 3, 2, 4 is at least 3, all are at least 1."""
    figures.shares(ax, [1.0, 3.0, 2.0, 4.0], "lasso")
    assert ax.lines[0].get_xdata().tolist() == [4, 3, 2, 1]
    assert ax.lines[0].get_ydata().tolist() == [0.25, 0.5, 0.75, 1.0]
    figures.shares(ax, [3.0, 1.0], "lasso", rising=True)
    assert ax.lines[1].get_xdata().tolist() == [1, 3]


def test_histogram_counts(ax):
    figures.histogram(ax, np.arange(10.0), "y", density=False)
    assert sum(patch.get_height() for patch in ax.patches) == 10
    assert ax.get_xlabel() == "y"


@pytest.mark.parametrize("axis", ["x", "y"])
def test_reference_is_where_it_says(ax, axis):
    figures.reference(ax, 3.0, "teacher", axis=axis)
    assert (ax.lines[0].get_xdata() if axis == "x" else ax.lines[0].get_ydata()) == [3.0, 3.0]
    assert ax.texts[0].get_text().strip() == "teacher"


def test_roles_differ_in_colour_and_line():
    roles = figures.ROLES.values()
    assert len({role.colour for role in roles}) == len({role.line for role in roles}) == len(roles)


def several(*triples: tuple[float, float, float]) -> Interval:
    """Values with their bounds, one after the other."""
    return Interval(*map(np.array, zip(*triples, strict=True)))


def corners(band) -> set[tuple[float, float]]:
    return set(map(tuple, band.get_paths()[0].vertices))


def test_lines_have_bands(ax):
    figures.line(ax, [1, 2], several((3.0, 2.0, 4.0), (5.0, 4.5, 5.5)), "lasso", marker="o")
    assert ax.lines[0].get_ydata().tolist() == [3, 5]
    assert ax.lines[0].get_marker() == "o"
    role = figures.ROLES["lasso"]
    assert ax.get_legend_handles_labels()[1] == [role.label]
    assert ax.lines[0].get_color() == role.colour
    (band,) = ax.collections
    assert {(1.0, 2.0), (1.0, 4.0), (2.0, 4.5), (2.0, 5.5)} <= corners(band)


def test_a_line_may_have_a_label_a_colour_and_a_style_of_its_own(ax):
    """With a colour of its own it is no role's, and has no label unless it is given one."""
    values = several((1.0, 0.5, 1.5), (2.0, 1.5, 2.5))
    figures.line(ax, [1, 2], values, "matched", label="mine")
    figures.line(ax, [1, 2], values, colour="#123456")
    figures.line(ax, [1, 2], values, colour="#123456", label="yours", style="--")
    figures.line(ax, [1, 2], values, "teacher", label="")
    assert ax.get_legend_handles_labels()[1] == ["mine", "yours"]
    assert [line.get_color() for line in ax.lines] == [figures.ROLES["matched"].colour, "#123456", "#123456", "#000000"]
    assert [line.get_linestyle() for line in ax.lines] == ["-.", "-", "--", "--"]


def test_a_line_without_intervals_has_no_band(ax):
    """As of two teachers: values alone."""
    nan = float("nan")
    figures.line(ax, [1, 2], several((3.0, nan, nan), (5.0, nan, nan)))
    assert ax.lines[0].get_ydata().tolist() == [3, 5]
    (band,) = ax.collections
    assert not [path for path in band.get_paths() if np.isfinite(path.vertices).all() and len(path.vertices)]


def test_one_legend_serves_a_figure():
    figure, axes = plt.subplots(2)
    for ax, role in zip(axes, ("spectral", "lasso"), strict=True):
        figures.line(ax, [1, 2], several((1.0, 0.5, 1.5), (2.0, 1.5, 2.5)), role)
    figures.legend_below(figure, axes[0], columns=2)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["spectral student"]
    figures.legend_below(figure)
    assert len(figure.legends[1].get_texts()) == 2
    plt.close(figure)


def test_a_spectrum_is_flat_within_its_bins(ax):
    figures.spectrum(ax, [0.0, 0.5, 1.0], several((7.0, 6.0, 8.0), (2.0, 1.0, 3.0)), "spectral")
    (line,) = ax.lines
    assert line.get_drawstyle() == "steps-post"
    assert line.get_xydata().tolist() == [[0.0, 7.0], [0.5, 2.0], [1.0, 2.0]]
    (band,) = ax.collections
    assert {y for x, y in corners(band) if 0.0 <= x < 0.5} == {6.0, 8.0}


def test_shades_grow_darker_around_the_colour_of_their_role():
    shades = figures.shades("spectral", 5)
    brightness = [sum(matplotlib.colors.to_rgb(shade)) for shade in shades]
    assert brightness == sorted(brightness, reverse=True)
    assert len(set(shades)) == 5
    assert shades[2] == figures.ROLES["spectral"].colour.lower()
    assert figures.shades("spectral", 1) == [figures.ROLES["spectral"].colour]


VALUES = several((1.0, 0.95, 1.05), (1.3, 0.8, 1.4))


def test_colours_of_sizes_are_different_and_dark_enough_for_white():
    colours = figures.size_colours(6)
    assert len(set(colours)) == 6
    assert figures.size_colours(1) == colours[:1]
    luminance = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in map(to_rgb, colours)]
    assert luminance == sorted(luminance)
    assert luminance[-1] < 0.75


def test_points_have_their_intervals_as_bars(ax):
    figures.points(ax, [1, 2], VALUES, colour="#000000", label="x")
    bars = [path.vertices.tolist() for path in ax.containers[0].lines[2][0].get_paths()]
    assert np.allclose(bars, [[[1, 0.95], [1, 1.05]], [[2, 0.8], [2, 1.4]]])
    assert ax.containers[0].lines[0].get_xydata().tolist() == [[1.0, 1.0], [2.0, 1.3]]


def test_points_without_intervals_are_points(ax):
    nan = float("nan")
    figures.points(ax, [1, 2], several((1.0, nan, nan), (1.3, nan, nan)), colour="#000000")
    assert ax.containers[0].lines[0].get_ydata().tolist() == [1.0, 1.3]


def test_a_heat_map_says_every_value_and_interval(ax):
    figures.heat(ax, stack([VALUES]), [20], [5, 10], centre=1, far=0.25)
    assert [text.get_text() for text in ax.texts] == ["1.00", "[0.95, 1.05]", "1.30", "[0.80, 1.40]"]
    low, high = ax.images[0].get_clim()
    assert (low, high) == pytest.approx((1 - 1.6 * 0.3, 1 + 1.6 * 0.3))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["5", "10"]


def test_a_heat_map_has_gaps_and_values_alone(ax):
    nan = float("nan")
    figures.heat(ax, stack([several((nan, nan, nan), (1.1, nan, nan))]), [20], [5, 10], centre=1, far=0.25)
    assert [text.get_text() for text in ax.texts] == ["1.10", ""]


def test_a_forest_fills_what_lies_within(ax):
    figures.forest(ax, [("first", ["a"]), ("second", ["b"])], VALUES, centre=1, within=(0.9, 1.1))
    faces = [line.lines[0].get_markerfacecolor() for line in ax.containers]
    assert faces == [figures.POSITIVE, "white"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "a", "second", "b"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_a_forest_leaves_hollow_what_has_no_interval(ax):
    nan = float("nan")
    figures.forest(ax, [("all", ["a"])], several((1.0, nan, nan)), centre=1, within=(0.9, 1.1))
    assert [line.lines[0].get_markerfacecolor() for line in ax.containers] == ["white"]


def test_names_of_ends_lie_not_on_each_other():
    """Apart by a line of text, in the order of the ends; one that is alone stands at its end."""
    figure, ax = plt.subplots()
    ax.set(ylim=(0, 100))
    figures.name_ends(figure, ax, [(21.0, "b", "red"), (20.0, "a", "blue"), (90.0, "c", "red"), (np.nan, "d", "red")])
    heights = {text.get_text(): text.get_position()[1] for text in ax.texts}
    line = 1.25 * LEAST * figure.dpi / 72 / ax.bbox.height
    assert heights["b"] - heights["a"] == pytest.approx(line)
    assert (heights["a"] + heights["b"]) / 2 == pytest.approx(0.205)
    assert heights["c"] == pytest.approx(0.9)
    assert list(heights) == ["a", "b", "c"]
    assert [line.get_ydata()[0] for line in ax.lines] == pytest.approx([0.2, 0.21, 0.9])
    plt.close(figure)


def test_ticks_have_numbers_in_full(ax):
    ax.set(xscale="log", xlim=(1, 2_000))
    figures.numbered(ax.xaxis, [5, 1_000])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["5", "1,000"]
    assert list(ax.get_xticks(minor=True)) == []
