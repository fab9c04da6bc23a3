"""The analyses of the transition on curves with planted numbers, and on teachers whose pruning is known."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from planted import SIZES, family, planted

from spectral import ConfigError, ExperimentConfig
from spectral.book import transition, universality
from spectral.book.transition import SHAPE
from spectral.book.universality import Setting
from spectral.lab.collection import Results
from spectral.lab.experiment import draw_task
from spectral.lab.presets import Experiment, experiments
from spectral.lab.results import Result
from spectral.stats.committees import pruning_curve
from spectral.stats.intervals import geometric_mean, jackknife, share
from spectral.tasks import Teacher, covariance


def test_planted_ratios_and_their_order():
    found = universality.ratios([planted(100, 0.8), planted(100), planted(100, 1.2)])
    assert found.value == pytest.approx([0.8, 1.0, 1.2], abs=0.015)
    assert (found.low <= found.value).all()
    assert (found.value <= found.high).all()
    alone = universality.ratios([planted(100)])
    assert (alone.value[0], alone.low[0], alone.high[0]) == (found.value[1], found.low[1], found.high[1])


def test_settings_may_differ_in_teachers_and_trials():
    """Two teachers of one trial have a ratio and no interval; the others keep theirs."""
    few = planted(100)._replace(grown=planted(100).grown[:2, :1])
    found = universality.ratios([planted(100, 0.8), few])
    assert np.isfinite(found.value).all()
    assert np.isnan(found.low).tolist() == np.isnan(found.high).tolist() == [False, True]


def test_a_lower_threshold_finds_a_larger_critical_size():
    sample = [planted(100, beta=2)]
    strict, loose = (universality.ratios(sample, threshold).value[0] for threshold in (1e-4, 1e-2))
    assert strict == pytest.approx(1 - 1e-4**0.5, abs=0.011)
    assert loose == pytest.approx(1 - 1e-2**0.5, abs=0.011)


def test_a_map_has_gaps_where_nothing_was_measured():
    samples = [planted(20, dim=5), planted(40, dim=10)]
    found = universality.gridded(samples, universality.ratios(samples), [20, 40], [5, 10])
    assert np.isnan(found.value).tolist() == [[False, True], [True, False]]
    assert (found.value[0, 0], found.low[1, 1]) == pytest.approx((1.0, 1.0), abs=0.03)


def test_settings_of_one_size_are_averaged():
    sizes, average = universality.by_size([planted(40), planted(20), planted(40)])
    assert sizes.tolist() == [20, 40]
    assert average.tolist() == [[0, 1, 0], [0.5, 0, 0.5]]


def test_a_continuous_transition_has_jumps_that_shrink_and_another_has_not():
    sizes, found = universality.jumps_by_size(family(beta=1.0))
    assert sizes.tolist() == list(SIZES)
    assert found.value * sizes == pytest.approx(np.ones(4), rel=0.05)  # one node of h_T: exactly 1 / h_T
    steps = [s._replace(grown=np.where(s.grown > 0, 0.1 + 0.9 * s.grown, 0)) for s in family(beta=1.0)]
    assert universality.jumps_by_size(steps)[1].value.min() > 0.1
    square = planted(160, beta=2.0, noise=0.0)  # without one node of 160 it is not 0.02/160 yet, without two it is
    assert universality.jumps_by_size([square])[1].value == pytest.approx([(2 / 160) ** 2])


def test_the_power_of_the_jump_is_its_slope():
    """Growth in proportion to the distance: the jump of one node is 1/h_T. A jump that stays has a power of zero."""
    assert universality.jump_power(family(beta=1.0)).value == pytest.approx(-1, abs=0.03)
    steps = [s._replace(grown=np.where(s.grown > 0, 0.5 + 0.5 * s.grown, 0)) for s in family(beta=1.0)]
    assert universality.jump_power(steps).value == pytest.approx(0, abs=0.03)
    assert np.isnan(universality.jump_power([planted(20), planted(20, dim=5)]).value)


def test_the_power_of_the_jump_is_what_the_ledger_asks_for():
    """Where all students have their teacher's size."""
    chosen = [one for one in experiments("paper") if one.varied == "teacher" and one.config.input_dim == 10][:4]

    def read(one: Experiment) -> SimpleNamespace:
        size = one.config.teacher_hidden
        curves = torch.from_numpy(planted(size, noise=0.1).grown.reshape(12, -1))
        config = replace(one.config, teachers=4, trials=3)
        return SimpleNamespace(config=config, sweeps={"incoming": curves + 1 - curves[:, :1]})

    results = Results(chosen, read)
    found = universality.jump_power([universality.students(results, one) for one in chosen])
    expected = transition.jump_slope(results, family="teachers").interval()
    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_students_of_their_teachers_size_are_told_from_others():
    samples = [planted(100, 0.8), planted(100), planted(100, 1.05), planted(100, 1.2)]
    near, far = universality.of_their_size(samples)
    assert (near, far) == (samples[1:3], [samples[0], samples[3]])


