"""The ledger: what the paper claims, what was measured, and the verdict by a rule that was written down before.

``book/claims.yaml`` holds claims, quantities and rules, and explains how a rule is read; `spectral.book.quantities`
and `spectral.book.transition` measure them. ``book/verdicts.json`` holds what was last announced: the book shows that,
and a test measures everything again and fails if a value or a verdict has changed without being announced.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import spectral.book.transition  # noqa: F401  its quantities are registered by importing it
from spectral.bench.tables import STORED as BENCH
from spectral.bench.tables import load
from spectral.book.quantities import QUANTITIES
from spectral.lab.collection import MissingResult, Results
from spectral.lab.config import ConfigError, unknown_name
from spectral.lab.files import REPOSITORY, read_entries, write_atomically
from spectral.lab.presets import experiments
from spectral.lab.store import Store
from spectral.stats.intervals import Interval

LEDGER, ANNOUNCED = REPOSITORY / "book" / "claims.yaml", REPOSITORY / "book" / "verdicts.json"

RELATIVE, ABSOLUTE = 1e-3, 1e-6
"""By how much a value may differ from the announced one: what another processor rounds differently."""

REPRODUCED, PARTLY, NOT_REPRODUCED = "reproduced", "partly reproduced", "not reproduced"
NOT_TESTABLE, MISSING = "not testable at this preset", "not computed yet"

CLAIM_ENTRIES = ("id", "statement", "chapter", "parts", "changed")


Bounds = tuple[float, float]


@dataclass(frozen=True)
class Part:
    """One quantity of a claim, its bounds, and what else the ledger says of it."""

    quantity: str
    reproduced: Bounds
    partly: Bounds
    widths: tuple[int, ...]
    choice: Mapping[str, str]
    meaning: str

    def judge(self, measured: Interval) -> str:
        """The rule: where the whole interval lies."""
        if not np.isfinite([measured.value, measured.low, measured.high]).all():
            raise ValueError(f"{self.quantity} {dict(self.choice)} could not be measured: {measured}")
        for bounds, word in ((self.reproduced, REPRODUCED), (self.partly, PARTLY)):
            if bounds[0] <= measured.low and measured.high <= bounds[1]:
                return word
        return NOT_REPRODUCED


@dataclass(frozen=True)
class Claim:
    """A statement, the parts that it is judged by, its chapter, and why its rule was changed (else empty)."""

    id: str
    statement: str
    parts: tuple[Part, ...]
    chapter: str
    changed: str = ""


@dataclass(frozen=True)
class Judged:
    """A claim with what was measured: an interval for each part (None where runs are missing), and the verdict."""

    claim: Claim
    measured: tuple[Interval | None, ...]
    verdicts: tuple[str, ...]
    verdict: str


def overall(verdicts: Sequence[str]) -> str:
    """The verdict on a claim from those on its parts."""
    for word in (NOT_TESTABLE, MISSING, NOT_REPRODUCED):
        if word in verdicts:
            return word
    return REPRODUCED if all(verdict == REPRODUCED for verdict in verdicts) else PARTLY


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
    parts = tuple(_part(part, entry["id"], ledger["widths"]) for part in entry["parts"])
    return Claim(entry["id"], entry["statement"], parts, entry["chapter"], entry.get("changed", ""))


def _part(part: dict[str, Any], claim: str, usual: Sequence[int]) -> Part:
    """A part that names a quantity there is, and chooses what that needs, of what can be chosen."""
    name = part["quantity"]
    if name not in QUANTITIES:
        raise unknown_name(f"quantity of claim {claim}:", name, QUANTITIES)
    quantity = QUANTITIES[name]
    allowed = {"quantity", "meaning", "reproduced", "partly", *quantity.choices}
    allowed |= {"width", "widths"} if quantity.widths else set()
    for entry in part.keys() - allowed:
        raise unknown_name(f"entry of {name} in claim {claim}:", entry, allowed)
    for choice, values in quantity.choices.items():
        if part.get(choice) not in values:
            raise ConfigError(
                f"claim {claim}: {choice} of {name} must be one of {', '.join(values)}; got {part.get(choice)!r}"
            )
    widths = part.get("widths", [part["width"]] if "width" in part else usual if quantity.widths else [])
    if quantity.widths == "width" and len(widths) != 1:
        raise ConfigError(f"claim {claim}: {name} is measured at one width, not at {widths}")
    inner, outer = (_bounds(part[entry], claim) for entry in ("reproduced", "partly"))
    if not (outer[0] <= inner[0] and inner[1] <= outer[1]):
        raise ConfigError(f"claim {claim}: partly {outer} must be the wider of the two bounds, not {inner}")
    chosen = {choice: part[choice] for choice in quantity.choices}
    return Part(name, inner, outer, tuple(widths), chosen, part.get("meaning", ""))


def _bounds(pair: Sequence[float | None], name: str) -> Bounds:
    low, high = pair
    bounds = (-np.inf if low is None else float(low), np.inf if high is None else float(high))
    if not bounds[0] < bounds[1]:
        raise ConfigError(f"claim {name}: bounds must be two numbers in order, or null; got {list(pair)}")
    return bounds


def measure(part: Part, results: Results, level: float, bench: Path = BENCH) -> Interval | None:
    """A part's quantity with its interval; None if the results that it needs are not there."""
    quantity = QUANTITIES[part.quantity]
    needs: dict[str, Any] = dict(part.choice)
    if quantity.widths:
        needs[quantity.widths] = part.widths[0] if quantity.widths == "width" else part.widths
    try:
        if quantity.source == "bench" and not bench.exists():
            raise MissingResult(bench.name)
        measured = quantity.measure(load(bench) if quantity.source == "bench" else results, **needs)
    except MissingResult:
        return None
    return measured if isinstance(measured, Interval) else measured.interval(level)


