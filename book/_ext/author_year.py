"""A Sphinx extension: the style ``author_year`` of a bibliography.

Its labels are what stands in the text, as "Giambagli et al., 2023"; entries are in that order. Links are short: the
identifier at arXiv, the name of the site, "doi".
"""

from urllib.parse import urlsplit

from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style as Plain
from pybtex.style.labels import BaseLabelStyle
from pybtex.style.template import field, href, join


def label(entry):
    """The last names, or the first and et al. if there are more than two, and the year."""
    names = [
        " ".join(
            map(str, [*person.rich_prelast_names, *person.rich_last_names])
        )
        for person in entry.persons["author"]
    ]
    authors = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
    return f"{authors}, {entry.fields['year']}"


class Labels(BaseLabelStyle):
    """Authors and year, as in the text."""

    def format_labels(self, entries):
        """Labels in the order of `entries`."""
        return map(label, entries)


class AuthorYear(Plain):
    """Entries as those of "plain", with other labels, and links that are short."""

    default_label_style = "author_year"

    def format_url(self, entry):
        """The name of the site, as a link."""
        site = urlsplit(entry.fields.get("url", "")).netloc
        return href(field("url", raw=True))[site.removeprefix("www.")]

    def format_doi(self, entry):
        """The word, as a link."""
        return href(join["https://doi.org/", field("doi", raw=True)])["doi"]


def setup(app):
    """Register the extension."""
    register_plugin("pybtex.style.labels", "author_year", Labels)
    register_plugin("pybtex.style.formatting", "author_year", AuthorYear)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
