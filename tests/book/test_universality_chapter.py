"""What the chapters on the transition and where it holds add to their analyses; and what their figures draw."""

import matplotlib

matplotlib.use("Agg")

from dataclasses import replace
from types import SimpleNamespace
from typing import get_args

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from planted import planted

from spectral import ExperimentConfig
from spectral.book import finite_size, transition, universality
from spectral.book.figures import style
from spectral.book.figures import transition as draw
from spectral.book.figures import universality as places
from spectral.book.transition import Window
from spectral.book.universality import Setting
from spectral.lab.collection import Results
from spectral.lab.presets import Experiment, experiments
from spectral.stats.intervals import Interval, Refused, estimate, jackknife, stack


def test_a_curve_relative_to_the_teacher_has_a_point_for_every_node():
    """Growth 1 and 3 with no node, half of that with one of two, in the two teachers; none with all."""
    setting = Setting(2, 1, np.array([[[1.0, 0.5, 0.0]], [[3.0, 1.5, 0.0]]]))
    u, growth = universality.relative_curve(setting)
    assert u.tolist() == [0, 0.5, 1, 1.5]
    assert growth.value.tolist() == [2, 1, 0, 0]
    assert universality.relative_curve(setting, 0.5)[0].tolist() == [0, 0.5]


def test_both_sides_come_in_the_order_of_the_experiments(monkeypatch):
    monkeypatch.setattr(universality, "students", lambda results, one: f"students of {one}")
    monkeypatch.setattr(universality, "teachers", lambda results, one: f"teachers of {one}")
    found = universality.both(None, ["b", "a"])
    assert found == (["students of b", "students of a"], ["teachers of b", "teachers of a"])


def test_teachers_are_named_by_what_they_are():
    config = ExperimentConfig(teacher_hidden=40, input_dim=5)
    assert universality.named_teachers(config) == "relu, two layers, $h_T$ = 40, $d$ = 5"
    config = ExperimentConfig(teacher_hidden=40, input_dim=20, teacher="committee", activation="erf")
    assert universality.named_teachers(config) == "erf, committee, $h_T$ = 40, $d$ = 20"


@pytest.mark.parametrize("window", get_args(Window))
def test_gains_are_means_over_the_settings_of_a_size(window):
    """Two settings of one size and one of another; three teachers are enough, each is held out from two others."""
    chosen = [one for one in experiments("paper") if one.varied == "teacher" and one.config.input_dim in (5, 10)][2:5]
    chosen = [replace(one, config=replace(one.config, teachers=3)) for one in chosen]

    def read(one: Experiment) -> SimpleNamespace:
        curves = torch.from_numpy(planted(one.config.teacher_hidden, dim=one.config.input_dim).grown[:3, 0])
        return SimpleNamespace(config=one.config, sweeps={"incoming": curves + 1 - curves[:, :1]})

    results = Results(chosen, read)
    sizes, found = universality.gains_by_size(results, chosen, window)
    assert sizes.tolist() == [10, 20]
    every = transition.gain(results, chosen, window)  # (3, 1, 3)
    for index, values in enumerate((every[..., :2].mean(-1), every[..., 2])):
        expected = jackknife(values)
        assert (found.value[index], found.low[index]) == pytest.approx((expected.value, expected.low))


def test_a_statistic_that_needs_all_units_has_a_value_and_no_interval():
    def least_three(values):
        if len(values) < 3:
            raise Refused(f"three are needed; got {len(values)}")
        return values.mean((0, 1))

    values = np.array([[[1.0, 2.0]], [[3.0, 4.0]], [[5.0, 6.0]]])
    with pytest.raises(Refused, match="leaves one of 3 units out, and then three are needed; got 2") as refused:
        jackknife(values, least_three)
    assert refused.value.estimate.tolist() == [3, 4]
    found = estimate(values, least_three)
    assert found.value.tolist() == [3, 4]
    assert np.isnan([found.low, found.high]).all()
    with pytest.raises(Refused, match="three are needed; got 2"):
        estimate(values[:2], least_three)


def test_errors_of_a_collapse_do_not_depend_on_which_teachers_are_left_out_together():
    """Settings have teachers of their own: numbering those of one setting otherwise is the same sample."""
    settings = [planted(size, dim=dim) for size in (20, 40) for dim in (5, 10)]
    other = [*settings[:3], settings[3]._replace(grown=settings[3].grown[[2, 0, 3, 1]])]
    one, again = (finite_size.mean_curves(chosen) for chosen in (settings, other))
    assert again.errors == pytest.approx(one.errors)
    means = np.stack([setting.grown.mean(1) for setting in settings[:2]])  # (G, T, N)
    expected = np.sqrt((means.var(1, ddof=1) / 4).sum(0)) / 2
    assert one.errors[0][0] == pytest.approx(expected[10])  # u = 0.5 of 20 nodes
    qualities = [finite_size.shape_quality(chosen, one.average).value for chosen in (settings, other)]
    assert qualities[0] == pytest.approx(qualities[1])


