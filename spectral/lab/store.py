"""Where results are kept: whole or not at all, checked when they are read, never overwritten by accident.

A result is two files named by the hash of its configuration: ``HASH.npz``, the numbers, and ``HASH.json``, their
provenance with the checksum of the numbers. Each is written beside its place, flushed to the disk, and renamed; the
JSON comes last and makes the result. A kill at any moment leaves nothing or a whole result. An unfinished run is a
checkpoint, ``HASH.checkpoint``, replaced in the same way. Nothing that is read can execute code: no pickles.

Results are looked for in two places: those committed with the book, which normal use only reads, and a local store,
where new ones go. Both are found from the environment (``SPECTRAL_RESULTS``, ``SPECTRAL_STORE``) or from where the
package lies, never from the working directory, which differs between notebooks, tests and shells.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from spectral.lab.files import REPOSITORY, DamagedResult, StoreError, checksum, unwritable, write_atomically

Arrays = dict[str, np.ndarray]


class Busy(StoreError):
    """Another process is computing this result."""


@dataclass(frozen=True)
class Store:
    """Two folders of results: `committed` is read, `local` written, unless `publish` sends results to the first.

    Examples
    --------
    >>> Store.default().local.name
    '_store'
    """

    committed: Path
    local: Path
    publish: bool = False

    @classmethod
    def default(cls) -> Store:
        """The store named by the environment, or that of the repository, or one in the user's cache folder."""
        in_repository = (REPOSITORY / "pyproject.toml").exists()
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "student-teacher-spectral"
        committed = REPOSITORY / "book" / "results" if in_repository else cache / "results"
        local = REPOSITORY / "_store" if in_repository else cache / "store"
        return cls(
            Path(os.environ.get("SPECTRAL_RESULTS") or committed).absolute(),
            Path(os.environ.get("SPECTRAL_STORE") or local).absolute(),
        )

    def hashes(self) -> dict[str, Path]:
        """All results, by hash, with the folder each is in; committed ones come first."""
        found: dict[str, Path] = {}
        for folder in (self.committed, self.local):
            for path in sorted(folder.glob("*.json")):
                found.setdefault(path.stem, folder)
        return found

    def has(self, name: str) -> bool:
        """Whether a result is there; it has not been checked."""
        return self._folder(name) is not None

    def load(self, name: str) -> tuple[Arrays, dict[str, Any]]:
        """The numbers and the provenance of a result, checked.

        Raises
        ------
        KeyError
            If there is no such result.
        DamagedResult
            If its files are not what was written.
        """
        folder = self._folder(name)
        if folder is None:
            raise KeyError(name)
        meta = self.provenance(name)
        path = folder / f"{name}.npz"
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise _damaged(path, "it is missing") from None
        if hashlib.sha256(data).hexdigest() != meta["sha256"]:
            raise _damaged(path, "its checksum is not the one in its provenance")
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                return {key: file[key] for key in file.files}, meta
        except (ValueError, zipfile.BadZipFile, EOFError) as error:
            raise _damaged(path, f"it holds something else than plain numbers ({type(error).__name__})") from None

    def provenance(self, name: str) -> dict[str, Any]:
        """The provenance of a result, checked by itself; errors as in `load`."""
        folder = self._folder(name)
        if folder is None:
            raise KeyError(name)
        path = folder / f"{name}.json"
        try:
            meta = json.loads(path.read_text(encoding="utf-8"))
            digest = meta.pop("digest")
        except (ValueError, KeyError, AttributeError, TypeError):
            raise _damaged(path, "it cannot be read") from None
        if digest != checksum(meta):
            raise _damaged(path, "its checksum does not fit its content")
        if meta.get("hash") != name:
            raise _damaged(path, f"it belongs to the run {meta.get('hash')}")
        return meta

    def save(self, name: str, arrays: Arrays, meta: dict[str, Any]) -> None:
        """Keep a result, and remove its checkpoint.

        Raises
        ------
        StoreError
            If it cannot be written; then nothing has changed.
        """
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        data = buffer.getvalue()
        meta = meta | {"hash": name, "sha256": hashlib.sha256(data).hexdigest()}
        text = json.dumps(meta | {"digest": checksum(meta)}, indent=1, sort_keys=True) + "\n"
        folder = self.committed if self.publish else self.local
        write_atomically(folder / f"{name}.npz", data)
        write_atomically(folder / f"{name}.json", text.encode())
        self.checkpoint(name).remove()

    def promote(self, name: str) -> None:
        """Copy a result that is only in the local folder to the committed one; errors as in `load`."""
        if self._folder(name) == self.local and self.local != self.committed:
            self.load(name)
            for kind in ("npz", "json"):
                write_atomically(self.committed / f"{name}.{kind}", (self.local / f"{name}.{kind}").read_bytes())

    def checkpoint(self, name: str) -> CheckpointFile:
        """Where an unfinished run is kept."""
        return CheckpointFile(self.local / f"{name}.checkpoint", name)

    def check_writable(self) -> None:
        """Find out now whether results can be written, not after hours of work.

        Raises
        ------
        StoreError
            If it cannot.
        """
        for folder in (self.local, self.committed) if self.publish else (self.local,):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.NamedTemporaryFile(dir=folder):
                    pass
            except OSError as error:
                raise unwritable(folder, error) from None

    @contextmanager
    def claim(self, name: str, *, wait: bool = True) -> Iterator[None]:
        """Be the only process that computes a result; the claim ends with the process, however that ends.

        Raises
        ------
        Busy
            If another process has it and `wait` is false.
        """
        self.check_writable()
        try:
            with FileLock(self.local / f"{name}.lock", timeout=-1 if wait else 0):
                for folder in (self.local, self.committed):
                    for left in folder.glob(f".{name}.*.tmp"):  # of a process that was killed while writing
                        left.unlink(missing_ok=True)
                yield
        except Timeout:
            raise Busy(f"another process is computing {name}") from None

    def _folder(self, name: str) -> Path | None:
        for folder in (self.committed, self.local):
            if (folder / f"{name}.json").exists():
                return folder
        return None


