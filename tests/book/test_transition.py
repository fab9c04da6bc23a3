"""Quantities of the transition on curves that are made by hand, and on students of which everything is known."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spectral import ExperimentConfig, Student
from spectral.book import claims, transition
from spectral.book.claims import MISSING, UNDECIDED, Test, measure, outcome
from spectral.book.quantities import QUANTITIES, THRESHOLD
from spectral.book.transition import (
    FAMILIES,
    GRID,
    RESOLUTION,
    SHAPE,
    apart,
    cell_of,
    critical_sizes,
    exponents,
    features,
    gain,
    group_means,
    jumps,
    master_curves,
    narrow_values,
    narrow_width,
    pruning_curves,
    settings,
    standard,
    teachers_curves,
)
from spectral.lab import presets
from spectral.lab.collection import MissingResult, Results
from spectral.lab.experiment import draw_task
from spectral.lab.files import REPOSITORY
from spectral.lab.presets import Experiment, experiments
from spectral.lab.store import Store
from spectral.stats.intervals import Interval, Refused, jackknife, share
from spectral.stats.rise import held_out_gain

EMPTY = Store(REPOSITORY / "nowhere", REPOSITORY / "nowhere")

Plant = Callable[[ExperimentConfig], tuple[float, float, float]]


def sweep_of(grown: np.ndarray) -> torch.Tensor:
    """Errors (E, N) whose growth is this, (..., N), zero at its end; without any node the error is 1."""
    flat = torch.from_numpy(np.reshape(grown, (-1, np.shape(grown)[-1])))
    return flat + 1 - flat[:, :1]


def made(of: Callable[[Experiment], np.ndarray]) -> Results:
    """All experiments of `paper` of four teachers and three trials, whose curves (4, 3, N) are what `of` makes."""
    small = [replace(one, config=replace(one.config, teachers=4, trials=3)) for one in experiments("paper")]

    def read(experiment: Experiment) -> SimpleNamespace:
        sweep = sweep_of(of(experiment))
        return SimpleNamespace(config=experiment.config, sweeps={"incoming": sweep, "product": sweep})

    return Results(small, read)


def curves(experiment: Experiment, plant: Plant, noise: float) -> np.ndarray:
    """Growth ``a (1 - n/n_c)^beta``, with a, n_c/h_T and beta as planted, and amplitudes that differ by `noise`."""
    config = experiment.config
    amplitude, ratio, beta = plant(config)
    n = np.arange(config.student_hidden + 1)
    curve = amplitude * np.clip(1 - n / (ratio * config.teacher_hidden), 0, None) ** beta
    draw = np.random.default_rng(list(experiment.name.encode())).normal(size=(4, 3, 1))
    return curve * (1 + noise * draw)


def planted(plant: Plant = lambda config: (1.0, 1.0, 1.5), noise: float = 0.0) -> Results:
    return made(lambda experiment: curves(experiment, plant, noise))


def evidence(name: str, results: Results, widths: Sequence[int] = (), **choice: str):
    return measure(Test(name, (-np.inf, np.inf), tuple(widths), choice), results)


def measured(name: str, results: Results, widths: Sequence[int] = (), **choice: str) -> Interval:
    return evidence(name, results, widths, **choice).interval()


def test_critical_size_and_jump_by_hand():
    """The error has grown by less than a thousandth from three nodes on; with two it has by 0.25."""
    grown = np.array([[1.0, 0.5, 0.25, 0.0009, 0.0], [1.0, 0.0, 0.002, 0.0, 0.0]])
    assert critical_sizes(grown).tolist() == [3, 3]
    assert jumps(grown).tolist() == [0.25, 0.002]
    assert critical_sizes(grown, 0.0005).tolist() == [4, 3]
    assert jumps(grown, 0.0005).tolist() == [0.0009, 0.002]


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


def test_curves_are_those_of_the_stored_sweeps():
    """In units of the error without any node, teacher by teacher, by the score that is asked for."""
    sweeps = {"incoming": torch.tensor([[64.0, 1.0, 1.0], [4.0, 3.0, 2.0], [8.0, 5.0, 0.0], [1.0, 1.0, 0.5]])}
    sweeps["product"] = torch.tensor([[64.0, 33.0, 1.0]] * 4)
    result = SimpleNamespace(sweeps=sweeps, config=SimpleNamespace(teachers=2, trials=2))
    expected = [[[63 / 64, 0, 0], [0.5, 0.25, 0]], [[1, 5 / 8, 0], [0.5, 0.5, 0]]]
    assert pruning_curves(result).tolist() == expected
    assert pruning_curves(result, "product").tolist() == [[[63 / 64, 0.5, 0]] * 2] * 2
    single = {"incoming": torch.tensor([[3.0, 2.0, 1.0]])}
    alone = SimpleNamespace(sweeps=single, config=SimpleNamespace(teachers=1, trials=1))
    assert pruning_curves(alone).tolist() == [[[2 / 3, 1 / 3, 0]]], "in double precision"


def test_families_hold_what_they_say():
    results = planted()
    found = {family: settings(results, family) for family in FAMILIES}
    middle = {family: [one.name.split("/")[1] for one in chosen] for family, chosen in found.items()}
    assert list(middle) == ["teachers", "large teachers", "tasks", "two-layer tasks", "training"]
    assert len(middle["teachers"]) == 24
    assert len(middle["large teachers"]) == 16
    assert not [name for name in middle["large teachers"] if name.startswith(("h_T=5,", "h_T=10,"))]
    for family in ("tasks", "two-layer tasks", "training"):
        assert middle[family][0] == "h_T=20,d=10"
        assert found[family][0] == standard(results)
    committees = {f"committee={activation},h_T={size}" for activation in ("relu", "erf") for size in (20, 40)}
    assert set(middle["tasks"]) - set(middle["two-layer tasks"]) == committees
    assert {name.split("=")[0] for name in middle["training"][1:]} == {"noise", "penalty", "patterns", "epochs"}
    shared = [one.config for family in ("two-layer tasks", "training") for one in found[family]]
    assert all(config.members == shared[0].members for config in shared)
    assert not {one.design for chosen in found.values() for one in chosen} - {"universal"}


def test_a_family_that_is_not_there_is_missing():
    grid = [one for one in experiments("paper") if one.design == "grid"]
    results = Results(grid, lambda one: pytest.fail("nothing is read"))
    with pytest.raises(MissingResult, match="there are no settings of large teachers"):
        settings(results, "large teachers")
    with pytest.raises(MissingResult, match="there are no networks of few nodes"):
        evidence("narrow_ratio", results, family="narrow")


def test_cells_are_named_by_what_sets_them_apart():
    results = planted()
    names = {
        "universal/h_T=40,d=5/200": "$h_T$ = 40, $d$ = 5",
        "universal/activation=tanh/100": "tanh",
        "universal/committee=erf,h_T=40/200": "committee of erf, $h_T$ = 40, $d$ = 20",
        "universal/inputs=digits/100": "digits inputs",
        "universal/noise=0.3/100": "label noise 0.3",
        "universal/patterns=20000/100": "20,000 patterns",
        "universal/epochs=1000/100": "1,000 epochs",
        "universal/penalty=10/100": "penalties (0.1, 0.005)",
    }
    for name, text in names.items():
        assert cell_of(results.named(name)) == text
    for family in FAMILIES:
        cells = [cell_of(one) for one in settings(results, family)]
        assert len(set(cells)) == len(cells)


def test_the_critical_size_of_every_setting_comes_back():
    """The teacher's where that is planted, but for the hundredth that the threshold takes; a cell for each setting."""
    results = planted(lambda config: (1.0, 0.5 if config.teacher_hidden == 160 else 1.0, 1.5), noise=0.05)
    found = evidence("critical_ratio", results, family="teachers")
    chosen = settings(results, "teachers")
    assert found.cells == tuple(f"$h_T$ = {one.config.teacher_hidden}, $d$ = {one.config.input_dim}" for one in chosen)
    interval = found.interval()
    large = np.array([one.config.teacher_hidden == 160 for one in chosen])
    assert interval.value[~large] == pytest.approx(np.ones(20), abs=0.015)
    assert interval.value[large] == pytest.approx(np.full(4, 0.5), abs=0.01)
    assert interval.sample == "4 × 3"


