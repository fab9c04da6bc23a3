"""Quantities of the ledger by hand, on students of which everything is known; and how quantities are registered."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Literal

import numpy as np
import pytest
import scipy.stats
import torch
import yaml

from spectral import ConfigError, ExperimentConfig, Student
from spectral.bench.tables import FORMAT, save
from spectral.book import claims
from spectral.book.claims import Test, measure
from spectral.book.quantities import QUANTITIES, At, Counted, Measured, Quantity, Shares, Timed, needed, quantity
from spectral.book.subnetwork import path_weights, relative_distance
from spectral.lab.collection import MissingResult, Results
from spectral.lab.experiment import draw_task, other_teachers
from spectral.lab.presets import STUDENTS, Experiment, StudentKind
from spectral.stats.intervals import Interval, Refused, jackknife, ratio_of_means, share
from spectral.tasks import Patterns, Task

DOUBLE = torch.float64
NOTHING = Results([], lambda experiment: pytest.fail("nothing is read"))


def asked(name: str, widths: Sequence[int] = (4,), **choice: str) -> Test:
    """A test of the ledger that measures a quantity; its bounds do not matter here."""
    return Test(name, (-np.inf, np.inf), tuple(widths), choice)


def found(name: str, results: Results, widths: Sequence[int] = (4,), **choice: str) -> Interval:
    return measure(asked(name, widths, **choice), results).interval()


def cells(name: str, results: Results, widths: Sequence[int] = (4,), **choice: str) -> tuple[str, ...]:
    return measure(asked(name, widths, **choice), results).cells


def grid(
    of: Callable[[str, int], SimpleNamespace], config: ExperimentConfig, *widths: int, more: Sequence[Experiment] = ()
) -> Results:
    """A main grid whose result for a student and a width is what `of` makes of them; of others, for their design."""
    chosen = [
        Experiment(f"grid/{student}/{width}", "grid", "student_hidden", student, replace(config, student_hidden=width))
        for width in widths
        for student in STUDENTS
    ]

    def read(experiment: Experiment) -> SimpleNamespace:
        design = experiment.student if experiment.design == "grid" else experiment.name
        made = of(design, experiment.config.student_hidden)
        made.config = experiment.config
        return made

    return Results([*chosen, *more], read)


def bounds(measured: Interval) -> tuple[float, float, float]:
    return measured.value, measured.low, measured.high


def scored(scores: torch.Tensor) -> SimpleNamespace:
    """All that is known is the scores, by whichever name."""
    return SimpleNamespace(scores=scores, by=lambda name: scores)


SIX = ExperimentConfig(teachers=3, trials=2)
"""Three teachers with two students each."""

THREE = ExperimentConfig(teachers=3, trials=1, teacher_hidden=2, input_dim=4)
T_HALF = scipy.stats.t.ppf(0.975, 2) / 3**0.5
"""Half of an interval from three teachers, in standard deviations between them."""


def test_what_is_measured_has_an_interval_at_every_level_and_the_work_is_done_once():
    calls = []

    def statistic(values):
        calls.append(len(values))
        return values.mean()

    values = np.array([[1.0], [2.0], [3.0]])
    evidence = Measured(values, statistic)
    for level in (0.5, 0.95, 0.99):
        assert evidence.interval(level) == jackknife(values, lambda left: left.mean(), level=level)
    assert calls == [3, 2, 2, 2]
    assert evidence.interval() == evidence.interval(0.95)
    assert evidence.interval().sample == "3 × 1"
    assert Measured(values, log=True).interval() == jackknife(values, log=True)
    with pytest.raises(Refused, match="an interval needs 3 teachers"):
        Measured(values[:2]).interval()


def test_shares_are_those_of_every_cell():
    few, many = np.array([[1.0], [0.5], [1.0]]), np.ones((3, 2))
    assert Shares([few], [2]).interval(0.9) == share(few, 2, level=0.9)
    found = Shares([few, many], [2, 40], ("few", "many")).interval(0.9)
    for index, (parts, of) in enumerate(((few, 2), (many, 40))):
        assert bounds(found[index]) == bounds(share(parts, of, level=0.9))


def test_timings_have_student_s_t_over_their_pairs_at_every_level():
    values = np.random.default_rng(0).normal(1.03, 0.05, (20, 1))
    measured, surer = jackknife(values), jackknife(values, level=0.99)
    pairs = {"mean": measured.value, "low": measured.low, "high": measured.high, "n": 20}
    found = Timed([pairs]).interval(0.99)
    assert bounds(found) == pytest.approx(bounds(surer))
    assert found.sample == "20 pairs"
    both = Timed([pairs, {"mean": 1.2, "low": 1.1, "high": 1.3, "n": 40}], ("a", "b")).interval(0.95)
    assert bounds(both[0]) == pytest.approx(bounds(measured))
    assert bounds(both[1]) == pytest.approx((1.2, 1.1, 1.3))


def test_what_is_counted_has_no_width():
    assert Counted(1.05).interval(0.999) == Interval(1.05, 1.05, 1.05)
    assert Counted(1.05).interval().sample == "counted"


def test_sizes_and_their_slope_by_hand():
    """Three, five and seven survivors at widths 10, 100, 1000: two nodes for every tenfold width."""

    def of(student: str, width: int) -> SimpleNamespace:
        alive = {10: 3, 100: 5, 1000: 7}[width]
        return scored((torch.arange(10) < alive).double().expand(6, 10))

    results = grid(of, SIX, 10, 100, 1000)
    choice = {"student": "spectral", "score": "incoming"}
    assert bounds(found("size_slope", results, (10, 100, 1000), **choice)) == pytest.approx((2, 2, 2))
    assert bounds(found("effective_size", results, (10, 100, 1000), **choice)) == (5, 5, 5)
    assert bounds(found("effective_size", results, (100,), **choice)) == (5, 5, 5)


def test_sizes_are_those_of_the_score_that_is_chosen():
    """Teachers with 2, 3 and 4 survivors by the norm, 5 by the product: Student's t over the teachers' means."""

    def of(student: str, width: int) -> SimpleNamespace:
        incoming = (torch.arange(10) < torch.tensor([2, 2, 3, 3, 4, 4])[:, None]).double()
        product = (torch.arange(10) < 5).double().expand(6, 10)
        return SimpleNamespace(by=lambda name: {"incoming": incoming, "product": product}[name])

    results = grid(of, SIX, 10)
    one = found("effective_size", results, (10,), student="matched", score="incoming")
    assert bounds(one) == pytest.approx((3, 3 - T_HALF, 3 + T_HALF))
    assert one.sample == "3 × 2"
    assert bounds(found("effective_size", results, (10,), student="matched", score="product")) == (5, 5, 5)


def test_sizes_by_the_teacher_s_second_layer_stand_in_its_order():
    """With that of the main grid, of students of the same width."""
    more = [
        Experiment(
            f"m={m}/spectral/40", "m", "teacher_second", "spectral", replace(SIX, student_hidden=40, teacher_second=m)
        )
        for m in (5, 20)
    ]

    def of(design: str, width: int) -> SimpleNamespace:
        alive = {("m=5/spectral/40", 40): 3, ("spectral", 40): 4, ("m=20/spectral/40", 40): 6}[design, width]
        return scored((torch.arange(10) < alive).double().expand(6, 10))

    results, choice = grid(of, SIX, 20, 40, more=more), {"student": "spectral", "score": "incoming"}
    assert found("effective_size_by_m", results, **choice).value.tolist() == [3, 4, 6]
    assert cells("effective_size_by_m", results, **choice) == ("m = 5", "m = 10", "m = 20")


def gaps(scores: Sequence[float], **choice: str) -> tuple[float, float]:
    """Width and place of the gap of three equal students."""
    results = grid(lambda student, width: scored(torch.tensor([scores] * 3)), THREE, 4)
    choice = {"student": "spectral", "score": "incoming"}
    return found("gap", results, **choice).value, found("gap_place", results, **choice).value


def test_the_gap_is_the_largest_ratio_of_neighbours():
    """In decades; and its place is how many nodes are above it, less those above a twentieth of the largest."""
    assert gaps([4.0, 0.0002, 8.0, 0.0004]) == pytest.approx((4, 0), abs=1e-6)
    assert gaps([1.0, 0.5, 0.001, 0.0]) == pytest.approx((4, 3 - 2), abs=1e-6)  # from a thousandth to what is nothing
    assert gaps([1.0, 0.5, 0.2, 0.1]) == pytest.approx((np.log10(2.5), 2 - 4), abs=1e-6)  # 0.5 over 0.2
    assert gaps([1.0, 1e-9, 1e-30, 0.0]) == pytest.approx((7, 1 - 1), abs=1e-6)  # single precision knows seven decades
    assert gaps([3.0, 0.1, 0.0, 0.0]) == pytest.approx((7 + np.log10(0.1 / 3), 2 - 1), abs=1e-6)


def test_gaps_are_compared_with_those_of_the_control_with_the_same_teacher():
    """3, 4 and 5 decades less 1, 1 and 2."""

    def of(student: str, width: int) -> SimpleNamespace:
        decades = {"spectral": [3, 4, 5], "published": [1, 1, 2]}[student]
        return scored(torch.tensor([[1.0, 10.0**-gap] for gap in decades], dtype=DOUBLE))

    results = grid(of, THREE, 4)
    one = found("gap_difference", results, student="spectral", control="published", score="incoming")
    half = T_HALF * np.std([2, 3, 3], ddof=1)
    assert bounds(one) == pytest.approx((8 / 3, 8 / 3 - half, 8 / 3 + half))


def swept(growth: Sequence[Sequence[float]], power: float = 1.0) -> torch.Tensor:
    """Pruning curves (E, N) whose error is `power` (1 + 0.5) without nodes, and has grown by so much of that."""
    return 1.5 * power * (torch.tensor(growth, dtype=DOUBLE) + 1 / 3)


def needing(*nodes: int) -> torch.Tensor:
    """Curves of students that need so many nodes, of ten."""
    return swept([[2 / 3] + [0.5 * (n < need) for n in range(1, 11)] for need in nodes], 7.0)


def of_needs(needs: Mapping[tuple[str, int], Sequence[int]], score: str = "product") -> Callable:
    """Students of which is known how many nodes they need by that score, and that they need all by the other."""

    def of(design: str, width: int) -> SimpleNamespace:
        every = needing(*[10] * len(needs[design, width]))
        return SimpleNamespace(sweeps={"incoming": every, "product": every} | {score: needing(*needs[design, width])})

    return of


def test_needed_are_the_nodes_from_which_on_the_error_has_grown_by_less_than_a_thousandth():
    """Half of a thousandth is nothing, a thousandth and a half is something, and so is what grows again."""
    curves = swept(
        [
            [2 / 3, 0.1, 0.0015, 0.0005, 0.0],
            [2 / 3, 0.0, 0.0015, 0.0, 0.0],
            [2 / 3, 0.0, -0.1, 0.0005, 0.0],  # an error that falls is none that grows
            [2 / 3, 0.1, 0.1, 0.1, 0.0],
        ]
    )
    result = SimpleNamespace(sweeps={"incoming": curves, "product": curves.flip(0)})
    assert needed(result, "incoming").tolist() == [3, 3, 1, 4]
    assert needed(result, "product").tolist() == [4, 1, 3, 3]
    assert needed(SimpleNamespace(sweeps={"incoming": curves.float()}), "incoming").tolist() == [3, 3, 1, 4]


def test_needed_sizes_and_their_slope_by_hand():
    """Three, five and seven nodes at widths 10, 100, 1000, and one more in two of the teachers."""
    needs = {("lasso", width): [need, need + 1, need + 1] for width, need in ((10, 3), (100, 5), (1000, 7))}
    results, widths = grid(of_needs(needs), THREE, 10, 100, 1000), (10, 100, 1000)
    slope = found("needed_slope", results, widths, student="lasso", score="product")
    assert bounds(slope) == pytest.approx((2, 2, 2))
    size = found("needed_size", results, widths, student="lasso", score="product")
    half = T_HALF * 3**-0.5
    assert bounds(size) == pytest.approx((17 / 3, 17 / 3 - half, 17 / 3 + half))
    assert found("needed_size", results, widths, student="lasso", score="incoming").value == 10


def test_needed_sizes_are_compared_teacher_by_teacher_at_every_width():
    needs = {("matched", 40): [3, 4, 8], ("spectral", 40): [2, 3, 7]}
    needs |= {("matched", 1000): [5, 5, 8], ("spectral", 1000): [5, 5, 5]}
    results, widths = grid(of_needs(needs), THREE, 40, 1000), (40, 1000)
    choice = {"student": "matched", "control": "spectral", "score": "product"}
    one = found("needed_difference", results, widths, **choice)
    assert cells("needed_difference", results, widths, **choice) == ("40 nodes", "1,000 nodes")
    assert bounds(one[0]) == (1, 1, 1)
    half = T_HALF * 3**0.5
    assert bounds(one[1]) == pytest.approx((1, 1 - half, 1 + half))


def test_a_control_with_one_setting_changed_is_compared_with_the_matched_one():
    """1, 2 and 4 times the nodes, by the product: twice in the geometric mean, and its logarithm's interval."""
    more = [
        Experiment(f"control/{change}", "control", change, "published", replace(THREE, student_hidden=40))
        for change in ("epochs", "batch_size")
    ]
    needs = {("control/epochs", 40): [2, 4, 8], ("control/batch_size", 40): [6, 6, 6], ("matched", 40): [2, 2, 2]}
    results = grid(of_needs(needs), THREE, 40, 60, more=more)
    assert bounds(found("control_ratio", results, change="epochs")) == pytest.approx((2, 2 * 2**-T_HALF, 2 * 2**T_HALF))
    assert bounds(found("control_ratio", results, change="batch_size")) == pytest.approx((3, 3, 3))
    with pytest.raises(MissingResult, match=r"0 of the experiments here have .*learning_rate"):
        found("control_ratio", results, change="learning_rate")


