"""A table of one's own as numbers: what is read from a file or a data frame, and what was decided on the way.

`read_table` takes a CSV or Parquet file or a pandas data frame, and the name of the column to predict. What cannot be
used is refused with a `TableError`, before any work. What is decided (the task, columns and rows that are left out, how
a file is read) is said in the `notes` of the `Table`. `preprocessor` makes the step from a table's columns to the
inputs of a network; it is fitted on training rows alone.

A column is one of numbers if all that is there parses as such; true and false are 1 and 0. All else is categories. The
first row below the header is row 1, and blank lines are not counted. pandas and scikit-learn are needed only when a
function is called.

Axes: n rows that are used, d columns that are used.
"""

from __future__ import annotations

import csv
import datetime
import difflib
import gzip
import hashlib
import importlib
import io
import itertools
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn

import numpy as np

from spectral.errors import Told

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped, unused-ignore]

Task = Literal["regression", "classification"]

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".txt", ".parquet")
"""The kinds of files, by the end of their names."""

# fmt: off
MISSING_WORDS = frozenset([
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
])
# fmt: on
"""Cells that count as missing: the same that pandas takes for missing."""

FEWEST_ROWS = 20
"""With fewer usable rows nothing can be learned and tested."""

FEWEST_IN_CLASS = 5
MOST_CLASSES = 100

MOSTLY = 0.8
"""The share of values from which on a column is meant to hold numbers, and text in it is a mistake."""

