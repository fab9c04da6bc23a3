"""Figures of the chapter on the error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from spectral.book.figures.drawing import ends, line, name_ends, numbered, points
from spectral.book.figures.style import NEUTRAL, ROLES, SHORT, axes_of
from spectral.stats.intervals import Interval


def against_width(
    widths: Sequence[int],
    errors: Mapping[str, Interval],
    wide: Sequence[int],
    ratios: Mapping[str, Interval],
    teacher_hidden: int,
) -> None:
    """Errors in thousandths of E[y^2] against the student's width, a line for each role.

    Beside them the spectral student's over those of its controls with the same teacher, at the widths that are `wide`:
    points, side by side where they have one width.
    """
    figure, (left, right) = axes_of(2, height=3.5)
    left.axvline(teacher_hidden, color=NEUTRAL, linewidth=1)
    for role, interval in errors.items():
        line(left, widths, interval, role, marker="o")
    left.set_title("test error, thousandths of E[y²]", x=0, ha="left")
    right.axhline(1, color=NEUTRAL, linewidth=1)
    for place, (role, interval) in enumerate(ratios.items()):
        beside = np.asarray(wide) * 1.09 ** (place - (len(ratios) - 1) / 2)
        points(right, beside, interval, colour=ROLES[role].colour, label=SHORT[role])
    right.set_title("spectral student over control", x=0, ha="left")
    for ax, shown in ((left, widths), (right, wide)):
        ax.set(xscale="log", yscale="log", xlabel="student's width $h_S$")
        numbered(ax.xaxis, [w for w in (10, 20, 40, 100, 1_000) if w in shown])
    numbered(left.yaxis, (0.5, 1, 2, 5, 10, 20, 50, 100))
    numbered(right.yaxis, (0.2, 0.5, 0.8, 1, 1.25, 2, 5))
    name_ends(figure, left, ends(errors, _sized(errors, ".1f")))
    name_ends(figure, right, [*ends(ratios, _sized(ratios, ".2f")), (1.0, "equal", NEUTRAL)])


def _sized(values: Mapping[str, Interval], spec: str) -> dict[str, str]:
    """Names of roles with their last values."""
    return {role: f"{SHORT[role]} {interval.value[-1]:{spec}}" for role, interval in values.items()}