class ByHand:
    """Three teachers with one student each, of four nodes that add 8, 4, 2 and 1 to the answer 15 to their one pattern.

    Without the weakest the error is 1, without the two weakest 9, ... of 225. Everything is alive but the weakest.
    Test errors are zero at width 4, and grow with the width elsewhere.
    """

    def __call__(self, student: str, width: int) -> SimpleNamespace:
        made = Student(4, 4, 1, 3, dtype=DOUBLE)
        with torch.no_grad():
            made.first.phi.copy_(-torch.eye(4))
            made.second.phi.copy_(-torch.tensor([8.0, 4.0, 2.0, 1.0]))
        patterns = Patterns(torch.ones(3, 1, 4, dtype=DOUBLE), torch.full((3, 1), 15.0, dtype=DOUBLE))
        errors = {"spectral": torch.tensor([2.0, 8.0, 4.0])}.get(student, torch.full((3,), 4.0))
        return SimpleNamespace(
            alive=torch.tensor([[True, True, True, False]] * 3),
            sweeps={
                "incoming": torch.tensor([[225.0, 49.0, 9.0, 1.0, 0.0]] * 3),
                "product": torch.tensor([[225.0, 196.0, 144.0, 64.0, 0.0]] * 3),
            },
            test_mse=torch.zeros(3) if width == 4 else errors * width,
            test_power=torch.full((3,), 225.0),
            task=lambda: Task(None, patterns, patterns, patterns),
            student=lambda: copy.deepcopy(made),
        )


