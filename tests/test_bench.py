import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from spectral import ConfigError
from spectral.bench import loops as bench_loops
from spectral.bench import measure as bench
from spectral.bench import tables as bench_tables
from spectral.lab.experiment import make_student, prepare
from spectral.lab.files import checksum
from spectral.lab.presets import STUDENTS
from spectral.lab.store import Store
from spectral.streams import member_streams
from spectral.train import train


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A quick result, and what was reported on the way; its store is empty before and after."""
    folder, said = tmp_path_factory.mktemp("store"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECTRAL_STORE", str(folder / "local"))
        patch.setenv("SPECTRAL_RESULTS", str(folder / "committed"))
        state, threads = torch.get_rng_state(), torch.get_num_threads()
        result = bench.bench(True, said.append)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert list((folder / "local").iterdir()) == []
    return result, said


@pytest.mark.parametrize("parametrization", ["spectral", "direct"])
@pytest.mark.parametrize("loop", [name for name in bench_loops.PLAIN_LOOPS if "compiled" not in name])
def test_the_plain_loop_trains_what_the_engine_trains(small, parametrization, loop):
    """Every member, three epochs of three whole batches and a partial one: same batches, penalties, optimiser."""
    config = replace(small, parametrization=parametrization)
    (task, student), start = prepare(config), make_student(config)
    train(
        student,
        task,
        epochs=3,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        l2_phi=config.l2_phi,
        l2_lam=config.l2_lam,
        order=member_streams(config.members, "order"),
    )
    for member in range(3):
        plain = bench_loops.PlainLoop(config, task, start, loop, member)
        for _ in range(3):
            plain.epoch()
        for name in ("phi", "lam_out"):
            got, expected = getattr(plain.first, name), getattr(student.first, name)[member]
            torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)
        torch.testing.assert_close(plain.second.weight, student.second.weight[member], rtol=0, atol=1e-10)
    assert not torch.equal(plain.second.weight, start.second.weight[2])


def test_the_timed_engine_is_the_one_that_trains(small):
    engine, student = bench_loops.Engine(small), make_student(small)
    for _ in range(2):
        engine.epoch()
    options = {name: getattr(small, name) for name in ("batch_size", "learning_rate", "l2_phi", "l2_lam")}
    train(student, engine.task, epochs=2, order=member_streams(small.members, "order"), **options)
    for name, value in student.state_dict().items():
        assert torch.equal(engine.student.state_dict()[name], value), name


def test_extrapolation():
    """Two students, 50 epochs: a plain epoch of 0.2 s makes 20 s, against runs of 2 s and 4 s."""
    found = bench.extrapolated([[0.2, 0.2], [0.4], [0.8]], [2.0, 4.0], 100)
    assert found == pytest.approx([10, 10, 20, 10, 20])
    with pytest.raises(ValueError, match=r"zip\(\)"):
        bench.extrapolated([[0.2], [0.2]], [1.0, 1.0], 1)


@pytest.mark.parametrize("power", [-1.0, 0.0, 1.5])
def test_exponent_of_a_power_law(power):
    sizes = np.array([1, 3, 10, 200])
    assert bench_tables.exponent(sizes, 0.3 * sizes**power) == pytest.approx(power, abs=1e-12)


def test_grid_cost_adds_what_the_store_says(tmp_path, small):
    store = Store(tmp_path / "committed", tmp_path / "local")
    configs = {
        f"grid/{student}/{width}": replace(small, seed=index, student_hidden=width)
        for index, student in enumerate(("spectral", "matched"))
        for width in (4, 6)
    }
    for number, config in enumerate(list(configs.values())[:3], 1):
        numbers = {"seconds": 10.0 * number, "cpu_seconds": 12.0 * number, "peak_memory_mib": 100 * number}
        store.save(config.hash(), {"x": np.zeros(1)}, numbers | {"machine": "AMD EPYC, 2 cores, 1 threads"})
    found = bench.grid_cost(configs, store)
    assert found["students"] == {
        "spectral": {"runs": 2, "there": 2, "seconds": 30.0, "cpu_seconds": 36.0, "busy_seconds": 18.0},
        "matched": {"runs": 2, "there": 1, "seconds": 30.0, "cpu_seconds": 36.0, "busy_seconds": 18.0},
    }
    assert found["peak_memory_mib"] == 300
    assert found["machines"] == ["AMD EPYC, 2 cores, 1 threads"]
    (store.local / f"{configs['grid/spectral/4'].hash()}.json").write_text("{}")
    assert bench.grid_cost(configs, store)["students"]["spectral"]["there"] == 1


def test_a_quick_result_has_everything(quick):
    result, said = quick
    assert result["quick"] is True
    assert len(said) == 5
    assert result == json.loads(json.dumps(result, allow_nan=False))
    assert set(result["loops"]["ms_per_epoch"]) == set(bench_loops.PLAIN_LOOPS) - {"Adam, fused; model compiled"}
    assert result["loops"]["chosen"] in result["loops"]["ms_per_epoch"]
    whole = result["whole"]
    assert whole["student_epochs"] == 3 * 4
    assert whole["ratio"]["n"] == whole["plain_seconds"]["n"] == 10
    assert whole["ratio"]["median"] == pytest.approx(
        whole["plain_seconds"]["median"] / whole["engine_seconds"]["median"]
    )
    dropping = result["steps"]["dropping"]
    assert dropping["ms"]["median"] == pytest.approx(1e3 * whole["engine_seconds"]["median"] / 12)
    assert dropping["gain"] == whole["ratio"]
    chosen = result["loops"]["ms_per_epoch"][result["loops"]["chosen"]]
    assert result["steps"]["plain"] == {"ms": chosen, "gain": {"median": 1, "low": 1, "high": 1, "n": 1}}
    assert [len(result["growth"][axis]["eager"]) for axis in ("members", "widths")] == [2, 2]
    ratio = result["step_cost_ratio"]
    assert ratio["low"] < ratio["mean"] < ratio["high"]
    assert ratio["n"] == 3
    assert 0 < result["checkpoint"]["percent"]["median"] < 100
    assert set(result["grid"]["students"]) == set(STUDENTS)
    assert all(kind["runs"] == 8 and kind["there"] == 0 for kind in result["grid"]["students"].values())
    assert {"machine", "torch", "python", "date", "git", "threads"} <= set(result["machine"])


def test_the_arithmetic_of_the_products(quick):
    """E B h_S = 3 * 60 * 12 activations: two products with d = 10 and three with m = 10, two operations each."""
    parts = quick[0]["parts"]
    seconds = 2 * 3 * 60 * 12 * 50 / (1e9 * parts["gflops"]["low"])  # of the slowest round
    assert parts["ms_per_epoch"]["products"]["high"] == pytest.approx(1e3 * 200 / 60 * seconds)
    assert parts["operations_per_byte"] == 5.0


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
    assert bench_tables.shares(parts, "eager") == {
        "products": 25, "factors": 5, "update": 10, "shuffle": 5, "elementwise": 30, "rest": 25, "recording": 2,
        "eager": 100,
    }  # fmt: skip
    assert bench_tables.shares(parts, "compiled")["rest"] == 10


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
    assert bench_tables.verdict({"low": low, "median": median, "high": 20.0, "n": 3}, 10) == word


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


def test_a_whole_run_that_fails_says_why(small):
    with pytest.raises(RuntimeError, match="device 'nowhere' cannot be used"):
        bench_loops.whole_run(small, "nowhere")


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
