"""Files and parameters that nobody meant: ``python tests/lab/fuzz.py``, 10,000 of each; ``--count 300`` is a sample.

Files of a result, a checkpoint and a list of entries are cut, flipped, spliced and shuffled, with their checksums left
behind or made again, so that the damage is signed. Parameters have values of wrong types, signs and sizes, and names
that are nearly right. What comes out is the right result, or an error of the kind that its docstring names.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from standin import config, never, trainer

from spectral.lab.config import ConfigError, ExperimentConfig, parse_settings
from spectral.lab.files import DamagedResult, checksum, read_entries
from spectral.lab.results import run, stored_config
from spectral.lab.store import HASH, Store
from spectral.lab.sweep import stale, status
from spectral.lab.verify import damaged

ODD = (None, True, False, 0, -1, 1, 2**31, 10**400, 0.0, -0.0, 1e-320, 1e308, math.inf, -math.inf, math.nan, "", "0",
       "relu", "１", "\x00", "\ud800", "../x", [], [1], {}, {"a": 1}, (), b"x", 1j, np.float64(2), np.int64(3),
       int)  # fmt: skip
PLAIN = [value for value in ODD if value is None or isinstance(value, (bool, int, float, str, list, dict))]


KINDS = (
    "numbers",
    "provenance",
    "signed numbers",
    "signed array",
    "signed provenance",
    "checkpoint",
    "signed checkpoint",
)


def cut(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data) + 1)]


def flip(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 9))):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def splice(data: bytes, draw: random.Random) -> bytes:
    """A piece of it, or of noise, put somewhere."""
    start, end = sorted((draw.randrange(len(data) + 1), draw.randrange(len(data) + 1)))
    piece = draw.choice((data[start:end], draw.randbytes(end - start)))
    place = draw.randrange(len(data) + 1)
    return data[:place] + piece + data[draw.choice((place, min(len(data), place + len(piece)))) :]


def noise(data: bytes, draw: random.Random) -> bytes:
    return draw.randbytes(draw.randrange(2_000))


HOW: tuple[Callable[[bytes, random.Random], bytes], ...] = (cut, flip, flip, splice, noise)


def shuffled(value: object, draw: random.Random) -> object:
    """JSON with something odd somewhere."""
    if not isinstance(value, dict) or not value or draw.random() < 0.2:
        return draw.choice(PLAIN)
    name = draw.choice(sorted(value))
    return {
        "changed": lambda: value | {name: shuffled(value[name], draw)},
        "gone": lambda: {key: item for key, item in value.items() if key != name},
        "more": lambda: value | {draw.choice(("x", "", "config", "\ud800")): draw.choice(PLAIN)},
    }[draw.choice(("changed", "changed", "gone", "more"))]()


class Files:
    """A store with one result and one checkpoint, whole to begin with."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config, self.name = folder, config(3), config(3).hash()
        self.store = Store(folder / "committed", folder / "local")
        self.expected = run(self.config, store=self.store, trainer=trainer(folder / "log"))
        self.store.checkpoint(self.name).save({"stage": 1, "phi": torch.ones(3)})
        self.npz, self.json, self.saved = (self.path(suffix) for suffix in ("npz", "json", "checkpoint"))
        self.whole = {path: path.read_bytes() for path in (self.npz, self.json, self.saved)}

    def path(self, suffix: str) -> Path:
        return self.store.local / f"{self.name}.{suffix}"

    def sign(self, numbers: bytes, meta: object) -> None:
        """Both files of a result with checksums that fit, whatever they hold."""
        self.npz.write_bytes(numbers)
        if isinstance(meta, dict):
            meta = meta | {"sha256": hashlib.sha256(numbers).hexdigest()} if "sha256" in meta else meta
            meta = meta | {"digest": checksum(meta)}
        self.json.write_text(json.dumps(meta))

    def result(self, draw: random.Random) -> str:
        for path, content in self.whole.items():
            path.write_bytes(content)
        kind = draw.choice(KINDS)
        meta = json.loads(self.whole[self.json])
        del meta["digest"]
        if kind in ("numbers", "provenance"):
            path = self.npz if kind == "numbers" else self.json
            path.write_bytes(draw.choice(HOW)(self.whole[path], draw))
        elif kind == "signed numbers":
            self.sign(draw.choice(HOW)(self.whole[self.npz], draw), meta)
        elif kind == "signed array":
            with np.load(io.BytesIO(self.whole[self.npz])) as file:
                arrays = {key: file[key] for key in file.files}
            name = draw.choice(sorted(arrays))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                kinds = ("f8", "f4", "f2", "i8", "i1", "u8", "c16", "?", "S3", ">f8", ">i8", "M8[s]", "g")
                arrays[name] = draw.choice(
                    (
                        lambda values: values.reshape(-1),
                        lambda values: values[None],
                        lambda values: values[:0],
                        lambda values: values.astype(draw.choice(kinds)),
                        lambda values: np.full_like(values, draw.choice((-2, 0, 3, 99))),
                        lambda values: np.concatenate([values, values]),
                    )
                )(arrays[name])
            if draw.random() < 0.2:
                del arrays[draw.choice(sorted(arrays))]
            buffer = io.BytesIO()
            np.savez_compressed(buffer, **arrays)
            self.sign(buffer.getvalue(), meta)
        elif kind == "signed provenance":
            self.sign(self.whole[self.npz], shuffled(meta, draw))
        elif kind == "checkpoint":
            self.saved.write_bytes(draw.choice(HOW)(self.whole[self.saved], draw))
        else:
            data = draw.choice(HOW)(self.whole[self.saved].partition(b"\n")[2], draw)
            head = f"{self.name} {hashlib.sha256(data).hexdigest()}\n".encode()
            self.saved.write_bytes(head + data)
        return f"{kind}: {'right' if self.read(kind) else 'refused'}"

    def read(self, kind: str) -> bool:
        """Whether it could be used; all that reads has to agree."""
        if kind.endswith("checkpoint"):
            try:
                found = self.store.checkpoint(self.name).load()
            except DamagedResult:
                return False
            assert kind.startswith("signed") or (found["stage"] == 1 and torch.equal(found["phi"], torch.ones(3)))
            return True
        told = status({"it": self.config}, self.store)["it"]
        try:
            result = run(self.config, store=self.store, trainer=never)
        except DamagedResult:
            assert told.startswith("damaged")
            right = False
        else:
            assert told == "local"
            assert result.scores.shape == self.expected.scores.shape
            if not kind.startswith("signed"):
                assert torch.equal(result.scores, self.expected.scores)
                assert result.provenance == self.expected.provenance  # 1e-05 and 1E-05 are one number
            right = True
        assert kind == "signed provenance" or right == (not damaged(self.store))
        stale(self.store)
        try:
            stored_config(self.name, self.store)
        except DamagedResult:
            assert not right or kind == "signed provenance"
        return right

    def entries(self, draw: random.Random) -> str:
        whole = json.dumps([{"id": "a", "x": [1, 2]}, {"id": "b", "x": []}]).encode()
        path = self.folder / "entries.json"
        path.write_bytes(draw.choice((*HOW, lambda data, draw: json.dumps(draw.choice(PLAIN)).encode()))(whole, draw))
        try:
            found = read_entries(path, "the entries", "entry", lambda entry: {"id"} <= entry.keys(), "ask again")
        except ConfigError:
            return "entries: refused"
        assert all("id" in entry for entry in found)
        return "entries: right"


