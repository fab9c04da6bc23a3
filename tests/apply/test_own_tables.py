"""Tables of one's own: every kind of file gives the same numbers, and what cannot be used is refused by name."""

import dataclasses
import gzip
import hashlib
import re
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectral.apply.tables import Table, TableError, preprocessor, read_table

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

ROWS = 60


def frame(rows=ROWS, seed=0):
    """Two columns of numbers, one with gaps; two categories, one with gaps and umlauts; a number as target."""
    generator = np.random.default_rng(seed)
    size, age = generator.normal(size=rows).round(3), generator.normal(40, 10, rows).round(1)
    city = generator.choice(["Köln", "Malmö", "Paris"], rows).astype(object)
    age[::7], city[::11] = np.nan, None
    kind = generator.choice(["a", "b"], rows)
    price = (2 * size + generator.normal(size=rows)).round(3)
    return pd.DataFrame({"size": size, "age": age, "city": city, "kind": kind, "price": price})


def with_column(name="x", values=None, rows=ROWS, **others):
    return frame(rows).assign(**{name: values}, **others)


def changed(values, **at):
    """`values` with those `at` rows r1, r2, ... (from 1 on) replaced."""
    values = list(values)
    for row, value in at.items():
        values[int(row[1:]) - 1] = value
    return values


def assert_same(one: Table, other: Table):
    """Equal in all but what is said of the file."""
    pd.testing.assert_frame_equal(one.features, other.features)
    np.testing.assert_array_equal(one.y, other.y)
    assert one.y.dtype == other.y.dtype
    for field in ("task", "classes", "target", "numeric", "categorical"):
        assert getattr(one, field) == getattr(other, field)


def test_a_table_known_by_hand(tmp_path):
    path = tmp_path / "known.csv"
    lines = [
        f"{row},{row * row % 7},{'xyz'[row % 3]},{'NA' if row == 4 else row / 4},same,{row % 2}" for row in range(24)
    ]
    path.write_text("id,square,letter,quarter,constant,odd\n" + "\n".join(lines) + "\n\n24,1,x,1,same,\n")
    table = read_table(path, "odd")
    assert (table.task, table.classes, table.target) == ("classification", ("0", "1"), "odd")
    assert (table.numeric, table.categorical, table.name) == (("square", "quarter"), ("letter",), "known.csv")
    assert table.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert table.y.dtype == np.int64
    assert table.y.tolist() == [row % 2 for row in range(24)]
    assert table.features["square"].tolist() == [row * row % 7 for row in range(24)]
    assert table.features["letter"].tolist() == ["xyz"[row % 3] for row in range(24)]
    assert np.flatnonzero(table.features["quarter"].isna()).tolist() == [4]
    assert list(table.notes) == [
        "1 row of 25 left out: the target is missing there.",
        "The target 'odd' holds whole numbers with 2 different values in 24 rows, so the task is classification; "
        "task='regression' chooses the other.",
        "Values are missing in 1 column: a number is filled with the median of the training rows, and a further input "
        "says where; of a category, 'missing' is a level.",
        "Cells that hold 'NA' count as missing.",
        "Column 'id' is left out: the values count the rows.",
        "Column 'constant' is left out: only one value occurs.",
    ]
    assert read_table(str(path), " odd ", task="regression").y.dtype == np.float64


@pytest.mark.parametrize("target", ["price", "kind"])
def test_all_files_and_frames_give_the_same_table(tmp_path, target):
    table = frame()
    plain = tmp_path / "plain.csv"
    table.to_csv(plain, index=False)
    expected = read_table(plain, target)
    files = {
        "semicolons.csv": {"sep": ";"},
        "commas.csv": {"sep": ";", "decimal": ","},
        "tabs.tsv": {"sep": "\t"},
        "latin.txt": {"encoding": "latin-1"},
        "all.csv": {"sep": ";", "decimal": ",", "encoding": "latin-1"},
        "bom.CSV": {"encoding": "utf-8-sig"},
    }
    notes = {}
    for name, options in files.items():
        table.to_csv(tmp_path / name, index=False, **options)
        one = read_table(tmp_path / name, target)
        assert_same(one, expected)
        notes[name] = " ".join(note for note in one.notes if note not in expected.notes)
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert_same(read_table(tmp_path / "packed.csv.gz", target), expected)
    (tmp_path / "windows.csv").write_bytes(plain.read_bytes().replace(b"\n", b"\r\n"))
    assert_same(read_table(tmp_path / "windows.csv", target), expected)
    before = table.copy()
    from_frame = read_table(table, target)
    assert_same(from_frame, expected)
    pd.testing.assert_frame_equal(table, before)
    assert from_frame.sha256 == expected.sha256
    assert notes["bom.CSV"] == ""
    assert notes["semicolons.csv"] == "The columns of the file are separated by semicolons."
    assert "separated by tabs" in notes["tabs.tsv"]
    assert "read as cp1252" in notes["latin.txt"]
    assert "'size', 'age'" in notes["commas.csv"]
    assert "decimal commas" in notes["all.csv"]


