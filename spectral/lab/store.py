"""Where results are kept: whole or not at all, checked when they are read, never overwritten by accident.

A result is two files named by the hash of its configuration: ``HASH.npz``, the numbers, and ``HASH.json``, their
provenance with the checksum of the numbers. Both are written beside their places and flushed to the disk; then the
numbers get their name, and last the JSON, which makes the result. A kill at any moment leaves nothing or a whole
result. An unfinished run is a checkpoint, ``HASH.checkpoint``, replaced as a whole; one on many machines is the members
that are through, ``HASH.parts``. Nothing that is read can execute code: no pickles.

Of several processes that have computed the same, on one host or on many, the first to have finished keeps its result,
and the others take it. That needs no lock. Claims are there to save work, and hold where the disk has locks.

Results are looked for in two places: those committed with the book, which normal use only reads, and a local store,
where new ones go. Both are found from the environment (``SPECTRAL_RESULTS``, ``SPECTRAL_STORE``) or from where the
package lies, never from the working directory, which differs between notebooks, tests and shells.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import io
import json
import os
import pickle
import re
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import torch
from filelock import FileLock, Timeout

from spectral.lab.files import (
    REPOSITORY,
    DamagedResult,
    StoreError,
    checksum,
    drafted,
    give_name,
    is_checkout,
    remove,
    remove_stale,
    replace,
    write_atomically,
)

Arrays = dict[str, np.ndarray]

HASH = re.compile(r"[0-9a-f]{12}")
"""What a result is called; no two names are one on a disk that does not tell A from a."""

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.EIO, errno.ESTALE}
"""How network disks say that they have no locks."""


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
        """The store named by the environment, or that of the repository, or one among the user's own data."""
        if is_checkout():
            committed, local = str(REPOSITORY / "book" / "results"), str(REPOSITORY / "_store")
        else:
            data = platformdirs.user_data_dir("student-teacher-spectral", appauthor=False)
            committed, local = (os.path.join(data, name) for name in ("results", "store"))
        return cls(_place("SPECTRAL_RESULTS", committed), _place("SPECTRAL_STORE", local))

    def hashes(self) -> dict[str, Path]:
        """All results, by hash, with the folder each is in; committed ones come first."""
        found: dict[str, Path] = {}
        for folder in (self.committed, self.local):
            for name in _listed(folder):
                found.setdefault(name, folder)
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
        return _load(self._there(name), name)

    def provenance(self, name: str) -> dict[str, Any]:
        """The provenance of a result, checked by itself; errors as in `load`."""
        return _provenance(self._there(name), name)

    def damage(self, name: str, why: str) -> DamagedResult:
        """The error for a result whose files are what was written, but which is none."""
        return _damaged(self._there(name) / f"{name}.npz", why)

    def save(self, name: str, arrays: Arrays, meta: dict[str, Any]) -> None:
        """Keep a result unless another process has kept its own by now, and remove its checkpoint.

        Raises
        ------
        StoreError
            If it cannot be written; then nothing has changed.
        DamagedResult
            If what is there already is damaged, or cannot be read back; the checkpoint stays.
        """
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        data = buffer.getvalue()
        meta = meta | {"hash": _checked(name), "sha256": hashlib.sha256(data).hexdigest()}
        text = json.dumps(meta | {"digest": checksum(meta)}, indent=1, sort_keys=True) + "\n"
        folder = self.committed if self.publish else self.local
        _keep(folder, name, data, text.encode())
        _load(folder, name)
        self.tidy(name)

    def promote(self, name: str) -> None:
        """Copy a result that is only in the local folder to the committed one; errors as in `load`."""
        if self._folder(name) == self.local and self.local != self.committed:
            self.load(name)
            _keep(self.committed, name, *(_read(self.local / f"{name}.{kind}") for kind in ("npz", "json")))

    def tidy(self, name: str) -> None:
        """Remove what a process that was killed has left beside a finished result; what cannot be removed stays."""
        for folder in self._written:
            remove_stale(folder, _checked(name))
        self._forget(name)

    def checkpoint(self, name: str) -> CheckpointFile:
        """Where an unfinished run is kept."""
        return CheckpointFile(self.local / f"{_checked(name)}.checkpoint", name)

    def parts(self, name: str) -> CheckpointFile:
        """Where the finished members of an unfinished run on many machines are kept."""
        return CheckpointFile(self.local / f"{_checked(name)}.parts", name)

    def is_begun(self, name: str) -> bool:
        """Whether something of an unfinished run is there."""
        return any(os.path.lexists(file.path) for file in (self.checkpoint(name), self.parts(name)))

    def check_writable(self) -> None:
        """Find out now whether results can be written, not after hours of work.

        Raises
        ------
        StoreError
            If it cannot.
        """
        for folder in self._written:
            with drafted(folder / "writable", b""):
                pass

    @contextmanager
    def claim(self, name: str, *, wait: bool = True) -> Iterator[None]:
        """Be the only process that computes a result; the claim ends with the process, however that ends.

        Where a disk has no locks, several may compute it; the first result is kept. What a process that was killed
        while it saved has left is brought to its end, or removed.

        Raises
        ------
        Busy
            If another process has it and `wait` is false.
        StoreError
            If nothing could be written.
        DamagedResult
            If what has the name of the result, or of its lock, is none.
        """
        self.check_writable()
        path = self.local / f"{_checked(name)}.lock"
        lock = FileLock(path, timeout=-1 if wait else 0, fallback_to_soft=False)
        try:
            lock.acquire()
        except Timeout:
            raise Busy(f"another process is computing {name}") from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise DamagedResult(
                    f"{path} cannot be locked: {error.strerror or error}. Delete it and repeat the command; it holds "
                    "nothing"
                ) from None
            _without_locks(self.local, error.strerror)
        try:
            for folder in self._written:
                if _is_whole(folder, name):
                    self._forget(name)
                remove_stale(folder, name)
            yield
        finally:
            with suppress(OSError):
                lock.release()

    @property
    def _written(self) -> tuple[Path, ...]:
        return (self.local, self.committed) if self.publish else (self.local,)

    def _forget(self, name: str) -> None:
        self.checkpoint(name).remove()
        self.parts(name).remove()

    def _there(self, name: str) -> Path:
        folder = self._folder(name)
        if folder is None:
            raise KeyError(name)
        return folder

    def _folder(self, name: str) -> Path | None:
        for folder in (self.committed, self.local):
            try:
                os.lstat(folder / f"{_checked(name)}.json")
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise _unreadable(folder, error) from None
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
        if not os.path.lexists(self.path):
            return None
        head, _, data = _read(self.path).partition(b"\n")
        if head.decode(errors="replace") != f"{self._name} {hashlib.sha256(data).hexdigest()}":
            raise _damaged(self.path, "its checksum does not fit its content")
        try:
            saved: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            state, resumed, spent = (
                saved["state"],
                saved["resumed"] + 1,
                {key: saved["spent"][key] + 0.0 for key in _CLOCKS},
            )
        except pickle.UnpicklingError:
            raise _damaged(self.path, "it holds more than tensors, numbers, strings, lists and dictionaries") from None
        except Exception as error:  # of a parser, which raises whatever it likes
            raise _damaged(self.path, f"it is no checkpoint ({type(error).__name__})") from None
        self.resumed, self._before, self._start = resumed, spent, _clocks()
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Keep `state` in place of the last one; raises StoreError, and keeps the last one, if that fails."""
        buffer = io.BytesIO()
        torch.save({"state": state, "resumed": self.resumed, "spent": self.spent()}, buffer)
        data = buffer.getvalue()
        write_atomically(self.path, f"{self._name} {hashlib.sha256(data).hexdigest()}\n".encode() + data)

    def remove(self) -> None:
        """Forget the unfinished run; a file that cannot be removed stays, and does no harm."""
        remove(self.path)


def _clocks() -> dict[str, float]:
    times = os.times()
    return {"seconds": time.monotonic(), "cpu_seconds": times.user + times.system}


_CLOCKS = tuple(_clocks())


def _place(variable: str, otherwise: str) -> Path:
    """A folder of results, named by the environment or `otherwise`; ~ is the user's own."""
    name = os.environ.get(variable) or otherwise
    try:
        return Path(name).expanduser().absolute()
    except RuntimeError:
        raise StoreError(f"{name} is in no known home; name another folder by {variable}, without ~") from None


