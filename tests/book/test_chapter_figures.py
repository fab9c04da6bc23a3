"""The figures of some chapters: what is drawn where, from numbers that are given."""

import matplotlib

matplotlib.use("Agg")

from collections.abc import Callable, Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes

from spectral.book.figures import (
    ROLES,
    asked,
    cost,
    error,
    mechanism,
    parametrization,
    paths,
    peers,
    size,
    spectra,
    teacher,
    training,
)
from spectral.stats.intervals import Interval


@pytest.fixture
def drawn() -> Iterator[Callable[[], list[Axes]]]:
    """What has been drawn: the axes of the open figure."""
    yield lambda: plt.gcf().axes
    plt.close("all")


def values(*numbers: float) -> Interval:
    array = np.array(numbers)
    return Interval(array, 0.9 * array, 1.1 * array)


def legend() -> list[str]:
    (found,) = plt.gcf().legends
    return [text.get_text() for text in found.get_texts()]


def labels(*roles: str) -> list[str]:
    return [ROLES[role].label for role in roles]


def test_a_teacher_has_a_column_of_nodes_for_each_layer(drawn):
    teacher.graph(np.ones((3, 2)), np.ones((4, 3)))
    (ax,) = drawn()
    assert [len(nodes.get_offsets()) for nodes in ax.collections[3:]] == [2, 3, 4, 1]
    assert [tick.get_text().split("\n")[-1] for tick in ax.get_xticklabels()] == [
        "$d$ = 2",
        "$h_T$ = 3",
        "$m$ = 4",
        "sum",
    ]


def test_answers_stand_beside_how_they_scatter(drawn):
    teacher.answers([0, 1], [[2, 3], [5, 4], [0, 0]], np.arange(10.0))
    along, scatter = drawn()
    assert [line.get_ydata().tolist() for line in along.lines] == [[2, 3], [5, 4], [0, 0]]
    assert sum(bar.get_height() * bar.get_width() for bar in scatter.patches) == pytest.approx(1)


def test_damage_has_a_point_for_each_node_and_plain_numbers(drawn):
    teacher.damage([50.0, 2.0])
    (ax,) = drawn()
    assert ax.lines[0].get_xydata().tolist() == [[1, 50], [2, 2]]
    assert {"2", "5", "10", "20", "50"} <= {tick.get_text() for tick in ax.get_yticklabels()}


def test_eigenvalues_are_named_where_their_node_answers(drawn):
    parametrization.one_node([-2, 2], {1.0: [0, 2], 0.0: [0, 0], -0.5: [1, 0]})
    (ax,) = drawn()
    (left,) = [text for text in ax.texts if text.get_text() == r"$\lambda$ = -0.5"]
    assert left.xy == (-2, 1)
    assert [text.get_text() for text in ax.texts if text is not left] == [r"$\lambda$ = 0", r"$\lambda$ = 1"]


def test_matrices_have_one_scale(drawn):
    parametrization.matrices({"one": [[1.0, 0.0], [0.0, 1.0]], "other": [[0.0, -4.0], [0.0, 0.0]]}, 1)
    shown = [ax for ax in drawn() if ax.get_title()]
    assert [ax.get_title() for ax in shown] == ["one", "other"]
    assert {ax.images[0].get_clim() for ax in shown} == {(-4, 4)}


def test_the_valley_touches_its_bound(drawn):
    parametrization.valley([0.1, 1.0, 10.0], [5.0, 2.0, 4.0], 2.0)
    (ax,) = drawn()
    assert ax.lines[0].get_ydata()[1] == 2
    assert list(ax.lines[1].get_ydata()) == [2, 2]


