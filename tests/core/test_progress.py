"""A bar of progress is seen by whoever waits, and is in nobody's outputs."""

import os
import pty
import subprocess
import sys
from contextlib import suppress

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from rendered import ROOT

from spectral.progress import bar

CELL = (
    "import time\nfrom spectral.progress import bar\nwith bar(3, 'epochs') as shown:\n    for _ in range(3):\n"
    "        time.sleep(0.15)\n        shown.update()"
)


def seen_on_a_terminal(call: list[object]) -> str:
    """What a command writes to its standard error, which is a terminal."""
    ours, theirs = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}  # which kernels look at
    process = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=theirs, env=env)
    os.close(theirs)
    seen = b""
    with suppress(OSError):  # how Linux tells that nobody writes any more
        while read := os.read(ours, 10_000):
            seen += read
    os.close(ours)
    assert process.wait() == 0
    return seen.decode()


def test_a_chapter_shows_it_on_the_terminal_and_keeps_nothing(tmp_path):
    chapter, into = tmp_path / "a.ipynb", tmp_path / "into"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)]), chapter)
    seen = seen_on_a_terminal([sys.executable, ROOT / "book" / "execute.py", "--into", into, chapter])
    assert "epochs:  67%" in seen
    assert seen.rpartition("epochs")[2].rstrip("\r").endswith(" "), "it is still there"
    assert nbformat.read(into / "a.ipynb", 4).cells[0].outputs == []


@pytest.mark.filterwarnings("default")  # of the notebook tools, which are not ours to fix
def test_a_notebook_shows_it_below_the_cell_and_clears_it():
    manager, client = start_new_kernel(kernel_name="python3", stderr=subprocess.DEVNULL)
    outputs: list[dict] = []
    try:
        client.execute_interactive(CELL, allow_stdin=True, timeout=60, output_hook=outputs.append)
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    kinds = [message["msg_type"] for message in outputs if message["msg_type"] not in ("status", "execute_input")]
    texts = [message["content"]["data"]["text/plain"] for message in outputs if "data" in message["content"]]
    assert kinds == ["display_data", *["update_display_data"] * (len(texts) - 1)]
    assert texts[0].startswith("epochs:   0%")
    assert texts[-1] == ""


def test_outside_of_notebooks_it_is_on_terminals_alone(capsys):
    for shown, seen in ((None, False), (True, True), (False, False)):
        with bar(2, "epochs", shown) as full:
            full.update(2)
        assert ("epochs" in capsys.readouterr().err) is seen
