"""The research object: what ro-crate-py reads of it is what the book holds; nothing else is ever overwritten."""

import csv
import hashlib
import json
import os
import re
import sys
from pathlib import Path

import pytest
from rocrate.rocrate import ROCrate

from spectral.__main__ import main
from spectral.book import crate
from spectral.book.claims import announced
from spectral.book.crate import METADATA, check_folder, write_crate
from spectral.lab.config import ConfigError
from spectral.lab.files import REPOSITORY, StoreError
from spectral.lab.presets import configurations
from spectral.lab.store import Store

STORE = Store(committed=REPOSITORY / "book" / "results", local=Path("/nonexistent"))
TITLE = "How a Student becomes a Teacher, reproduced"
SHOWN = "grid/spectral/200"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The whole crate."""
    path = tmp_path_factory.mktemp("crate") / "new"
    written = write_crate(path, store=STORE)
    assert (written.runs, written.missing) == (len(configurations("paper")), ())
    return path


@pytest.fixture(scope="module")
def read(folder) -> ROCrate:
    return ROCrate(folder)


@pytest.fixture
def one_run(monkeypatch) -> str:
    """Of the book's runs a single one; crates are small then. Its hash."""
    config = configurations("paper")[SHOWN]
    monkeypatch.setattr(crate, "configurations", lambda _: {SHOWN: config})
    return config.hash()


def of_type(read: ROCrate, kind: str) -> list:
    return [entity for entity in read.get_entities() if entity.type == kind]


def references(value) -> set[str]:
    if isinstance(value, dict):
        return {value["@id"]}
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def values(entities) -> list:
    """What a property holds, whether it is one or several."""
    return entities if isinstance(entities, list) else [entities]


def test_it_is_a_crate_whose_links_lead_somewhere(folder, read):
    graph = json.loads((folder / METADATA).read_text("utf-8"))["@graph"]
    known = {entity["@id"] for entity in graph}
    assert len(known) == len(graph)
    linked = set().union(*(references(value) for entity in graph for value in entity.values()))
    assert linked - known == {"https://w3id.org/ro/crate/1.1"}
    root = read.root_dataset
    assert root["name"] == TITLE
    assert root["license"]["name"] == "MIT"
    assert root["conformsTo"].id.startswith("https://w3id.org/ro/wfrun/process/")
    paper = root["citation"]
    assert (paper.type, paper.id) == ("ScholarlyArticle", "https://doi.org/10.1088/1742-5468/ad1bea")
    assert [author["familyName"] for author in paper["author"]] == ["Giambagli", "Buffoni", "Chicchi", "Fanelli"]


def test_every_file_is_described_and_is_what_it_says(folder, read):
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {entity.id for entity in read.data_entities} == files - {METADATA}
    for entity in read.data_entities:
        data = (folder / entity.id).read_bytes()
        assert entity["sha256"] == hashlib.sha256(data).hexdigest()
        assert entity["contentSize"] == str(len(data))
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 100e6


def test_a_run_tells_of_its_settings_and_its_software(read):
    config = configurations("paper")[SHOWN]
    assert len(of_type(read, "CreateAction")) == len(configurations("paper"))
    action = read.get(f"#run-{config.hash()}")
    assert action in read.root_dataset["mentions"]
    assert action["name"] == f"Training of {SHOWN}"
    assert {value["name"]: value["value"] for value in action["object"]} == config.changed(everything=True)
    provenance = STORE.provenance(config.hash())
    assert action["instrument"]["softwareVersion"] == provenance["git"]
    software = {package["name"]: package["softwareVersion"] for package in action["instrument"]["softwareRequirements"]}
    assert software == {name: provenance[name] for name in ("python", "torch", "numpy", "numba")}
    assert action["endTime"] == provenance["date"].replace("Z", "+00:00")
    assert action["startTime"] < action["endTime"]
    numbers, origin = action["result"]
    assert (numbers.id, origin["about"]) == (f"results/{config.hash()}.npz", numbers)
    arrays, _ = STORE.load(config.hash())
    assert {array["name"] for array in numbers["variableMeasured"]} == arrays.keys()


def test_a_run_that_was_interrupted_has_no_known_beginning(read):
    resumed = [name for name in STORE.hashes() if STORE.provenance(name)["resumed"]]
    unknown = {action["identifier"] for action in of_type(read, "CreateAction") if "startTime" not in action}
    assert unknown == set(resumed)


def test_figures_have_numbers_words_and_runs(folder, read):
    found = [entity for entity in read.data_entities if entity.id.startswith("figures/")]
    assert len(found) > 50
    for figure in found:
        with (folder / figure.id).open(newline="") as file:
            header, *rows = csv.reader(file)
        assert rows
        assert {len(row) for row in rows} == {len(header)}
        assert len(figure["description"]) > 60
        assert "{" not in figure["description"].replace(r"\mathrm{", "").replace("^{-", "")
        assert figure["isPartOf"].type == "Chapter"
    size = read.get("figures/size-needed.csv")
    assert "means over 30 teachers" in size["description"]
    assert size["isPartOf"]["name"] == "5. The effective size"
    assert f"results/{configurations('paper')[SHOWN].hash()}.npz" in {run.id for run in size["isBasedOn"]}