def test_learning_curves_have_a_panel_for_each_title(drawn):
    errors = {"spectral": values(1_000, 2), "matched": values(1_000, 5)}
    training.learning_curves([0, 10], {"training": errors, "test": errors})
    assert [ax.get_title() for ax in drawn()] == ["training", "test"]
    assert [line.get_ydata().tolist() for line in drawn()[0].lines] == [[1_000, 2], [1_000, 5]]
    assert drawn()[1].get_legend_handles_labels()[1] == labels("spectral", "matched")
    assert [ax.get_xlabel() for ax in drawn()] == ["epoch", "epoch"]


def test_cost_ratios_stand_beside_the_engine_and_what_was_asked(drawn):
    training.cost_ratios([30, 300], {20: values(1.5, 1.3), 200: values(1.2, 1.1)}, (300, values(1.01)), 1.1)
    (ax,) = drawn()
    assert [line.get_ydata().tolist() for line in ax.lines[:2]] == [[1.5, 1.3], [1.2, 1.1]]
    assert [line.get_ydata() for line in ax.lines if list(line.get_xdata()) == [0, 1]] == [[1, 1], [1.1, 1.1]]
    said = {text.get_text() for text in ax.texts}
    assert said >= {"this book's engine", "PyTorch, 20 nodes", "PyTorch, 200 nodes", "no difference", "asked: 1.1"}


def test_spectra_have_a_panel_for_each_kind_with_what_lies_in_the_gap(drawn):
    counts = {"spectral": values(5, 3, 0), "lasso": values(4, 4, 2)}
    spectra.histograms([1e-8, 1e-6, 1e-3, 1.0], counts, (1e-6, 1e-3), {"spectral": 3.0, "lasso": 12.4}, 200)
    assert [ax.get_title() for ax in drawn()] == labels("spectral", "lasso")
    assert [text.get_text() for ax in drawn() for text in ax.texts] == ["in grey: 3.0 nodes", "in grey: 12 nodes"]
    for ax in drawn():
        grey = ax.patches[0].get_extents().transformed(ax.transData.inverted())
        assert (grey.x0, grey.x1) == pytest.approx((1e-6, 1e-3))


def test_nodes_above_a_threshold_are_compared_with_the_teacher(drawn):
    spectra.above([0.01, 0.1], {"spectral": values(25, 20)}, 20, 0.05)
    (ax,) = drawn()
    assert ax.lines[0].get_ydata().tolist() == [25, 20]
    assert list(ax.lines[1].get_ydata()) == [20, 20]
    assert ax.get_legend_handles_labels()[1][-1] == "the teacher's 20 nodes"
    assert [text.get_text().strip() for text in ax.texts] == ["threshold"]
    assert ax.lines[2].get_xdata() == [0.05, 0.05]


def test_a_node_is_coloured_by_how_it_ends(drawn):
    """The first falls below the threshold and comes back, the second falls below it at the end."""
    scores = np.array([[0.5, 0.6], [0.01, 0.3], [1.0, 0.01]])
    spectra.opening([1, 10, 100], scores, {"spectral": values(2, 1, 0)}, 0.05, (0.01, 0.05))
    first, second = drawn()
    alive, dead = first.lines
    assert dead.get_ydata().tolist() == [0.6, 0.3, 0.01]
    assert alive.get_ydata().tolist() == [0.5, 0.01, 1.0]
    assert alive.get_color() == ROLES["spectral"].colour
    assert first.get_legend_handles_labels()[1] == ["survives", "dies"]
    assert second.lines[0].get_ydata().tolist() == [2, 1, 0]
    plt.close("all")
    spectra.opening([1, 10, 100], scores[:, :1], {"spectral": values(2, 1, 0)}, 0.05, (0.01, 0.05))
    assert drawn()[0].get_legend_handles_labels()[1] == ["survives"], "nobody died"


def names(ax: Axes) -> list[str]:
    """What stands beside the ends of lines, from the bottom."""
    return [text.get_text() for text in sorted(ax.texts, key=lambda text: text.get_position()[1])]