class CheckpointFile:
    """The last state of an unfinished run, on disk; see `spectral.engine.train.Checkpoint`.

    Attributes
    ----------
    resumed:
        How often the run has been taken up again.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self._name, self.resumed, self._before = path, name, 0, {"seconds": 0.0, "cpu_seconds": 0.0}
        self._start = _clocks()

    def spent(self) -> dict[str, float]:
        """Wall and processor seconds of this run, those before it was resumed included."""
        return {key: self._before[key] + now - self._start[key] for key, now in _clocks().items()}

    def load(self) -> dict[str, Any] | None:
        """The last state saved, or None.

        Raises
        ------
        DamagedResult
            If the file is not what was written.
        """
        try:
            head, _, data = self.path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        if head.decode(errors="replace") != f"{self._name} {hashlib.sha256(data).hexdigest()}":
            raise _damaged(self.path, "its checksum does not fit its content")
        try:
            saved: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            raise _damaged(self.path, "it holds more than tensors, numbers, strings, lists and dictionaries") from None
        self.resumed, self._before, self._start = saved["resumed"] + 1, saved["spent"], _clocks()
        return saved["state"]

    def save(self, state: dict[str, Any]) -> None:
        """Keep `state` in place of the last one; raises StoreError, and keeps the last one, if that fails."""
        buffer = io.BytesIO()
        torch.save({"state": state, "resumed": self.resumed, "spent": self.spent()}, buffer)
        data = buffer.getvalue()
        write_atomically(self.path, f"{self._name} {hashlib.sha256(data).hexdigest()}\n".encode() + data)

    def remove(self) -> None:
        """Forget the unfinished run."""
        self.path.unlink(missing_ok=True)


def _clocks() -> dict[str, float]:
    times = os.times()
    return {"seconds": times.elapsed, "cpu_seconds": times.user + times.system}


def _damaged(path: Path, why: str) -> DamagedResult:
    message = f"{path} is damaged: {why}. It is not used. To compute it again, "
    if path.suffix == ".checkpoint":
        return DamagedResult(f"{message}delete {path.name} in {path.parent} and repeat the command")
    return DamagedResult(
        f"{message}delete {path.stem}.json, {path.stem}.npz in {path.parent} and repeat the command; a committed "
        f"result comes back with: git -C {path.parent} checkout -- {path.name}"
    )
