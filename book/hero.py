"""Write the first page's figure where the README finds it: `book/_static/hero.svg`, and `hero-dark.svg`.

It is taken from the committed chapter, `book/05-size.ipynb`; `make refresh` does this after the chapters.
"""

import json
from pathlib import Path

from spectral.book.figures.dark import dark_svg
from spectral.book.notebooks import figures, text_of, words

BOOK = Path(__file__).parent


def main() -> None:
    """Write both drawings."""
    chapter = json.loads((BOOK / "05-size.ipynb").read_text())
    (data,) = (
        data for cell, data in figures(chapter) if words(cell).name == "size"
    )
    svg = text_of(data["image/svg+xml"])
    (BOOK / "_static" / "hero.svg").write_text(svg)
    (BOOK / "_static" / "hero-dark.svg").write_text(dark_svg(svg))


if __name__ == "__main__":
    main()
