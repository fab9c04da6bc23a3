"""The whole book in one file: as PDF, printed by Chromium, or as zip of pages.

python book/downloads.py pdf _build/html/_build/html _build/book.pdf
python book/downloads.py zip _build/html/_build/html _build/book.zip
"""

import argparse
import io
import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sphinx_external_toc.parsing import parse_toc_yaml

from spectral.lab.files import replacing

if TYPE_CHECKING:
    from pypdf import PdfReader, PdfWriter

PROGRAMS = ("chromium", "google-chrome", "chromium-browser")
WIDTH = 900
"""Pixels of a window whose pages show their figures as on a wide screen."""
LOADED = """async () => {
    const missing = [];
    for (const image of document.images) {
        image.loading = "eager";
        if (image.checkVisibility())
            await image.decode().catch(() => missing.push(image.src));
    }
    await document.fonts.ready;
    return missing;
}"""
"""Waits for what a page shows; returns the pictures that are not there."""


class Impossible(Exception):
    """What is missing, and what to do."""


def listed(site: Path, toc: Path) -> list[Path]:
    """The pages of a book that was built, in the order of its contents."""
    pages = [site / f"{name}.html" for name in parse_toc_yaml(toc)]
    if missing := [page.name for page in pages if not page.exists()]:
        raise Impossible(
            f"no book with all of its pages in {site} ({missing[0]} is missing); "
            "build it with: make html"
        )
    return pages


NUMBERS = "<style>p + p { break-before: page }</style>"
NUMBER = (
    '<div style="font: 9px sans-serif; text-align: center; width: 100%">'
    '<span class="pageNumber"></span></div>'
)
SHEET = {
    "format": "A4",
    "print_background": True,
    "margin": dict.fromkeys(("top", "bottom", "left", "right"), "18mm"),
}

Places = dict[tuple[str, str], tuple[int, float | None]]
"""Of an address and what stands behind its # the sheet, and how high on it."""


def places(reader: "PdfReader", address: str, first: int) -> Places:
    """Where in the book the parts of a printed page are that links can lead to; its first sheet stands for the whole."""
    found: Places = {(address, ""): (first, None)}
    for name, mark in reader.named_destinations.items():
        sheet = reader.get_destination_page_number(mark)
        if sheet is not None and sheet >= 0:
            found[address, name.lstrip("/")] = (first + sheet, mark.top)
    return found


def lead(book: "PdfWriter", firsts: dict[str, int], known: Places) -> None:
    """Make links between pages links within the book; those to files, which it does not have, go."""
    from pypdf.generic import ArrayObject, NameObject, NullObject, NumberObject

    starts = sorted((first, address) for address, first in firsts.items())
    here, later = "", starts
    for number, sheet in enumerate(book.pages):
        while later and later[0][0] <= number:
            here, later = later[0][1], later[1:]
        kept = ArrayObject()
        for reference in sheet.get("/Annots") or ():
            link = reference.get_object()
            name, action = link.get("/Dest"), link.get("/A")
            if name is not None:
                address, part = here, str(name).lstrip("/")
            else:
                url = str((action or {}).get("/URI", ""))
                if not url.startswith("file:"):
                    kept.append(reference)
                    continue
                address, _, part = url.partition("#")
                part = unquote(part)
            target = known.get((address, part)) or known.get((address, ""))
            if target is None:
                continue
            to = book.pages[target[0]]
            top = to.mediabox.top if target[1] is None else target[1]
            link.pop("/A", None)
            link[NameObject("/Dest")] = ArrayObject(
                [
                    to.indirect_reference,
                    NameObject("/XYZ"),
                    NullObject(),
                    NumberObject(round(top)),
                    NullObject(),
                ]
            )
            kept.append(reference)
        if "/Annots" in sheet:
            sheet[NameObject("/Annots")] = kept
    for names in ("/Names", "/Dests"):  # those of pages, which had the same
        book.root_object.pop(names, None)


def print_pdf(pages: list[Path], out: Path) -> int:
    """Print pages below each other into one file with a bookmark for each, and return how many sheets it has."""
    try:
        from playwright.sync_api import sync_playwright
        from pypdf import PdfReader, PdfWriter
    except ImportError as error:
        raise Impossible(
            f"the Python package {error.name} is needed to print; "
            "pip install -r requirements.txt"
        ) from error

    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise Impossible(
            f"one of {', '.join(PROGRAMS)} is needed to print; "
            "on Debian: apt-get install chromium"
        )
    book, firsts, known = PdfWriter(), {}, {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        page = browser.new_page(
            color_scheme="light", viewport={"width": WIDTH, "height": 1_200}
        )
        for path in pages:
            page.goto(path.resolve().as_uri())
            page.emulate_media(media="print")
            if missing := page.evaluate(LOADED):
                raise Impossible(
                    f"{path.name} shows a picture that is not there: {missing[0]}"
                )
            title = page.title().partition(" — ")[0]
            printed = PdfReader(io.BytesIO(page.pdf(scale=0.8, **SHEET)))
            first = len(book.pages)
            address = path.resolve().as_uri()
            firsts[address] = first
            known |= places(printed, address, first)
            book.append(printed, import_outline=False)
            book.add_outline_item(title=title, page_number=first)
            print(f"{title}: page {first + 1}", flush=True)
        page.set_content(NUMBERS + "<p>&nbsp;</p>" * len(book.pages))
        numbers = page.pdf(
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=NUMBER,
            **SHEET,
        )
        browser.close()
    lead(book, firsts, known)
    for sheet, number in zip(
        book.pages, PdfReader(io.BytesIO(numbers)).pages, strict=True
    ):
        sheet.merge_page(number)
        sheet.compress_content_streams()  # which merging has unpacked
    book.add_metadata({"/Title": "How a Student becomes a Teacher, reproduced"})
    with replacing(out) as file:
        book.write(file)
    return len(book.pages)


def pack(site: Path, out: Path) -> int:
    """Put the pages into a zip with one folder; equal pages make equal bytes. Returns how many files it has."""
    files = sorted(path for path in site.rglob("*") if path.is_file())
    with (
        replacing(out) as whole,
        zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for path in files:
            name = f"{out.stem}/{path.relative_to(site).as_posix()}"
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            target.writestr(entry, path.read_bytes())
    return len(files)


def main(arguments: Sequence[str | Path] | None = None) -> int:
    """Run the command line on `arguments` (default: the process's); exit status 1 if something is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("pdf", "zip"))
    parser.add_argument("site", type=Path, help="folder of the built pages")
    parser.add_argument("out", type=Path)
    options = parser.parse_args(arguments and list(map(str, arguments)))
    toc = Path(__file__).parents[1] / "_toc.yml"
    try:
        if not options.out.parent.is_dir():
            raise Impossible(f"there is no folder {options.out.parent}")
        pages = listed(options.site, toc)
        if options.kind == "pdf":
            count = f"{print_pdf(pages, options.out)} pages"
        else:
            count = f"{pack(options.site, options.out)} files"
    except Impossible as error:
        print(error, file=sys.stderr)
        return 1
    size = options.out.stat().st_size / 1e6
    print(f"{options.out}: {count}, {size:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
