"""The whole book in one file."""

import sys
import zipfile

import pytest
from pypdf import PdfReader
from rendered import ROOT, browser_program, pages

sys.path.insert(0, str(ROOT / "book"))
from downloads import main


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
        assert main(["zip", small, tmp_path / name / "book.zip"]) == 1, "there is no such folder"
        (tmp_path / name).mkdir()
        assert main(["zip", small, tmp_path / name / "book.zip"]) == 0
    one, two = ((tmp_path / name / "book.zip").read_bytes() for name in ("one", "two"))
    assert one == two
    with zipfile.ZipFile(tmp_path / "one" / "book.zip") as found:
        assert sorted(found.namelist()) == sorted(f"book/{name}.html" for name in pages())


def test_a_book_that_is_not_there_is_told(tmp_path, capsys):
    assert main(["pdf", tmp_path, tmp_path / "book.pdf"]) == 1
    told = capsys.readouterr().err
    assert "build it with: make html" in told
    assert len(told.splitlines()) == 1
    assert not (tmp_path / "book.pdf").exists()


def test_the_pdf_has_every_page_in_order(small, tmp_path):
    browser_program()
    assert main(["pdf", small, tmp_path / "book.pdf"]) == 0
    book = PdfReader(tmp_path / "book.pdf")
    assert [mark.title for mark in book.outline] == pages()
    assert [book.get_destination_page_number(mark) for mark in book.outline] == list(range(len(pages())))
    assert f"This is {pages()[1]}." in book.pages[1].extract_text()


def test_links_stay_in_the_pdf_and_sheets_have_numbers(small, tmp_path):
    browser_program()
    first, second, third = (small / f"{name}.html" for name in pages()[:3])
    links = f"{second.name}", f"{third.name}#here", "data.csv", "#here", "https://example.org/"
    far = "<p style='height: 1500px'>far <a href='#here'>down</a></p><h2 id='here'>Here</h2>"
    first.write_text("<title>first</title>" + "".join(f"<p><a href='{link}'>to</a></p>" for link in links) + far)
    third.write_text(f"<title>third</title>{far}")
    (small / "book" / "data.csv").write_text("1,2")
    assert main(["pdf", small, tmp_path / "book.pdf"]) == 0
    book = PdfReader(tmp_path / "book.pdf")
    number = {sheet.indirect_reference.idnum: index for index, sheet in enumerate(book.pages)}
    links = [link.get_object() for link in book.pages[0]["/Annots"]]
    assert [number[link["/Dest"][0].idnum] for link in links if "/Dest" in link] == [2, 4, 1, 1]
    assert [link["/A"]["/URI"] for link in links if "/A" in link] == ["https://example.org/"]
    assert [sheet.extract_text().split()[-1] for sheet in book.pages] == [str(1 + at) for at in range(len(book.pages))]
    assert b"file:" not in (tmp_path / "book.pdf").read_bytes()
