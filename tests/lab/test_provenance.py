import ast
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numba
import numpy as np
import pytest
import torch

from spectral.lab import files, provenance
from spectral.lab.config import ENGINE_VERSION, ExperimentConfig
from spectral.lab.files import REPOSITORY
from spectral.lab.provenance import command, peak_memory_mib, revision
from spectral.lab.results import run


def test_provenance_says_where_numbers_come_from_and_how_to_repeat_them(small, store):
    config = replace(small, train_lam_in=True, learning_rate=1e-5, activation="erf")
    found = run(config, store=store).provenance
    assert found["config"] == config.changed(everything=True)
    assert (found["engine"], found["hash"]) == (ENGINE_VERSION, config.hash())
    versions = (torch.__version__, np.__version__, numba.__version__)
    assert (found["torch"], found["numpy"], found["numba"]) == versions
    assert (found["device"], found["loop"], found["resumed"]) == ("cpu", "kernel", 0)
    assert 0 < found["seconds"] < 60
    assert found["cpu_seconds"] > 0
    assert 10 < found["peak_memory_mib"] < 1e6
    assert time.strptime(found["date"], "%Y-%m-%dT%H:%M:%SZ").tm_year >= 2024
    assert {"git", "dirty", "machine", "python", "sha256"} <= found.keys()
    text = json.dumps(found)
    for place in (REPOSITORY, Path.home(), store.local, Path(sys.prefix), Path.cwd()):
        assert f'"{place}' not in text
        assert f"{place}/" not in text


@pytest.mark.parametrize(
    "config",
    [
        ExperimentConfig(),
        ExperimentConfig(student_hidden=40, learning_rate=1e-5, drop_dead=False, trained="alternate", seed=7),
        ExperimentConfig().direct_twin("lasso"),
    ],
)
def test_the_command_names_the_configuration(config):
    start, *settings = command(config).split(" --set ")
    assert start == "python -m spectral run"
    values = {}
    for setting in settings:
        name, text = setting.split("=")
        try:
            values[name] = ast.literal_eval(text)
        except ValueError:
            values[name] = text
    assert ExperimentConfig.from_mapping(values) == config
    assert ExperimentConfig.from_mapping(values).hash() == config.hash()


@pytest.fixture
def copy(tmp_path, monkeypatch) -> Path:
    """Where the package seems to lie: in a folder of a repository that is another's."""

    def git(*arguments: str) -> None:
        who = ["-c", "user.name=x", "-c", "user.email=x@x", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *arguments], check=True, capture_output=True)

    folder = tmp_path / "env" / "site-packages"
    (folder / "spectral").mkdir(parents=True)
    (folder / "spectral" / "a.py").write_text("1")
    git("init")
    git("add", ".")
    git("commit", "-m", "something else")
    monkeypatch.setattr(files, "REPOSITORY", folder)
    monkeypatch.setattr(provenance, "REPOSITORY", folder)
    return folder


def test_the_revision_is_the_packages_own_or_none(copy, monkeypatch):
    """Installed inside another repository, copied into its root, or run from a hook of it."""
    nothing = {"git": None, "dirty": None}
    assert revision.__wrapped__() == nothing
    (copy / "pyproject.toml").write_text((REPOSITORY / "pyproject.toml").read_text())  # as unpacked there
    assert revision.__wrapped__() == nothing
    top = copy.parents[1]
    for module in (files, provenance):
        monkeypatch.setattr(module, "REPOSITORY", top)
    assert revision.__wrapped__() == nothing
    (top / "pyproject.toml").write_text('[project]\nname = "another"\n')
    assert revision.__wrapped__() == nothing
    (top / "pyproject.toml").write_text((REPOSITORY / "pyproject.toml").read_text())
    own = revision.__wrapped__()
    assert (len(own["git"]), own["dirty"]) == (40, False)
    (top / "spectral").mkdir()
    (top / "spectral" / "new.py").write_text("2")
    assert revision.__wrapped__() == own | {"dirty": True}
    monkeypatch.setenv("GIT_DIR", str(top / ".git"))
    for module in (files, provenance):
        monkeypatch.setattr(module, "REPOSITORY", copy)
    assert revision.__wrapped__() == nothing


@pytest.mark.parametrize(("platform", "unit"), [("linux", 2**10), ("darwin", 2**20)])
def test_peak_memory_has_the_unit_of_the_system(platform, unit, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr("resource.getrusage", lambda who: SimpleNamespace(ru_maxrss=300 * unit))
    assert peak_memory_mib() == 300


def test_peak_memory_is_unknown_where_no_module_tells(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert peak_memory_mib() is None
