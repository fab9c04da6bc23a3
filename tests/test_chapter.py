import pytest

from spectral import ConfigError, chapter

CELL = "student_hidden: int = 40  # nodes\nlearning_rate: float = 0.005\nactivation: str = 'relu'\n"


def notebook(injected: str = "") -> dict:
    """The names of a notebook after its parameters cell and the cell that papermill adds."""
    namespace: dict = {}
    exec(CELL + injected, namespace)
    return namespace | {"In": ["", CELL, f"# Parameters\n{injected}"], "Out": {}, "get_ipython": lambda: None}


def test_parameters_come_back_typed():
    values = chapter.parameters(notebook("student_hidden = 7\nlearning_rate = 1\n"))
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
        chapter.parameters(notebook(injected))


def test_cells_with_magics_hold_no_parameters():
    cells = ["%matplotlib inline\nx: int = 1", "y: int = 2", "z = 3"]
    assert chapter.declared({"In": cells}) == {"y": ("int", 2)}


def test_a_runner_without_history_is_understood():
    """As nbval runs notebooks: no cell is remembered, the annotations are."""
    values = chapter.parameters(notebook() | {"In": [""]})
    assert values == {"student_hidden": 40, "learning_rate": 0.005, "activation": "relu"}


def test_a_cell_can_be_run_again():
    """Names that later cells have made are no parameters, and a name that is imported later is no excuse."""
    again = notebook() | {"values": {}, "epochs": 3}
    again["In"] += ["values = {}\nepochs = 3"]
    assert chapter.parameters(again)["student_hidden"] == 40
    with pytest.raises(ConfigError, match="unknown parameter 'run'"):
        chapter.parameters(notebook("run = 5") | {"run": len})


def test_config_takes_the_fields_and_leaves_the_rest():
    config = chapter.config({"student_hidden": 7, "threshold": 0.1}, activation="erf")
    assert (config.student_hidden, config.activation) == (7, "erf")


def test_command_repeats_the_chapter():
    assert chapter.command("03-training", notebook()) == "papermill book/03-training.ipynb out.ipynb"
    line = chapter.command("03-training", notebook("student_hidden = 7\nactivation = 'erf'\n"))
    assert line == "papermill book/03-training.ipynb out.ipynb -p student_hidden 7 -p activation erf"
