"""How calls are timed on machines that drift: in turns, and in pairs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np


def cost_ratio(first: Callable[[], object], second: Callable[[], object], pairs: int) -> np.ndarray:
    """How many times as long `first` takes as `second`: one ratio for each of `pairs` interleaved pairs of calls.

    Machines drift and share their cores. A pair is timed back to back, in alternating order, so that what slows one
    call tends to slow the other; one pair beforehand is not counted.
    """
    ratios = []
    for pair in range(pairs + 1):
        seconds = {}
        for call in (first, second) if pair % 2 else (second, first):
            start = time.perf_counter()
            call()
            seconds[call] = time.perf_counter() - start
        ratios.append(seconds[first] / seconds[second])
    return np.array(ratios[1:])


Call = Callable[[], object]


Spread = dict[str, float]


def interleaved(calls: Mapping[Any, Call], rounds: int, least: float) -> dict[Any, list[float]]:
    """Seconds of every call in every round; calls take turns, so that a slow moment of the machine meets all.

    Each is called once beforehand, to compile and to warm up, and within a round as often as fills `least` seconds.
    """
    counts = {}
    for key, call in calls.items():
        call()
        counts[key] = max(1, math.ceil(least / max(timed(call), 1e-9)))
    times: dict[Any, list[float]] = {key: [] for key in calls}
    for number in range(rounds):
        for key in list(calls) if number % 2 else reversed(list(calls)):
            times[key].append(timed(calls[key], counts[key]))
    return times


def timed(call: Call, count: int = 1) -> float:
    """Seconds of one of `count` calls."""
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def median_range(values: Sequence[float], scale: float = 1.0) -> Spread:
    """Median and range of `values` times `scale`."""
    low, median, high = (float(scale * f(values)) for f in (np.min, np.median, np.max))
    return {"median": median, "low": low, "high": high, "n": len(values)}
