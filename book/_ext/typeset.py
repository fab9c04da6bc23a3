"""A Sphinx extension: mathematics is typeset while the book is built, so that no page loads MathJax.

MathJax is the one of sphinx-mathjax-offline; V8, of the package mini-racer, runs it. A page then holds the finished
formulas and the style they need: a tenth of the bytes of the scripts, and nothing moves while the page is read. Beside
each formula stands its MathML, which screen readers read aloud.
"""

import html
import json
import re
from importlib.util import find_spec
from pathlib import Path

from py_mini_racer import MiniRacer
from sphinx.errors import ExtensionError
from sphinx.ext.mathjax import html_visit_displaymath, html_visit_math

MATHJAX = (
    Path(find_spec("sphinx-mathjax-offline").origin).parent / "static/mathjax"
)
FONTS = MATHJAX / "output/chtml/fonts/woff-v2"
PARTS = (
    "loader",
    "core",
    "adaptors/liteDOM",
    "input/tex-full",
    "output/chtml",
    "output/chtml/fonts/tex",
    "a11y/assistive-mml",
)
PROGRAM = r"""
const parts = MathJax._, adaptor = parts.adaptors.liteAdaptor.liteAdaptor();
const handler = parts.handlers.html_ts.RegisterHTMLHandler(adaptor);
parts.a11y["assistive-mml"].AssistiveMmlHandler(handler);

function typeset(formulas, fontURL) {
  const font = new parts.output.chtml.fonts.tex_ts.TeXFont({ fontURL });
  const page = parts.mathjax.mathjax.document("", {
    InputJax: new parts.input.tex_ts.TeX({
      packages: ["base", "ams", "boldsymbol"],
      formatError: (_, error) => { throw error; },
    }),
    OutputJax: new parts.output.chtml_ts.CHTML({ font }),
  });
  const made = formulas.map(([tex, display]) => {
    try {
      return adaptor.outerHTML(page.convert(tex, { display }));
    } catch (error) {
      throw new Error(`${tex}: ${error.message}`);
    }
  });
  return JSON.stringify([made, adaptor.textContent(page.outputJax.styleSheet(page))]);
}
"""
FORMULA = re.compile(
    r'(?s)(<(?:span|div) class="[^"]*\bmath notranslate nohighlight"[^>]*>'
    r'\s*(?:<span class="eqno">.*?</a></span>)?)'
    r"(?:\\\((.*?)\\\)|\\\[(.*?)\\\])"
)


class Typesetter:
    """MathJax, started when the first formula comes."""

    def __init__(self):
        self.engine = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.engine:
            self.engine.close()  # else the interpreter waits for it for ever

    def formulas(self, found, fonts):
        """For pairs of TeX and whether it stands alone: their HTML, and the style that all of them need."""
        if not self.engine:
            self.engine = MiniRacer()
            self.engine.eval("var global = globalThis, MathJax = {};")
            for part in PARTS:
                self.engine.eval((MATHJAX / f"{part}.js").read_text() + "; 0")
            self.engine.eval(PROGRAM)
        try:
            made, style = json.loads(self.engine.call("typeset", found, fonts))
        except Exception as error:
            message = re.search(r"Error: (.*)", str(error))
            raise ExtensionError(
                f"not TeX: {message[1] if message else error}"
            ) from error
        # Indented, and three quarters of it about sizes and boxes, it is the same on most pages; spaces are not.
        return made, re.sub(r"\s*([{};,])\s*", r"\1", style).strip()

    def page(self, text, root):
        """A page with its formulas typeset; `root` leads from the page to the first one's folder."""
        found = [
            (
                html.unescape(match[2] if match[2] is not None else match[3]),
                match[2] is None,
            )
            for match in FORMULA.finditer(text)
        ]
        if not found:
            return text
        made, style = self.formulas(found, f"{root}_static/mathjax")
        made = iter(made)
        text = FORMULA.sub(lambda match: match[1] + next(made), text)
        return text.replace("</head>", f"<style>{style}</style>\n</head>", 1)


def setup(app):
    """Register the extension: formulas as for MathJax, but no script; `light_pages` has them typeset."""
    app.setup_extension("sphinx.ext.mathjax")
    app.add_html_math_renderer(
        "typeset",
        (html_visit_math, None),
        (html_visit_displaymath, None),
    )
    app.config.html_math_renderer = "typeset"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