def test_verdicts_are_reviews_of_claims(read):
    entries = {entry["id"]: entry for entry in announced()}
    reviews = of_type(read, "ClaimReview")
    assert len(reviews) == len(of_type(read, "Claim")) == len(entries)
    for review in reviews:
        entry = entries[review["itemReviewed"]["name"]]
        assert review["claimReviewed"] == review["itemReviewed"]["text"] == entry["statement"]
        assert review["reviewRating"]["alternateName"] == entry["verdict"]
        assert (review["itemReviewed"]["appearance"].type == "ScholarlyArticle") == (entry["of"] == "paper")
        assert review["isPartOf"]["identifier"] == entry["chapter"]
        assert len(values(review["additionalProperty"])) == len(entry["tests"])
    size, test = read.get("#review-size"), entries["size"]["tests"][0]
    assert size["reviewRating"]["ratingValue"] == 3
    assert values(size["reviewAspect"]) == entries["size"]["limits"]
    measured = size["additionalProperty"][0]
    assert [measured[name] for name in ("value", "minValue", "maxValue")] == test["measured"]
    asked, verdict = measured["valueReference"]
    assert [asked["minValue"], asked["maxValue"]] == test["holds"]
    assert (verdict["value"], measured["unitText"]) == (test["verdict"], "nodes")


def test_cells_have_numbers_of_their_own(read):
    (test,) = (test for test in announced()[0]["tests"] if test["cells"])
    _, _, *cells = read.get("#test-cost-4")["valueReference"]
    assert [cell["name"] for cell in cells] == test["cells"]
    assert [cell["value"] for cell in cells] == [value for value, _, _ in test["measured"]]
    assert [cell["valueReference"][1]["value"] for cell in cells] == test["words"]


def test_equal_runs_make_equal_bytes_and_a_crate_is_replaced_whole(one_run, tmp_path):
    folder = tmp_path / "crate"
    written = write_crate(folder, store=STORE, chapters=tmp_path / "none")
    assert (written.runs, written.figures) == (1, 0)
    made = (folder / METADATA).read_bytes()
    (folder / METADATA).write_bytes(made.replace(b'"sha256"', b'"sha1"'))
    (folder / "LICENSE").unlink()
    write_crate(folder, store=STORE, chapters=tmp_path / "none")
    assert (folder / METADATA).read_bytes() == made
    assert (folder / "LICENSE").exists()
    assert {path.name for path in (folder / "results").iterdir()} == {f"{one_run}.json", f"{one_run}.npz"}
    assert [path.name for path in tmp_path.iterdir()] == ["crate"]


def test_what_is_missing_is_named(monkeypatch, one_run, tmp_path, capsys):
    monkeypatch.setenv("SPECTRAL_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("SPECTRAL_STORE", str(tmp_path / "store"))
    assert main(["crate", "--to", str(tmp_path / "crate")]) == 1
    told = capsys.readouterr()
    assert f"{tmp_path / 'crate'}: 0 runs, numbers of" in told.out
    assert told.err == "1 of 1 runs are missing; see: python -m spectral status\n"
    ROCrate(tmp_path / "crate")


def test_nothing_else_is_overwritten(one_run, tmp_path):
    check_folder(tmp_path / "new", TITLE)
    (tmp_path / "empty").mkdir()
    check_folder(tmp_path / "empty", TITLE)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="no folder"):
        check_folder(tmp_path / "file", TITLE)
    with pytest.raises(ConfigError, match="not a crate of this book"):
        check_folder(tmp_path, TITLE)
    folder = tmp_path / "crate"
    write_crate(folder, store=STORE, chapters=tmp_path / "none")
    with pytest.raises(ConfigError, match="not a crate of this book"):
        check_folder(folder, "Another one")
    for name, make in {
        "notes.txt": Path.touch,
        "results/empty": Path.mkdir,
        "link": lambda path: path.symlink_to(tmp_path / "empty"),
        "nowhere": lambda path: path.symlink_to(tmp_path / "none"),
    }.items():
        other = folder / name
        make(other)
        with pytest.raises(ConfigError, match=f"holds {re.escape(name)}, which is not of the crate"):
            write_crate(folder, store=STORE)
        other.rmdir() if other.is_dir() and not other.is_symlink() else other.unlink()
    check_folder(folder, TITLE)


def test_a_crate_that_cannot_be_written_leaves_the_old_one(monkeypatch, one_run, tmp_path):
    folder = tmp_path / "crate"
    write_crate(folder, store=STORE, chapters=tmp_path / "none")
    before = (folder / METADATA).read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    rename, moved = os.rename, []

    def renamed(source, target):
        if Path(source).name == "new":
            moved.append(source)
            full()
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", renamed)
        with pytest.raises(StoreError, match="no space is left"):
            write_crate(folder, store=STORE, chapters=tmp_path / "none")
    assert moved, "it got as far as to the last step"
    monkeypatch.setattr(ROCrate, "write", full)
    with pytest.raises(StoreError, match="no space is left"):
        write_crate(folder, store=STORE, chapters=tmp_path / "none")
    assert (folder / METADATA).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["crate"]


def test_an_interrupt_in_the_last_step_leaves_the_old_one(monkeypatch, one_run, tmp_path):
    """After the old crate has been moved away, and before the new one has its place."""
    folder = tmp_path / "crate"
    write_crate(folder, store=STORE, chapters=tmp_path / "none")
    before, rename = (folder / METADATA).read_bytes(), os.rename

    def renamed(source, target):
        rename(source, target)
        if Path(target).name == "old":
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", renamed)
    with pytest.raises(KeyboardInterrupt):
        write_crate(folder, store=STORE, chapters=tmp_path / "none")
    assert (folder / METADATA).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["crate"]


def test_without_the_package_it_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    assert main(["crate", "--to", str(tmp_path / "crate")]) == 2
    assert "needed to write a crate; pip install '.[crate]'" in capsys.readouterr().err


def test_outside_of_the_repository_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(crate, "CITATION", tmp_path / "CITATION.cff")
    with pytest.raises(ConfigError, match="is made from the book's repository"):
        write_crate(tmp_path / "crate")
    assert list(tmp_path.iterdir()) == []
