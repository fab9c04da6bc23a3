"""Stored results as plain tables: a summary to read, tidy CSV files to work with."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from spectral.lab.config import ExperimentConfig
from spectral.lab.files import replacing
from spectral.lab.results import Result, run
from spectral.lab.store import Store
from spectral.measures import effective_size

SIZES = ("incoming", "product", "eigenvalue")


def sizes(result: Result) -> dict[str, list[int]]:
    """Effective size of every member by each score, largest of each member as the unit, and pooled (the paper's)."""
    found = {kind: effective_size(result.by(kind)).tolist() for kind in SIZES}
    return found | {"incoming_pooled": effective_size(result.scores, normalise="pooled").tolist()}


def summary(result: Result) -> dict[str, str]:
    """Means with 95 % intervals: over teachers, or over the trials of one."""
    found = {f"effective size, {kind}": result.estimate(values) for kind, values in sizes(result).items()}
    found["test error / E[y^2]"] = result.estimate(result.test_mse / result.test_power, log=True)
    return {name: f"{interval:.3g}, {interval.sample}" for name, interval in found.items()}


def export(experiments: Mapping[str, ExperimentConfig], store: Store, folder: Path) -> list[Path]:
    """Write all stored experiments as `members.csv`, `history.csv`, `scores.csv` and `rungs.csv`.

    There is one observation in each row: a member, an epoch, a node, a network on a ladder of sizes. Each file is
    replaced as a whole, once all are written.

    Raises
    ------
    StoreError
        If they cannot be written, or a result is damaged; then the files are as they were.
    """
    errors = ("train_mse", "validation_mse", "test_mse")
    tables = {
        "members": ((*(f"size_{kind}" for kind in (*SIZES, "incoming_pooled")), *errors, "test_power"), _members),
        "history": (("epoch", *errors), _history),
        "scores": (("node", "incoming", "product", "lam_out"), _scores),
        "rungs": (("nodes", "validation_mse", "test_mse", "teacher_nodes_found"), _rungs),
    }
    paths = {name: folder / f"{name}.csv" for name in tables}
    with ExitStack() as stack:
        files = {name: stack.enter_context(replacing(path)) for name, path in paths.items()}
        writers = {name: csv.writer(codecs.getwriter("utf-8")(file)) for name, file in files.items()}
        for name, (header, _) in tables.items():
            writers[name].writerow(("experiment", "hash", "member", "teacher_seed", "trial", *header))
        for experiment, config in experiments.items():
            if store.has(config.hash()):
                result = run(config, store=store)
                for name, (_, rows) in tables.items():
                    writers[name].writerows(rows(experiment, result))
    return list(paths.values())


def _named(experiment: str, result: Result) -> list[tuple[object, ...]]:
    members = enumerate(result.config.members)
    return [(experiment, result.config.hash(), index, m.teacher_seed, m.trial) for index, m in members]


def _members(experiment: str, result: Result) -> Iterator[Sequence[object]]:
    errors = (result.train_mse, result.validation_mse, result.test_mse, result.test_power)
    columns: list[Iterable[object]] = [*sizes(result).values(), *(error.tolist() for error in errors)]
    for names, *values in zip(_named(experiment, result), *columns, strict=True):
        yield (*names, *values)


def _history(experiment: str, result: Result) -> Iterator[Sequence[object]]:
    h = result.history
    for index, names in enumerate(_named(experiment, result)):
        for row, epoch in enumerate(h.epochs):
            errors = (h.train_mse, h.validation_mse, h.test_mse)
            yield (*names, epoch, *(error[row, index].item() for error in errors))


def _scores(experiment: str, result: Result) -> Iterator[Sequence[object]]:
    for index, names in enumerate(_named(experiment, result)):
        columns = (result.scores[index].tolist(), result.product[index].tolist(), result.lam_out[index].tolist())
        for node, values in enumerate(zip(*columns, strict=True)):
            yield (*names, node, *values)


def _rungs(experiment: str, result: Result) -> Iterator[Sequence[object]]:
    if result.rungs is None:
        return
    rungs = result.rungs
    for index, names in enumerate(_named(experiment, result)):
        columns = (part[index].tolist() for part in (rungs.validation_mse, rungs.test_mse, rungs.found))
        for values in zip(rungs.nodes, *columns, strict=True):
            yield (*names, *values)
