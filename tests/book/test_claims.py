"""The ledger: its rules by hand, what it refuses, what has to be announced, and that the rules were there first.

That a planted fault moves the verdict of every test is in `test_planted_faults`.
"""

import json
import subprocess
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import yaml

from spectral import ConfigError
from spectral.book import claims
from spectral.book.claims import (
    CONFIRMED,
    CONFIRMED_WITHIN,
    HOLDS,
    MISSING,
    NOT,
    NOT_TESTABLE,
    OURS,
    REFUTED,
    UNDECIDED,
    WITHIN,
    WORDING,
    Claim,
    Judged,
    Outcome,
    Test,
    judge,
    limits,
    outcome,
    overall,
    tally,
    verdict,
)
from spectral.book.quantities import QUANTITIES, Counted, Measured
from spectral.lab.collection import MissingResult, Results
from spectral.lab.files import REPOSITORY
from spectral.lab.presets import PEERS_SEED, TOGETHER_SEED, WHY_SEED, experiments
from spectral.lab.results import run
from spectral.lab.store import Store
from spectral.measures import effective_size
from spectral.stats.intervals import Interval, Refused, by_teacher, jackknife

LEVEL, ALL = 0.95, np.inf
COMMITTED = Store(REPOSITORY / "book" / "results", REPOSITORY / "nowhere")
NOTHING = Results([], lambda experiment: pytest.fail("nothing is read"))


@dataclass
class Found:
    """Evidence of known intervals: the same at every level, or of normal errors if they are given."""

    value: list[float] | float
    low: list[float] | float | None = None
    high: list[float] | float | None = None
    error: list[float] | float | None = None

    def __post_init__(self):
        self.levels = []
        self.cells = tuple(f"cell {index}" for index in range(np.size(self.value))) if np.ndim(self.value) else ()

    def interval(self, level=LEVEL):
        self.levels.append(level)
        if self.error is None:
            value, low, high = (np.asarray(part, float) for part in (self.value, self.low, self.high))
            return Interval(value[()], low[()], high[()], "30 × 1")
        value, half = np.asarray(self.value, float), scipy.stats.norm.ppf(0.5 + level / 2) * np.asarray(self.error)
        return Interval(value[()], (value - half)[()], (value + half)[()], "30 × 1")


def rule(low: float = -ALL, high: float = ALL, limit: str = "") -> Test:
    return Test("effective_size", (low, high), (40,), {}, limit)


@pytest.mark.parametrize(
    ("bounds", "interval", "expected"),
    [
        ((16, 25), (20, 17, 23), HOLDS),
        ((16, 25), (20, 16, 25), HOLDS),  # a bound belongs to what holds
        ((16, 25), (20, 15.9, 23), UNDECIDED),
        ((16, 25), (20, 17, 25.1), UNDECIDED),
        ((16, 25), (20, 0, 100), UNDECIDED),
        ((16, 25), (26, 25, 27), UNDECIDED),  # one point in common
        ((16, 25), (27, 25.1, 29), NOT),
        ((16, 25), (5, 4, 6), NOT),
        ((-ALL, 1.1), (1.03, 0.9, 1.1), HOLDS),
        ((-ALL, 1.1), (1.03, 0.9, 1.2), UNDECIDED),
        ((-ALL, 1.1), (1.3, 1.2, 1.4), NOT),
        ((4, ALL), (360, 350, 370), HOLDS),
        ((4, ALL), (3, 2, 3.9), NOT),
    ],
)
def test_a_single_number_by_hand(bounds, interval, expected):
    evidence = Found(*interval)
    found = judge(rule(*bounds), evidence, LEVEL)
    assert found == Outcome(expected, Interval(*interval))
    assert found.sample == "30 × 1"
    assert evidence.levels == [pytest.approx(LEVEL)] * len(evidence.levels), "one number needs no correction"