def test_an_interval_of_critical_sizes_is_student_s_t_over_teachers():
    """Of teachers of 20 nodes whose students need 18, 18, 20 and 24, whatever the trial."""

    def of(experiment: Experiment) -> np.ndarray:
        n = np.arange(experiment.config.student_hidden + 1)
        needs = np.array([18, 18, 20, 24])[:, None, None]
        return (n < needs) * np.ones((4, 3, 1)) * (1.0 + (n == 0))

    found = measured("critical_ratio", made(of), family="training")
    expected = jackknife(np.repeat([[18], [18], [20], [24]], 3, 1) / 20)
    assert found.value == pytest.approx(np.ones(len(found.value)))
    assert found.low == pytest.approx(np.full(len(found.value), expected.low))


def test_a_jump_that_shrinks_with_the_teacher_has_its_slope():
    """1 - n/h_T loses 1/h_T with one node less, slope -1; of a tenth that is lost at once most stays."""
    linear = planted(lambda config: (1.0, 1.0, 1.0))
    found = measured("jump_slope", linear, family="teachers")
    assert (found.value, found.low, found.high) == pytest.approx((-1, -1, -1), abs=1e-9)

    def jump(experiment: Experiment) -> np.ndarray:
        smooth = curves(experiment, lambda config: (1.0, 1.0, 1.0), 0.0)
        return np.where(smooth > 0, 0.1 + 0.9 * smooth, 0)

    sizes = np.array([5, 10, 20, 40, 80, 160])
    expected = np.polyfit(np.log10(sizes), np.log10(0.1 + 0.9 / sizes), 1)[0]
    assert measured("jump_slope", made(jump), family="teachers").value == pytest.approx(expected)


