"""The chapters run with other parameters, and what fails leaves everything as it was."""

import re
import subprocess
import sys

import pytest
from chapters import CHAPTERS, code, execute, names, run
from rendered import ROOT

SMALL = {
    "epochs": 3,
    "teachers": 2,
    "trials": 2,
    "student_hidden": 25,
    "patterns": 1_000,
    "test_patterns": 200,
    "preset": "smoke",
    "widths": "10 30",
    "width": 10,
    "students": 3,
    "steps": 20,
}
SETTINGS = {
    "01-teacher": "inputs=correlated dtype=float64",
    "02-parametrization": "train_lam_in=true activation=tanh",
    "03-training": "input_dim=5 inputs=uniform",
    "04-spectra": "activation=tanh inputs=uniform",
    "05-size": "inputs=correlated teacher_second=7",
    "06-error": "label_noise=0.3 dtype=float64",
    "07-paths": "activation=tanh inputs=correlated",
    "08-topology": "activation=erf input_dim=5 teacher_hidden=7",
    "09-nodes": "activation=tanh input_dim=5",
    "10-pruning": "activation=erf inputs=uniform",
    "11-transition": "inputs=correlated teacher_hidden=10",
    "12-universality": "activation=tanh input_dim=5",
    "13-mechanism": "activation=tanh inputs=correlated",
    "14-together": "input_dim=7 inputs=correlated",
    "15-peers": "inputs=correlated teacher_hidden=10",
    "deviations": "input_dim=5 teacher_second=5",
}
"""By chapter, some fields of the configuration that it has no parameters for; and some that it has."""
NONE_OF_ITS_OWN = {"16-your-data", "claims", "cost"}
"""Chapters without experiments of this kind: tables, verdicts of what is kept, timings."""

pytestmark = [
    pytest.mark.filterwarnings("default"),  # of the notebook tools, which are not ours to fix
    pytest.mark.usefixtures("scratch_store"),
]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapters_run_with_other_parameters(path, tmp_path):
    """The smoke run: a few epochs of small students, of nodes and inputs of many kinds, without a kernel for each."""
    known, settings = names(path), SETTINGS.get(path.stem, "")
    fixed = {pair.partition("=")[0] for pair in settings.split()}
    wanted = {name: value for name, value in SMALL.items() if name in known and name not in fixed}
    if settings:
        wanted["settings"] = settings
    assert len(run(path, tmp_path, **wanted)) == 1 + len(code(path))  # and the cell of parameters
    assert list(tmp_path.iterdir()) == []


def test_papermill_runs_a_chapter_with_other_parameters(tmp_path):
    """From another folder, with a kernel of its own, as readers do."""
    path = ROOT / "book" / "06-error.ipynb"
    result = execute(path, tmp_path, preset="smoke", settings="label_noise=0.1")
    assert all(cell.execution_count for cell in result.cells if cell.cell_type == "code")


def test_every_chapter_with_experiments_takes_settings():
    assert {path.stem for path in CHAPTERS if "settings" in names(path)} == set(SETTINGS)
    assert {path.stem for path in CHAPTERS} == set(SETTINGS) | NONE_OF_ITS_OWN


def test_the_command_line_refuses_and_helps(tmp_path):
    """As a reader would do it: exit status 1 for a string where a number belongs; help with names and types."""
    chapter, out = str(ROOT / "book" / "03-training.ipynb"), str(tmp_path / "out.ipynb")
    call = [sys.executable, "-m", "papermill"]
    failed = subprocess.run([*call, chapter, out, "-r", "student_hidden", "100"], capture_output=True, text=True)
    assert failed.returncode == 1
    assert "student_hidden must be of type int; got '100', of type str" in failed.stderr
    executed = [cell.source for cell in code(tmp_path / "out.ipynb") if cell.execution_count]
    assert "Page(" in executed[-1], "a later cell has run"
    assert [file.name for file in tmp_path.iterdir()] == ["out.ipynb"]
    shown = subprocess.run([*call, "--help-notebook", chapter], capture_output=True, text=True, check=True).stdout
    assert re.search(r"student_hidden: int \(default 200\)\s+h_S, hidden nodes of the student", shown)
