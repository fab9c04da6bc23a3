"""The whole book in one file: as PDF, printed by Chromium, or as zip of pages.

python book/downloads.py pdf _build/html/_build/html _build/book.pdf
python book/downloads.py zip _build/html/_build/html _build/book.zip
"""

import argparse
import io
import os
import shutil
import sys
import zipfile
from pathlib import Path

import yaml

PROGRAMS = ("chromium", "google-chrome", "chromium-browser")
WIDTH = 900
"""Pixels of a window whose pages show their figures as on a wide screen."""
LOADED = """async () => {
    for (const image of document.images) {
        image.loading = "eager";
        if (image.checkVisibility()) await image.decode().catch(() => {});
    }
    await document.fonts.ready;
}"""


class Impossible(Exception):
    """What is missing, and what to do."""


def listed(site: Path, toc: Path) -> list[Path]:
    """The pages of a book that was built, in the order of its contents."""
    contents = yaml.safe_load(toc.read_text())
    names = [contents["root"]]
    for part in contents["parts"]:
        for chapter in part["chapters"]:
            names.append(chapter["file"])
            names += [one["file"] for one in chapter.get("sections", [])]
    pages = [site / f"{name}.html" for name in names]
    if missing := [page.name for page in pages if not page.exists()]:
        raise Impossible(
            f"no book with all of its pages in {site} ({missing[0]} is missing); "
            "build it with: make html"
        )
    return pages


def print_pdf(pages: list[Path], out: Path) -> int:
    """Print pages below each other into one file with a bookmark for each, and return how many sheets it has."""
    from playwright.sync_api import sync_playwright
    from pypdf import PdfReader, PdfWriter

    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise Impossible(
            f"one of {', '.join(PROGRAMS)} is needed to print; "
            "on Debian: apt-get install chromium"
        )
    book = PdfWriter()
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
            page.evaluate(LOADED)
            title = page.title().partition(" — ")[0]
            printed = page.pdf(
                format="A4",
                scale=0.8,
                print_background=True,
                margin=dict.fromkeys(
                    ("top", "bottom", "left", "right"), "18mm"
                ),
            )
            first = len(book.pages)
            book.append(PdfReader(io.BytesIO(printed)), import_outline=False)
            book.add_outline_item(title, first)
            print(f"{title}: page {first + 1}", flush=True)
        browser.close()
    book.add_metadata({"/Title": "How a Student becomes a Teacher, reproduced"})
    unfinished = out.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        book.write(file)
    os.replace(unfinished, out)
    return len(book.pages)


def pack(site: Path, out: Path) -> int:
    """Put the pages into a zip with one folder; equal pages make equal bytes. Returns how many files it has."""
    files = sorted(path for path in site.rglob("*") if path.is_file())
    unfinished = out.with_suffix(".unfinished")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as target:
        for path in files:
            name = f"{out.stem}/{path.relative_to(site).as_posix()}"
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            target.writestr(entry, path.read_bytes())
    os.replace(unfinished, out)
    return len(files)


def main() -> int:
    """Run the command line; exit status 1 if something is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("pdf", "zip"))
    parser.add_argument("site", type=Path, help="folder of the built pages")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    toc = Path(__file__).parents[1] / "_toc.yml"
    try:
        if not arguments.out.parent.is_dir():
            raise Impossible(f"there is no folder {arguments.out.parent}")
        pages = listed(arguments.site, toc)
        if arguments.kind == "pdf":
            count = f"{print_pdf(pages, arguments.out)} pages"
        else:
            count = f"{pack(arguments.site, arguments.out)} files"
    except Impossible as error:
        print(error, file=sys.stderr)
        return 1
    size = arguments.out.stat().st_size / 1e6
    print(f"{arguments.out}: {count}, {size:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
