"""A Sphinx extension: a chapter's figures as pages show them.

A chapter's notebook holds each figure as a drawing for Jupyter, and beside it what a page needs besides (see
`spectral.book.page.Page.show`); caption, name and alternative text stand in the metadata of the figure's cell. When a
notebook is read, the drawing is replaced by pictures for light and dark, wide and narrow; the files go to ``_figures``
with the figure's numbers. Two directives: ``{shown} NAME`` shows a chapter's figure on another page, with the
directive's content as its caption; ``{runs}`` lists the runs that all figures come from.

Code cells that follow each other folded become one bar.
"""

import html
import json
import re
from pathlib import Path

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from spectral.book import notebooks
from spectral.book.figures.dark import dark_svg
from spectral.book.notebooks import text_of, words
from spectral.book.page import FIGURE

FOLDER = "_figures"
NARROW = 600  # pixels: below, a figure's panels stand below each other
LIVE = ("live.js", "live-{}.js")


def write(folder, name, data):
    """The files of a figure: drawings in both schemes and for both kinds of screens, and its numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    drawings = {
        "": text_of(data["image/svg+xml"]),
        "-narrow": data[FIGURE]["narrow"],
    }
    for screen, svg in drawings.items():
        if svg:
            (folder / f"{name}{screen}.svg").write_text(svg)
            (folder / f"{name}{screen}-dark.svg").write_text(dark_svg(svg))
    (folder / f"{name}.csv").write_text(data[FIGURE]["numbers"])


def size(svg):
    """Width and height of a drawing in pixels; matplotlib writes points."""
    found = re.search(
        r'<svg [^>]*?width="([\d.]+)pt" height="([\d.]+)pt"', text_of(svg)
    )
    return [round(float(number) * 4 / 3) for number in found.groups()]


def pictures(root, name, data, alt):
    """HTML of a figure; `root` leads from the page to the book's folder, as ``../``."""
    figure = data[FIGURE]
    shown = []
    for scheme, ending in (("light", ""), ("dark", "-dark")):
        narrow = ""
        if figure["narrow"]:
            width, height = size(figure["narrow"])
            address = f"{root}{FOLDER}/{name}-narrow{ending}.svg"
            media = f'media="(max-width: {NARROW}px)"'
            narrow = f'<source {media} srcset="{address}" width="{width}" height="{height}">'
        width, height = size(data["image/svg+xml"])
        shown.append(
            f'<picture class="only-{scheme}">{narrow}<img class="only-{scheme}" src="{root}{FOLDER}/{name}{ending}.svg" '
            f'width="{width}" height="{height}" loading="lazy" alt="{html.escape(alt)}"></picture>'
        )
    smallest = " ".join(f"{points:g}" for points in figure["smallest"])
    return f'<div class="shown" data-smallest="{smallest}">{"".join(shown)}</div>{moving(root, figure["live"])}'


def moving(root, live):
    """HTML of what moves in place of a picture, with its data."""
    if not live:
        return ""
    scripts = "".join(
        f'<script defer src="{root}_static/{name.format(live["name"])}"></script>'
        for name in LIVE
    )
    data = json.dumps(live["data"], separators=(",", ":")).replace("</", "<\\/")
    return f'<div class="live" data-name="{live["name"]}"><script type="application/json">{data}</script></div>{scripts}'


def links(root, runs, name, data):
    """HTML that ends a caption: the figure's numbers, and where it comes from."""
    found = [f'<a href="{root}{FOLDER}/{name}.csv" download>numbers</a>']
    if data[FIGURE]["runs"]:
        found.append(f'<a href="{runs}#of-{name}">runs</a>')
    return f'<span class="sources">{" · ".join(found)}</span>'


def read(app, docname, source):
    """Replace a notebook's drawings by pictures, before it is parsed."""
    if not str(app.env.doc2path(docname)).endswith(".ipynb"):
        return
    notebook = json.loads(source[0])
    for cell, data in notebooks.figures(notebook):
        told = words(cell)
        write(Path(app.outdir) / FOLDER, told.name, data)
        root = "../" * docname.count("/")
        shown = pictures(root, told.name, data, told.alt)
        if told.caption:
            cell["metadata"]["mystnb"]["figure"]["caption"] = (
                f"{told.caption} {links(root, 'runs.html', told.name, data)}"
            )
        data.clear()
        data["text/html"] = shown
    source[0] = json.dumps(notebook)


