"""Stored results as plain tables: a summary to read, tidy CSV files to work with."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from spectral.lab.config import ExperimentConfig
from spectral.lab.results import Runs, run
from spectral.lab.store import Store
from spectral.measures import effective_size
from spectral.stats.intervals import estimate, over_teachers

SIZES = ("incoming", "product", "eigenvalue")


def sizes(runs: Runs) -> dict[str, list[int]]:
    """Effective size of every member by each score, largest of each member as the unit, and pooled (the paper's)."""
    scores = {"incoming": runs.scores, "product": runs.product, "eigenvalue": runs.lam_out.abs()}
    result = {kind: effective_size(score).tolist() for kind, score in scores.items()}
    return result | {"incoming_pooled": effective_size(runs.scores, normalise="pooled").tolist()}


def summary(runs: Runs) -> dict[str, Any]:
    """Means with 95 % intervals: over members where there is one teacher, over the teachers' means otherwise."""
    measured = {f"effective size, {kind}": values for kind, values in sizes(runs).items()}
    measured["test error / E[y^2]"] = (runs.test_mse / runs.test_power).tolist()
    means = {name: over_teachers(torch.as_tensor(v), runs.config.teachers) for name, v in measured.items()}
    return {name: format(estimate(values), ".3g") for name, values in means.items()}


def export(experiments: Mapping[str, ExperimentConfig], store: Store, folder: Path) -> list[Path]:
    """Write `members.csv`, `history.csv` and `scores.csv` of all stored experiments; one observation in each row."""
    folder.mkdir(parents=True, exist_ok=True)
    errors = ("train_mse", "validation_mse", "test_mse")
    tables = {
        "members": ((*(f"size_{kind}" for kind in (*SIZES, "incoming_pooled")), *errors, "test_power"), _members),
        "history": (("epoch", *errors), _history),
        "scores": (("node", "incoming", "product", "lam_out"), _scores),
    }
    paths = {name: folder / f"{name}.csv" for name in tables}
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(path.open("w", newline="", encoding="utf-8")) for name, path in paths.items()
        }
        writers = {name: csv.writer(file) for name, file in files.items()}
        for name, (header, _) in tables.items():
            writers[name].writerow(("experiment", "hash", "member", "teacher_seed", "trial", *header))
        for experiment, config in experiments.items():
            if store.has(config.hash()):
                runs = run(config, store=store)
                for name, (_, rows) in tables.items():
                    writers[name].writerows(rows(experiment, runs))
    return list(paths.values())


def _named(experiment: str, runs: Runs) -> list[tuple[object, ...]]:
    members = enumerate(runs.config.members)
    return [(experiment, runs.config.hash(), index, m.teacher_seed, m.trial) for index, m in members]


def _members(experiment: str, runs: Runs) -> Iterator[Sequence[object]]:
    errors = (runs.train_mse, runs.val_mse, runs.test_mse, runs.test_power)
    columns: list[Iterable[object]] = [*sizes(runs).values(), *(error.tolist() for error in errors)]
    for names, *values in zip(_named(experiment, runs), *columns, strict=True):
        yield (*names, *values)


def _history(experiment: str, runs: Runs) -> Iterator[Sequence[object]]:
    h = runs.history
    for index, names in enumerate(_named(experiment, runs)):
        for row, epoch in enumerate(h.epochs):
            errors = (h.train_mse, h.validation_mse, h.test_mse)
            yield (*names, epoch, *(error[row, index].item() for error in errors))


def _scores(experiment: str, runs: Runs) -> Iterator[Sequence[object]]:
    for index, names in enumerate(_named(experiment, runs)):
        columns = (runs.scores[index].tolist(), runs.product[index].tolist(), runs.lam_out[index].tolist())
        for node, values in enumerate(zip(*columns, strict=True)):
            yield (*names, node, *values)
