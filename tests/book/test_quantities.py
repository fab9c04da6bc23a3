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
from spectral.book.claims import Part, measure
from spectral.book.quantities import QUANTITIES, At, Measured, quantity, rank_sweep
from spectral.book.subnetwork import path_weights, relative_distance
from spectral.lab.collection import MissingResult, Results
from spectral.lab.experiment import draw_task, other_teachers
from spectral.lab.presets import STUDENTS, Experiment, StudentKind
from spectral.stats.intervals import Interval, jackknife, ratio_of_means, share
from spectral.tasks import Patterns, Task

LEVEL, DOUBLE = 0.95, torch.float64
NOTHING = Results([], lambda experiment: pytest.fail("nothing is read"))


def part(name: str, widths: Sequence[int] = (4,), **choice: str) -> Part:
    """A part of the ledger that measures a quantity; its bounds do not matter here."""
    return Part(name, (-np.inf, np.inf), (-np.inf, np.inf), tuple(widths), choice, "")


def grid(of: Callable[[str, int], SimpleNamespace], config: ExperimentConfig, *widths: int) -> Results:
    """A main grid whose result for a student and a width is what `of` makes of them."""
    chosen = [
        Experiment(f"grid/{student}/{width}", "grid", "student_hidden", student, replace(config, student_hidden=width))
        for width in widths
        for student in STUDENTS
    ]

    def read(experiment: Experiment) -> SimpleNamespace:
        made = of(experiment.student, experiment.config.student_hidden)
        made.config = experiment.config
        return made

    return Results(chosen, read)


def bounds(measured: Interval | None) -> tuple[float, float, float]:
    assert measured is not None
    return measured.value, measured.low, measured.high


def scored(scores: torch.Tensor) -> SimpleNamespace:
    """All that is known is the scores, by whichever name."""
    return SimpleNamespace(scores=scores, by=lambda name: scores)


SIX = ExperimentConfig(teachers=3, trials=2)
"""Three teachers with two students each."""


def test_sizes_and_their_slope_by_hand():
    """Three, five and seven survivors at widths 10, 100, 1000: two nodes for every tenfold width."""

    def of(student: str, width: int) -> SimpleNamespace:
        alive = {10: 3, 100: 5, 1000: 7}[width]
        return scored((torch.arange(10) < alive).double().expand(6, 10))

    results = grid(of, SIX, 10, 100, 1000)
    choice = {"student": "spectral", "score": "incoming"}
    assert bounds(measure(part("size_slope", (10, 100, 1000), **choice), results, LEVEL)) == pytest.approx((2, 2, 2))
    assert bounds(measure(part("effective_size", (10, 100, 1000), **choice), results, LEVEL)) == (5, 5, 5)
    assert bounds(measure(part("effective_size", (100,), **choice), results, LEVEL)) == (5, 5, 5)


def test_sizes_are_those_of_the_score_that_is_chosen():
    """Teachers with 2, 3 and 4 survivors by the norm, 5 by the product: Student's t over the teachers' means."""

    def of(student: str, width: int) -> SimpleNamespace:
        incoming = (torch.arange(10) < torch.tensor([2, 2, 3, 3, 4, 4])[:, None]).double()
        product = (torch.arange(10) < 5).double().expand(6, 10)
        return SimpleNamespace(by=lambda name: {"incoming": incoming, "product": product}[name])

    results = grid(of, SIX, 10)
    found = measure(part("effective_size", (10,), student="matched", score="incoming"), results, LEVEL)
    half = scipy.stats.t.ppf(0.975, 2) / 3**0.5
    assert bounds(found) == pytest.approx((3, 3 - half, 3 + half))
    assert found.sample == "3 × 2"
    assert bounds(measure(part("effective_size", (10,), student="matched", score="product"), results, LEVEL)) == (
        5,
        5,
        5,
    )


