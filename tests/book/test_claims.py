"""The ledger: its rules by hand, and the verdicts that flip when the method is broken on purpose."""

import subprocess
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from spectral import ConfigError, compute
from spectral.book import claims
from spectral.book.claims import NOT_REPRODUCED, PARTLY, REPRODUCED, Part, measure, overall
from spectral.lab.collection import Results
from spectral.lab.files import REPOSITORY
from spectral.lab.presets import Experiment, configurations, experiments
from spectral.lab.results import Result
from spectral.lab.store import Store
from spectral.stats.intervals import Interval

LEVEL = 0.95
COMMITTED = Store(REPOSITORY / "book" / "results", REPOSITORY / "nowhere")


def part(quantity: str, **choice) -> Part:
    """The ledger's part of that quantity, at widths that are quick to read."""
    parts = [p for claim in claims.read_claims()[0] for p in claim.parts if p.quantity == quantity]
    chosen = next(p for p in parts if choice.items() <= p.choice.items())
    return replace(chosen, widths=(40, 60) if quantity in ("effective_size", "size_slope") else (60,))


def altered(alter: Callable[[Result], Result] = lambda result: result, student: str = "") -> Results:
    """The committed results, with something done to them, or another student's in place of all."""
    stored = Results.stored(experiments("paper"), COMMITTED)

    def read(experiment: Experiment) -> Result:
        design, own, width = experiment.name.split("/")
        return alter(stored[stored.named(f"{design}/{student or own}/{width}")])

    return Results(stored, read)


def verdict(chosen: Part, results: Results) -> str:
    found = measure(chosen, results, LEVEL)
    assert found is not None
    return chosen.judge(found)


def test_rules_by_hand():
    rule = Part("effective_size", (20, 25), (18, np.inf), (40,), {}, "")
    assert rule.judge(Interval(22, 20, 25)) == REPRODUCED
    assert rule.judge(Interval(22, 19.9, 25)) == PARTLY
    assert rule.judge(Interval(300, 200, 400)) == PARTLY
    assert rule.judge(Interval(22, 17, 25)) == NOT_REPRODUCED


def test_a_claim_is_judged_by_all_its_parts():
    assert overall([REPRODUCED, REPRODUCED]) == REPRODUCED
    assert overall([REPRODUCED, PARTLY]) == overall([PARTLY]) == PARTLY
    assert overall([PARTLY, NOT_REPRODUCED]) == NOT_REPRODUCED
    assert overall([REPRODUCED, claims.MISSING]) == claims.MISSING
    assert overall([claims.MISSING, NOT_REPRODUCED]) == claims.MISSING, "what is not there may still agree"


def test_a_part_of_all_nodes_is_exact():
    """19 of 20 is 0.95 for the rule, as for everyone."""
    rule = part("teacher_nodes_found")
    share = float(torch.tensor(19).double() / 20)
    assert rule.judge(Interval(share, share, 1.0)) == REPRODUCED
    for unknown in (Interval(1.0, float("nan"), 1.0), Interval(1.0, 0.9, float("inf"))):
        with pytest.raises(ValueError, match="could not be measured"):
            rule.judge(unknown)


def test_the_level_is_the_ledgers():
    """A more certain interval of the same number is wider, and contains the other."""
    results = altered()
    sure, surer = (measure(part("effective_size"), results, level) for level in (0.5, 0.99))
    assert sure.value == surer.value
    assert surer.low < sure.low < sure.high < surer.high


def test_the_committed_results_find_the_teacher():
    results = altered()
    assert verdict(part("effective_size"), results) == REPRODUCED
    assert verdict(part("pruning_cost", order="incoming", at="effective size"), results) == REPRODUCED
    assert verdict(part("teacher_nodes_found"), results) in (REPRODUCED, PARTLY)


def test_a_direct_student_passed_off_as_spectral_is_noticed():
    results = altered(student="published")
    assert verdict(part("effective_size"), results) == NOT_REPRODUCED
    assert verdict(part("size_slope", student="spectral"), results) == NOT_REPRODUCED
    assert verdict(part("threshold_sensitivity"), altered(student="matched")) == NOT_REPRODUCED


def test_an_invariant_conventional_student_is_noticed():
    results = altered(student="spectral")
    assert verdict(part("size_slope", student="published"), results) == NOT_REPRODUCED


