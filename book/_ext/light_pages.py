"""A Sphinx extension: what is done to pages once they are written, so that they are light and can be used by all.

Icons: the theme comes with a script of 1.5 MB that holds all of Font Awesome. It is taken out; the theme's own style
sheet shows the same icons with a font, and of that font a page loads the part that the book needs. An icon that is not
in it still comes from the whole font. Mathematics is typeset here (see `typeset`). Scripts and styles are loaded by the
pages that have something for them, and files that no page asks for are not kept.
"""

import base64
import io
import logging
import re
import shutil
from pathlib import Path

import pydata_sphinx_theme
from fontTools import subset
from fontTools.ttLib import TTFont
from typeset import FONTS, Typesetter

THEME = (
    Path(pydata_sphinx_theme.__file__).parent
    / "theme/pydata_sphinx_theme/static"
)
SHEET = "styles/pydata-sphinx-theme.css"
WEBFONTS = THEME / "vendor/fontawesome/webfonts"
ICONS = "icons.css"
FACES = {
    "fa-solid-900": ("Font Awesome 6 Free", 900),
    "fa-regular-400": ("Font Awesome 6 Free", 400),
    "fa-brands-400": ("Font Awesome 6 Brands", 400),
}
LICENCE = """/* Icons: Font Awesome Free 6.5.2 by @fontawesome, https://fontawesome.com. Those that this book shows, of its fonts.
   Licence: https://fontawesome.com/license/free (icons CC BY 4.0, fonts SIL OFL 1.1). Copyright 2024 Fonticons, Inc. */
"""
NEEDLESS = (
    "_static/**/*.map",
    "_static/locales",
    "_static/scripts/fontawesome.js*",
    "_static/vendor/fontawesome/webfonts/*.ttf",
    "_static/webpack-macros.html",
    "_static/sphinx-thebe.*",
)
SCRIPT = r'[ \t]*<script[^>]* src="[^"]*{}[^"]*"[^>]*></script>\n?'
STYLE = r'[ \t]*<link [^>]*href="[^"]*{}[^"]*"[^>]*>\n?'
ABSENT = {
    r'class="[^"]*\bsd-': [
        STYLE.format("sphinx-design"),
        SCRIPT.format("design-tabs"),
    ],
}
"""Of what has to be on a page the mark, and what is loaded for it alone."""
DROPPED = [
    re.compile(pattern)
    for pattern in (
        r"[ \t]*<!-- So that users can add custom icons -->\n",
        SCRIPT.format(r"scripts/fontawesome\.js"),
        SCRIPT.format(r"sphinx-thebe\.js"),
        STYLE.format(r"sphinx-thebe\.css"),
        r"[ \t]*<script>const THEBE_JS_URL = [^<]*</script>\n?",
        r'(?s)[ \t]*<script type="text/x-thebe-config">.*?</script>\n?',
        r"[ \t]*<script>kernelName = [^<]*</script>\n?",
    )
]


REPAIRED = [
    (re.compile(pattern), better)
    for pattern, better in (
        # In a list are its items; an entry of a bibliography was a role of its own, once.
        ('role="doc-biblioentry"', 'role="listitem"'),
        # The theme's title stands outside of all parts that have a name, and its switches have none.
        (
            '(<div id="pst-primary-sidebar" class="[^"]*")>',
            r'\1 role="region" aria-label="The book">',
        ),
        # What is folded is called what its bar says, not everywhere the same.
        ('<summary aria-label="Toggle hidden content">', "<summary>"),
        (
            '<summary>(<span class="toctree-toggle")',
            r'<summary aria-label="Pages below">\1',
        ),
    )
]
"""What readers with other senses or devices stumble over, in the HTML of docutils, the bibliography and the theme."""