def test_sensitivity_counts_nodes_between_two_thresholds():
    """Of scores 1, 0.21, 0.19, 0.05, 0.0126 and 0.0124 three lie between 0.0125 and 0.2."""
    scores = torch.tensor([1.0, 0.21, 0.19, 0.05, 0.0126, 0.0124], dtype=DOUBLE).expand(6, 6)
    results = grid(lambda student, width: scored(scores), SIX, 6)
    assert bounds(measure(part("threshold_sensitivity", (6,), student="lasso"), results, LEVEL)) == (3, 3, 3)


class ByHand:
    """Three teachers with one student each, of four nodes that add 8, 4, 2 and 1 to the answer 15 to their one pattern.

    Without the weakest the error is 1, without the two weakest 9, ... of 225. Everything is alive but the weakest.
    Test errors are zero at width 4, and grow with the width elsewhere.
    """

    config = ExperimentConfig(teachers=3, trials=1, teacher_hidden=2, input_dim=4)

    def __call__(self, student: str, width: int) -> SimpleNamespace:
        made = Student(4, 4, 1, 3, dtype=DOUBLE)
        with torch.no_grad():
            made.first.phi.copy_(-torch.eye(4))
            made.second.phi.copy_(-torch.tensor([8.0, 4.0, 2.0, 1.0]))
        patterns = Patterns(torch.ones(3, 1, 4, dtype=DOUBLE), torch.full((3, 1), 15.0, dtype=DOUBLE))
        scores = torch.tensor([[8.0, 4.0, 2.0, 0.1]] * 3, dtype=DOUBLE)
        errors = {"spectral": torch.tensor([2.0, 8.0, 4.0]), "published": torch.tensor([4.0, 4.0, 4.0])}
        return SimpleNamespace(
            scores=scores,
            alive=scores > 1,
            test_mse=torch.zeros(3) if width == 4 else errors[student] * width,
            test_power=torch.full((3,), 225.0),
            task=lambda: Task(None, patterns, patterns, patterns),
            student=lambda: copy.deepcopy(made),
        )


def by_hand(name: str, widths: Sequence[int] = (4,), **choice: str) -> Interval | None:
    return measure(part(name, widths, student="spectral", **choice), grid(ByHand(), ByHand.config, 1, 3, 4), LEVEL)


def test_pruning_costs_what_the_missing_nodes_added():
    assert bounds(by_hand("pruning_cost", order="incoming", at="effective size")) == pytest.approx((1 / 225,) * 3)
    assert bounds(by_hand("pruning_cost", order="incoming", at="teacher size")) == pytest.approx((9 / 225,) * 3)


def test_pruning_at_random_is_drawn_once_for_all():
    """The first two of a fixed order of the four nodes, another one for every member."""
    order = torch.rand(3, 4, generator=torch.Generator().manual_seed(0), dtype=DOUBLE).argsort(-1, descending=True)
    amounts = torch.tensor([8.0, 4.0, 2.0, 1.0], dtype=DOUBLE)
    costs = [(15 - float(amounts[nodes[:2]].sum())) ** 2 / 225 for nodes in order]
    found = by_hand("pruning_cost", order="random", at="teacher size")
    assert bounds(found) == pytest.approx(bounds(jackknife(np.array(costs)[:, None])))


def test_the_onset_is_where_the_error_stays_below_a_hundredth():
    """1/225 < 0.01 <= 9/225: three nodes are enough, two are not."""
    assert bounds(by_hand("onset")) == (3.0, 3.0, 3.0)


def test_a_sweep_goes_by_the_scores_that_it_is_given():
    result = ByHand()("spectral", 4)
    assert rank_sweep(result).tolist() == [[225, 49, 9, 1, 0]] * 3
    assert rank_sweep(result, result.scores.flip(-1)).tolist() == [[225, 196, 144, 64, 0]] * 3
    result.scores[:, 3] = 0  # has left: no point of the curve is without it alone
    assert rank_sweep(result).shape == (3, 4)


