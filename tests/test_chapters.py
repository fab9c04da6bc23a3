"""The chapters run with other parameters, and what fails leaves everything as it was."""

import re
import subprocess
import sys

import pytest
from chapters import CHAPTERS, execute, names
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
pytestmark = [
    pytest.mark.filterwarnings("default"),  # of the notebook tools, which are not ours to fix
    pytest.mark.usefixtures("scratch_store"),
]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapters_run_with_other_parameters(path, tmp_path):
    """The smoke run: a few epochs of small students, from another working directory."""
    wanted = {name: value for name, value in SMALL.items() if name in names(path)}
    result = execute(path, tmp_path, **wanted)
    assert all(cell.execution_count for cell in result.cells if cell.cell_type == "code")


def test_the_command_line_refuses_and_helps(tmp_path):
    """As a reader would do it: exit status 1 for a string where a number belongs; help with names and types."""
    chapter, out = str(ROOT / "book" / "03-training.ipynb"), str(tmp_path / "out.ipynb")
    call = [sys.executable, "-m", "papermill"]
    failed = subprocess.run([*call, chapter, out, "-r", "student_hidden", "100"], capture_output=True, text=True)
    assert failed.returncode == 1
    assert "student_hidden must be of type int; got '100', of type str" in failed.stderr
    shown = subprocess.run([*call, "--help-notebook", chapter], capture_output=True, text=True, check=True).stdout
    assert re.search(r"student_hidden: int \(default 200\)\s+h_S, hidden nodes of the student", shown)