def test_the_threshold_of_jumps_falls_with_the_resolution_of_a_node():
    """(1 - n/h_T)^2 of 160 nodes: not without one, but without two it has grown by 0.02/160; without six by 0.001."""
    grown = np.clip(1 - np.arange(801) / 160, 0, None)[None] ** 2
    assert critical_sizes(grown, RESOLUTION / 160).tolist() == [159]
    assert jumps(grown, RESOLUTION / 160) == pytest.approx([(2 / 160) ** 2])
    assert jumps(grown) == pytest.approx([(6 / 160) ** 2])
    assert RESOLUTION / 20 == THRESHOLD
    small = {size: np.clip(1 - np.arange(5 * size + 1) / size, 0, None)[None] ** 2 for size in (5, 10, 20, 40, 80, 160)}
    expected = np.polyfit(
        np.log10(list(small)), [np.log10(jumps(curve, RESOLUTION / size)[0]) for size, curve in small.items()], 1
    )[0]
    found = measured("jump_slope", planted(lambda config: (1.0, 1.0, 2.0)), family="teachers")
    assert found.value == pytest.approx(expected)
    assert found.value < -1.5


def test_only_students_of_the_teacher_s_size_say_something_of_its_jump():
    """Students of 160 nodes that find half of them, and lose as much at once; if only two sizes are left, none does."""

    def of(sizes: tuple[int, ...]) -> Callable[[Experiment], np.ndarray]:
        def curve(experiment: Experiment) -> np.ndarray:
            if experiment.config.teacher_hidden not in sizes:
                return curves(experiment, lambda config: (1.0, 1.0, 1.0), 0.0)
            return np.where(curves(experiment, lambda config: (1.0, 0.5, 1.0), 0.0) > 0, 1.0, 0.0)

        return curve

    assert measured("jump_slope", made(of((160,))), family="teachers").value == pytest.approx(-1)
    results = made(of((20, 40, 80, 160)))
    with pytest.raises(
        Refused, match="a slope needs three sizes of teachers whose students have their size; got 8 set"
    ):
        evidence("jump_slope", results, family="teachers")
    assert outcome(Test("jump_slope", (-1, 0), (), {"family": "teachers"}), results, 0.95).verdict == UNDECIDED


def spread(low: float, high: float, of: int) -> float:
    """Standard deviation between so many curves, half with one exponent, half with the other; root mean square."""
    x = np.clip(1 - SHAPE, 0, None)
    return float(np.sqrt(((x**low - x**high) ** 2 * (of / 4) / (of - 1)).mean()))


def test_curves_of_other_shapes_are_apart():
    by_size = planted(lambda config: (1.0, 1.0, 1.0 if config.teacher_hidden < 80 else 2.0))
    found = measured("curve_spread", by_size, family="large teachers")
    assert found.value == pytest.approx(spread(1, 2, of=4), rel=0.1)  # n_c is found low by a threshold
    assert measured("curve_spread", planted(), family="large teachers").value < 0.01
    odd = ("tanh", "erf", "digits")  # three of six
    by_task = planted(lambda config: (1.0, 1.0, 2.0 if config.activation in odd or config.inputs in odd else 1.0))
    found = measured("curve_spread", by_task, family="two-layer tasks")
    assert found.value == pytest.approx(spread(1, 2, of=6), rel=0.1)


