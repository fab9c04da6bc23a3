"""The ledger as JUnit XML, which continuous integration reads: a suite for each claim, a case for each of its tests.

A claim of the paper that does not hold is a result, and no failure. What fails is a case whose measurement is not the
announced one any more, and a last case of every suite, ``verdict``, if the claim's verdict, statement or rule is not.
Skipped is what cannot be judged: its runs are not there, or the preset decides nothing. Values, intervals and verdicts
stand in a case's properties, the words in its output.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any

from spectral.book.claims import MISSING, NOT_TESTABLE, Difference, Judged, announcement, differences
from spectral.book.markdown import measured_text, rule

SKIPPED = {
    MISSING: "its runs are not there; see: python -m spectral status",
    NOT_TESTABLE: "claims are judged at preset paper",
}
"""Verdicts that are none, and what a skipped case says of them."""


def junit(judged: Sequence[Judged], entries: Sequence[dict[str, Any]]) -> bytes:
    """The ledger as measured now, held against what was announced, as an XML document."""
    differing: dict[str, list[Difference]] = {}
    for difference in differences(judged, entries):
        differing.setdefault(difference.claim, []).append(difference)
    root = ET.Element("testsuites", name="claims")
    for entry in announcement(judged):
        suite = ET.SubElement(root, "testsuite", name=entry["id"])
        names = ("of", "chapter", "statement", "verdict")
        _properties(suite, {name: entry[name] for name in names} | {"limits": "; ".join(entry["limits"])})
        told = differing.pop(entry["id"], [])
        for number, test in enumerate(entry["tests"]):
            name = " ".join([str(number + 1), test["quantity"], *test["choice"].values()])
            failed = [difference.text for difference in told if difference.test == number]
            _case(suite, name, test["verdict"], failed, _numbers(test), _text(test))
        failed = [difference.text for difference in told if difference.test is None]
        _case(suite, "verdict", entry["verdict"], failed, {}, entry["takeaway"])
    for claim, told in differing.items():
        suite = ET.SubElement(root, "testsuite", name=claim)
        _case(suite, "verdict", "", [difference.text for difference in told], {}, "")
    for suite in root:
        _count(suite, [suite])
    _count(root, list(root))
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _case(
    suite: ET.Element, name: str, verdict: str, failed: Sequence[str], numbers: Mapping[str, Any], text: str
) -> None:
    """A case: skipped, else failed if anything differs."""
    case = ET.SubElement(suite, "testcase", classname=f"claims.{suite.get('name')}", name=name, time="0")
    _properties(case, {"verdict": verdict, **numbers})
    if verdict in SKIPPED:
        ET.SubElement(case, "skipped", message=SKIPPED[verdict])
    elif failed:
        ET.SubElement(case, "failure", type="unannounced", message=failed[0]).text = "\n".join(failed)
    if text:
        ET.SubElement(case, "system-out").text = text


def _numbers(test: Mapping[str, Any]) -> dict[str, Any]:
    """What a program may want to plot: a number, the ends of its interval, the bounds; of cells how many hold."""
    low, high = test["holds"]
    numbers = {"unit": test["unit"], "sample": test["sample"], "holds from": low, "holds to": high}
    if test["cells"]:
        return numbers | {word: test["words"].count(word) for word in sorted(set(test["words"]))}
    value, below, above = test["measured"] or (None, None, None)
    return numbers | {"value": value, "low": below, "high": above}


def _text(test: Mapping[str, Any]) -> str:
    """What was asked and measured, and of several cells a line for each."""
    lines = [f"{test['meaning']} {measured_text(test)}; {test['against']}. Asked: {rule(test)}. {test['verdict']}."]
    for cell, word, three in zip(test["cells"], test["words"], test["measured"] or [], strict=False):
        value, low, high = three
        lines.append(f"{cell}: {value:.4g} [{low:.4g}, {high:.4g}] {word}")
    return "\n".join(lines)


def _properties(element: ET.Element, values: Mapping[str, Any]) -> None:
    properties = ET.SubElement(element, "properties")
    for name, value in values.items():
        if value is not None and value != "":
            ET.SubElement(properties, "property", name=name, value=str(value))


def _count(element: ET.Element, suites: Sequence[ET.Element]) -> None:
    """How many cases there are, failed and skipped."""
    counts = {"tests": "testcase", "failures": "testcase/failure", "skipped": "testcase/skipped"}
    for name, path in counts.items():
        element.set(name, str(sum(len(suite.findall(path)) for suite in suites)))
    element.set("errors", "0")
    element.set("time", "0")
