"""Quantities of the transition on students that are made by hand, whose pruning curves are known."""

import copy
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spectral import ExperimentConfig
from spectral.book import claims, transition
from spectral.book.claims import NOT_REPRODUCED, PARTLY, REPRODUCED, Part, measure
from spectral.book.transition import (
    FAMILIES,
    GRID,
    SHAPE,
    apart,
    critical_sizes,
    exponents,
    features,
    gain,
    group_means,
    jumps,
    master_curves,
    pruning_curves,
    settings,
    standard,
)
from spectral.lab.collection import MissingResult, Results
from spectral.lab.files import REPOSITORY
from spectral.lab.presets import Experiment, experiments
from spectral.lab.store import Store
from spectral.stats.intervals import Interval
from spectral.tasks import Patterns, Task

LEVEL = 0.95
EMPTY = Store(REPOSITORY / "nowhere", REPOSITORY / "nowhere")

Plant = Callable[[ExperimentConfig], tuple[float, float, float]]


def made(of: Callable[[Experiment], np.ndarray]) -> Results:
    """All experiments of `paper`, whose pruning curves (T, K, N) are what `of` makes of them."""
    return Results(
        experiments("paper"), lambda experiment: SimpleNamespace(config=experiment.config, curves=of(experiment))
    )


def curves(experiment: Experiment, plant: Plant, noise: float) -> np.ndarray:
    """Growth ``a (1 - n/n_c)^beta``, with a, n_c/h_T and beta as planted, and amplitudes that differ by `noise`."""
    config = experiment.config
    amplitude, ratio, beta = plant(config)
    n = np.arange(config.student_hidden + 1)
    curve = amplitude * np.clip(1 - n / (ratio * config.teacher_hidden), 0, None) ** beta
    draw = np.random.default_rng(list(experiment.name.encode())).normal(size=(config.teachers, config.trials, 1))
    return curve * (1 + noise * draw)


def planted(plant: Plant = lambda config: (1.0, 1.0, 1.5), noise: float = 0.0) -> Results:
    return made(lambda experiment: curves(experiment, plant, noise))


@pytest.fixture(autouse=True)
def _curves_are_those_that_were_made(monkeypatch):
    monkeypatch.setattr(transition, "pruning_curves", lambda result: result.curves)


def part(claim: str, index: int = 0) -> Part:
    found = {entry.id: entry for entry in claims.read_claims()[0]}
    return found[claim].parts[index]


def measured(claim: str, index: int, results: Results) -> Interval:
    found = measure(part(claim, index), results, LEVEL)
    assert found is not None
    return found


def verdict(claim: str, index: int, results: Results) -> str:
    return part(claim, index).judge(measured(claim, index, results))


def test_critical_size_and_jump_by_hand():
    """The error has grown by less than a thousandth from three nodes on; with two it has by 0.25."""
    grown = np.array([[1.0, 0.5, 0.25, 0.0009, 0.0], [1.0, 0.0, 0.002, 0.0, 0.0]])
    assert critical_sizes(grown).tolist() == [3, 3]
    assert jumps(grown).tolist() == [0.25, 0.002]
    assert critical_sizes(grown, 0.0005).tolist() == [4, 3]


def test_features_by_hand():
    """Of a teacher with four nodes: n_c/h_T, the growth with one node less, and the curve at every n/h_T."""
    found = features(np.array([[[1.0, 0.5, 0.25, 0.1, 0.0, 0.0]]]), 4)
    assert found.shape == (1, 1, 2 + len(GRID))
    assert found[0, 0, :2].tolist() == [1.0, 0.1]
    assert found[0, 0, 2:][np.isin(GRID, [0.0, 0.25, 0.5, 1.0, 2.0])].tolist() == [1.0, 0.5, 0.25, 0.0, 0.0]
    assert found[0, 0, 2:][np.isclose(GRID, 0.125)].tolist() == pytest.approx([0.75])  # between two nodes


def test_curves_apart_and_together_by_hand():
    assert apart(np.array([[0.0, 1.0], [2.0, 1.0]])) == pytest.approx(1.0)  # deviations 2^(1/2) and 0
    assert group_means(np.array([1, 0, 1])).tolist() == [[0, 1, 0], [0.5, 0, 0.5]]


def test_a_power_law_has_its_exponent_and_its_shape():
    """Of a teacher so large that its nodes are no steps, whatever its critical size."""
    n = np.arange(1001)
    stacked = np.stack([features(np.clip(1 - n / c, 0, None)[None, None] ** 1.7, 500, 1e-9) for c in (400, 500)], 2)
    assert exponents(stacked) == pytest.approx([1.7, 1.7], abs=0.01)
    expected = np.clip(1 - SHAPE, 0, None) ** 1.7
    np.testing.assert_allclose(master_curves(stacked), [expected, expected], atol=2e-3)


