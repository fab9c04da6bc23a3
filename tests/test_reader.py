"""The book in a reader's browser: light and dark, wide and narrow, without a network.

Pages are opened as files. That is what `make book` names at its end, and it lets the network be shut off as a whole:
a server on this machine would need a part of it. Searching is also tested over HTTP, as the book is published.
"""

import io
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import matplotlib.image
import nbformat
import numpy as np
import pytest
from rendered import ROOT, absent, browser_program, pages

CHECKS = Path(__file__).with_name("reader.js").read_text()
WIDE, NARROW = 1280, 390  # pixels: a laptop, a telephone


@pytest.fixture(scope="module")  # not longer: Playwright's event loop would be in the way of the notebooks' tests
def browser():
    """The system's Chromium. Nothing but this machine has an address in it."""
    program = browser_program()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        addresses = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        browser = playwright.chromium.launch(executable_path=program, args=[addresses])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page(browser):
    """The one tab in which all pages are opened, one after the other: what they share is read once. It is offline."""
    with browser.new_context(offline=True) as context:
        yield context.new_page()


@contextmanager
def opened(page, address: str, home: str, *, scheme: str = "light", width: int = WIDE) -> Iterator[list[str]]:
    """The complaints that a page causes while it is open; all that it loads should lie below `home`."""
    complaints = []

    def said(message):
        if message.type == "error":
            complaints.append(f"console error: {message.text} ({message.location['url']})")

    def asked(request):
        if not request.url.startswith((home, "data:", "blob:")):
            complaints.append(f"outside the book: {request.url}")

    def failed(request):
        # What was still on its way when the reader went on is given up; what is not there fails otherwise.
        if request.failure != "net::ERR_ABORTED":
            complaints.append(f"not loaded: {request.url} ({request.failure})")

    listeners = {
        "console": said,
        "pageerror": lambda error: complaints.append(f"uncaught error: {error}"),
        "request": asked,
        "requestfailed": failed,
    }
    page.goto("about:blank")  # the last complaints of what was open before
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # nothing is measured half-way
    for event, listener in listeners.items():
        page.on(event, listener)
    page.goto(address)
    yield complaints
    for event, listener in listeners.items():
        page.remove_listener(event, listener)


def unreadable(page) -> list[str]:
    """Figures that have another ground than the page, or nothing on it that can be told from it."""
    found, size = [], page.viewport_size
    ground = page.evaluate(GROUND)
    images = [image for image in page.locator("article .shown img").all() if image.is_visible()]
    # What does not fit into the window is not painted whole.
    tallest = max((image.bounding_box()["height"] for image in images), default=0)
    page.set_viewport_size({"width": size["width"], "height": max(size["height"], int(tallest) + 300)})
    for image in images:
        png = matplotlib.image.imread(io.BytesIO(image.screenshot()))[..., :3]  # height, width, colour; 0 to 1
        edge = np.median(np.concatenate([png[3], png[-4], png[:, 3], png[:, -4]]), 0)
        if np.abs(edge - ground).max() > 0.03:
            found.append(f"a figure's ground is not the page's: {image.get_attribute('src')[:80]}")
        if np.quantile(np.abs(png.mean(-1) - edge.mean()), 0.9999) < 0.5:
            found.append(f"a figure does not stand out from its ground: {image.get_attribute('src')[:80]}")
    page.set_viewport_size(size)
    return found


AXE = Path(find_spec("axe_playwright_python").origin).with_name("axe.min.js").read_text()

AXE_OPTIONS = {"preload": False, "resultTypes": ["violations"]}  # to read style sheets, it would ask for them again


def shut_out(page, *, only: str = "") -> list[str]:
    """What shuts readers out, by axe-core: all of its rules, or one, on the page as it is."""
    page.evaluate(AXE)
    options = AXE_OPTIONS | ({"runOnly": [only]} if only else {})
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [f"axe, {rule['id']}: {node['html'][:160]}" for rule in found for node in rule["nodes"]]


