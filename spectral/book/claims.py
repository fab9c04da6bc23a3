"""The ledger: what the paper claims and what we add, what was measured, and the verdict by rules written down before.

``book/claims.yaml`` holds claims, tests and rules, and explains how a rule is read; `spectral.book.quantities` and
`spectral.book.transition` measure. ``book/verdicts.json`` holds what was last announced: the book shows that, and a
check measures everything again and fails if a value or a verdict has changed without being announced.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import spectral.book.asked
import spectral.book.mechanism
import spectral.book.peers
import spectral.book.transition  # noqa: F401  their quantities are registered by importing them
from spectral.bench.tables import STORED as BENCH
from spectral.bench.tables import load
from spectral.book.quantities import QUANTITIES, Evidence
from spectral.lab.collection import MissingResult, NotComputed, Results
from spectral.lab.config import ConfigError, unknown_name
from spectral.lab.files import kept, read_entries, write_atomically
from spectral.lab.presets import experiments
from spectral.lab.store import Store
from spectral.stats.decide import Bounds, holm, inside, outside
from spectral.stats.intervals import Interval, Refused

LEDGER, ANNOUNCED = kept("claims.yaml"), kept("verdicts.json")

RELATIVE, ABSOLUTE = 1e-3, 1e-6
"""By how much a value may differ from the announced one: what another processor rounds differently."""

HOLDS, WITHIN, NOT, UNDECIDED = "holds", "holds within limits", "does not hold", "undecided"
CONFIRMED, CONFIRMED_WITHIN, REFUTED = "confirmed", "confirmed within limits", "refuted"
NOT_TESTABLE, MISSING = "not testable at this preset", "not computed yet"

OURS = {HOLDS: CONFIRMED, WITHIN: CONFIRMED_WITHIN, NOT: REFUTED}
"""Verdicts on what we add, by those on what the paper claims; the others have the same words."""

WORDING = {"meaning", "unit", "against"}
"""Entries of a test that say what is measured, in words."""

CLAIM_ENTRIES = ("id", "of", "statement", "takeaway", "chapter", "tests", "changed")


@dataclass(frozen=True)
class Test:
    """One quantity of a claim, the bounds within which the claim holds, and what the ledger says of it.

    `limit` names what is asked beyond the setting of the claim, and is empty for what the claim stands and falls by.
    """

    quantity: str
    holds: Bounds
    widths: tuple[int, ...] = ()
    choice: Mapping[str, str] = field(default_factory=dict)
    limit: str = ""
    meaning: str = ""
    unit: str = ""
    against: str = ""

    __test__ = False  # pytest


@dataclass(frozen=True)
class Claim:
    """A statement, whose it is ("paper" or "ours"), its tests, its chapter, and what a reader should take away.

    `changed` says why its rule was changed, and is empty if it was not.
    """

    id: str
    of: str
    statement: str
    tests: tuple[Test, ...]
    chapter: str
    takeaway: str = ""
    changed: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of a test.

    Attributes
    ----------
    verdict:
        `HOLDS`, `WITHIN` (in some cells), `NOT`, `UNDECIDED` or `MISSING`.
    measured:
        The number with its interval, or those of all cells; None if there is none.
    cells, words:
        Names of the cells, and the verdict in each; empty where there is a single number.
    """

    verdict: str
    measured: Interval | None = None
    cells: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def sample(self) -> str:
        """In words what the measurement rests on."""
        return "" if self.measured is None else self.measured.sample


@dataclass(frozen=True)
class Judged:
    """A claim with the outcomes of its tests, the verdict, and where it ends, one line for each limit."""

    claim: Claim
    outcomes: tuple[Outcome, ...]
    verdict: str
    limits: tuple[str, ...] = ()


def judge(test: Test, evidence: Evidence, level: float) -> Outcome:
    """The rule: where intervals lie, and of several cells in how many; see ``book/claims.yaml``.

    Raises
    ------
    ValueError
        If a number could not be measured.
    """
    measured = evidence.interval(level)
    values = np.array([measured.value, measured.low, measured.high], float)
    if not np.isfinite(values).all():
        raise ValueError(f"{test.quantity} {dict(test.choice)} could not be measured: {measured.value}")
    holds = holm(evidence.interval, lambda each: inside(each, test.holds), level)
    fails = holm(evidence.interval, lambda each: outside(each, test.holds), level)
    words = tuple(HOLDS if yes else NOT if no else UNDECIDED for yes, no in zip(holds, fails, strict=True))
    if holds.all():
        verdict = HOLDS
    elif holds.any():
        verdict = WITHIN
    else:
        verdict = NOT if fails.any() else UNDECIDED
    if not evidence.cells:
        return Outcome(verdict, measured)
    return Outcome(verdict, measured, evidence.cells, words)


