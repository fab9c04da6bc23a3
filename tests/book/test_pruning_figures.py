"""Figures of the chapters on topology, nodes and pruning: what is drawn where, from numbers that are given."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from spectral.book.figures import NEGATIVE, POSITIVE, ROLES, nodes, pruning, topology
from spectral.book.figures.recording import record
from spectral.book.figures.style import LEAST
from spectral.stats.intervals import Interval


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def values(*numbers: float) -> Interval:
    array = np.array(numbers)
    return Interval(array, array - 0.1, array + 0.1)


def legend() -> list[str]:
    return [text.get_text() for found in plt.gcf().legends for text in found.get_texts()]


def labels(*roles: str) -> list[str]:
    return [ROLES[role].label for role in roles]


def test_nodes_and_partners_have_a_panel_for_each_strength():
    """The sums as they are have another scale in the student, and so no diagonal."""
    topology.node_by_node({"in": [[1.0, 2.0]], "open": [[3.0]]}, {"in": [[0.1, 0.3]], "open": [[4.0]]})
    raw, opened = plt.gcf().axes
    assert raw.collections[0].get_offsets().tolist() == [[1, 0.1], [2, 0.3]]
    assert (len(raw.lines), len(opened.lines)) == (0, 1)
    assert opened.get_title() == topology.STRENGTHS["open"]


def test_measures_are_rows_from_the_top():
    rows = ["received", "sent"]
    topology.measures(rows, (values(0.9, 0.5), values(0.4, 0.0)), (values(0.5, 0.7), values(0.2, 0.6)))
    left, right = plt.gcf().axes
    assert [c.lines[0].get_xdata().tolist() for c in left.containers] == [[0.9, 0.5], [0.4, 0.0]]
    assert [c.lines[0].get_xdata().tolist() for c in right.containers] == [[0.5, 0.7], [0.2, 0.6]]
    assert [text.get_text() for text in left.get_yticklabels()] == rows
    assert left.get_ylim()[0] > left.get_ylim()[1]
    assert right.lines[-1].get_xdata() == [1, 1]
    assert len(legend()) == 3


def test_measures_of_two_teachers_have_no_intervals_and_numbers_all_the_same():
    alone = Interval(np.array([0.9]), np.array([np.nan]), np.array([np.nan]))
    drawn = record(topology.measures, ["received"], (alone, alone), (alone, alone))
    assert drawn.numbers.count("0.9") == 4
    assert drawn.narrow


def test_partners_are_the_diagonal_of_a_map_and_the_others_below_a_line():
    cosines = np.vstack([np.eye(2), [[0.1, -0.3]]])
    nodes.cosines({"its teacher": cosines, "another": -cosines})
    own, other, bar = plt.gcf().axes
    assert own.images[0].get_array().tolist() == cosines.tolist()
    assert other.images[0].get_clim() == (-1, 1)
    assert own.lines[0].get_ydata() == [1.5, 1.5]
    assert [text.get_text() for text in own.get_yticklabels()] == ["1", "2", "3"]
    assert bar.get_ylabel() == "cosine of incoming weights"


def test_kinds_of_survivors_are_put_together():
    def one(value):
        return Interval(value, value, value)

    counts = dict(zip(nodes.KINDS, map(one, (20.0, 2.0, 1.0, 4.0)), strict=True))
    nodes.kinds({"spectral": counts, "lasso": dict.fromkeys(nodes.KINDS, one(1.0))}, 20)
    (ax,) = plt.gcf().axes
    first = [bars[0] for bars in ax.containers]
    assert [bar.get_x() for bar in first] == [0, 20, 22, 23]
    assert [bar.get_width() for bar in first] == [20, 2, 1, 4]
    assert [text.get_text().strip() for text in ax.texts] == ["27", "4", "$h_T$"]
    assert legend() == list(nodes.KINDS)
    assert (nodes.KINDS["partners"], nodes.KINDS["others"]) == (POSITIVE, NEGATIVE)


def test_networks_leave_out_what_can_hardly_be_seen():
    teacher = np.array([[1.0, 0.1]]), np.array([[1.0]])
    student = np.array([[1.0, 0.5], [0.0, -1.0]]), np.array([[1.0, 0.01]])
    nodes.networks(teacher, student)
    drawn = [[len(one.get_segments()) for one in ax.collections[:2]] for ax in plt.gcf().axes]
    assert drawn == [[1, 1], [3, 1]]


CURVE = values(1.0, 0.1, 0.01, 0.002, 0.0)


def test_growth_is_in_thousandths_and_ends_at_twice_the_teacher():
    pruning.by_width({60: CURVE, 1_000: CURVE}, CURVE[:3], 1)
    (ax,) = plt.gcf().axes
    assert [line.get_ydata().tolist() for line in ax.lines[:2]] == [pytest.approx([1000, 100, 10])] * 2
    assert ax.lines[2].get_ydata().tolist() == pytest.approx([1000, 100])
    shown = [text.get_text() for text in ax.get_legend().get_texts()]
    assert shown == ["student of 60", "student of 1,000", "teacher"]


def test_roles_are_shown_about_the_teacher_and_with_all_nodes():
    """The published student, which is above the panel, has its name in the inset."""
    pruning.by_role({"spectral": CURVE, "published": CURVE, "teacher": CURVE[:2]}, 1)
    (ax,) = plt.gcf().axes
    (inset,) = ax.child_axes
    assert [len(line.get_xdata()) for line in ax.lines[:3]] == [3, 3, 2]
    assert [len(line.get_xdata()) for line in inset.lines[:3]] == [5, 5, 2]
    assert inset.get_title() == "up to all 4 nodes"
    assert [text.get_text() for text in inset.texts] == ["direct student,\npublished settings"]
    assert inset.texts[0].xy == (3, pruning.TOP / 2), "where its curve passes half the height"
    assert legend() == labels("spectral", "teacher")


def test_needed_sizes_and_prices_stand_against_widths():
    sizes = {"spectral": values(21, 21), "matched": values(21, 26)}
    pruning.against_width([60, 1_000], sizes, {"spectral": values(1, 1), "matched": values(1, 8)}, 20)
    left, right = plt.gcf().axes
    assert [line.get_ydata().tolist() for line in left.lines[:2]] == [[21, 21], [21, 26]]
    assert right.lines[1].get_ydata().tolist() == [1, 8]
    assert right.get_ylim()[0] == 0
    assert [text.get_text() for text in left.get_xticklabels()] == ["60", "1,000"]
    assert legend() == labels("spectral", "matched")


@pytest.mark.parametrize("names", [list(pruning.RANKINGS), ["spectral", "teacher"], ["spectral", "published"]])
def test_curves_below_the_teacher_are_those_of_rankings_or_of_roles(names):
    pruning.below(dict.fromkeys(names, CURVE), 2, 0.001)
    (ax,) = plt.gcf().axes
    looks = {**ROLES, **pruning.RANKINGS}
    assert [line.get_color() for line in ax.lines[: len(names)]] == [looks[name].colour for name in names]
    assert ax.get_yscale() == "symlog"
    assert legend() == [looks[name].label for name in names if name != "published"]
    said = [text.get_text().strip() for text in ax.texts]
    assert said == [*["direct student,\npublished settings"] * ("published" in names), "$h_T$", "tolerance"]


def test_needed_sizes_fall_with_what_counts_as_zero():
    pruning.onsets([0.001, 0.01, 0.1], {"spectral": values(20, 16, 6), "published": values(80, 50, 10)}, 20, 0.001)
    (ax,) = plt.gcf().axes
    assert ax.lines[0].get_xdata().tolist() == pytest.approx([1, 10, 100])
    assert ax.texts[0].xy == pytest.approx((10, 50))
    assert legend() == labels("spectral")
    assert min(text.get_fontsize() for text in ax.texts) >= LEAST