BY_HAND = grid(ByHand(), THREE, 1, 3, 4)


@pytest.mark.parametrize(("at", "cost"), [("effective size", 1 / 225), ("teacher size", 9 / 225)])
def test_pruning_costs_what_the_missing_nodes_added(at, cost):
    one = found("pruning_cost", BY_HAND, student="spectral", order="incoming", at=at)
    assert bounds(one) == pytest.approx((cost,) * 3)


def test_pruning_at_random_is_drawn_once_for_all():
    """The first two of a fixed order of the four nodes, another one for every member."""
    order = torch.rand(3, 4, generator=torch.Generator().manual_seed(0), dtype=DOUBLE).argsort(-1, descending=True)
    amounts = torch.tensor([8.0, 4.0, 2.0, 1.0], dtype=DOUBLE)
    for at, nodes in (("teacher size", 2), ("effective size", 3)):
        costs = [(15 - float(amounts[each[:nodes]].sum())) ** 2 / 225 for each in order]
        one = found("pruning_cost", BY_HAND, student="spectral", order="random", at=at)
        assert bounds(one) == pytest.approx(bounds(jackknife(np.array(costs)[:, None])))


def test_pruning_to_the_teacher_s_size_costs_what_the_score_makes_it_cost_at_every_width():
    for score, cost in (("incoming", 9 / 225), ("product", 144 / 225)):
        choice = {"student": "matched", "score": score}
        one = found("pruning_cost_by_width", BY_HAND, (3, 4), **choice)
        assert one.value == pytest.approx([cost, cost])
        assert cells("pruning_cost_by_width", BY_HAND, (3, 4), **choice) == ("3 nodes", "4 nodes")


