"""The ledger: rules and statistics by hand, and the verdicts that flip when the method is broken on purpose."""

import copy
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

from spectral import ConfigError, Student, compute
from spectral.bench.tables import FORMAT, save
from spectral.book import claims
from spectral.book.claims import judge
from spectral.book.quantities import NOT_REPRODUCED, PARTLY, REPRODUCED, Part, Reader, measure
from spectral.lab.files import REPOSITORY
from spectral.lab.presets import experiments
from spectral.lab.results import Runs
from spectral.lab.store import Store
from spectral.stats.intervals import Interval
from spectral.tasks import Patterns, Task

SETTINGS = {"level": 0.95, "resamples": 400, "seed": 0}
COMMITTED = Store(REPOSITORY / "book" / "results", REPOSITORY / "nowhere")


def part(quantity: str, **choice) -> Part:
    """The ledger's part of that quantity, at widths that are quick to read."""
    parts = [p for claim in claims.read_claims()[0] for p in claim.parts if p.quantity == quantity]
    chosen = next(p for p in parts if choice.items() <= p.choice.items())
    return replace(chosen, widths=(40, 60) if quantity in ("effective_size", "size_slope") else (60,))


class Altered(Reader):
    """The committed runs, with something done to them or put in their place."""

    def __init__(self, alter=lambda runs: runs, student=None):
        super().__init__("paper", COMMITTED)
        self._alter, self._student = alter, student

    def runs(self, student: str, width: int) -> Runs:
        return self._alter(super().runs(self._student or student, width))


def verdict(chosen: Part, reader: Reader) -> str:
    return chosen.verdict(measure(chosen, reader, SETTINGS))


def test_rules_by_hand():
    rule = Part("effective_size", (20, 25), (18, np.inf), (40,), {}, "")
    assert rule.verdict(Interval(22, 20, 25)) == REPRODUCED
    assert rule.verdict(Interval(22, 19.9, 25)) == PARTLY
    assert rule.verdict(Interval(300, 200, 400)) == PARTLY
    assert rule.verdict(Interval(22, 17, 25)) == NOT_REPRODUCED


def test_a_claim_is_judged_by_all_its_parts():
    assert judge([REPRODUCED, REPRODUCED]) == REPRODUCED
    assert judge([REPRODUCED, PARTLY]) == judge([PARTLY]) == PARTLY
    assert judge([PARTLY, NOT_REPRODUCED]) == NOT_REPRODUCED
    assert judge([REPRODUCED, claims.MISSING]) == claims.MISSING


def test_slope_by_hand():
    """Three, five and seven survivors at widths 10, 100, 1000: two nodes for every tenfold width."""

    def runs(student, width):
        alive = {10: 3, 100: 5, 1000: 7}[width]
        scores = (torch.arange(10) < alive).double().expand(4, 10)
        return SimpleNamespace(scores=scores, product=scores, config=SimpleNamespace(teachers=2, trials=2))

    chosen = replace(part("size_slope"), widths=(10, 100, 1000))
    measured = measure(chosen, SimpleNamespace(runs=runs), SETTINGS)
    assert (measured.value, measured.low, measured.high) == pytest.approx((2.0, 2.0, 2.0))


