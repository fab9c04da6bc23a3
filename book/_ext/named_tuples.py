"""A Sphinx extension: fields of named tuples are told of where their class is, under "Attributes", and only there.

Autodoc would list each once more, as "Alias for field number 0".
"""

from collections import namedtuple

FIELD = type(namedtuple("Any", "field").field)


def skip(app, what, name, member, skipped, options):
    """Leave a member out if it is a field of a named tuple."""
    return True if isinstance(member, FIELD) else None


def setup(app):
    """Register the extension."""
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
