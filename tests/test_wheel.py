"""What is installed from a wheel, away from the repository: it has its data, and says what it lacks."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from rendered import ROOT

BUILD = "import sys\nfrom setuptools import build_meta\nbuild_meta.build_wheel(sys.argv[1])"
FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE")
COMMANDS = """
import contextlib, io, json, sys
from spectral.__main__ import main
told = []
for arguments in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    told.append([code, out.getvalue(), err.getvalue()])
import spectral
json.dump([spectral.__file__, told], sys.stdout)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with what the wheel holds; it is built from a copy, since building leaves files in the source."""
    base = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "spectral", base / "source" / "spectral", ignore=shutil.ignore_patterns("__pycache__"))
    (base / "source" / "book").mkdir()
    for path in (*map(ROOT.joinpath, FILES), *ROOT.glob("book/*.json"), *ROOT.glob("book/*.yaml")):
        shutil.copy(path, base / "source" / path.relative_to(ROOT))
    call = [sys.executable, "-c", BUILD, str(base)]
    subprocess.run(call, cwd=base / "source", capture_output=True, check=True)
    (wheel,) = base.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(base / "site")
    return base / "site"


def test_it_holds_the_small_files_that_the_package_asks_for_and_no_results(installed):
    asked = {
        name
        for path in (ROOT / "spectral").rglob("*.py")
        for name in re.findall(r'\bkept\("(.+?)"\)', path.read_text())
    }
    assert {path.name for path in (installed / "spectral" / "kept").iterdir()} == asked
    for name in asked:
        assert (installed / "spectral" / "kept" / name).read_bytes() == (ROOT / "book" / name).read_bytes()
    assert not list(installed.rglob("*.npz"))
    assert {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")} == {"spectral"}
    (scripts,) = installed.glob("*.dist-info/entry_points.txt")
    assert "spectral-student = spectral.__main__:main" in scripts.read_text()


def test_its_commands_do_what_they_can_and_say_what_a_checkout_is_needed_for(installed, tmp_path):
    (tmp_path / "empty").mkdir()
    calls = {
        "status": (1, "an installed package has none of the book's results"),
        "claims": (1, "an installed package has none of the book's results"),
        "claims --announce": (2, "--announce writes book/verdicts.json; this is an installed package"),
        "export": (1, "an installed package has none of the book's results"),
        "verify": (1, "an installed package has none of the book's results"),
        "run --publish": (2, "--publish keeps results in book/results; this is an installed package"),
        "run --dry-run": (0, ""),
    }
    arguments = [call.split() for call in calls]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SPECTRAL_", "XDG_"))}
    environment |= {
        "PYTHONPATH": str(installed),
        "HOME": str(tmp_path / "home"),
        "LOCALAPPDATA": str(tmp_path / "home"),
    }
    call = [sys.executable, "-c", COMMANDS, json.dumps(arguments)]
    done = subprocess.run(call, cwd=tmp_path / "empty", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    place, told = json.loads(done.stdout)
    assert Path(place).is_relative_to(installed)
    for (asked, (code, text)), (found, _, err) in zip(calls.items(), told, strict=True):
        assert (found, text in err) == (code, True), (asked, err)
    assert list((tmp_path / "empty").iterdir()) == []
    assert str(tmp_path / "home") in told[0][2], "new results are the user's"
    assert " times [" in told[1][1], "it measures what bench.json holds"
