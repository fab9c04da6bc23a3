"""The book: what the committed chapters hold, and the pages they make."""

import functools
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from chapters import CHAPTERS, code
from rendered import ROOT, pages

from spectral.book.claims import announced
from spectral.book.figures.dark import dark_svg
from spectral.book.figures.style import LEAST
from spectral.book.markdown import tally_text
from spectral.book.page import FIGURE

each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
pytestmark = pytest.mark.filterwarnings("default")  # of the notebook tools, which are not ours to fix


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


TRAINING = [path for path in CHAPTERS if "03" <= path.stem[:2] <= "15"]


@pytest.mark.parametrize("path", TRAINING, ids=lambda path: path.stem)
def test_training_chapters_show_committed_runs(path):
    """At their defaults they train nothing: every run that they name is kept with the book."""
    named = {run for _, figure in drawn(path) for run in figure["runs"]}
    assert len(named) >= 3
    assert named <= {path.stem for path in (ROOT / "book" / "results").glob("*.npz")}


def drawn(path: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Of each figure of a chapter what its cell's metadata say of it, and what its output holds for pages."""
    return [
        (cell.metadata["mystnb"], output.data[FIGURE])
        for cell in code(path)
        for output in cell.outputs
        if FIGURE in output.get("data", {})
    ]


@each_chapter
def test_every_figure_has_words(path):
    """A name, a caption, an alternative text; and text that can be read on a telephone."""
    images = sum("image/" in " ".join(output.get("data", {})) for cell in code(path) for output in cell.outputs)
    found = drawn(path)
    assert len(found) == images, "a figure that page.show did not show"
    for words, figure in found:
        assert re.fullmatch("[a-z0-9-]+", words["figure"]["name"])
        assert len(words["figure"]["caption"]) > 60, words["figure"]["name"]
        assert len(words["image"]["alt"]) > 40, words["figure"]["name"]
        assert min(figure["smallest"]) >= LEAST, words["figure"]["name"]


SET_UP = "Parameters and set-up"


@each_chapter
def test_the_result_comes_first(path):
    """A box with it, the set-up in one bar, and in a chapter with figures the first of them, before much is said."""
    cells = nbformat.read(path, 4).cells
    assert ":::{admonition} In short\n:class: result\n" in cells[0].source
    first, second = (cell for cell in cells if cell.cell_type == "code" and cell in code(path)[:2])
    assert {"hide-input"} <= set(first.metadata.tags) & set(second.metadata.tags)
    assert first.metadata.mystnb.code_prompt_show == SET_UP
    assert cells.index(second) == cells.index(first) + 1
    shown = [index for index, cell in enumerate(cells) if "figure" in cell.metadata.get("mystnb", {})]
    if shown:
        before = " ".join(cell.source for cell in cells[: shown[0]] if cell.cell_type == "markdown")
        assert len(before.split()) < 260


@each_chapter
def test_code_that_readers_see_is_short(path):
    """What is neither folded nor left out fits in the column: 80 characters."""
    for cell in code(path):
        if not {"hide-input", "hide-cell", "remove-input", "remove-cell"} & set(cell.metadata.get("tags", [])):
            assert max(map(len, cell.source.splitlines())) <= 80, cell.id


def test_figures_have_names_of_their_own():
    names = [words["figure"]["name"] for path in CHAPTERS for words, _ in drawn(path)]
    assert sorted(set(names)) == sorted(names)


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


@functools.cache
def read(path: Path) -> Page:
    """A page, parsed once for all links that lead to it."""
    return Page(path)


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
    page = read(path)
    assert [address for address in page.loaded if re.match(r"(https?:)?//", address)] == []
    assert [address for address in page.loaded if not (path.parent / address.split("?")[0]).exists()] == []
    assert all(len(image.get("alt", "")) > 10 for image in page.images if "_figures" in image["src"])
    for link in page.links:
        if re.match(r"[a-z]+:", link):
            continue
        target, _, fragment = link.partition("#")
        there = (path.parent / target).resolve() if target else path
        assert there.exists(), link
        assert not fragment or there.suffix != ".html" or fragment in read(there).ids, link


@each_chapter
def test_figures_are_shown_with_their_numbers_and_runs(site, path):
    """In both schemes, for both screens; with a caption that is numbered, and links that lead to something."""
    page = (site / "book" / f"{path.stem}.html").read_text()
    runs = (site / "book" / "runs.html").read_text()
    for words, figure in drawn(path):
        name = words["figure"]["name"]
        for screen in ("", "-narrow") if figure["narrow"] else ("",):
            for scheme in ("", "-dark"):
                assert (site / "_figures" / f"{name}{screen}{scheme}.svg").exists()
                assert f"../_figures/{name}{screen}{scheme}.svg" in page
        shown = page[page.index(f'id="{name}"') :]
        caption = shown[shown.index("<figcaption>") : shown.index("</figcaption>")]
        assert 'class="caption-number"' in caption
        assert f'href="../_figures/{name}.csv"' in caption
        assert (site / "_figures" / f"{name}.csv").read_text() == figure["numbers"]
        assert len(figure["numbers"].splitlines()) > 1 or name in WITHOUT_NUMBERS, name
        assert (f'href="runs.html#of-{name}"' in caption) == (f'id="of-{name}"' in runs) == bool(figure["runs"])
        assert all(run in runs for run in figure["runs"])


WITHOUT_NUMBERS = {"teacher-network"}
"""Figures that are drawings, of nothing that has a number."""


@each_chapter
def test_the_set_up_is_one_bar(site, path):
    page = (site / "book" / f"{path.stem}.html").read_text()
    bar = re.search(rf"(?s)<details[^>]*>\s*<summary[^>]*>(?:(?!</summary>).)*{SET_UP}.*?</details>", page)
    assert bar
    parameter = next(iter(papermill.inspect_notebook(str(path))))
    assert all(f">{name}<" in bar[0] for name in (parameter, "globals")), "both cells are in it"


def test_numbers_in_the_text_come_from_the_runs(site):
    """Every `glue` of a chapter has found its value, and shows it."""
    for path in CHAPTERS:
        text = (site / "book" / f"{path.stem}.html").read_text()
        cells = nbformat.read(path, 4).cells
        captions = [cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", "") for cell in cells]
        asked = sum(words.count("{glue:text}") for words in [*(cell.source for cell in cells), *captions])
        assert text.count('class="pasted-text"') == asked, path.stem
        assert not re.search(r'class="pasted-text">\s*<', text), f"an empty number in {path.stem}"


def test_the_first_page_shows_every_claim_and_verdict(site):
    """In the words of the announced ledger."""
    text = re.sub(r"<[^>]*>|\s+", " ", html.unescape((site / "book" / "index.html").read_text()))
    text = re.sub(r"\s+", " ", text).replace("’", "'")
    for entry in announced():
        row = rf"{re.escape(entry['statement'])} \( ?chapter \d+ ?\) . {entry['verdict']}"
        assert re.search(row, text), entry["id"]


def test_the_readme_says_what_the_ledger_and_the_book_say():
    """Its numbers are typed; here they are compared."""
    text = " ".join((ROOT / "README.md").read_text().split())
    entries = {entry["id"]: entry for entry in announced()}
    measured = {name: [round(t["measured"][0]) for t in entries[name]["tests"][:2]] for name in ("size", "lasso")}
    survive, needed = measured["size"]
    assert f"{survive} survive, and {needed} are needed, of a teacher with 20" in text
    assert f"With a group lasso conventional training keeps {measured['lasso'][0]}." in text
    assert f"The paper's claims: {tally_text(list(entries.values()), 'paper')}." in text


def test_the_readme_shows_the_figure_of_the_first_page():
    (drawing,) = (
        output.data["image/svg+xml"]
        for cell in code(ROOT / "book" / "05-size.ipynb")
        for output in cell.outputs
        if FIGURE in output.get("data", {}) and cell.metadata["mystnb"]["figure"]["name"] == "size"
    )
    assert (ROOT / "book" / "_static" / "hero.svg").read_text() == drawing
    assert (ROOT / "book" / "_static" / "hero-dark.svg").read_text() == dark_svg(drawing)


def test_prose_says_no_verdict_of_its_own():
    """Verdicts stand in boxes and tables, which come from the ledger; typed ones would go stale."""
    for path in [*CHAPTERS, *(ROOT / "book").glob("*.md")]:
        if path.stem in ("claims", "commands", "reproduce", "index", "api"):
            continue  # they explain the words
        text = (
            path.read_text()
            if path.suffix == ".md"
            else "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")
        )
        words = r"\bclaims? (holds?|does not hold|do not hold|(is|are) (undecided|confirmed|refuted))\b"
        assert not re.search(words, text), path.stem
