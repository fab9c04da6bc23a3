"""Samples of two programs beside this file, which take minutes: one kills whatever writes, the other damages files."""

import re
import subprocess
import sys
from pathlib import Path


def said(program: str, *arguments: str) -> str:
    call = [sys.executable, str(Path(__file__).with_name(program)), *arguments]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_is_killed_at_any_step_leaves_the_old_state_or_the_new():
    out = said("kills.py", "--stride", "12")
    counts = {line[:40].strip(): int(line[40:].split()[0]) for line in out.splitlines()}
    assert len(counts) == 9
    assert min(counts.values()) > 0
    assert counts["all"] > 80


def test_planted_faults_are_noticed():
    lines = said("kills.py", "--faults").splitlines()
    assert len(lines) == 7
    assert all(line.endswith(": noticed") for line in lines)


def test_files_and_parameters_that_nobody_meant_are_refused_or_right():
    assert re.search(r"^all +1200 in", said("fuzz.py", "--count", "400", "--seed", "1"), re.MULTILINE)
