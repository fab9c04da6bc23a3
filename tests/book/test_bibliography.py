"""The bibliography: labels as in the text, and a way out of the book from every entry."""

import re

from rendered import ROOT

UNLINKED = {"korn1998confidence"}
"""Entries without an address that we are sure of."""


def test_every_entry_has_a_link():
    entries = dict(re.findall(r"@\w+\{(\w+),\n(.*?)\n\}", (ROOT / "book" / "references.bib").read_text(), re.DOTALL))
    linked = {key for key, fields in entries.items() if re.search(r"^ *(url|doi|eprint) *=", fields, re.MULTILINE)}
    assert len(linked) >= 25
    assert entries.keys() - linked == UNLINKED
    assert not re.search(r"note.*(arXiv|doi:|github\.com)", "\n".join(entries.values())), "an address that is no link"


def test_labels_are_those_of_the_text(site):
    text = (site / "book" / "bibliography.html").read_text()
    cited = re.findall(r'class="bibtex-citation".*?\[(.*?)\]</span>', text)
    assert len(cited) >= 10
    listed = text[text.index('id="citations') if 'id="citations' in text else text.rindex("bibtex-citation") :]
    for label in (re.sub(r"<[^>]*>", "", citation) for citation in cited):
        assert f">{label}<" in listed, label
    assert "https://arxiv.org/abs/2310.12612" in listed
    assert "https://github.com/Jamba15/Spectral-regularization-teacher-student" in listed