@pytest.mark.parametrize(
    ("value", "error", "words", "expected"),
    [
        # 97.5 % of a normal error are 2.24 of it, 95 % are 1.96: the second cell is shown once the first one is
        ([0, 0], [0.4, 0.5], [HOLDS, HOLDS], HOLDS),
        ([0, 0], [0.48, 0.5], [UNDECIDED, UNDECIDED], UNDECIDED),  # each alone would hold
        ([0, 0], [0.4, 0.52], [HOLDS, UNDECIDED], WITHIN),
        ([0, 9], [0.4, 1.0], [HOLDS, NOT], WITHIN),
        ([9, 0], [1.0, 0.6], [NOT, UNDECIDED], NOT),
        ([3.2, 3.2], [1.0, 1.0], [UNDECIDED, UNDECIDED], UNDECIDED),  # each alone would fail
        ([9, 3.2], [1.0, 1.0], [NOT, NOT], NOT),
        ([9, 0, 0], [1.0, 0.4, 0.4], [NOT, HOLDS, HOLDS], WITHIN),  # 2.39 of three
    ],
)
def test_several_cells_are_judged_together(value, error, words, expected):
    found = judge(rule(-1, 1), Found(value, error=error), LEVEL)
    assert (found.verdict, list(found.words)) == (expected, words)
    assert found.cells == tuple(f"cell {index}" for index in range(len(value)))
    half = 1.96 * np.array(error)
    np.testing.assert_allclose(found.measured.high - found.measured.value, half, rtol=1e-4)  # shown without correction


def test_one_cell_is_a_cell():
    found = judge(rule(-1, 1), Found([0.0], [-0.5], [0.5]), LEVEL)
    assert (found.verdict, found.cells, found.words) == (HOLDS, ("cell 0",), (HOLDS,))


def test_the_level_is_the_ledgers():
    evidence = Found([0, 0], error=[0.3, 0.3])
    judge(rule(-1, 1), evidence, 0.9)
    assert set(np.round(evidence.levels, 12)) == {0.9, 0.95}  # of two cells each has half of what may be missed
    assert judge(rule(-1, 1), Found(0.0, error=0.45), 0.95).verdict == HOLDS
    assert judge(rule(-1, 1), Found(0.0, error=0.45), 0.99).verdict == UNDECIDED


def test_what_is_counted_is_certain():
    assert judge(rule(high=1.1), Counted(1.05), LEVEL) == Outcome(HOLDS, Interval(1.05, 1.05, 1.05))
    assert judge(rule(high=1.0), Counted(1.05), LEVEL).verdict == NOT


@pytest.mark.parametrize(
    "evidence",
    [
        Found(np.nan, 0.0, 1.0),
        Found(1.0, np.nan, 1.0),
        Found(1.0, 0.9, np.inf),
        Found([1.0, np.nan], [0.9, 0.9], [1.1, 1.1]),
        Measured(np.array([[1.0], [np.nan], [1.0]])),
    ],
)
def test_what_could_not_be_measured_is_an_error(evidence):
    with pytest.raises(ValueError, match=r"effective_size \{\} could not be measured"):
        judge(rule(0, 2), evidence, LEVEL)


@pytest.mark.parametrize(
    ("core", "beyond", "expected"),
    [
        ([HOLDS, HOLDS], [], HOLDS),
        ([HOLDS], [HOLDS, HOLDS], HOLDS),
        ([HOLDS, UNDECIDED], [], UNDECIDED),
        ([WITHIN, UNDECIDED], [HOLDS], UNDECIDED),
        ([UNDECIDED, NOT], [HOLDS], NOT),
        ([HOLDS, NOT, WITHIN], [], NOT),
        ([HOLDS, WITHIN], [], WITHIN),
        ([HOLDS], [NOT], WITHIN),
        ([HOLDS], [HOLDS, UNDECIDED], WITHIN),
        ([HOLDS], [WITHIN], WITHIN),
        ([WITHIN], [NOT], WITHIN),
        ([UNDECIDED], [NOT], UNDECIDED),
        ([HOLDS, MISSING], [], MISSING),
        ([NOT], [MISSING], MISSING),  # what is not there may say something else
    ],
)
def test_a_claim_stands_and_falls_by_its_tests_without_limit(core, beyond, expected):
    tests = [rule()] * len(core) + [rule(limit="elsewhere")] * len(beyond)
    outcomes = [Outcome(word) for word in (*core, *beyond)]
    assert overall(tests, outcomes) == expected
    turned = list(zip(tests, outcomes, strict=True))[::-1]
    assert overall(*zip(*turned, strict=True)) == expected, "the order of tests decides"