@pytest.fixture
def drawn():
    """What is drawn by a call: the axes of its figure."""
    yield lambda: plt.gcf().axes
    plt.close("all")


def values(*numbers: float) -> Interval:
    array = np.array(numbers)
    return Interval(array, array - 0.1, array + 0.1)


def curve(*numbers: float) -> draw.Curve:
    return np.linspace(0, 1, len(numbers)), values(*numbers)


def labels(ax: plt.Axes) -> list[str]:
    return ax.get_legend_handles_labels()[1]


def legend() -> list[str]:
    (found,) = plt.gcf().legends
    return [text.get_text() for text in found.get_texts()]


def ticks(ax: plt.Axes) -> list[str]:
    return [tick.get_text() for tick in ax.get_xticklabels()]


def test_pruning_curves_have_a_panel_for_students_and_one_for_teachers(drawn):
    sides = {5: curve(1, 0.2, 0.01), 10: curve(1, 0.1, 0.01)}
    draw.growing({"students": sides, "teachers": sides})
    students, teachers = drawn()
    assert [ax.get_title() for ax in drawn()] == ["students", "teachers"]
    assert students.lines[0].get_ydata().tolist() == [1000, 200, 10]
    assert students.get_ylim() == teachers.get_ylim()
    assert legend() == ["$h_T$ = 5", "$h_T$ = 10"]
    assert [ax.get_ylabel() for ax in drawn()] == [draw.GROWTH, ""]


def test_panels_below_each_other_have_their_axes_named(drawn):
    sides = {5: curve(1, 0.2, 0.01)}
    with style.narrow():
        draw.growing({"students": sides, "teachers": sides})
    assert [ax.get_ylabel() for ax in drawn()] == [draw.GROWTH] * 2


def test_rounding_is_compared_with_what_a_jump_can_be(drawn):
    """Students of another size may have sizes of their own, or be absent."""
    found = {"near": ([5, 20], values(0.5, 0.2)), "teacher": ([5, 20, 80], values(0.4, 0.3, 0.2))}
    draw.rounding(found, found, 0.02)
    left, right = drawn()
    lines = {one.get_label(): one.get_ydata().tolist() for one in left.lines}
    assert lines["the least that a jump can be"] == pytest.approx([4, 1, 0.25])
    assert [bars.lines[0].get_ydata().tolist() for bars in left.containers] == [[500, 200], [400, 300, 200]]
    assert [bars.lines[0].get_ydata().tolist() for bars in right.containers] == [[0.5, 0.2], [0.4, 0.3, 0.2]]
    assert ticks(right) == ["5", "20", "80"]
    assert set(legend()) == {
        "the least that a jump can be",
        "students of their teacher's size",
        "teachers, pruned alike",
    }


def test_committees_are_told_apart_by_activation(drawn):
    three = {what: curve(1, 0.5, 0) for what in ("students", "product", "theory")}
    draw.committees({("erf", 20): three, ("relu", 20): three, ("erf", 40): three})
    relu, erf = drawn()
    assert labels(relu) == ["students, $h_T$ = 20", "ranked by the product", "theory"]
    assert labels(erf) == ["students, $h_T$ = 20", "students, $h_T$ = 40", "ranked by the product", "theory"]
    assert len(erf.lines) == 7  # three of each, and the teacher's size
    assert [ax.get_title() for ax in (relu, erf)] == ["committees of relu nodes", "committees of erf nodes"]


def test_sliding_exponents_have_a_limit_only_where_theory_has_one(drawn):
    three = {of: values(1, 2) for of in ("students", "tenfold", "teachers")}
    draw.sliding([0.1, 0.2], {"one": three, "other": three}, {"one": 2.1}, (0.1, 0.5), 0.001)
    one, other = drawn()
    students = [f"students, $n_c$ at {cut} thousandths" for cut in (1, 10)]
    assert legend() == [*students, "teachers, pruned alike", "theory, infinitely many nodes"]
    assert [len(ax.lines) for ax in (one, other)] == [4, 3]
    assert one.lines[-1].get_ydata() == [2.1, 2.1]