def parameters(draw: random.Random) -> str:
    """Any parameters are refused, or make a configuration that its own values make again."""
    known = {field.name: field.default for field in fields(ExperimentConfig)}
    values: dict[object, object] = {}
    for _ in range(draw.randrange(4)):
        name: object = draw.choice(sorted(known))
        default = known[str(name)]
        near = [default, *ODD, *(field for field in known.values() if isinstance(field, str))]
        if isinstance(default, (int, float)):
            near += [default * 2, default + 1, -default, float(default), int(default), str(default)] * 3
        if draw.random() < 0.05:
            name = draw.choice((str(name).upper(), f"{name} ", str(name)[1:], "", 3, None))
        values[name] = draw.choice(near)
    try:
        made = ExperimentConfig.from_mapping(values)  # type: ignore[arg-type]
    except ConfigError:
        made = None
    else:
        assert HASH.fullmatch(made.hash())
        again = ExperimentConfig.from_mapping(json.loads(json.dumps(made.changed(everything=True))))
        assert (again, again.hash()) == (made, made.hash())
    texts = [f"{name}{draw.choice(('=', '=', '==', ''))}{value}" for name, value in values.items()]
    try:
        parsed = parse_settings(texts)
        ExperimentConfig.from_mapping(parsed).hash()
    except ConfigError:
        pass
    return f"parameters: {'refused' if made is None else 'right'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, metavar="N", help="of each (default: 10,000)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw, to have others")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    memory, seen, start = Path("/dev/shm"), Counter(), time.monotonic()
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        store = Files(Path(folder))
        for make in (store.result, store.entries, parameters):
            for number in range(options.count):
                try:
                    seen[make(random.Random(f"{options.seed} {make.__name__} {number}"))] += 1
                except BaseException:
                    print(f"{make.__name__}, number {number} of seed {options.seed}", file=sys.stderr)
                    raise
    for name, count in sorted(seen.items()):
        print(f"{name:32} {count:6}")
    print(f"{'all':32} {seen.total():6} in {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()
