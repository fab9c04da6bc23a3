"""The second builder: plain Sphinx, with the packages of `book/sphinx.txt` laid over those of the environment.

`make sphinx` builds with it, and CI reads those pages with the tests of pages (`pytest --site`).
"""

import importlib.metadata
import sys

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from rendered import ROOT

JUPYTER_BOOK = {"jupyter-book", "sphinx-jupyterbook-latex", "sphinx-thebe", "sphinx-comments"}


def pins(path) -> dict[str, Version]:
    lines = [line.partition("#")[0].partition(";")[0].strip() for line in path.read_text().splitlines()]
    named = (line.partition("==") for line in lines if line)
    return {canonicalize_name(name): Version(version) for name, _, version in named}


def needs(distribution: importlib.metadata.Distribution) -> list[Requirement]:
    """What a package needs in any case, extras apart."""
    found = map(Requirement, distribution.requires or [])
    return [need for need in found if need.marker is None or need.marker.evaluate({"extra": ""})]


def test_what_is_laid_over_fits_to_all_but_jupyter_book():
    """Else the pages would be built with packages that do not belong together."""
    over, usual = pins(ROOT / "book" / "sphinx.txt"), pins(ROOT / "requirements.txt")
    assert over["sphinx"].major >= 9
    assert {name for name in over if over[name] == usual.get(name)} == set(), "that is no other version"
    broken = {
        canonicalize_name(distribution.name)
        for distribution in importlib.metadata.distributions()
        if canonicalize_name(distribution.name) not in over
        for need in needs(distribution)
        if (name := canonicalize_name(need.name)) in over and not need.specifier.contains(over[name])
    }
    assert "jupyter-book" in broken, "it holds Sphinx 7 no longer: one environment would do for both"
    assert broken <= JUPYTER_BOOK


def test_nothing_of_jupyter_book_is_left_in_the_configuration(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "book"))
    import render

    asked = ["myst_nb", "sphinx_book_theme", "figures"]
    conf = {"extensions": [*asked, *render.ITS_OWN]}
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, "jupyter_book", render)
    exec(render.without_jupyter_book(ROOT), conf)
    assert conf["extensions"] == asked
    assert sys.path[-1] == str(ROOT / "book" / "_ext")
    assert sys.modules["jupyter_book"] is None
    local = yaml.safe_load((ROOT / "_config.yml").read_text())["sphinx"]["local_extensions"]
    assert all((ROOT / folder / f"{name}.py").exists() for name, folder in local.items())