@pytest.mark.parametrize("target", ["price", "kind"])
def test_parquet_equals_csv(tmp_path, target):
    pytest.importorskip("pyarrow")
    table = frame().assign(flag=[True, False] * (ROWS // 2), count=np.arange(ROWS) % 9)
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    one = read_table(tmp_path / "t.parquet", target)
    assert_same(one, read_table(tmp_path / "t.csv", target))
    table.set_index("count").to_parquet(tmp_path / "i.parquet")
    indexed = read_table(tmp_path / "i.parquet", target)
    assert "count" not in indexed.features
    assert any("index is not used" in note for note in indexed.notes)


def test_damaged_and_missing_parquet(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(TableError, match="cannot be read as Parquet"):
        read_table(path, "y")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match="pip install pyarrow"):
        read_table(path, "y")


@pytest.mark.parametrize(("package", "known"), [("pandas", "pandas"), ("sklearn", "scikit-learn")])
def test_what_is_not_installed_is_named(monkeypatch, package, known):
    source = frame()
    table = read_table(source, "price")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"tables need {known}.*'student-teacher-spectral\[apply\]'"):
        read_table(source, "price") if package == "pandas" else preprocessor(table)


NUMBERS = np.random.default_rng(1).normal(size=ROWS).round(4)

BAD = {
    "duplicate": (
        frame().set_axis(["size", "age", "size", "kind", "price"], axis=1),
        "price",
        "several columns",
        "'size'",
    ),
    "levels": (pd.concat({"a": frame()}, axis=1), "price", "several levels"),
    "target": (frame(), "Prise", "no column 'Prise'", "did you mean 'price'", "'size', 'age'"),
    "many": (pd.DataFrame(1.0, range(30), [f"c{n}" for n in range(50)]), "y", "'c9' and 40 more"),
    "headless": (frame().set_axis(list("12345"), axis=1), "y", "first line seems to hold values"),
    "no columns": (pd.DataFrame(), "y", "has no columns"),
    "no rows": (frame().iloc[:0], "price", "a header and no rows"),
    "one row": (frame().iloc[:1], "price", "1 usable row", "at least 20"),
    "few rows": (with_column("y", changed([None] * ROWS, r3="1", r5="2")), "y", "2 usable rows", "of 60"),
    "all missing": (with_column("y", [None] * ROWS), "y", "missing in all 60 rows"),
    "constant": (with_column("y", 2.0), "y", "one value only, '2'"),
    "one class": (with_column("y", "b"), "y", "one value only, 'b'"),
    "infinite": (with_column("x", changed(NUMBERS, r8=-np.inf, r9=np.inf)), "price", "'x'", "infinite value in row 8"),
    "infinite word": (with_column("x", changed(NUMBERS, r8="1e999")), "price", "infinite value in row 8"),
    "infinite target": (with_column("y", changed(NUMBERS, r2=np.inf)), "y", "'y'", "infinite value in row 2"),
    "text": (with_column("x", changed(NUMBERS, r5="n.a.", r9="?")), "price", "'x'", "'n.a.' in row 5", "2 cells of 60"),
    "text in target": (
        with_column("y", changed(NUMBERS, r7="none")),
        "y",
        "'y'",
        "'none' in row 7",
        "leave such cells empty",
    ),
    "underscore": (with_column("x", changed(NUMBERS, r7="1_000")), "price", "'1_000' in row 7"),
    "thousands": (
        with_column("x", [f"{1000 + n * n:,}" for n in range(ROWS)]),
        "price",
        "form that is not read",
        "'1,000'",
    ),
    "comma": (
        with_column("x", [f"{n % 7},5" for n in range(ROWS)]),
        "price",
        "form that is not read",
        "'0,5' in row 1",
    ),
    "per cent": (with_column("x", [f"{n % 7} %" for n in range(ROWS)]), "price", "form that is not read"),
    "date": (with_column("x", pd.date_range("2020-01-01", periods=ROWS)), "price", "'x' holds dates", "days since"),
    "ISO": (
        with_column("x", ["2020-01-01T10:00", "2021-03-04"] * 30),
        "price",
        "'x' holds dates",
        "'2020-01-01T10:00'",
    ),
    "day": (with_column("x", ["24.12.2020", None] * 30), "price", "'x' holds dates"),
    "date target": (with_column("y", pd.date_range("2020-01-01", periods=ROWS)), "y", "'y' holds dates"),
    "duration": (with_column("x", pd.to_timedelta(range(ROWS), "s")), "price", "'x' holds durations"),
    "complex": (with_column("x", 1j), "price", "complex"),
    "list": (with_column("x", changed(NUMBERS, r4=[1])), "price", "'x' holds a list in row 4"),
    "nothing left": (
        frame()[["price"]].assign(id=range(ROWS), c=1, m=None),
        "price",
        "no column",
        "'id'",
        "'c'",
        "'m'",
    ),
    "again": (frame().assign(x=frame()["price"]), "price", "'x' is the target again"),
    "renamed": (frame().assign(x=frame()["kind"].map({"a": 7, "b": 3})), "kind", "'x' is the target again"),
    "rare": (with_column("y", changed(["a", "b"] * 30, r1="c", r3="d")), "y", "'c' has 1 row, 'd' has 1 row", "merge"),
    "classes": (
        with_column("y", [str(n // 2) + "k" for n in range(600)], 600),
        "y",
        "300 different values",
        "at most 100",
    ),
    "many whole": (with_column("y", range(600), 600), "y", "600 different values", "choose regression"),
    "text for regression": (frame(), "kind", "is text", "choose classification", "regression"),
    "task": (frame(), "kind", "task must be one of", "rank"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables_are_refused(name):
    table, target, *words = BAD[name]
    task = {"text for regression": "regression", "task": "rank", "many whole": "classification"}.get(name, "auto")
    with pytest.raises(TableError) as caught:
        read_table(table, target, task=task)
    for word in words:
        assert word in str(caught.value)


LONG = "a,b,y\n" + "\n".join(f"{n % 5},{n % 7 * 0.5},{n * n % 31}" for n in range(30)) + "\n"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"", "t.csv is empty"),
        ("t.csv", b"\n \n", "t.csv is empty"),
        ("t.csv", b'""\n', "has no columns"),
        ("t.csv", b"a,b,y\n", "a header and no rows"),
        ("t.csv", b"a,b,y\n1,2,3\n", "1 usable row"),
        ("t.csv", LONG.replace("b", "a", 1).encode(), "several columns of the name 'a'"),
        ("t.csv", (LONG + "1,2,3,4\n").encode(), "row 31 of t.csv (line 32) has 4 cells, the header has 3"),
        ("t.csv", (LONG + "1,2\n").encode(), "row 31 of t.csv (line 32) has 2 cells"),
        ("t.csv", (LONG + '1,"2,3').encode(), "line 32 cannot be read as CSV"),
        (
            "t.csv",
            LONG.replace(".", ".00").replace(",", ";").replace("0;0.0", "0,5;0.0").encode(),
            "separate thousands",
        ),
        ("t.csv", LONG.encode("utf-16"), "not plain text"),
        ("t.csv.gz", LONG.encode(), "cannot be unpacked"),
        ("t.csv.gz", gzip.compress(LONG.encode())[:-9], "cannot be unpacked"),
        ("t.xlsx", LONG.encode(), "(.csv, .csv.gz, .tsv, .txt, .parquet)"),
        ("t.parquet", b"", "t.parquet is empty"),
        ("folder.csv", None, "is a folder"),
    ],
)
def test_bad_files_are_refused(tmp_path, name, content, words):
    path = tmp_path / name
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(TableError, match=re.escape(words)):
        read_table(path, "y")


def test_paths_that_lead_nowhere(tmp_path):
    (tmp_path / "houses.csv").write_text(LONG)
    with pytest.raises(TableError, match=r"no file .*house\.csv; did you mean 'houses\.csv'"):
        read_table(tmp_path / "house.csv", "y")
    with pytest.raises(TableError, match=r"no file .*nowhere"):
        read_table(tmp_path / "nowhere" / "t.csv", "y")
    with pytest.raises(TableError, match="no path of a file"):
        read_table("a,b\n" * 2000, "y")
    with pytest.raises(TypeError, match="got dict"):
        read_table({"y": [1]}, "y")


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["no", "yes"] * 30, "classification", ("no", "yes")),
        ([True, False] * 30, "classification", ("False", "True")),
        (["true", "FALSE"] * 30, "classification", ("False", "True")),
        (pd.Categorical([10, 9, 9] * 20), "classification", ("9", "10")),
        ([10.0, 9.0, 1.0] * 20, "classification", ("1", "9", "10")),
        ([-1, 1] * 30, "classification", ("-1", "1")),
        ([1, 2, 3, 4] * 15, "regression", ()),  # four are more than 5 % of 60
        ([0.5, 1.0, 1.0] * 20, "regression", ()),
        (NUMBERS, "regression", ()),
    ],
)
def test_the_task_is_seen_from_the_target(values, task, classes):
    table = read_table(with_column("y", values), "y")
    assert (table.task, table.classes) == (task, classes)
    assert table.y.dtype == (np.int64 if classes else np.float64)
    assert any(f"so the task is {task}" in note for note in table.notes)
    if classes:
        assert [table.classes[code].lower() for code in table.y] == [
            str(int(v) if isinstance(v, float) else v).lower() for v in values
        ]