def test_limits_are_the_tests_that_do_not_hold_everywhere():
    some = Outcome(WITHIN, cells=("a", "b", "c"), words=(HOLDS, NOT, HOLDS))
    tests = [rule(), rule(), rule(limit="at every width"), rule(limit="by the product"), rule(limit="with noise")]
    outcomes = [Outcome(HOLDS), some, some, Outcome(NOT), Outcome(UNDECIDED)]
    assert limits(tests, outcomes) == (
        "holds in 2 of 3 cells",
        "at every width: holds in 2 of 3 cells",
        "by the product: does not hold",
        "with noise: undecided",
    )
    assert limits(tests, [Outcome(HOLDS)] * 5) == ()


def claim(of: str = "paper", *tests: Test, **entries) -> Claim:
    return Claim("size", of, "It is.", tests or (rule(16, 25),), "05-size", **entries)


@pytest.mark.parametrize(
    ("words", "paper", "ours"),
    [
        ([HOLDS, HOLDS], HOLDS, CONFIRMED),
        ([HOLDS, NOT], WITHIN, CONFIRMED_WITHIN),
        ([NOT, HOLDS], NOT, REFUTED),
        ([UNDECIDED, NOT], UNDECIDED, UNDECIDED),
        ([MISSING, NOT], MISSING, MISSING),
    ],
)
def test_what_we_add_has_words_of_its_own(words, paper, ours):
    """And only what holds within limits says which."""
    outcomes = [Outcome(word) for word in words]
    for of, expected in (("paper", paper), ("ours", ours)):
        found = verdict(claim(of, rule(), rule(limit="elsewhere")), outcomes)
        assert found.verdict == expected
        assert found.limits == (("elsewhere: does not hold",) if paper == WITHIN else ())
    assert {HOLDS, WITHIN, NOT} == OURS.keys()


def test_a_tally_counts_in_the_order_of_the_words():
    words = {"paper": [NOT, HOLDS, HOLDS, UNDECIDED], "ours": [REFUTED, CONFIRMED_WITHIN, REFUTED]}
    found = tally([{"of": of, "verdict": word} for of in words for word in words[of]])
    assert [list(found[of].items()) for of in ("paper", "ours")] == [
        [(HOLDS, 2), (UNDECIDED, 1), (NOT, 1)],
        [(CONFIRMED_WITHIN, 1), (REFUTED, 2)],
    ]
    assert tally([]) == {"paper": {}, "ours": {}}


def test_an_outcome_says_why_there_is_no_number(monkeypatch):
    """A result that is not there; results that do not support what is asked, in the measure or in its interval.

    Two teachers have no interval; nor has a size that is not above zero, on the logarithmic scale.
    """

    def becomes(found):
        def measure(results, widths, **choice):
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setitem(QUANTITIES, "effective_size", replace(QUANTITIES["effective_size"], measure=measure))
        return outcome(rule(0, 2), NOTHING, LEVEL)

    assert becomes(MissingResult("not there")) == Outcome(MISSING)
    for refused in (Refused("too few sizes"), Measured(np.ones((2, 1))), Measured(-np.ones((4, 1)), log=True)):
        assert becomes(refused) == Outcome(UNDECIDED)


def test_other_presets_decide_nothing(tmp_path):
    judged = claims.ledger("smoke", store=Store(tmp_path, tmp_path))
    assert {entry.verdict for entry in judged} == {NOT_TESTABLE}
    assert {each.verdict for entry in judged for each in entry.outcomes} <= {NOT_TESTABLE, MISSING}
    with pytest.raises(ConfigError, match="unknown preset 'papr'; did you mean 'paper'"):
        claims.ledger("papr")


@pytest.fixture
def little(tmp_path, monkeypatch) -> Path:
    """A ledger of four tests, and of preset laptop two widths of the main grid and none of other designs.

    They are the paper's: committed results stand in for those of a laptop.
    """
    there = [one for one in experiments("paper") if one.name in ("grid/spectral/40", "grid/spectral/60")]
    absent = [one for one in experiments("paper") if one.name == "grid/matched/60"]
    monkeypatch.setattr(claims, "experiments", lambda preset: [*there, *absent])
    has = Store.has
    monkeypatch.setattr(Store, "has", lambda self, name: name != absent[0].config.hash() and has(self, name))
    size = {"quantity": "effective_size", "student": "spectral", "score": "incoming", "holds": [16, 25]}
    tests = [
        size | {"widths": [60, 200]},
        size | {"widths": [500, 1000]},
        size | {"widths": [60], "student": "matched"},
        {"quantity": "gap_gain", "of": "b = 0", "over": "direct", "holds": [0, None]},
        {"quantity": "parameter_ratio", "width": 200, "holds": [None, 2]},
    ]
    claim = {"id": "size", "of": "paper", "statement": "It is.", "chapter": "05-size", "tests": tests}
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump({"claims": [claim], "interval": {"level": 0.9}, "widths": [40]}))
    return path


