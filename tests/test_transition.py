"""The analyses of the transition on curves with planted numbers, and on teachers whose pruning is known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spectral.book import universality as transition
from spectral.book.transition import GRID, SHAPE, AtHand
from spectral.book.universality import Sample
from spectral.lab.config import ConfigError, ExperimentConfig
from spectral.lab.experiment import make_tasks
from spectral.lab.presets import experiments
from spectral.stats.committees import pruning_curve
from spectral.stats.intervals import Refused

SIZES = (20, 40, 80, 160)


def planted(size: int, ratio: float = 1.0, beta: float = 1.5, noise: float = 0.02, dim: int = 10) -> Sample:
    """Growth ``(1 - n/(ratio h_T))^beta``, amplitudes different for each member."""
    rng = np.random.default_rng([size, dim])
    n = np.arange(2 * size + 1)
    curve = np.clip(1 - n / (ratio * size), 0, None) ** beta
    return Sample(f"h_T={size}", size, dim, curve * (1 + noise * rng.normal(size=(4, 3, 1))))


def family(**planting) -> list[Sample]:
    return [planted(size, dim=dim, **planting) for size in SIZES for dim in (5, 10)]


def test_planted_ratios_and_their_order():
    found = transition.ratios([planted(100, 0.8), planted(100), planted(100, 1.2)], resamples=100)
    assert found.value == pytest.approx([0.8, 1.0, 1.2], abs=0.015)
    assert (found.low <= found.value).all()
    assert (found.value <= found.high).all()


def test_a_lower_threshold_finds_a_larger_critical_size():
    sample = [planted(100, beta=2)]
    strict, loose = (transition.ratios(sample, threshold, resamples=10).value[0] for threshold in (1e-4, 1e-2))
    assert strict == pytest.approx(1 - 1e-4**0.5, abs=0.011)
    assert loose == pytest.approx(1 - 1e-2**0.5, abs=0.011)


def test_a_map_has_gaps_where_nothing_was_measured():
    samples = [planted(20, dim=5), planted(40, dim=10)]
    found = transition.gridded(samples, transition.ratios(samples, resamples=5), [20, 40], [5, 10])
    assert np.isnan(found.value).tolist() == [[False, True], [True, False]]
    assert (found.value[0, 0], found.low[1, 1]) == pytest.approx((1.0, 1.0), abs=0.03)


def test_settings_of_one_size_are_averaged():
    sizes, average = transition.by_size([planted(40), planted(20), planted(40)])
    assert sizes.tolist() == [20, 40]
    assert average.tolist() == [[0, 1, 0], [0.5, 0, 0.5]]


def test_a_continuous_transition_has_jumps_that_shrink_and_another_has_not():
    sizes, found = transition.jumps_by_size(family(beta=1.0), resamples=50)
    assert sizes.tolist() == list(SIZES)
    assert found.value * sizes == pytest.approx(np.ones(4), rel=0.05)  # one node of h_T: exactly 1 / h_T
    steps = [s._replace(grown=np.where(s.grown > 0, 0.1 + 0.9 * s.grown, 0)) for s in family(beta=1.0)]
    assert transition.jumps_by_size(steps, resamples=50)[1].value.min() > 0.1


def test_scatter_is_that_of_the_members():
    """Members at n_c = 90 and 110: a standard deviation of 0.1 h_T, by four teachers 0.1 sqrt(4 / 3)."""
    n = np.arange(200)
    grown = np.stack([np.clip(1 - n / critical, 0, None) for critical in (90, 110, 90, 110)])[:, None]
    sizes, found = transition.scatter_by_size([Sample("", 100, 10, grown)], resamples=50)
    assert sizes.tolist() == [100]
    assert found.value[0] == pytest.approx(0.1 * (4 / 3) ** 0.5, rel=0.02)


def test_planted_exponents_in_any_window():
    windows = [(0.1, 0.5), (0.1, 0.2), (0.2, 0.4), (0.3, 0.6)]
    found = transition.exponents_in(family(beta=1.3), windows, resamples=50)
    assert found.value == pytest.approx(np.full(4, 1.3), abs=0.1)
    assert found.value.shape == found.low.shape == (4,)


def test_a_crossover_shows_in_the_windows():
    """The mean of x and x^3: exponent near 1 close to the transition, larger away from it."""
    samples = [
        s._replace(grown=(s.grown + t.grown) / 2) for s, t in zip(family(beta=1.0), family(beta=3.0), strict=True)
    ]
    _, windows = transition.sliding_windows(0.05, 1.0, 5)
    found = transition.exponents_in(samples, windows, resamples=50).value
    assert found[0] < 1.15
    assert found[-1] > 1.6
    assert (np.diff(found) > 0).all()


def test_windows_slide_from_end_to_end():
    centres, windows = transition.sliding_windows(0.1, 0.8, 3)
    assert windows == [pytest.approx((0.1, 0.2)), pytest.approx((0.2, 0.4)), pytest.approx((0.4, 0.8))] or (
        windows[0][0] == pytest.approx(0.1) and windows[-1][1] == pytest.approx(0.8)
    )
    assert all(high / low == pytest.approx(2) for low, high in windows)
    assert [low * 2**0.5 for low, _ in windows] == pytest.approx(centres.tolist())


def test_curves_of_one_shape_collapse_whatever_their_critical_size():
    samples = [planted(size, ratio) for size, ratio in zip(SIZES, (0.8, 1.0, 1.2, 0.9), strict=True)]
    _, average = transition.by_size(samples)
    found = transition.collapsed(samples, average, resamples=50)
    assert found.curves.value.shape == found.residuals.value.shape == (4, len(SHAPE))
    assert float(found.spread.value) < 0.02
    assert found.residuals.value.sum(0) == pytest.approx(np.zeros(len(SHAPE)), abs=1e-12)
    other = [*samples[:3], planted(160, 0.9, beta=4)]
    assert float(transition.collapsed(other, average, resamples=50).spread.low) > 0.05


def test_one_curve_has_no_spread():
    assert transition.collapsed([planted(20)], np.ones((1, 1)), resamples=5).spread.value == 0


def test_a_planted_collapse_is_found_with_its_parameters():
    """Curves that grow steeper and lower with their size: ``s^-b f((n/h_T - 1) s^a)``, s = h_T/20, a = b = 0.3."""
    samples = []
    for size in SIZES:
        rng, unit = np.random.default_rng(size), size / transition.SCALED_BY
        n = np.arange(2 * size + 1)
        curve = unit**-0.3 / (1 + np.exp(4 * (n / size - 1) * unit**0.3))
        samples.append(Sample("", size, 10, curve * (1 + 0.02 * rng.normal(size=(4, 3, 1)))))
    fit, fixed = transition.fit_collapse(samples, resamples=10), transition.collapse_quality(samples, resamples=50)
    assert fit.refused == ""
    assert fit.parameters.value == pytest.approx([1.0, 0.3, 0.3], abs=0.05)
    assert fit.quality.value < 3 < fixed.value
    assert fixed.low <= fixed.value <= fixed.high


def test_a_collapse_at_the_edge_is_told():
    """Noise of one shape for all sizes, far from 1: no c within the bounds brings them together."""
    samples = [planted(size, ratio) for size, ratio in zip(SIZES, (0.5, 0.6, 0.65, 0.7), strict=True)]
    fit = transition.fit_collapse(samples, resamples=2)
    assert "at an edge of their bounds" in fit.refused
    with pytest.raises(Refused, match=r"two sizes or more; got \[20\]"):
        transition.fit_collapse(samples[:1])


def test_curves_of_one_shape_have_a_good_quality():
    """Their n_c is the same part of h_T, and they differ by their noise alone: S is about 1 or less."""
    found = transition.collapse_quality(family(ratio=0.95), resamples=50)
    assert found.value < 1.5
    assert transition.collapse_quality([planted(20, 0.9), planted(40, 1.1)], resamples=20).low > 5


def test_curves_of_one_shape_are_one_at_their_own_critical_sizes():
    """Teachers whose n_c is another part of h_T each; those of another exponent are told apart."""
    samples = [planted(size, ratio) for size, ratio in zip(SIZES, (1.0, 0.9, 0.5, 0.2), strict=True)]
    found = transition.shape_quality(samples, np.eye(4), resamples=100)
    assert found.value < 2
    assert found.low <= found.value <= found.high
    other = [*samples[:3], planted(160, 0.2, beta=2.5)]
    assert transition.shape_quality(other, np.eye(4), resamples=100).low > 5
    assert transition.collapse_quality(samples, resamples=20).low > 20


def test_a_curve_is_seen_at_every_node_of_the_largest_teachers():
    """A student that finds a tenth of its teacher's nodes has a curve of few points, which none may be left out of."""
    sample = planted(160, 0.1, beta=3.0, noise=0.0)
    found = transition.collapsed([sample], np.ones((1, 1)), threshold=1e-6, resamples=5).curves.value[0]
    n = SHAPE * float(transition.ratios([sample], 1e-6, 5).value[0]) * 160
    assert found == pytest.approx(np.interp(n, np.arange(321), sample.grown[0, 0]), abs=1e-9)


