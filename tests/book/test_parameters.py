"""A chapter's parameters: typed, checked before any work, and enough to repeat it."""

import re

import pytest

from spectral import ConfigError
from spectral.book import parameters

CELL = "student_hidden: int = 40  # nodes\nlearning_rate: float = 0.005\nactivation: str = 'relu'\n"


def notebook(injected: str = "") -> dict:
    """The names of a notebook after its parameters cell and the cell that papermill adds."""
    namespace: dict = {}
    exec(CELL + injected, namespace)
    return namespace | {"In": ["", CELL, f"# Parameters\n{injected}"], "Out": {}, "get_ipython": lambda: None}


def test_parameters_come_back_typed():
    values = parameters.checked(notebook("student_hidden = 7\nlearning_rate = 1\n"))
    assert values == {"student_hidden": 7, "learning_rate": 1.0, "activation": "relu"}
    assert isinstance(values["learning_rate"], float)


@pytest.mark.parametrize(
    ("injected", "message"),
    [
        ("studnt_hidden = 100", "unknown parameter 'studnt_hidden'; did you mean 'student_hidden'"),
        ("epochs = 10", "unknown parameter 'epochs'. Known: activation, learning_rate, student_hidden"),
        ("student_hidden = '100'", "student_hidden must be of type int; got '100', of type str"),
        ("student_hidden = 1.5", "student_hidden must be of type int; got 1.5, of type float"),
        ("activation = None", "activation must be of type str; got None, of type NoneType"),
    ],
)
def test_wrong_parameters(injected, message):
    with pytest.raises(ConfigError, match=message):
        parameters.checked(notebook(injected))


def test_cells_with_magics_hold_no_parameters():
    cells = ["%matplotlib inline\nx: int = 1", "y: int = 2", "z = 3"]
    assert parameters.declared({"In": cells}) == {"y": ("int", 2)}


def test_a_runner_without_history_is_understood():
    """As nbval runs notebooks: no cell is remembered, the annotations are."""
    values = parameters.checked(notebook() | {"In": [""]})
    assert values == {"student_hidden": 40, "learning_rate": 0.005, "activation": "relu"}


def test_a_cell_can_be_run_again():
    """Names that later cells have made are no parameters, and a name that is imported later is no excuse."""
    again = notebook() | {"values": {}, "epochs": 3}
    again["In"] += ["values = {}\nepochs = 3"]
    assert parameters.checked(again)["student_hidden"] == 40
    with pytest.raises(ConfigError, match="unknown parameter 'run'"):
        parameters.checked(notebook("run = 5") | {"run": len})


def test_command_repeats_the_chapter():
    assert parameters.papermill_command("03-training", notebook()) == "papermill book/03-training.ipynb out.ipynb"
    line = parameters.papermill_command("03-training", notebook("student_hidden = 7\nactivation = 'erf'\n"))
    assert line == "papermill book/03-training.ipynb out.ipynb -p student_hidden 7 -r activation erf"
    assert parameters.papermill_command("x", notebook("activation = '60 100'\n")).endswith(" -r activation '60 100'")


@pytest.mark.parametrize("text", ["", "60, 100", "60 -1", "0", "1e3", "60 x", "\u0663", "\u00b2"])
def test_what_is_no_list_of_widths(text):
    assert parameters.parse_widths(" 200 60  060") == [60, 200]
    with pytest.raises(ConfigError, match=f"widths must hold whole numbers .* got {re.escape(repr(text))}"):
        parameters.parse_widths(text)


def test_widths_are_those_of_the_preset():
    assert parameters.parse_widths("500 10", [10, 40, 500]) == [10, 500]
    for text in ("", "10 41", "ten"):
        with pytest.raises(ConfigError, match=f"widths must be some of 10 40 500; got {text!r}"):
            parameters.parse_widths(text, [10, 40, 500, 10])


def test_bounds_of_parameters():
    parameters.check_between("alike", 0.98, 0, 1)
    parameters.check_least("draws", 1, 1)
    for value in (0, 1, -0.5, float("nan")):
        with pytest.raises(ConfigError, match=rf"alike must lie between 0 and 1 \(both excluded\); got {value}"):
            parameters.check_between("alike", value, 0, 1)
    for value in (0, -3, float("nan")):
        with pytest.raises(ConfigError, match=f"draws must be at least 1; got {value}"):
            parameters.check_least("draws", value, 1)