GROUND = """() => {
    let element = document.querySelector("article");
    while (/, 0\\)$|transparent/.test(getComputedStyle(element).backgroundColor)) element = element.parentElement;
    return getComputedStyle(element).backgroundColor.match(/[\\d.]+/g).slice(0, 3).map(value => value / 255);
}"""


FOCUS = """() => {
    document.getAnimations().forEach(animation => animation.finish());  // the skip link slides in
    const element = document.activeElement, {outlineStyle, boxShadow} = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    const kinds = {
        "the link past the navigation": ".skip-link a",
        "search": ".search-button__button",
        "the menu": ".primary-toggle",
        "another page": "nav.bd-links a:not(.current)",
    };
    return {
        kind: Object.keys(kinds).find(kind => element.matches(kinds[kind])),
        seen: (outlineStyle !== "none" || boxShadow !== "none") && box.right > 0 && box.left < innerWidth
            && box.bottom > 0 && box.top < innerHeight,
        text: (element.getAttribute("aria-label") || element.innerText || element.tagName).trim(),
    };
}"""


def unreachable(page) -> list[str]:
    """What a reader without a mouse does not get to: the skip link, search, and another page by the navigation."""
    complaints = []

    def reach(kind: str, key: str = "Tab", most: int = 30) -> bool:
        for _ in range(most):
            page.keyboard.press(key)
            focus = page.evaluate(FOCUS)
            if focus["kind"] and not focus["seen"]:
                complaints.append(f"the keyboard's focus cannot be seen on: {focus['text']}")
            if focus["kind"] == kind:
                return True
        complaints.append(f"the keyboard does not reach {kind}")
        return False

    reach("the link past the navigation", most=1)
    reach("search")
    if not page.locator("nav.bd-links").first.is_visible() and reach("the menu", "Shift+Tab"):
        page.keyboard.press("Enter")
    reach("another page")
    return complaints


def unopened(page) -> list[str]:
    """What does not open when a link has the keyboard's focus and Enter is pressed."""
    target = page.evaluate("document.activeElement.href")
    page.keyboard.press("Enter")
    try:
        page.wait_for_url(target, wait_until="commit", timeout=5_000)
    except Exception as error:  # of Playwright, which is imported only where it is there
        return [f"the keyboard does not open {target}: {error}"]
    return []


def read(
    page, site: Path, path: Path, *, width: int, schemes: tuple[str, ...], figures: int, axe: bool = True
) -> list[str]:
    """All that is wrong with a page of the book that should show so many figures; it is loaded in the first scheme.

    Without `axe` what that finds is left out, which takes longer than all the rest.
    """
    with opened(page, path.as_uri(), f"{site.as_uri()}/", scheme=schemes[0], width=width) as complaints:
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme)
            complaints += page.evaluate(f"({CHECKS})", {"scheme": scheme, "figures": figures})
            complaints += unreadable(page)
            if axe and width == WIDE:  # what else axe looks at has the same form in both schemes
                complaints += shut_out(page, only="color-contrast" if scheme != schemes[0] else "")
        complaints += unreachable(page)
    return list(dict.fromkeys(complaints)) or unopened(page)  # outside: what the other page complains of is its own


def figures(name: str) -> int:
    """How many figures a page has to show: the images among the outputs of its notebook."""
    path = ROOT / f"{name}.ipynb"
    cells = nbformat.read(path, 4).cells if path.exists() else []
    shown = [cell for cell in cells if not {"remove-cell", "remove-output"} & set(cell.metadata.get("tags", []))]
    outputs = [output.get("data", {}) for cell in shown for output in cell.get("outputs", [])]
    return sum(any(kind.startswith("image/") for kind in data) for data in outputs)