def test_sizes_are_compared_with_all_nodes_and_with_the_teacher(drawn):
    sizes = {"spectral": values(10, 23), "published": values(10, 150.4)}
    size.against_width([10, 200], {"by the norm": sizes, "by the product": sizes}, 20, headline="23 survive.")
    assert [ax.get_title() for ax in drawn()] == ["by the norm", "by the product"]
    every, one, other, teacher = drawn()[0].lines[:4]
    assert every.get_ydata().tolist() == [10, 200]
    assert (one.get_ydata().tolist(), other.get_ydata().tolist()) == ([10, 23], [10, 150.4])
    assert teacher.get_ydata() == [20, 20]
    assert names(drawn()[1]) == ["teacher 20", "spectral 23", "published 150", "all nodes"]
    assert plt.gcf().get_suptitle() == "23 survive."
    assert [ax.get_ylabel() for ax in drawn()] == ["effective size $n$", ""]


def test_sizes_that_are_needed_have_a_panel_of_their_own(drawn):
    size.against_width([10, 200], {"": {"matched": values(10, 21)}}, 20, size="needed size $n_c$")
    (ax,) = drawn()
    assert (ax.get_ylabel(), names(ax)) == ("needed size $n_c$", ["teacher 20", "same settings 21", "all nodes"])


def test_sizes_depend_on_a_threshold(drawn):
    size.against_threshold([0.01, 0.05, 0.2], {"by the norm": {"lasso": values(21, 21, 20)}}, 20, 0.05)
    (ax,) = drawn()
    assert ax.lines[0].get_xdata() == [0.05, 0.05]
    assert ax.lines[1].get_ydata().tolist() == [21, 21, 20]
    assert names(ax) == ["group lasso", "teacher"]


def test_sizes_in_time_have_epochs_of_their_own(drawn):
    """What is trained longest is named at its end, what is not at its beginning."""
    size.against_time({"spectral": ([1, 10], values(200, 22)), "lasso": ([5, 10, 20], values(9, 8, 7))}, 20)
    (ax,) = drawn()
    assert [line.get_xdata().tolist() for line in ax.lines[:2]] == [[1, 10], [5, 10, 20]]
    assert [text.xy for text in ax.texts if text.get_text() == "spectral"] == [(1, 200)]
    assert [text.get_text() for text in ax.texts] == ["spectral", "group lasso", "teacher"]


def test_errors_stand_beside_their_ratios_to_the_controls(drawn):
    errors = {"spectral": values(3, 1), "matched": values(9, 1.5)}
    error.against_width([10, 200], errors, [200], {"matched": values(0.61)}, 20)
    left, right = drawn()
    assert left.lines[0].get_xdata() == [20, 20]
    assert [line.get_ydata().tolist() for line in left.lines[1:3]] == [[3, 1], [9, 1.5]]
    assert names(left) == ["spectral 1.0", "same settings 1.5"]
    assert right.containers[0].lines[0].get_xdata().tolist() == [200]
    assert right.containers[0].lines[0].get_ydata().tolist() == [0.61]
    assert names(right) == ["same settings 0.61", "equal"]


def test_sorted_paths_stand_beside_their_differences(drawn):
    rank = np.array([0.0, 1.0])
    curves = {"whole": values(0, 1), "teacher": values(-3, 3)}
    paths.sorted_weights(rank, curves, {"spectral": values(0.3, -0.3), "other": values(0, 0.1)})
    left, right = drawn()
    assert [line.get_ydata().tolist() for line in left.lines[:2]] == [[0, 1], [-3, 3]]
    assert names(left) == ["not pruned", "teacher"]
    assert [line.get_ydata().tolist() for line in right.lines[:2]] == [[0.3, -0.3], [0, 0.1]]
    assert names(right) == ["pruned", "another teacher"]