def test_the_task_can_be_chosen():
    numbers = [1, 2, 3, 2.5] * 15
    table = read_table(with_column("y", numbers), "y", task="classification")
    assert table.classes == ("1", "2", "2.5", "3")
    assert "The task is classification, as asked for." in table.notes
    table = read_table(with_column("y", [True, False] * 30), "y", task="regression")
    assert table.y.tolist() == [1.0, 0.0] * 30
    assert any("read as 1 and 0" in note for note in table.notes)


def test_rows_without_a_target_are_not_looked_at_and_keep_their_numbers():
    table = with_column("y", changed(NUMBERS, r1=None, r2="NA"), x=changed(-NUMBERS, r1="?", r2=np.inf))
    kept = read_table(table.assign(id=range(ROWS)), "y", task="regression")
    assert len(kept.y) == len(kept.features) == ROWS - 2
    assert any("2 rows of 60 left out" in note for note in kept.notes)
    assert "id" not in kept.features  # it counts the rows that there were
    with pytest.raises(TableError, match="infinite value in row 9"):
        read_table(table.assign(x=changed(-NUMBERS, r1="?", r9=np.inf)), "y")


def test_what_says_nothing_is_left_out_and_said():
    table = frame(100).assign(
        number=range(5, 305, 3),
        down=range(100, 0, -1),
        name=[f"n{n}" for n in range(100)],
        nearly=[f"n{max(n, 2)}" for n in range(100)],
        constant="c",
        empty=None,
        once=[1.0] + [np.nan] * 99,
        year=[2000 + n // 2 for n in range(100)],
        levels=[f"l{n % 40}" for n in range(100)],
        flag=[True, False, None, True] * 25,
    )
    read = read_table(table, "price")
    assert read.numeric == ("size", "age", "once", "year", "flag")
    assert read.categorical == ("city", "kind", "levels")
    assert sorted(set(read.features["flag"].dropna())) == [0.0, 1.0]
    for words in (
        "Columns 'number', 'down' are left out: the values count the rows.",
        "Columns 'name', 'nearly' are left out",
        "Column 'constant' is left out: only one value occurs.",
        "Column 'empty' is left out: all values are missing.",
        "Column 'levels' is of more than 30 levels",
        "Column 'flag' is read as 1 for true and 0 for false.",
    ):
        assert words in " ".join(read.notes)
    assert all(note.endswith(".") for note in read.notes)


def test_repeated_rows_and_more_inputs_than_rows_are_said():
    table = pd.concat([frame(), frame().iloc[:3]], ignore_index=True)
    assert any(note.startswith("3 rows of 63 repeat") for note in read_table(table, "price").notes)
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(25, 30))).assign(y=NUMBERS[:25])
    assert any("more inputs (30" in note for note in read_table(wide, "y").notes)


