"""What was found of a table, to keep: a card in JSON, the curve as CSV, the network as PyTorch state and ONNX.

The card holds all that a prediction takes besides the network: the columns, how they become inputs, the target's unit
or classes, the versions and the checksum of the table.
"""

from __future__ import annotations

import csv
import importlib.metadata
import io
import json
import logging
import math
import platform
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from spectral.apply.networks import hidden_layers
from spectral.apply.rightsize import RightSize, nodes_text
from spectral.stats.intervals import Interval

VERSIONS = ("numpy", "pandas", "scikit-learn", "torch")


def card(found: RightSize) -> dict[str, Any]:
    """All that was found, in what JSON can say; an interval is [value, low, high], null where nothing is known."""
    return {
        "nodes": found.nodes,
        "named": found.doubt is None,
        "doubt": found.doubt,
        "interval": triple(found.interval),
        "sizes": list(found.sizes),
        "recurrence": triple(found.recurrence),
        "strength": found.strength,
        "curve": curve(found),
        "whole": triple(found.whole),
        "test": {name: triple(value) for name, value in found.test.items()},
        "beyond": {name: triple(value) for name, value in found.beyond.items()},
        "score": dict(found.score),
        "unit": "squared error, target of variance one" if found.table.task == "regression" else "nats",
        "task": found.table.task,
        "target": found.table.target,
        "classes": list(found.table.classes),
        "inputs": inputs(found),
        "activation": "relu",
        "settings": asdict(found.settings),
        "notes": list(found.notes),
        "table": {"name": found.table.name, "rows": len(found.table.y), "sha256": found.table.sha256},
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS}
        | {"python": platform.python_version()},
    }


def curve(found: RightSize) -> list[dict[str, float | None]]:
    """The validation loss at every size, with its interval over students."""
    return [
        {"nodes": size, **dict(zip(("loss", "low", "high"), triple(found.loss[place]), strict=True))}
        for place, size in enumerate(found.ladder)
    ]


def inputs(found: RightSize) -> list[dict[str, Any]]:
    """How columns become the network's inputs, one entry for each input, in order.

    "number": a missing value is replaced by `median`; then ``(value - mean) / scale``. "missing": 1 where the column
    has no value, else 0, and then the same. "level": 1 where the column has one of `levels`, else 0; a column without
    a value has the level "missing".
    """
    entries: list[dict[str, Any]] = []
    for kind, pipeline, columns in found.reads.transformers_:
        if kind == "numeric":
            fill, scaler = (step for _, step in pipeline.steps)
            names = [("number", column) for column in columns]
            if fill.indicator_ is not None:
                names += [("missing", columns[place]) for place in fill.indicator_.features_]
            for (what, column), mean, scale in zip(names, scaler.mean_, scaler.scale_, strict=True):
                entry = {"kind": what, "column": column, "mean": float(mean), "scale": float(scale)}
                if what == "number":
                    entry["median"] = float(fill.statistics_[columns.index(column)])
                entries.append(entry)
        elif kind == "categorical":
            encoder = pipeline.steps[-1][1]
            for column, levels, rare in zip(columns, encoder.categories_, _rare(encoder, columns), strict=True):
                often = [str(level) for level in levels if level not in rare]
                groups = [[level] for level in often] + ([[str(level) for level in rare]] if len(rare) else [])
                entries += [{"kind": "level", "column": column, "levels": group} for group in groups]
    return entries


def save(found: RightSize, folder: Path, *, draw: Callable[[RightSize, Path], None] | None = None) -> list[Path]:
    """Write ``card.json``, ``curve.csv``, ``network.pt``, ``network.onnx`` and, if it is given how, ``curve.svg``.

    All of them appear at once, when all are whole; the folder must not be there yet, or be empty.

    Raises
    ------
    FileExistsError
        If the folder holds something.
    """
    folder = Path(folder)
    check_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as made:
        part = Path(made) / "whole"
        part.mkdir()
        (part / "card.json").write_text(json.dumps(card(found), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        (part / "curve.csv").write_text(_as_csv(curve(found)), encoding="utf-8")
        torch.save(found.network.state_dict(), part / "network.pt")
        _export(found, part / "network.onnx")
        if draw is not None:
            draw(found, part / "curve.svg")
        if folder.exists():
            folder.rmdir()  # it is empty
        shutil.move(part, folder)
    return sorted(folder.iterdir())


def check_folder(folder: Path) -> None:
    """Raise FileExistsError, before any work, if something would be overwritten."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is there and not an empty folder; name another one")


def summary(found: RightSize) -> str:
    """What was found, in a few lines for a terminal."""
    students = f"{found.interval:.1f} over {len(found.sizes)} students"
    lines = [*found.notes, ""] if found.notes else []
    if found.doubt is None:
        lines += [f"{nodes_text(found.nodes)} ({students})"]
    else:
        lines += [f"No size is named: {found.doubt}.", f"The estimate would be {nodes_text(found.nodes)} ({students})."]
    if found.nodes:
        lines += [f"Recurrence {found.recurrence:.2f}: what students share; from 0.9 on, one network."]
    regression = found.table.task == "regression"
    loss = "squared error of a target of variance one" if regression else "cross entropy in nats"
    aside = f"{found.settings.test_fraction:.0%} of the rows, put aside"
    lines += ["", f"On {aside}: {loss}; {'R²' if regression else 'accuracy'}; loss beyond the small network's"]
    width = max(map(len, found.test))
    for name, value in found.test.items():
        beyond = f"   {found.beyond[name]:.3f}" if name in found.beyond else ""
        lines += [f"  {name:{width}}  {value:.3f}   {found.score[name]:.3f}{beyond}"]
    return "\n".join(lines)


def _rare(encoder: Any, columns: list[str]) -> list[Any]:
    found = getattr(encoder, "infrequent_categories_", None)
    return [() if one is None else one for one in (found if found is not None else [None] * len(columns))]


def _export(found: RightSize, path: Path) -> None:
    example = torch.zeros(2, hidden_layers(found.network)[0].first.in_features)
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)  # it tells of packages that nobody needs here
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of one part of PyTorch about another
            torch.onnx.export(
                found.network.eval(),
                (example,),
                path,
                input_names=["inputs"],
                output_names=["outputs"],
                dynamic_shapes=({0: torch.export.Dim("rows", min=1)},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    finally:
        log.setLevel(level)


def _as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def triple(value: Interval) -> list[float | None]:
    """Value and bounds, None for what is not known: JSON has no other word for it."""
    return [float(part) if math.isfinite(part) else None for part in (value.value, value.low, value.high)]
