"""How to cite: `CITATION.cff` fits its schema, and says of the paper what the bibliography says."""

import re
import subprocess
import sys

import pytest
import yaml
from rendered import ROOT

CFF = ROOT / "CITATION.cff"


def check(path) -> subprocess.CompletedProcess:
    """The tool, with the schema that it brings."""
    call = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.citation-file-format", path]
    return subprocess.run(call, capture_output=True, text=True)


def test_it_fits_its_schema():
    done = check(CFF)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("type: software", "type: book", "'book' is not one of"),
        ("family-names: Fanelli", "surname: Fanelli", "surname"),
        ("value: 10.1088/", "value: doi.org/10.1088/", "doi.org/10.1088"),
    ],
)
def test_a_fault_is_told_of(tmp_path, right, wrong, told):
    text = CFF.read_text()
    assert right in text
    (tmp_path / "CITATION.cff").write_text(text.replace(right, wrong))
    done = check(tmp_path / "CITATION.cff")
    assert done.returncode == 1
    assert told in done.stdout


def test_the_paper_is_the_one_of_the_bibliography():
    (paper,) = yaml.safe_load(CFF.read_text())["references"]
    entry = re.search(
        r"@\w+\{giambagli2023student,(.*?)\n\}", (ROOT / "book" / "references.bib").read_text(), re.DOTALL
    )
    fields = dict(re.findall(r"(\w+) *= *\{(.*?)\}[,\n]", entry[1] + "\n"))
    assert paper["title"] == fields["title"]
    assert str(paper["year"]) == fields["year"]
    authors = [f"{author['family-names']}, {author['given-names']}" for author in paper["authors"]]
    assert " and ".join(authors) == fields["author"]
    found = {identifier["type"]: identifier["value"] for identifier in paper["identifiers"]}
    assert found == {"other": f"arXiv:{fields['eprint']}", "doi": fields["doi"], "url": fields["url"]}