def test_a_setting_is_near_its_teachers_size_only_if_that_is_shown():
    """Members at 0.95 and 1.05, whose mean is 1, scatter too much for four teachers; and more so among many."""
    n = np.arange(200)
    grown = np.stack([np.clip(1 - n / c, 0, None) for c in (90, 110, 94, 108)])[:, None]
    samples = [planted(100), planted(100, 0.7), Setting(100, 10, grown)]
    assert universality.near_theirs(samples).tolist() == [True, False, False]


def test_scatter_is_that_of_the_members():
    """Members at n_c = 90 and 110: a standard deviation of 0.1 h_T, by four teachers 0.1 sqrt(4 / 3)."""
    n = np.arange(200)
    grown = np.stack([np.clip(1 - n / critical, 0, None) for critical in (90, 110, 90, 110)])[:, None]
    sizes, found = universality.scatter_by_size([Setting(100, 10, grown)])
    assert sizes.tolist() == [100]
    assert found.value[0] == pytest.approx(0.1 * (4 / 3) ** 0.5, rel=0.02)


def test_planted_exponents_in_any_window():
    windows = [(0.1, 0.5), (0.1, 0.2), (0.2, 0.4), (0.3, 0.6)]
    found = universality.exponents_in(family(beta=1.3), windows)
    assert found.value == pytest.approx(np.full(4, 1.3), abs=0.1)
    assert found.value.shape == found.low.shape == (4,)


def test_a_crossover_shows_in_the_windows():
    """The mean of x and x^3: exponent near 1 close to the transition, larger away from it."""
    samples = [
        s._replace(grown=(s.grown + t.grown) / 2) for s, t in zip(family(beta=1.0), family(beta=3.0), strict=True)
    ]
    _, windows = universality.sliding_windows(0.05, 1.0, 5)
    found = universality.exponents_in(samples, windows).value
    assert found[0] < 1.15
    assert found[-1] > 1.6
    assert (np.diff(found) > 0).all()


def test_windows_slide_from_end_to_end():
    centres, windows = universality.sliding_windows(0.1, 0.8, 3)
    assert windows == [pytest.approx((0.1, 0.2)), pytest.approx((0.2, 0.4)), pytest.approx((0.4, 0.8))]
    assert [low * 2**0.5 for low, _ in windows] == pytest.approx(centres.tolist())


def test_curves_of_one_shape_collapse_whatever_their_critical_size():
    samples = [planted(size, ratio) for size, ratio in zip(SIZES, (0.8, 1.0, 1.2, 0.9), strict=True)]
    _, average = universality.by_size(samples)
    found = universality.collapsed(samples, average)
    assert found.curves.value.shape == (4, len(SHAPE))
    assert float(found.spread.value) < 0.02
    other = [*samples[:3], planted(160, 0.9, beta=4)]
    assert float(universality.collapsed(other, average).spread.low) > 0.05


def test_one_curve_has_no_spread():
    found = universality.collapsed([planted(20)], np.ones((1, 1)))
    assert f"{found.spread:.3f}" == "–"
    assert found.curves.value.shape == (1, len(SHAPE))


def test_a_curve_is_seen_at_every_node_of_the_largest_teachers():
    """A student that finds a tenth of its teacher's nodes has a curve of few points, which none may be left out of."""
    sample = planted(160, 0.1, beta=3.0, noise=0.0)
    found = universality.collapsed([sample], np.ones((1, 1)), threshold=1e-6).curves.value[0]
    n = SHAPE * float(universality.ratios([sample], 1e-6).value[0]) * 160
    assert found == pytest.approx(np.interp(n, np.arange(321), sample.grown[0, 0]), abs=1e-9)


