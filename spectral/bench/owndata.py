"""Does the way to a size hold on real data? Twelve tables that packages ship, and some whose answer is known.

Each table is asked by `spectral.apply.rightsize` in four ways: spectral students; the group lasso; wide networks
without penalty that are cut; networks trained from nothing at every size. All have the same rows, folds, sizes, steps
and rule. Of the ways without a penalty the wide ones have as many starts as the others have strengths; the training at
every size takes as many steps for each. Spectral students begin once more with twice the width: a size that is the
data's own does not change.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from spectral.apply.report import triple
from spectral.apply.rightsize import RightSize, Settings, look_for_size
from spectral.apply.tables import read_table
from spectral.lab.files import kept, read_entries, write_atomically
from spectral.lab.provenance import revision

STORED = kept("tables.json")
KEYS = {"table", "way", "known", "nodes", "interval", "sizes", "recurrence", "named", "test", "beyond", "score", "git"}

SETTINGS = Settings()
ASKED = {
    "spectral": SETTINGS,
    "spectral, wider": replace(SETTINGS, width=2 * SETTINGS.width),
    "lasso": replace(SETTINGS, way="lasso"),
    "magnitude": replace(SETTINGS, way="magnitude"),
    "search": replace(SETTINGS, way="search"),
}
"""The ways, by name."""

PLANTED = (5, 10, 20)


@dataclass(frozen=True)
class Source:
    """A table: how it is made, its target, and the nodes that it was made with, None where nobody knows."""

    make: Callable[[], Any]
    target: str
    task: Literal["auto", "regression", "classification"] = "auto"
    known: int | None = None


def sources() -> dict[str, Source]:
    """All tables by name."""
    found = {
        name: Source(partial(_sklearn, name), "target")
        for name in ("diabetes", "iris", "wine", "breast_cancer", "digits")
    }
    found |= {
        "anes96": Source(lambda: _statsmodels("anes96"), "vote"),
        "engel": Source(lambda: _statsmodels("engel"), "foodexp", "regression"),
        "fair": Source(lambda: _statsmodels("fair").assign(affairs=lambda f: (f.affairs > 0).astype(int)), "affairs"),
        "grunfeld": Source(lambda: _statsmodels("grunfeld"), "invest", "regression"),
        "modechoice": Source(lambda: _statsmodels("modechoice").drop(columns="individual"), "choice"),
        "randhie": Source(lambda: _statsmodels("randhie"), "mdvis", "regression"),
        "star98": Source(_star98, "above", "regression"),
    }
    for nodes in PLANTED:
        for seed in (0, 1, 2):
            found[f"planted, {nodes} nodes, {seed}"] = Source(partial(planted, nodes, seed), "y", "regression", nodes)
    return found | {
        "linear": Source(lambda: planted(0, 0), "y", "regression"),
        "noise": Source(lambda: planted(5, 0, noise=1e3), "y", "regression", 0),
    }


def planted(nodes: int, seed: int, *, rows: int = 2_000, noise: float = 0.1) -> Any:
    """A table made by a teacher of relu nodes with biases, in 6, 8 or 10 of its columns; two more say nothing.

    `noise` is the part of the target's standard deviation that is added to it. Without nodes the target is linear.
    """
    pandas = importlib.import_module("pandas")
    rng, d = np.random.default_rng([nodes, seed]), {5: 6, 10: 8, 20: 10}.get(nodes, 8)
    x = rng.normal(size=(rows, d + 2))
    first = rng.normal(size=(max(nodes, 1), d))
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    fields = x[:, :d] @ first.T
    out = rng.choice([-1, 1], len(first)) * rng.uniform(0.5, 1.5, len(first))
    y = (np.maximum(fields + rng.normal(scale=0.5, size=len(first)), 0) if nodes else fields) @ out
    y += noise * y.std() * rng.normal(size=rows)
    return pandas.DataFrame({f"x{place}": column for place, column in enumerate(x.T)} | {"y": y})


def measure(to: Path, report: Callable[[str], None]) -> list[dict[str, Any]]:
    """Ask of every table what is not in the file `to` yet, which is written after each, and return all of it."""
    held = load(to) if to.exists() else []
    done = {(entry["table"], entry["way"]) for entry in held}
    missing = [(name, way) for name, way in _asked() if (name, way) not in done]
    for place, (name, way) in enumerate(missing):
        source, start = sources()[name], time.perf_counter()
        table = read_table(source.make(), source.target, task=source.task)
        found = look_for_size(table, ASKED[way], progress=False)
        seconds = time.perf_counter() - start
        asked = {"table": name, "way": way, "known": source.known}
        held.append(asked | answer(found) | {"seconds": seconds} | revision())
        write_atomically(to, (json.dumps(held, indent=1, allow_nan=False) + "\n").encode())
        report(f"{place + 1} of {len(missing)}: {name}, {way}: {found.nodes} nodes, {seconds:.0f} s")
    return held


def answer(found: RightSize) -> dict[str, Any]:
    """What is kept of an answer; intervals as [value, low, high], and null for what is not known."""
    return {
        "task": found.table.task,
        "rows": len(found.table.y),
        "columns": found.table.features.shape[1],
        "nodes": found.nodes,
        "interval": triple(found.interval),
        "sizes": list(found.sizes),
        "recurrence": triple(found.recurrence),
        "named": found.doubt is None,
        "strength": found.strength,
        "test": {name: triple(value) for name, value in found.test.items()},
        "beyond": {name: triple(value) for name, value in found.beyond.items()},
        "score": dict(found.score),
    }


def load(path: Path = STORED) -> list[dict[str, Any]]:
    """The answers in a file, by default the book's.

    Raises
    ------
    ConfigError
        If it is missing, or holds anything else.
    """
    advice = f"remove it and measure anew, in an hour, with: python -m spectral tables --to {path}"
    return read_entries(path, "the answers of tables", "answer", lambda entry: entry.keys() >= KEYS, advice)


def _asked() -> Iterator[tuple[str, str]]:
    """Tables with a known answer are asked by spectral students alone."""
    for name in sources():
        for way in ASKED:
            if way == "spectral" or not name.startswith(("planted", "linear", "noise")):
                yield name, way


def _sklearn(name: str) -> Any:
    return getattr(importlib.import_module("sklearn.datasets"), f"load_{name}")(as_frame=True).frame


def _statsmodels(name: str) -> Any:
    return importlib.import_module(f"statsmodels.datasets.{name}").load_pandas().data


def _star98() -> Any:
    frame = _statsmodels("star98")
    return frame.assign(above=frame.NABOVE / (frame.NABOVE + frame.NBELOW)).drop(columns=["NABOVE", "NBELOW"])