def test_who_has_fewer_nodes_than_the_teacher_loses_none():
    curves = {"product": torch.tensor([[4.0, 1.0]] * 3)}
    results = grid(lambda student, width: SimpleNamespace(sweeps=curves), THREE, 4)
    assert found("pruning_cost_by_width", results, student="lasso", score="product").value.tolist() == [0]


def test_errors_are_compared_in_the_geometric_mean():
    """2/4, 8/4 and 4/4: mean of logarithms 0, deviation log 2; at every width, and over all."""
    widths, choice = (1, 3), {"student": "spectral", "control": "published"}
    expected = (1.0, 2**-T_HALF, 2**T_HALF)
    assert bounds(found("test_error_ratio", BY_HAND, widths, **choice)) == pytest.approx(expected)
    by_width = found("test_error_ratio_by_width", BY_HAND, widths, **choice)
    assert cells("test_error_ratio_by_width", BY_HAND, widths, **choice) == ("1 nodes", "3 nodes")
    for index in range(2):
        assert bounds(by_width[index]) == pytest.approx(expected)


def test_errors_are_means_in_units_of_the_teacher_s_answers():
    """(2 + 8 + 4)/3 and three times that, of 225, on the logarithmic scale."""
    one = found("test_error", BY_HAND, (1, 3), student="spectral")
    assert one.value == pytest.approx([14 / 3 / 225, 14 / 225])
    expected = jackknife(np.array([[2.0], [8.0], [4.0]]) / 225, log=True)
    assert bounds(one[0]) == pytest.approx(bounds(expected))
    assert cells("test_error", BY_HAND, (1, 3), student="spectral") == ("1 nodes", "3 nodes")