def _checked(name: str) -> str:
    if not HASH.fullmatch(name):
        raise StoreError(
            f"{name!r} names no result: a name is twelve digits of 0-9 and a-f; see python -m spectral status"
        )
    return name


def _listed(folder: Path) -> list[str]:
    """The names of the results in a folder; other files in it are none of ours."""
    try:
        paths = [Path(name) for name in os.listdir(folder)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _unreadable(folder, error) from None
    return sorted(path.stem for path in paths if path.suffix == ".json" and HASH.fullmatch(path.stem))


@functools.cache
def _without_locks(folder: Path, why: str) -> None:
    print(
        f"{folder} has no locks ({why}): processes side by side may compute the same, and keep the first result",
        file=sys.stderr,
    )


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # reading from some waits for ever
            raise _damaged(path, "it is no file")
        return path.read_bytes()
    except FileNotFoundError:
        raise _damaged(path, "it is a link to nothing" if path.is_symlink() else "it is missing") from None
    except DamagedResult:
        raise
    except OSError as error:
        raise DamagedResult(
            f"{path} cannot be read: {error.strerror or error}. It is neither used nor replaced; make it readable, or "
            "move it away, and repeat the command"
        ) from None


def _provenance(folder: Path, name: str) -> dict[str, Any]:
    path = folder / f"{name}.json"
    return _parsed(path, name, _read(path))


def _parsed(path: Path, name: str, text: bytes) -> dict[str, Any]:
    try:
        meta = json.loads(text.decode())
        digest = meta.pop("digest")
        fits = digest == checksum(meta)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise _damaged(path, "it cannot be read") from None
    if not fits:
        raise _damaged(path, "its checksum does not fit its content")
    if meta.get("hash") != name:
        raise _damaged(path, f"it belongs to the run {meta.get('hash')}")
    return meta


def _load(folder: Path, name: str) -> tuple[Arrays, dict[str, Any]]:
    meta, path = _provenance(folder, name), folder / f"{name}.npz"
    data = _read(path)
    if hashlib.sha256(data).hexdigest() != meta.get("sha256"):
        raise _damaged(path, "its checksum is not the one in its provenance")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {key: file[key] for key in file.files}, meta
    except Exception as error:  # of a parser, which raises whatever it likes
        raise _damaged(path, f"it holds something else than plain numbers ({type(error).__name__})") from None


def _keep(folder: Path, name: str, data: bytes, text: bytes) -> None:
    """Write two files that are one result, unless one is there."""
    if _is_whole(folder, name):
        return
    numbers, provenance = folder / f"{name}.npz", folder / f"{name}.json"
    with drafted(provenance, text) as told, drafted(numbers, data) as draft:
        # From here on, who finds these numbers without their provenance finds that beside them.
        if not give_name(draft, numbers) and not _is_whole(folder, name) and _read(numbers) != data:
            replace(draft, numbers)  # of a process that was killed, and whose provenance is lost
        give_name(told, provenance)


def _is_whole(folder: Path, name: str) -> bool:
    """Whether both files of a result are there.

    Numbers alone are those of a process that is just about to name their provenance, or was killed before it could:
    that is done for it.
    """
    numbers, provenance = folder / f"{name}.npz", folder / f"{name}.json"
    if os.path.lexists(numbers) and not os.path.lexists(provenance):
        digest = hashlib.sha256(_read(numbers)).hexdigest()
        for pending in folder.glob(f".{name}.*.tmp"):
            with suppress(DamagedResult):  # numbers, a checkpoint, or half of something
                text = _read(pending)
                if _parsed(pending, name, text).get("sha256") == digest:
                    with drafted(provenance, text) as copy:
                        give_name(copy, provenance)
    return os.path.lexists(provenance)


def _unreadable(folder: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{folder} cannot be read: {error.strerror or error}. Make it readable, or name another folder "
        "(SPECTRAL_RESULTS for those of the book, SPECTRAL_STORE for your own), and repeat the command"
    )


def _damaged(path: Path, why: str) -> DamagedResult:
    message = f"{path} is damaged: {why}. It is not used. To compute it again, "
    if path.suffix in (".checkpoint", ".parts"):
        return DamagedResult(f"{message}delete {path.name} in {path.parent} and repeat the command")
    return DamagedResult(
        f"{message}delete {path.stem}.json, {path.stem}.npz in {path.parent} and repeat the command; a committed "
        f"result comes back with: git -C {path.parent} checkout -- {path.name}"
    )