def test_errors_are_compared_in_the_geometric_mean_and_at_the_worst_width():
    """2/4, 8/4 and 4/4: mean of logarithms 0, deviation log 2. At widths 1 and 3 the mean errors are 14/3 and 14."""
    widths = (1, 3)
    half = scipy.stats.t.ppf(0.975, 2) / 3**0.5
    assert bounds(by_hand("test_error_ratio", widths, control="published")) == pytest.approx((1.0, 2**-half, 2**half))
    worst = by_hand("worst_test_error", widths)
    assert worst.value == pytest.approx(14 / 225)
    expected = jackknife(3 * np.array([[2.0], [8.0], [4.0]]) / 225, log=True)
    assert bounds(worst) == pytest.approx(bounds(expected))


TEACHERS = ExperimentConfig(teachers=3, trials=1, input_dim=5, teacher_hidden=4, teacher_second=3, test_patterns=5)
OWN, FOREIGN = draw_task(TEACHERS), other_teachers(TEACHERS)


def taught(first: torch.Tensor, second: torch.Tensor) -> Results:
    """A grid whose students have these weights (3, h, 5) and (3, 3, h); nodes without weight are dead."""
    network = Student(5, first.shape[1], 3, 3)
    with torch.no_grad():
        network.first.phi.copy_(-first)
        network.second.phi.copy_(-second)
    result = {
        "alive": first.norm(dim=-1) > 0,
        "kept": (0, 1, 2),
        "task": lambda chosen=None: OWN,
        "student": lambda chosen=None: network,
    }
    return grid(lambda student, width: SimpleNamespace(**result), TEACHERS, 4)


def test_nodes_found_are_a_share_with_its_own_interval():
    """All four of each teacher; and one less of the second, whose student has none left there."""
    chosen = part("teacher_nodes_found", student="spectral")
    whole = measure(chosen, taught(OWN.teacher.first, OWN.teacher.second), LEVEL)
    assert whole == share(np.ones((3, 1)), of=4)
    assert whole.low < whole.value == whole.high == 1.0
    first = OWN.teacher.first.clone()
    first[1, 2] = 0
    less = measure(chosen, taught(first, OWN.teacher.second), LEVEL)
    assert less == share(np.array([[1.0], [0.75], [1.0]]), of=4)
    assert less.value == pytest.approx(11 / 12)


def test_paths_of_twice_the_weight_are_a_mean_path_away():
    """Sorted paths p and 2 p are |p| apart, one mean absolute path; the null is the distance of a foreign teacher."""
    results = taught(2 * OWN.teacher.first, OWN.teacher.second)
    distance = measure(part("path_distance", student="spectral"), results, LEVEL)
    assert bounds(distance) == pytest.approx((1, 1, 1), rel=1e-5)
    null = [
        relative_distance(
            path_weights(OWN.teacher.first[member], OWN.teacher.second[member]),
            path_weights(FOREIGN.first[member], FOREIGN.second[member]),
        )
        for member in range(3)
    ]
    expected = jackknife(np.array([[[1.0, distance]] for distance in null]), ratio_of_means, log=True)
    found = measure(part("path_distance_to_null", student="spectral"), results, LEVEL)
    assert bounds(found) == pytest.approx(bounds(expected), rel=1e-5)


def test_a_foreign_teacher_is_as_far_as_the_null():
    """Also with a dead node among its own, which has no paths and no strength."""
    dead = torch.zeros(3, 1, 5), torch.ones(3, 3, 1)
    first, second = torch.cat([dead[0], FOREIGN.first], 1), torch.cat([dead[1], FOREIGN.second], -1)
    for name in ("path_distance_to_null", "strength_distance_to_null"):
        found = measure(part(name, student="matched"), taught(first, second), LEVEL)
        assert bounds(found) == pytest.approx((1, 1, 1), rel=1e-5), name


def test_strengths_do_not_see_the_length_of_all_weights():
    """They are divided by their range: half a teacher, half as long, is no nearer than half a teacher."""
    half = OWN.teacher.first[:, :2], OWN.teacher.second[..., :2]
    one, other = (
        measure(part("strength_distance_to_null", student="spectral"), taught(scale * half[0], half[1]), LEVEL)
        for scale in (1.0, 0.5)
    )
    assert bounds(one) == pytest.approx(bounds(other), rel=1e-5)
    assert one.value > 0.1