TEACHERS = ExperimentConfig(
    teachers=3, trials=1, input_dim=5, teacher_hidden=4, teacher_second=3, test_patterns=50, patterns=400
)
OWN, FOREIGN = draw_task(TEACHERS), other_teachers(TEACHERS)
PATHS = [path_weights(OWN.teacher.first[member], OWN.teacher.second[member]) for member in range(3)]


def learned(first: torch.Tensor, second: torch.Tensor, alive: torch.Tensor | None = None) -> SimpleNamespace:
    """Students with these weights (3, h, 5) and (3, 3, h); nodes without weight are dead unless it is said who is."""
    network = Student(5, first.shape[1], 3, 3)
    with torch.no_grad():
        network.first.phi.copy_(-first)
        network.second.phi.copy_(-second)
    return SimpleNamespace(
        alive=first.norm(dim=-1) > 0 if alive is None else alive,
        kept=(0, 1, 2),
        task=lambda chosen=None: OWN,
        members=lambda chosen=None: TEACHERS.members,
        student=lambda chosen=None: network,
    )


def taught(first: torch.Tensor, second: torch.Tensor, **others: SimpleNamespace) -> Results:
    """A grid whose students have these weights, but for `others`."""
    usual = learned(first, second)
    return grid(lambda student, width: others.get(student, usual), TEACHERS, 4)