def one_setting(**settings) -> tuple[Results, Experiment]:
    """Two teachers of two trials, whose students are not there."""
    config = ExperimentConfig(
        teachers=2, trials=2, teacher_hidden=6, input_dim=4, patterns=400, test_patterns=300, **settings
    )
    experiment = Experiment("universal/x/30", "universal", "teacher", "spectral", config)
    result = SimpleNamespace(
        config=config, task=lambda chosen: draw_task(config, [config.members[index] for index in chosen])
    )
    return Results([experiment], lambda _: result), experiment


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_teacher_of_two_layers_is_pruned_itself(activation):
    """With all nodes no error, with none E[y^2]; with one less than all, that of the teacher without its shortest."""
    results, experiment = one_setting(activation=activation)
    found = universality.teachers(results, experiment)
    assert (found.size, found.dim) == (6, 4)
    assert found.grown.shape == (2, 1, 7)
    assert found.grown[..., -1] == pytest.approx(np.zeros((2, 1)), abs=1e-10)
    assert found.grown[..., 0] == pytest.approx(np.ones((2, 1)))
    task = results[experiment].task([0, 2])
    cut = task.teacher.first.clone()
    for member, shortest in enumerate(cut.norm(dim=-1).argmin(-1)):
        cut[member, shortest] = 0
    answer = type(task.teacher)(cut, task.teacher.second, activation)(task.test.x)
    expected = (answer - task.test.y).square().mean(-1) / task.test.y.square().mean(-1)
    assert found.grown[:, 0, -2] == pytest.approx(expected.numpy(), rel=1e-4)