def overall(tests: Sequence[Test], outcomes: Sequence[Outcome]) -> str:
    """The verdict on a claim of the paper from the outcomes of its tests."""
    every = [outcome.verdict for outcome in outcomes]
    core = [outcome.verdict for test, outcome in zip(tests, outcomes, strict=True) if not test.limit]
    for word, among in ((MISSING, every), (NOT, core), (UNDECIDED, core)):
        if word in among:
            return word
    return HOLDS if set(every) == {HOLDS} else WITHIN


def limits(tests: Sequence[Test], outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Where a claim ends, in words: the tests that do not hold everywhere."""
    lines = []
    for test, outcome in zip(tests, outcomes, strict=True):
        where = f"{test.limit}: " if test.limit else ""
        if outcome.verdict == WITHIN:
            lines.append(f"{where}holds in {outcome.words.count(HOLDS)} of {len(outcome.words)} cells")
        elif test.limit and outcome.verdict in (NOT, UNDECIDED):
            lines.append(f"{where}{outcome.verdict}")
    return tuple(lines)


def read_claims(path: Path = LEDGER) -> tuple[list[Claim], dict[str, Any]]:
    """The claims, and the settings of their intervals.

    Raises
    ------
    ConfigError
        If the file is not a ledger, or names a quantity, a student or bounds that make no sense.
    """
    try:
        ledger = yaml.safe_load(path.read_text(encoding="utf-8"))
        return [_claim(entry, ledger) for entry in ledger["claims"]], ledger["interval"]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path} is not a ledger of claims: {type(error).__name__}: {error}") from None


def _claim(entry: dict[str, Any], ledger: dict[str, Any]) -> Claim:
    for name in entry.keys() - CLAIM_ENTRIES:
        raise unknown_name(f"entry of claim {entry['id']}:", name, CLAIM_ENTRIES)
    if entry["of"] not in ("paper", "ours"):
        raise ConfigError(f"claim {entry['id']} must be of the paper or ours; got of: {entry['of']!r}")
    tests = tuple(_test(test, entry["id"], ledger["widths"]) for test in entry["tests"])
    if all(test.limit for test in tests):
        raise ConfigError(f"claim {entry['id']}: a test without `limit` is needed, by which it stands and falls")
    texts = {name: entry.get(name, "") for name in ("takeaway", "changed")}
    return Claim(entry["id"], entry["of"], entry["statement"], tests, entry["chapter"], **texts)


def _test(test: dict[str, Any], claim: str, usual: Sequence[int]) -> Test:
    """A test that names a quantity there is, and chooses what that needs, of what can be chosen."""
    name = test["quantity"]
    if name not in QUANTITIES:
        raise unknown_name(f"quantity of claim {claim}:", name, QUANTITIES)
    quantity = QUANTITIES[name]
    allowed = {"quantity", "holds", "limit", *WORDING, *quantity.choices}
    allowed |= {"width", "widths"} if quantity.widths else set()
    for entry in test.keys() - allowed:
        raise unknown_name(f"entry of {name} in claim {claim}:", entry, allowed)
    for choice, values in quantity.choices.items():
        if test.get(choice) not in values:
            raise ConfigError(
                f"claim {claim}: {choice} of {name} must be one of {', '.join(values)}; got {test.get(choice)!r}"
            )
    widths = test.get("widths", [test["width"]] if "width" in test else usual if quantity.widths else [])
    if quantity.widths == "width" and len(widths) != 1:
        raise ConfigError(f"claim {claim}: {name} is measured at one width, not at {widths}")
    chosen = {choice: test[choice] for choice in quantity.choices}
    words = {entry: test.get(entry, "") for entry in ("limit", *WORDING)}
    return Test(name, _bounds(test["holds"], claim), tuple(widths), chosen, **words)


def _bounds(pair: Sequence[float | None], name: str) -> Bounds:
    low, high = pair
    bounds = (-np.inf if low is None else float(low), np.inf if high is None else float(high))
    if not bounds[0] < bounds[1]:
        raise ConfigError(f"claim {name}: bounds must be two numbers in order, or null; got {list(pair)}")
    return bounds


def measure(test: Test, results: Results, bench: Path = BENCH) -> Evidence:
    """A test's quantity.

    Raises
    ------
    MissingResult
        If a result that it needs is not there.
    Refused
        If the results do not support the quantity.
    """
    quantity = QUANTITIES[test.quantity]
    needs: dict[str, Any] = dict(test.choice)
    if quantity.widths:
        needs[quantity.widths] = test.widths[0] if quantity.widths == "width" else test.widths
    if quantity.source == "bench" and not bench.exists():
        raise MissingResult(bench.name)
    return quantity.measure(load(bench) if quantity.source == "bench" else results, **needs)


def outcome(test: Test, results: Results, level: float, bench: Path = BENCH) -> Outcome:
    """A test, measured and judged; errors as in `judge`."""
    try:
        return judge(test, measure(test, results, bench), level)
    except MissingResult:
        return Outcome(MISSING)
    except Refused:
        return Outcome(UNDECIDED)


def verdict(claim: Claim, outcomes: Sequence[Outcome]) -> Judged:
    """A claim with what came of its tests."""
    word = overall(claim.tests, outcomes)
    ends = limits(claim.tests, outcomes) if word == WITHIN else ()
    return Judged(claim, tuple(outcomes), OURS.get(word, word) if claim.of == "ours" else word, ends)


def ledger(
    preset: str = "paper", *, store: Store | None = None, path: Path = LEDGER, bench: Path = BENCH
) -> list[Judged]:
    """All claims, judged by the stored results of preset "paper"; of another, measured and not judged.

    Raises
    ------
    ConfigError
        If the ledger or the preset is wrong.
    """
    claims, settings = read_claims(path)
    results = Results.stored(experiments(preset), store or Store.default())
    if preset != "paper":
        return [_unjudged(claim, results, settings["level"], bench) for claim in claims]
    return [
        verdict(claim, [outcome(test, results, settings["level"], bench) for test in claim.tests]) for claim in claims
    ]


def _unjudged(claim: Claim, results: Results, level: float, bench: Path) -> Judged:
    """A claim with what its tests measure at a preset that decides nothing, and at which widths."""
    found = [_measured_only(test, results, level, bench) for test in claim.tests]
    return Judged(replace(claim, tests=tuple(test for test, _ in found)), tuple(one for _, one in found), NOT_TESTABLE)


def _measured_only(test: Test, results: Results, level: float, bench: Path) -> tuple[Test, Outcome]:
    """A test at the widths asked that the preset has, or else at its own; no number where it has too little."""
    quantity, tests = QUANTITIES[test.quantity], [test]
    if test.widths and quantity.source == "results":
        designs = [{one.config.student_hidden for one in results.select(design=name)} for name in ("grid", "together")]
        asked = [tuple(sorted(there.intersection(test.widths) or there)) for there in designs]
        tests = [replace(test, widths=widths[-1:] if quantity.widths == "width" else widths) for widths in asked]
    for one in tests:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # of a scatter where too few are there to have one
                evidence = measure(one, results, bench)
                return one, Outcome(NOT_TESTABLE, _known(evidence, level), evidence.cells)
        except NotComputed:
            return one, Outcome(MISSING)
        except (MissingResult, Refused, ValueError):
            continue
    return test, Outcome(NOT_TESTABLE)


def _known(evidence: Evidence, level: float) -> Interval | None:
    """The number with its interval, or alone where there are too few units for one; None if it is no number."""
    try:
        found = evidence.interval(level)
    except Refused as error:
        value: Any = error.estimate
        if value is None or np.shape(value) != ((len(evidence.cells),) if evidence.cells else ()):
            return None
        found = Interval(value, np.full_like(value, np.nan, float), np.full_like(value, np.nan, float))
    return found if np.isfinite(np.asarray(found.value, float)).all() else None


def tally(entries: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """How many claims have which verdict, of the "paper" and of "ours", in the order of the words."""
    words = {"paper": (HOLDS, WITHIN, UNDECIDED, NOT), "ours": (CONFIRMED, CONFIRMED_WITHIN, UNDECIDED, REFUTED)}
    found = {of: [entry["verdict"] for entry in entries if entry["of"] == of] for of in words}
    return {of: {word: found[of].count(word) for word in words[of] if word in found[of]} for of in words}


def announcement(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """The ledger as plain values, for JSON: what every claim says, how it was measured and judged."""
    return [
        {
            "id": entry.claim.id,
            "of": entry.claim.of,
            "statement": entry.claim.statement,
            "takeaway": entry.claim.takeaway,
            "chapter": entry.claim.chapter,
            "changed": entry.claim.changed,
            "verdict": entry.verdict,
            "limits": list(entry.limits),
            "tests": [
                {
                    "quantity": test.quantity,
                    "meaning": test.meaning,
                    "unit": test.unit,
                    "against": test.against,
                    "limit": test.limit,
                    "choice": dict(test.choice),
                    "widths": list(test.widths),
                    "holds": _finite(test.holds),
                    "measured": _measured(found),
                    "cells": list(found.cells),
                    "words": list(found.words),
                    "sample": found.sample,
                    "verdict": found.verdict,
                }
                for test, found in zip(entry.claim.tests, entry.outcomes, strict=True)
            ],
        }
        for entry in judged
    ]


def _measured(found: Outcome) -> Any:
    """Value and interval, three numbers or three for each cell, null where there is no interval; None if no value."""
    if found.measured is None:
        return None
    numbers = np.stack([found.measured.value, found.measured.low, found.measured.high], -1).astype(object)
    numbers[~np.isfinite(numbers.astype(float))] = None
    return numbers.tolist()


def _finite(values: Sequence[float]) -> list[float | None]:
    """JSON knows no infinity: a bound that is not there is null."""
    return [float(value) if np.isfinite(value) else None for value in values]


def announce(judged: Sequence[Judged], path: Path = ANNOUNCED) -> None:
    """Write down the ledger for the book.

    Raises
    ------
    ConfigError
        If the ledger is that of a preset that decides nothing.
    """
    if any(entry.verdict == NOT_TESTABLE for entry in judged):
        raise ConfigError("there is nothing to announce: claims are judged at preset paper")
    write_atomically(path, (json.dumps(announcement(judged), indent=1, ensure_ascii=False) + "\n").encode())


def announced(path: Path = ANNOUNCED) -> list[dict[str, Any]]:
    """What was last announced, as `announcement` makes it.

    Raises
    ------
    ConfigError
        If the file is missing or damaged.
    """
    keys = {"id", "statement", "verdict", "tests"}
    advice = "write them again with: python -m spectral claims --announce"
    return read_entries(path, "the announced verdicts", "claim", lambda entry: keys <= entry.keys(), advice)


@dataclass(frozen=True)
class Difference:
    """Between what is measured now and what was announced.

    Attributes
    ----------
    claim:
        Of which claim.
    text:
        In words.
    test:
        Of which of its tests, from 0; None if it is of the claim.
    """

    claim: str
    text: str
    test: int | None = None


def unannounced(judged: Sequence[Judged], entries: Sequence[dict[str, Any]]) -> list[str]:
    """In what the ledger as measured now differs from what was announced, in words; empty if in nothing."""
    return [f"{difference.claim}: {difference.text}" for difference in differences(judged, entries)]


def differences(judged: Sequence[Judged], entries: Sequence[dict[str, Any]]) -> list[Difference]:
    """As `unannounced`, each for itself."""
    now, then = ({entry["id"]: entry for entry in side} for side in (announcement(judged), entries))
    found = [Difference(name, "announced, but no longer a claim") for name in then if name not in now]
    for name, entry in now.items():
        if name not in then:
            found.append(Difference(name, "not announced"))
            continue
        old = then[name]
        if entry["verdict"] != old["verdict"]:
            found.append(Difference(name, f"{entry['verdict']}; announced as {old['verdict']}"))
        texts, old_texts = (_without_values(side) for side in (entry, old))
        if texts != old_texts:
            found.append(Difference(name, "its statement, rule or sample is not the announced one"))
            continue
        for number, (test, old_test) in enumerate(zip(entry["tests"], old["tests"], strict=True)):
            if test["words"] != old_test["words"]:
                text = f"{test['quantity']} has other cells in which it holds"
                found.append(Difference(name, text, number))
            values, old_values = (np.array(side["measured"] or np.nan, float) for side in (test, old_test))
            if not np.allclose(values, old_values, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True):
                text = f"{test['quantity']} is {test['measured']}; announced as {old_test['measured']}"
                found.append(Difference(name, text, number))
    return found


def _without_values(entry: dict[str, Any]) -> dict[str, Any]:
    """A claim without what rounding may change, and without the verdicts, which are compared for themselves."""
    left_out = ("measured", "verdict", "words")
    tests = [{k: v for k, v in test.items() if k not in left_out} for test in entry["tests"]]
    return {k: v for k, v in entry.items() if k not in ("verdict", "limits")} | {"tests": tests}