def test_teachers_are_counted_all_of_whose_nodes_are_found():
    """And one of three is not, whose student has none left where its third node is."""
    whole = found("all_found", taught(OWN.teacher.first, OWN.teacher.second), student="spectral")
    assert whole == share(np.ones((3, 1)))
    assert whole.low < whole.value == whole.high == 1.0
    first = OWN.teacher.first.clone()
    first[1, 2] = 0
    less = found("all_found", taught(first, OWN.teacher.second), student="spectral")
    exact = scipy.stats.binomtest(2, 3).proportion_ci(method="exact")
    assert bounds(less) == pytest.approx((2 / 3, exact.low, exact.high))


def test_paths_of_twice_the_weight_are_a_mean_path_away():
    """Sorted paths p and 2 p are |p| apart, one mean absolute path; p and 3 p are two.

    Nodes of no weight are paths of no weight before they are pruned.
    """
    half = torch.arange(8) < 4
    first = torch.cat([2 * OWN.teacher.first, torch.zeros(3, 4, 5)], 1)
    second = torch.cat([OWN.teacher.second] * 2, -1)
    results = taught(first, second, published=learned(3 * first / 2, second, half.expand(3, 8)))
    assert bounds(found("path_ratio", results, to="published")) == pytest.approx((0.5, 0.5, 0.5), rel=1e-5)
    before = [relative_distance(own, np.concatenate([2 * own, 0 * own])) for own in PATHS]
    expected = jackknife(np.array([[[1.0, distance]] for distance in before]), ratio_of_means, log=True)
    assert bounds(found("path_ratio", results, to="unpruned")) == pytest.approx(bounds(expected), rel=1e-5)


def test_paths_are_compared_with_those_of_a_stranger():
    results = taught(2 * OWN.teacher.first, OWN.teacher.second)
    null = [
        relative_distance(own, path_weights(FOREIGN.first[member], FOREIGN.second[member]))
        for member, own in enumerate(PATHS)
    ]
    expected = jackknife(np.array([[[1.0, distance]] for distance in null]), ratio_of_means, log=True)
    one = found("path_distance_to_null", results, student="spectral")
    assert bounds(one) == pytest.approx(bounds(expected), rel=1e-5)


def test_a_foreign_teacher_is_as_far_as_the_null():
    """Also with a dead node among its own, which has no paths."""
    first = torch.cat([torch.zeros(3, 1, 5), FOREIGN.first], 1)
    second = torch.cat([torch.ones(3, 3, 1), FOREIGN.second], -1)
    one = found("path_distance_to_null", taught(first, second), student="spectral")
    assert bounds(one) == pytest.approx((1, 1, 1), rel=1e-5)


def test_strengths_do_not_see_the_length_of_all_weights():
    """They are divided by their range: half a teacher, half as long, is no nearer than half a teacher."""
    first, second = OWN.teacher.first[:, :2], OWN.teacher.second[..., :2]
    published = learned(FOREIGN.first, FOREIGN.second)
    one, other = (
        found("strength_ratio", taught(scale * first, second, published=published), to="published")
        for scale in (1.0, 0.5)
    )
    assert bounds(one) == pytest.approx(bounds(other), rel=1e-5)
    assert one.value > 0.1


def test_strengths_are_compared_as_the_paper_does():
    """A student that is its teacher, and dead nodes that count before pruning; and the foreign teacher as a control."""
    first, second = torch.cat([FOREIGN.first, torch.zeros(3, 2, 5)], 1), torch.cat([FOREIGN.second] * 2, -1)[..., :6]

    def strengths(weights: torch.Tensor) -> np.ndarray:
        sums = weights.sum(-1)
        return (sums / (sums.max() - sums.min())).numpy()

    pairs = []
    for own, foreign, whole in zip(OWN.teacher.first, FOREIGN.first, first, strict=True):
        pairs.append([scipy.stats.wasserstein_distance(strengths(own), strengths(each)) for each in (foreign, whole)])
    expected = jackknife(np.array(pairs)[:, None], ratio_of_means, log=True)
    results = taught(first, second)
    assert bounds(found("strength_ratio", results, to="unpruned")) == pytest.approx(bounds(expected), rel=1e-5)
    assert bounds(found("strength_ratio", results, to="published")) == pytest.approx((1, 1, 1), rel=1e-5)


