"""Stored results as plain tables and numbers: a summary to read, an account for JSON, tidy tables to work with."""

from __future__ import annotations

import codecs
import csv
import importlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, get_args

from spectral.lab.collection import MissingResult
from spectral.lab.config import ConfigError, ExperimentConfig, parameters, unknown_name
from spectral.lab.files import replacing
from spectral.lab.results import Result, load, run, stored_config
from spectral.lab.store import Store
from spectral.measures import effective_size
from spectral.stats.intervals import LEVEL, Interval

SIZES = ("incoming", "product", "eigenvalue")

Format = Literal["csv", "parquet"]

Rows = Iterable[Sequence[object]]


class Measure(NamedTuple):
    """A number of a run that comes with an interval.

    Attributes
    ----------
    label, unit:
        In words.
    log:
        Whether its interval is taken on the logarithmic scale.
    """

    label: str
    unit: str
    log: bool


MEASURES = {f"size_{kind}": Measure(f"effective size, {kind}", "nodes", False) for kind in (*SIZES, "incoming_pooled")}
MEASURES["test_error"] = Measure("test error / E[y^2]", "E[y^2]", True)
"""What a summary has, by name; sizes are columns of the table of members, too."""


def sizes(result: Result) -> dict[str, list[int]]:
    """Effective size of every member by each score, largest of each member as the unit, and pooled (the paper's)."""
    found = {kind: effective_size(result.by(kind)).tolist() for kind in SIZES}
    return found | {"incoming_pooled": effective_size(result.scores, normalise="pooled").tolist()}


def summary(result: Result) -> dict[str, Interval]:
    """Means with 95 % intervals, over teachers, or over the trials of one: those of `MEASURES`."""
    values: dict[str, Any] = {f"size_{kind}": found for kind, found in sizes(result).items()}
    values["test_error"] = result.test_mse / result.test_power
    return {name: result.estimate(values[name], log=measure.log) for name, measure in MEASURES.items()}


def readable(interval: Interval) -> str:
    """Three digits of the value and its interval to the same place, as in ``23.4 [22.5, 24.3]``, and the sample."""
    value = float(interval.value)
    if not math.isfinite(value):
        return f"{interval}, {interval.sample}"
    power = math.floor(math.log10(abs(float(f"{value:.2e}")))) if value else 0
    place = 2 - power if power > -4 else 2  # digits behind the point, of small numbers in units of their power of ten
    scale, ending = (1.0, "") if power > -4 else (10.0**-power, f" · 10^{power}")
    text = f"{interval.scaled(scale):.{max(0, place)}f}"
    return f"{text}{ending}, {interval.sample}"


def account(name: str, store: Store, names: Mapping[str, str]) -> dict[str, Any]:
    """All that is known of a stored result, for JSON.

    Parameters
    ----------
    name:
        Its hash.
    names:
        Of experiments, by hash; see `spectral.lab.choose.by_hash`.

    Returns
    -------
    dict
        "hash", "experiment" (the first of its names, or None), "config" (all parameters), "file",
        "provenance", "measures" and "members". Each measure has "label", "unit", "value", "low", "high", "level", "n"
        of the sampling units, what these are ("teachers" or "trials"), and whether its interval is taken on the
        logarithmic scale; bounds are NaN where there are too few units. Each member has its number, "teacher_seed",
        "trial", and the columns of the table of members. Of a result that this engine would compute otherwise there
        are no measures and no members.

    Raises
    ------
    KeyError, DamagedResult
        As in `spectral.lab.results.load`.
    """
    provenance, config = store.provenance(name), stored_config(name, store)
    told: dict[str, Any] = {
        "hash": name,
        "experiment": names.get(name),
        "config": provenance.pop("config"),
        "file": str(store.hashes()[name] / f"{name}.npz"),
        "provenance": {key: value for key, value in provenance.items() if key != "hash"},
        "measures": {},
        "members": [],
    }
    if config.hash() == name:
        result = load(config, store)
        units = (
            {"n": config.teachers, "of": "teachers"} if config.teachers > 1 else {"n": config.trials, "of": "trials"}
        )
        for key, found in summary(result).items():
            numbers = {part: float(getattr(found, part)) for part in ("value", "low", "high")}
            told["measures"][key] = MEASURES[key]._asdict() | numbers | {"level": LEVEL} | units
        columns = TABLES["members"].columns
        told["members"] = [dict(zip(columns, row[len(_NAMED) :], strict=True)) for row in _members("", result)]
    return told


def check_format(kind: str) -> None:
    """Raise ConfigError, before any work, if tables cannot be written so."""
    if kind not in get_args(Format):
        raise unknown_name("format", kind, get_args(Format))
    if kind == "parquet":
        try:
            importlib.import_module("pyarrow.parquet")
        except ImportError as error:
            raise ConfigError(
                f"Parquet needs the package pyarrow ({error}); install student-teacher-spectral[apply], or write CSV"
            ) from None


