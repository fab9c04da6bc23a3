import errno
import hashlib
import io
import json
import os
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from standin import assert_same, config, exit_code, fork, in_fresh_process, never, starts, trainer

from spectral.lab.files import REPOSITORY, DamagedResult, StoreError, checksum
from spectral.lab.results import run
from spectral.lab.store import Busy, CheckpointFile, Store

NAME = "0123456789ab"
NUMBERS = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([True, False]), "c": np.array(7, dtype=np.float32)}


def files(folder: Path) -> dict[str, bytes]:
    """All files but locks, with their content."""
    return {path.name: path.read_bytes() for path in folder.glob("*") if path.suffix != ".lock"}


def full_disk(monkeypatch):
    """From now on no file reaches the disk."""

    def fsync(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)


class Bomb:
    """What a pickle can do: unpickling this creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_what_is_saved_is_loaded(store):
    assert not store.has(NAME)
    store.save(NAME, NUMBERS, {"engine": 3, "note": "ä", "seconds": 0.1})
    arrays, meta = store.load(NAME)
    assert arrays.keys() == NUMBERS.keys()
    for name, values in NUMBERS.items():
        assert arrays[name].dtype == values.dtype
        np.testing.assert_array_equal(arrays[name], values)
    assert (meta["engine"], meta["note"], meta["seconds"], meta["hash"]) == (3, "ä", 0.1, NAME)
    assert store.provenance(NAME) == meta
    assert store.hashes() == {NAME: store.local}
    assert files(store.local).keys() == {f"{NAME}.npz", f"{NAME}.json"}


def test_an_unknown_result_is_a_key_error(store):
    with pytest.raises(KeyError, match=NAME):
        store.load(NAME)
    with pytest.raises(KeyError, match=NAME):
        store.provenance(NAME)


def test_half_written_results_are_not_seen(store):
    store.save(NAME, NUMBERS, {})
    (store.local / f"{NAME}.json").unlink()
    assert not store.has(NAME)
    assert store.hashes() == {}
    with pytest.raises(KeyError):
        store.load(NAME)
    with store.claim(NAME):
        pass
    assert files(store.local).keys() == {f"{NAME}.npz"}
    store.save(NAME, {"other": np.arange(2)}, {})  # numbers without provenance are nobody's
    assert store.load(NAME)[0].keys() == {"other"}


def test_numbers_whose_provenance_was_about_to_be_named_are_a_result(store):
    """Of a process that was killed between its last two steps, or of a slower one: the next one takes it."""
    store.save(NAME, NUMBERS, {"by": "the first"})
    whole = files(store.local)
    (store.local / f"{NAME}.json").rename(store.local / f".{NAME}.elsewhere-7.77.01234567.0.tmp")
    (store.local / f".{NAME}.elsewhere-7.78.01234567.0.tmp").write_bytes(b"half of someth")
    store.save(NAME, {"other": np.arange(2)}, {"by": "the second"})
    assert store.load(NAME)[1]["by"] == "the first"
    assert {name: files(store.local)[name] for name in whole} == whole


def test_a_result_is_kept_once(store):
    store.save(NAME, NUMBERS, {"by": "the first"})
    whole = files(store.local)
    store.checkpoint(NAME).save({"stage": 1})
    store.save(NAME, {"other": np.arange(2)}, {"by": "the second"})
    assert files(store.local) == whole, "and the checkpoint of the second is not needed"
    (store.local / f"{NAME}.npz").write_bytes(b"nonsense")
    store.checkpoint(NAME).save({"stage": 1})
    with pytest.raises(DamagedResult):
        store.save(NAME, NUMBERS, {})
    assert store.checkpoint(NAME).load() == {"stage": 1}, "nothing was saved, so nothing is given up"


def flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize(
    ("suffix", "damage", "message"),
    [
        ("npz", lambda data: data[:-30], "checksum"),
        ("npz", lambda data: b"", "checksum"),
        ("npz", lambda data: flip(data, 4 * len(data)), "checksum"),
        ("npz", None, "missing"),
        ("json", lambda data: data.replace(b'"resumed": 0', b'"resumed": 1'), "checksum"),
        ("json", lambda data: data[: len(data) // 2], "cannot be read"),
        ("json", lambda data: b"", "cannot be read"),
        ("json", lambda data: b"[1, 2]\n", "cannot be read"),
        ("json", lambda data: b"null\n", "cannot be read"),
        ("json", lambda data: b"\xff\xfe", "cannot be read"),
        ("json", lambda data: data.replace(b'"digest"', b'"digets"'), "cannot be read"),
    ],
)
def test_damage_is_named_and_left_alone(store, tmp_path, suffix, damage, message):
    run(config(), store=store, trainer=trainer(tmp_path / "log"))
    path = store.local / f"{config().hash()}.{suffix}"
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    before = files(store.local)
    for read in (lambda: store.load(path.stem), lambda: run(config(), store=store, trainer=never)):
        with pytest.raises(DamagedResult, match=message) as error:
            read()
        assert str(path) in str(error.value)
        named = f"delete {path.stem}.json, {path.stem}.npz in {path.parent} and repeat the command"
        assert named in str(error.value)
    assert files(store.local) == before


def test_no_flipped_bit_is_missed(store):
    store.save(NAME, {"a": np.arange(3.0)}, {"engine": 3, "config": {"seed": 1}})
    _, meta = store.load(NAME)
    for path in sorted(store.local.glob(f"{NAME}.*")):
        whole = path.read_bytes()
        for bit in range(8 * len(whole)):
            path.write_bytes(flip(whole, bit))
            with pytest.raises(DamagedResult):
                store.load(NAME)
        path.write_bytes(whole)
    assert store.load(NAME)[1] == meta


def test_a_renamed_result_is_refused(store, tmp_path):
    """Files that are whole, under the name of another run; or the provenance of another."""
    for width in (3, 4):
        run(config(width), store=store, trainer=trainer(tmp_path / "log"))
    one, other = config(3).hash(), config(4).hash()
    (store.local / f"{one}.json").write_bytes((store.local / f"{other}.json").read_bytes())
    with pytest.raises(DamagedResult, match=f"{one}.json is damaged: it belongs to the run {other}"):
        run(config(3), store=store, trainer=never)
    (store.local / f"{one}.npz").write_bytes((store.local / f"{other}.npz").read_bytes())
    with pytest.raises(DamagedResult, match=f"it belongs to the run {other}"):
        run(config(3), store=store, trainer=never)


@pytest.mark.parametrize("kind", ["array of objects", "bare pickle"])
def test_no_result_is_unpickled(store, tmp_path, kind):
    """With checksums that fit: nothing but the format keeps the file from running code."""
    bomb, buffer = Bomb(tmp_path / "exploded"), io.BytesIO()
    if kind == "array of objects":
        np.savez(buffer, a=np.array([bomb], dtype=object))
    else:
        pickle.dump(bomb, buffer)
    meta = {"hash": NAME, "sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}
    store.local.mkdir()
    (store.local / f"{NAME}.npz").write_bytes(buffer.getvalue())
    (store.local / f"{NAME}.json").write_text(json.dumps(meta | {"digest": checksum(meta)}))
    with pytest.raises(DamagedResult, match=rf"{NAME}.npz is damaged: .*pickle"):
        store.load(NAME)
    assert not bomb.path.exists()
    pickle.loads(pickle.dumps(bomb)).close()
    assert bomb.path.exists(), "it would have gone off"
    with pytest.raises(ValueError, match="allow_pickle"):
        store.save(NAME, {"a": np.array([bomb], dtype=object)}, {})


@pytest.mark.parametrize("kind", ["tensors with an object", "bare pickle"])
def test_no_checkpoint_is_unpickled(store, tmp_path, kind):
    bomb, buffer = Bomb(tmp_path / "exploded"), io.BytesIO()
    state = {"state": bomb, "resumed": 0, "spent": {}}
    pickle.dump(state, buffer, protocol=2) if kind == "bare pickle" else torch.save(state, buffer)
    name = config().hash()
    path = store.checkpoint(name).path
    path.parent.mkdir()
    path.write_bytes(f"{name} {hashlib.sha256(buffer.getvalue()).hexdigest()}\n".encode() + buffer.getvalue())
    with pytest.raises(DamagedResult, match=rf"{name}.checkpoint is damaged: it holds more than"):
        run(config(), store=store, trainer=trainer(tmp_path / "log"))
    assert not bomb.path.exists()


def test_a_checkpoint_comes_back_and_counts(store):
    state = {"epoch": 3, "numbers": torch.arange(4.0), "rows": [[torch.tensor(1)]], "names": {"a": "b"}}
    assert store.checkpoint(NAME).load() is None
    first = store.checkpoint(NAME)
    first.save(state)
    for expected in (1, 2):
        checkpoint = store.checkpoint(NAME)
        found = checkpoint.load()
        assert torch.equal(found["numbers"], state["numbers"])
        assert found["rows"] == state["rows"]
        assert checkpoint.resumed == expected
        assert checkpoint.spent()["seconds"] >= first.spent()["seconds"] - 0.1 * expected
        checkpoint.save(state)
    store.save(NAME, NUMBERS, {})
    assert not checkpoint.path.exists(), "a finished run needs none"


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: flip(data, 4 * len(data)), lambda data: b""])
def test_a_damaged_checkpoint_is_named_and_left_alone(store, damage):
    path = store.checkpoint(config().hash()).path
    store.checkpoint(config().hash()).save({"stage": 0})
    path.write_bytes(damage(path.read_bytes()))
    before = files(store.local)
    with pytest.raises(DamagedResult) as error:
        run(config(), store=store)  # the real trainer looks for the checkpoint before it trains
    assert str(path) in str(error.value)
    assert files(store.local) == before


def test_the_checkpoint_of_another_run_is_refused(store, tmp_path):
    one, other = store.checkpoint(config(3).hash()), store.checkpoint(config(4).hash())
    one.save({"stage": 1})
    one.path.rename(other.path)
    with pytest.raises(DamagedResult, match=f"{config(4).hash()}.checkpoint is damaged"):
        run(config(4), store=store, trainer=trainer(tmp_path / "log"))


def test_places_come_from_the_environment_and_never_from_the_working_directory(monkeypatch, tmp_path):
    monkeypatch.delenv("SPECTRAL_RESULTS", raising=False)
    monkeypatch.delenv("SPECTRAL_STORE", raising=False)
    here = Store.default()
    assert here == Store(REPOSITORY / "book" / "results", REPOSITORY / "_store")
    assert not here.publish
    monkeypatch.chdir(tmp_path)
    assert Store.default() == here
    monkeypatch.setattr(sys.modules["spectral.lab.files"], "REPOSITORY", tmp_path)  # an installed package has no book
    monkeypatch.setattr("platformdirs.user_data_dir", lambda name, appauthor: str(tmp_path / "data" / name))
    assert Store.default().local == tmp_path / "data" / "student-teacher-spectral" / "store"
    monkeypatch.setenv("SPECTRAL_RESULTS", str(tmp_path / "r"))
    monkeypatch.setenv("SPECTRAL_STORE", str(tmp_path / "s"))
    assert Store.default() == Store(tmp_path / "r", tmp_path / "s")
    run(config(), trainer=trainer(tmp_path / "log"))
    assert files(tmp_path / "s").keys() == {f"{config().hash()}.npz", f"{config().hash()}.json"}


def test_committed_results_are_read_and_not_written_unless_published(store, tmp_path):
    run(config(3), store=store, trainer=trainer(tmp_path / "log"))
    assert not store.committed.exists()
    published = replace(store, publish=True)
    first = run(config(4), store=published, trainer=trainer(tmp_path / "log"))
    assert files(store.committed).keys() == {f"{config(4).hash()}.npz", f"{config(4).hash()}.json"}
    assert config(4).hash() not in {path.stem for path in store.local.glob("*.json")}
    before = files(store.committed)
    assert_same(run(config(4), store=store, trainer=never), first)
    run(config(5), store=store, trainer=trainer(tmp_path / "log"))
    assert files(store.committed) == before
    assert store.hashes() == {
        config(3).hash(): store.local,
        config(4).hash(): store.committed,
        config(5).hash(): store.local,
    }


def test_a_full_disk_costs_nothing_that_was_there(store, tmp_path, monkeypatch):
    first = run(config(3), store=store, trainer=trainer(tmp_path / "log"))
    checkpoint = store.checkpoint(config(4).hash())
    checkpoint.save({"stage": 1, "phi": torch.zeros(2, 4, 2, dtype=torch.float64)})
    before = files(store.local)
    with monkeypatch.context() as patch:
        full_disk(patch)
        for write in (lambda: checkpoint.save({"stage": 2}), lambda: store.save(NAME, NUMBERS, {})):
            with pytest.raises(StoreError, match=r"cannot be written: no space is left \(\d+ MiB free\)"):
                write()
        with pytest.raises(StoreError, match="no space is left"):
            run(config(4), store=store, trainer=trainer(tmp_path / "log"))
    assert files(store.local) == before
    assert_same(run(config(3), store=store, trainer=never), first)
    done = run(config(4), store=store, trainer=trainer(tmp_path / "log"))
    assert starts(tmp_path / "log")[-1] == (config(4).hash(), 1), "with room again it goes on from its checkpoint"
    assert done.provenance["resumed"] == 1


def test_a_store_that_cannot_be_written_is_refused_before_training(tmp_path):
    run(config(3), store=Store(tmp_path / "c", tmp_path / "l", publish=True), trainer=trainer(tmp_path / "log"))
    (tmp_path / "file").write_text("not a folder")
    for store in (
        Store(tmp_path / "c", tmp_path / "file" / "store"),
        Store(tmp_path / "file" / "results", tmp_path / "l", publish=True),
    ):
        with pytest.raises(StoreError, match=r"file.* cannot be written: .*another folder \(SPECTRAL_STORE"):
            run(config(4), store=store, trainer=never)
    run(config(3), store=Store(tmp_path / "c", tmp_path / "file" / "store"), trainer=never)  # reading needs no writing
    with pytest.raises(StoreError, match="cannot be written"):
        CheckpointFile(tmp_path / "file" / "x.checkpoint", "x").save({})


def test_a_result_that_another_process_computes_is_busy(store, tmp_path):
    with store.claim(config().hash()), pytest.raises(Busy, match=config().hash()):
        run(config(), store=store, wait=False, trainer=never)
    with store.claim(config(4).hash()):
        run(config(), store=store, wait=False, trainer=trainer(tmp_path / "log"))
    run(config(), store=store, wait=False, trainer=never)


def two_at_once(folder: str) -> None:
    store, log, numbers = Store(Path(folder, "c"), Path(folder, "l")), Path(folder, "log"), Path(folder, "numbers")

    def work():
        result = run(config(), store=store, trainer=trainer(log, seconds=0.1))
        numbers.with_suffix(f".{os.getpid()}").write_bytes(result.scores.numpy().tobytes())

    assert [exit_code(process) for process in (fork(work), fork(work))] == [0, 0]


def test_two_processes_compute_a_result_once(tmp_path):
    in_fresh_process("test_store.two_at_once", tmp_path)
    assert starts(tmp_path / "log") == [(config().hash(), 0)]
    one, other = (path.read_bytes() for path in tmp_path.glob("numbers.*"))
    assert one == other