def finish(text, root, typesetter):
    """A written page without what it does not need, its formulas typeset; one that was finished does not change."""
    for pattern in DROPPED:
        text = pattern.sub("", text)
    for mark, loaded in ABSENT.items():
        if not re.search(mark, text):
            for pattern in loaded:
                text = re.sub(pattern, "", text)
    for pattern, better in REPAIRED:
        text = pattern.sub(better, text)
    return typesetter.page(text, root)


def names(texts):
    """The icons that pages, or scripts, speak of."""
    return {name for text in texts for name in re.findall(r"\bfa-[\w-]+", text)}


RULE = re.compile(
    r'((?:\.fa-[\w-]+:{1,2}before,?)+)\{content:"\\?([^"]+)"\}',
)


def characters(theme):
    """Icons by their names, as the theme's style sheet has them: the numbers of characters."""
    return {
        name: int(code, 16) if len(code) > 1 else ord(code)
        for selectors, code in RULE.findall(theme)
        for name in re.findall(r"fa-[\w-]+", selectors)
    }


def part(font, wanted):
    """Of a font file the characters that are wanted, as bytes of a font, and which of them it has."""
    whole = TTFont(font)
    there = sorted(set(wanted) & set(whole.getBestCmap()))
    options = subset.Options(
        layout_features=[], hinting=False, name_IDs=[], notdef_outline=False
    )
    smaller = subset.Subsetter(options)
    smaller.populate(unicodes=there)
    smaller.subset(whole)
    whole.flavor = "woff"
    written = io.BytesIO()
    whole.save(written)
    return written.getvalue(), there


def icons(sheets, used):
    """A style sheet with the icons that are used: for each font of the theme the part with them.

    They are named in pages and scripts, or stand as characters in style sheets, in which the signs of boxes are.
    """
    known = characters(sheets)
    wanted = {known[name] for name in used & set(known)}
    wanted |= {ord(sign) for sign in re.findall("[\uf000-\uf8ff]", sheets)}
    sheet = LICENCE
    for font, (family, weight) in FACES.items():
        data, there = part(WEBFONTS / f"{font}.ttf", wanted)
        if there:
            ranges = ", ".join(f"U+{code:X}" for code in there)
            sheet += (
                f'@font-face {{\n  font-family: "{family}";\n  font-weight: {weight};\n'
                f"  unicode-range: {ranges};\n"
                f"  src: url(data:font/woff;base64,{base64.b64encode(data).decode()});\n}}\n"
            )
    return sheet


def slim(theme, used):
    """The theme's style sheet without the rules for icons that are not used."""
    return RULE.sub(
        lambda rule: (
            rule[0] if set(re.findall(r"fa-[\w-]+", rule[1])) & used else ""
        ),
        theme,
    )


def finish_all(app, error):
    """Finish all pages of a book that was built."""
    if error or app.builder.format != "html":
        return
    site = Path(app.outdir)
    texts = []
    with Typesetter() as typesetter:
        for path in sorted(site.rglob("*.html")):
            if path.is_relative_to(site / "_static"):
                continue
            text = path.read_text()
            depth = len(path.relative_to(site).parts) - 1
            done = finish(text, "../" * depth, typesetter)
            if done != text:
                path.write_text(done)
            texts.append(done)
    texts += [
        path.read_text()
        for path in (site / "_static").rglob("*.js")
        if "fontawesome" not in path.name
    ]
    used = names(texts)
    (site / "_static" / SHEET).write_text(
        slim((THEME / SHEET).read_text(), used)
    )
    sheets = "".join(
        path.read_text()
        for path in sorted((site / "_static").rglob("*.css"))
        if path.name != ICONS
    )
    (site / "_static" / ICONS).write_text(icons(sheets, used))
    fonts = site / "_static" / "mathjax"
    fonts.mkdir(exist_ok=True)
    for font in FONTS.glob("*.woff"):
        shutil.copy(font, fonts)
    for pattern in NEEDLESS:
        for path in site.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def setup(app):
    """Register the extension."""
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    app.add_css_file(ICONS)
    # After all else that writes into the folder.
    app.connect("build-finished", finish_all, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