def test_growth_of_a_student_by_hand(toy):
    """For x = (1, 1) the nodes add 7, 0 and 1 to an answer of 8, and the last score is zero: that node has left.

    Without any node the error is 64, with the first 1, with all that are left 1; it grows from there, in units of 64.
    """
    patterns = Patterns(torch.ones(1, 1, 2, dtype=torch.float64), torch.tensor([[8.0]], dtype=torch.float64))
    result = SimpleNamespace(
        student=lambda: copy.deepcopy(toy),
        scores=torch.tensor([[5.0, 1.0, 0.0]], dtype=torch.float64),
        alive=None,
        task=lambda: Task(None, patterns, patterns, patterns),
        test_power=torch.tensor([64.0]),
        config=SimpleNamespace(teachers=1, trials=1),
    )
    np.testing.assert_allclose(pruning_curves(result), [[[63 / 64, 0.0, 0.0]]], atol=1e-15)
    result.scores = torch.tensor([[5.0, 1.0, 2.0]], dtype=torch.float64)
    np.testing.assert_allclose(pruning_curves(result), [[[1.0, 1 / 64, 0.0, 0.0]]], atol=1e-15)
    other = torch.tensor([[1.0, 3.0, 2.0]], dtype=torch.float64)  # the node that adds nothing is kept the longest
    np.testing.assert_allclose(pruning_curves(result, other), [[[1.0, 1.0, 49 / 64, 0.0]]], atol=1e-15)


def test_families_hold_what_they_say():
    results = planted()
    found = {family: settings(results, family) for family in FAMILIES}
    middle = {family: [one.name.split("/")[1] for one in chosen] for family, chosen in found.items()}
    assert len(middle["teachers"]) == 24
    assert len(middle["large teachers"]) == 16
    assert not [name for name in middle["large teachers"] if name.startswith(("h_T=5,", "h_T=10,"))]
    assert middle["committees of relu"] == ["committee=relu,h_T=20", "committee=relu,h_T=40"]
    assert middle["committees of erf"] == ["committee=erf,h_T=20", "committee=erf,h_T=40"]
    for family in ("tasks", "two-layer tasks", "training"):
        assert middle[family][0] == "h_T=20,d=10"
        assert found[family][0] == standard(results)
    assert set(middle["tasks"]) - set(middle["two-layer tasks"]) == set(
        middle["committees of relu"] + middle["committees of erf"]
    )
    assert {name.split("=")[0] for name in middle["training"][1:]} == {"noise", "penalty", "patterns", "epochs"}
    shared = [one.config for family in ("two-layer tasks", "training") for one in found[family]]
    assert all(config.members == shared[0].members for config in shared)
    assert not {one.design for chosen in found.values() for one in chosen} - {"universal"}


def test_a_family_that_is_not_there_is_missing():
    grid = [one for one in experiments("paper") if one.design == "grid"]
    results = Results(grid, lambda one: pytest.fail("nothing is read"))
    with pytest.raises(MissingResult, match="there are no settings of committees of erf"):
        settings(results, "committees of erf")


def test_planted_numbers_come_back():
    """Exponent 1.5, critical size that of the teacher: found low by the hundredth that the threshold takes."""
    results = planted()
    ratio = measured("universality-size", 0, results)
    assert 0.985 <= ratio.value <= 1.0
    assert measured("transition-exponent", 2, results).value == pytest.approx(1.5, abs=0.08)
    assert measured("universality-exponent", 0, results).value == pytest.approx(0, abs=0.02)
    assert measured("universality-exponent", 1, results).value == pytest.approx(0, abs=0.1)
    slope = measured("transition-continuous", 0, results)
    assert -1.6 < slope.value < -0.9  # (1/h)^1.5, but never below the threshold of a thousandth
    assert measured("universality-curve", 0, results).value < 0.01
    assert measured("transition-form", 0, planted(noise=0.05)).low > 0


def test_who_is_left_out_is_left_out_of_the_fits():
    """The gain of all but one teacher, from numbers of teachers; and as if that one had never been drawn."""
    chosen = [one for one in experiments("paper") if one.name.startswith("universal/h_T=20,d=1")]
    results, few = planted(noise=0.05), made(lambda one: curves(one, lambda _: (1.0, 1.0, 1.5), 0.05)[1:])
    teachers, gains = gain(results, chosen)
    assert teachers.tolist() == [[n] * 3 for n in range(4)]
    without = gains(teachers[1:])
    assert without.shape == (len(chosen),)
    again, others = gain(few, chosen)
    assert others(again) == pytest.approx(without)
    assert gains(teachers) != pytest.approx(without)