def test_open_paths_are_compared_node_by_node():
    """In whichever order; twice the weight is one mean path away, since as many paths are open."""
    turned = OWN.teacher.first.flip(1), OWN.teacher.second.flip(2)
    same = found("open_path_distance", taught(*turned), student="spectral")
    assert bounds(same) == pytest.approx((0, 0, 0), abs=1e-5)
    twice = found("open_path_distance", taught(turned[0], 2 * turned[1]), student="spectral")
    assert bounds(twice) == pytest.approx((1, 1, 1), rel=1e-4)


def test_partners_are_correlated_whatever_their_gauge_and_order():
    scale = torch.tensor([0.5, 1.0, 2.0, 3.0])[:, None]
    first, second = (scale * OWN.teacher.first).flip(1), (OWN.teacher.second / scale.T).flip(2)
    one = found("partner_correlation", taught(first, second), student="spectral")
    assert bounds(one) == pytest.approx((1, 1, 1), rel=1e-5)
    assert found("partner_correlation", taught(FOREIGN.first, FOREIGN.second), student="spectral").value < 0.9


def test_costs_are_counted_by_hand():
    """A node of ten inputs and five outputs trains 15 weights or 16 numbers.

    In a step on 50 patterns it takes 50 (2 10 + 3 5) multiplications, and 3 10 more for its eigenvalue.
    """
    config = replace(SIX, input_dim=10, teacher_second=5, batch_size=50)
    results = grid(lambda student, width: pytest.fail("nothing is read"), config, 200)
    assert bounds(found("parameter_ratio", results, (200,))) == pytest.approx((16 / 15,) * 3)
    assert bounds(found("multiplication_ratio", results, (200,))) == pytest.approx((1 + 30 / (50 * 35),) * 3)
    assert found("parameter_ratio", results, (200,)).sample == "counted"


PAIRS = {"mean": 1.03, "low": 0.98, "high": 1.08, "n": 30}


def cost(tmp_path, **changes):
    """Measurements of cost as a file that the ledger reads."""
    path = tmp_path / "bench.json"
    cells = [PAIRS | {"batch": 30, "width": 40}, PAIRS | {"mean": 1.3, "high": 1.4, "batch": 3_000, "width": 1_000}]
    full = {
        "format": FORMAT,
        "quick": False,
        "sizes": {"config": {"student_hidden": 200}},
        "step_cost_ratio": PAIRS,
        "torch_cost_ratio": {"cells": cells},
    }
    save(full | changes, path)
    return path


def test_the_ratios_of_times_are_read_as_they_were_measured(tmp_path):
    path = cost(tmp_path)
    one = measure(asked("step_cost_ratio", (200,)), NOTHING, path).interval()
    assert (*bounds(one), one.sample) == pytest.approx((1.03, 0.98, 1.08, "30 pairs"))
    evidence = measure(asked("torch_cost_ratio", ()), NOTHING, path)
    assert evidence.cells == ("30 patterns, 40 nodes", "3,000 patterns, 1,000 nodes")
    assert bounds(evidence.interval()[1]) == pytest.approx((1.3, 1.2, 1.4))


def test_measurements_of_cost_that_are_not_there_are_missing(tmp_path):
    for name, widths in (("step_cost_ratio", (200,)), ("torch_cost_ratio", ())):
        with pytest.raises(MissingResult, match=r"none\.json"):
            measure(asked(name, widths), NOTHING, tmp_path / "none.json")


def test_only_full_measurements_decide_on_cost(tmp_path):
    path = cost(tmp_path, quick=True)
    for name, widths in (("step_cost_ratio", (200,)), ("torch_cost_ratio", ())):
        with pytest.raises(ConfigError, match="are not the full ones; repeat them with: make bench"):
            measure(asked(name, widths), NOTHING, path)
    with pytest.raises(ConfigError, match="the stored measurements of cost are not those of 60 nodes"):
        measure(asked("step_cost_ratio", (60,)), NOTHING, cost(tmp_path))


