"""Tables, boxes and rows as Markdown."""

import pytest

from spectral.book.claims import CONFIRMED, CONFIRMED_WITHIN, HOLDS, MISSING, NOT, REFUTED, UNDECIDED, WITHIN
from spectral.book.markdown import (
    MOST_CELLS,
    NAMES,
    boxes,
    cells_table,
    headline,
    marked,
    measured_text,
    rows,
    rule,
    table,
    tally_text,
)
from spectral.book.quantities import QUANTITIES

TEST = {
    "quantity": "effective_size",
    "meaning": "Survivors.",
    "unit": "nodes",
    "against": "the teacher has 20",
    "limit": "",
    "holds": [16.0, 25.0],
    "measured": [23.44, 22.0, 0.00032],
    "cells": [],
    "words": [],
    "sample": "30 × 1",
    "verdict": HOLDS,
}

CELLS = TEST | {
    "meaning": "Survivors by width.",
    "limit": "at every width",
    "measured": [[20.0, 19.0, 21.0], [30.0, 29.0, 31.0], [25.0, 24.0, 26.0]],
    "cells": ["40 nodes", "60 nodes", "1,000 nodes"],
    "words": [HOLDS, NOT, UNDECIDED],
    "verdict": WITHIN,
}

ENTRY = {
    "id": "size",
    "of": "paper",
    "statement": "It has the teacher's size.",
    "takeaway": "Count them.",
    "chapter": "05-size",
    "changed": "",
    "verdict": WITHIN,
    "limits": ["holds at every width in 1 of 3 cells"],
    "tests": [TEST, CELLS],
}


def test_a_number_without_an_interval_is_shown_alone():
    alone = TEST | {"measured": [23.44, None, None]}
    assert measured_text(alone) == "23.4 nodes"
    assert measured_text(alone | {"unit": "of E[y²]", "measured": [0.0021, None, None]}) == "2.10 thousandths of E[y²]"
    undecided = CELLS | {"measured": [[20.0, None, None], [30.0, 29.0, 31.0], [25.0, None, None]], "words": []}
    assert measured_text(undecided) == "3 cells; 20.0 to 30.0 nodes"
    assert measured_text(undecided | {"cells": ["a"], "measured": [[0.001, None, None]], "unit": "of E[y²]"}) == (
        "1.00 thousandths of E[y²]"
    )


def test_a_box_says_claim_takeaway_and_number_and_folds_what_was_asked():
    assert boxes([ENTRY]).data.splitlines() == [
        "::::{admonition} ◐ holds within limits",
        ":class: verdict within",
        "*It has the teacher's size.*",
        "",
        "Count them.",
        "",
        "**survivors: 23.4 nodes [22.0, 3.2·10⁻⁴]; the teacher has 20**",
        "",
        "Limits: holds at every width in 1 of 3 cells.",
        "",
        ":::{dropdown} What was asked and measured",
        "- Survivors. **23.4 nodes [22.0, 3.2·10⁻⁴]** (30 × 1); the teacher has 20. Asked: within [16, 25]. ✔ holds.",
        "- Beyond that, at every width: Survivors by width. **in 1 of 3 cells; 20.0 to 30.0 nodes** (30 × 1); "
        "the teacher has 20. Asked: within [16, 25] in every cell. ◐ holds within limits. "
        "It does not hold for: 60 nodes. Undecided for: 1,000 nodes.",
        "",
        "Claim of the paper: `size`, judged at preset `paper`; {doc}`all claims </book/claims>`.",
        ":::",
        "::::",
    ]


def test_a_box_leaves_out_what_there_is_not():
    """No takeaway, no limits, no number."""
    waiting = TEST | {"measured": None, "sample": "", "verdict": MISSING}
    text = boxes([ENTRY | {"takeaway": "", "limits": [], "verdict": MISSING, "tests": [waiting]}]).data
    assert "*It has the teacher's size.*\n\n**survivors: –; the teacher has 20**" in text
    assert "- Survivors. **–**; the teacher has 20." in text
    assert ". – not computed yet.\n" in text
    assert "Limits" not in text
    assert "The rule was changed" not in text
    assert "- The rule was changed: it was wrong" in boxes([ENTRY | {"changed": "it was wrong"}]).data
    assert boxes([ENTRY, ENTRY]).data.count("::::{admonition}") == 2