def test_distances_have_a_place_for_each_step(drawn):
    paths.steps(["as it is", "open"], {"spectral": values(0.2, 0.05), "other": values(0.09, 0.3)})
    (ax,) = drawn()
    assert [line.get_ydata().tolist() for line in ax.lines[:2]] == [[0.2, 0.05], [0.09, 0.3]]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["as it is", "open"]
    assert names(ax) == ["pruned", "another teacher"]


def test_nodes_of_the_second_layer_are_points_about_a_line(drawn):
    paths.second_layer([[0.1, 0.5]], [[0.2, 0.99]], 0.98)
    (ax,) = drawn()
    assert ax.collections[0].get_offsets().tolist() == [[0.1, 0.2], [0.5, 0.99]]
    assert ax.lines[0].get_ydata() == [0.98, 0.98]
    assert names(ax) == ["found"]


def test_single_paths_are_thinned_out_and_told_by_whether_their_end_is_found(drawn):
    """Two nodes of the second layer with four paths each, of which every second is drawn; totals are all drawn."""
    own, total = torch.arange(8.0).reshape(2, 2, 2), torch.ones(2, 2)
    paths.path_by_path((own, own + 1), (total, total), torch.tensor([True, False]), every=2)
    left, right = drawn()
    missed, found = (collection.get_offsets().tolist() for collection in left.collections)
    assert (missed, found) == ([[4, 5], [6, 7]], [[0, 1], [2, 3]])
    assert legend() == ["ends in a node not found", "ends in a node found"]
    assert len(right.collections[0].get_offsets()) == 4


def test_students_cost_seconds_by_their_nodes(drawn):
    cost.students({"spectral": {10: 1.0, 1_000: 4.0}, "matched": {10: 1.2, 1_000: 44.0}})
    (ax,) = drawn()
    assert [line.get_ydata().tolist() for line in ax.lines] == [[1.0, 4.0], [1.2, 44.0]]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["10", "1,000"]
    assert legend() == labels("spectral", "matched")


def test_cost_against_sizes_has_medians_with_their_range(drawn):
    some = [{"low": 1.0, "median": 2.0, "high": 4.0}, {"low": 3.0, "median": 5.0, "high": 6.0}]
    sizes = {"members": [1, 30], "widths": [60, 1_000], "members_width": 200, "widths_members": 30}
    cost.against_sizes(sizes, {"members": some, "widths": some})
    members, widths = drawn()
    assert members.containers[0].lines[0].get_ydata().tolist() == [2.0, 5.0]
    bars = [path.vertices[:, 1].tolist() for path in members.containers[0].lines[2][0].get_paths()]
    assert bars == [[1.0, 4.0], [3.0, 6.0]]
    assert members.get_ylim()[0] == 0
    assert [tick.get_text() for tick in widths.get_xticklabels()] == ["60", "1,000"]


def test_rates_have_a_panel_for_each_number_of_threads_with_its_roof(drawn):
    kernels = [
        {
            "inputs": inputs,
            "threads": threads,
            "gflops": [{"low": x, "median": x, "high": x} for x in (10 * threads, inputs)],
        }
        for inputs in (5, 40)
        for threads in (1, 2)
    ]
    cost.rates([24, 2_000], {"roof": {"1": {"median": 80.0}, "2": {"median": 150.0}}, "kernel": kernels})
    for ax, threads, roof in zip(drawn(), (1, 2), (80.0, 150.0), strict=True):
        assert [c.lines[0].get_ydata().tolist() for c in ax.containers] == [[10 * threads, 5], [10 * threads, 40]]
        assert [line.get_ydata() for line in ax.lines if len(set(line.get_ydata())) == 1][-1] == [roof, roof]
        assert ax.get_title() == f"{threads} thread{'s' * (threads > 1)}"
    assert legend() == ["$d = m$ = 5", "$d = m$ = 40"]