def test_other_presets_are_measured_at_the_widths_that_they_have(little):
    (judged,) = claims.ledger("laptop", store=COMMITTED, path=little)
    both, own, absent, foreign, one = judged.outcomes
    assert [test.widths for test in judged.claim.tests] == [(60,), (40, 60), (60,), (), (60,)]
    assert {outcome.verdict for outcome in (both, own, foreign, one)} == {judged.verdict} == {NOT_TESTABLE}
    result = run(claims.experiments("laptop")[1].config, store=COMMITTED)
    expected = jackknife(by_teacher(effective_size(result.scores), 30), level=0.9)
    assert (both.measured.value, both.measured.low) == (pytest.approx(expected.value), pytest.approx(expected.low))
    assert own.measured.value != both.measured.value
    assert absent == Outcome(MISSING)
    assert foreign == Outcome(NOT_TESTABLE), "no experiment has it"
    json.dumps(claims.announcement([judged]), allow_nan=False)


@pytest.mark.parametrize(
    ("evidence", "value"),
    [
        (Measured(np.ones((2, 1))), 1.0),
        (Measured(np.ones((2, 1, 3)), cells=("a", "b", "c")), [1.0, 1.0, 1.0]),
        (Measured(np.full((4, 1), np.nan)), None),
        (Counted(3.0), 3.0),
    ],
)
def test_of_too_few_teachers_there_is_a_number_without_an_interval(monkeypatch, little, evidence, value):
    quantity = replace(QUANTITIES["gap_gain"], measure=lambda results, **choice: evidence)
    monkeypatch.setitem(QUANTITIES, "gap_gain", quantity)
    (judged,) = claims.ledger("laptop", store=COMMITTED, path=little)
    told = claims.announcement([judged])[0]["tests"][3]
    if value is None or evidence.cells:
        assert told["measured"] == (value if value is None else [[one, None, None] for one in value])
    else:
        assert told["measured"] == [value] + [None if isinstance(evidence, Measured) else value] * 2


def test_results_that_are_not_there_decide_nothing(tmp_path):
    """What is counted asks for none."""
    judged = claims.ledger(store=Store(tmp_path, tmp_path), bench=tmp_path / "none.json")
    assert {entry.verdict for entry in judged} == {MISSING}
    there = [
        test.quantity
        for entry in judged
        for test, found in zip(entry.claim.tests, entry.outcomes, strict=True)
        if found.verdict != MISSING
    ]
    assert there == ["parameter_ratio", "multiplication_ratio"]
    assert not list(tmp_path.iterdir()), "something was trained"


def test_the_ledger_can_be_applied():
    """Every quantity, choice and bound exists; see `spectral.book.claims.read_claims` for what it refuses."""
    found, settings = claims.read_claims()
    assert len({claim.id for claim in found}) == len(found) == 29
    assert [claim.of for claim in found] == ["paper"] * 11 + ["ours"] * 18
    assert settings == {"level": LEVEL}
    for one in found:
        assert one.statement.endswith(".")
        assert (REPOSITORY / "book" / f"{one.chapter}.ipynb").exists()
        assert all(test.meaning.endswith(".") and test.against for test in one.tests)
    widths = {test.widths for one in found for test in one.tests if QUANTITIES[test.quantity].widths == "widths"}
    assert widths == {(40, 60, 100, 200, 500, 1000), (100, 200, 500, 1000), (60, 200, 500)}
    for design, used in (("grid", set().union(*widths)), ("together", {60, 200, 500})):
        assert used <= {one.config.student_hidden for one in experiments("paper") if one.design == design}


GOOD = {"quantity": "effective_size", "student": "spectral", "score": "incoming", "holds": [1, 3]}


def written(path, test=None, **entries) -> None:
    """A ledger of one claim as a file."""
    entry = {"id": "x", "of": "paper", "statement": "y.", "chapter": "05-size", "tests": [test or GOOD]} | entries
    path.write_text(yaml.safe_dump({"interval": {"level": 0.95}, "widths": [40, 60], "claims": [entry]}))


