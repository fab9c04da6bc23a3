"""The house keeps its order: seven rooms with doors one way, plotting and notebooks far from training."""

import ast
import doctest
import importlib
import re
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pytest
import torch

import spectral

SPECTRAL = Path(__file__).parents[1] / "spectral"
MODULES = {
    ".".join(path.relative_to(SPECTRAL.parent).with_suffix("").parts): path
    for path in SPECTRAL.rglob("*.py")
    if path.stem not in ("__init__", "__main__")
}
SEEN_FROM = {
    "core": set(),
    "stats": set(),
    "engine": {"core"},
    "lab": {"core", "stats", "engine"},
    "bench": {"core", "stats", "engine", "lab", "apply"},
    "apply": {"core", "stats"},
    "book": {"core", "stats", "engine", "lab", "bench", "apply"},
}
"""Which rooms the modules of a room may import from, besides their own."""


def room(module: str) -> str:
    return module.split(".")[1] if module.count(".") > 1 else "core"


def imports(path: Path) -> set[str]:
    """All that a file imports anywhere, functions and modules alike."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


USED = {module: imports(path) & MODULES.keys() for module, path in MODULES.items()}
OUTSIDE = {module: {name.split(".")[0] for name in imports(path)} - {"spectral"} for module, path in MODULES.items()}


def test_every_module_has_a_room():
    assert {room(module) for module in MODULES} == SEEN_FROM.keys()
    assert sum(room(module) == "core" for module in MODULES) < 15  # what one takes home is seen at a glance


@pytest.mark.parametrize("module", MODULES)
def test_doors_open_one_way(module):
    allowed = SEEN_FROM[room(module)] | {room(module)}
    assert not {used for used in USED[module] if room(used) not in allowed}


def test_no_module_needs_itself():
    """Imports within the package have no circle: every module can be read after those that it uses."""
    left = dict(USED)
    while left:
        free = {module for module, used in left.items() if not used & left.keys()}
        assert free, f"a circle among {sorted(left)}"
        left = {module: used for module, used in left.items() if module not in free}


def test_only_the_book_knows_plotting_and_notebooks():
    far = {"matplotlib", "seaborn", "IPython", "myst_nb", "papermill", "nbformat"}
    assert {room(module) for module, names in OUTSIDE.items() if names & far} == {"book"}


def test_statistics_know_no_network():
    assert set().union(*(names for module, names in OUTSIDE.items() if room(module) == "stats")) <= {
        "__future__", "collections", "dataclasses", "typing", "numpy", "scipy",
    }  # fmt: skip


HEAVY = ("numba", "scipy", "matplotlib", "seaborn", "pandas", "filelock", "yaml", "papermill", "IPython", "myst_nb",
         "distributed", "resource")  # fmt: skip


def test_the_layer_needs_torch_alone():
    """Layers, penalties, pruning and the loop work where nothing else is installed, nor what only Unix has."""
    code = f"""
import sys, torch
before = set(sys.modules)
for name in {HEAVY}:
    if name not in before:
        sys.modules[name] = None  # importing it raises ImportError
import spectral, spectral.apply.networks, spectral.engine.train
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
    assert isinstance(spectral.engine.train, ModuleType)  # not the function in it


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


def test_the_readme_examples_run_and_prune(capsys):
    """What the README promises someone who takes the layer, or their data, into their own work."""
    text = (SPECTRAL.parent / "README.md").read_text()
    layer, size, table = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict = {}
    with torch.random.fork_rng():
        exec(layer, names)
        left = int(capsys.readouterr().out.split()[0])
        assert 3 <= left <= 16
        assert names["smaller"].change < 1e-6
        assert [type(layer).__name__ for layer in names["network"]] == ["Linear", "ReLU", "Linear"]
        assert names["loss"] < 0.05 * names["y"].square().mean()
        exec(size, names)
        assert int(capsys.readouterr().out.split()[0]) == names["network"][0].out_features == 3
        exec(table, names)
    assert all(nodes <= 30 for nodes in names["model"].n_nodes_)
    assert names["model"].score(names["test_x"], names["test_y"]) > 0.96


def blocks(page: str) -> list[str]:
    """The Python of a page of the book."""
    return re.findall(r"```python\n(.*?)```", (SPECTRAL.parent / "book" / f"{page}.md").read_text(), re.DOTALL)


def test_the_quick_start_runs(capsys, monkeypatch, tmp_path):
    """Its blocks one after the other, as the page says; a run of the book's is read, one's own is kept."""
    monkeypatch.setenv("SPECTRAL_STORE", str(tmp_path))
    layer, pruned, network, table, stored, own = blocks("api")
    names: dict = {}
    with torch.random.fork_rng():
        exec(layer, names)
        assert names["error"] < 1e-3
        exec(pruned, names)
        assert capsys.readouterr().out == "3 of 64 nodes are left\n"
        assert names["layer"].out_features == 3
        exec(network, names)
        assert [layer.out_features for layer in names["network"][::2]] == [3, 1]
        exec(table, names)
        assert names["found"].nodes == 3
        assert names["found"].doubt is None
    exec(stored, names)
    assert names["result"].alive.shape == (30, 200)
    assert list(tmp_path.iterdir()) == [], "it was not in the store"
    exec(own, names)
    assert capsys.readouterr().out.count("tensor") == 1
    assert len(list(tmp_path.glob("*.npz"))) == 1


def test_public_names_have_entries():
    """What `spectral` and the README import, and all that a named tuple holds, is told of on the pages."""
    text = "\n".join(path.read_text() for path in (SPECTRAL.parent / "book").glob("api*.md"))
    listed = {
        f"{module}.{name}"
        for module, names in re.findall(r"automodule:: (\S+)\n +:members: (.*)", text)
        for name in names.split(", ")
    } | set(re.findall(r"autoclass:: (\S+)", text))
    assert {f"{getattr(spectral, name).__module__}.{name}" for name in spectral.__all__} <= listed
    readme = (SPECTRAL.parent / "README.md").read_text()
    imported = re.findall(r"^from (spectral\.\S+) import (.*)$", readme, re.MULTILINE)
    assert {f"{module}.{name}" for module, names in imported for name in names.split(", ")} <= listed
    for name in listed:
        module, _, name = name.rpartition(".")
        found = getattr(importlib.import_module(module), name)
        for field in getattr(found, "_fields", ()):
            _, _, attributes = found.__doc__.partition("Attributes\n")
            assert re.search(rf"^ *(\w+, )*{field}(, \w+)*:$", attributes, re.MULTILINE), f"{module}.{name}: {field}"


def test_the_recipe_for_other_architectures_prunes_what_scores_least():
    """As the page of `spectral.apply` has it: a network with a branch, which is no sequence."""
    pytest.importorskip("torch_pruning")
    (recipe,) = blocks("api-apply")
    names: dict = {}
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Torch-Pruning's own
        exec(recipe, names)
    model, before = names["model"], names["before"]
    assert (model.first.out_features, model.second.in_features) == (12, 12)
    torch.testing.assert_close(model(names["x"]), before, msg="nodes without outgoing weights have changed an answer")
