"""The command line: ``python -m spectral``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

import torch

from spectral.presets import PRESETS, experiments
from spectral.store import Store
from spectral.sweep import sweep


def main() -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m spectral")
    commands = parser.add_subparsers(dest="command", required=True)
    p = commands.add_parser("sweep")
    p.add_argument("preset", choices=PRESETS)
    p.add_argument("--publish", action="store_true")
    arguments = parser.parse_args()
    # Denormals slow a processor down; the setting reaches the threads that start after it.
    torch.set_flush_denormal(True)
    store = replace(Store.default(), publish=arguments.publish)
    outcome = sweep(experiments(arguments.preset), store, report=lambda line: print(line, flush=True))
    return bool(outcome.failed)


if __name__ == "__main__":
    sys.exit(main())