def export(experiments: Mapping[str, ExperimentConfig], store: Store, folder: Path, kind: Format = "csv") -> list[Path]:
    """Write all stored experiments as the tables `runs`, `members`, `history`, `scores` and `rungs`.

    There is one observation in each row: a run with all its parameters and where it comes from, a member, an epoch, a
    node, a network on a ladder of sizes. The column `hash` joins them. Each file is replaced as a whole, once all are
    written.

    Parameters
    ----------
    experiments:
        By name, the first column of each table.
    kind:
        "csv" or "parquet", the ending of the files.

    Raises
    ------
    MissingResult
        If none of them is there; nothing is written.
    ConfigError
        If `kind` is unknown, or needs a package that is not installed.
    StoreError
        If they cannot be written, or a result is damaged; then the files are as they were.
    """
    check_format(kind)
    there = {name: config for name, config in experiments.items() if store.has(config.hash())}
    if not there:
        raise MissingResult(f"none of {len(experiments)} results is there, and nothing was written")
    paths = {name: folder / f"{name}.{kind}" for name in TABLES}
    with ExitStack() as stack:
        files = {name: stack.enter_context(replacing(path)) for name, path in paths.items()}
        writers = {  # which end before the first file is replaced
            name: stack.enter_context((_csv if kind == "csv" else _parquet)(files[name], _NAMED | table.columns))
            for name, table in TABLES.items()
        }
        for experiment, config in there.items():
            result = run(config, store=store)
            for name, table in TABLES.items():
                writers[name](table.rows(experiment, result))
    return list(paths.values())


_GROUP = 100_000
"""Rows that are written to a Parquet file together, at least."""

Columns = dict[str, type]
"""Names, and what is in them: str, int, float or bool, or None where it is not known."""


class Table(NamedTuple):
    """A table: its columns beside those that all have, and the rows of a result."""

    columns: Columns
    rows: Callable[[str, Result], Rows]


_NAMED: Columns = {"experiment": str, "hash": str}
_MEMBER: Columns = {"member": int, "teacher_seed": int, "trial": int}
_ERRORS: Columns = {"train_mse": float, "validation_mse": float, "test_mse": float}
_PARAMETERS: Columns = {p.name: {"int": int, "float": float, "str": str, "bool": bool}[p.kind] for p in parameters()}
_PROVENANCE: Columns = {
    **{"engine": int, "git": str, "dirty": bool, "python": str, "torch": str, "numpy": str, "numba": str},
    **{"device": str, "machine": str, "loop": str, "resumed": int, "seconds": float, "cpu_seconds": float},
    **{"peak_memory_mib": int, "date": str, "sha256": str, "command": str},
}


def _csv(file: BinaryIO, columns: Columns) -> AbstractContextManager[Callable[[Rows], None]]:
    writer = csv.writer(codecs.getwriter("utf-8")(file))
    writer.writerow(columns)
    return nullcontext(writer.writerows)


@contextmanager
def _parquet(file: BinaryIO, columns: Columns) -> Iterator[Callable[[Rows], None]]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])

    waiting: list[pa.Table] = []

    def flush() -> None:
        if waiting:
            writer.write_table(pa.concat_tables(waiting))  # one group of rows; each brings statistics of all columns
            waiting.clear()

    def write(rows: Rows) -> None:
        values = list(zip(*rows, strict=True))
        if values:
            arrays = [pa.array(column, field.type) for column, field in zip(values, schema, strict=True)]
            waiting.append(pa.Table.from_arrays(arrays, schema=schema))
        if sum(table.num_rows for table in waiting) >= _GROUP:
            flush()

    with ParquetWriter(file, schema) as writer:
        yield write
        flush()


def _runs(experiment: str, result: Result) -> Rows:
    told = result.config.changed(everything=True) | {name: result.provenance.get(name) for name in _PROVENANCE}
    yield (experiment, result.config.hash(), *told.values())


def _named(experiment: str, result: Result) -> list[tuple[object, ...]]:
    members = enumerate(result.config.members)
    return [(experiment, result.config.hash(), index, m.teacher_seed, m.trial) for index, m in members]


def _members(experiment: str, result: Result) -> Rows:
    errors = (result.train_mse, result.validation_mse, result.test_mse, result.test_power)
    columns: list[Iterable[object]] = [*sizes(result).values(), *(error.tolist() for error in errors)]
    for names, *values in zip(_named(experiment, result), *columns, strict=True):
        yield (*names, *values)


def _history(experiment: str, result: Result) -> Rows:
    h = result.history
    for index, names in enumerate(_named(experiment, result)):
        for row, epoch in enumerate(h.epochs):
            errors = (h.train_mse, h.validation_mse, h.test_mse)
            yield (*names, epoch, *(error[row, index].item() for error in errors))


def _scores(experiment: str, result: Result) -> Rows:
    for index, names in enumerate(_named(experiment, result)):
        columns = (result.scores[index].tolist(), result.product[index].tolist(), result.lam_out[index].tolist())
        for node, values in enumerate(zip(*columns, strict=True)):
            yield (*names, node, *values)


def _rungs(experiment: str, result: Result) -> Rows:
    if result.rungs is None:
        return
    rungs = result.rungs
    for index, names in enumerate(_named(experiment, result)):
        columns = (part[index].tolist() for part in (rungs.validation_mse, rungs.test_mse, rungs.found))
        for values in zip(rungs.nodes, *columns, strict=True):
            yield (*names, *values)


_SIZES: Columns = {f"size_{kind}": int for kind in (*SIZES, "incoming_pooled")}
_NODE: Columns = {"node": int, "incoming": float, "product": float, "lam_out": float}
_RUNG: Columns = {"nodes": int, "validation_mse": float, "test_mse": float, "teacher_nodes_found": int}

TABLES = {
    "runs": Table(_PARAMETERS | _PROVENANCE, _runs),
    "members": Table(_MEMBER | _SIZES | _ERRORS | {"test_power": float}, _members),
    "history": Table(_MEMBER | {"epoch": int} | _ERRORS, _history),
    "scores": Table(_MEMBER | _NODE, _scores),
    "rungs": Table(_MEMBER | _RUNG, _rungs),
}
"""What `export` writes, by name."""
