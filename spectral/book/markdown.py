"""What the book shows as text: tables, and the boxes and rows of the ledger."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from spectral.book.claims import CONFIRMED, CONFIRMED_WITHIN, HOLDS, NOT, REFUTED, UNDECIDED, WITHIN, tally

_INTERVAL = re.compile(r"\[([-+\d.e,·⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+), ([-+\d.e,·⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)\]")
"""An interval, which no line of a table should break within."""

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

MARKS = {HOLDS: "✔", WITHIN: "◐", NOT: "✘", UNDECIDED: "?", CONFIRMED: "✔", CONFIRMED_WITHIN: "◐", REFUTED: "✘"}
"""What stands beside a verdict, so that it is told by more than its words."""

KINDS = {HOLDS: "holds", CONFIRMED: "holds", NOT: "not", REFUTED: "not", UNDECIDED: "undecided"}
"""The classes of boxes, which colour them; within limits is the rest."""

NAMES = {
    "certificate_rank": "rank correlation of agreement and nodes found",
    "certified": "teachers found where students agree",
    "common_found": "teacher nodes that students have in common",
    "common_of_strangers": "nodes that students of different teachers have in common",
    "common_size": "nodes that students have in common",
    "control_ratio": "nodes needed",
    "critical_ratio": "nodes needed",
    "curve_distance": "loss beyond the teacher's",
    "curve_spread": "spread of the curves",
    "effective_size": "survivors",
    "gap": "gap in the spectrum",
    "gap_difference": "gap beyond the control's",
    "gap_gain": "gap beyond that of frozen eigenvalues",
    "gap_place": "nodes above the gap, less survivors",
    "jump_slope": "first step, against the teacher's size",
    "multiplication_ratio": "multiplications",
    "narrow_ratio": "nodes needed",
    "needed_difference": "nodes needed beyond the spectral student's",
    "needed_size": "nodes needed",
    "needed_slope": "nodes needed, against the width",
    "nodes_ratio": "survivors",
    "nodes_ratios": "survivors",
    "onset_difference": "nodes needed beyond the teacher's own",
    "open_path_distance": "distance of open paths from the teacher's",
    "parameter_ratio": "parameters",
    "partner_correlation": "correlation of strengths, node by node",
    "path_distance_to_null": "distance of paths from the teacher's",
    "path_ratio": "distance of paths from the teacher's",
    "peer_error": "test error",
    "peer_found": "teacher nodes found",
    "peer_nodes": "nodes taken",
    "pruning_cost": "cost of pruning",
    "size_slope": "survivors, against the width",
    "step_cost_ratio": "time of a step",
    "strength_ratio": "distance of strengths from the teacher's",
    "test_error_ratio": "test error",
    "transition_gain": "likelihood of a power law over an exponential",
}
"""What quantities of the ledger are called where a reader meets them; of others the name is one already."""

POWER = "of E[y²]"
"""A unit of errors that is too large for readers: they are told thousandths or millionths of it."""

MOST_CELLS = 8
"""Cells that a box names; of more it gives the number, and the page of all claims a table."""


def table(header: Sequence[str], *rows: Sequence[object]) -> Any:
    """A Markdown table of a few rows; everything is written as `str` writes it, and intervals are kept whole.

    Raises
    ------
    ValueError
        If a column has no name, which who hears the table read aloud needs.
    """
    from IPython.display import Markdown

    if not all(header):
        raise ValueError(f"every column of a table needs a name; got {list(header)}")

    lines = [header, ["---"] * len(header), *rows]
    text = "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
    return Markdown(_INTERVAL.sub("[\\1,\u00a0\\2]", text))


def boxes(entries: Sequence[Mapping[str, Any]]) -> Any:
    """A box for each of some entries of `spectral.book.claims.announcement`."""
    from IPython.display import Markdown

    return Markdown("\n\n".join(map(_box, entries)))


def rows(entries: Sequence[Mapping[str, Any]], chapters: str = "") -> str:
    """A row in Markdown for each of some entries of `spectral.book.claims.announcement`, for the first page.

    The claim with a link to its chapter below `chapters`, the verdict with its limits, and what was measured first.
    """
    lines = ["| what is claimed | verdict | measured |", "| --- | --- | --- |"]
    for entry in entries:
        number = entry["chapter"].partition("-")[0].lstrip("0")
        link = f"{{doc}}`chapter {number} <{chapters}{entry['chapter']}>`"
        verdict = "<br>".join([f"**{marked(entry['verdict'])}**", *entry["limits"]])
        lines.append(f"| {entry['statement']} ({link}) | {verdict} | {headline(entry)} |")
    return _INTERVAL.sub("[\\1,\u00a0\\2]", "\n".join(lines))


def headline(entry: Mapping[str, Any]) -> str:
    """What is most worth knowing of a claim: its first number with an interval, and what that is compared with."""
    own = [test for test in entry["tests"] if not test["limit"]] or entry["tests"]
    test = next(
        (test for test in own if test["cells"] or (test["measured"] and len(set(test["measured"])) > 1)), own[0]
    )
    return f"{named_text(test)}; {test['against']}"


def tally_text(entries: Sequence[Mapping[str, Any]], of: str) -> str:
    """How many of the claims "paper" or "ours" have which verdict, as in ``4 hold, 3 hold within limits``."""
    plural = {HOLDS: "hold", WITHIN: "hold within limits", NOT: "do not hold"}
    count = tally(entries)[of]
    return ", ".join(f"{number} {plural.get(word, word) if number != 1 else word}" for word, number in count.items())


def cells_table(test: Mapping[str, Any]) -> Any:
    """A table of all cells of a test: name, number with its 95 % interval, and the verdict in each."""
    test = readable(test)
    rows = zip(test["cells"], test["measured"], _words(test), strict=True)
    shown = [(name, _interval(found, test["holds"]), marked(word)) for name, found, word in rows]
    return table(("cell", test["unit"] or "measured", "verdict"), *shown)


def _box(entry: Mapping[str, Any]) -> str:
    """Claim, verdict and what to take away; folded, what was measured and asked."""
    lines = [
        f"::::{{admonition}} {marked(entry['verdict'])}",
        f":class: verdict {KINDS.get(entry['verdict'], 'within')}",
        f"*{entry['statement']}*",
        "",
        *([entry["takeaway"], ""] if entry["takeaway"] else []),
        f"**{headline(entry)}**",
        "",
    ]
    if entry["limits"]:
        lines += [f"Limits: {'; '.join(entry['limits'])}.", ""]
    lines.append(":::{dropdown} What was asked and measured")
    for test in entry["tests"]:
        asked = f"Beyond that, {test['limit']}: " if test["limit"] else ""
        sample = f" ({test['sample']})" if test["sample"] else ""
        lines.append(
            f"- {asked}{test['meaning']} **{measured_text(test)}**{sample}; {test['against']}. "
            f"Asked: {rule(test)}. {marked(test['verdict'])}.{_cells(test)}"
        )
    if entry["changed"]:
        lines.append(f"- The rule was changed: {entry['changed']}")
    whose = "Claim of the paper" if entry["of"] == "paper" else "Ours, beyond the paper"
    told = f"{whose}: `{entry['id']}`, judged at preset `paper`; {{doc}}`all claims </book/claims>`."
    return "\n".join([*lines, "", told, ":::", "::::"])


def _cells(test: Mapping[str, Any]) -> str:
    """In which cells a test does not hold, if these are few enough to be named."""
    lines, words = [], _words(test)
    for word, text in ((NOT, "It does not hold for"), (UNDECIDED, "Undecided for")):
        names = [name for name, found in zip(test["cells"], words, strict=True) if found == word]
        if 0 < len(names) <= MOST_CELLS:
            lines.append(f" {text}: {'; '.join(names)}.")
    return "".join(lines)


def _words(test: Mapping[str, Any]) -> list[str]:
    """The verdict in each cell; where none is judged, what is said of the whole test."""
    return test["words"] or [test["verdict"]] * len(test["cells"])


def measured_text(test: Mapping[str, Any]) -> str:
    """What was measured of a test of an announced claim: value, unit and 95 % interval; of cells in how many it holds.

    Numbers have three digits, or as many as it takes to tell the ends of the interval from the rule's bounds.
    """
    if test["measured"] is None:
        return "–"
    test = readable(test)
    unit = f" {test['unit']}" if test["unit"] else ""
    if not test["cells"]:
        return _interval(test["measured"], test["holds"], unit)
    values = [value for value, _, _ in test["measured"]]
    if len(values) == 1 and not test["words"]:
        return _interval(test["measured"][0], test["holds"], unit)
    ends = f"{_number(min(values))} to {_number(max(values))}{unit}"
    if not test["words"]:  # at a preset that decides nothing
        return f"{len(values)} cells; {ends}"
    return f"in {test['words'].count(HOLDS)} of {len(values)} cells; {ends}"


def named_text(test: Mapping[str, Any]) -> str:
    """`measured_text`, and of what: ``survivors: 23.4 nodes [22.5, 24.3]``."""
    return f"{NAMES.get(test['quantity'], test['quantity'].replace('_', ' '))}: {measured_text(test)}"


def readable(test: Mapping[str, Any]) -> Mapping[str, Any]:
    """A test with errors and their bounds in thousandths of E[y^2], as everywhere in the book, or in millionths."""
    if test["unit"] != POWER:
        return test
    measured = test["measured"] or []
    rows = measured if test["cells"] else [measured]
    largest = max((abs(x) for row in rows for x in row if x is not None), default=1.0)
    factor, unit = (1e6, "millionths") if largest < 1e-4 else (1e3, "thousandths")
    if measured:
        scaled = [[x if x is None else factor * x for x in row] for row in rows]
        measured = scaled if test["cells"] else scaled[0]
    bounds = [bound if bound is None else factor * bound for bound in test["holds"]]
    return {**test, "unit": f"{unit} {POWER}", "measured": measured or None, "holds": bounds}


def _interval(measured: Sequence[float | None], holds: Sequence[float | None], unit: str = "") -> str:
    """``23.4 nodes [22.5, 24.3]``; the number alone if it has no interval."""
    bounds = [bound for bound in holds if bound is not None]
    digits = 3
    while digits < 6 and any(
        end is not None and end != bound and _number(end, digits) == _number(bound, digits)
        for end in measured[1:]
        for bound in bounds
    ):
        digits += 1
    value, low, high = ("–" if x is None else _number(x, digits) for x in measured)
    if measured[1] == measured[2]:
        return f"{value}{unit}"
    return f"{value}{unit} [{low}, {high}]"


def rule(test: Mapping[str, Any]) -> str:
    """The bounds of a test of an announced claim in words."""
    return f"{_within(readable(test)['holds'])}{' in every cell' if test['cells'] else ''}"


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
