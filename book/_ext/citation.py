"""A Sphinx extension: what follows from ``CITATION.cff``.

``{citation}`` says how to cite. If the file names the repository's address, as ``repository-code``, pages have links to
it, and buttons that open a chapter on Binder and Colab; without an address there is none of this.
"""

from pathlib import Path

import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

FILE = "CITATION.cff"


def names(authors):
    """Names as people write them, with "and" before the last."""
    found = [
        " ".join(
            filter(
                None,
                (a.get("given-names"), a.get("family-names"), a.get("name")),
            )
        )
        for a in authors
    ]
    return (
        " and ".join([", ".join(found[:-1]), found[-1]])
        if len(found) > 1
        else found[0]
    )


def bibtex(cff):
    """The software, and what it says it is a reproduction of."""
    year = str(cff["date-released"])[:4]
    lines = [
        "@software{spectral_student,",
        f"  author  = {{{{{names(cff['authors'])}}}}},",
        f"  title   = {{{cff['title']}}},",
        f"  version = {{{cff['version']}}},",
        f"  year    = {{{year}}},",
    ]
    if "repository-code" in cff:
        lines.append(f"  url     = {{{cff['repository-code']}}},")
    return "\n".join([*lines, "}"])


class Citation(SphinxDirective):
    """A sentence, and the entry for BibTeX."""

    def run(self):
        """The file's own message stands first."""
        path = Path(self.env.srcdir, FILE)
        self.env.note_dependency(str(path))
        cff = yaml.safe_load(path.read_text())
        paper = cff["references"][0]
        told = nodes.paragraph(
            "", f"{cff['message']} The paper: {names(paper['authors'])}, "
        )
        told += [
            nodes.emphasis("", paper["title"]),
            nodes.Text(f", {paper['collection-title']}, {paper['year']}."),
        ]
        entry = nodes.literal_block(bibtex(cff), bibtex(cff), language="bibtex")
        return [told, entry]


def theme_options(cff):
    """Options of the theme for a repository; none without its address."""
    if "repository-code" not in cff:
        return {}
    return {
        "repository_url": cff["repository-code"].rstrip("/"),
        "repository_branch": "main",
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
            "notebook_interface": "jupyterlab",
        },
    }


def link(app, config):
    """Tell the theme of the repository."""
    path = Path(app.srcdir, FILE)
    if path.exists():
        options = theme_options(yaml.safe_load(path.read_text()))
        config.html_theme_options = {**config.html_theme_options, **options}


def setup(app):
    """Register the extension."""
    app.add_directive("citation", Citation)
    app.connect("config-inited", link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
