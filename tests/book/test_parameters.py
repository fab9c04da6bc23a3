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
    values = parameters.given(notebook("student_hidden = 7\nlearning_rate = 1\n")).values
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
        parameters.given(notebook(injected))


SETTINGS = CELL + "threshold: float = 0.05\nsettings: str = ''\n"


def with_settings(text: str, more: str = "") -> parameters.Given:
    """What a chapter with these settings is given, and more parameters."""
    namespace: dict = {}
    exec(SETTINGS + more, namespace)
    namespace["settings"] = text
    return parameters.given(namespace | {"In": ["", SETTINGS, f"# Parameters\n{more}settings = {text!r}"]})


def test_settings_are_fields_of_the_configuration_beside_the_parameters():
    text = "input_dim=5 l2_lam=0 train_lam_in=true inputs=correlated"
    found = with_settings(text)
    assert found.settings == {"input_dim": 5, "l2_lam": 0.0, "train_lam_in": True, "inputs": "correlated"}
    own = {"student_hidden": 40, "learning_rate": 0.005, "activation": "relu"}
    assert found.fields == own | found.settings
    assert found.values == own | {"threshold": 0.05, "settings": text}
    assert with_settings("").settings == {}
    assert parameters.given(notebook()).settings == {}, "a chapter without settings"


def test_settings_are_in_the_command_that_repeats_a_chapter():
    namespace: dict = {}
    exec(SETTINGS, namespace)
    namespace |= {"In": [SETTINGS], "settings": "activation=tanh input_dim=5"}
    line = parameters.papermill_command("07-paths", namespace)
    assert line == "papermill book/07-paths.ipynb out.ipynb -r settings 'activation=tanh input_dim=5'"


def test_a_setting_can_be_a_parameter_but_is_given_once():
    for found in (with_settings("student_hidden=60"), with_settings("student_hidden=60", "student_hidden = 60\n")):
        assert found.values["student_hidden"] == found.fields["student_hidden"] == 60
    with pytest.raises(ConfigError, match="student_hidden is given twice: 50 as parameter, 60 in settings"):
        with_settings("student_hidden=60", "student_hidden = 50\n")
    with pytest.raises(ConfigError, match="student_hidden is given twice: 40 as parameter, 60 in settings"):
        with_settings("student_hidden=60", "student_hidden = 40\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs", "a setting is NAME=VALUE; got 'epochs'"),
        ("epohs=5", "unknown parameter 'epohs'; did you mean 'epochs'"),
        ("epochs=many", "epochs must be of type int; got 'many', of type str"),
        ("train_lam_in=1", "train_lam_in must be of type bool; got '1', of type str"),
        ("epochs=3 input_dim=5 epochs=4", "settings give epochs 2 times"),
        ("threshold=0.1", "threshold is a parameter of this chapter and no setting"),
    ],
)
def test_wrong_settings(text, message):
    with pytest.raises(ConfigError, match=message):
        with_settings(text)


def test_what_is_no_parameter_but_a_setting_is_told():
    with pytest.raises(ConfigError, match="input_dim is not a parameter of this chapter, but can be set: -r settings"):
        with_settings("", "input_dim = 5\n")
    with pytest.raises(ConfigError, match="unknown parameter 'inputdim'"):
        with_settings("", "inputdim = 5\n")


def test_cells_with_magics_hold_no_parameters():
    cells = ["%matplotlib inline\nx: int = 1", "y: int = 2", "z = 3"]
    assert parameters.declared({"In": cells}) == {"y": ("int", 2)}


def test_a_runner_without_history_is_understood():
    """As nbval runs notebooks: no cell is remembered, the annotations are."""
    values = parameters.given(notebook() | {"In": [""]}).values
    assert values == {"student_hidden": 40, "learning_rate": 0.005, "activation": "relu"}


def test_a_cell_can_be_run_again():
    """Names that later cells have made are no parameters, and a name that is imported later is no excuse."""
    again = notebook() | {"values": {}, "epochs": 3}
    again["In"] += ["values = {}\nepochs = 3"]
    assert parameters.given(again).values["student_hidden"] == 40
    with pytest.raises(ConfigError, match="unknown parameter 'run'"):
        parameters.given(notebook("run = 5") | {"run": len})


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
