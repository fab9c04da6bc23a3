"""A page with a live figure, made as the book makes it, and what both figures are asked in a browser."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydata_sphinx_theme
from test_reader import WIDE, opened

from spectral.lab.files import REPOSITORY
from spectral.lab.store import Store

STATIC = REPOSITORY / "book" / "_static"
THEME = next(Path(pydata_sphinx_theme.__file__).parent.rglob("pydata-sphinx-theme.css"))
STORE = Store(committed=REPOSITORY / "book" / "results", local=Path("/nonexistent"))
STATE = "document.querySelector('.live').state"
SEEN = Path(__file__).with_name("live.js").read_text()

FOCUS = """() => {
    const element = document.activeElement, {outlineStyle, boxShadow} = getComputedStyle(element);
    const seen = outlineStyle !== "none" || boxShadow !== "none";
    return [element.type ?? element.tagName, element.closest("label")?.innerText ?? "", seen];
}"""
"""Of what has the keyboard's focus: its kind, its label, and whether one sees it."""


def write(folder: Path, name: str, data, fault: tuple[str, str] = ("", ""), times: int = 1) -> Path:
    """A page with a figure, so many `times`, in a folder of its own; a `fault` replaces a part of its script."""
    folder.mkdir()
    for path in (THEME, *(STATIC / file for file in ("live.js", f"live-{name}.js", "live.css"))):
        shutil.copy(path, folder)
    script = folder / f"live-{name}.js"
    sound = script.read_text()
    assert fault[0] in sound
    script.write_text(sound.replace(*fault, 1))
    figure = f'<div class="live" data-name="{name}"><script type="application/json">{json.dumps(data)}</script></div>'
    links = "".join(f'<link rel="stylesheet" href="{file}">' for file in (THEME.name, "live.css"))
    path = folder / "page.html"
    path.write_text(
        f'<!doctype html><html lang="en" data-theme="light" data-mode="light"><head><meta charset="utf-8">{links}'
        f'<meta name="viewport" content="width=device-width"><title>{name}</title></head>'
        f'<body style="padding: 0 1rem; max-width: 44rem; margin: auto">{figure * times}'
        f'<script defer src="live.js"></script><script defer src="live-{name}.js"></script></body></html>'
    )
    return path


@contextmanager
def shown(page, path: Path, *, width: int = WIDE) -> Iterator[None]:
    """The page is open, and has not complained when it is closed."""
    with opened(page, path.as_uri(), f"{path.parent.as_uri()}/", width=width) as complaints:
        yield
    assert complaints == []


def colour(page, scheme: str) -> None:
    """The book's page in a scheme, which the theme's script would make so."""
    page.evaluate(f"document.documentElement.dataset.theme = '{scheme}'")
    page.evaluate(f"document.body.style.background = '{'#14181e' if scheme == 'dark' else 'white'}'")


def unreadable(page, *, lines: str, areas: str) -> dict[str, object]:
    """What a reader does not see well, if anything; of some lines and areas, by their selectors, too."""
    return {kind: what for kind, what in page.evaluate(SEEN, {"lines": lines, "areas": areas}).items() if what}
