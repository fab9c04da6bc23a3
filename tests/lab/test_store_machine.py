"""Any order of saving, killing, damaging, publishing and deleting: the store has what a list of it has."""

import os
import secrets
import shutil
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from spectral.lab import files
from spectral.lab.files import DamagedResult, StoreError
from spectral.lab.store import Busy, Store

NAMES = st.sampled_from(["000000000000", "0123456789ab", "ffffffffffff"])
STEPS = ("fsync", "replace", "link", "unlink", "mkdir")


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it, and nothing is written after it."""


class Process:
    """A process that is killed at its storage event of number `last`, or that a rival overtakes there."""

    def __init__(self, last: int, rival=None) -> None:
        self.left, self.rival = last, rival

    def __enter__(self):
        self._patches = [patch.object(os, name, self._step(getattr(os, name))) for name in STEPS]
        for each in self._patches:
            each.start()

    def __exit__(self, kind, *_):
        for each in self._patches:
            each.stop()
        if kind is Killed:
            files._LIFE = secrets.token_hex(4)  # the next process has another
        return kind is Killed

    def _step(self, really):
        def step(*arguments, **options):
            self.left -= 1
            if self.left < 0 and self.rival is None:
                raise Killed
            if self.left < 0 and self.rival is not True:
                rival, self.rival = self.rival, True
                rival()
            return really(*arguments, **options)

        return step


class Machine(RuleBasedStateMachine):
    """`values` has what each name has in each folder, a number or "damaged"; `begun` what was killed before it had."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
        self.store = Store(self.folder / "committed", self.folder / "local")
        self.values: dict[tuple[str, str], object] = {}
        self.checkpoints: dict[str, object] = {}
        self.begun: dict[str, set[int]] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def seen(self, name: str) -> object:
        return self.values.get(("committed", name), self.values.get(("local", name)))

    def put(self, name: str, value: int, publish: bool = False) -> None:
        store = Store(self.store.committed, self.store.local, publish=publish)
        store.save(name, {"a": np.full(3, value)}, {"by": value})

    def kept(self, place: tuple[str, str], by: set[int], checkpoint: object = None) -> None:
        """One of the values `by`, or of those begun, is there, or what was there before; no checkpoint, or this one."""
        folder, name = place
        _, meta = Store(self.folder / "none", self.folder / folder).load(name)
        if place in self.values:
            assert meta["by"] == self.values[place]
        else:
            assert meta["by"] in by | (self.begun.pop(name, set()) if folder == "local" else set())
        self.values[place] = meta["by"]
        assert checkpoint in (None, self.checkpoints.pop(name, None))
        if checkpoint is not None:
            self.checkpoints[name] = checkpoint

    @rule(name=NAMES, value=st.integers(0, 99), publish=st.booleans())
    def save(self, name, value, publish):
        place = ("committed" if publish else "local", name)
        if self.values.get(place) == "damaged":
            with pytest.raises(DamagedResult):
                self.put(name, value, publish)
        else:
            self.put(name, value, publish)
            self.kept(place, {value})

    @rule(name=NAMES, value=st.integers(0, 99), rival=st.integers(100, 199), step=st.integers(0, 25))
    def save_while_another_host_does(self, name, value, rival, step):
        place = ("local", name)
        if self.values.get(place) == "damaged":
            return
        with Process(step, lambda: self.put(name, rival)):
            self.put(name, value)
        self.kept(place, {value, rival})

    @rule(name=NAMES, value=st.integers(0, 99), step=st.integers(0, 25))
    def be_killed_while_saving(self, name, value, step):
        place = ("local", name)
        if self.values.get(place) == "damaged":
            return
        with Process(step):
            self.put(name, value)
        if Store(self.folder / "none", self.store.local).has(name):
            there = self.store.checkpoint(name).load()
            self.kept(place, {value}, there)
        else:
            assert place not in self.values, "a result was lost"
            self.begun.setdefault(name, set()).add(value)

    @rule(name=NAMES)
    def claim(self, name):
        """Completes what the last step of a killed process would have, or nothing."""
        with self.store.claim(name):
            with pytest.raises(Busy), self.store.claim(name, wait=False):
                pass
            local = Store(self.folder / "none", self.store.local)
            if local.has(name) and ("local", name) not in self.values:
                self.kept(("local", name), set())
            elif ("local", name) in self.values:
                self.checkpoints.pop(name, None)

    @rule(name=NAMES, stage=st.integers(0, 9), step=st.integers(0, 9))
    def checkpoint(self, name, stage, step):
        with Process(step):
            self.store.checkpoint(name).save({"stage": stage})
        found = self.store.checkpoint(name).load()
        if found != self.checkpoints.get(name):
            assert found == {"stage": stage}
            self.checkpoints[name] = found

    @rule(name=NAMES)
    def promote(self, name):
        if self.seen(name) is not None and self.seen(name) == "damaged" and ("committed", name) not in self.values:
            with pytest.raises(DamagedResult):
                self.store.promote(name)
            return
        self.store.promote(name)
        if ("local", name) in self.values:
            self.values.setdefault(("committed", name), self.values["local", name])

    @rule(
        data=st.data(), suffix=st.sampled_from(["npz", "json"]), how=st.sampled_from(["cut", "flip", "folder", "link"])
    )
    @precondition(lambda self: self.values)
    def damage(self, data, suffix, how):
        folder, name = data.draw(st.sampled_from(sorted(self.values)))
        path = self.folder / folder / f"{name}.{suffix}"
        if self.values[folder, name] == "damaged":
            return
        content = path.read_bytes()
        path.unlink()
        if how == "folder":
            path.mkdir()
        elif how == "link":
            path.symlink_to("nowhere")
        else:
            path.write_bytes(content[:-9] if how == "cut" else content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
        self.values[folder, name] = "damaged"

    @rule(data=st.data())
    @precondition(lambda self: self.values)
    def delete(self, data):
        """As the error advises."""
        folder, name = data.draw(st.sampled_from(sorted(self.values)))
        for suffix in ("json", "npz"):
            path = self.folder / folder / f"{name}.{suffix}"
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        del self.values[folder, name]

    @invariant()
    def all_is_there(self):
        there = {name for _, name in self.values}
        assert self.store.hashes().keys() == there
        for name in there:
            if self.seen(name) == "damaged":
                with pytest.raises(DamagedResult):
                    self.store.load(name)
            else:
                arrays, meta = self.store.load(name)
                assert meta["by"] == self.seen(name)
                assert (arrays["a"] == meta["by"]).all()
        for name, state in self.checkpoints.items():
            assert self.store.checkpoint(name).load() == state
        with pytest.raises(StoreError):
            self.store.has("../local")


TestStore = Machine.TestCase
TestStore.settings = settings(max_examples=int(os.environ.get("SPECTRAL_EXAMPLES", 40)), stateful_step_count=25)