def test_ways_have_a_line_each_in_the_panel_of_their_kind(drawn):
    ways = {"spectral": values(3, 1), "lasso": values(2, 1)}
    words = {"spectral": "ours", "lasso": "theirs", "search": "other"}
    peers.curves([5, 20], {"penalties": ways, "none": {"search": values(4, 2)}}, words, 20)
    first, second = drawn()
    assert [ax.get_title() for ax in (first, second)] == ["penalties", "none"]
    assert first.get_legend_handles_labels()[1] == ["ours", "theirs"]
    assert second.lines[0].get_ydata().tolist() == [4, 2]
    assert first.get_yscale() == "log"


def test_each_kind_of_way_has_looks_of_its_own():
    looks = [(look.colour, look.line) for look in peers.LOOKS.values()]
    for kind in (looks[:5], looks[5:]):
        assert len(set(kind)) == len(kind)


def test_ways_are_rows_from_the_top_and_what_is_not_known_is_left_out(drawn):
    def one(value):
        return Interval(value, value - 1, value + 2)

    both = {"lasso": one(3.0), "search": one(4.0)}
    panels = {
        "error": [peers.Series("cut", {"lasso": one(5.0)}, True), peers.Series("trained", both)],
        "nodes": [peers.Series("", {"lasso": one(20.0), "search": one(19.0)})],
    }
    peers.dots({"lasso": "theirs", "search": "other"}, panels, log={"error": True}, at={"nodes": 20})
    error, nodes = drawn()
    points = [(c.lines[0].get_xdata()[0], round(c.lines[0].get_ydata()[0])) for c in error.containers]
    assert points == [(5, 0), (3, 0), (4, 1)]
    assert [c.get_label() for c in error.containers] == ["theirs, cut", "theirs, trained", "other, trained"]
    assert error.containers[0].lines[0].get_color() == ROLES["lasso"].colour
    assert (error.get_xscale(), nodes.get_xscale(), nodes.get_xlabel()) == ("log", "linear", "nodes")
    assert error.get_ylim()[0] > error.get_ylim()[1]
    assert nodes.lines[-1].get_xdata() == [20, 20]
    assert legend() == ["cut", "trained"]
    assert [len(ax.get_yticklabels()) and ax.get_yticklabels()[0].get_text() for ax in drawn()] == ["theirs", ""]


def test_survivors_stand_in_rows_of_what_is_changed_with_the_rules_names_in_the_first(drawn):
    sizes = {"adam": values(22, 23), "momentum": values(37, 86), "adamw": values(86, 82)}
    mechanism.by_rule(sizes, ["as published", "no penalty"], 20, 100)
    (ax,) = drawn()
    assert [c.lines[0].get_xdata().tolist() for c in ax.containers] == [[22, 23], [37, 86], [86, 82]]
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["Adam", "SGD with momentum", "AdamW", "teacher", "all nodes"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_dying_nodes_have_a_panel_for_each_rule_and_a_floor(drawn):
    decay = mechanism.Decay([1, 10], values(0.1, 1e-3), np.array([0.1, 0.0]))
    mechanism.decays(dict.fromkeys(("adam", "direct", "adamw", "momentum"), decay), 1e-9)
    assert [ax.get_title() for ax in drawn()] == [
        mechanism.RULES[r].label for r in ("adam", "direct", "adamw", "momentum")
    ]
    assert [one.get_ydata().tolist() for one in drawn()[0].lines] == [[0.1, 1e-3], [0.1, 1e-9]]


def test_what_students_share_is_seen_against_width_and_number(drawn):
    counts = {"spectral": values(24, 25), "published": values(60, 130)}
    asked.against_width([60, 500], {"one": counts, "five": counts}, 20)
    assert drawn()[0].get_ylim() == drawn()[1].get_ylim()
    assert legend() == labels("spectral", "published")
    plt.close("all")
    asked.against_number(([2, 3], {"spectral": values(20, 20)}), ([2, 30], {"spectral": [20, 19]}), 20)
    assert drawn()[1].lines[0].get_ydata().tolist() == [20, 19]
    assert drawn()[0].get_ylim()[0] <= 13