def test_shuffled_scores_are_noticed():
    """Every node keeps its weights and gets another's score."""

    def shuffle(result: Result) -> Result:
        order = torch.randperm(result.scores.shape[1], generator=torch.Generator().manual_seed(1))
        return replace(result, scores=result.scores[:, order], alive=result.alive[:, order])

    results = altered(shuffle)
    assert verdict(part("pruning_cost", order="incoming", at="effective size"), results) == NOT_REPRODUCED
    assert verdict(part("onset"), results) == NOT_REPRODUCED


def test_a_ranking_that_does_not_matter_is_noticed():
    """Were all nodes equal and dead, random pruning would cost nothing either."""
    chosen = part("pruning_cost", order="random")
    assert verdict(chosen, altered()) == REPRODUCED
    silent = altered(lambda result: replace(result, alive=torch.ones_like(result.alive)))  # all survive: none is cut
    assert verdict(chosen, silent) == NOT_REPRODUCED


def test_a_foreign_teacher_is_noticed():
    """Students compared with the teacher of another seed: no node and no path of theirs."""

    def foreign(result: Result) -> Result:
        return replace(result, config=replace(result.config, teacher_seed=result.config.teacher_seed + 50))

    results = altered(foreign)
    for quantity in ("teacher_nodes_found", "path_distance_to_null"):
        assert verdict(part(quantity), results) == NOT_REPRODUCED


def test_a_teacher_of_another_size_is_noticed():
    config = replace(
        configurations("laptop")["grid/spectral/40"], teacher_hidden=8, teachers=3, epochs=500, patterns=5_000
    )
    scores = compute(config, record_at=(), scores_at=()).history.scores[-1]
    experiment = Experiment("grid/spectral/40", "grid", "student_hidden", "spectral", config)
    results = Results([experiment], lambda _: replace(stored, config=config, scores=scores))
    stored = altered()[altered().named("grid/spectral/40")]
    measured = measure(replace(part("effective_size"), widths=(40,)), results, LEVEL)
    assert measured.high < 18
    assert part("effective_size").judge(measured) == NOT_REPRODUCED


def test_other_presets_decide_nothing():
    judged = claims.ledger("smoke")
    assert {entry.verdict for entry in judged} == {claims.NOT_TESTABLE}


def test_results_that_are_not_there_decide_nothing(tmp_path):
    judged = claims.ledger(store=Store(tmp_path, tmp_path), bench=tmp_path / "none.json")
    assert {entry.verdict for entry in judged} == {claims.MISSING}
    assert not list(tmp_path.iterdir()), "something was trained"


def test_the_ledger_can_be_applied():
    """Every quantity, student and bound exists; see `spectral.book.claims.read_claims` for what it refuses."""
    found, settings = claims.read_claims()
    assert len({claim.id for claim in found}) == len(found) >= 16
    assert all(claim.statement.endswith(".") and claim.parts for claim in found)
    assert settings["level"] == LEVEL


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
        ({"quantity": "exponent", "family": "theachers"}, "unknown entry of exponent in claim x: 'student'"),
        ({"width": 40, "wdith": 40}, "unknown entry of effective_size in claim x: 'wdith'; did you mean 'width'"),
    ],
)
def test_a_wrong_ledger_is_refused(tmp_path, change, message):
    good = {"quantity": "effective_size", "student": "spectral", "reproduced": [1, 3], "partly": [0, 4]}
    if change.get("quantity", "effective_size") == "effective_size":
        good["score"] = "incoming"
    ledger = {
        "interval": {"level": 0.95},
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
    verdict = rule.judge(measured)
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
    """What decides, claim by claim: everything but wording, and but how intervals are made."""
    ledger = yaml.safe_load(text)
    common = {name: value for name, value in ledger.items() if name not in ("claims", "interval")}
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
    revisions = git("log", "--format=%H", "--reverse", "--", "book/claims.yaml").split()
    # A ledger of another form is in the history, whose runs are not complete: its claims have tests instead of parts.
    return [one for one in revisions if "    parts:" in git("show", f"{one}:book/claims.yaml")]


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


def test_changed_intervals_say_so(history):
    """They are part of all rules: as they were at first, or the ledger says why not."""
    first, now = (
        yaml.safe_load(text)["interval"]
        for text in (git("show", f"{history[0]}:book/claims.yaml"), claims.LEDGER.read_text())
    )
    why = now.pop("changed", "")
    assert (now != first) == bool(why)
    assert now["level"] == first["level"]


def test_the_rules_were_there_before_the_runs(history):
    for path in COMMITTED.committed.glob("*.json"):
        run_from = COMMITTED.provenance(path.stem)["git"]
        subprocess.run(["git", "-C", str(REPOSITORY), "merge-base", "--is-ancestor", history[0], run_from], check=True)