def test_gains_are_compared_with_none_in_every_window(drawn):
    draw.gains(np.array([5, 20, 160]), {"one": values(0.5, 0.1, -0.1), "other": values(7, 8, 900)})
    one, other = drawn()
    assert [ax.get_title() for ax in (one, other)] == ["one", "other"]
    assert ticks(other) == ["5", "160"]
    assert [ax.lines[-1].get_ydata()[0] for ax in (one, other)] == [0, 0]


def test_a_map_frames_the_cells_that_are_named(drawn):
    grid = stack([values(1.0, 0.5), values(np.nan, 1.2)])
    places.cells(grid, [5, 20], [10, 40], [(0, 0), (1, 1)])
    (ax,) = drawn()
    assert [text.get_text() for text in ax.texts[:2]] == ["1.00", "[0.90, 1.10]"]
    assert len(ax.texts) == 6
    assert [(round(frame.get_x()), round(frame.get_y())) for frame in ax.patches] == [(0, 0), (1, 1)]


def test_penalties_are_lines_by_teachers_of_which_the_first_is_compared_with(drawn):
    places.penalties({"base": ([0.1, 1], values(1, 1)), "a": ([1], values(0.5)), "b": ([1], values(0.4))})
    (ax,) = drawn()
    assert legend() == ["base", "a", "b"]
    assert [line.get_linestyle() for line in ax.lines[:3]] == ["--", "-", "-."]
    assert ax.lines[0].get_color() == "black"
    assert ticks(ax) == ["0.01", "0.1", "1", "10"]


def test_a_student_loses_nothing_beyond_its_survivors(drawn):
    """Strengths have one colour in both panels."""
    places.lightened({20: {0.1: [1.0, 0.01], 10.0: [1.0]}, 80: {0.1: [1.0, 0.5, 0.2]}})
    small, large = drawn()
    assert small.lines[0].get_xydata().tolist() == [[0, 1000], [1, 10], [60, 0]]
    assert small.lines[0].get_color() == large.lines[0].get_color() != small.lines[1].get_color()
    assert [ax.lines[-1].get_xdata() for ax in (small, large)] == [[20, 20], [80, 80]]
    assert legend() == ["0.1", "10"]


def test_conditions_are_rows_with_titles_on_a_logarithmic_axis(drawn):
    what = ({"inputs": ["gaussian", "digits"], "epochs": ["500"]}, values(1, 1.3, 1))
    places.conditions([what, ({"noise": ["1"]}, values(4.9))], (0.8, 1.2))
    rows = [[tick.get_text() for tick in ax.get_yticklabels()] for ax in drawn()]
    assert rows == [["inputs", "gaussian", "digits", "epochs", "500"], ["noise", "1"]]
    assert [ax.get_xscale() for ax in drawn()] == ["log", "log"]
    assert all(ax.get_xlim()[0] <= 0.25 and ax.get_xlim()[1] > 5 for ax in drawn())


def test_sizes_in_training_are_lines_by_teacher(drawn):
    places.training({5: curve(2, 1), 10: curve(1, 0.5)}, {"longest": curve(3, 2)})
    assert legend() == ["$h_T$ = 5", "$h_T$ = 10", "longest"]


def test_a_collapse_shows_curves_in_styles_of_their_own(drawn):
    three = stack([values(1, 0), values(1, 0.5), values(1, 1)])
    places.collapse([0, 1], {"sizes": (list("abc"), three), "tasks": (list("ab"), three[:2])})
    assert [labels(ax) for ax in drawn()] == [["a", "b", "c"], ["a", "b"]]
    assert [ax.get_title() for ax in drawn()] == ["sizes", "tasks"]
    assert [line.get_ydata().tolist() for line in drawn()[0].lines[:3]] == [[1000, 0], [1000, 500], [1000, 1000]]
    assert len({line.get_linestyle() for line in drawn()[0].lines}) == 3


def test_networks_of_few_nodes_have_a_panel_for_each_size_and_the_student_as_a_star(drawn):
    few = ([5, 10, 20], values(1, 0.5, 0.2))
    places.narrow({20: {5: (few, (16.0, 0.3))}, 160: {5: (few, (60.0, 0.4)), 10: (few, (80.0, 0.2))}})
    one, other = drawn()
    assert [ax.get_title() for ax in (one, other)] == ["$h_T$ = 20", "$h_T$ = 160"]
    assert labels(one) == ["from scratch, $d$ = 5", "pruned, $d$ = 5"]
    assert labels(other) == [f"{how}, $d$ = {d}" for d in (5, 10) for how in ("from scratch", "pruned")]
    stars = [(line.get_xdata()[0], line.get_ydata()[0]) for line in other.lines if line.get_marker() == "*"]
    assert stars == [(60.0, 400.0), (80.0, 200.0)]
    assert (one.get_xscale(), one.get_yscale()) == ("log", "log")