CHOICES = {name: {choice: values[0] for choice, values in one.choices.items()} for name, one in QUANTITIES.items()}


@pytest.mark.parametrize("name", [name for name, one in QUANTITIES.items() if one.source == "results"])
def test_what_is_not_there_is_missing(name):
    """Results, or the experiments themselves."""

    def missing(student: str, width: int) -> SimpleNamespace:
        raise MissingResult(f"{student}/{width}")

    nothing = [NOTHING]
    if name not in ("parameter_ratio", "multiplication_ratio"):
        nothing.append(grid(missing, SIX, 4))
    for results in nothing:
        with pytest.raises(MissingResult):
            measure(asked(name, **CHOICES[name]), results)


def test_a_quantity_needs_what_its_signature_says(monkeypatch):
    """Its source, its widths, and choices between the values of their types."""
    for name in ("made up", "made up too", "at one width"):
        monkeypatch.setitem(QUANTITIES, name, None)  # taken away again afterwards

    @quantity("made up")
    def of_widths(results: Results, widths: Sequence[int], *, student: StudentKind, at: At) -> Measured:
        raise NotImplementedError

    @quantity("made up too")
    def of_nothing(results: Results) -> Measured:
        raise NotImplementedError

    @quantity("at one width")
    def of_cost(bench: Mapping[str, float], width: int, *, kind: Literal["step", "epoch"]) -> Timed:
        raise NotImplementedError

    both = {"student": STUDENTS, "at": ("effective size", "teacher size")}
    assert QUANTITIES["made up"] == Quantity(of_widths, "results", "widths", both)
    assert QUANTITIES["made up too"] == Quantity(of_nothing, "results", "", {})
    assert QUANTITIES["at one width"] == Quantity(of_cost, "bench", "width", {"kind": ("step", "epoch")})


def test_all_quantities_are_those_of_the_ledger():
    tests = [test for claim in claims.read_claims()[0] for test in claim.tests]
    assert {test.quantity for test in tests} == QUANTITIES.keys()
    for test in tests:
        assert test.choice.keys() == QUANTITIES[test.quantity].choices.keys()
        assert bool(test.widths) == bool(QUANTITIES[test.quantity].widths)


@pytest.mark.parametrize(
    ("quantity", "choice", "message"),
    [
        ("effective_size", {"student": "spectrl", "score": "incoming"}, "student of effective_size must be one of"),
        ("effective_size", {"student": "spectral"}, "score of effective_size must be one of .*; got None"),
        ("pruning_cost", {"student": "spectral", "order": "rising", "at": "teacher size"}, "order of pruning_cost"),
        ("critical_ratio", {"family": "theachers"}, "family of critical_ratio must be one of teachers, .*; got 't"),
        (
            "transition_gain",
            {"family": "tasks", "window": "mine"},
            "must be one of the paper's, with the plateau, near",
        ),
        ("critical_ratio", {"family": "teachers", "width": 40}, "unknown entry of critical_ratio in claim x: 'width'"),
        (
            "control_ratio",
            {"change": "epoch"},
            "change of control_ratio must be one of learning_rate, batch_size, epoc",
        ),
        (
            "path_ratio",
            {"width": 200, "to": "lasso"},
            "to of path_ratio must be one of unpruned, published; got 'lasso'",
        ),
        ("narrow_ratio", {"family": "teachers"}, "family of narrow_ratio must be one of narrow; got 'teachers'"),
    ],
)
def test_an_unknown_choice_is_refused(tmp_path, quantity, choice, message):
    path = tmp_path / "claims.yaml"
    chosen = {"quantity": quantity, "holds": [0, 1], **choice}
    claim = {"id": "x", "of": "ours", "statement": "y.", "chapter": "05-size", "tests": [chosen]}
    path.write_text(yaml.safe_dump({"interval": {"level": 0.95}, "widths": [40], "claims": [claim]}))
    with pytest.raises(ConfigError, match=message):
        claims.read_claims(path)