def test_curves_of_one_size_are_averaged_before_sizes_are_compared():
    """Dimensions may differ as they like: as long as they do so at every size, there is one curve."""
    found = planted(lambda config: (1.0, 1.0, {5: 1.0, 10: 1.5, 20: 2.0, 40: 2.5}[config.input_dim]))
    assert measured("curve_spread", found, family="large teachers").value < 0.01


def test_curves_are_compared_whatever_their_critical_size():
    results = planted(lambda config: (1.0, 0.5 + config.teacher_hidden / 200, 1.5))
    assert measured("curve_spread", results, family="large teachers").value < 0.015


@pytest.mark.parametrize(
    ("window", "low", "high"), [("the paper's", 0, 20), ("with the plateau", 0, 12), ("near the transition", 5, 12)]
)
def test_a_gain_is_that_of_each_teacher_s_curve_within_the_window(window, low, high):
    """Of a teacher of 20 nodes whose students need 10; of the mean over its trials, held out from all others."""
    results = planted(lambda config: (1.0, 0.5, 1.5), noise=0.05)
    chosen = [one for one in settings(results, "teachers") if one.config.teacher_hidden == 20][:2]
    found = gain(results, chosen, window)
    assert found.shape == (4, 1, 2)
    n = np.arange(low, high + 1)
    for index, one in enumerate(chosen):
        grown = results.derived(pruning_curves, one)
        assert np.unique(critical_sizes(grown)).tolist() == [10]
        expected = held_out_gain(n.astype(float), grown.mean(1)[:, low : high + 1], THRESHOLD)
        assert found[:, 0, index] == pytest.approx(expected)
    assert (found > 0).all()


def test_the_gain_of_a_family_is_the_mean_over_its_settings():
    results, window = planted(noise=0.05), "near the transition"
    every = gain(results, settings(results, "large teachers"), window)
    assert every.shape == (4, 1, 16)
    found = measured("transition_gain", results, family="large teachers", window=window)
    expected = jackknife(every.mean(-1))
    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert found.low > 0


def test_an_exponential_has_no_gain():
    def exponential(experiment: Experiment) -> np.ndarray:
        n = np.arange(experiment.config.student_hidden + 1)
        noise = np.random.default_rng(1).normal(size=(4, 1, len(n))).repeat(3, 1)
        curve = np.exp(-7 * n / experiment.config.teacher_hidden)  # a thousandth at the teacher's size
        return curve * (1 + 0.02 * noise) * (n < n[-1])

    found = measured("transition_gain", made(exponential), family="large teachers", window="the paper's")
    assert found.high < 0


SMALL = ExperimentConfig(
    teachers=3,
    trials=2,
    input_dim=5,
    teacher_hidden=4,
    teacher_second=3,
    student_hidden=6,
    patterns=400,
    test_patterns=50,
)


def setting(result: Callable[[ExperimentConfig], dict], *sizes: int) -> Results:
    """Settings of teachers of some sizes, with what is known of their students."""
    chosen = [
        Experiment(f"universal/{size}", "universal", "teacher", "spectral", replace(SMALL, teacher_hidden=size))
        for size in sizes
    ]
    return Results(chosen, lambda one: SimpleNamespace(config=one.config, **result(one.config)))


def test_nodes_are_found_in_every_setting_as_a_share_with_its_own_interval():
    """All four of each teacher in one setting; in the other one less of the second teacher, in one of its students."""

    def result(config: ExperimentConfig) -> dict:
        task = draw_task(config)
        first = task.teacher.first.clone()
        if config.teacher_hidden == 6:
            first[2, 1] = 0
        student = Student(5, config.teacher_hidden, 3, 6)
        with torch.no_grad():
            student.first.phi.copy_(-first)
        return {"kept": range(6), "task": lambda chosen: task, "student": lambda chosen: student}

    found = evidence("nodes_found", setting(result, 4, 6), family="teachers")
    assert found.cells == ("$h_T$ = 4, $d$ = 5", "$h_T$ = 6, $d$ = 5")
    whole, less = share(np.ones((3, 2)), 4), share(np.array([[1, 1], [5 / 6, 1], [1, 1]]), 6)
    interval = found.interval()
    assert interval.value == pytest.approx([1, 35 / 36])
    assert interval.low == pytest.approx([whole.low, less.low])
    assert interval.high == pytest.approx([1, less.high])


def with_task(config: ExperimentConfig, **known) -> SimpleNamespace:
    def task(chosen):
        return draw_task(config, [config.members[index] for index in chosen])

    return SimpleNamespace(config=config, task=task, **known)


