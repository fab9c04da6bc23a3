"""Files that are written whole or not at all, and read with a check. All that is kept is written here.

What is written is first a temporary file beside its place: made exclusively, so never through a link, under a name that
tells host, process and its life, and flushed to the disk. One step then gives it its name: by renaming, which replaces
what was there, or by linking, which never does. So no lock is needed, whatever writes beside it, in threads, processes
or hosts. A temporary file is removed by its writer; if that was killed, by the next writer of the same file on the same
host, and by nobody else: of another host's processes nobody here can tell which are alive.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.resources
import itertools
import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from spectral.errors import Told
from spectral.lab.config import ConfigError

REPOSITORY = Path(__file__).resolve().parents[2]

PATIENCE = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
"""Seconds between attempts at a file that another program holds open, which Windows then neither moves nor removes."""

NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK}
"""How file systems say that a file has one name only, as FAT does."""

_TEMPORARY = re.compile(r"\..+\.(?P<host>[a-z0-9-]+)\.(?P<process>\d+)\.(?P<life>[0-9a-f]{8})\.\d+\.tmp")
_LIFE = secrets.token_hex(4)  # tells this process from one of the same number before, as containers have them
_NUMBERS = itertools.count()


class StoreError(Told, OSError):
    """The store cannot be used as asked; the message says which file, why, and what to do."""


class DamagedResult(StoreError):
    """A file is not what was written, or cannot be read. It is never used nor replaced.

    Truncated, altered, of another run, no file at all: the message says which, and what to do.
    """


def is_checkout() -> bool:
    """Whether the package lies in its own repository, and not installed, or copied into another one."""
    try:
        text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return 'name = "student-teacher-spectral"' in text


def kept(name: str) -> Path:
    """One of the small files that the book keeps: in the checkout, or among what an installed package brings of them.

    Results are none of them; see `spectral.lab.store`.
    """
    folder = REPOSITORY / "book" if is_checkout() else Path(str(importlib.resources.files("spectral"))) / "kept"
    return folder / name


def need_checkout(what: str) -> None:
    """Raise ConfigError unless the package lies in its own repository; `what` is what that is needed for."""
    if not is_checkout():
        raise ConfigError(
            f"{what}; this is an installed package. Clone the repository, and run the command there "
            f"(the package lies in {REPOSITORY})"
        )


def read_entries(
    path: Path, what: str, kind: str, is_whole: Callable[[dict[str, Any]], bool], advice: str
) -> list[dict[str, Any]]:
    """The entries of a JSON file that the book keeps; `what` it is, each of `kind`, and `advice` if it is damaged.

    Raises
    ------
    ConfigError
        If the file is missing, holds anything else, or an entry that is not whole.
    """
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        if not all(map(is_whole, entries)):
            raise ValueError(f"an entry is not a {kind}")
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise ConfigError(f"{what} {path} cannot be read ({type(error).__name__}: {error}); {advice}") from None
    return entries


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises
    ------
    StoreError
        If that fails; what was there before is still there.
    """
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` when the block ends; if the block fails, nothing changes.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    with _temporary(path) as (temporary, file):
        yield file
        _flush(file)
        _insist(os.replace, temporary, path)
        _flush_folder(path.parent)


@contextmanager
def drafted(path: Path, data: bytes) -> Iterator[Path]:
    """A temporary file that holds `data`, for `give_name` or `replace`; it is gone when the block ends.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    with _temporary(path) as (temporary, file):
        file.write(data)
        _flush(file)
        yield temporary


def give_name(draft: Path, path: Path) -> bool:
    """Call a drafted file `path`, unless something is called so: of all who try, one succeeds. Whether this one did."""
    try:
        if os.name == "nt":
            _insist(os.rename, draft, path)  # which replaces nothing there
        else:
            os.link(draft, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if os.path.lexists(path):
            return False
        _insist(os.replace, draft, path)
    _flush_folder(path.parent)
    return True


def replace(draft: Path, path: Path) -> None:
    """Call a drafted file `path`, in place of what is called so."""
    _insist(os.replace, draft, path)
    _flush_folder(path.parent)


def remove(path: Path) -> None:
    """Remove a file that nobody needs; if that fails, it stays."""
    with suppress(OSError):
        _insist(os.unlink, path)


def remove_stale(folder: Path, stem: str) -> None:
    """Remove the temporary files of `stem` that killed processes of this host have left in a folder."""
    with suppress(OSError), os.scandir(folder) as entries:
        for name in [entry.name for entry in entries if entry.name.startswith(f".{stem}.")]:
            if _is_stale(name):
                remove(folder / name)


@contextmanager
def _temporary(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A temporary file for `path`, open, which is removed when the block ends; raises StoreError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_stale(path.parent, path.stem)
        temporary, file = _create(path)
        try:
            with file:
                yield temporary, file
        finally:
            remove(temporary)
    except StoreError:
        raise
    except OSError as error:
        raise unwritable(path, error) from None


def _create(path: Path) -> tuple[Path, BinaryIO]:
    while True:
        owner = f"{_host()}.{os.getpid()}.{_LIFE}.{next(_NUMBERS)}"
        temporary = path.with_name(f".{path.stem}.{owner}.tmp")
        with suppress(FileExistsError):  # not ours, whoever made it
            return temporary, temporary.open("xb")


def _host() -> str:
    """The machine, or container, within which process numbers mean the same."""
    name = re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().lower())[:40]
    with suppress(OSError):
        return f"{name}-{os.stat('/proc/self/ns/pid').st_ino}"
    return f"{name}-0"


def _is_stale(name: str) -> bool:
    """Whether this is the temporary file of a process of this host that has ended."""
    match = _TEMPORARY.fullmatch(name)
    if match is None or match["host"] != _host():
        return False
    process = int(match["process"])
    return match["life"] != _LIFE if process == os.getpid() else not _runs(process)


def _runs(process: int) -> bool:
    if os.name == "nt":
        return True  # there, asking by a signal would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's; no number of a process
        return True
    return True


def _insist(step: Callable[..., None], *paths: Path) -> None:
    for pause in PATIENCE:
        try:
            return step(*paths)
        except PermissionError:
            time.sleep(pause)
    return step(*paths)


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()  # an open file cannot be renamed everywhere


def _flush_folder(folder: Path) -> None:
    """Have a name reach the disk."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders, and needs no flush of them
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # as network disks say that there is nothing to do
            raise
    finally:
        os.close(descriptor)


def checksum(meta: dict[str, Any]) -> str:
    """SHA-256 of what can be written as JSON, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()


def unwritable(path: Path, error: OSError) -> StoreError:
    """The error for a file that could not be written, with its reason and what to do."""
    if error.errno == errno.ENOSPC:
        folder = next(p for p in (path, *path.parents) if p.exists())
        free = shutil.disk_usage(folder).free / 2**20
        why = f"no space is left ({free:.0f} MiB free)"
    else:
        why = error.strerror or str(error)
    return StoreError(
        f"{path} cannot be written: {why}. What was finished is kept, and a run under way goes on from its last "
        "checkpoint; make room, or choose another folder (SPECTRAL_STORE names that of results), and repeat the command"
    )