def test_the_headline_is_the_first_number_that_has_an_interval():
    counted = TEST | {"quantity": "parameter_ratio", "measured": [1.05, 1.05, 1.05], "unit": "times"}
    assert headline(ENTRY | {"tests": [counted, TEST]}).startswith("survivors: 23.4 nodes [")
    assert headline(ENTRY | {"tests": [counted, CELLS]}) == "parameters: 1.05 times; the teacher has 20"
    several = CELLS | {"limit": ""}
    assert headline(ENTRY | {"tests": [counted, several]}).startswith("survivors: in 1 of 3 cells; ")


@pytest.mark.parametrize(
    ("verdict", "shown"),
    [
        (HOLDS, "✔ holds\n:class: verdict holds\n"),
        (WITHIN, "◐ holds within limits\n:class: verdict within\n"),
        (NOT, "✘ does not hold\n:class: verdict not\n"),
        (UNDECIDED, "? undecided\n:class: verdict undecided\n"),
        (CONFIRMED, "✔ confirmed\n:class: verdict holds\n"),
        (CONFIRMED_WITHIN, "◐ confirmed within limits\n:class: verdict within\n"),
        (REFUTED, "✘ refuted\n:class: verdict not\n"),
    ],
)
def test_every_verdict_has_its_mark_and_its_colour(verdict, shown):
    assert boxes([ENTRY | {"verdict": verdict}]).data.startswith(f"::::{{admonition}} {shown}")
    assert marked(verdict) == shown.splitlines()[0]


def test_what_is_ours_is_said_to_be():
    assert "Ours, beyond the paper: `size`, judged at preset" in boxes([ENTRY | {"of": "ours"}]).data


def test_a_box_names_a_few_cells_and_no_more():
    def text(count: int) -> str:
        names, numbers = [f"cell {index}" for index in range(count)], [[1.0, 0.5, 1.5]] * count
        many = CELLS | {"cells": names, "measured": numbers, "words": [NOT] * count, "verdict": NOT}
        return boxes([ENTRY | {"tests": [many]}]).data

    assert "It does not hold for: " + "; ".join(f"cell {n}" for n in range(MOST_CELLS)) + ".\n" in text(MOST_CELLS)
    assert "It does not hold for" not in text(MOST_CELLS + 1)
    assert f"in 0 of {MOST_CELLS + 1} cells" in text(MOST_CELLS + 1)


def test_rows_of_the_first_page_link_to_chapters():
    header, _, row = rows([ENTRY], "/book/").splitlines()
    assert header == "| what is claimed | verdict | measured |"
    assert row == (
        "| It has the teacher's size. ({doc}`chapter 5 </book/05-size>`) | **◐ holds within limits**"
        "<br>holds at every width in 1 of 3 cells | survivors: 23.4 nodes [22.0,\u00a03.2·10⁻⁴]; the teacher has 20 |"
    )


def test_a_table_of_cells_has_a_row_for_each():
    assert cells_table(CELLS).data.splitlines() == [
        "| cell | nodes | verdict |",
        "| --- | --- | --- |",
        "| 40 nodes | 20.0 [19.0,\u00a021.0] | ✔ holds |",
        "| 60 nodes | 30.0 [29.0,\u00a031.0] | ✘ does not hold |",
        "| 1,000 nodes | 25.0 [24.0,\u00a026.0] | ? undecided |",
    ]
    assert cells_table(CELLS | {"unit": ""}).data.startswith("| cell | measured | verdict |")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([HOLDS], "1 holds"),
        ([NOT], "1 does not hold"),
        ([WITHIN], "1 holds within limits"),
        (
            [UNDECIDED, NOT, HOLDS, NOT, HOLDS, WITHIN, WITHIN],
            "2 hold, 2 hold within limits, 1 undecided, 2 do not hold",
        ),
        ([], ""),
    ],
)
def test_a_tally_in_words(words, text):
    entries = [{"of": "paper", "verdict": word} for word in words] + [{"of": "ours", "verdict": REFUTED}] * 2
    assert tally_text(entries, "paper") == text
    assert tally_text(entries, "ours") == "2 refuted"


def test_tables_keep_intervals_whole():
    text = table(("n", "a, b"), (1, "2.0 [1.5, -2.5]")).data
    assert text.splitlines() == ["| n | a, b |", "| --- | --- |", "| 1 | 2.0 [1.5,\u00a0-2.5] |"]