def test_a_universal_transition_is_seen():
    results = planted(noise=0.05)
    for claim in ("transition-continuous", "universality-size", "universality-task", "universality-training"):
        for index in range(2):
            assert verdict(claim, index, results) == REPRODUCED, (claim, index)
    assert verdict("universality-curve", 0, results) == verdict("universality-curve", 1, results) == REPRODUCED


def test_a_jump_is_noticed():
    """At n_c all teachers lose a tenth of E[y^2] at once."""

    def jump(experiment: Experiment) -> np.ndarray:
        smooth = curves(experiment, lambda config: (1.0, 1.0, 1.5), 0.0)
        return np.where(smooth > 0, 0.1 + 0.9 * smooth, 0)

    assert verdict("transition-continuous", 0, made(jump)) == NOT_REPRODUCED
    assert verdict("transition-continuous", 1, made(jump)) == NOT_REPRODUCED


def test_an_exponential_is_noticed():
    def exponential(experiment: Experiment) -> np.ndarray:
        n = np.arange(experiment.config.student_hidden + 1)
        noise = np.random.default_rng(1).normal(size=(4, 1, len(n))).repeat(3, 1)
        curve = np.exp(-7 * n / experiment.config.teacher_hidden)  # a thousandth at the teacher's size
        return curve * (1 + 0.02 * noise)

    assert verdict("transition-form", 0, made(exponential)) == NOT_REPRODUCED


def test_another_exponent_is_noticed():
    """As theory has it: 1 for committees of erf, 2 for those of relu; then the universal claims fail."""

    def plant(config):
        committee = config.teacher == "committee"
        return 1.0, 1.0, {"relu": 2.0, "erf": 1.0, "tanh": 1.0}[config.activation] if committee else 1.5

    results = planted(plant)
    assert [verdict("transition-exponent", index, results) for index in range(3)] == [REPRODUCED] * 3
    assert verdict("universality-exponent", 0, results) == NOT_REPRODUCED
    drifting = planted(lambda config: (1.0, 1.0, 1.0 + np.log10(config.teacher_hidden / 20)))
    assert verdict("universality-exponent", 1, drifting) == NOT_REPRODUCED
    assert 0.6 < measured("universality-exponent", 1, drifting).value < 1  # large exponents are found a little low


@pytest.mark.parametrize(
    ("claim", "odd"),
    [
        ("universality-size", {"teacher_hidden": 160, "input_dim": 5}),
        ("universality-task", {"inputs": "digits"}),
        ("universality-training", {"label_noise": 1.0}),
    ],
)
@pytest.mark.parametrize(("ratio", "expected"), [(0.8, PARTLY), (0.6, NOT_REPRODUCED), (1.5, NOT_REPRODUCED)])
def test_one_setting_without_the_teachers_size_is_noticed(claim, odd, ratio, expected):
    def plant(config):
        changed = all(getattr(config, name) == value for name, value in odd.items())
        return 1.0, ratio if changed else 1.0, 1.5

    results = planted(plant)
    verdicts = [verdict(claim, index, results) for index in range(2)]
    assert verdicts[0 if ratio < 1 else 1] == expected
    assert verdicts[1 if ratio < 1 else 0] == REPRODUCED


def test_curves_of_other_shapes_are_noticed():
    by_size = planted(lambda config: (1.0, 1.0, 1.0 if config.teacher_hidden < 100 else 3.0))
    assert verdict("universality-curve", 0, by_size) == NOT_REPRODUCED
    by_task = planted(lambda config: (1.0, 1.0, 3.0 if config.activation == "relu" else 1.0))
    assert verdict("universality-curve", 1, by_task) == NOT_REPRODUCED
    assert verdict("universality-curve", 0, by_task) == REPRODUCED


def test_without_results_nothing_is_measured(monkeypatch):
    monkeypatch.undo()
    results = Results.stored(experiments("paper"), EMPTY)
    with pytest.raises(MissingResult):
        results.derived(transition.pruning_curves, standard(results))
    for quantity in ("critical_ratio", "exponent_difference", "transition_gain"):
        chosen = next(p for claim in claims.read_claims()[0] for p in claim.parts if p.quantity == quantity)
        assert measure(chosen, results, LEVEL) is None
