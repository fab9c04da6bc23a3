"""A Sphinx extension: every script once on a page.

A script without a file that is added while Sphinx starts is written twice, once with the name None and once with an
empty one. If it declares a constant, as sphinx-thebe's does, it then fails in the reader's browser.
"""


def unique(app, pagename, templatename, context, doctree):
    """Keep the first of equal scripts."""
    scripts = {
        (script.filename or "", *sorted(script.attributes.items())): script
        for script in reversed(context.get("script_files", []))
    }
    context["script_files"] = list(reversed(scripts.values()))


def setup(app):
    """Register the extension."""
    app.connect("html-page-context", unique, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
