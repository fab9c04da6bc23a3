import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

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
        machine = {"machine": "AMD EPYC, 2 cores"}
        store.save(experiment.config.hash(), {"x": np.zeros(1)}, numbers | machine)
    found = bench.grid_cost(grid, store)
    assert found["students"] == {
        "spectral": {"runs": 2, "there": 2, "cpu_seconds": 36.0},
        "matched": {"runs": 2, "there": 1, "cpu_seconds": 36.0},
    }
    assert found["peak_memory_mib"] == 300
    assert found["machines"] == ["AMD EPYC, 2 cores"]
    costs = bench.stored_costs(grid, store)
    assert [*costs] == grid[:3]
    assert costs[grid[1]] == {"students": 3, "cpu_seconds": 24.0, "peak_memory_mib": 200}
    (store.local / f"{grid[0].config.hash()}.json").write_text("{}")
    assert [*bench.stored_costs(grid, store)] == grid[1:3]
    assert bench.grid_cost(grid, store)["students"]["spectral"]["there"] == 1


def test_the_ratio_of_steps_has_students_interval_over_pairs(monkeypatch):
    """1, 2 and 3: mean 2, and 4.3027 / sqrt(3) on both sides; as the ledger reads it."""
    monkeypatch.setattr(bench, "cost_ratio", lambda first, second, pairs: np.arange(1.0, 1 + pairs))
    found = bench._step_cost_ratio(bench.QUICK)
    assert found == {"mean": 2.0, "low": found["low"], "high": found["high"], "n": 3}
    assert (2 - found["low"], found["high"] - 2) == pytest.approx((2.48414, 2.48414), abs=1e-5)


def test_the_ratio_in_ordinary_pytorch_has_a_cell_for_each_batch_and_width(monkeypatch):
    """Spectral over direct, and as many steps of both: five direct ones of a tenth of a second fill 0.45 seconds."""
    called = []

    class Loop:
        def __init__(self, config, kind):
            self.which = kind, config.batch_size, config.student_hidden

        def steps(self, count=1):
            called.append((*self.which, count))

    def ratios(first, second, pairs):
        called.clear()
        first(), second()
        (spectral, batch, width, count), direct = called
        assert (spectral, direct) == ("spectral", ("direct", batch, width, count))
        assert count == 5
        return np.full(pairs, 100.0 * batch + width) + np.arange(pairs)

    monkeypatch.setattr(bench, "module_loops", lambda config: [Loop(config, kind) for kind in ("spectral", "direct")])
    monkeypatch.setattr(bench, "timed", lambda call, count: 0.1)
    monkeypatch.setattr(bench, "cost_ratio", ratios)
    found = bench._torch_cost_ratio(replace(bench.QUICK, least=0.45))
    assert (found["batches"], found["widths"]) == ((20, 60), (4, 8))
    assert [(cell["batch"], cell["width"]) for cell in found["cells"]] == [(20, 4), (20, 8), (60, 4), (60, 8)]
    assert [cell["mean"] for cell in found["cells"]] == [2005, 2009, 6005, 6009]
    assert all(cell["n"] == 3 for cell in found["cells"])
    assert found["cells"][0]["high"] == pytest.approx(2005 + 2.48414, abs=1e-5)


def test_the_measured_networks_are_those_of_the_ledger():
    """Three batch sizes and three widths, d = m = 10, relu, and no other than the main grid's settings."""
    sizes = bench.FULL
    assert (sizes.torch_batches, sizes.torch_widths) == ((30, 300, 3_000), (40, 200, 1_000))
    assert (sizes.config.input_dim, sizes.config.second_nodes, sizes.config.activation) == (10, 10, "relu")


def test_counted_ratios():
    """By hand, d = 3, m = 2, h = 5: 30 parameters for 25; 7 patterns take 7 x 5 x 12 multiplications, and 45 more."""
    assert bench.counted_ratios(3, 2, 5, 7) == pytest.approx((30 / 25, 465 / 420))
    assert bench.counted_ratios(10, 10, 200, 300) == pytest.approx((1.05, 1.002))