@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_a_committee_follows_theory_and_its_test_patterns(activation):
    results, experiment = one_setting(activation=activation, teacher="committee")
    found = universality.teachers(results, experiment)
    first = results[experiment].task([0]).teacher.first[0].double()
    assert found.grown[0, 0] == pytest.approx(pruning_curve(first.numpy(), activation))
    x = torch.randn(100_000, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    hidden = torch.relu(x @ first.T) if activation == "relu" else torch.erf(x @ first.T / 2**0.5)
    weak = hidden[:, first.norm(dim=-1).argsort()[:3]].sum(-1)  # three nodes removed
    assert found.grown[0, 0, 3] == pytest.approx(float(weak.square().mean() / hidden.sum(-1).square().mean()), rel=0.03)


@pytest.mark.parametrize(("activation", "inputs"), [("tanh", "gaussian"), ("relu", "uniform"), ("tanh", "correlated")])
def test_a_committee_without_a_closed_form_is_pruned_on_its_test_patterns(activation, inputs):
    results, experiment = one_setting(activation=activation, teacher="committee", inputs=inputs)
    found = universality.teachers(results, experiment)
    task = results[experiment].task([0])
    cut = task.teacher.first[0].double().clone()
    cut[cut.norm(dim=-1).argsort()[:3]] = 0  # three nodes removed
    left = Teacher(cut[None], None, activation)(task.test.x.double())
    expected = (left - task.test.y).square().mean() / task.test.y.double().square().mean()
    assert found.grown[0, 0, 3] == pytest.approx(float(expected), rel=1e-4)


def test_a_committee_with_correlated_inputs_follows_theory_in_their_covariance():
    results, experiment = one_setting(activation="erf", teacher="committee", inputs="correlated")
    found = universality.teachers(results, experiment)
    first, cov = results[experiment].task([0]).teacher.first[0].double(), covariance("correlated", 4)
    assert found.grown[0, 0] == pytest.approx(pruning_curve(first.numpy(), "erf", covariance=cov.numpy()))


def test_students_are_pruned_by_the_score_that_is_asked_for():
    results, experiment = one_setting()
    results[experiment].sweeps = {
        "incoming": torch.tensor([[4.0, 1.0, 0.0]] * 4),
        "product": torch.tensor([[4.0, 3.0, 0.0]] * 4),
    }
    for score, growth in (("incoming", 0.25), ("product", 0.75)):
        found = universality.students(results, experiment, score)
        assert (found.size, found.dim) == (6, 4)
        assert found.grown.tolist() == [[[1.0, growth, 0.0]] * 2] * 2
    assert np.array_equal(universality.students(results, experiment).grown[..., 1], [[0.25] * 2] * 2)


def test_students_that_equal_their_teachers_have_no_gap():
    teachers = planted(20)._replace(grown=planted(20).grown[:, :1, :21])
    students = teachers._replace(grown=np.repeat(teachers.grown, 3, 1) + 0.01)
    gap = universality.theory_gap(students, teachers)
    assert gap.value == pytest.approx(np.full(21, 0.01))
    assert gap.low == pytest.approx(gap.high)


def test_mean_curves_at_fractions_of_nodes():
    setting = Setting(2, 1, np.array([[[1.0, 0.5, 0.0]], [[3.0, 0.5, 0.0]]]))
    assert universality.mean_curve(setting, np.array([0.0, 0.5, 2.0])).value.tolist() == [2.0, 1.25, 0.0]
    many = planted(20)
    found, expected = universality.mean_curve(many, np.array([5.0])), jackknife(many.grown[..., 5])
    assert (found[0].value, found[0].low, found[0].high) == pytest.approx((expected.value, expected.low, expected.high))


def test_nodes_are_found_in_each_of_some_settings(monkeypatch):
    """Of four nodes and three teachers three in one student; with two teachers a share without an interval."""
    config = ExperimentConfig(teachers=3, trials=1, teacher_hidden=4)
    chosen = [
        Experiment("universal/three/20", "universal", "teacher", "spectral", config),
        Experiment("universal/two/20", "universal", "teacher", "spectral", replace(config, teachers=2)),
    ]
    monkeypatch.setattr(transition, "found_in", lambda result: torch.tensor([4, 3, 4])[: result.config.teachers])
    results = Results(chosen, lambda one: SimpleNamespace(config=one.config))
    found, expected = universality.found(results, chosen), share(np.array([[1.0], [0.75], [1.0]]), 4)
    assert found.value.tolist() == pytest.approx([11 / 12, 7 / 8])
    assert (found.low[0], found.high[0]) == (expected.low, expected.high)
    assert np.isnan([found.low[1], found.high[1]]).all()


def test_networks_of_few_nodes_stand_beside_the_student_with_the_nodes_it_needs():
    """Three nodes are needed, with which the error is what it was; errors are geometric means over teachers."""
    config = ExperimentConfig(teachers=3, trials=1, teacher_hidden=4, student_hidden=20)
    base = Experiment("universal/x/20", "universal", "teacher", "spectral", config)
    errors = {5: [0.2, 0.4, 0.8], 3: [1.0, 1.0, 1.0]}
    few = [
        Experiment(f"narrow/x/{n}", "narrow", "", "narrow", replace(config, student_hidden=n), base.name)
        for n in errors
    ]

    def read(one: Experiment) -> SimpleNamespace:
        error = torch.tensor(errors.get(one.config.student_hidden, [0.09, 0.19, 0.39]), dtype=torch.float64)
        sweeps = {"incoming": torch.tensor([[1.0, 0.5, 0.01, 0.0]] * 3, dtype=torch.float64)}
        return SimpleNamespace(config=one.config, test_mse=2 * error, test_power=torch.full((3,), 2.0), sweeps=sweeps)

    found = universality.narrow(Results([*few, base], read), base)
    assert found.widths.tolist() == [3, 5]
    assert found.errors.value == pytest.approx([1.0, 0.4])
    assert (found.needed.value, found.needed.low, found.needed.high) == (3, 3, 3)
    assert found.error.value == pytest.approx((0.09 * 0.19 * 0.39) ** (1 / 3))
    expected = jackknife(np.array([[0.2], [0.4], [0.8]]), geometric_mean, log=True)
    assert (found.errors.low[1], found.errors.high[1]) == pytest.approx((expected.low, expected.high))


def unread(preset: str) -> Results:
    return Results(experiments(preset), lambda experiment: pytest.fail(f"{experiment.name} is read"))


def labels(rows: list[universality.Row]) -> list[str]:
    return [row.label for row in rows]


def test_conditions_hold_what_they_vary_and_what_it_was_varied_from():
    results = unread("paper")
    found = universality.conditions(results)
    assert labels(found["penalties, times"]) == ["0.1", "0.3", "1", "3", "10"]
    assert labels(found["patterns"]) == ["500", "2,000", "5,000", "10,000", "20,000"]
    assert labels(found["epochs"]) == ["500", "1,000", "2,000"]
    assert labels(found["second layer, $m$"]) == ["5", "10", "20"]
    assert labels(found["student, $h_S$"])[0] == "40"
    assert labels(found["epochs, wide students"]) == ["2,000", "8,000"]
    standard = ("relu", "gaussian", "0", "10,000")
    usual = [row.experiment.name for rows in found.values() for row in rows if row.label in standard]
    assert usual == ["universal/h_T=20,d=10/100"] * 4
    again = {rows[0].experiment.name: rows for rows in universality.trained_again(results)}
    assert labels(again["universal/h_T=80,d=10/400"]) == [
        "nothing",
        "penalties times 0.1",
        "penalties times 0.01",
        "4 times the patterns",
        "4 times the epochs",
    ]
    assert len(again) == 5
    for rows in again.values():
        assert {row.experiment.base for row in rows[1:]} == {rows[0].experiment.name}
    shown = {row.experiment for rows in [*found.values(), *again.values()] for row in rows}
    universal = {one for one in results.select(design=["universal", "crowded"]) if one.varied != "teacher"}
    assert universal <= shown
    assert {one.student for one in shown} == {"spectral"}


@pytest.mark.parametrize("preset", ["smoke", "laptop"])
def test_conditions_of_thin_presets(preset):
    """Without a grid of some widths."""
    results = unread(preset)
    assert all(len(rows) > 1 for rows in universality.conditions(results).values())
    assert [len(rows) for rows in universality.trained_again(results)] == [4]


def test_what_was_trained_again_of_a_setting_that_is_not_there_is_left_out():
    """As while a sweep is under way."""
    there = [one for one in experiments("paper") if one.name != "universal/h_T=80,d=10/400"]
    found = universality.trained_again(Results(there, lambda one: pytest.fail("nothing is read")))
    assert len(found) == 4
    assert not [row for rows in found for row in rows if "h_T=80,d=10" in row.experiment.name]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ((0.0, (0.1, 0.5)), "threshold must lie between 0 and 0.1"),
        ((0.1, (0.1, 0.5)), "threshold must lie between 0 and 0.1"),
        ((0.001, (0.5, 0.1)), "must be increasing, above 0 and at most 1"),
        ((0.001, (0.0, 0.5)), "must be increasing, above 0 and at most 1"),
        ((0.001, (0.1, 1.1)), "must be increasing, above 0 and at most 1"),
        ((float("nan"), (0.1, 0.5)), "threshold must lie"),
    ],
)
def test_impossible_choices_are_refused(choice, message):
    with pytest.raises(ConfigError, match=message):
        universality.check_choices(*choice)
    universality.check_choices(0.001, (0.1, 1.0))


