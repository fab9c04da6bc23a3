"""The house keeps its order: imports go down only, plotting and notebooks are far from training."""

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

import spectral

SPECTRAL = Path(__file__).parents[1] / "spectral"
HEAVY = ("scipy", "matplotlib", "seaborn", "pandas", "filelock", "yaml", "papermill", "IPython", "myst_nb", "resource")


def test_the_layer_needs_torch_alone():
    """Layers, penalties, pruning and the loop work where nothing else is installed, nor what only Unix has."""
    code = f"""
import sys, torch
before = set(sys.modules)
for name in {HEAVY}:
    if name not in before:
        sys.modules[name] = None  # importing it raises ImportError
import spectral, spectral.train
from spectral import Pair, SpectralLinear, compact, node_scores, split_l2
pair = Pair(SpectralLinear(3, 5), torch.nn.Linear(5, 1))
(first, second), origin = compact(pair, node_scores(pair) > 0)
split_l2(first, 0.01, 5e-4).backward()
assert first.phi.grad is not None and len(origin) == 5
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_loads_nothing_heavy():
    code = "import torch, sys; before = set(sys.modules); import spectral; print(*set(sys.modules) - before)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "spectral.layers" in loaded
    assert not {name.split(".")[0] for name in loaded} & {*HEAVY}


def test_public_names_can_all_be_imported():
    for name in spectral.__all__:
        assert getattr(spectral, name).__module__.startswith("spectral.")
    assert {*spectral.__all__} <= {*dir(spectral)}
    with pytest.raises(AttributeError, match="no attribute 'Teacher'"):
        spectral.Teacher  # noqa: B018
    assert isinstance(spectral.train, ModuleType)  # not the function in it


def test_import_has_no_side_effect_on_random_state_or_threads():
    code = (
        "import torch; s, t = torch.get_rng_state(), torch.get_num_threads()\nimport spectral\n"
        "assert torch.equal(torch.get_rng_state(), s) and torch.get_num_threads() == t\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_examples_in_docstrings():
    count = 0
    for path in sorted(SPECTRAL.rglob("*.py")):
        name = ".".join(path.relative_to(SPECTRAL.parent).with_suffix("").parts).removesuffix(".__init__")
        module = importlib.import_module(name)
        result = doctest.testmod(module, extraglobs={"torch": torch})
        assert result.failed == 0, module.__name__
        count += result.attempted
    assert count >= 5


def test_the_readme_example_runs_and_prunes(capsys):
    """What the README promises someone who takes the layer into a network of their own."""
    text = (SPECTRAL.parent / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict = {}
    with torch.random.fork_rng():
        exec(example, names)
    left = int(capsys.readouterr().out.split()[0])
    assert 3 <= left <= 16
    assert [type(layer).__name__ for layer in names["network"]] == ["Linear", "ReLU", "Linear"]
    assert names["loss"] < 0.05 * names["y"].square().mean()