@pytest.mark.parametrize(
    ("width", "schemes"), [(WIDE, ("light", "dark")), (NARROW, ("dark", "light"))], ids=["wide", "narrow"]
)
@pytest.mark.parametrize("name", pages())
def test_a_page_reads_well(page, site, name, width, schemes):
    """In both schemes at both widths. Each scheme is once there from the start, once switched to with the page open."""
    assert read(page, site, site / f"{name}.html", width=width, schemes=schemes, figures=figures(name)) == []


@pytest.fixture(scope="module")
def scratch(site, tmp_path_factory) -> Path:
    """A copy of the book that may be spoiled. Its files are shared with the book: pages are added, none is changed."""
    copy = tmp_path_factory.mktemp("scratch") / "html"
    return shutil.copytree(site, copy, copy_function=os.link)


@pytest.fixture(scope="module")
def spoiled(site, scratch) -> Callable[[str], tuple[Path, int]]:
    """A page with something bad at its end, and the figures that it should show: the first page with mathematics."""
    name = next(name for name in pages() if 'class="math' in (site / f"{name}.html").read_text())
    good = (site / f"{name}.html").read_text()

    def write(bad: str) -> tuple[Path, int]:
        path = (scratch / name).with_name("spoiled.html")
        path.write_text(good.replace("</article>", f"{bad}</article>", 1))
        return path, figures(name)

    return write


FIGURE = (
    "<svg xmlns='http://www.w3.org/2000/svg' width='300' height='300'>{}<path d='M0 0L300 300' stroke='black'/></svg>"
)
BARE, GROUNDED = FIGURE.format(""), FIGURE.format("<rect width='300' height='300' fill='white'/>")
OUTPUT = (
    '<div class="cell_output"><div class="shown" data-smallest="9"><img alt="a figure" {} '
    'src="data:image/svg+xml,{}"></div></div>'
)
FORMULA = '<span class="math notranslate nohighlight">{}</span>'
DEFECTS = {
    "uncaught error: planted": "<script>throw new Error('planted')</script>",
    "console error: planted": "<script>console.error('planted')</script>",
    "not loaded: file:.*nowhere.js": "<script src='nowhere.js'></script>",
    "outside the book: https://example.org/style.css": "<link rel='stylesheet' href='https://example.org/style.css'>",
    "outside the book: http://127.0.0.1:9/": "<script>fetch('http://127.0.0.1:9/').catch(() => {})</script>",
    "outside the book: file:///elsewhere.png": "<img src='file:///elsewhere.png' alt='from elsewhere'>",
    "mathematics is not typeset": FORMULA.format(r"\(x\)"),
    "[0-9]+ typeset formulas, but": "<mjx-container>x</mjx-container>",
    "TeX stands in the text: The length": "<p>The length $x of a formula without an end.</p>",
    r"TeX stands in the text: \\phi": r"<p>\phi</p>",
    "an image is missing": "<img src='nowhere.svg' alt='a lost figure' loading='lazy'>",
    "an image has no alternative text": OUTPUT.format("", GROUNDED).replace("a figure", " "),
    "an image is hidden": OUTPUT.format("hidden", GROUNDED),
    "the chapter has .* figures, the page": OUTPUT.format("", GROUNDED),
    "the page scrolls sideways: 2": "<div style='width: 2000px'>wide</div>",
    "wider than the page: <b": "<b style='white-space: nowrap'>" + "wide " * 400 + "</b>",
    "cut off: wide": "<div style='overflow: hidden; white-space: nowrap'>" + "wide " * 400 + "</div>",
    "axe, button-name: <button": "<button></button>",
    "code is cut: <pre": "<pre style='white-space: pre; overflow: auto'>" + "long " * 400 + "</pre>",
    "a figure does not stand out": OUTPUT.format("", BARE),
    "a figure's ground is not the page's": OUTPUT.format("", GROUNDED),
    "a figure has text of 6.0 px": OUTPUT.format("style='width: 150px'", GROUNDED),
    "a figure has no caption": f"<figure>{OUTPUT.format('', BARE)}</figure>",
    "a picture of the other scheme is shown": OUTPUT.format(
        "class='only-light' style='display: block !important'", BARE
    ),
    "the page is not dark": "<style>body { background: white !important }</style>",
    "text has a contrast of 1.": "<style>article { color: #333 !important }</style>",
    "the keyboard does not reach the link past the navigation": "<style>.skip-link { display: none }</style>",
    "the keyboard does not reach search": "<script>document.querySelectorAll('.search-button__button')"
    ".forEach(button => button.tabIndex = -1)</script>",
    "the keyboard does not reach another page": "<script>document.querySelectorAll('nav.bd-links a')"
    ".forEach(link => link.tabIndex = -1)</script>",
    "the keyboard's focus cannot be seen": "<style>* { outline: none !important; box-shadow: none !important }</style>",
    "the keyboard does not open file:": "<script>addEventListener('click', event => event.preventDefault())</script>",
}