def cost(tmp_path, **changes):
    """Measurements of cost as a file that the ledger reads."""
    path = tmp_path / "bench.json"
    measured = {"mean": 1.03, "low": 0.98, "high": 1.08, "n": 30}
    full = {"format": FORMAT, "quick": False, "sizes": {"config": {"student_hidden": 200}}, "step_cost_ratio": measured}
    save(full | changes, path)
    return path


def test_the_ratio_of_costs_is_read_as_it_was_measured(tmp_path):
    found = measure(part("step_cost_ratio", (200,)), NOTHING, LEVEL, cost(tmp_path))
    assert (*bounds(found), found.sample) == (1.03, 0.98, 1.08, "30 pairs")
    assert measure(part("step_cost_ratio", (200,)), NOTHING, LEVEL, tmp_path / "none.json") is None


@pytest.mark.parametrize(("quick", "width"), [(True, 200), (False, 60)])
def test_only_full_measurements_decide_on_cost(tmp_path, quick, width):
    path = cost(tmp_path, quick=quick)
    with pytest.raises(ConfigError, match=f"not those of {width} nodes in full; repeat them with: make bench"):
        measure(part("step_cost_ratio", (width,)), NOTHING, LEVEL, path)


def test_what_is_not_there_is_not_measured():
    def missing(student: str, width: int) -> SimpleNamespace:
        raise MissingResult(f"{student}/{width}")

    for name, choice in (
        ("effective_size", {"score": "incoming"}),
        ("teacher_nodes_found", {}),
        ("path_distance", {}),
        ("test_error_ratio", {"control": "matched"}),
    ):
        results = grid(missing, SIX, 4)
        assert measure(part(name, student="spectral", **choice), results, LEVEL) is None, name


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
    def of_cost(bench: Mapping[str, float], width: int, *, kind: Literal["step", "epoch"]) -> Interval:
        raise NotImplementedError

    both = {"student": STUDENTS, "at": ("effective size", "teacher size")}
    assert QUANTITIES["made up"] == (of_widths, "results", "widths", both)
    assert QUANTITIES["made up too"] == (of_nothing, "results", "", {})
    assert QUANTITIES["at one width"] == (of_cost, "bench", "width", {"kind": ("step", "epoch")})


def test_all_quantities_are_those_of_the_ledger():
    parts = [part for claim in claims.read_claims()[0] for part in claim.parts]
    assert {part.quantity for part in parts} == QUANTITIES.keys()
    for part in parts:
        assert part.choice.keys() == QUANTITIES[part.quantity].choices.keys()
        assert bool(part.widths) == bool(QUANTITIES[part.quantity].widths)


@pytest.mark.parametrize(
    ("quantity", "choice", "message"),
    [
        ("effective_size", {"student": "spectrl", "score": "incoming"}, "student of effective_size must be one of"),
        ("effective_size", {"student": "spectral"}, "score of effective_size must be one of .*; got None"),
        ("pruning_cost", {"student": "spectral", "order": "rising", "at": "teacher size"}, "order of pruning_cost"),
        (
            "exponent",
            {"family": "theachers"},
            "family of exponent must be one of teachers, large teachers, .*; got 't",
        ),
        ("critical_ratio", {"family": "tasks", "extreme": "middle"}, "must be one of lowest, highest; got 'middle'"),
        ("exponent", {"family": "teachers", "width": 40}, "unknown entry of exponent in claim x: 'width'"),
        ("exponent_difference", {"family": "teachers"}, "unknown entry of exponent_difference in claim x: 'family'"),
    ],
)
def test_an_unknown_choice_is_refused(tmp_path, quantity, choice, message):
    path = tmp_path / "claims.yaml"
    chosen = {"quantity": quantity, "reproduced": [0, 1], "partly": [0, 2], **choice}
    claim = {"id": "x", "statement": "y.", "chapter": "05-size", "parts": [chosen]}
    path.write_text(yaml.safe_dump({"interval": {"level": 0.95}, "widths": [40], "claims": [claim]}))
    with pytest.raises(ConfigError, match=message):
        claims.read_claims(path)