def runs_of(**settings) -> SimpleNamespace:
    config = ExperimentConfig(
        teachers=2, trials=2, teacher_hidden=6, input_dim=4, patterns=400, test_patterns=300, **settings
    )
    return SimpleNamespace(config=config, task=lambda chosen: make_tasks(config, [config.members[i] for i in chosen]))


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_an_ideal_student_of_two_layers_is_its_teacher(activation):
    """With all nodes no error, with none E[y^2]; with one less than all, that of the teacher without its shortest."""
    runs = runs_of(activation=activation)
    found = transition.ideal(AtHand({"x": runs}), "x")
    assert found.grown.shape == (2, 1, 7)
    assert found.grown[..., -1] == pytest.approx(np.zeros((2, 1)), abs=1e-10)
    assert found.grown[..., 0] == pytest.approx(np.ones((2, 1)))
    task = runs.task([0, 2])
    cut = task.teacher.first.clone()
    for member, shortest in enumerate(cut.norm(dim=-1).argmin(-1)):
        cut[member, shortest] = 0
    answer = type(task.teacher)(cut, task.teacher.second, activation)(task.test.x)
    expected = (answer - task.test.y).square().mean(-1) / task.test.y.square().mean(-1)
    assert found.grown[:, 0, -2] == pytest.approx(expected.numpy(), rel=1e-4)