def test_unnamed_columns_are_called_by_their_place(tmp_path):
    path = tmp_path / "t.csv"
    frame().to_csv(path)  # with pandas' index, which has no name
    table = read_table(path, "price")
    assert "column 1" not in table.features
    assert any("has no name" in note for note in table.notes)


@given(
    numbers=st.lists(st.none() | st.floats(-1e9, 1e9), min_size=25, max_size=40),
    seed=st.integers(0, 99),
    style=st.sampled_from([(",", "."), (";", "."), (";", ","), ("\t", ".")]),
)
def test_numbers_come_back_as_they_were_written(tmp_path_factory, numbers, seed, style):
    sep, decimal = style
    path = tmp_path_factory.getbasetemp() / "numbers.csv"
    generator = np.random.default_rng(seed)
    table = pd.DataFrame({"x": np.array(numbers, dtype=float), "z": generator.normal(size=len(numbers))})
    table.assign(y=generator.normal(size=len(numbers))).to_csv(path, index=False, sep=sep, decimal=decimal)
    read = read_table(path, "y")
    for name in read.numeric:
        np.testing.assert_array_equal(read.features[name], table[name])
    assert "z" in read.numeric


def test_inputs_are_dense_finite_and_known():
    table = read_table(frame(), "price")
    inputs = preprocessor(table).fit_transform(table.features)
    assert type(inputs) is np.ndarray
    assert inputs.dtype == np.float64
    assert inputs.shape == (ROWS, 2 + 1 + 4 + 2)  # numbers, where age is missing, cities and "missing", kinds
    assert np.isfinite(inputs).all()
    np.testing.assert_allclose(inputs[:, :3].mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(inputs[:, :3].std(0), 1)
    age = frame()["age"]
    np.testing.assert_allclose(np.unique(inputs[age.isna(), 1]).size, 1)
    assert {*inputs[:, 3:].sum(1)} == {2.0}


def test_inputs_know_the_fitted_rows_alone():
    """Statistics do not move with other rows, and levels that were not there give zeros."""
    table = read_table(frame(), "price")
    train, test = table.features.iloc[:40], table.features.iloc[40:].copy()
    test.loc[:, "size"] = 1e6
    test.loc[:, "city"] = "Rome"
    fitted = preprocessor(table).fit(train)
    scale = fitted.named_transformers_["numeric"][-1]
    filled = train["age"].fillna(train["age"].median())
    np.testing.assert_allclose(scale.mean_[:2], [train["size"].mean(), filled.mean()])
    np.testing.assert_allclose(scale.scale_[:2], [train["size"].std(ddof=0), filled.std(ddof=0)])
    inputs = fitted.transform(test)
    assert not inputs[:, 3:7].any()
    np.testing.assert_allclose(inputs[:, 0], (1e6 - train["size"].mean()) / train["size"].std(ddof=0))


def test_columns_that_are_empty_in_the_fitted_rows():
    table = read_table(frame(), "price")
    part = table.features.iloc[:30].copy()
    part["age"], part["city"] = np.nan, np.array([np.nan] * 30, dtype=object)
    assert np.isfinite(preprocessor(table).fit(part).transform(table.features)).all()


def test_a_category_has_at_most_thirty_inputs():
    generator = np.random.default_rng(0)
    table = read_table(with_column("x", [f"l{n}" for n in generator.integers(0, 60, 400)], 400), "price")
    only = dataclasses.replace(table, numeric=(), categorical=("x",))
    assert preprocessor(only).fit_transform(table.features).shape == (400, 30)
    only = dataclasses.replace(table, numeric=("size",), categorical=())
    assert preprocessor(only).fit_transform(table.features).shape == (400, 1)


def test_a_table_that_was_read_is_read_again_as_itself():
    table = read_table(frame(), "price")
    assert_same(read_table(table.features.assign(price=table.y), "price"), table)