def ledger(
    preset: str = "paper", *, store: Store | None = None, path: Path = LEDGER, bench: Path = BENCH
) -> list[Judged]:
    """All claims, judged by the stored results of a preset.

    Raises
    ------
    ConfigError
        If the ledger or the preset is wrong.
    """
    claims, settings = read_claims(path)
    results = Results.stored(experiments(preset), store or Store.default())
    judged = []
    for claim in claims:
        if preset != "paper":
            measured: list[Interval | None] = [None] * len(claim.parts)
            verdicts = [NOT_TESTABLE] * len(claim.parts)
        else:
            measured = [measure(part, results, settings["level"], bench) for part in claim.parts]
            pairs = zip(claim.parts, measured, strict=True)
            verdicts = [MISSING if found is None else part.judge(found) for part, found in pairs]
        judged.append(Judged(claim, tuple(measured), tuple(verdicts), overall(verdicts)))
    return judged


def announcement(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """The ledger as plain values, for JSON: what every claim says, how it was measured and judged."""
    return [
        {
            "id": entry.claim.id,
            "statement": entry.claim.statement,
            "chapter": entry.claim.chapter,
            "changed": entry.claim.changed,
            "verdict": entry.verdict,
            "parts": [
                {
                    "quantity": part.quantity,
                    "meaning": part.meaning,
                    "choice": dict(part.choice),
                    "widths": list(part.widths),
                    "reproduced": _finite(part.reproduced),
                    "partly": _finite(part.partly),
                    "measured": None if m is None else _finite((m.value, m.low, m.high)),
                    "sample": "" if m is None else m.sample,
                    "verdict": verdict,
                }
                for part, m, verdict in zip(entry.claim.parts, entry.measured, entry.verdicts, strict=True)
            ],
        }
        for entry in judged
    ]


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
    keys = {"id", "statement", "verdict", "parts"}
    advice = "write them again with: python -m spectral claims --announce"
    return read_entries(path, "the announced verdicts", "claim", lambda entry: keys <= entry.keys(), advice)


def unannounced(judged: Sequence[Judged], entries: Sequence[dict[str, Any]]) -> list[str]:
    """In what the ledger as measured now differs from what was announced, in words; empty if in nothing."""
    now, then = ({entry["id"]: entry for entry in side} for side in (announcement(judged), entries))
    differences = [f"{name}: announced, but no longer a claim" for name in then.keys() - now.keys()]
    for name, entry in now.items():
        if name not in then:
            differences.append(f"{name}: not announced")
            continue
        old = then[name]
        if entry["verdict"] != old["verdict"]:
            differences.append(f"{name}: {entry['verdict']}; announced as {old['verdict']}")
        texts, old_texts = (_without_values(side) for side in (entry, old))
        if texts != old_texts:
            differences.append(f"{name}: its statement, rule or sample is not the announced one")
            continue
        for part, old_part in zip(entry["parts"], old["parts"], strict=True):
            values, old_values = (np.array(side["measured"] or np.nan, float) for side in (part, old_part))
            if not np.allclose(values, old_values, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True):
                differences.append(
                    f"{name}: {part['quantity']} is {part['measured']}; announced as {old_part['measured']}"
                )
    return differences


def _without_values(entry: dict[str, Any]) -> dict[str, Any]:
    """A claim without what rounding may change, and without the verdicts, which are compared for themselves."""
    parts = [{k: v for k, v in part.items() if k not in ("measured", "verdict")} for part in entry["parts"]]
    return {k: v for k, v in entry.items() if k != "verdict"} | {"parts": parts}
