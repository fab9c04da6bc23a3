import json
import re

import numpy as np
import pytest

from spectral import ConfigError
from spectral.bench import loops as bench_loops
from spectral.bench import tables as bench_tables
from spectral.lab.files import checksum


@pytest.mark.parametrize("power", [-1.0, 0.0, 1.5])
def test_exponent_of_a_power_law(power):
    sizes = np.array([1, 3, 10, 200])
    assert bench_tables.power_of_growth(sizes, 0.3 * sizes**power) == pytest.approx(power, abs=1e-12)


def test_shares_of_an_epoch():
    names = {
        "eager": 200,
        "compiled": 100,
        "products": 50,
        "elementwise": 60,
        "factors": 10,
        "update": 20,
        "shuffle": 10,
    }
    parts = {name: {"median": value} for name, value in (names | {"recording": 4}).items()}
    assert bench_tables.percentages(parts, "eager") == {
        "products": 25, "factors": 5, "update": 10, "shuffle": 5, "elementwise": 30, "rest": 25, "recording": 2,
        "eager": 100,
    }  # fmt: skip
    assert bench_tables.percentages(parts, "compiled")["rest"] == 10


def test_the_roof_is_the_lower_of_two():
    parts = {"gflops_square": {"median": 90.0}, "gigabytes_per_second": {"median": 10.0}, "operations_per_byte": 5.0}
    assert bench_tables.roof(parts) == 50
    assert bench_tables.roof(parts | {"operations_per_byte": 20.0}) == 90


def test_loops_at_once_share_the_work(quick):
    result = json.loads(json.dumps(quick[0]))
    result["machine"]["threads"] = 2
    result["whole"]["student_epochs"] = 60_000
    result["loops"]["ms_per_epoch"][bench_loops.ONE_THREAD] = {"median": 20.0, "low": 10.0, "high": 30.0, "n": 9}
    assert bench_tables.at_once(result) == {"median": 600.0, "low": 300.0, "high": 900.0, "n": 9}


def test_tables_are_whole_and_the_same_for_the_same_result(quick, tmp_path):
    result, _ = quick
    tables = bench_tables.tables(result)
    assert list(tables) == [
        "whole", "loops", "steps", "parts", "roofline", "members", "widths", "step_cost_ratio", "checkpoint", "grid",
    ]  # fmt: skip
    for table in tables.values():
        assert {len(row) for row in table.rows} == {len(table.header)}
        assert "nan" not in str(table)
        assert str(table).startswith(table.title)
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(result | {"digest": checksum(result)}, sort_keys=True))  # of another order
    assert bench_tables.load(path) == result
    again = bench_tables.tables(bench_tables.load(path))
    assert [str(table) for table in again.values()] == [str(table) for table in tables.values()]
    assert [row[2] for row in tables["members"].rows] == [bench_tables.NOT_MEASURED] * 2
    assert all(row[2] == bench_tables.NOT_MEASURED for row in tables["grid"].rows)
    assert tables["grid"].rows[-2][:2] == ("all", "0 of 32")
    assert "NUMBERS MEAN NOTHING" in bench_tables.machine_line(result)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1116.2, "1,116"), (184.9, "185"), (99.97, "100"), (18.0, "18.0"), (1.0, "1.00"), (0.035, "0.0350"), (0, "0.00")],
)
def test_numbers_have_three_digits(value, text):
    assert bench_tables.number(value) == text


@pytest.mark.parametrize(
    ("low", "median", "word"), [(10.0, 12.0, "met"), (9.9, 10.0, "met by the median"), (8.0, 9.0, "missed")]
)
def test_verdicts(low, median, word):
    assert bench_tables.met({"low": low, "median": median, "high": 20.0, "n": 3}, 10) == word


def test_files_that_are_missing_or_damaged(quick, tmp_path):
    path = tmp_path / "bench.json"
    with pytest.raises(ConfigError, match=r"No such file.*python -m spectral bench"):
        bench_tables.load(path)
    bench_tables.save(quick[0], path)
    whole = path.read_text()
    assert bench_tables.load(str(path)) == quick[0]
    for text, message in (
        (whole[: len(whole) // 2], "damaged"),
        ("[1, 2]", "damaged"),
        ("{}", "damaged, or holds no measurements"),
        (re.sub(r'"quick": true', '"quick": false', whole), "checksum does not fit"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=f"{message}.*python -m spectral bench"):
            bench_tables.load(path)
    bench_tables.save(quick[0] | {"format": 0}, path)
    with pytest.raises(ConfigError, match="has format 0; this version reads format 1"):
        bench_tables.load(path)


def test_what_was_compiled_has_its_columns(quick):
    result = json.loads(json.dumps(quick[0]))
    for axis in result["growth"].values():
        axis["compiled"] = axis["eager"]
    result["parts"]["ms_per_epoch"]["compiled"] = result["parts"]["ms_per_epoch"]["eager"]
    result["steps"]["compiled"] = result["steps"]["eager"]
    result["step_cost_ratio"]["compiled"] = True
    for kind in result["grid"]["students"].values():
        kind |= {"there": 8, "seconds": 3600.0, "busy_seconds": 1800.0}
    tables = bench_tables.tables(result)
    for axis in ("members", "widths"):
        assert all(eager == compiled for _, eager, compiled in tables[axis].rows)
    assert tables["steps"].rows[2][1:] == tables["steps"].rows[1][1:]
    assert tables["parts"].rows[1][-1] == "100.0"
    assert tables["step_cost_ratio"].rows[0][0] == "as in long runs, compiled"
    assert tables["grid"].rows[-2][:4] == ("all", "32 of 32", "4.00", "2.00")
