"""What cannot be read, or is none of the store's, under the name of a result: told, left alone, and in nobody's way."""

import errno
import hashlib
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from standin import config, never, trainer

from spectral.__main__ import main
from spectral.lab.export import export
from spectral.lab.files import DamagedResult, StoreError, checksum
from spectral.lab.results import run
from spectral.lab.store import Store
from spectral.lab.sweep import stale, status, sweep
from spectral.lab.verify import damaged

FEW = {f"width/{width}": config(width) for width in (2, 3, 4)}
NAME = FEW["width/3"].hash()


def put(path: Path, kind: str) -> None:
    """Something at a path that is no file which can be read."""
    if path.exists():
        path.unlink()
    if kind == "directory":
        (path / "in it").mkdir(parents=True)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"link to nothing": "nowhere", "link to itself": path.name}[kind])


@pytest.fixture
def full(store, tmp_path, monkeypatch) -> Store:
    """A store that has all three; the command line's preset."""
    monkeypatch.setenv("SPECTRAL_RESULTS", str(store.committed))
    monkeypatch.setenv("SPECTRAL_STORE", str(store.local))
    monkeypatch.setattr(sys.modules["spectral.__main__"], "configurations", lambda name: FEW)
    sweep(FEW, store, report=lambda line: None, trainer=trainer(tmp_path / "log"))
    return store


def assert_one_is_told_and_two_are_used(store: Store, folder: Path, capsys, reason: str) -> None:
    states = status(FEW, store)
    assert [states["width/2"], states["width/4"]] == ["local", "local"]
    assert states["width/3"].startswith("damaged: ")
    outcome = sweep(FEW, store, report=lambda line: None, trainer=never)
    assert (outcome.present, list(outcome.failed)) == (["width/2", "width/4"], ["width/3"])
    assert list(damaged(store)) == [NAME]
    for told in (states["width/3"], outcome.failed["width/3"], damaged(store)[NAME]):
        assert NAME in told
        assert reason in told
        assert "repeat the command" in told
    with pytest.raises(DamagedResult, match=NAME):
        run(config(3), store=store, trainer=never)
    (folder / "members.csv").parent.mkdir(exist_ok=True)
    (folder / "members.csv").write_text("as it was")
    with pytest.raises(DamagedResult, match=NAME):
        export(FEW, store, folder)
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("members.csv", "as it was")]
    for arguments in (["status"], ["verify"], ["show", "width/3"], ["export", "--to", str(folder)]):
        assert main([*arguments]) == 3, arguments
    assert reason in capsys.readouterr().err
    torch.set_flush_denormal(False)


@pytest.mark.parametrize("suffix", ["json", "npz"])
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("directory", "it is no file"),
        ("pipe", "it is no file"),
        ("link to nothing", "it is a link to nothing"),
        ("link to itself", "cannot be read: Too many levels"),
    ],
)
def test_what_is_no_file_is_told(full, tmp_path, capsys, suffix, kind, reason):
    path = full.local / f"{NAME}.{suffix}"
    put(path, kind)
    assert_one_is_told_and_two_are_used(full, tmp_path / "tables", capsys, reason)
    assert os.path.lexists(path)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_file_that_cannot_be_read_is_not_called_damaged(full, tmp_path, capsys, monkeypatch, code):
    """It may be whole: the advice is to make it readable, and not to delete it."""
    read = Path.read_bytes

    def refusing(path):
        if path.name == f"{NAME}.npz":
            raise OSError(code, os.strerror(code))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refusing)
    assert_one_is_told_and_two_are_used(full, tmp_path / "tables", capsys, f"cannot be read: {os.strerror(code)}")
    assert "delete" not in status(FEW, full)["width/3"]


@pytest.mark.parametrize("suffix", ["npz", "checkpoint", "lock"])
@pytest.mark.parametrize("kind", ["directory", "link to nothing", "link to itself"])
def test_what_is_in_the_way_of_a_run_is_told_before_it_trains(store, tmp_path, suffix, kind):
    store.local.mkdir()
    path = store.local / f"{NAME}.{suffix}"
    put(path, kind)
    outcome = sweep(FEW, store, report=lambda line: None, trainer=trainer(tmp_path / "log"))
    assert outcome.computed == ["width/2", "width/4"]
    assert str(path) in outcome.failed["width/3"]
    assert "repeat the command" in outcome.failed["width/3"]
    assert "saved" not in [line.split()[1] for line in (tmp_path / "log").read_text().splitlines() if NAME in line]
    assert os.path.lexists(path)


def test_a_folder_that_cannot_be_read_is_not_an_empty_one(full, monkeypatch, capsys):
    for function in ("listdir", "lstat"):
        really = getattr(os, function)

        def refusing(path, *rest, really=really, **options):
            if str(path).startswith(str(full.local)):
                raise PermissionError(errno.EACCES, "Permission denied")
            return really(path, *rest, **options)

        monkeypatch.setattr(os, function, refusing)
    for ask in (lambda: status(FEW, full), full.hashes, lambda: run(config(3), store=full, trainer=never)):
        with pytest.raises(StoreError, match=r"local cannot be read: Permission denied\. .*SPECTRAL_STORE"):
            ask()
    assert main(["status"]) == 3