def test_a_claim_is_read_as_it_is_written(tmp_path):
    """Widths are the usual ones, unless a test has its own; what has no bound has none."""
    path = tmp_path / "claims.yaml"
    written(path, GOOD | {"meaning": "m.", "unit": "nodes", "against": "20", "holds": [None, 3]}, changed="why")
    (found,), settings = claims.read_claims(path)
    test = Test("effective_size", (-ALL, 3.0), (40, 60), {"student": "spectral", "score": "incoming"})
    assert found == Claim(
        "x", "paper", "y.", (replace(test, meaning="m.", unit="nodes", against="20"),), "05-size", changed="why"
    )
    assert settings == {"level": 0.95}
    for entry, widths in (({"width": 100}, (100,)), ({"widths": [5, 7]}, (5, 7))):
        written(path, GOOD | entry)
        assert claims.read_claims(path)[0][0].tests[0].widths == widths
    written(path, {"quantity": "critical_ratio", "family": "tasks", "holds": [0.9, 1.1]})
    assert claims.read_claims(path)[0][0].tests[0].widths == ()


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ({"quantity": "efective_size"}, "unknown quantity of claim x: 'efective_size'; did you mean 'effective_size'"),
        ({"student": "spectrl"}, "claim x: student of effective_size must be one of spectral, .*; got 'spectrl'"),
        ({"score": "outgoing"}, "claim x: score of effective_size must be one of incoming, product; got 'outgoing'"),
        ({"order": "random"}, "unknown entry of effective_size in claim x: 'order'"),
        ({"width": 40, "wdith": 40}, "unknown entry of effective_size in claim x: 'wdith'; did you mean 'width'"),
        ({"partly": [0, 4]}, "unknown entry of effective_size in claim x: 'partly'"),
        ({"holds": [3, 1]}, r"claim x: bounds must be two numbers in order, or null; got \[3, 1\]"),
        ({"holds": [3, 3]}, r"claim x: bounds must be two numbers in order, or null; got \[3, 3\]"),
        ({"holds": "yes"}, "is not a ledger of claims: ValueError"),
        ({"holds": None}, "is not a ledger of claims: TypeError"),
        ({"limit": "at every width"}, "claim x: a test without `limit` is needed, by which it stands and falls"),
        ({"quantity": "path_ratio", "to": "unpruned"}, "unknown entry of path_ratio in claim x: '(student|score)'"),
    ],
)
def test_a_wrong_test_is_refused(tmp_path, test, message):
    path = tmp_path / "claims.yaml"
    written(path, GOOD | test)
    with pytest.raises(ConfigError, match=message):
        claims.read_claims(path)


def test_what_is_measured_at_one_width_has_one(tmp_path):
    path, test = tmp_path / "claims.yaml", {"quantity": "path_ratio", "to": "unpruned", "holds": [None, 0.5]}
    written(path, test)
    with pytest.raises(ConfigError, match=r"claim x: path_ratio is measured at one width, not at \[40, 60\]"):
        claims.read_claims(path)
    written(path, test | {"width": 200})
    assert claims.read_claims(path)[0][0].tests[0].widths == (200,)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"takeway": "t"}, "unknown entry of claim x: 'takeway'; did you mean 'takeaway'"),
        ({"parts": []}, "unknown entry of claim x: 'parts'"),
        ({"of": "theirs"}, "claim x must be of the paper or ours; got of: 'theirs'"),
        ({"tests": []}, "claim x: a test without `limit` is needed"),
        ({"tests": None}, "is not a ledger of claims"),
    ],
)
def test_a_wrong_claim_is_refused(tmp_path, entries, message):
    path = tmp_path / "claims.yaml"
    written(path, **entries)
    with pytest.raises(ConfigError, match=message):
        claims.read_claims(path)


@pytest.mark.parametrize("text", ["claims: [", "[]", "claims: []", None])
def test_what_is_no_ledger_is_refused(tmp_path, text):
    path = tmp_path / "claims.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match="is not a ledger of claims"):
        claims.read_claims(path)


def made(value: float = 22.0, bounds=(16, 25), **entries) -> Judged:
    """A claim as if it had been measured."""
    one = claim("paper", rule(*bounds), **entries)
    return verdict(one, [judge(one.tests[0], Counted(value), LEVEL)])


