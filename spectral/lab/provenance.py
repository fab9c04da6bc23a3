"""Where numbers come from: software, machine, revision, and the command that repeats them."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spectral.lab.config import ENGINE_VERSION, ExperimentConfig
from spectral.lab.files import REPOSITORY, is_checkout


def describe(config: ExperimentConfig, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Where numbers come from: configuration, software, machine, date, and the command that repeats them.

    The peak of memory is that of the whole process so far, which may have trained other runs before; None where the
    system does not tell.
    """
    name = str(torch.device(device))
    if name.startswith("cuda"):
        name = torch.cuda.get_device_name(device)
    return {
        "config": config.changed(everything=True),
        "engine": ENGINE_VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "numba": package_version("numba"),
        "device": name,
        "machine": machine(),
        "peak_memory_mib": peak_memory_mib(),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": command(config),
    }


def package_version(package: str) -> str | None:
    """Of an installed package; None if it is not."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def command(config: ExperimentConfig) -> str:
    """The shell command that computes a configuration."""
    return "python -m spectral run" + "".join(f" --set {name}={value}" for name, value in config.changed().items())


def peak_memory_mib() -> int | None:
    """The most memory that this process has held at once; None where the system does not tell, as on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))  # macOS counts bytes, Linux KiB


def machine() -> str:
    """Processor and cores of this machine."""
    return f"{_processor()}, {os.cpu_count()} cores"


@functools.cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@functools.cache
def revision() -> dict[str, Any]:
    """The revision of the code that this process runs, and whether the package differed from it.

    Both are None where the package does not lie in its own repository: another one's revision says nothing of it.
    """
    # Variables of git's name another repository, as in a hook of that one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(REPOSITORY), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()

    try:
        if not (is_checkout() and os.path.samefile(git("rev-parse", "--show-toplevel"), REPOSITORY)):
            return {"git": None, "dirty": None}
        return {"git": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--", "spectral"))}
    except (OSError, subprocess.CalledProcessError):
        return {"git": None, "dirty": None}
