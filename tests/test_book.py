"""The book: what the committed chapters hold, that they run with other parameters, and the pages they make."""

import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import papermill
import pytest
from papermill.exceptions import PapermillExecutionError
from rendered import ROOT, pages

from spectral.book.claims import announced

CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))
SMALL = {
    "epochs": 3,
    "teachers": 2,
    "trials": 2,
    "student_hidden": 25,
    "patterns": 1_000,
    "pairs": 3,
    "test_patterns": 200,
    "preset": "smoke",
    "widths": "10 30",
}
each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
pytestmark = pytest.mark.filterwarnings("default")  # of the notebook tools, which are not ours to fix


@pytest.fixture(autouse=True)
def scratch_store(monkeypatch, tmp_path_factory):
    """What a chapter trains here is not kept."""
    monkeypatch.setenv("SPECTRAL_STORE", str(tmp_path_factory.mktemp("store")))


def code(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def names(path: Path) -> set[str]:
    """The parameters of a chapter, as papermill reads them."""
    return set(papermill.inspect_notebook(str(path)))


def execute(path: Path, tmp_path: Path, **parameters) -> nbformat.NotebookNode:
    return papermill.execute_notebook(
        path, tmp_path / "out.ipynb", parameters=parameters, progress_bar=False, cwd=str(tmp_path)
    )


@each_chapter
def test_committed_chapters_are_executed_and_hold_nothing_of_a_machine(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.language_info == {"name": "python"}
    for cell in code(path):
        assert not {"papermill", "execution"} & set(cell.metadata)
        assert all(output.output_type != "error" for output in cell.outputs)
        assert all(output.get("name") != "stderr" for output in cell.outputs)
    assert any(cell.outputs for cell in code(path))
    assert not re.search(r"/(home|root|tmp|Users|work)/", json.dumps(notebook))


@each_chapter
def test_chapters_begin_with_their_parameters(path):
    first, second, *_ = code(path)
    assert "parameters" in first.metadata.tags
    assert f'page = Page("{path.stem}", globals())' in second.source
    for name, parameter in papermill.inspect_notebook(str(path)).items():
        assert parameter["inferred_type_name"] in {"int", "float", "str"}, name
        assert len(parameter["help"]) > 3, f"{name} is not explained"


@each_chapter
def test_cells_fit_on_a_screen(path):
    """What is longer has a name and a test in the package."""
    assert [(cell.id, cell.source.count("\n") + 1) for cell in code(path) if cell.source.count("\n") >= 30] == []


@pytest.mark.parametrize("name", [path.stem for path in CHAPTERS if "03" <= path.stem[:2] <= "11"])
def test_training_chapters_show_committed_runs(name):
    """At their defaults they train nothing: every run that they name is kept with the book."""
    shown = "".join(str(cell.outputs) for cell in code(ROOT / "book" / f"{name}.ipynb"))
    named = set(re.findall(r"`([0-9a-f]{12})`", shown))
    assert len(named) >= 3
    assert named <= {path.stem for path in (ROOT / "book" / "results").glob("*.npz")}


@each_chapter
def test_every_figure_has_an_alternative_text(path):
    for cell in code(path):
        if any("image/svg+xml" in output.get("data", {}) for output in cell.outputs):
            assert len(cell.metadata["mystnb"]["image"]["alt"]) > 40


@each_chapter
def test_chapters_run_with_other_parameters(path, tmp_path):
    """The smoke run: a few epochs of small students, from another working directory."""
    wanted = {name: value for name, value in SMALL.items() if name in names(path)}
    result = execute(path, tmp_path, **wanted)
    assert all(cell.execution_count for cell in result.cells if cell.cell_type == "code")


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("03-training", {"studnt_hidden": 100}, "unknown parameter 'studnt_hidden'; did you mean 'student_hidden'?"),
        ("03-training", {"run": 5}, "unknown parameter 'run'"),
        ("03-training", {"student_hidden": "100"}, "student_hidden must be of type int; got '100', of type str"),
        ("03-training", {"student_hidden": 0}, "student_hidden must be at least 1; got 0"),
        ("03-training", {"batch_size": 10_000}, "batch_size must be at most the 8000 training patterns"),
        ("03-training", {"learning_rate": float("nan")}, "learning_rate must be a finite number; got nan"),
        ("03-training", {"pairs": 2}, "pairs must be at least 3; got 2"),
        ("07-paths", {"alike": 1.5}, "alike must lie between 0 and 1 (both excluded); got 1.5"),
        ("07-paths", {"threshold": -0.1}, "threshold must lie from 0"),
        ("08-topology", {"edge": 0.0}, "edge must be above 0; got 0.0"),
        ("09-nodes", {"patience": -1.0}, "patience must be a number of minutes of at least 0; got -1"),
        ("09-nodes", {"teacher_second": 0}, "teacher_second must be at least 1; got 0"),
        ("10-pruning", {"student_hidden": -3}, "student_hidden must be at least 1; got -3"),
        ("10-pruning", {"threshold": 1.5}, "threshold must lie from 0"),
        ("10-pruning", {"widths": "60, 100"}, "widths must hold whole numbers of nodes with spaces between, as 60 200"),
        ("10-pruning", {"tolerance": 0.0}, "tolerance must be a part of E[y^2] above 0, not 0.0"),
        ("10-pruning", {"draws": 0}, "draws must be at least 1; got 0"),
        ("10-pruning", {"patience": -1.0}, "patience must be at least 0; got -1.0"),
        ("02-parametrization", {"in_features": 0}, "in_features must be a whole number of at least 1, not 0"),
        ("01-teacher", {"activation": "gelu"}, "activation must be one of relu, tanh, erf"),
        ("04-spectra", {"preset": "papr"}, "unknown preset 'papr'; did you mean 'paper'?"),
        ("04-spectra", {"widths": "10 41"}, "widths must be some of 10 20 40 60 100 200 500 1000; got '10 41'"),
        ("04-spectra", {"bin_width": 0.0}, "bin_width must lie between 0 and 0.5; got 0.0"),
        ("05-size", {"threshold": 1.0}, "threshold must lie from 0"),
        ("05-size", {"settings": "student_hidden=50"}, "the same, which this chapter compares"),
        ("06-error", {"settings": "epohs=5"}, "unknown parameter 'epohs'; did you mean 'epochs'?"),
        ("06-error", {"patience": -1.0}, "patience must be a number of minutes of at least 0; got -1.0"),
        ("06-error", {"preset": "laptop", "patience": 0.0}, "Train them with: python -m spectral sweep laptop"),
        ("11-universality", {"preset": "huge"}, "unknown preset 'huge'. Known: laptop, paper, smoke"),
        ("11-universality", {"threshold": 1.0}, "threshold must lie between 0 and 0.1 (excluded)"),
        ("11-universality", {"window_low": 0.6}, "window_low and window_high must be increasing"),
        ("deviations", {"settings": "epochs"}, "a setting is NAME=VALUE; got 'epochs'"),
        ("claims", {"preset": "desk"}, "unknown preset 'desk'"),
        ("cost", {"bench": "nowhere.json"}, "the measurements nowhere.json cannot be read: No such file or directory"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_wrong_parameters_fail_before_any_work(tmp_path, name, parameters, message):
    """The cell after the parameters refuses them; none of the later ones has run, and nothing is left behind."""
    with pytest.raises(PapermillExecutionError, match=re.escape(message)):
        execute(ROOT / "book" / f"{name}.ipynb", tmp_path, **parameters)
    cells = [cell for cell in nbformat.read(tmp_path / "out.ipynb", 4).cells if cell.cell_type == "code"]
    executed = [cell.source for cell in cells if cell.execution_count]
    assert "Page(" in executed[-1]
    assert [file.name for file in tmp_path.iterdir()] == ["out.ipynb"]


def test_the_command_line_refuses_and_helps(tmp_path):
    """As a reader would do it: exit status 1 for a string where a number belongs; help with names and types."""
    chapter, out = str(ROOT / "book" / "03-training.ipynb"), str(tmp_path / "out.ipynb")
    call = [sys.executable, "-m", "papermill"]
    failed = subprocess.run([*call, chapter, out, "-r", "student_hidden", "100"], capture_output=True, text=True)
    assert failed.returncode == 1
    assert "student_hidden must be of type int; got '100', of type str" in failed.stderr
    shown = subprocess.run([*call, "--help-notebook", chapter], capture_output=True, text=True, check=True).stdout
    assert re.search(r"student_hidden: int \(default 200\)\s+h_S, hidden nodes of the student", shown)


def test_a_chapter_that_fails_leaves_its_target_alone(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    nbformat.write(notebook, tmp_path / "chapter.ipynb")
    target = tmp_path / "target.ipynb"
    target.write_text("as it was")
    call = [sys.executable, ROOT / "book" / "execute.py", tmp_path / "chapter.ipynb", target]
    result = subprocess.run(call, capture_output=True, text=True)
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stderr
    assert target.read_text() == "as it was"
    assert {file.name for file in tmp_path.iterdir()} == {"chapter.ipynb", "target.ipynb"}


class Page(HTMLParser):
    """What a page loads and shows: addresses of scripts, styles and images, alternative texts, ids, links."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded, self.images, self.ids, self.links = [], [], set(), []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids.add(found.get("id"))
        if tag == "script" and found.get("src"):
            self.loaded.append(found["src"])
        if tag == "link" and found.get("rel") in ("stylesheet", "preload"):
            self.loaded.append(found["href"])
        if tag == "img":
            self.images.append(found)
            self.loaded.append(found["src"])
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])


def test_every_page_of_the_table_of_contents_is_there(site):
    assert (site / "index.html").exists()
    assert [page for page in pages() if not (site / f"{page}.html").exists()] == []
    listed = {page.split("/")[-1] for page in pages()}
    written = {path.stem for path in (ROOT / "book").iterdir() if path.suffix in (".md", ".ipynb")}
    assert listed == written, "a page is missing from _toc.yml"


@pytest.mark.parametrize("name", pages())
def test_pages_read_without_a_network(site, name):
    """Nothing is loaded from elsewhere, every image has a text, every link within the book leads somewhere."""
    path = site / f"{name}.html"
    page = Page(path)
    assert [address for address in page.loaded if re.match(r"(https?:)?//", address)] == []
    assert [address for address in page.loaded if not (path.parent / address.split("?")[0]).exists()] == []
    assert all(len(image.get("alt", "")) > 10 for image in page.images if "_images" in image["src"])
    for link in page.links:
        if re.match(r"[a-z]+:", link):
            continue
        target, _, fragment = link.partition("#")
        there = (path.parent / target).resolve() if target else path
        assert there.exists(), link
        assert not fragment or there.suffix != ".html" or fragment in Page(there).ids, link


def test_numbers_in_the_text_come_from_the_runs(site):
    """Every `glue` of a chapter has found its value, and shows it."""
    for path in CHAPTERS:
        text = (site / "book" / f"{path.stem}.html").read_text()
        asked = sum(cell.source.count("{glue:text}") for cell in nbformat.read(path, 4).cells)
        assert text.count('class="pasted-text"') == asked, path.stem
        assert not re.search(r'class="pasted-text">\s*<', text), f"an empty number in {path.stem}"


def test_the_first_page_shows_every_claim_and_verdict(site):
    """In the words of the announced ledger."""
    text = re.sub(r"\s+", " ", html.unescape((site / "book" / "index.html").read_text()))
    shown = re.findall(r'class="pasted-text">(.*?)</span>', text)
    for entry in announced():
        assert entry["statement"] in shown
        at = shown.index(entry["statement"])
        assert shown[at + 2].endswith(entry["verdict"]), entry["id"]


def test_prose_says_no_verdict_of_its_own():
    """Verdicts stand in boxes and tables, which come from the ledger; typed ones would go stale."""
    for path in [*CHAPTERS, *(ROOT / "book").glob("*.md")]:
        if path.stem in ("claims", "reproduce", "index", "api"):
            continue  # they explain the words
        text = (
            path.read_text()
            if path.suffix == ".md"
            else "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")
        )
        assert not re.search(r"\b(is|are|not|partly|was|were) reproduced\b", text), path.stem
