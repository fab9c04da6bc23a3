"""The whole book in one file."""

import shutil
import subprocess
import sys
import zipfile

import pytest
from pypdf import PdfReader
from rendered import ROOT, pages
from test_reader import PROGRAMS, absent

PROGRAM = ROOT / "book" / "downloads.py"


def download(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, PROGRAM, *arguments], capture_output=True, text=True)


@pytest.fixture
def small(tmp_path):
    """A book with all pages of the table of contents, which say only their names."""
    for name in pages():
        path = tmp_path / "html" / f"{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<meta charset=utf-8><title>{name} — the book</title><p>This is {name}.</p>")
    return tmp_path / "html"


def test_equal_pages_make_equal_zips(small, tmp_path):
    for name in ("one", "two"):
        assert download("zip", small, tmp_path / name / "book.zip").returncode == 1, "there is no such folder"
        (tmp_path / name).mkdir()
        assert download("zip", small, tmp_path / name / "book.zip").returncode == 0
    one, two = ((tmp_path / name / "book.zip").read_bytes() for name in ("one", "two"))
    assert one == two
    with zipfile.ZipFile(tmp_path / "one" / "book.zip") as found:
        assert sorted(found.namelist()) == sorted(f"book/{name}.html" for name in pages())


def test_a_book_that_is_not_there_is_told(tmp_path):
    told = download("pdf", tmp_path, tmp_path / "book.pdf")
    assert told.returncode == 1
    assert "build it with: make html" in told.stderr
    assert len(told.stderr.splitlines()) == 1
    assert not (tmp_path / "book.pdf").exists()


def test_the_pdf_has_every_page_in_order(small, tmp_path):
    if not any(map(shutil.which, PROGRAMS)):
        absent(f"one of {', '.join(PROGRAMS)}; on Debian: apt-get install chromium")
    told = download("pdf", small, tmp_path / "book.pdf")
    assert told.returncode == 0, told.stderr
    book = PdfReader(tmp_path / "book.pdf")
    assert [mark.title for mark in book.outline] == pages()
    assert [book.get_destination_page_number(mark) for mark in book.outline] == list(range(len(pages())))
    assert f"This is {pages()[1]}." in book.pages[1].extract_text()


def test_links_stay_in_the_pdf_and_sheets_have_numbers(small, tmp_path):
    if not any(map(shutil.which, PROGRAMS)):
        absent(f"one of {', '.join(PROGRAMS)}; on Debian: apt-get install chromium")
    first, second, third = (small / f"{name}.html" for name in pages()[:3])
    links = f"{second.name}", f"{third.name}#here", "data.csv", "#here", "https://example.org/"
    far = "<p style='height: 1500px'>far <a href='#here'>down</a></p><h2 id='here'>Here</h2>"
    first.write_text("<title>first</title>" + "".join(f"<p><a href='{link}'>to</a></p>" for link in links) + far)
    third.write_text(f"<title>third</title>{far}")
    (small / "book" / "data.csv").write_text("1,2")
    assert download("pdf", small, tmp_path / "book.pdf").returncode == 0
    book = PdfReader(tmp_path / "book.pdf")
    number = {sheet.indirect_reference.idnum: index for index, sheet in enumerate(book.pages)}
    links = [link.get_object() for link in book.pages[0]["/Annots"]]
    assert [number[link["/Dest"][0].idnum] for link in links if "/Dest" in link] == [2, 4, 1, 1]
    assert [link["/A"]["/URI"] for link in links if "/A" in link] == ["https://example.org/"]
    assert [sheet.extract_text().split()[-1] for sheet in book.pages] == [str(1 + at) for at in range(len(book.pages))]
    assert b"file:" not in (tmp_path / "book.pdf").read_bytes()


STYLE = ROOT / "book" / "_static" / "print.css"
PAGE = """<html data-theme="dark"><style>html[data-theme=dark] .only-light { display: none !important }</style>
<link rel="stylesheet" href="STYLE"><nav class="bd-sidebar-primary">aside</nav><main class="bd-content"><article>
<div class="shown"><picture class="only-light"><img class="only-light" alt="light"></picture>
<picture class="only-dark"><img class="only-dark" alt="dark"></picture></div><div class="live ready">moves</div>
<details class="hide"><summary>The code</summary><div class="cell_input">code</div></details>
<details class="hide"><summary>Numbers</summary><div class="cell_input">how</div>
<div class="cell_output"><table><tr><td>12</table></div></details></article></main>"""


def test_on_paper_are_light_pictures_and_nothing_that_is_folded(tmp_path):
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        absent(f"one of {', '.join(PROGRAMS)}; on Debian: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    (tmp_path / "page.html").write_text(PAGE.replace("STYLE", STYLE.as_uri()))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        page = browser.new_page()
        page.goto((tmp_path / "page.html").as_uri())
        page.emulate_media(media="print")
        parts = (
            "nav",
            "img.only-light",
            "img.only-dark",
            ".live",
            "table",
            ".cell_input >> nth=0",
            ".cell_input >> nth=1",
        )
        seen = [part for part in parts if page.locator(part).evaluate("element => element.checkVisibility()")]
        browser.close()
    assert seen == ["img.only-light"]