@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_an_ideal_student_of_a_committee_follows_theory_and_its_test_patterns(activation):
    runs = runs_of(activation=activation, teacher="committee")
    found = transition.ideal(AtHand({"x": runs}), "x")
    first = runs.task([0]).teacher.first[0].double()
    assert found.grown[0, 0] == pytest.approx(pruning_curve(first.numpy(), activation))
    x = torch.randn(100_000, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    hidden = torch.relu(x @ first.T) if activation == "relu" else torch.erf(x @ first.T / 2**0.5)
    weak = hidden[:, first.norm(dim=-1).argsort()[:3]].sum(-1)  # three nodes removed
    assert found.grown[0, 0, 3] == pytest.approx(float(weak.square().mean() / hidden.sum(-1).square().mean()), rel=0.03)


def test_students_that_equal_their_teachers_have_no_gap():
    teachers = planted(20)._replace(grown=planted(20).grown[:, :1, :21])
    students = teachers._replace(grown=np.repeat(teachers.grown, 3, 1) + 0.01)
    gap = transition.theory_gap(students, teachers, resamples=20)
    assert gap.value == pytest.approx(np.full(21, 0.01))
    assert gap.low == pytest.approx(gap.high)


def test_mean_curves_at_fractions_of_nodes():
    sample = Sample("", 2, 1, np.array([[[1.0, 0.5, 0.0]], [[3.0, 0.5, 0.0]]]))
    assert transition.mean_curve(sample, np.array([0.0, 0.5, 2.0]), resamples=5).value.tolist() == [2.0, 1.25, 0.0]
    sizes, found = transition.curves_by_size([planted(20), planted(40)], resamples=5)
    assert found.value.shape == (2, len(GRID))
    assert sizes.tolist() == [20, 40]


def test_conditions_hold_what_they_vary_and_what_it_was_varied_from():
    configs = experiments("paper")
    source = AtHand({name: SimpleNamespace(config=config) for name, config in configs.items()})
    found = dict(transition.conditions(source))
    assert [label for label, _ in found["penalties, times"]] == ["0.1", "0.3", "1", "3", "10"]
    assert [label for label, _ in found["patterns"]] == ["500", "2,000", "5,000", "10,000", "20,000"]
    assert [label for label, _ in found["epochs"]] == ["500", "1,000", "2,000"]
    assert [label for label, _ in found["nodes of the second layer, $m$"]] == ["5", "10", "20"]
    assert next(label for label, _ in found["nodes of the student, $h_S$"]) == "40"
    assert [label for label, _ in found["epochs, wider students"]] == ["2,000", "8,000"]
    bases = {name for rows in found.values() for label, name in rows if label in ("relu", "gaussian", "0", "10,000")}
    assert bases == {"universal/h_T=20,d=10/100"}
    again = dict(transition.trained_again(source))
    assert [label for label, _ in again["h_T=80,d=10"]] == [
        "nothing",
        "penalties times 0.1",
        "penalties times 0.01",
        "4 times the patterns",
        "4 times the epochs",
    ]
    assert again["h_T=80,d=10"][0][1] == "universal/h_T=80,d=10/400"
    shown = {name for rows in [*found.values(), *again.values()] for _, name in rows}
    missing = {n for n in configs if n.startswith("universal/") and not n.startswith("universal/h_T=")} - shown
    assert missing == set()
    for preset in ("smoke", "laptop"):  # thinner, and without a grid of some widths
        few = {name: SimpleNamespace(config=config) for name, config in experiments(preset).items()}
        assert all(rows for _, rows in transition.conditions(AtHand(few)))
        assert all(len(rows) == 4 for _, rows in transition.trained_again(AtHand(few)))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ((0.0, (0.1, 0.5), 100), "threshold must lie between 0 and 0.1"),
        ((0.001, (0.5, 0.1), 100), "must be increasing, above 0 and at most 1"),
        ((0.001, (0.0, 0.5), 100), "must be increasing, above 0 and at most 1"),
        ((0.001, (0.1, 0.5), 19), "resamples must be at least 20"),
        ((float("nan"), (0.1, 0.5), 100), "threshold must lie"),
    ],
)
def test_impossible_choices_are_refused(choice, message):
    with pytest.raises(ConfigError, match=message):
        transition.check_choices(*choice)
    transition.check_choices(0.001, (0.1, 1.0), 20)


def test_the_error_that_is_left_is_in_units_of_the_teacher_s_answers():
    config = SimpleNamespace(teachers=2, trials=2)
    runs = SimpleNamespace(
        config=config, test_mse=torch.tensor([1.0, 1.0, 4.0, 8.0]), test_power=torch.tensor([2.0, 2.0, 4.0, 4.0])
    )
    found = transition.error_left(runs, resamples=200)
    assert found.value.tolist() == [1.0]  # mean of 0.5, 0.5, 1 and 2
    assert 0.5 <= found.low[0] < 1 < found.high[0] <= 2


def test_sizes_in_training_are_those_of_the_scores():
    scores = torch.tensor([[[1.0, 1.0, 1.0, 1.0]] * 2, [[1.0, 1.0, 1.0, 0.0]] * 2, [[1.0, 0.04, 0.0, 0.9]] * 2])
    runs = SimpleNamespace(
        config=SimpleNamespace(teachers=2, trials=1, teacher_hidden=2),
        history=SimpleNamespace(scores=scores, score_epochs=(0, 5, 9)),
    )
    epochs, found = transition.sizes_in_training(runs, resamples=5)
    assert epochs.tolist() == [5, 9]
    assert found.value.tolist() == [1.5, 1.0]
