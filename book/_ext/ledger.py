"""A Sphinx extension: the ledger on a page, ``{ledger} paper`` or ``{ledger} ours``, a row for each claim."""

from sphinx.util.docutils import SphinxDirective

from spectral.book.claims import announced
from spectral.book.markdown import rows


class Ledger(SphinxDirective):
    """The claims of the paper, or ours, as they were announced."""

    required_arguments = 1

    def run(self):
        """A table of a class that style sheets know."""
        chosen = [
            entry for entry in announced() if entry["of"] == self.arguments[0]
        ]
        if not chosen:
            raise self.error(
                f"the ledger has claims of paper and of ours; none of {self.arguments[0]}"
            )
        made = self.parse_text_to_nodes(rows(chosen, "/book/"))
        for node in made:
            node["classes"].append("ledger")
        return made


def setup(app):
    """Register the extension."""
    app.add_directive("ledger", Ledger)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
