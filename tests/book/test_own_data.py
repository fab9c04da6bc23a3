"""What the chapter on tables of one's own says of answers that are known."""

import matplotlib.pyplot as plt
import pytest

from spectral.apply.rightsize import Settings, look_for_size
from spectral.apply.tables import read_table
from spectral.bench.owndata import planted
from spectral.book import owndata
from spectral.book.figures import NEGATIVE, POSITIVE
from spectral.book.figures import owndata as draw
from spectral.lab.config import ConfigError

WAYS = tuple(draw.LOOKS)


def entry(table, way, **changes):
    others = ("9 nodes from nothing", "100 nodes, no penalty", "ridge", "gradient boosting")
    return {
        **{"table": table, "way": way, "known": None, "task": "regression", "rows": 10, "columns": 2, "nodes": 3},
        **{"interval": [3.0, 2.0, 4.0], "recurrence": [0.3, 0.1, 0.5], "named": False},
        "beyond": {model: [0.1, 0.05, 0.15] for model in others},
        "score": dict.fromkeys(("small network", *others), 0.5),
    } | changes


@pytest.fixture
def answers():
    """One real table on which a line is better and the size grows with the width; two made ones, one of them missed."""
    real = [entry("mine", way) for way in WAYS]
    real[0]["beyond"]["ridge"] = [-0.1, -0.2, -0.05]
    real[1]["interval"] = [9.0, 8.0, 10.0]
    made = [
        entry("planted, 3 nodes", "spectral", known=3, recurrence=[0.95, 0.9, 1.0], named=True),
        entry("planted, 8 nodes", "spectral", known=8),
        entry("noise", "spectral", known=0, nodes=0, recurrence=[None, None, None]),
    ]
    return [*real, *made]


def test_counts_are_of_what_the_text_says(answers):
    assert owndata.counts(answers) == {
        **{"real": 1, "named": 0, "no_worse_than_linear": 0, "better_than_linear": 0, "same_from_wider": 0, "few": 1},
        **{"like_wide": 0, "planted": 2, "held": 1, "agreed": 1},
    }


def test_tables_say_what_small_networks_are_worth(answers):
    text = owndata.worth(answers).data
    assert "| mine, 10 × 2 | 3 | 0.50 | 0.50 | 0.50 | 0.50 |" in text
    known = owndata.known_answers(answers).data
    assert "| 8 nodes | 3.0 [2.0,\u00a04.0] | 0.30 [0.10,\u00a00.50] | no |" in known
    assert "| noise | 3.0 [2.0,\u00a04.0] | – | no |" in known


def test_other_models_are_coloured_by_who_is_better(answers):
    draw.beyond(*owndata.beyond(answers))
    axes = plt.gcf().axes
    assert [ax.get_title() for ax in axes] == ["linear", "wide, no penalty", "gradient boosting"]
    values = [ax.containers[0].lines[0].get_xdata()[0] for ax in axes]
    assert values == [-0.1, 0.1, 0.1]
    assert [ax.containers[0].lines[0].get_color() for ax in axes] == [NEGATIVE, POSITIVE, POSITIVE]
    plt.close("all")


def test_what_was_planted_stands_beside_what_was_found(answers):
    draw.planted(owndata.planted(answers), 0.9)
    left, right = plt.gcf().axes
    assert left.containers[0].lines[0].get_xdata().tolist() == [3, 3, 3]
    assert left.lines[-1].get_xdata().tolist() == [3, 8, 0]
    assert [label.get_text() for label in left.get_yticklabels()] == ["3 nodes", "8 nodes", "noise"]
    assert right.containers[0].lines[0].get_xdata()[:2].tolist() == [0.95, 0.3]
    plt.close("all")


def test_a_table_has_a_row_of_ways_hollow_where_none_is_named(answers):
    draw.sizes_of_tables(owndata.rows(answers))
    ax = plt.gca()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["mine"]
    assert len(ax.containers) == len(WAYS)
    assert {container.lines[0].get_markerfacecolor() for container in ax.containers} == {"white"}
    plt.close("all")


def test_an_answer_in_a_box_and_figures():
    settings = Settings(width=6, students=3, strengths=(1.0,), steps=10, on_steps=5)
    found = look_for_size(read_table(planted(5, 0, rows=80), "y"), settings, progress=False)
    text = owndata.answer(found).data
    assert ("No size is named" in text) == (found.doubt is not None)
    assert "task is regression" in text
    assert owndata.others(found).data.count("\n") == 1 + len(found.test)
    draw.loss_against_size(found)
    assert plt.gca().get_lines()[0].get_xdata().tolist() == list(found.ladder)
    draw.against_others(found)
    assert [label.get_text() for label in plt.gca().get_yticklabels()] == list(found.beyond)
    plt.close("all")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere.csv", "y", "auto"), "there is no file nowhere.csv"),
        (("nowhere.csv", "", "auto"), "target must name the column of nowhere.csv"),
        (("diabetes", "", "ranking"), "task must be one of auto, regression, classification; got 'ranking'"),
    ],
)
def test_wrong_tables_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        owndata.read(*arguments)


def test_the_bundled_table_is_read():
    table = owndata.read("diabetes", "", "auto")
    assert (table.features.shape, table.task, table.target) == ((442, 10), "regression", "target")