@pytest.mark.parametrize("complaint", DEFECTS)
def test_a_defect_is_found(page, scratch, spoiled, complaint):
    """Each check has something to find: a good page with one thing wrong."""
    path, expected = spoiled(DEFECTS[complaint])
    axe = complaint.startswith("axe")
    found = read(page, scratch, path, width=WIDE, schemes=("dark",), figures=expected, axe=axe)
    assert any(re.match(complaint, text) for text in found), found


def test_a_narrow_screen_without_a_menu_is_found(page, scratch, spoiled):
    path, expected = spoiled("<style>.primary-toggle { display: none !important }</style>")
    found = read(page, scratch, path, width=NARROW, schemes=("light",), figures=expected)
    assert "the keyboard does not reach the menu" in found


def test_the_link_past_the_navigation_leads_to_the_text(page, site):
    address = (site / f"{pages()[-1]}.html").as_uri()
    with opened(page, address, f"{site.as_uri()}/") as complaints:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('main') !== null")
    assert complaints == []


SCREEN = ".bd-sidebar-primary, .bd-sidebar-secondary, .bd-header, .bd-header-article, .prev-next-footer, .bd-footer"
FOLDED = "summary, details .cell_input, details:not(:has(figure)) *"
PAPER = f"""() => [...document.querySelectorAll("{SCREEN}, {FOLDED}, button, .live, .only-dark")]
    .filter(element => element.checkVisibility()).map(element => `on paper: ${{element.outerHTML.slice(0, 160)}}`)
    .concat([...document.querySelectorAll(".shown img.only-light")].filter(image => !image.getClientRects().length)
    .map(image => `not on paper: ${{image.outerHTML.slice(0, 160)}}`))"""


def unprintable(page) -> list[str]:
    """What is wrong with a page on paper, printed by a reader whose screen is dark."""
    page.emulate_media(media="print", color_scheme="dark")
    complaints = page.evaluate(PAPER)
    if page.evaluate(GROUND) != [1, 1, 1]:
        complaints.append("the paper is not white")
    complaints += shut_out(page, only="color-contrast")
    page.emulate_media(media="screen")
    return complaints


@pytest.mark.parametrize("name", ["book/05-size", "book/11-transition", "book/claims", "book/reproduce"])
def test_paper_is_black_on_white(page, site, name):
    """With a figure that moves, folded ones, boxes, code; nothing is there to click on."""
    with opened(page, (site / f"{name}.html").as_uri(), f"{site.as_uri()}/", scheme="dark") as complaints:
        assert unprintable(page) == []
    assert complaints == []


UNPRINTABLE = {
    "on paper: <i": "<details open style='display: block !important'><i>folded</i></details>",
    "on paper: <button": "<button style='display: block !important'>Click</button>",
    "not on paper: <img": OUTPUT.format("class='only-light' hidden style='display: none !important'", BARE),
    "the paper is not white": "<style>article { background: #123 !important }</style>",
    "axe, color-contrast: <p": "<p style='color: #ddd !important'>Hardly to be seen</p>",
}


