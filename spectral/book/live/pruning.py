"""The live figure "Prune it yourself": students and teachers with the orders in which their nodes go.

The page computes the pruned student's answers itself, from the weights that are given here. What takes thousands of
patterns comes with them: what pruning costs at every size.

Axes: h nodes left, d inputs, m nodes of the second layer, L points of the line.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from spectral.book.quantities import THRESHOLD
from spectral.curves import greedy_order, growth, onset, prune_sweep
from spectral.lab.collection import MissingResult, Results
from spectral.lab.presets import BASE
from spectral.lab.results import Result
from spectral.prune import compact, cut_nodes, node_scores, rank
from spectral.streams import Member
from spectral.students import Student, as_student
from spectral.tasks import Task

SIZES = (BASE[0], 80)
"""h_T of the teachers: one whose size students find at penalties of very different strength, and one beyond."""

POINTS, ENDS = 201, (-0.5, 1.5)
"""Points of the line, and where it begins and ends: at 0 it is at the first test pattern, at 1 at the second."""

DIGITS = 6
"""Significant digits of weights, and decimals of errors in units of E[y^2]."""


def pruning_data(results: Results) -> dict[str, Any]:
    """What the page needs of one teacher of each of `SIZES` and its students, one at each strength of the penalties.

    The students are those of the first teacher of preset ``universal``'s setting with h_T nodes and the usual number
    of inputs, and of the same setting with both penalties times a factor. A size that is not there is left out.

    Returns
    -------
    dict
        ``tolerance``, the growth of the error that is not zero, in units of E[y^2]; ``ends``, those of the line;
        ``runs``, the hashes of the results; and ``teachers``, of which each has

        ``nodes``, ``most``
            h_T, and the largest number of nodes to keep that is worth showing: twice h_T, or more if a student has
            more left, rounded up to tens.
        ``line``
            The first two test patterns, (2, d).
        ``answers``
            The teacher's along the line, (L,).
        ``orders``
            As in `orders_data`, of the teacher itself.
        ``students``
            From the lightest penalty to the heaviest. Of each ``penalty``, the factor of both; ``nodes``, h_S;
            and what `student_data` gives.

    Raises
    ------
    MissingResult
        If no teacher is there, or a result is not in the store.
    """
    chosen = [one for size in SIZES for one in _usual(results, size)]
    if not chosen:
        raise MissingResult(f"there is no experiment with teachers of {' or '.join(map(str, SIZES))} nodes here")
    teachers, runs = [], []
    for base in chosen:
        of = [base, *results.select(varied="penalties", base=base.name)]
        of.sort(key=lambda one: one.config.l2_phi)
        runs += [one.config.hash() for one in of]
        students = {one.config.l2_phi / base.config.l2_phi: results[one] for one in of}
        teachers.append(_teacher_data(students))
    return {"tolerance": THRESHOLD, "ends": list(ENDS), "teachers": teachers, "runs": runs}


def _usual(results: Results, size: int) -> list:
    return results.select(design="universal", varied="teacher", teacher_hidden=size, input_dim=BASE[1])


def _teacher_data(students: dict[float, Result]) -> dict[str, Any]:
    """Of one teacher, and its students by the factor of their penalties."""
    first = next(iter(students.values()))
    (member,), task, size = first.members([0]), first.task([0]), first.config.teacher_hidden
    found = []
    for factor, result in students.items():
        own = {"penalty": float(f"{factor:.3g}"), "nodes": result.config.student_hidden}
        found.append(own | student_data(result.student([0]), task, member))
    most = max(2 * size, *(len(one["first"]) for one in found))
    ends = task.test.x[0, :2].double()
    return {
        "nodes": size,
        "most": -(-most // 10) * 10,
        "line": _rounded(ends),
        "answers": _rounded(task.teacher(along(ends).to(task.test.x.dtype))[0]),
        "orders": orders_data(as_student(task.teacher), task, member),
        "students": found,
    }


def along(ends: Tensor) -> Tensor:
    """Inputs (L, d) on the straight line through two patterns (2, d)."""
    t = torch.linspace(*ENDS, POINTS, dtype=ends.dtype).unsqueeze(-1)
    return ends[0] + t * (ends[1] - ends[0])


def student_data(student: Student, task: Task, member: Member) -> dict[str, Any]:
    """The nodes of one student that are left, with weights and orders.

    Returns
    -------
    dict
        ``first`` (h, d) and ``second`` (h, m): of every node what it receives and what it sends. Nodes that receive or
        send nothing are left out, and the others stand in the order of their incoming norm. ``error`` is the whole
        student's, in units of E[y^2]; ``orders`` is what `orders_data` gives.

    Raises
    ------
    ValueError
        If there is more than one student, or nothing left of it; if the activation is not relu, which is what the
        page computes.
    """
    if student.members != 1 or student.activation != "relu":
        raise ValueError(f"one relu student is shown; got {student.members} of {student.activation}")
    student, _ = compact(student, node_scores(student, "product") > 0)
    cut_nodes(student, rank(node_scores(student)))
    with torch.no_grad():
        error = (student(task.test.x) - task.test.y).square().mean() / task.test.y.square().mean()
    return {
        "first": _rounded(student.first.weight[0]),
        "second": _rounded(student.second.weight[0].T),
        "error": round(float(error), DIGITS),
        "orders": orders_data(student, task, member),
    }


def orders_data(student: Student, task: Task, member: Member) -> dict[str, dict[str, Any]]:
    """Four orders in which the nodes of one network of h nodes go, and what that costs on the test patterns.

    Returns
    -------
    dict
        By ``incoming`` (the paper's score), ``product``, ``greedy`` and ``random``: ``order``, the nodes (h,), the last
        to go first; ``grown``, the growth of the error with n = 0 ... h of them, in units of E[y^2]; ``critical``, the
        smallest n from which on upwards it has grown by less than `THRESHOLD`. Greedy removal chooses on the
        validation patterns. The random order is one draw, the first of the member's teacher's seed.
    """
    noise = torch.rand(1, student.student_hidden, generator=torch.Generator().manual_seed(member.teacher_seed))
    orders = {
        "incoming": rank(node_scores(student)),
        "product": rank(node_scores(student, "product")),
        "greedy": greedy_order(student, task.validation),
        "random": rank(noise),
    }
    found = {}
    for name, order in orders.items():
        sweep = prune_sweep(student, task.test, order)
        found[name] = {
            "order": order[0].tolist(),
            "grown": growth(sweep)[0].double().numpy().round(DIGITS).tolist(),
            "critical": int(onset(sweep, THRESHOLD)),
        }
    return found


def _rounded(values: Tensor) -> list:
    """Nested lists of numbers with so many significant `DIGITS`."""
    flat = [float(f"{value:.{DIGITS}g}") for value in values.detach().flatten().tolist()]
    return np.reshape(flat, values.shape).tolist()