class ByHand(Reader):
    """Two teachers with one student each, of four nodes that add 8, 4, 2 and 1 to the answer 15 to their one pattern.

    Without the weakest the error is 1, without the two weakest 9, ... of 225. Everything is alive but the weakest.
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__("paper", COMMITTED)
        student = Student(4, 4, 1, 2, dtype=torch.float64)
        with torch.no_grad():
            student.first.phi.copy_(-torch.eye(4))
            student.second.phi.copy_(-torch.tensor([8.0, 4.0, 2.0, 1.0]))
        patterns = Patterns(torch.ones(2, 1, 4, dtype=torch.float64), torch.full((2, 1), 15.0, dtype=torch.float64))
        scores = torch.tensor([[8.0, 4.0, 2.0, 0.1]] * 2, dtype=torch.float64)
        self._made = SimpleNamespace(
            config=SimpleNamespace(teachers=2, trials=1, teacher_hidden=2),
            scores=scores,
            alive=scores > 1,
            test_power=torch.full((2,), 225.0),
            task=lambda: Task(None, patterns, patterns, patterns),
            student=lambda: copy.deepcopy(student),
        )
        self._errors = {"spectral": torch.tensor([2.0, 8.0]) * scale, "published": torch.tensor([4.0, 4.0])}

    def runs(self, student, width):
        self._made.test_mse = torch.zeros(2) if width == 4 else self._errors[student] * width
        return self._made


def by_hand(quantity: str, width: int = 4, **choice) -> Interval:
    return measure(replace(part(quantity, **choice), widths=(width,)), ByHand(), SETTINGS)


def test_pruning_costs_what_the_missing_nodes_added():
    survivors = by_hand("pruning_cost", order="incoming", at="effective size")
    assert survivors.value == pytest.approx(1 / 225)
    teachers = by_hand("pruning_cost", student="spectral", order="incoming", at="teacher size")
    assert teachers.value == pytest.approx(9 / 225)


def test_the_onset_is_where_the_error_stays_below_a_hundredth():
    """1/225 < 0.01 <= 9/225: three nodes are enough, two are not."""
    assert by_hand("onset") == Interval(3.0, 3.0, 3.0)


def test_errors_are_compared_in_the_geometric_mean_and_at_the_worst_width():
    """sqrt(2/4 * 8/4) = 1; at widths 1 and 3 the mean errors are 5/225 and 15/225."""
    ratio = measure(replace(part("test_error_ratio", control="published"), widths=(1, 3)), ByHand(), SETTINGS)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((1.0, 0.5, 2.0))
    worst = measure(replace(part("worst_test_error"), widths=(1, 3)), ByHand(), SETTINGS)
    assert worst.value == pytest.approx(15 / 225)


def test_a_part_of_all_nodes_is_exact():
    """19 of 20 is 0.95 for the rule, as for everyone."""
    rule = part("teacher_nodes_found")
    share = float(torch.tensor(19).double() / 20)
    assert rule.verdict(Interval(share, share, 1.0)) == REPRODUCED
    with pytest.raises(ValueError, match="could not be measured"):
        rule.verdict(Interval(1.0, float("nan"), 1.0))


def test_only_full_measurements_decide_on_cost(tmp_path):
    path = tmp_path / "bench.json"
    quick = {"format": FORMAT, "quick": True, "sizes": {"config": {"student_hidden": 200}}}
    save(quick | {"step_cost_ratio": {"mean": 1.0, "low": 0.9, "high": 1.1, "n": 3}}, path)
    with pytest.raises(ConfigError, match="repeat them with: make bench"):
        measure(part("step_cost_ratio"), Reader("paper", COMMITTED, path), SETTINGS)


def test_the_committed_runs_find_the_teacher():
    reader = Altered()
    assert verdict(part("effective_size"), reader) == REPRODUCED
    assert verdict(part("pruning_cost", order="incoming", at="effective size"), reader) == REPRODUCED
    assert verdict(part("teacher_nodes_found"), reader) in (REPRODUCED, PARTLY)


def test_a_direct_student_passed_off_as_spectral_is_noticed():
    reader = Altered(student="published")
    assert verdict(part("effective_size"), reader) == NOT_REPRODUCED
    assert verdict(part("size_slope", student="spectral"), reader) == NOT_REPRODUCED
    assert verdict(part("threshold_sensitivity"), Altered(student="matched")) == NOT_REPRODUCED


def test_an_invariant_conventional_student_is_noticed():
    reader = Altered(student="spectral")
    assert verdict(part("size_slope", student="published"), reader) == NOT_REPRODUCED


def test_shuffled_scores_are_noticed():
    """Every node keeps its weights and gets another's score."""

    def shuffle(runs):
        order = torch.randperm(runs.scores.shape[1], generator=torch.Generator().manual_seed(1))
        return replace(runs, scores=runs.scores[:, order], alive=runs.alive[:, order])

    reader = Altered(shuffle)
    assert verdict(part("pruning_cost", order="incoming", at="effective size"), reader) == NOT_REPRODUCED
    assert verdict(part("onset"), reader) == NOT_REPRODUCED


