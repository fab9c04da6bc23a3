"""The pages of the package, as a reader has them."""

import html
import re


def test_fields_of_named_tuples_are_told_of_once(site):
    """Under their class's "Attributes", and not once more as autodoc names them."""
    found = sorted((site / "book").glob("api*.html"))
    assert len(found) >= 9
    assert [path.name for path in found if "Alias for field number" in path.read_text()] == []


def test_what_one_looks_for_first_leads_to_its_entry(site):
    """The first page begins with code, and every name of its tables is a link."""
    page = (site / "book" / "api.html").read_text()
    assert page.index("SpectralLinear") < page.index("<table")
    rows = re.findall(r"<tr[^>]*><td>(.*?)</td>", page, re.DOTALL)
    linked = [row for row in rows if re.search(r'href="api-[a-z]+\.html#spectral\.', row)]
    assert len(linked) >= 50
    assert all("href=" in row for row in rows), [html.unescape(row) for row in rows if "href=" not in row]