def celled(*values: float) -> Judged:
    """A claim of several cells."""
    one = claim("ours", rule(16, 25), rule(16, ALL, "elsewhere"))
    evidence = Found(list(values), list(values), list(values))
    return verdict(one, [judge(test, evidence, LEVEL) for test in one.tests])


def test_what_changes_has_to_be_announced(tmp_path):
    """Rounding passes; another value, verdict, rule or claim does not."""
    path = tmp_path / "verdicts.json"
    claims.announce([made()], path)
    entries = claims.announced(path)
    assert claims.unannounced([made()], entries) == claims.unannounced([made(22.001)], entries) == []
    assert claims.unannounced([made(22.5)], entries) == [
        "size: effective_size is [22.5, 22.5, 22.5]; announced as [22.0, 22.0, 22.0]"
    ]
    assert claims.unannounced([made(30.0)], entries)[0] == "size: does not hold; announced as holds"
    other = ["size: its statement, rule or sample is not the announced one"]
    assert claims.unannounced([made(bounds=(16, 26))], entries) == other
    assert claims.unannounced([made(changed="it was wrong")], entries) == other
    assert claims.unannounced([made(takeaway="that")], entries) == other
    assert claims.unannounced([], entries) == ["size: announced, but no longer a claim"]
    assert claims.unannounced([made()], []) == ["size: not announced"]


def test_cells_are_announced_with_their_words(tmp_path):
    path = tmp_path / "verdicts.json"
    claims.announce([celled(20, 30, 20)], path)
    (entry,) = entries = claims.announced(path)
    assert entry["of"] == "ours"
    assert (entry["verdict"], entry["limits"]) == (CONFIRMED_WITHIN, ["holds in 2 of 3 cells"])
    first, second = entry["tests"]
    assert first["cells"] == ["cell 0", "cell 1", "cell 2"]
    assert first["words"] == [HOLDS, NOT, HOLDS]
    assert first["measured"] == [[20.0] * 3, [30.0] * 3, [20.0] * 3]
    assert (first["holds"], second["holds"], second["limit"]) == ([16.0, 25.0], [16.0, None], "elsewhere")
    assert (first["verdict"], second["verdict"], first["sample"]) == (WITHIN, HOLDS, "30 × 1")
    assert claims.unannounced([celled(20, 30.01, 20)], entries) == []
    assert claims.unannounced([celled(20, 30, 30)], entries) == [
        "size: effective_size has other cells in which it holds",
        *[f"size: effective_size is {[[20.0] * 3, [30.0] * 3, [30.0] * 3]}; announced as {first['measured']}"] * 2,
    ]


def test_what_could_not_be_decided_is_announced_without_a_number(tmp_path):
    one = claim()
    nothing = verdict(one, [Outcome(UNDECIDED)])
    claims.announce([nothing], tmp_path / "verdicts.json")
    entries = claims.announced(tmp_path / "verdicts.json")
    assert (entries[0]["tests"][0]["measured"], entries[0]["tests"][0]["sample"]) == (None, "")
    assert claims.unannounced([nothing], entries) == []
    assert "size: holds; announced as undecided" in claims.unannounced([made()], entries)


def test_an_announcement_is_json_of_all_claims():
    """Also where there is no number: no NaN, no infinity."""
    judged = claims.ledger("smoke")
    text = json.dumps(claims.announcement(judged), allow_nan=False)
    assert [entry["id"] for entry in json.loads(text)] == [entry.claim.id for entry in judged]


def test_what_decides_nothing_is_not_announced(tmp_path):
    path = tmp_path / "verdicts.json"
    with pytest.raises(ConfigError, match="nothing to announce: claims are judged at preset paper"):
        claims.announce([replace(made(), verdict=NOT_TESTABLE)], path)
    assert not path.exists()


@pytest.mark.parametrize("text", [None, "{", "[1]", '[{"id": "size"}]', '[{"id": "x", "statement": "", "parts": []}]'])
def test_damaged_announcements_are_refused(tmp_path, text):
    path = tmp_path / "verdicts.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=r"cannot be read .* write them again with: python -m spectral claims"):
        claims.announced(path)


