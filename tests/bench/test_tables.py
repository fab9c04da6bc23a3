import json
import re

import numpy as np
import pytest

from spectral import ConfigError
from spectral.bench import tables as bench_tables
from spectral.lab.files import checksum


@pytest.mark.parametrize("power", [-1.0, 0.0, 1.5])
def test_exponent_of_a_power_law(power):
    sizes = np.array([1, 3, 10, 200])
    assert bench_tables.power_of_growth(sizes, 0.3 * sizes**power) == pytest.approx(power, abs=1e-12)


def test_shares_of_an_epoch():
    parts = {"epoch": 200, "shuffle": 10, "forward": 60, "update": 30}
    found = bench_tables.percentages({name: {"median": value} for name, value in parts.items()})
    assert found == {"epoch": 100, "shuffle": 5, "forward": 30, "update": 15, "backward": 50}


def test_part_of_the_roof():
    """Of the roof for as many threads: 30 of 60, 40 of 80 and 60 of 80."""
    rate = {
        "roof": {"1": {"median": 60.0}, "2": {"median": 80.0}},
        "kernel": [
            {"inputs": inputs, "threads": threads, "gflops": [{"median": value} for value in values]}
            for inputs, threads, values in ((5, 1, [6.0]), (10, 1, [30.0]), (10, 2, [40.0, 60.0]))
        ],
    }
    assert bench_tables.of_roof(rate, 10, 1) == [50]
    assert bench_tables.of_roof(rate, 10, 2) == [50, 75]


def complete(result):
    """A result as if there had been a GPU and a whole main grid of stored runs."""
    result = json.loads(json.dumps(result))
    result["machine"]["threads"] = 2
    result["whole"]["gpu"] = {"seconds": 2 * result["whole"]["engine"]["median"], "device": "H100"}
    for kind in result["grid"]["students"].values():
        kind |= {"there": 8, "cpu_seconds": 3600.0}
    return result


def test_tables_are_whole_and_the_same_for_the_same_result(quick, tmp_path):
    result, _ = quick
    tables = bench_tables.tables(result)
    assert list(tables) == [
        "whole", "loops", "rate", "members", "widths", "parts", "start", "step_cost_ratio", "torch_cost_ratio",
        "checkpoint", "grid",
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
    assert [row[0] for row in tables["whole"].rows][-1] == "the engine"
    assert all(row[2:] == ("–", "–", "–") for row in tables["grid"].rows)
    assert tables["grid"].rows[-1][:2] == ("all", "0 of 32")
    assert "NUMBERS MEAN NOTHING" in bench_tables.machine_line(result)


def test_what_was_there_has_its_rows(quick):
    """Four kinds of an hour of processor time each; half of it passes on two cores."""
    tables = bench_tables.tables(complete(quick[0]))
    assert tables["grid"].rows[-1][:4] == ("all", "32 of 32", "4.00", "2.00")
    assert tables["whole"].rows[-1][0] == "PyTorch's loop on a GPU, H100"
    assert tables["whole"].rows[-1][2] == "2.00"


def test_what_the_layer_costs_has_a_row_for_each_batch(quick):
    """Also where the cells come in another order."""
    cells = [
        {"batch": batch, "width": width, "mean": batch / 10 + width / 100, "low": 1.0, "high": 20.0, "n": 40}
        for width in (9, 5)
        for batch in (30, 3_000)
    ]
    ratio = {"batches": [30, 3_000], "widths": [5, 9], "cells": cells}
    table = bench_tables.tables(quick[0] | {"torch_cost_ratio": ratio})["torch_cost_ratio"]
    assert table.title.endswith("of 40 pairs")
    assert table.header == ("patterns in a batch", "5 nodes", "9 nodes")
    assert table.rows == [
        ("30", "3.05 [1.00, 20.00]", "3.09 [1.00, 20.00]"),
        ("3,000", "300.05 [1.00, 20.00]", "300.09 [1.00, 20.00]"),
    ]


def test_what_is_missing_is_one_sentence(quick):
    missing = bench_tables.unmeasured(quick[0] | {"whole": quick[0]["whole"] | {"gpu": None}})
    assert missing == ("Not measured: a GPU, which was not there; the main grid, of whose 32 runs 0 were stored.")
    assert bench_tables.unmeasured(complete(quick[0])) == "Nothing was left out."


@pytest.mark.parametrize(
    ("value", "text"),
    [(1116.2, "1,116"), (184.9, "185"), (99.97, "100"), (18.0, "18.0"), (1.0, "1.00"), (0.035, "0.0350"), (0, "0.00")],
)
def test_numbers_have_three_digits(value, text):
    assert bench_tables.number(value) == text


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
    with pytest.raises(ConfigError, match="has format 0; this version reads format 3"):
        bench_tables.load(path)