def test_a_ranking_that_does_not_matter_is_noticed():
    """Were all nodes equal and dead, random pruning would cost nothing either."""
    chosen = part("pruning_cost", order="random")
    assert verdict(chosen, Altered()) == REPRODUCED
    silent = Altered(lambda runs: replace(runs, alive=torch.ones_like(runs.alive)))  # all survive: nothing is cut
    assert verdict(chosen, silent) == NOT_REPRODUCED


def test_a_foreign_teacher_is_noticed():
    """Students compared with the teacher of another seed: no node and no path of theirs."""

    def foreign(runs):
        return replace(runs, config=replace(runs.config, teacher_seed=runs.config.teacher_seed + 50))

    reader = Altered(foreign)
    for quantity in ("teacher_nodes_found", "path_distance_to_null"):
        assert verdict(part(quantity), reader) == NOT_REPRODUCED


def test_a_teacher_of_another_size_is_noticed():
    config = replace(
        experiments("laptop")["grid/spectral/40"], teacher_hidden=8, teachers=3, epochs=500, patterns=5_000
    )
    result = compute(config, record_at=(), scores_at=())
    scores = result.history.scores[-1]
    measured = measure(
        replace(part("effective_size"), widths=(40,)),
        SimpleNamespace(runs=lambda *_: SimpleNamespace(scores=scores, product=scores, config=config)),
        SETTINGS,
    )
    assert measured.high < 18
    assert part("effective_size").verdict(measured) == NOT_REPRODUCED


def test_other_presets_decide_nothing():
    judged = claims.ledger("smoke")
    assert {entry.verdict for entry in judged} == {claims.NOT_TESTABLE}


def test_runs_that_are_not_there_decide_nothing(tmp_path):
    judged = claims.ledger(store=Store(tmp_path, tmp_path), bench=tmp_path / "none.json")
    assert {entry.verdict for entry in judged} == {claims.MISSING}
    assert not list(tmp_path.iterdir()), "something was trained"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quantity": "efective_size"}, "unknown quantity of claim x: 'efective_size'; did you mean 'effective_size'"),
        ({"student": "spectrl"}, "claim x: student of effective_size must be one of spectral, .*; got 'spectrl'"),
        ({"score": "outgoing"}, "claim x: score of effective_size must be one of incoming, product; got 'outgoing'"),
        ({"order": "random"}, "unknown entry of effective_size in claim x: 'order'"),
        ({"quantity": "path_distance", "widths": [40, 60]}, "path_distance is measured at one width"),
        ({"reproduced": [3, 1]}, "claim x: bounds must be two numbers in order, or null"),
        ({"partly": [2, 3]}, "claim x: partly .* must be the wider of the two bounds"),
        ({"reproduced": "yes"}, "is not a ledger of claims"),
    ],
)
def test_a_wrong_ledger_is_refused(tmp_path, change, message):
    good = {"quantity": "effective_size", "student": "spectral", "reproduced": [1, 3], "partly": [0, 4]}
    if change.get("quantity", "effective_size") == "effective_size":
        good["score"] = "incoming"
    ledger = {
        "interval": SETTINGS,
        "widths": [40],
        "claims": [{"id": "x", "statement": "y.", "parts": [good | change]}],
    }
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump(ledger))
    with pytest.raises(ConfigError, match=message):
        claims.read_claims(path)
    path.write_text("claims: [")
    with pytest.raises(ConfigError, match="is not a ledger"):
        claims.read_claims(path)