def padded(grown: np.ndarray, nodes: int) -> np.ndarray:
    """The same with so many nodes more, which cost nothing."""
    return np.concatenate([grown, np.zeros((*grown.shape[:-1], nodes))], -1)


def test_a_student_is_compared_with_its_own_teacher_by_the_product():
    """It loses a twentieth more with every number of nodes but none and all: 3/20 of five numbers."""

    def result(config: ExperimentConfig) -> dict:
        result = with_task(config)
        own = teachers_curves(result, "product").repeat(2, 1)
        more = np.array([0.0, 0.05, 0.05, 0.05, 0.0])
        other = teachers_curves(result, "incoming").repeat(2, 1)
        sweeps = {"product": sweep_of(padded(own + more, 2)), "incoming": sweep_of(padded(other, 2))}
        return {"sweeps": sweeps, "task": result.task}

    found = evidence("curve_distance", setting(result, 4), family="teachers")
    assert found.cells == ("$h_T$ = 4, $d$ = 5",)
    interval = found.interval()
    assert (interval.value[0], interval.low[0], interval.high[0]) == pytest.approx((0.03, 0.03, 0.03), rel=1e-6)


def test_the_product_prunes_a_teacher_in_another_order():
    """Each in the order of its own score; with all nodes or none there is no difference."""
    result = with_task(SMALL)
    one, other = teachers_curves(result), teachers_curves(result, "product")
    assert one.shape == other.shape == (3, 1, 5)
    assert other[..., [0, -1]] == pytest.approx(one[..., [0, -1]], abs=1e-9)
    assert np.abs(one - other).max() > 0.01
    teacher = result.task([0]).teacher
    product = teacher.first[0].norm(dim=-1) * teacher.second[0].norm(dim=0)
    cut = teacher.first.clone()
    cut[0, product.argmin()] = 0
    patterns = result.task([0]).test
    error = (type(teacher)(cut, teacher.second, "relu")(patterns.x) - patterns.y).square().mean()
    assert other[0, 0, -2] == pytest.approx(float(error / patterns.y.square().mean()), rel=1e-4)


def test_a_committee_has_one_order():
    result = with_task(replace(SMALL, teacher="committee"))
    assert np.array_equal(teachers_curves(result), teachers_curves(result, "product"))


def test_the_needed_size_is_compared_with_that_of_the_own_teacher():
    """None, one and two nodes more than the three teachers need themselves, at two widths; in both of their trials."""
    more = [0, 1, 2]

    def read(experiment: Experiment) -> SimpleNamespace:
        result = with_task(experiment.config)
        needs = critical_sizes(teachers_curves(result))[:, 0] + more
        n = np.arange(experiment.config.student_hidden + 1)
        grown = ((n < needs[:, None]) * 0.5).repeat(2, 0)
        result.sweeps = {"incoming": sweep_of(grown), "product": sweep_of(grown[::-1].copy())}
        return result

    chosen = [
        Experiment(f"grid/spectral/{width}", "grid", "student_hidden", "spectral", replace(SMALL, student_hidden=width))
        for width in (8, 10)
    ]
    found = measured("onset_difference", Results(chosen, read), (8, 10), student="spectral")
    expected = jackknife(np.array(more, float)[:, None])
    assert (found.value, found.low, found.high) == pytest.approx((1, expected.low, expected.high))


@pytest.mark.parametrize(
    ("error", "width"),
    [
        (0.1, 100),
        (0.1**1.5, 10**2.5),  # half way, in logarithms
        (0.1**0.25, 10**1.25),
        (1.0, 10),
        (5.0, 10),  # all do better
        (0.01, 1000),
        (0.001, 1000),  # none does as well
    ],
)
def test_the_width_that_does_as_well_by_hand(error, width):
    """Errors 1, 0.1 and 0.01 of networks of 10, 100 and 1000 nodes."""
    assert narrow_width(np.array([1.0, 0.1, 0.01]), np.array([10.0, 100.0, 1000.0]), error) == pytest.approx(width)


def test_a_larger_network_that_does_worse_is_as_good_as_the_smaller_one():
    widths = np.array([10.0, 100.0, 1000.0])
    assert narrow_width(np.array([1.0, 0.01, 0.1]), widths, 0.1) == pytest.approx(10**1.5)
    assert narrow_width(np.array([1.0, 0.01, 0.1]), widths, 0.011) == pytest.approx(100, rel=0.05)