def git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(REPOSITORY), *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def read(text: str) -> dict:
    """Sooner than by YAML's own Python, where there is a library."""
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def rules(text: str) -> dict[str, tuple]:
    """What decides, claim by claim: everything but wording."""
    ledger = read(text)
    common = {name: value for name, value in ledger.items() if name != "claims"}
    found = {}
    for claim in ledger["claims"]:
        tests = [{name: value for name, value in test.items() if name not in WORDING} for test in claim["tests"]]
        found[claim["id"]] = claim["of"], tests, common
    return found


@pytest.fixture(scope="module")
def history() -> dict[str, str]:
    """The revisions of the ledger in its present form, whose claims have tests, and what they say, oldest first.

    An earlier ledger had another form, and was in force once more while the runs of this one were under way.
    """
    try:
        shallow = git("rev-parse", "--is-shallow-repository").strip() == "true"
    except (OSError, subprocess.CalledProcessError):
        shallow = True
    if shallow:
        pytest.skip("the history of the rules is not here: this is not a full clone")
    revisions = git("log", "--format=%H", "--reverse", "--", "book/claims.yaml").split()
    texts = {revision: git("show", f"{revision}:book/claims.yaml") for revision in revisions}
    return {name: text for name, text in texts.items() if all("tests" in one for one in read(text)["claims"])}


def test_a_changed_rule_says_so(history):
    """Every claim is judged by the rule with which it first appeared, or says why not."""
    first: dict[str, tuple] = {}
    for text in history.values():
        first = rules(text) | first
    now = rules(claims.LEDGER.read_text())
    changed = {claim.id for claim in claims.read_claims()[0] if claim.changed}
    assert {name for name, rule in now.items() if rule != first.get(name, rule)} == changed
    assert first.keys() <= now.keys(), "a claim was dropped"


def test_a_rule_is_all_but_wording():
    """A bound, a limit, a choice, a width, whose claim it is or the level make another rule; words do not."""
    text = claims.LEDGER.read_text()
    then = rules(text)

    def differ(change) -> set[str]:
        ledger = read(text)
        change(ledger, {claim["id"]: claim for claim in ledger["claims"]})
        now = rules(yaml.safe_dump(ledger))
        return {name for name in now if now[name] != then[name]}

    def words(ledger, by_id):
        for claim in ledger["claims"]:
            claim |= {"statement": "So.", "takeaway": "It is.", "chapter": "01-teacher", "changed": "why"}
            claim["tests"] = [test | dict.fromkeys(WORDING, "in other words") for test in claim["tests"]]

    assert differ(words) == set()
    assert differ(lambda ledger, by_id: by_id["size"].update(of="ours")) == {"size"}
    assert differ(lambda ledger, by_id: by_id["size"]["tests"].reverse()) == {"size"}
    for entry, value in (("holds", [0, 1]), ("limit", "anywhere"), ("student", "lasso"), ("widths", [10])):
        changed = {entry: value}
        assert differ(lambda ledger, by_id, changed=changed: by_id["error"]["tests"][0].update(changed)) == {"error"}
    assert differ(lambda ledger, by_id: ledger["interval"].update(level=0.9)) == then.keys()
    assert differ(lambda ledger, by_id: ledger["widths"].remove(40)) == then.keys()


LATER = {WHY_SEED: "13-mechanism", TOGETHER_SEED: "14-together", PEERS_SEED: "15-peers"}
"""Base seeds of the runs of chapters whose claims came later."""


def test_the_rules_were_there_before_the_runs(history):
    """By the history of the code that every committed run was made with, and by the clock."""
    rules_of: dict[int, str] = {}
    for seed, chapter in LATER.items():
        needed = {claim.id for claim in claims.read_claims()[0] if claim.chapter == chapter}
        assert needed
        rules_of[seed] = next(name for name, text in history.items() if needed <= rules(text).keys())
    made_with = set()
    for path in COMMITTED.committed.glob("*.json"):
        provenance = COMMITTED.provenance(path.stem)
        first = rules_of.get(provenance["config"].get("seed"), next(iter(history)))
        since = datetime.fromtimestamp(int(git("show", "--no-patch", "--format=%ct", first)), UTC)
        end = datetime.strptime(provenance["date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        assert end - timedelta(seconds=provenance["seconds"]) >= since, path.stem
        made_with.add((first, provenance["git"]))
    assert len({first for first, _ in made_with}) == 1 + len(LATER)
    for first, revision in made_with:
        subprocess.run(["git", "-C", str(REPOSITORY), "merge-base", "--is-ancestor", first, revision], check=True)
