"""Write the first page's figure where the README finds it: `book/_static/hero.svg`, and `hero-dark.svg`.

It is taken from the committed chapter, `book/05-size.ipynb`; `make refresh` does this after the chapters.
"""

import json
from pathlib import Path

from spectral.book.figures.dark import dark_svg
from spectral.book.page import FIGURE

BOOK = Path(__file__).parent


def main() -> None:
    """Write both drawings."""
    cells = json.loads((BOOK / "05-size.ipynb").read_text())["cells"]
    shown = [
        output["data"]
        for cell in cells
        if cell["metadata"].get("mystnb", {}).get("figure", {}).get("name")
        == "size"
        for output in cell["outputs"]
        if FIGURE in output.get("data", {})
    ]
    (data,) = shown
    svg = "".join(data["image/svg+xml"])
    (BOOK / "_static" / "hero.svg").write_text(svg)
    (BOOK / "_static" / "hero-dark.svg").write_text(dark_svg(svg))


if __name__ == "__main__":
    main()