@pytest.mark.parametrize("complaint", UNPRINTABLE)
def test_what_paper_cannot_show_is_found(page, scratch, spoiled, complaint):
    path, _ = spoiled(UNPRINTABLE[complaint])
    with opened(page, path.as_uri(), f"{scratch.as_uri()}/", scheme="dark"):
        found = unprintable(page)
    assert any(text.startswith(complaint) for text in found), found


class Published(SimpleHTTPRequestHandler):
    """A server that keeps to itself what it is asked for."""

    def log_message(self, *_):
        pass


@contextmanager
def published(site: Path) -> Iterator[str]:
    """The book's address over HTTP, below the root of a server, as a project's pages are published."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Published, directory=site.parent))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{site.name}/"
    finally:
        server.shutdown()
        server.server_close()


HEAVY = 1_500_000
"""Bytes, uncompressed, that a reader's first page may load before it is scrolled."""


def weights(browser, addresses: list[str]) -> Iterator[dict[str, int]]:
    """What each page loads in a browser that knows nothing yet, and how many bytes of each; they are opened at once."""
    loaded = []
    with ExitStack() as stack:
        for address in addresses:
            context = stack.enter_context(browser.new_context(viewport={"width": WIDE, "height": 900}))
            page, answers = context.new_page(), []
            page.on("requestfinished", lambda request, answers=answers: answers.append(request))
            page.goto(address, wait_until="commit")
            loaded.append((page, answers))
        for page, answers in loaded:  # lazy images that are near, and fonts, come after the rest
            page.wait_for_load_state("networkidle")
            yield {request.url: request.sizes()["responseBodySize"] for request in answers}


def test_first_pages_are_light(browser, site):
    """The first one, and those whose own files weigh most."""
    first, *others = pages()
    heaviest = sorted(others, key=lambda name: (site / f"{name}.html").stat().st_size)[-7:]
    with published(site) as home:
        names = [first, *heaviest]
        for name, loaded in zip(names, weights(browser, [f"{home}{name}.html" for name in names]), strict=True):
            assert sum(loaded.values()) < HEAVY, (name, loaded)
            needless = [url for url in loaded if re.search("(?i)fontawesome|mathjax.*js", url)]
            assert needless == [], f"{name}: all icons, or MathJax"


def test_a_heavy_page_is_found(browser, scratch, spoiled):
    path, _ = spoiled("<img src='heavy.svg' alt='heavy'>")
    path.with_name("heavy.svg").write_text(BARE.replace("</svg>", f"<!-- {'x' * HEAVY} --></svg>"))
    with published(scratch) as home:
        (loaded,) = weights(browser, [home + str(path.relative_to(scratch))])
    assert sum(loaded.values()) > HEAVY


def test_the_published_book_is_searched_by_keyboard(browser, site):
    with published(site) as home, browser.new_context() as context:
        page = context.new_page()
        with opened(page, f"{home}{pages()[0]}.html", home) as complaints:
            page.keyboard.press("Control+k")
            page.keyboard.type("spectral")
            page.keyboard.press("Enter")
            page.wait_for_url(f"{home}search.html?q=spectral")
            page.wait_for_selector("#search-results .context")  # an excerpt of a page that was found
            page.wait_for_load_state("networkidle")  # all excerpts are there; none is broken off
            page.locator("#search-results a").first.press("Enter")
            page.wait_for_url(lambda address: "search.html" not in address)
            page.wait_for_selector("article .highlighted >> visible=true")
        assert complaints == []


def test_without_a_browser_the_skip_is_loud_and_ci_fails(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="NOT OPENED IN A BROWSER"):
        absent("it")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="NOT OPENED IN A BROWSER"):
        absent("it")
