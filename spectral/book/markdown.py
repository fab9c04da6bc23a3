"""What the book shows as text: tables, and the boxes and rows of the ledger."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from spectral.book.claims import NOT_REPRODUCED, PARTLY, REPRODUCED

_INTERVAL = re.compile(r"\[([-+\d.e,·⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+), ([-+\d.e,·⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)\]")
"""An interval, which no line of a table should break within."""

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

MARKS = {REPRODUCED: "✔", PARTLY: "◐", NOT_REPRODUCED: "✘"}
"""What stands beside a verdict, so that it is told by more than its words."""


def table(header: Sequence[str], *rows: Sequence[object]) -> Any:
    """A Markdown table of a few rows; everything is written as `str` writes it, and intervals are kept whole."""
    from IPython.display import Markdown

    lines = [header, ["---"] * len(header), *rows]
    text = "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
    return Markdown(_INTERVAL.sub("[\\1,\u00a0\\2]", text))


def boxes(entries: Sequence[Mapping[str, Any]]) -> Any:
    """A box for each of some entries of `spectral.book.claims.announcement`."""
    from IPython.display import Markdown

    return Markdown("\n\n".join(map(_box, entries)))


def at_a_glance(entries: Sequence[Mapping[str, Any]]) -> Any:
    """A table with a row for each of some entries of `spectral.book.claims.announcement`, and a link to its chapter."""
    rows = [
        (
            entry["statement"],
            "<br>".join(measured_text(part) for part in entry["parts"]),
            marked(entry["verdict"]),
            f"{{doc}}`{entry['chapter'].partition('-')[0].lstrip('0')} </book/{entry['chapter']}>`",
        )
        for entry in entries
    ]
    return table(("claim", "measured", "verdict", "chapter"), *rows)


def _box(entry: Mapping[str, Any]) -> str:
    lines = [
        f":::{{admonition}} {marked(entry['verdict'])}",
        f":class: verdict {entry['verdict'].split()[0]}",
        f"*{entry['statement']}*",
        "",
    ]
    for part in entry["parts"]:
        mark = f" {part['verdict'].capitalize()}." if len(entry["parts"]) > 1 else ""
        found = f"**{measured_text(part)}**, {part['sample']}" if part["measured"] else "Not measured yet"
        lines.append(f"- {part['meaning']} {found}. Rule: {rule(part)}.{mark}")
    if entry["changed"]:
        lines.append(f"- The rule was changed: {entry['changed']}")
    return "\n".join(
        [*lines, "", f"Claim `{entry['id']}`, judged at preset `paper`; {{doc}}`all claims </book/claims>`.", ":::"]
    )


def measured_text(part: Mapping[str, Any]) -> str:
    """What was measured of a part of an announced claim: value and 95 % interval.

    In three digits, or as many as it takes to tell the ends of the interval from the rule's bounds.
    """
    if part["measured"] is None:
        return "–"
    bounds = [bound for name in ("reproduced", "partly") for bound in part[name] if bound is not None]
    digits = 3
    while digits < 6 and any(
        end != bound and _number(end, digits) == _number(bound, digits)
        for end in part["measured"][1:]
        for bound in bounds
    ):
        digits += 1
    value, low, high = (_number(x, digits) for x in part["measured"])
    return f"{value} [{low}, {high}]"


def rule(part: Mapping[str, Any]) -> str:
    """The bounds of a part of an announced claim in words."""
    return f"reproduced if {_within(part['reproduced'])}, partly if {_within(part['partly'])}"


def marked(verdict: str) -> str:
    """A verdict with its mark."""
    return f"{MARKS.get(verdict, '–')} {verdict}"


def _within(bounds: Sequence[float | None]) -> str:
    low, high = bounds
    if low is None or high is None:
        return f"at most {high:g}" if low is None else f"at least {low:g}"
    return f"within [{low:g}, {high:g}]"


def _number(value: float, digits: int = 3) -> str:
    """So many digits; one less and a power of ten for what is small."""
    if value == 0 or abs(value) >= 0.01:
        return f"{value:#.{digits}g}".rstrip(".")
    mantissa, power = f"{value:.{digits - 2}e}".split("e")
    return f"{mantissa}·10{str(int(power)).translate(_RAISED)}"