def chapters(env):
    """Names and notebooks of the book's chapters; the page that asks is made again when one has changed."""
    for path in sorted(Path(env.srcdir, "book").glob("*.ipynb")):
        env.note_dependency(str(path))
        yield path.stem, json.loads(path.read_text())


def find(env, name):
    """The cell of a figure of the book, and its output."""
    for _, notebook in chapters(env):
        for cell, data in notebooks.figures(notebook):
            if words(cell).name == name:
                return cell, data
    raise LookupError(f"no chapter has a figure that is named {name}")


class Shown(SphinxDirective):
    """A figure of a chapter on another page."""

    required_arguments = 1
    has_content = True

    def run(self):
        """Pictures, and the content as their caption."""
        name = self.arguments[0]
        try:
            cell, data = find(self.env, name)
        except LookupError as error:
            raise self.error(str(error)) from error
        root = "../" * self.env.docname.count("/")
        figure = nodes.figure(classes=["shown-again"])
        figure += nodes.raw(
            "", pictures(root, name, data, words(cell).alt), format="html"
        )
        if self.content:
            parsed = self.parse_content_to_nodes()
            figure += nodes.caption("", "", *parsed[0].children)
        return [figure]


class Runs(SphinxDirective):
    """For each figure the runs that it was made from: what trained them, how to repeat them, their names."""

    def run(self):
        """A section for each chapter with figures that were trained."""
        sections = []
        for chapter, notebook in chapters(self.env):
            found = [
                (words(cell).name, data[FIGURE])
                for cell, data in notebooks.figures(notebook)
                if data[FIGURE]["runs"]
            ]
            if found:
                name = f"of-chapter-{chapter}"
                heading = nodes.title("", notebooks.title(notebook))
                section = nodes.section("", heading, ids=[name], names=[name])
                command = found[0][1]["repeat"]
                section += nodes.literal_block(
                    command, command, language="text"
                )
                lines = [line(chapter, *figure) for figure in found]
                section += nodes.raw("", "".join(lines), format="html")
                sections.append(section)
        return sections


def line(chapter, name, figure):
    """HTML of one figure's runs."""
    runs = figure["runs"]
    names = " ".join(f"<code>{run}</code>" for run in runs)
    return (
        f'<div id="of-{name}" class="figure-runs">'
        f'<p><a href="{chapter}.html#{name}">{name.replace("-", " ")}</a>: {html.escape(figure["made"])}.</p>'
        f"<details><summary>{len(runs)} run{'s' if len(runs) > 1 else ''}</summary><p>{names}</p></details></div>"
    )


class OneBar(SphinxPostTransform):
    """Folded cells that follow each other, the first without output, are folded together."""

    default_priority = 190  # before 199, when MyST-NB folds them

    def run(self):
        """Move code into the cell before it."""

        def folded(node):
            return (
                isinstance(node, nodes.container)
                and node.get("hide_mode") == "input"
            )

        for cell in list(self.document.findall(folded)):
            place = cell.parent.index(cell)
            before = cell.parent[place - 1] if place else None
            if (
                before is not None
                and folded(before)
                and len(before) == 1
                and cell.children
            ):
                before[0].extend(cell[0].children)
                cell.pop(0)
                del cell["hide_mode"]
                if not cell.children:
                    cell.parent.remove(cell)


class CodeBelow(SphinxPostTransform):
    """The folded code of a figure or a table stands below it: what it shows comes first."""

    default_priority = 200  # after MyST-NB has folded it

    def run(self):
        """Move what is folded behind the outputs."""
        for folded in list(self.document.findall(HideCodeCellNode)):
            cell = folded.parent  # None where the whole cell is folded
            if (
                cell is not None
                and cell.get("nb_element") == "cell_code"
                and cell.index(folded) == 0
                and len(cell) > 1
            ):
                cell.remove(folded)
                cell.append(folded)


def setup(app):
    """Register the extension."""
    app.connect("source-read", read, priority=900)
    app.add_directive("shown", Shown)
    app.add_directive("runs", Runs)
    app.add_post_transform(OneBar)
    app.add_post_transform(CodeBelow)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
