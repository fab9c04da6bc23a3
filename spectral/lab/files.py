"""Files that are written whole or not at all, and read with a check."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from spectral.lab.config import ConfigError

REPOSITORY = Path(__file__).resolve().parents[2]


class StoreError(OSError):
    """The store cannot be used as asked; the message says which file, why, and what to do."""


class DamagedResult(StoreError):
    """A file is not what was written: truncated, altered, or of another run. It is never used nor replaced."""


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
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ConfigError(f"{what} {path} cannot be read ({type(error).__name__}: {error}); {advice}") from None
    return entries


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises
    ------
    StoreError
        If that fails; what was there before is still there.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):  # its folder may not be one
            temporary.unlink()
        raise unwritable(path, error) from None
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders, and needs no flush of them
        return
    try:
        os.fsync(folder)  # the rename itself
    finally:
        os.close(folder)


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
