"""Calls are timed in turns."""

from types import SimpleNamespace

from spectral.bench import timing


def test_cost_ratio_is_interleaved_and_exact_on_a_clock_of_our_own(monkeypatch):
    now, calls = [0.0], []
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def call(name, seconds):
        calls.append(name)
        now[0] += seconds * (1 + len(calls))  # a machine that slows down

    ratios = timing.cost_ratio(lambda: call("a", 2), lambda: call("b", 1), 4)
    assert "".join(calls) == "baabbaabba"
    assert ratios.tolist() == [2 * 4 / 5, 2 * 7 / 6, 2 * 8 / 9, 2 * 11 / 10]


def test_calls_take_turns_after_a_warm_up():
    calls = []
    times = timing.interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3, 0.0)
    assert "".join(calls) == "aabb" + "ba" + "ab" + "ba"
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 3, "b": 3}


def test_short_calls_are_repeated(monkeypatch):
    """By a clock that only the call moves, by a quarter of a second: four calls fill a second."""
    clock = [0.0]

    def call():
        clock[0] += 0.25

    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    assert timing.interleaved({"a": call}, 3, 1.0) == {"a": [0.25] * 3}
    assert clock[0] == 0.25 * (2 + 3 * 4)


def test_spread_is_median_and_range():
    assert timing.median_range([0.2, 0.1, 0.4], 10) == {"median": 2.0, "low": 1.0, "high": 4.0, "n": 3}
