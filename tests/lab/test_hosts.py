"""Many writers at once: threads, processes, and hosts whose disk has no locks."""

import errno
import fcntl
import multiprocessing
import os
import re
import secrets
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from standin import config, exit_code, fork, in_fresh_process, never, saved, starts, trainer

from spectral.lab import files
from spectral.lab.files import StoreError, drafted, give_name, write_atomically
from spectral.lab.results import run
from spectral.lab.store import Store
from spectral.lab.sweep import status, sweep

NAME = "0123456789ab"
EXPERIMENTS = {f"width/{width}": config(width) for width in range(1, 9)}


def quiet(line):
    pass


def kept(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}


def ended() -> int:
    """The number of a process that runs no more."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


def of(host: str, process: int, life: str = "01234567", stem: str = "kept") -> str:
    return f".{stem}.{host}.{process}.{life}.0.tmp"


def test_temporary_files_are_never_made_through_a_link(tmp_path, monkeypatch):
    """Someone has laid links under the next names that this process would take, and a pipe, and a folder."""
    (tmp_path / "victim").write_text("whole")
    monkeypatch.setattr(files, "_NUMBERS", iter(range(9)))
    here = f".kept.{files._host()}.{os.getpid()}.{files._LIFE}"
    for number, target in enumerate(["victim", "nowhere"]):
        (tmp_path / f"{here}.{number}.tmp").symlink_to(target)
    os.mkfifo(tmp_path / f"{here}.2.tmp")
    (tmp_path / f"{here}.3.tmp").mkdir()
    write_atomically(tmp_path / "kept.json", b"new")
    assert (tmp_path / "victim").read_text() == "whole"
    assert not (tmp_path / "nowhere").exists()
    assert (tmp_path / "kept.json").read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 2 + 4


def test_a_link_under_the_name_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "victim").write_text("whole")
    (tmp_path / "kept.json").symlink_to("victim")
    write_atomically(tmp_path / "kept.json", b"new")
    assert (tmp_path / "victim").read_text() == "whole"
    assert not (tmp_path / "kept.json").is_symlink()


def test_only_what_a_dead_process_of_this_host_left_is_removed(tmp_path, monkeypatch):
    here, dead, alive = files._host(), ended(), os.getppid()
    foreign = [
        of("elsewhere-1", dead),
        of("elsewhere-1", os.getpid()),
        of(here, alive),
        of(here, os.getpid(), files._LIFE),
        of(here, 2**70),
        of(here, dead, stem="other"),
        f".kept.{dead}.tmp",
        "kept.tmp",
    ]
    stale = [of(here, dead), of(here, os.getpid(), "76543210")]  # the second: of this number, in an earlier life
    for name in foreign + stale:
        (tmp_path / name).write_text("half")
    write_atomically(tmp_path / "kept.json", b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {*foreign, "kept.json"}
    monkeypatch.setattr(socket, "gethostname", lambda: "Ein anderer Rechner.ö/..")
    assert re.fullmatch(r"ein-anderer-rechner--\d+", files._host())
    write_atomically(tmp_path / "kept.json", b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {*foreign, "kept.json"}


def test_threads_write_side_by_side(tmp_path):
    """Eight threads, one file replaced, and one that the first of them names."""
    wins, wrong = [], []

    def work(thread: int) -> None:
        for number in range(30):
            data = bytes([thread]) * 10_000
            write_atomically(tmp_path / "replaced", data)
            seen = (tmp_path / "replaced").read_bytes()
            if len(seen) != 10_000 or len(set(seen)) != 1:
                wrong.append(seen)
            with drafted(tmp_path / f"first{number}", data) as draft:
                if give_name(draft, tmp_path / f"first{number}"):
                    wins.append((number, thread))

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sorted(number for number, _ in wins) == list(range(30)), "each has one winner"
    for number, thread in wins:
        assert (tmp_path / f"first{number}").read_bytes() == bytes([thread]) * 10_000
    assert len(list(tmp_path.iterdir())) == 31


def no_links(monkeypatch) -> None:
    def refuses(*paths):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuses)


@pytest.mark.parametrize("links", [True, False])
def test_the_first_name_stays(tmp_path, monkeypatch, links):
    """Also on disks where a file has one name only."""
    if not links:
        no_links(monkeypatch)
    for data, first in ((b"one", True), (b"two", False)):
        with drafted(tmp_path / "kept", data) as draft:
            assert give_name(draft, tmp_path / "kept") == first
    assert kept(tmp_path) == {"kept": b"one"}


def test_a_disk_without_links_keeps_results(store, tmp_path, monkeypatch):
    no_links(monkeypatch)
    sweep(EXPERIMENTS, store, report=quiet, trainer=trainer(tmp_path / "log"))
    assert set(status(EXPERIMENTS, store).values()) == {"local"}


def test_windows_names_by_renaming(store, monkeypatch):
    """There renaming replaces nothing; asking whether a process runs would end it, so none is asked."""

    def rename(source, target):
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "File exists")
        os.replace(source, target)

    monkeypatch.setattr(files.os, "rename", rename)
    monkeypatch.setattr(files.os, "link", None)
    monkeypatch.setattr(files.os, "kill", None)
    dead = store.local / of(files._host(), ended(), stem=NAME)
    store.local.mkdir()
    dead.write_text("half")
    with monkeypatch.context() as patch:
        patch.setattr(files, "os", type("Windows", (), vars(os) | {"name": "nt"}))
        for by in ("first", "second"):
            store.save(NAME, {"a": np.arange(3)}, {"by": by})
    assert store.load(NAME)[1]["by"] == "first"
    assert dead.exists()


@pytest.mark.parametrize("attempts", [1, 3, 1_000])
def test_an_open_file_is_waited_for_and_then_told(tmp_path, monkeypatch, attempts):
    """Windows replaces and removes no file that somebody, a virus scanner say, has open."""
    write_atomically(tmp_path / "kept.json", b"old")
    left, pauses, really = [attempts], [], os.replace

    def refuses(*paths):
        left[0] -= 1
        if left[0] >= 0:
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        return really(*paths)

    monkeypatch.setattr(os, "replace", refuses)
    monkeypatch.setattr(files.time, "sleep", pauses.append)
    if attempts == 1_000:
        with pytest.raises(StoreError, match=r"kept.json cannot be written: The process cannot access the file"):
            write_atomically(tmp_path / "kept.json", b"new")
        assert 0.5 < sum(pauses) < 2
    else:
        write_atomically(tmp_path / "kept.json", b"new")
        assert len(pauses) == attempts
    assert kept(tmp_path) == {"kept.json": b"old" if attempts == 1_000 else b"new"}


def test_a_checkpoint_that_is_held_open_does_not_lose_a_finished_run(store, tmp_path, monkeypatch):
    really = os.unlink

    def refuses(path, **options):
        if str(path).endswith(".checkpoint"):
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        return really(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuses)
        patch.setattr(files, "PATIENCE", ())
        run(config(), store=store, trainer=trainer(tmp_path / "log"))
    assert store.checkpoint(config().hash()).path.exists()
    sweep({"it": config()}, store, report=quiet, trainer=never)
    assert not store.checkpoint(config().hash()).path.exists(), "a sweep clears it away"


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EIO])
def test_folders_that_cannot_be_flushed(tmp_path, monkeypatch, code):
    """Some network disks refuse to; that a disk fails is told."""
    really = os.fsync

    def refuses(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        return really(descriptor)

    monkeypatch.setattr(os, "fsync", refuses)
    if code == errno.EIO:
        with pytest.raises(StoreError, match="Input/output error"):
            write_atomically(tmp_path / "kept", b"new")
    else:
        write_atomically(tmp_path / "kept", b"new")


def become(host: str, flock: str) -> None:
    """This process is on another host, where `flock` fails, or says yes to everyone."""
    socket.gethostname = lambda: host
    files._LIFE = secrets.token_hex(4)

    def fails(descriptor, how):
        raise OSError(errno.ENOLCK, "No locks available")

    fcntl.flock = {"fails": fails, "lies": lambda descriptor, how: None}[flock]


def two_hosts(folder: str, flock: str) -> None:
    """Each computes all, at once, with numbers of its own where `other` says so, as processors differ."""
    store = Store(Path(folder, "c"), Path(folder, "l"))
    start = multiprocessing.get_context("fork").Barrier(4)

    def work(host: str):
        def child():
            become(host, flock)
            train, log = trainer(Path(folder, f"log.{host}"), 0.002), Path(folder, f"said.{host}")
            sys.stderr = log.open("w")

            def other(experiment, checkpoint):
                arrays = train(experiment, checkpoint)
                return arrays | {"scores": arrays["scores"] + len(host)}

            start.wait(20)
            outcome = sweep(EXPERIMENTS, store, report=quiet, trainer=other)
            assert not outcome.failed, outcome.failed
            sys.stderr.flush()

        return fork(child)

    codes = [exit_code(process) for process in [work("one"), work("two-"), work("three"), work("fourth")]]
    assert codes == [0] * 4


@pytest.mark.parametrize("flock", ["fails", "lies"])
def test_hosts_without_locks_keep_one_whole_result_of_each(tmp_path, flock):
    in_fresh_process("test_hosts.two_hosts", tmp_path, flock)
    store = Store(tmp_path / "c", tmp_path / "l")
    assert set(status(EXPERIMENTS, store).values()) == {"local"}
    hosts = {3: "one", 4: "two-", 5: "three", 6: "fourth"}
    for experiment in EXPERIMENTS.values():
        result = run(experiment, store=store, trainer=never)
        owner = {round(float(value)) for value in (result.scores - result.product / 2).flatten()}
        assert len(owner) == 1
        assert owner <= hosts.keys(), "numbers of one host, and not of two"
    assert not [path.name for path in store.local.iterdir() if path.suffix in (".tmp", ".checkpoint")]
    assert sum(len(starts(tmp_path / f"log.{host}")) for host in hosts.values()) >= len(EXPERIMENTS)
    said = (tmp_path / "said.one").read_text()
    assert ("has no locks (No locks available)" in said) == (flock == "fails")
    assert said.count("\n") == (flock == "fails"), "once"


def killed_elsewhere(folder: str) -> None:
    """A process of another host is killed while it writes; this one computes the same, and leaves its files alone."""
    store = Store(Path(folder, "c"), Path(folder, "l"))

    def child():
        become("elsewhere", "lies")
        really, count = os.fsync, []

        def fsync(descriptor):
            count.append(descriptor)
            if len(count) == 6:
                os.kill(os.getpid(), 9)
            return really(descriptor)

        os.fsync = fsync
        run(config(), store=store, trainer=trainer(Path(folder, "log")))

    assert exit_code(fork(child)) == -9
    left = {path.name for path in store.local.glob("*.tmp")}
    assert len(left) == 1
    run(config(), store=store, trainer=trainer(Path(folder, "log")))
    assert {path.name for path in store.local.glob("*.tmp")} == left


def test_files_of_another_host_are_left_alone(tmp_path):
    in_fresh_process("test_hosts.killed_elsewhere", tmp_path)
    assert saved(tmp_path / "log") == {config().hash(): 4}
    assert starts(tmp_path / "log")[1][1] > 0, "its checkpoint is gone on from"


def test_homes_are_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SPECTRAL_RESULTS", "~/results")
    monkeypatch.setenv("SPECTRAL_STORE", "~")
    assert Store.default() == Store(tmp_path / "results", tmp_path)
    monkeypatch.setattr(files, "REPOSITORY", tmp_path)
    monkeypatch.setenv("SPECTRAL_STORE", "")
    monkeypatch.setattr("platformdirs.user_data_dir", lambda name, appauthor: os.path.join("~", name))
    assert Store.default().local == tmp_path / "student-teacher-spectral" / "store"
    monkeypatch.setenv("SPECTRAL_STORE", "~nobody-of-this-name/store")
    with pytest.raises(StoreError, match="is in no known home; name another folder by SPECTRAL_STORE"):
        Store.default()


def test_no_two_files_of_the_project_are_one_on_a_disk_that_does_not_tell_a_from_a():
    """Nor are there names that Windows has no files for."""
    folders = ("book", "spectral", "tests")
    paths = [path.relative_to(files.REPOSITORY) for name in folders for path in (files.REPOSITORY / name).rglob("*")]
    assert len(paths) > 500
    assert len({str(path).casefold() for path in paths}) == len(paths)
    assert not [path for path in paths if re.search(r'[<>:"\\|?*]|[. ]$', path.name)]
    assert not [path for path in paths if re.fullmatch(r"(?i)con|prn|aux|nul|com\d|lpt\d", path.stem)]
