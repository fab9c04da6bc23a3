import ast
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numba
import numpy as np
import pytest
import torch

from spectral.lab.config import ENGINE_VERSION, ExperimentConfig
from spectral.lab.files import REPOSITORY
from spectral.lab.provenance import command, peak_memory_mib
from spectral.lab.results import run


def test_provenance_says_where_numbers_come_from_and_how_to_repeat_them(small, store):
    config = replace(small, train_lam_in=True, learning_rate=1e-5, activation="erf")
    provenance = run(config, store=store).provenance
    assert provenance["config"] == config.changed(everything=True)
    assert (provenance["engine"], provenance["hash"]) == (ENGINE_VERSION, config.hash())
    versions = (torch.__version__, np.__version__, numba.__version__)
    assert (provenance["torch"], provenance["numpy"], provenance["numba"]) == versions
    assert (provenance["device"], provenance["loop"], provenance["resumed"]) == ("cpu", "kernel", 0)
    assert 0 < provenance["seconds"] < 60
    assert provenance["cpu_seconds"] > 0
    assert 10 < provenance["peak_memory_mib"] < 1e6
    assert time.strptime(provenance["date"], "%Y-%m-%dT%H:%M:%SZ").tm_year >= 2024
    assert {"git", "dirty", "machine", "python", "sha256"} <= provenance.keys()
    text = json.dumps(provenance)
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


@pytest.mark.parametrize(("platform", "unit"), [("linux", 2**10), ("darwin", 2**20)])
def test_peak_memory_has_the_unit_of_the_system(platform, unit, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr("resource.getrusage", lambda who: SimpleNamespace(ru_maxrss=300 * unit))
    assert peak_memory_mib() == 300


def test_peak_memory_is_unknown_where_no_module_tells(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert peak_memory_mib() is None
