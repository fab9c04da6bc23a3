"""Pages once they are written: formulas, icons, and what is left out."""

import io
import re
import sys

import pytest
from fontTools.ttLib import TTFont
from rendered import ROOT, pages
from sphinx.errors import ExtensionError

sys.path.insert(0, str(ROOT / "book" / "_ext"))

import light_pages
from typeset import FORMULA, Typesetter

SPAN = '<span class="math notranslate nohighlight">{}</span>'
PAGE = "<html><head></head><body>{}</body></html>"


@pytest.fixture(scope="module")
def typesetter():
    with Typesetter() as made:
        yield made


def test_formulas_are_typeset_and_read_aloud(typesetter):
    numbered = '<div class="math notranslate nohighlight" id="e"><span class="eqno">(1)<a href="#e">#</a></span>'
    page = PAGE.format(SPAN.format(r"\(a &lt; \phi\)") + numbered + r"\[\begin{split}b\\c\end{split}\]</div>")
    done = typesetter.page(page, "../")
    assert done.count("<mjx-container") == 2
    assert "<mi>a</mi><mo>&lt;</mo><mi>ϕ</mi>" in done  # MathML
    assert re.search(r'(?s)id="e"><span class="eqno">\(1\).*?</span><mjx-container[^>]*display="true"', done)
    assert 'url("../_static/mathjax/MathJax_Math-Italic.woff")' in done.split("</head>")[0]
    assert typesetter.page(done, "../") == done


@pytest.mark.parametrize(("tex", "why"), [(r"\undefinedmacro", "Undefined control sequence"), (r"\frac{1}", "Missing")])
def test_what_is_not_tex_ends_the_build(typesetter, tex, why):
    with pytest.raises(ExtensionError, match=f"not TeX: {re.escape(tex)}: {why}"):
        typesetter.page(PAGE.format(SPAN.format(rf"\({tex}\)")), "")


def test_a_page_without_formulas_needs_no_engine():
    with Typesetter() as unused:
        assert unused.page(PAGE.format("x"), "") == PAGE.format("x")
        assert unused.engine is None


def test_all_formulas_of_the_book_are_found(site):
    """None is left as TeX, and each page that has one has its style, once."""
    for name in pages():
        text = (site / f"{name}.html").read_text()
        assert not FORMULA.search(text), name
        assert text.count(">mjx-container[") == text.count("<style>mjx-container[") == ("<mjx-container" in text), name


def test_every_icon_is_there(site):
    """Its rule in the theme's style sheet, its shape in the book's font."""
    sheet = (site / "_static" / light_pages.ICONS).read_text()
    assert "Font Awesome Free" in sheet
    shapes = {
        int(code, 16)
        for ranges in re.findall("unicode-range: (.*);", sheet)
        for code in re.findall(r"U\+(\w+)", ranges)
    }
    known = light_pages.characters((site / "_static" / light_pages.SHEET).read_text())
    shown = set()
    for name in pages():
        shown |= light_pages.names(re.findall(r'class="([^"]*\bfa-[^"]*)"', (site / f"{name}.html").read_text()))
    shown -= {"fa-solid", "fa-regular", "fa-brands", "fa-lg"}
    assert len(shown) > 5
    assert {name for name in shown if known.get(name) not in shapes} == set()


def test_a_part_of_a_font_has_what_it_says():
    data, there = light_pages.part(light_pages.WEBFONTS / "fa-solid-900.ttf", {0xF002, 0xF0C9, 0x1})
    assert there == [0xF002, 0xF0C9]
    assert set(TTFont(io.BytesIO(data)).getBestCmap()) == set(there)
    assert len(data) < 3_000


def test_finishing_twice_is_finishing_once(site, typesetter):
    path = site / f"{pages()[1]}.html"
    assert light_pages.finish(path.read_text(), "../", typesetter) == path.read_text()


def test_files_that_no_page_asks_for_are_not_kept(site):
    assert [path for pattern in light_pages.NEEDLESS for path in site.glob(pattern)] == []
    assert list((site / "_static" / "mathjax").rglob("*.js")) == []