def made(value: float = 22.0, bounds=(20, 25)) -> claims.Judged:
    """A claim as if it had been measured."""
    rule = Part("effective_size", bounds, (18, np.inf), (40,), {}, "")
    measured = Interval(value, value, value, "10 × 3")
    verdict = rule.verdict(measured)
    return claims.Judged(claims.Claim("size", "It is.", (rule,), "05-size"), (measured,), (verdict,), verdict)


def test_what_changes_has_to_be_announced(tmp_path):
    """Rounding passes; another value, verdict, rule or claim does not."""
    path = tmp_path / "verdicts.json"
    claims.announce([made()], path)
    entries = claims.announced(path)
    assert entries[0]["parts"][0]["partly"] == [18.0, None]
    assert claims.unannounced([made(22.001)], entries) == []
    assert claims.unannounced([made(22.5)], entries) == [
        "size: effective_size is [22.5, 22.5, 22.5]; announced as [22.0, 22.0, 22.0]"
    ]
    assert claims.unannounced([made(30.0)], entries)[0] == "size: partly reproduced; announced as reproduced"
    assert claims.unannounced([made(bounds=(20, 26))], entries) == [
        "size: its statement, rule or sample is not the announced one"
    ]
    assert claims.unannounced([], entries) == ["size: announced, but no longer a claim"]
    assert claims.unannounced([made()], []) == ["size: not announced"]


def test_what_decides_nothing_is_not_announced(tmp_path):
    path = tmp_path / "verdicts.json"
    with pytest.raises(ConfigError, match="nothing to announce: claims are judged at preset paper"):
        claims.announce([replace(made(), verdict=claims.NOT_TESTABLE)], path)
    assert not path.exists()


@pytest.mark.parametrize("text", [None, "{", "[1]", '[{"id": "size"}]'])
def test_damaged_announcements_are_refused(tmp_path, text):
    path = tmp_path / "verdicts.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=r"cannot be read .* write them again with: python -m spectral claims"):
        claims.announced(path)


def git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(REPOSITORY), *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def rules(text: str) -> dict[str, list]:
    """What decides, claim by claim: everything but wording."""
    ledger = yaml.safe_load(text)
    common = {name: value for name, value in ledger.items() if name != "claims"}
    return {
        claim["id"]: [{k: v for k, v in part.items() if k != "meaning"} | common for part in claim["parts"]]
        for claim in ledger["claims"]
    }


@pytest.fixture(scope="module")
def history() -> list[str]:
    """The revisions of the ledger, oldest first."""
    try:
        shallow = git("rev-parse", "--is-shallow-repository").strip() == "true"
    except (OSError, subprocess.CalledProcessError):
        shallow = True
    if shallow:
        pytest.skip("the history of the rules is not here: this is not a full clone")
    return git("log", "--format=%H", "--reverse", "--", "book/claims.yaml").split()


def test_a_changed_rule_says_so(history):
    """Every claim is judged by the rule with which it first appeared, or says why not."""
    first: dict[str, list] = {}
    for revision in history:
        for name, rule in rules(git("show", f"{revision}:book/claims.yaml")).items():
            first.setdefault(name, rule)
    now = rules(claims.LEDGER.read_text())
    changed = {claim.id for claim in claims.read_claims()[0] if claim.changed}
    assert {name for name, rule in now.items() if rule != first.get(name, rule)} == changed
    assert first.keys() <= now.keys(), "a claim was dropped"


def test_the_rules_were_there_before_the_runs(history):
    for path in COMMITTED.committed.glob("*.json"):
        run_from = COMMITTED.provenance(path.stem)["git"]
        subprocess.run(["git", "-C", str(REPOSITORY), "merge-base", "--is-ancestor", history[0], run_from], check=True)
