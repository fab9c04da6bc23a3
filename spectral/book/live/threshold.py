"""The live figure "Where do you draw the line?": how many nodes of four kinds of students lie above a threshold.

A count asks of a score only between which thresholds it lies. So the page is given, instead of scores, how many nodes
lie between neighbouring ones of a fixed list of thresholds; its counts at these are `spectral.measures.effective_size`
exactly, and scores are drawn to a twentieth of a decade.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from spectral.book.figures.style import ROLES
from spectral.lab.collection import MissingResult
from spectral.lab.results import Result
from spectral.measures import effective_size

KINDS = ("spectral", "lasso", "matched", "published")
"""The students of a grid, in the order in which they are shown."""

DECADES, STEPS = 3, 20
"""Decades of scores below a student's largest, and thresholds in each of them."""

THRESHOLDS = tuple(float(f"{10 ** (step / STEPS - DECADES):.2g}") for step in range(DECADES * STEPS))
"""From 0.001 on upwards to 0.89, with two digits each, so that what is read is what is compared with."""

OFFERED, FIRST = 0.5, 0.05
"""The largest threshold that the page offers, and the one that it begins with, the paper's."""


def threshold_data(results: Mapping[tuple[str, int], Result]) -> dict[str, Any]:
    """What the page needs of a grid of results, by student (one of `KINDS`) and width.

    Returns
    -------
    dict
        ``thresholds``, K of them; ``offered``, how many of these can be chosen, and ``first``, the index of that which
        is chosen at first; ``teacher``, h_T; ``inputs`` and ``second``, d and m; ``widths``, W of them; ``epochs``, the
        R at which scores were stored; ``members``, how many students of each kind and width there are; ``middle``, the
        index of the width to begin with; ``runs``, the hashes of the results; and ``students``, of which each has

        ``role``, ``label``
            As in `spectral.book.figures.style.ROLES`.
        ``one``
            Of the first teacher's first student, what `steps` gives: by ``incoming``, of all widths and epochs
            (W, R, K), and by ``product``, which is stored of the last epoch alone, of all widths (W, K).
        ``all``
            The same, summed over all members.

    Raises
    ------
    MissingResult
        If there is nothing, or not every student at every width.
    ValueError
        If the results differ in teacher, members or epochs.
    """
    roles = [role for role in KINDS if any(role == one for one, _ in results)]
    widths = sorted({width for _, width in results})
    missing = [(role, width) for role in roles for width in widths if (role, width) not in results]
    if missing or not roles:
        raise MissingResult(f"a live figure needs every student at every width; there is none of {missing or KINDS}")
    frames = {_frame(result) for result in results.values()}
    if len(frames) > 1:
        raise ValueError(f"results of one teacher size, with equal members and epochs, are compared; got {frames}")
    ((teacher, inputs, second, members, epochs),) = frames
    students = []
    for role in roles:
        incoming = [[steps(scores) for scores in results[role, width].history.scores] for width in widths]
        product = [steps(results[role, width].product) for width in widths]
        students.append(
            {
                "role": role,
                "label": ROLES[role].label,
                "one": {
                    "incoming": [[counts[0].tolist() for counts in of] for of in incoming],
                    "product": [counts[0].tolist() for counts in product],
                },
                "all": {
                    "incoming": [[counts.sum(0).tolist() for counts in of] for of in incoming],
                    "product": [counts.sum(0).tolist() for counts in product],
                },
            }
        )
    return {
        "thresholds": list(THRESHOLDS),
        "offered": sum(threshold <= OFFERED for threshold in THRESHOLDS),
        "first": THRESHOLDS.index(FIRST),
        "teacher": teacher,
        "inputs": inputs,
        "second": second,
        "widths": widths,
        "middle": _usual(widths, teacher),
        "epochs": list(epochs),
        "members": members,
        "students": students,
        "runs": [results[role, width].config.hash() for role in roles for width in widths],
    }


def steps(scores: Tensor) -> Tensor:
    """How many nodes lie above the highest of the K `THRESHOLDS`, and how many above each next but not the last.

    `scores` is (E, h_S), the result (E, K): its first k + 1 entries sum up to the effective size at the k-th threshold
    from above.
    """
    sizes = torch.stack([effective_size(scores, threshold) for threshold in reversed(THRESHOLDS)], -1)
    return sizes.diff(dim=-1, prepend=torch.zeros_like(sizes[:, :1]))


def _frame(result: Result) -> tuple[int, int, int, int, tuple[int, ...]]:
    """What has to be the same of all results."""
    config = result.config
    members = config.teachers * config.trials
    return config.teacher_hidden, config.input_dim, config.second_nodes, members, tuple(result.history.score_epochs)


def _usual(widths: list[int], teacher: int) -> int:
    """The index of the width nearest to ten times the teacher's."""
    return min(range(len(widths)), key=lambda index: abs(widths[index] - 10 * teacher))
