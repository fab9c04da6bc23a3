"""Links to the repository, and buttons that open a chapter elsewhere: from one address, and none without it."""

import shutil
import subprocess
import sys

import pytest
from rendered import ROOT

CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / "book" / "_ext")!r})
extensions = ["myst_nb", "citation"]
html_theme = "sphinx_book_theme"
nb_execution_mode = "off"
"""
ELSEWHERE = ("mybinder.org", "colab.research.google.com", "https://github.com/somebody/book")


@pytest.mark.parametrize("address", ["", "https://github.com/somebody/book/"], ids=["without", "with"])
def test_one_address_makes_all_links(tmp_path, address):
    cff = (ROOT / "CITATION.cff").read_text()
    assert "repository-code" not in cff, "the book has an address now: this test is to add none"
    (tmp_path / "CITATION.cff").write_text(cff + (f"repository-code: {address}\n" if address else ""))
    (tmp_path / "conf.py").write_text(CONF)
    (tmp_path / "index.md").write_text("# Start\n\n```{citation}\n```\n\n```{toctree}\n02-parametrization\n```\n")
    shutil.copy(ROOT / "book" / "02-parametrization.ipynb", tmp_path)
    command = [sys.executable, "-m", "sphinx", "-q", tmp_path, tmp_path / "out"]
    subprocess.run(command, check=True, capture_output=True)
    page = (tmp_path / "out" / "02-parametrization.html").read_text()
    assert [text in page for text in ELSEWHERE] == [bool(address)] * 3
    cited = (tmp_path / "out" / "index.html").read_text()
    assert ("somebody/book" in cited) == bool(address)
    assert "Giambagli" in cited
