"""Pruning curves with planted critical sizes and exponents, for tests of what is found in them."""

import numpy as np

from spectral.book.universality import Setting

SIZES = (20, 40, 80, 160)


def planted(size: int, ratio: float = 1.0, beta: float = 1.5, noise: float = 0.02, dim: int = 10) -> Setting:
    """Growth ``(1 - n/(ratio h_T))^beta``, amplitudes different for each member."""
    rng = np.random.default_rng([size, dim])
    n = np.arange(2 * size + 1)
    curve = np.clip(1 - n / (ratio * size), 0, None) ** beta
    return Setting(size, dim, curve * (1 + noise * rng.normal(size=(4, 3, 1))))


def family(**planting: float) -> list[Setting]:
    """Teachers of all sizes in two dimensions each."""
    return [planted(size, dim=dim, **planting) for size in SIZES for dim in (5, 10)]