def narrow(**known: tuple[float, dict[int, Sequence[float]]]) -> Results:
    """Settings of three teachers whose students err by so much and need 6 nodes, with which it is 0.0005 more.

    With them come networks of few nodes: by their number, the error of each teacher's.
    """
    config, chosen = replace(SMALL, trials=1, student_hidden=8), []
    for name, (_, errors) in known.items():
        base = Experiment(f"universal/{name}", "universal", "teacher", "spectral", config)
        for width in errors:
            few = replace(config, student_hidden=width)
            chosen.append(Experiment(f"narrow/{name}/{width}", "narrow", "student_hidden", "narrow", few, base.name))
        chosen.append(base)
    grown = np.array([[1.0, 0.9, 0.5, 0.4, 0.2, 0.1, 0.0005, 0.0, 0.0]] * 3)
    power = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)

    def read(one: Experiment) -> SimpleNamespace:
        error, errors = known[one.name.split("/")[1]]
        errors = errors[one.config.student_hidden] if one.design == "narrow" else [error] * 3
        test_mse = power * torch.tensor(errors, dtype=torch.float64)
        return SimpleNamespace(
            config=one.config, sweeps={"incoming": sweep_of(grown)}, test_mse=test_mse, test_power=power
        )

    return Results(chosen, read)


FEW = {8: [0.01] * 3, 2: [0.04] * 3, 4: [0.02] * 3}
"""Errors of networks of 2, 4 and 8 nodes, in no order."""


def test_networks_of_few_nodes_are_there_beside_the_pruned_student():
    results = narrow(one=(0.0195, FEW))
    values, widths = narrow_values(results, results.named("universal/one"))
    assert widths.tolist() == [2, 4, 8]
    assert values.shape == (3, 1, 5)
    assert values[:, 0] == pytest.approx(np.array([[6, 0.02, 0.04, 0.02, 0.01]] * 3))


def test_the_needed_size_is_compared_with_a_network_that_does_as_well():
    """Six nodes err by 0.02, as four do that were trained so, and by 0.01, as eight do."""
    found = evidence("narrow_ratio", narrow(one=(0.0195, FEW), other=(0.0095, FEW)), family="narrow")
    assert found.cells == ("$h_T$ = 4, $d$ = 5",) * 2
    interval = found.interval()
    for part in (interval.value, interval.low, interval.high):
        assert part == pytest.approx([6 / 4, 6 / 8])


def test_errors_of_networks_are_geometric_means_over_teachers():
    """Of 0.01, 0.02 and 0.04 with four nodes that is 0.02; without one of them the line to the others moves."""
    few = FEW | {4: [0.01, 0.02, 0.04]}
    found = measured("narrow_ratio", narrow(one=(0.0195, few)), family="narrow")
    left = [[0.02, 0.04], [0.01, 0.04], [0.01, 0.02]]
    widths = [
        narrow_width(np.array([0.04, np.prod(errors) ** 0.5, 0.01]), np.array([2, 4, 8]), 0.02) for errors in left
    ]
    scatter = np.log(6 / np.array(widths))
    half = 4.30265 * np.sqrt(2 * scatter.var())
    assert (found.value[0], found.low[0], found.high[0]) == pytest.approx(
        (1.5, 1.5 * np.exp(-half), 1.5 * np.exp(half))
    )


def test_without_results_nothing_is_measured():
    results = Results.stored(experiments("paper"), EMPTY)
    with pytest.raises(MissingResult):
        results.derived(pruning_curves, standard(results))
    tests = [test for claim in claims.read_claims()[0] for test in claim.tests]
    of_curves = [test for test in tests if QUANTITIES[test.quantity].measure.__module__ == transition.__name__]
    assert len(of_curves) >= 14
    for test in of_curves:
        assert outcome(test, results, 0.95).verdict == MISSING


@pytest.mark.parametrize("settings", [{"input_dim": 5}, {"teacher_hidden": 10}, {"input_dim": 10, "teacher_hidden": 7}])
def test_the_standard_setting_is_the_one_that_settings_leave(settings):
    """Whatever is fixed: where one size alone is left it is standard, and large."""
    chosen = Results(experiments("laptop", settings, ["universal"]), lambda one: None)
    base = standard(chosen)
    assert base.name == presets.standard(settings)
    assert (base.config.teacher_hidden, base.config.input_dim) == (
        settings.get("teacher_hidden", 20),
        settings.get("input_dim", 10),
    )
    sizes = {one.config.teacher_hidden for one in transition.settings(chosen, "large teachers")}
    assert sizes == ({settings["teacher_hidden"]} if "teacher_hidden" in settings else {20, 40})
