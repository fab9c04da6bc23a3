"""`make book` and what it calls: what they say while one waits, when something fails, and at Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from rendered import ROOT

from spectral import ConfigError, ExperimentConfig

TOOLS = ROOT / "book"
TRANSPORT = "from ipykernel.connect import get_connection_info\nprint(get_connection_info(unpack=True)['transport'])"


def write(path: Path, *cells: str) -> Path:
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), path)
    return path


def command(name: str, *arguments: object) -> list[str]:
    return [sys.executable, str(TOOLS / name), *map(str, arguments)]


def said(text: str) -> list[str]:
    """Lines of a program's errors, but for the one with which libzmq ends a kernel in fifty or so.

    It is a race within that library while a kernel that is through closes its sockets, and costs nothing but the line:
    https://github.com/zeromq/libzmq/issues/1307
    """
    return [line for line in text.splitlines() if "pfd.revents & POLLIN" not in line]


@pytest.fixture
def temporary(monkeypatch, tmp_path_factory) -> Path:
    """Where kernels have their sockets; short enough for them, and seen to be empty afterwards."""
    place = tmp_path_factory.mktemp("t")
    monkeypatch.setenv("TMPDIR", str(place))
    return place


@pytest.fixture
def broken_kernel(monkeypatch, tmp_path) -> None:
    """A user's, called python3, too, where Jupyter looks first unless told otherwise."""
    folder = tmp_path / "data" / "kernels" / "python3"
    folder.mkdir(parents=True)
    spec = {"argv": ["/nowhere/python", "-f", "{connection_file}"], "display_name": "mine", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")


@pytest.mark.usefixtures("broken_kernel")
def test_chapters_are_counted_and_nothing_else_is_said(tmp_path, temporary):
    """Kernels are this environment's, behind local sockets, and end without an interrupt; they leave nothing behind."""
    chapters = [write(tmp_path / f"{name}.ipynb", TRANSPORT) for name in ("a", "b")]
    (tmp_path / "times.json").write_text('{"a": 50, "pages": 70}')
    into = tmp_path / "into"
    call = command("execute.py", "--jobs", 2, "--into", into, "--times", tmp_path / "times.json", *chapters)
    done = subprocess.run(call, capture_output=True, text=True)
    assert (done.returncode, said(done.stderr)) == (0, [])
    first, *counted = done.stdout.splitlines()
    assert first == "2 chapters to execute, about 50 s; then the pages, about 1 min 10 s"
    assert [line[:16] for line in counted] == ["chapter 1 of 2: ", "chapter 2 of 2: "]
    assert counted[0].endswith(" left")
    for name in ("a", "b"):
        assert nbformat.read(into / f"{name}.ipynb", 4).cells[0].outputs[0].text == "ipc\n"
    times = json.loads((tmp_path / "times.json").read_text())
    assert times.keys() == {"a", "b", "pages"}
    assert times["a"] < 50
    assert list(temporary.iterdir()) == []


def test_papermill_itself_has_quiet_kernels(tmp_path, temporary):
    chapter = write(tmp_path / "a.ipynb", TRANSPORT)
    call = [sys.executable, "-m", "papermill", "-k", "python3", "--no-progress-bar", "--log-output", chapter, "-"]
    done = subprocess.run(call, capture_output=True, text=True)
    assert '"ipc\\n"' in done.stdout
    assert "TCP" not in done.stderr
    assert "KeyboardInterrupt" not in done.stderr
    assert list(temporary.iterdir()) == []


def test_an_interrupt_reaches_what_is_executed_and_is_told_in_a_line(tmp_path, temporary):
    cell = (
        "import time\nfrom pathlib import Path\nPath('begun').touch()\ntry:\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    Path('saved').touch()\n    raise"
    )
    into = tmp_path / "into"
    chapters = [write(tmp_path / f"{name}.ipynb", cell) for name in "abc"]  # the others are not begun any more
    call = command("execute.py", "--into", into, *chapters)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(call, **pipes, text=True, cwd=tmp_path, start_new_session=True)
    deadline = time.monotonic() + 30
    while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, said(errors)) == (130, [])
    assert out.splitlines()[1:] == ["interrupted; `make book` goes on where it stopped"]
    assert (tmp_path / "saved").exists()
    assert not into.exists()
    assert list(temporary.iterdir()) == []


def test_a_chapter_that_fails_leaves_its_target_alone(tmp_path):
    """The message comes first, and then where; the other chapters are executed all the same."""
    config = "nodes = 0\nExperimentConfig(student_hidden=nodes)"
    write(tmp_path / "typed.ipynb", "from spectral import ExperimentConfig", config)
    write(tmp_path / "bug.ipynb", "1 / 0")
    write(tmp_path / "good.ipynb", "1")
    target = tmp_path / "into" / "typed.ipynb"
    target.parent.mkdir()
    target.write_text("as it was")
    call = command("execute.py", "--into", target.parent, *(tmp_path / f"{n}.ipynb" for n in ("typed", "bug", "good")))
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "2 of 3 failed: typed, bug"
    lines = said(done.stderr)
    start = lines.index("ConfigError: student_hidden must be at least 1; got 0")
    assert lines[start + 1 : start + 4] == [
        f"  in {tmp_path / 'typed.ipynb'}, In [2]",
        "  in line 2 of the cell: ExperimentConfig(student_hidden=nodes)",
        "  --traceback shows how the program came there",
    ]
    start = lines.index("ZeroDivisionError: division by zero")
    assert lines[start + 1].endswith("bug.ipynb, In [1]")
    assert any("1 / 0" in line for line in lines)
    assert target.read_text() == "as it was"
    assert {file.name for file in target.parent.iterdir()} == {"typed.ipynb", "good.ipynb"}


def test_a_whole_traceback_is_shown_on_request(monkeypatch):
    with pytest.raises(ConfigError) as caught:
        ExperimentConfig(student_hidden=0)
    assert len(caught.value._render_traceback_()) == 1  # it comes from no notebook
    monkeypatch.setenv("SPECTRAL_TRACEBACK", "1")
    first, *_, last = caught.value._render_traceback_()
    assert first.startswith("Traceback")
    assert last.endswith("ConfigError: student_hidden must be at least 1; got 0")


def test_where_nothing_has_changed_it_says_so():
    done = subprocess.run(command("execute.py", "--into", "nowhere"), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "no chapter has changed\n")


def test_pages_that_cannot_be_built_show_the_end_of_the_log(tmp_path):
    log = tmp_path / "book.log"
    (tmp_path / "source").mkdir()
    call = command("render.py", tmp_path / "source", tmp_path / "out", "--log", log)
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stdout == "building the pages, about 30 s\n"
    *end, last = said(done.stderr)
    assert last == f"the pages were not built; all of it: {log}"
    assert any(str(tmp_path / "source") in line for line in end)
    assert log.read_text().count("\n") > len(end)


def test_how_long_chapters_take_together(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import execute

    assert execute.span([5, 4, 3, 3], 2) == 8
    assert execute.span([5], 2) == 5
    assert [execute.in_words(seconds) for seconds in (8, 119.7, 125)] == ["8 s", "2 min", "2 min 5 s"]