MOST_LEVELS = 30
"""The columns that a category becomes at most; its rarest levels share the last one."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?inf(?:inity)?", re.IGNORECASE | re.ASCII)
_COMMA_NUMBER = re.compile(r"[+-]?(?:\d+,?\d*|,\d+)(?:e[+-]?\d+)?|[+-]?inf(?:inity)?", re.IGNORECASE | re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ].*)?|\d{1,2}([./])\d{1,2}\1\d{4}(?: .*)?", re.ASCII)
_WRITTEN = re.compile(
    r"[+-]?\d{1,3}(?:[., '’]\d{3})+(?:[.,]\d+)?|[+-]?\d+,\d+|[€$£] ?[+-]?\d[\d.,]*|[+-]?\d[\d.,]* ?[%€$£]", re.ASCII
)
"""Numbers as people write them: with a separator of thousands, a decimal comma, a currency or a per cent sign."""

_COMMAS = "read with decimal commas, 1,5 as 1.5"

_SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas"}


class TableError(Told, ValueError):
    """A table cannot be used as it is; the message says what is wrong with it, and what to do."""


@dataclass(frozen=True, eq=False)
class Table:
    """A table that can be trained on.

    Attributes
    ----------
    features:
        The columns that are used, (n, d): numbers as float64, categories as words; NaN where a value is missing.
    y:
        The target, (n,): float64 for regression, for classification int64, which count `classes`.
    task:
        "regression" or "classification".
    classes:
        The classes as words, in the order of their values; empty for regression.
    target:
        The name of the target's column.
    numeric, categorical:
        The names of the columns of either kind, in the order of the table.
    notes:
        What was decided and why, a sentence each.
    sha256:
        Of the bytes of the file; of a data frame, of the CSV that it would be.
    name:
        That of the file.
    """

    features: pandas.DataFrame
    y: np.ndarray
    task: Task
    classes: tuple[str, ...]
    target: str
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    notes: tuple[str, ...]
    sha256: str
    name: str


class _Raw(NamedTuple):
    """What was read, with no cell looked at; `comma` if numbers may have decimal commas."""

    frame: pandas.DataFrame
    sha256: str
    name: str
    comma: bool


class _Column(NamedTuple):
    """A column, numbers as float64 and text as objects, NaN where a value is missing; "flags" are numbers 1 and 0."""

    name: str
    kind: Literal["numbers", "flags", "text"]
    values: np.ndarray


class _Log:
    """What is decided on the way: columns by what is said of them, cells that count as missing, and other notes.

    And columns with decimal points where there could be commas, each with an example.
    """

    def __init__(self) -> None:
        self.first: list[str] = []
        self.of_columns: defaultdict[str, list[str]] = defaultdict(list)
        self.words: set[str] = set()
        self.points: list[tuple[str, str]] = []

    def notes(self) -> Iterable[str]:
        yield from self.first
        if self.words:
            yield f"Cells that hold {_listed(sorted(self.words))} count as missing."
        for what, names in self.of_columns.items():
            plural = len(names) > 1
            yield f"Column{'s' * plural} {_listed(names)} {'are' if plural else 'is'} {what}."


def read_table(
    source: str | Path | pandas.DataFrame,
    target: str,
    *,
    task: Literal["auto", "regression", "classification"] = "auto",
) -> Table:
    """A file or data frame as a table that can be trained on.

    Parameters
    ----------
    source:
        A CSV file, its columns separated by commas, semicolons or tabs, or a Parquet file; by the end of its name:
        .csv, .csv.gz, .tsv, .txt, .parquet. Or a data frame, which is left as it is; its index is not used.
    target:
        The name of the column to predict.
    task:
        "auto" decides by the target: classification if it is text, true and false, or whole numbers with at most 20
        different values, which are two or at most 5 % of the rows in number; else regression.

    Raises
    ------
    TableError
        If the file or the table cannot be used; the message names the column and the first row at fault.
    TypeError
        If `source` is neither a path nor a data frame.
    ImportError
        If pandas is missing, or for a Parquet file pyarrow.
    """
    if task not in ("auto", "regression", "classification"):
        raise TableError(f"task must be one of auto, regression, classification; got {task!r}")
    pd, log = _needed("pandas"), _Log()
    raw = _from_frame(source, log) if isinstance(source, pd.DataFrame) else _from_file(source, log)
    target = _found(target, raw)
    if not len(raw.frame):
        raise TableError(f"{raw.name} holds a header and no rows; at least {FEWEST_ROWS} are needed")
    frame, rows = _with_target(raw, target, log)
    answer = _column(frame[target], target, rows, raw.comma, log)
    y, classes = _answers(answer, task, log)
    if answer.kind == "flags" and not classes:
        log.first.append(f"The target {target!r} holds true and false, which are read as 1 and 0.")
    used: list[_Column] = []
    for name in frame.columns:
        if name != target:
            used += _usable(frame[name], name, rows, y, bool(classes), raw.comma, log)
    if log.points and (commas := log.of_columns.get(_COMMAS)):
        point, example = log.points[0]
        raise TableError(
            f"column {point!r} has points, such as {example!r}, and column {commas[0]!r} decimal commas; where points "
            "separate thousands, remove them, else write the same decimal sign in all columns"
        )
    if not used:
        why = " ".join(log.notes())
        raise TableError(f"no column of {raw.name} besides the target {target!r} can be used. {why}".rstrip())
    features = pd.DataFrame({one.name: pd.Series(one.values, dtype=one.values.dtype) for one in used})
    _look_over(features, y, used, log)
    return Table(
        features=features,
        y=y,
        task="classification" if classes else "regression",
        classes=classes,
        target=target,
        numeric=tuple(one.name for one in used if one.kind != "text"),
        categorical=tuple(one.name for one in used if one.kind == "text"),
        notes=tuple(log.notes()),
        sha256=raw.sha256,
        name=raw.name,
    )


def preprocessor(table: Table) -> Any:
    """What makes a table's columns the inputs of a network: a `ColumnTransformer` that is not fitted yet.

    Numbers are brought to mean 0 and variance 1; where one is missing stands the median, and if there are any, a
    further column for each such one says where. A category becomes a column for each of its levels, "missing" among
    them, and at most 30; a level that was not there when it was fitted gives zeros. Fit it on the training rows alone.
    What comes out is a dense array of float64.

    Raises
    ------
    ImportError
        If scikit-learn is missing.
    """
    _needed("sklearn")
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numeric, categorical = list(table.numeric), list(table.categorical)
    parts = []
    if numeric:
        gaps = bool(table.features[numeric].isna().to_numpy().any())
        # a column may be empty in the training rows alone
        fill = SimpleImputer(strategy="median", add_indicator=gaps, keep_empty_features=True)
        parts.append(("numeric", make_pipeline(fill, StandardScaler()), numeric))
    if categorical:
        fill = SimpleImputer(strategy="constant", fill_value="missing", keep_empty_features=True)
        levels = OneHotEncoder(
            handle_unknown="ignore", sparse_output=False, max_categories=MOST_LEVELS, dtype=np.float64
        )
        parts.append(("categorical", make_pipeline(fill, levels), categorical))
    return ColumnTransformer(parts, sparse_threshold=0.0)


def _needed(package: str) -> Any:
    """The package, or ImportError that says how to install it."""
    try:
        return importlib.import_module(package)
    except ImportError:
        known = {"sklearn": "scikit-learn"}.get(package, package)
        raise ImportError(
            f"tables need {known}, which is not installed here; install it with: "
            "pip install 'student-teacher-spectral[apply]'"
        ) from None


def _listed(names: Sequence[str], most: int = 10) -> str:
    """Quoted, with commas between, and shortened."""
    rest = len(names) - most
    return ", ".join(repr(name) for name in names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _count(number: int, of: str) -> str:
    """As in "1 row" and "2 rows"."""
    return f"{number} {of}" if number == 1 else f"{number} {of}s"


def _from_frame(source: pandas.DataFrame, log: _Log) -> _Raw:
    """A copy with names that are words."""
    if source.columns.nlevels > 1:
        raise TableError("the columns of the data frame have names of several levels; give each a single name")
    frame = source.copy(deep=False)
    frame.columns = _checked_names([str(name) for name in source.columns], "the data frame", log)
    _leave_index(frame, log)
    sha256 = hashlib.sha256(source.to_csv(index=False).encode("utf-8", "surrogatepass")).hexdigest()
    return _Raw(frame.reset_index(drop=True), sha256, "the data frame", comma=False)


def _from_file(source: str | Path, log: _Log) -> _Raw:
    """Read by the end of the file's name."""
    if not isinstance(source, str | Path):
        raise TypeError(f"a table is the path of a file or a pandas DataFrame; got {type(source).__name__}")
    path, accepted = Path(source), ", ".join(SUFFIXES)
    try:
        folder, there = path.is_dir(), path.exists()
    except (OSError, ValueError) as error:
        raise TableError(f"{str(source)[:80]!r} is no path of a file that can be read ({error})") from None
    if folder:
        raise TableError(f"{path} is a folder; name a file in it ({accepted})")
    if not there:
        near = difflib.get_close_matches(path.name, _files_beside(path))
        raise TableError(f"there is no file {path}; " + (f"did you mean {_listed(near)}?" if near else "see its path"))
    if not path.name.lower().endswith(SUFFIXES):
        raise TableError(f"{path.name} is of no kind that is read here ({accepted}); save the table as one of these")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror or error}; see its permissions") from None
    if not data:
        raise TableError(f"{path.name} is empty; it should hold a header and rows")
    sha256 = hashlib.sha256(data).hexdigest()
    if path.name.lower().endswith(".parquet"):
        return _Raw(_parquet(data, path.name, log), sha256, path.name, comma=False)
    if path.name.lower().endswith(".gz"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise TableError(f"{path.name} cannot be unpacked ({error}); make the file again") from None
    text = _decoded(data, path.name, log)
    separator = _separator(text)
    if separator != ",":
        log.first.append(f"The columns of the file are separated by {_SEPARATORS[separator]}.")
    return _Raw(_csv(text, separator, path.name, log), sha256, path.name, comma=separator == ";")


def _files_beside(path: Path) -> list[str]:
    try:
        return [other.name for other in path.parent.iterdir()]
    except OSError:
        return []


def _decoded(data: bytes, name: str, log: _Log) -> str:
    """The text of a file: UTF-8, or else what Windows and old programs write."""
    if b"\0" in data:
        raise TableError(f"{name} is not plain text (or it is UTF-16); save it as CSV in UTF-8")
    for encoding in ("utf-8-sig", "cp1252", "latin-1"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding != "utf-8-sig":
            log.first.append(f"The file is not UTF-8 and is read as {encoding}; save it as UTF-8 if letters are wrong.")
        break
    if not text.strip():
        raise TableError(f"{name} is empty; it should hold a header and rows")
    return text


def _records(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The records of a CSV that are not blank, and the lines in which they end."""
    blanks = separator != "\t"
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=blanks, strict=True)
    try:
        for record in reader:
            if len(record) > 1 or (record and record[0].strip()):
                yield reader.line_num, record
    except csv.Error as error:
        raise TableError(f"line {reader.line_num} cannot be read as CSV ({error}); see its quotation marks") from None


def _separator(text: str, lines: int = 50) -> str:
    """The one that cuts the header and the first lines into the same number of columns, and into most of them."""
    best, most = ",", (False, 1)
    for separator in _SEPARATORS:
        try:
            widths = [len(record) for _, record in itertools.islice(_records(text, separator), lines)]
        except TableError:
            continue
        score = (len({*widths}) == 1 and widths[0] > 1, max(widths[:1], default=0))
        if score > most:
            best, most = separator, score
    return best


def _csv(text: str, separator: str, name: str, log: _Log) -> pandas.DataFrame:
    """All cells as text."""
    records, rows = _records(text, separator), []
    _, header = next(records, (0, []))
    columns = _checked_names(header, name, log)
    for line, record in records:
        rows.append(record)
        if len(record) != len(columns):
            raise TableError(
                f"row {len(rows)} of {name} (line {line}) has {_count(len(record), 'cell')}, the header has "
                f"{len(columns)}; give each column a name and each row as many cells, and put cells that hold "
                f"{separator!r} in quotation marks"
            )
    cells = zip(*rows, strict=True) if rows else [()] * len(columns)
    pd = _needed("pandas")
    return pd.DataFrame({column: pd.Series(some, dtype=object) for column, some in zip(columns, cells, strict=True)})


def _parquet(data: bytes, name: str, log: _Log) -> pandas.DataFrame:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise ImportError(
            f"{name} is a Parquet file, which takes pyarrow to read; install it with: pip install pyarrow; "
            "or save the table as CSV"
        ) from None
    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        names = list(file.schema_arrow.names)
        _checked_names(names, name, _Log())
        frame = file.read().to_pandas()
    except TableError:
        raise
    except (ValueError, OSError, NotImplementedError) as error:
        raise TableError(f"{name} cannot be read as Parquet ({error}); make the file again") from None
    frame.columns = _checked_names([str(column) for column in frame.columns], name, log)
    _leave_index(frame, log)
    return frame.reset_index(drop=True)


def _leave_index(frame: pandas.DataFrame, log: _Log) -> None:
    if not isinstance(frame.index, _needed("pandas").RangeIndex):
        log.first.append("The index is not used; reset_index() makes it a column.")


def _checked_names(names: Iterable[str], where: str, log: _Log) -> list[str]:
    """Without blanks around them, and each only once; a column without a name is called by its place."""
    found = [name.strip() for name in names]
    for place, name in enumerate(found, 1):
        if not name:
            found[place - 1] = f"column {place}"
            log.first.append(f"The column at place {place} has no name and is called 'column {place}'.")
    twice = sorted({name for name in found if found.count(name) > 1}) if len({*found}) < len(found) else []
    if twice:
        raise TableError(f"{where} has several columns of the name {_listed(twice)}; rename or remove all but one")
    if not found:
        raise TableError(f"{where} has no columns")
    return found


def _found(target: str, raw: _Raw) -> str:
    """The target's name, if there is such a column."""
    names = list(raw.frame.columns)
    if target in names:
        return target
    if str(target).strip() in names:
        return str(target).strip()
    lower = {name.lower(): name for name in reversed(names)}
    near = [lower[name] for name in difflib.get_close_matches(str(target).strip().lower(), list(lower))]
    hint = f"did you mean {_listed(near)}? " if near else ""
    if all(_NUMBER.fullmatch(name) for name in names):
        hint += "The first line seems to hold values; it should hold the names of the columns. "
    raise TableError(f"{raw.name} has no column {target!r}; {hint}Its columns: {_listed(names)}")


def _with_target(raw: _Raw, target: str, log: _Log) -> tuple[pandas.DataFrame, np.ndarray]:
    """The rows that have a target, and their numbers in the table from 1 on."""
    cells = raw.frame[target]
    absent = cells.isna().to_numpy(dtype=bool) | np.array(
        [isinstance(cell, str) and cell.strip() in MISSING_WORDS for cell in cells], dtype=bool
    )
    rows = np.flatnonzero(~absent) + 1
    if not len(rows):
        raise TableError(
            f"the target {target!r} is missing in all {_count(len(absent), 'row')}; fill it, or choose another"
        )
    if len(rows) < FEWEST_ROWS:
        raise TableError(
            f"{raw.name} has {_count(len(rows), 'usable row')} (of {len(absent)}, those with a target); "
            f"at least {FEWEST_ROWS} are needed"
        )
    if absent.any():
        log.first.append(f"{_count(int(absent.sum()), 'row')} of {len(absent)} left out: the target is missing there.")
    return raw.frame[~absent].reset_index(drop=True), rows


def _column(cells: pandas.Series, name: str, rows: np.ndarray, comma: bool, log: _Log) -> _Column:
    """A column as numbers or words.

    Raises
    ------
    TableError
        If it holds dates, infinite values, text among numbers, or what is neither number nor word.
    """
    types = _needed("pandas").api.types
    if types.is_datetime64_any_dtype(cells.dtype) or isinstance(cells.dtype, _needed("pandas").PeriodDtype):
        _refuse_dates(name, str(cells[cells.first_valid_index()]) if cells.notna().any() else "no value")
    if types.is_complex_dtype(cells.dtype):
        raise TableError(f"column {name!r} holds complex numbers; give two columns, or drop it")
    if types.is_bool_dtype(cells.dtype) and not isinstance(cells.dtype, _needed("pandas").CategoricalDtype):
        return _Column(name, "flags", cells.to_numpy(dtype=np.float64, na_value=np.nan))
    if types.is_numeric_dtype(cells.dtype):
        return _numbers(name, cells.to_numpy(dtype=np.float64, na_value=np.nan), rows)
    words = _words(cells, name, rows, log)
    if isinstance(cells.dtype, _needed("pandas").CategoricalDtype):
        return _text(name, words)
    return _from_words(name, words, rows, comma, log)


def _words(cells: pandas.Series, name: str, rows: np.ndarray, log: _Log) -> list[str | None]:
    """Cells as words without blanks around them, None where nothing is."""
    pd = _needed("pandas")
    words: list[str | None] = []
    for row, cell in zip(rows, cells.astype(object), strict=True):
        if isinstance(cell, str):
            word = cell.strip()
            if word in MISSING_WORDS:
                log.words.update([word] if word else [])
                words.append(None)
            else:
                words.append(word)
        elif isinstance(cell, datetime.timedelta) and not pd.isna(cell):
            raise TableError(f"column {name!r} holds durations; give them as numbers, such as seconds, or drop it")
        elif not pd.api.types.is_scalar(cell) or isinstance(cell, bytes | complex):
            raise TableError(
                f"column {name!r} holds a {type(cell).__name__} in row {row}; a cell is one number or word: make "
                "columns of it, or drop it"
            )
        else:
            words.append(None if pd.isna(cell) else str(cell))
    return words


def _from_words(name: str, words: list[str | None], rows: np.ndarray, comma: bool, log: _Log) -> _Column:
    """What words stand for, by all of them."""
    there = [word for word in words if word is not None]
    if there and all(word.lower() in ("true", "false") for word in there):
        flags = [np.nan if word is None else float(word.lower() == "true") for word in words]
        return _Column(name, "flags", np.array(flags))
    if there and all(map(_DATE.fullmatch, there)):
        _refuse_dates(name, there[0])
    decimal = comma and any("," in word and _COMMA_NUMBER.fullmatch(word) for word in there)
    pattern = _COMMA_NUMBER if decimal else _NUMBER
    parsed = sum(pattern.fullmatch(word) is not None for word in there)
    if parsed == len(there):
        if decimal:
            log.of_columns[_COMMAS].append(name)
        elif comma:
            log.points += [(name, word) for word in there if "." in word][:1]
        numbers = [np.nan if word is None else float(word.replace(",", ".")) for word in words]
        return _numbers(name, np.array(numbers), rows)
    strange = ((row, word) for row, word in zip(rows, words, strict=True) if word and not pattern.fullmatch(word))
    row, word = next(strange)
    if parsed >= MOSTLY * len(there):
        raise TableError(
            f"column {name!r} holds numbers, but {word!r} in row {row} ({_count(len(there) - parsed, 'cell')} of "
            f"{len(there)} are no numbers); leave such cells empty if the value is missing, else correct them; or put "
            "a letter before every value to make them categories"
        )
    if sum(bool(pattern.fullmatch(word) or _WRITTEN.fullmatch(word)) for word in there) >= MOSTLY * len(there):
        raise TableError(
            f"column {name!r} holds numbers in a form that is not read here: {word!r} in row {row}; write them without "
            "separators of thousands, units and signs, and with a decimal point (a comma in files with semicolons)"
        )
    return _text(name, words)


def _text(name: str, words: list[str | None]) -> _Column:
    values = np.empty(len(words), dtype=object)
    values[:] = [np.nan if word is None else word for word in words]
    return _Column(name, "text", values)


def _numbers(name: str, values: np.ndarray, rows: np.ndarray) -> _Column:
    """Raise TableError unless all that is there is finite."""
    if np.isinf(values).any():
        row = rows[np.isinf(values)][0]
        raise TableError(
            f"column {name!r} holds an infinite value in row {row}; leave the cell empty if the value is missing, else "
            "give a finite number"
        )
    return _Column(name, "numbers", values)


def _refuse_dates(name: str, example: str) -> NoReturn:
    raise TableError(
        f"column {name!r} holds dates, such as {example!r}; give a number in their place, such as days since a fixed "
        "date, or drop it"
    )


def _answers(answer: _Column, asked: str, log: _Log) -> tuple[np.ndarray, tuple[str, ...]]:
    """The target as numbers or as codes of classes, and the classes: none for regression."""
    name, values = answer.name, answer.values
    codes, found = _needed("pandas").factorize(values)
    different, rows = len(found), len(values)
    if different == 1:
        raise TableError(
            f"the target {name!r} has one value only, {_word(answer, found[0])!r}; choose a target that varies, or "
            "give rows of other values"
        )
    task = _task(answer, different, asked, log)
    if task == "regression":
        return values, ()
    if different > MOST_CLASSES:
        raise TableError(
            f"the target {name!r} has {different} different values in {rows} rows; at most {MOST_CLASSES} classes are "
            f"possible: choose {'another target' if answer.kind == 'text' else 'regression'}, or merge classes"
        )
    order = np.argsort(found) if answer.kind != "text" else np.array(_in_order(found))
    place = np.empty(different, dtype=np.int64)
    place[order] = np.arange(different)
    y = place[codes]
    classes = tuple(_word(answer, found[one]) for one in order)
    rows_of = np.bincount(y)
    if rows_of.min() < FEWEST_IN_CLASS:
        rare = [
            f"{one!r} has {_count(int(n), 'row')}"
            for one, n in zip(classes, rows_of, strict=True)
            if n < FEWEST_IN_CLASS
        ]
        raise TableError(
            f"classes of the target {name!r} with fewer than {FEWEST_IN_CLASS} rows: {', '.join(rare[:5])}"
            f"{f' and {len(rare) - 5} more' if len(rare) > 5 else ''}; merge them with others, give more rows, or "
            "remove theirs" + ("" if answer.kind == "text" else "; or choose task='regression'")
        )
    return y, classes


def _task(answer: _Column, different: int, asked: str, log: _Log) -> str:
    """As asked for, or by the target."""
    name, rows = answer.name, len(answer.values)
    if answer.kind == "text" and asked == "regression":
        word = str(answer.values[0])
        raise TableError(
            f"the target {name!r} is text, such as {word!r}; regression takes numbers: choose classification"
        )
    if asked != "auto":
        log.first.append(f"The task is {asked}, as asked for.")
        return asked
    if answer.kind == "text":
        why, task = f"is text with {different} different values", "classification"
    elif answer.kind == "flags":
        why, task = "holds true and false", "classification"
    else:
        whole = bool((answer.values == np.floor(answer.values)).all())
        few = different <= 20 and (different == 2 or different <= 0.05 * rows)
        why = f"holds {'whole ' * whole}numbers with {different} different values in {rows} rows"
        task = "classification" if whole and few else "regression"
    other = "regression" if task == "classification" else "classification"
    choice = "" if answer.kind == "text" else f"; task='{other}' chooses the other"
    log.first.append(f"The target {name!r} {why}, so the task is {task}{choice}.")
    return task


def _word(answer: _Column, value: Any) -> str:
    """A value of the target as the name of a class."""
    if answer.kind == "text":
        return str(value)
    if answer.kind == "flags":
        return str(bool(value))
    return str(int(value)) if value == int(value) else str(float(value))


def _in_order(found: Sequence[str]) -> list[int]:
    """The places of words in their order; if all are numbers, in that of the numbers."""
    numbers = all(map(_NUMBER.fullmatch, found))
    return sorted(range(len(found)), key=lambda place: (float(found[place]) if numbers else 0.0, found[place]))


def _usable(
    cells: pandas.Series, name: str, rows: np.ndarray, y: np.ndarray, classify: bool, comma: bool, log: _Log
) -> list[_Column]:
    """The column, or none if it says nothing; errors as in `_column`, and if it is the target again."""
    one = _column(cells, name, rows, comma, log)
    codes, found = _needed("pandas").factorize(one.values)
    different, there = len(found), int((codes >= 0).sum())
    whole = there == len(codes)
    if whole and different > 1 and _again(one, codes, different, y, classify):
        raise TableError(
            f"column {name!r} is the target again: each value of one goes with one of the other; drop it, since it "
            "would not be known when a prediction is needed"
        )
    if not there:
        why = "left out: all values are missing"
    elif different == 1 and whole:
        why = "left out: only one value occurs"
    elif one.kind == "text" and (different == there or (different > 0.95 * len(rows) and different > 50)):
        why = "left out: nearly every value occurs once, as in an identifier"
    elif one.kind == "numbers" and whole and _counts_rows(one.values, rows):
        why = "left out: the values count the rows"
    else:
        if one.kind == "flags":
            log.of_columns["read as 1 for true and 0 for false"].append(name)
        if one.kind == "text" and different + (not whole) > MOST_LEVELS:
            most = f"{MOST_LEVELS - 1} most frequent levels stay apart, and the others are taken together"
            log.of_columns[f"of more than {MOST_LEVELS} levels: the {most}"].append(name)
        return [one]
    log.of_columns[why].append(name)
    return []


def _again(one: _Column, codes: np.ndarray, different: int, y: np.ndarray, classify: bool) -> bool:
    """Whether a column without gaps is equal to the target, or for categories, one to one with it."""
    if not classify and one.kind != "text":
        return np.array_equal(one.values, y)
    values, answers = np.unique(y, return_inverse=True)
    if not len(values) == different < len(y):
        return False
    return len(np.unique(codes * len(values) + answers)) == different


def _counts_rows(values: np.ndarray, rows: np.ndarray) -> bool:
    """Whether whole numbers go up or down by the same step from row to row; rows without a target are counted, too."""
    if not (values == np.floor(values)).all() or values[0] == values[1]:
        return False
    return bool(((values - values[0]) * (rows[1] - rows[0]) == (values[1] - values[0]) * (rows - rows[0])).all())


def _look_over(features: pandas.DataFrame, y: np.ndarray, used: list[_Column], log: _Log) -> None:
    """Notes on the whole: rows that occur twice, values that are missing, and more inputs than rows."""
    pd = _needed("pandas")
    codes = pd.DataFrame(
        {place: pd.factorize(values)[0] for place, values in enumerate([*(u.values for u in used), y])}
    )
    again = int(codes.duplicated().sum())
    if again:
        log.first.append(
            f"{_count(again, 'row')} of {len(y)} repeat an earlier one in all columns that are used; they are kept, "
            "and if one is trained on and its like tested on, the test comes out too well."
        )
    gaps = features.isna().any()
    if gaps.any():
        log.first.append(
            f"Values are missing in {_count(int(gaps.sum()), 'column')}: a number is filled with the median of the "
            "training rows, and a further input says where; of a category, 'missing' is a level."
        )
    inputs = 0
    for one in used:
        levels = int(features[one.name].nunique()) if one.kind == "text" else 1
        inputs += min(levels + int(gaps[one.name]), MOST_LEVELS)
    if inputs > len(y):
        log.first.append(f"There are more inputs ({inputs}, a category's levels counted) than rows ({len(y)}).")
