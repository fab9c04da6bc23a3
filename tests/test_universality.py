"""Quantities of the transition on students that are made by hand, whose pruning curves are known."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spectral.book import claims
from spectral.book import transition as universality
from spectral.book.quantities import NOT_REPRODUCED, PARTLY, REPRODUCED, MissingRun, Part, Reader, measure
from spectral.book.transition import QUANTITIES, critical_sizes, growth, jumps, settings
from spectral.lab.files import REPOSITORY
from spectral.lab.presets import experiments
from spectral.lab.store import Store
from spectral.stats.intervals import Interval
from spectral.tasks import Patterns, Task

SETTINGS = {"level": 0.95, "resamples": 300, "seed": 0}
EMPTY = Store(REPOSITORY / "nowhere", REPOSITORY / "nowhere")
PAPER = experiments("paper")


class Planted(Reader):
    """Every setting of `paper` has growth ``a (1 - n/n_c)^beta``, with a, n_c/h_T and beta as planted for it."""

    def __init__(self, plant=lambda config: (1.0, 1.0, 1.5), noise: float = 0.0) -> None:
        super().__init__("paper", EMPTY)
        self._plant, self._noise = plant, noise

    def named(self, name):
        return SimpleNamespace(config=self._experiments[name])

    def curves(self, name):
        config = self._experiments[name]
        amplitude, ratio, beta = self._plant(config)
        n = np.arange(config.student_hidden + 1)
        curve = amplitude * np.clip(1 - n / (ratio * config.teacher_hidden), 0, None) ** beta
        rng = np.random.default_rng(len(name))
        factor = 1 + self._noise * rng.normal(size=(config.teachers, config.trials, 1))
        return curve * factor


@pytest.fixture(autouse=True)
def planted_curves(monkeypatch):
    monkeypatch.setattr(universality, "curves", lambda reader, name: reader.curves(name))


def part(claim: str, index: int = 0) -> Part:
    found = {entry.id: entry for entry in claims.read_claims()[0]}
    return found[claim].parts[index]


def measured(claim: str, index: int, reader: Reader) -> Interval:
    found = measure(part(claim, index), reader, SETTINGS, QUANTITIES)
    assert found is not None
    return found


def verdict(claim: str, index: int, reader: Reader) -> str:
    return part(claim, index).verdict(measured(claim, index, reader))


def test_critical_size_and_jump_by_hand():
    """The error has grown by less than a thousandth from three nodes on; with two it has by 0.25."""
    grown = np.array([[1.0, 0.5, 0.25, 0.0009, 0.0], [1.0, 0.0, 0.002, 0.0, 0.0]])
    assert critical_sizes(grown).tolist() == [3, 3]
    assert jumps(grown).tolist() == [0.25, 0.002]


def test_growth_of_a_student_by_hand(toy):
    """For x = (1, 1) the nodes add 7, 0 and 1 to an answer of 8, and the last score is zero: that node has left.

    Without any node the error is 64, with the first 1, with all that are left 1; it grows from there, in units of 64.
    """
    patterns = Patterns(torch.ones(1, 1, 2, dtype=torch.float64), torch.tensor([[8.0]], dtype=torch.float64))
    runs = SimpleNamespace(
        student=lambda: copy.deepcopy(toy),
        scores=torch.tensor([[5.0, 1.0, 0.0]], dtype=torch.float64),
        alive=None,
        task=lambda: Task(None, patterns, patterns, patterns),
        test_power=torch.tensor([64.0]),
        config=SimpleNamespace(teachers=1, trials=1),
    )
    np.testing.assert_allclose(growth(runs), [[[63 / 64, 0.0, 0.0]]], atol=1e-15)
    runs.scores = torch.tensor([[5.0, 1.0, 2.0]], dtype=torch.float64)
    np.testing.assert_allclose(growth(runs), [[[1.0, 1 / 64, 0.0, 0.0]]], atol=1e-15)


def test_families_hold_what_they_say():
    reader = Planted()
    middle = {family: [name.split("/")[1] for name in settings(reader, family)] for family in universality.FAMILIES}
    assert len(middle["teachers"]) == 24
    assert len(middle["large teachers"]) == 16
    assert not [name for name in middle["large teachers"] if name.startswith(("h_T=5,", "h_T=10,"))]
    assert middle["committees of relu"] == ["committee=relu,h_T=20", "committee=relu,h_T=40"]
    assert middle["committees of erf"] == ["committee=erf,h_T=20", "committee=erf,h_T=40"]
    for family in ("tasks", "two-layer tasks", "training"):
        assert middle[family][0] == "h_T=20,d=10"
    assert set(middle["tasks"]) - set(middle["two-layer tasks"]) == set(
        middle["committees of relu"] + middle["committees of erf"]
    )
    assert {name.split("=")[0] for name in middle["training"][1:]} == {"noise", "penalty", "patterns", "epochs"}
    shared = [PAPER[name] for family in ("two-layer tasks", "training") for name in settings(reader, family)]
    assert all(config.members == shared[0].members for config in shared)


def test_planted_numbers_come_back():
    """Exponent 1.5, critical size that of the teacher: found low by the hundredth that the threshold takes."""
    reader = Planted()
    ratio = measured("universality-size", 0, reader)
    assert 0.985 <= ratio.value <= 1.0
    assert measured("transition-exponent", 2, reader).value == pytest.approx(1.5, abs=0.08)
    assert measured("universality-exponent", 0, reader).value == pytest.approx(0, abs=0.02)
    assert measured("universality-exponent", 1, reader).value == pytest.approx(0, abs=0.1)
    slope = measured("transition-continuous", 0, reader)
    assert -1.6 < slope.value < -0.9  # (1/h)^1.5, but never below the threshold of a thousandth
    assert measured("universality-curve", 0, reader).value < 0.01
    assert measured("transition-form", 0, Planted(noise=0.05)).low > 0


def test_a_universal_transition_is_seen():
    reader = Planted(noise=0.05)
    for claim in ("transition-continuous", "universality-size", "universality-task", "universality-training"):
        for index in range(2):
            assert verdict(claim, index, reader) == REPRODUCED, (claim, index)
    assert verdict("universality-curve", 0, reader) == verdict("universality-curve", 1, reader) == REPRODUCED


def test_a_jump_is_noticed():
    """At n_c all teachers lose a tenth of E[y^2] at once."""

    class Jump(Planted):
        def curves(self, name):
            smooth = super().curves(name)
            return np.where(smooth > 0, 0.1 + 0.9 * smooth, 0)

    assert verdict("transition-continuous", 0, Jump()) == NOT_REPRODUCED
    assert verdict("transition-continuous", 1, Jump()) == NOT_REPRODUCED


def test_an_exponential_is_noticed():
    class Exponential(Planted):
        def curves(self, name):
            config = self._experiments[name]
            n = np.arange(config.student_hidden + 1)
            noise = np.random.default_rng(1).normal(size=(4, 1, len(n))).repeat(3, 1)
            curve = np.exp(-7 * n / config.teacher_hidden)  # a thousandth at the teacher's size
            return curve * (1 + 0.02 * noise)

    assert verdict("transition-form", 0, Exponential()) == NOT_REPRODUCED


def test_another_exponent_is_noticed():
    """As theory has it: 1 for committees of erf, 2 for those of relu; then the universal claims fail."""

    def plant(config):
        committee = config.teacher == "committee"
        return 1.0, 1.0, {"relu": 2.0, "erf": 1.0, "tanh": 1.0}[config.activation] if committee else 1.5

    reader = Planted(plant)
    assert [verdict("transition-exponent", index, reader) for index in range(3)] == [REPRODUCED] * 3
    assert verdict("universality-exponent", 0, reader) == NOT_REPRODUCED
    drifting = Planted(lambda config: (1.0, 1.0, 1.0 + np.log10(config.teacher_hidden / 20)))
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

    reader = Planted(plant)
    verdicts = [verdict(claim, index, reader) for index in range(2)]
    assert verdicts[0 if ratio < 1 else 1] == expected
    assert verdicts[1 if ratio < 1 else 0] == REPRODUCED


def test_curves_of_other_shapes_are_noticed():
    by_size = Planted(lambda config: (1.0, 1.0, 1.0 if config.teacher_hidden < 100 else 3.0))
    assert verdict("universality-curve", 0, by_size) == NOT_REPRODUCED
    by_task = Planted(lambda config: (1.0, 1.0, 3.0 if config.activation == "relu" else 1.0))
    assert verdict("universality-curve", 1, by_task) == NOT_REPRODUCED
    assert verdict("universality-curve", 0, by_task) == REPRODUCED


def test_without_runs_nothing_is_measured(monkeypatch):
    monkeypatch.undo()
    reader = Reader("paper", EMPTY)
    with pytest.raises(MissingRun):
        universality.curves(reader, "universal/x/1")
    for quantity in ("critical_ratio", "exponent_difference", "transition_gain"):
        chosen = next(p for claim in claims.read_claims()[0] for p in claim.parts if p.quantity == quantity)
        assert measure(replace(chosen), reader, SETTINGS, QUANTITIES) is None
