"""Tables, boxes and rows as Markdown."""

import pytest

from spectral.book.markdown import at_a_glance, boxes, measured_text, rule, table

ENTRY = {
    "id": "size",
    "statement": "It has the teacher's size.",
    "chapter": "05-size",
    "changed": "",
    "verdict": "partly reproduced",
    "parts": [
        {
            "meaning": "Survivors.",
            "measured": [23.44, 22.0, 0.00032],
            "sample": "10 × 3",
            "reproduced": [20.0, 25.0],
            "partly": [None, 30.0],
            "verdict": "partly reproduced",
        }
    ],
}


def test_a_box_says_claim_measurement_rule_and_verdict():
    text = boxes([ENTRY]).data
    assert text.startswith(":::{admonition} ◐ partly reproduced\n:class: verdict partly\n")
    assert "*It has the teacher's size.*" in text
    assert "Survivors. **23.4 [22.0, 3.2·10⁻⁴]**, 10 × 3." in text
    assert "Rule: reproduced if within [20, 25], partly if at most 30." in text
    assert "The rule was changed" not in text
    waiting = ENTRY | {"parts": [ENTRY["parts"][0] | {"measured": None, "sample": ""}]}
    assert "Survivors. Not measured yet. Rule:" in boxes([waiting]).data
    two = boxes([ENTRY | {"parts": ENTRY["parts"] * 2}]).data
    assert two.count("partly if at most 30. Partly reproduced.") == 2  # each part says its own verdict
    assert "Claim `size`, judged at preset `paper`; {doc}`all claims </book/claims>`." in text
    assert boxes([ENTRY, ENTRY]).data.count(":::{admonition}") == 2
    assert "The rule was changed: it was wrong" in boxes([ENTRY | {"changed": "it was wrong"}]).data


def test_the_table_of_claims_links_to_chapters():
    text = at_a_glance([ENTRY]).data
    row = "| It has the teacher's size. | 23.4 [22.0,\xa03.2·10⁻⁴] | ◐ partly reproduced | {doc}`5 </book/05-size>` |"
    assert row in text
    two = at_a_glance([ENTRY | {"parts": ENTRY["parts"] + [ENTRY["parts"][0] | {"measured": None}]}]).data
    assert "| 23.4 [22.0,\xa03.2·10⁻⁴]<br>– |" in two


def test_tables_keep_intervals_whole():
    text = table(("n", "a, b"), (1, "2.0 [1.5, -2.5]")).data
    assert text.splitlines() == ["| n | a, b |", "| --- | --- |", "| 1 | 2.0 [1.5,\u00a0-2.5] |"]


@pytest.mark.parametrize(
    ("bounds", "words"),
    [([None, 0.01], "at most 0.01"), ([4.0, None], "at least 4"), ([-2.0, 2.0], "within [-2, 2]")],
)
def test_rules_in_words(bounds, words):
    part = {"reproduced": bounds, "partly": [-9.0, 9.0]}
    assert rule(part) == f"reproduced if {words}, partly if within [-9, 9]"


@pytest.mark.parametrize(
    ("value", "text"),
    [(23.44, "23.4"), (0.0123, "0.0123"), (-0.5, "-0.500"), (0.0, "0.00"), (123.4, "123"), (-0.00032, "-3.2·10⁻⁴")],
)
def test_numbers_have_three_digits_or_a_power_of_ten(value, text):
    part = {"measured": [value, value, value], "reproduced": [None, 1e6], "partly": [-1e6, None]}
    assert measured_text(part) == f"{text} [{text}, {text}]"
    assert measured_text(part | {"measured": None}) == "–"


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        ([23.4, 22.0, 25.0], "23.4 [22.0, 25.0]"),  # on the bound: no digit tells it apart
        ([23.4, 22.0, 25.04], "23.40 [22.00, 25.04]"),
        ([23.4, 19.998, 24.9], "23.400 [19.998, 24.900]"),
        ([23.4, 22.0, 30.0000001], "23.4000 [22.0000, 30.0000]"),  # six digits are enough
    ],
)
def test_an_end_is_told_from_the_bounds_of_its_rule(measured, text):
    """Else a verdict would seem to contradict its rule."""
    assert measured_text({"measured": measured, "reproduced": [20.0, 25.0], "partly": [None, 30.0]}) == text


def test_an_interval_that_ends_beyond_a_bound_is_told_from_it():
    """1.2535 is not at most 1.25, and must not look as if it were."""
    part = {"measured": [1.1, 0.97, 1.2535], "reproduced": [None, 1.25], "partly": [None, 2.0]}
    assert measured_text(part) == "1.100 [0.9700, 1.254]"
    assert measured_text(part | {"measured": [1.1, 0.97, 1.25]}) == "1.10 [0.970, 1.25]"