def measured(**values) -> SimpleNamespace:
    """A result that estimates as all do."""
    result = SimpleNamespace(**values)
    result.estimate = lambda *arguments, **how: Result.estimate(result, *arguments, **how)
    return result


def test_the_error_that_is_left_is_in_units_of_the_teacher_s_answers():
    """Teachers at 0.5, 1.5 and 1: mean 1, whatever the units; the interval is that of the logarithm."""
    result = measured(
        config=SimpleNamespace(teachers=3, trials=2),
        test_mse=torch.tensor([1.0, 1.0, 4.0, 8.0, 3.0, 5.0]),
        test_power=torch.tensor([2.0, 2.0, 4.0, 4.0, 4.0, 4.0]),
    )
    found, expected = universality.error_left(result), jackknife(np.array([[0.5], [1.5], [1.0]]), log=True)
    assert found.value == 1.0
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_sizes_in_training_are_those_of_the_scores():
    scores = torch.tensor([[[1.0, 1.0, 1.0, 1.0]] * 3, [[1.0, 1.0, 1.0, 0.0]] * 3, [[1.0, 0.04, 0.0, 0.9]] * 3])
    result = measured(
        config=SimpleNamespace(teachers=3, trials=1, teacher_hidden=2),
        history=SimpleNamespace(scores=scores, score_epochs=(0, 5, 9)),
    )
    epochs, found = universality.sizes_in_training(result)
    assert epochs.tolist() == [5, 9]
    assert found.value.tolist() == pytest.approx([1.5, 1.0])
    assert found.low.tolist() == pytest.approx([1.5, 1.0])
