"""The ledger as JUnit XML: what fails is what was not announced, and nothing else."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from spectral.__main__ import main
from spectral.book import claims
from spectral.book.claims import HOLDS, MISSING, NOT, Claim, Judged, Outcome, Test, announcement, verdict
from spectral.book.junit import junit
from spectral.stats.intervals import Interval

SIZE = Test("effective_size", (16, 25), (40, 60), {"student": "spectral"}, meaning="Survivors.", unit="nodes")
BEYOND = Test("nodes_ratios", (0.8, 1.25), limit="elsewhere", meaning="Survivors.", unit="times", against="1 is equal")


def judged(value: float = 30.0, word: str = NOT, beyond: str = HOLDS, name: str = "size") -> Judged:
    """A claim with a number, and cells."""
    claim = Claim(name, "paper", "They have <one> size.", (SIZE, BEYOND), "05-size", takeaway="They do not.")
    cells = np.array([1.0, 2.0])
    words = (HOLDS, beyond)
    outcomes = [
        Outcome(word, Interval(value, value - 1, value + 1, "30 × 1")),
        Outcome(HOLDS if beyond == HOLDS else claims.WITHIN, Interval(cells, cells, cells), ("a", "b"), words),
    ]
    return verdict(claim, outcomes)


def suites(now: list[Judged], then: list[Judged]) -> dict[str, ET.Element]:
    """The document's suites by name; its counts are right."""
    root = ET.fromstring(junit(now, announcement(then)))
    for element in (root, *root):
        counts = {"tests": "testcase", "failures": "failure", "skipped": "skipped"}
        assert all(int(element.get(name)) == len(list(element.iter(tag))) for name, tag in counts.items())
    return {suite.get("name"): suite for suite in root}


def failing(suite: ET.Element) -> dict[str, str]:
    """What failed cases say, by their names."""
    return {
        case.get("name"): case.findtext("failure")
        for case in suite.iter("testcase")
        if case.find("failure") is not None
    }


def properties(element: ET.Element) -> dict[str, str]:
    return {entry.get("name"): entry.get("value") for entry in element.findall("properties/property")}


def test_a_refuted_claim_that_was_announced_passes():
    suite = suites([judged()], [judged()])["size"]
    assert properties(suite)["verdict"] == NOT
    assert properties(suite)["statement"] == "They have <one> size."
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert list(cases) == ["1 effective_size spectral", "2 nodes_ratios", "verdict"]
    assert failing(suite) == {}
    first, second, _ = map(properties, cases.values())
    told = {name: first[name] for name in ("verdict", "value", "low", "high", "holds from", "holds to", "unit")}
    assert list(told.values()) == [NOT, "30.0", "29.0", "31.0", "16.0", "25.0", "nodes"]
    assert (second["verdict"], second[HOLDS]) == (HOLDS, "2")
    assert "30.0 nodes [29.0, 31.0]" in cases["1 effective_size spectral"].find("system-out").text
    assert cases["2 nodes_ratios"].find("system-out").text.splitlines()[1:] == [
        "a: 1 [1, 1] holds",
        "b: 2 [2, 2] holds",
    ]


def test_what_was_not_announced_fails_where_it_is():
    assert failing(suites([judged(31.0)], [judged()])["size"]) == {
        "1 effective_size spectral": "effective_size is [31.0, 30.0, 32.0]; announced as [30.0, 29.0, 31.0]"
    }
    assert failing(suites([judged(20.0, HOLDS)], [judged()])["size"]) == {
        "1 effective_size spectral": "effective_size is [20.0, 19.0, 21.0]; announced as [30.0, 29.0, 31.0]",
        "verdict": "holds; announced as does not hold",
    }
    assert failing(suites([judged(beyond=NOT)], [judged()])["size"]) == {
        "2 nodes_ratios": "nodes_ratios has other cells in which it holds"
    }
    found = suites([judged(name="new")], [judged(name="old")])
    assert failing(found["new"]) == {"verdict": "not announced"}
    assert failing(found["old"]) == {"verdict": "announced, but no longer a claim"}


def test_what_cannot_be_judged_is_skipped():
    there = judged()
    missing = verdict(there.claim, [Outcome(MISSING), Outcome(MISSING)])
    suite = suites([missing], [there])["size"]
    assert failing(suite) == {}
    assert {skipped.get("message") for skipped in suite.iter("skipped")} == {
        "its runs are not there; see: python -m spectral status"
    }
    assert len(list(suite.iter("skipped"))) == 3


def test_the_command_writes_it(monkeypatch, tmp_path, capsys):
    """Its exit code is as ever, of missing runs; a folder that is not there is told of before any work."""
    assert main(["claims", "--preset", "smoke", "--json", "--junit", str(tmp_path / "ledger.xml")]) == 1
    root = ET.parse(tmp_path / "ledger.xml").getroot()
    assert root.get("failures") == "0"
    assert root.get("skipped") == root.get("tests")
    assert len(root) == len(claims.announced())
    monkeypatch.setattr("spectral.__main__.ledger", lambda _: pytest.fail("it worked"))
    assert main(["claims", "--junit", str(tmp_path / "nowhere" / "ledger.xml")]) == 2
    assert "--junit names a file in" in capsys.readouterr().err
