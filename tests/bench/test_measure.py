import json
from dataclasses import replace

import numpy as np
import pytest

from spectral.bench import loops as bench_loops
from spectral.bench import measure as bench
from spectral.lab.presets import STUDENTS, Experiment
from spectral.lab.store import Store


def test_extrapolation():
    """Two students, 50 epochs: a plain epoch of 0.2 s makes 20 s, against runs of 2 s and 4 s."""
    found = bench.extrapolated([[0.2, 0.2], [0.4], [0.8]], [2.0, 4.0], 100)
    assert found == pytest.approx([10, 10, 20, 10, 20])
    with pytest.raises(ValueError, match=r"zip\(\)"):
        bench.extrapolated([[0.2], [0.2]], [1.0, 1.0], 1)


def test_grid_cost_adds_what_the_store_says(tmp_path, small):
    store = Store(tmp_path / "committed", tmp_path / "local")
    grid = [
        Experiment(f"grid/{student}/{width}", "grid", "student_hidden", student, config)
        for index, student in enumerate(("spectral", "matched"))
        for width in (4, 6)
        for config in [replace(small, seed=index, student_hidden=width)]
    ]
    for number, experiment in enumerate(grid[:3], 1):
        numbers = {"seconds": 10.0 * number, "cpu_seconds": 12.0 * number, "peak_memory_mib": 100 * number}
        machine = {"machine": "AMD EPYC, 2 cores, 1 threads"}
        store.save(experiment.config.hash(), {"x": np.zeros(1)}, numbers | machine)
    found = bench.grid_cost(grid, store)
    assert found["students"] == {
        "spectral": {"runs": 2, "there": 2, "seconds": 30.0, "cpu_seconds": 36.0, "busy_seconds": 18.0},
        "matched": {"runs": 2, "there": 1, "seconds": 30.0, "cpu_seconds": 36.0, "busy_seconds": 18.0},
    }
    assert found["peak_memory_mib"] == 300
    assert found["machines"] == ["AMD EPYC, 2 cores, 1 threads"]
    (store.local / f"{grid[0].config.hash()}.json").write_text("{}")
    assert bench.grid_cost(grid, store)["students"]["spectral"]["there"] == 1


def test_the_ratio_of_steps_has_students_interval_over_pairs(monkeypatch):
    """1, 2 and 3: mean 2, and 4.3027 / sqrt(3) on both sides; as the ledger reads it."""
    monkeypatch.setattr(bench, "cost_ratio", lambda first, second, pairs: np.arange(1.0, 1 + pairs))
    found = bench._step_cost_ratio(bench.QUICK, False)
    assert found == {"mean": 2.0, "low": found["low"], "high": found["high"], "n": 3, "compiled": False}
    assert (2 - found["low"], found["high"] - 2) == pytest.approx((2.48414, 2.48414), abs=1e-5)


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