def test_other_files_are_none_of_the_stores(full):
    """Notes, copies that a disk in the cloud makes, and what macOS leaves on a foreign disk."""
    for name in ("notes.json", f"{NAME} (1).json", f"._{NAME}.json", f"{NAME.upper()}.json.bak", "x.npz"):
        (full.local / name).write_text("{")
    assert set(full.hashes()) == {experiment.hash() for experiment in FEW.values()}
    assert damaged(full) == stale(full) == {}


def signed(store: Store, arrays: dict | None = None, **changes: object) -> None:
    """The third result with other arrays, or other provenance, and checksums that fit."""
    found, meta = store.load(NAME)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **(found if arrays is None else {k: v for k, v in arrays.items() if v is not None}))
    meta |= {"sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}
    meta = {key: value for key, value in (meta | changes).items() if value is not ...}
    (store.local / f"{NAME}.npz").write_bytes(buffer.getvalue())
    (store.local / f"{NAME}.json").write_text(json.dumps(meta | {"digest": checksum(meta)}))


@pytest.mark.parametrize("config", [..., None, 3, [], {}, {"input_dim": "two"}, {"unknown": 1}, "input_dim"])
def test_signed_provenance_without_a_configuration_is_told(full, capsys, config):
    signed(full, config=config)
    if config != {}:  # that is what a result says which is older than all parameters
        assert status(FEW, full)["width/3"].startswith("damaged")
        assert NAME in sweep(FEW, full, report=lambda line: None, trainer=never).failed["width/3"]
    assert main(["show", NAME]) in (0, 3)
    assert main(["verify"]) in (0, 3)


@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b"9" * 10_000, b'"\\ud800"', b"{}", b'{"digest": {}}', b"NaN", b"\x00"]
)
def test_json_that_no_parser_takes_is_told(full, text):
    (full.local / f"{NAME}.json").write_bytes(text)
    assert status(FEW, full)["width/3"].startswith("damaged: ")


def test_a_missing_checksum_is_no_missing_result(full):
    signed(full, sha256=...)
    with pytest.raises(DamagedResult, match="its checksum is not the one"):
        full.load(NAME)


ARRAYS: dict[str, Callable] = {
    "missing": lambda values: None,
    "scalar": lambda values: values.ravel()[0],
    "one more axis": lambda values: values[None],
    "one row less": lambda values: values[:-1],
    "one column more": lambda values: np.concatenate([values, values[..., :1]], -1),
    "empty": lambda values: values[:0],
    "text": lambda values: values.astype(str),
    "complex": lambda values: values.astype(complex),
    "other end first": lambda values: values.astype(values.dtype.newbyteorder()),
    "other kind": lambda values: values.astype(int if values.dtype.kind == "f" else float),
    "out of range": lambda values: values + 10_000,
}
FREE = {
    **dict.fromkeys(("scores", "product", "lam_out", "test_power", "phi", "second_phi"), ("out of range",)),
    **dict.fromkeys(("train_mse", "validation_mse", "test_mse", "score_history"), ("out of range",)),
    **dict.fromkeys(("sweep_incoming", "sweep_product"), ("out of range", "one column more")),
    **dict.fromkeys(("epochs", "score_epochs"), ("out of range",)),
}
"""Changes that such a run could have made."""


@pytest.mark.parametrize("change", ARRAYS)
def test_signed_arrays_that_no_run_leaves_are_told(full, change):
    whole, _ = full.load(NAME)
    for name, values in whole.items():
        if change in FREE.get(name, ()):
            continue
        signed(full, whole | {name: ARRAYS[change](values)})
        with pytest.raises(DamagedResult, match=rf"{NAME}.npz is damaged: its \w+ is not what such a run leaves"):
            run(FEW["width/3"], store=full, trainer=never)
        assert list(damaged(full)) == [NAME]
    signed(full, whole)
    run(FEW["width/3"], store=full, trainer=never)


@pytest.mark.parametrize("saved", [None, 3, [], {"state": 1}, {"state": 1, "resumed": "x", "spent": {}}])
def test_signed_checkpoints_that_are_none_are_told(store, tmp_path, saved):
    buffer = io.BytesIO()
    torch.save(saved, buffer)
    store.local.mkdir()
    head = f"{NAME} {hashlib.sha256(buffer.getvalue()).hexdigest()}\n".encode()
    store.checkpoint(NAME).path.write_bytes(head + buffer.getvalue())
    outcome = sweep(FEW, store, report=lambda line: None, trainer=trainer(tmp_path / "log"))
    assert "it is no checkpoint" in outcome.failed["width/3"]
    assert outcome.computed == ["width/2", "width/4"]


@pytest.mark.parametrize(
    "name", ["../0123456789ab", "/0123456789ab", "..", "", "0123456789AB", "0123456789ab\n", "con", "a/b"]
)
def test_names_that_leave_the_folder_are_refused(store, name):
    meta: dict = {}
    for use in (
        store.has,
        store.load,
        store.provenance,
        store.promote,
        store.checkpoint,
        lambda name: store.save(name, {}, meta),
        lambda name: store.claim(name).__enter__(),
    ):
        with pytest.raises(StoreError, match="names no result: a name is twelve digits of 0-9 and a-f"):
            use(name)
    assert [path for path in store.local.rglob("*") if path.is_file()] == []
