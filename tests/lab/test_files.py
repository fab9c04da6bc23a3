"""Files that are written whole or not at all, and read with a check."""

import json
import os
from pathlib import Path

import pytest

from spectral import ConfigError
from spectral.lab.files import StoreError, checksum, read_entries, write_atomically


def test_results_are_kept_where_folders_cannot_be_opened(tmp_path, monkeypatch):
    """As on Windows, where a folder is no file that could be flushed."""
    really = os.open

    def refuses(path, *how, **options):
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied", str(path))
        return really(path, *how, **options)

    monkeypatch.setattr(os, "open", refuses)
    write_atomically(tmp_path / "kept.json", b"1")
    assert (tmp_path / "kept.json").read_bytes() == b"1"


def test_a_file_is_replaced_or_left_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "new" / "kept.json"
    write_atomically(path, b"first")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"

    def fails(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(StoreError, match="cannot be written: Input/output error"):
        write_atomically(path, b"third")
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == {"kept.json": b"second"}


def test_a_checksum_does_not_see_the_order_of_keys():
    assert checksum({"a": 1, "b": [2]}) == checksum({"b": [2], "a": 1}) != checksum({"a": 1, "b": [3]})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "FileNotFoundError"),
        ("{", "JSONDecodeError"),
        ("[1]", "AttributeError"),
        ("3", "TypeError"),
        ('[{"x": 1}]', "an entry is not a row"),
    ],
)
def test_entries_are_whole_or_refused(tmp_path, text, reason):
    def whole(entry: dict) -> bool:
        return {"id"} <= entry.keys()

    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"id": 1}, {"id": 2}]))
    assert [entry["id"] for entry in read_entries(path, "the rows", "row", whole, "ask again")] == [1, 2]
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    with pytest.raises(ConfigError, match=rf"the rows .*rows.json cannot be read \(.*{reason}.*\); ask again"):
        read_entries(path, "the rows", "row", whole, "ask again")
