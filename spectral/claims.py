"""The ledger: what the paper claims, what was measured, and the verdict by a rule that was written down before.

``book/claims.yaml`` holds claims, quantities and rules, and explains how a rule is read; `spectral.quantities` measures
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from spectral.experiment import ConfigError, unknown_name
from spectral.quantities import (
    BENCH,
    CHOICES,
    NOT_REPRODUCED,
    PARTLY,
    QUANTITIES,
    REPRODUCED,
    Bounds,
    Part,
    Reader,
    measure,
)
from spectral.scaling import Interval
from spectral.store import REPOSITORY, Store

LEDGER = REPOSITORY / "book" / "claims.yaml"

NOT_TESTABLE, MISSING = "not testable at this preset", "not computed yet"


@dataclass(frozen=True)
class Claim:
    """A statement and the parts that it is judged by."""

    id: str
    statement: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Judged:
    """A claim with what was measured: an interval for each part (None where runs are missing), and the verdict."""

    claim: Claim
    measured: tuple[Interval | None, ...]
    verdicts: tuple[str, ...]
    verdict: str


def judge(verdicts: Sequence[str]) -> str:
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
    parts = []
    for part in entry["parts"]:
        _check(part, entry["id"])
        widths = part.get("widths", [part["width"]] if "width" in part else ledger["widths"])
        inner, outer = (_bounds(part[name], entry["id"]) for name in ("reproduced", "partly"))
        if not (outer[0] <= inner[0] and inner[1] <= outer[1]):
            raise ConfigError(f"claim {entry['id']}: partly {outer} must be the wider of the two bounds, not {inner}")
        if QUANTITIES[part["quantity"]].single and len(widths) != 1:
            raise ConfigError(f"claim {entry['id']}: {part['quantity']} is measured at one width, not at {widths}")
        choice = {name: part[name] for name in CHOICES if name in part}
        parts.append(Part(part["quantity"], inner, outer, tuple(widths), choice, part.get("meaning", "")))
    return Claim(entry["id"], entry["statement"], tuple(parts))


def _check(part: dict[str, Any], claim: str) -> None:
    """That a part names a quantity there is, and chooses what that needs, of what can be chosen."""
    if part["quantity"] not in QUANTITIES:
        raise unknown_name(f"quantity of claim {claim}:", part["quantity"], QUANTITIES)
    needs = QUANTITIES[part["quantity"]].needs
    allowed = {"quantity", "meaning", "reproduced", "partly", "width", "widths", *needs}
    for name in part.keys() - allowed:
        raise unknown_name(f"entry of {part['quantity']} in claim {claim}:", name, allowed)
    for name in needs:
        if part.get(name) not in CHOICES[name]:
            raise ConfigError(
                f"claim {claim}: {name} of {part['quantity']} must be one of {', '.join(CHOICES[name])}; "
                f"got {part.get(name)!r}"
            )


def _bounds(pair: Sequence[float | None], name: str) -> Bounds:
    low, high = pair
    bounds = (-np.inf if low is None else float(low), np.inf if high is None else float(high))
    if not bounds[0] < bounds[1]:
        raise ConfigError(f"claim {name}: bounds must be two numbers in order, or null; got {list(pair)}")
    return bounds


def ledger(
    preset: str = "paper", *, store: Store | None = None, path: Path = LEDGER, bench: Path = BENCH
) -> list[Judged]:
    """All claims, judged by the stored runs of a preset.

    Raises
    ------
    ConfigError
        If the ledger or the preset is wrong.
    """
    claims, settings = read_claims(path)
    reader = Reader(preset, store or Store.default(), bench)
    judged = []
    for claim in claims:
        if preset != "paper":
            measured: list[Interval | None] = [None] * len(claim.parts)
            verdicts = [NOT_TESTABLE] * len(claim.parts)
        else:
            measured = [measure(part, reader, settings) for part in claim.parts]
            verdicts = [
                MISSING if m is None else part.verdict(m) for part, m in zip(claim.parts, measured, strict=True)
            ]
        judged.append(Judged(claim, tuple(measured), tuple(verdicts), judge(verdicts)))
    return judged