def test_counted_multiplications_are_those_of_the_layers(small):
    """Of matrix products in PyTorch; what comes on top are products element by element, of d h numbers each."""
    counts = []
    for loop in bench_loops.module_loops(replace(small, batch_size=60)):
        with FlopCounterMode(display=False) as counter:
            loop.steps()
        counts.append(counter.get_total_flops())
    assert counts == [60 * small.student_hidden * bench.operations(small.input_dim, small.second_nodes)] * 2


def test_operations_are_those_of_the_products():
    """Counted in PyTorch's own products, d = 3 and m = 2, for 7 patterns and 5 nodes."""
    w1, w2 = torch.ones(5, 3, requires_grad=True), torch.ones(2, 5, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        (torch.relu(torch.ones(7, 3) @ w1.T) @ w2.T).sum().backward()
    assert counter.get_total_flops() == 7 * 5 * bench.operations(3, 2)


def test_a_quick_result_has_everything(quick):
    result, said = quick
    assert result["quick"] is True
    assert len(said) == 6
    assert result == json.loads(json.dumps(result, allow_nan=False))
    loops, whole, rate = result["loops"], result["whole"], result["rate"]
    assert set(loops["ms_per_epoch"]) == set(bench_loops.PLAIN_LOOPS) - {"Adam, fused; model compiled"}
    assert loops["chosen"] in loops["ms_per_epoch"]
    assert whole["student_epochs"] == 3 * 4
    for way in ("alone", "at_once"):
        assert whole["ratio"][way]["n"] == whole["plain"][way]["n"] == 10
        expected = whole["plain"][way]["median"] / whole["engine"]["median"]
        assert whole["ratio"][way]["median"] == pytest.approx(expected)
    threads = sorted({1, result["machine"]["threads"]})
    assert list(rate["roof"]) == [f"{count}" for count in threads]
    assert [(kernel["inputs"], kernel["threads"]) for kernel in rate["kernel"]] == [(10, count) for count in threads]
    assert all(len(kernel["gflops"]) == 2 for kernel in rate["kernel"])
    assert [len(result["growth"][axis]) for axis in ("members", "widths")] == [2, 2]
    assert {name: list(parts) for name, parts in result["parts"].items()} == {
        "8": ["epoch", "shuffle", "forward", "update"]
    }
    assert result["start"].keys() == {"cold", "warm"}
    ratio = result["step_cost_ratio"]
    assert ratio["low"] < ratio["mean"] < ratio["high"]
    assert ratio["n"] == 3
    assert [(cell["batch"], cell["width"], cell["n"]) for cell in result["torch_cost_ratio"]["cells"]] == [
        (20, 4, 3), (20, 8, 3), (60, 4, 3), (60, 8, 3),
    ]  # fmt: skip
    assert all(cell["low"] < cell["mean"] < cell["high"] for cell in result["torch_cost_ratio"]["cells"])
    assert 0 < result["checkpoint"]["percent"]["median"] < 100
    assert set(result["grid"]["students"]) == set(STUDENTS)
    assert all(kind["runs"] == 8 and kind["there"] == 0 for kind in result["grid"]["students"].values())
    assert {"machine", "torch", "numba", "python", "date", "git", "threads"} <= set(result["machine"])


def test_rates_and_costs_on_a_clock_of_our_own(monkeypatch):
    """An epoch of every engine takes a second, a product of matrices one, too."""
    sizes = replace(bench.QUICK, members=(2,), widths=(10,), rate_inputs=(5,))
    monkeypatch.setattr(bench, "interleaved", lambda calls, rounds, least: {key: [60.0, 60.0] for key in calls})
    found = bench._rate(sizes)
    assert found["roof"]["1"]["median"] == pytest.approx(2e-9 * 64**3 / 60)
    one = found["kernel"][0]["gflops"][0]["median"]  # 60 epochs in one go
    assert one == pytest.approx(1e-9 * 200 * 10 * (4 * 5 + 6 * 5))
    assert bench._growth(sizes, [(2, 60)])[0]["median"] == pytest.approx(1e3 * 60 / 10 / 2)