@pytest.mark.parametrize(
    ("bounds", "words"),
    [([None, 0.01], "at most 0.01"), ([4.0, None], "at least 4"), ([-2.0, 2.0], "within [-2, 2]")],
)
def test_rules_in_words(bounds, words):
    assert rule(TEST | {"holds": bounds}) == words
    assert rule(CELLS | {"holds": bounds}) == f"{words} in every cell"


@pytest.mark.parametrize(
    ("value", "text"),
    [(23.44, "23.4"), (0.0123, "0.0123"), (-0.5, "-0.500"), (0.0, "0.00"), (123.4, "123"), (-0.00032, "-3.2·10⁻⁴")],
)
def test_numbers_have_three_digits_or_a_power_of_ten(value, text):
    """With unit and interval; what is certain has none, and what was not measured is a dash."""
    test = TEST | {"measured": [value, value, value + 1000.0], "holds": [None, 1e6]}
    assert measured_text(test).startswith(f"{text} nodes [{text}, ")
    assert measured_text(test | {"measured": [value] * 3}) == f"{text} nodes"
    assert measured_text(test | {"measured": [value] * 3, "unit": ""}) == text
    assert measured_text(test | {"measured": None}) == "–"


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        ([23.4, 22.0, 25.0], "23.4 [22.0, 25.0]"),  # on the bound: no digit tells it apart
        ([23.4, 22.0, 25.04], "23.40 [22.00, 25.04]"),
        ([23.4, 15.998, 24.9], "23.400 [15.998, 24.900]"),
        ([23.4, 22.0, 25.0000001], "23.4000 [22.0000, 25.0000]"),  # six digits are enough
    ],
)
def test_an_end_is_told_from_the_bounds_of_its_rule(measured, text):
    """Else a verdict would seem to contradict its rule."""
    assert measured_text(TEST | {"measured": measured, "unit": ""}) == text


def test_an_interval_that_ends_beyond_a_bound_is_told_from_it():
    """1.2535 is not at most 1.25, and must not look as if it were."""
    test = TEST | {"measured": [1.1, 0.97, 1.2535], "holds": [None, 1.25], "unit": "times"}
    assert measured_text(test) == "1.100 times [0.9700, 1.254]"
    assert measured_text(test | {"measured": [1.1, 0.97, 1.25]}) == "1.10 times [0.970, 1.25]"


def test_of_cells_it_is_said_in_how_many_it_holds_and_how_far_they_reach():
    assert measured_text(CELLS) == "in 1 of 3 cells; 20.0 to 30.0 nodes"
    assert measured_text(CELLS | {"unit": "", "words": [NOT] * 3}) == "in 0 of 3 cells; 20.0 to 30.0"
    one = {"measured": [[1.0, 0.5, 1.5]], "cells": ["a"], "words": [HOLDS]}
    assert measured_text(CELLS | one) == "in 1 of 1 cells; 1.00 to 1.00 nodes"


def test_errors_are_told_in_thousandths():
    """Number, interval, bounds and cells."""
    test = TEST | {"unit": "of E[y²]", "measured": [0.0015, 0.001, 0.002], "holds": [None, 0.005]}
    assert measured_text(test) == "1.50 thousandths of E[y²] [1.00, 2.00]"
    assert rule(test) == "at most 5"
    many = CELLS | {"unit": "of E[y²]", "measured": [[0.0015, 0.001, 0.002]] * 3, "holds": [None, 0.005]}
    assert measured_text(many) == "in 1 of 3 cells; 1.50 to 1.50 thousandths of E[y²]"
    assert cells_table(many).data.splitlines()[2] == "| 40 nodes | 1.50 [1.00,\u00a02.00] | ✔ holds |"
    assert measured_text(test | {"measured": None}) == "–"
    small = test | {"measured": [3.3e-6, 8.7e-7, 5.7e-6], "holds": [None, 0.001]}
    assert measured_text(small) == "3.30 millionths of E[y²] [0.870, 5.70]"
    assert rule(small) == "at most 1000"


def test_every_name_is_of_a_quantity():
    assert set(NAMES) <= set(QUANTITIES)


def test_every_column_has_a_name():
    with pytest.raises(ValueError, match="every column of a table needs a name"):
        table(("", "nodes"), ("spectral", 20))
