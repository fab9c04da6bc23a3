r"""Dead nodes leave on the way, and training goes on with a narrower batch.

A node is *weak* when its score, the norm of its incoming weights, is below the resolution of the number format times
the largest score of its student (:math:`2^{-23}` in float32): whatever it adds to a sum is lost in rounding. A node
that is weak at two checks in a row is *dropped*: its trained numbers and Adam's memory of them are set to zero, which
no later step can leave, and once enough have gone the batch is repacked to the width of its widest member.

This is a rule of ours, not a theorem and not the paper's. Left alone, Adam can throw a vanished node back: near zero
its steps are past their stability limit. Dropping makes death final.

Axes: E members, h nodes of the batch as it is, h_S nodes of the student as it was.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from spectral.prune import cut_nodes, node_scores, node_tensors, take_nodes
from spectral.students import Student

CHECK_EVERY = 10
"""Epochs between two checks."""

REPACK_BELOW = 0.9
"""The batch is repacked when its widest member needs at most this part of the present width."""


class Roster:
    """Which node of the full student each node of a shrinking one is; shrinks `student` in place.

    Parameters
    ----------
    student, optimiser:
        What is being trained, and by what; tensors of the optimiser's state that are shaped like a parameter follow it.
    resolution:
        Part of the largest score below which a node is weak; default the resolution of the number format.
    repack_below:
        See `REPACK_BELOW`; 0 never repacks, and leaves dropped nodes in the batch as zeros.

    Attributes
    ----------
    origin:
        Index in the full student, -1 for a dropped node, shape (E, h).
    """

    def __init__(
        self,
        student: Student,
        optimiser: torch.optim.Optimizer,
        *,
        resolution: float | None = None,
        repack_below: float = REPACK_BELOW,
    ) -> None:
        self._student, self._optimiser, self._repack_below = student, optimiser, repack_below
        self._resolution = torch.finfo(student.first.phi.dtype).eps if resolution is None else resolution
        shape = (student.members, student.student_hidden)
        device = student.first.phi.device
        self.origin = torch.arange(shape[1], device=device).expand(shape).clone()
        self._weak = torch.zeros(shape, dtype=torch.bool, device=device)
        self._width = shape[1]
        self._frozen = {p: p.detach().clone() for p, _ in node_tensors(student) if not p.requires_grad}

    @torch.no_grad()
    def check(self) -> None:
        """Drop the nodes that are weak now and were weak at the last check; repack if that pays."""
        scores = node_scores(self._student)
        weak = scores < self._resolution * scores.amax(-1, keepdim=True)  # never the strongest node
        dead = weak & self._weak & (self.origin >= 0)
        self._weak = weak
        if not dead.any():
            return
        self.origin[dead] = -1
        for parameter, axis in node_tensors(self._student):
            if parameter.requires_grad:
                for tensor in (parameter, *self._memory(parameter)):
                    tensor.movedim(axis, 1)[dead] = 0
        width = int((self.origin >= 0).sum(-1).max())
        if width <= self._repack_below * self._student.student_hidden:
            self._repack(width)

    def expand(self, values: Tensor, axis: int = 1, base: Tensor | None = None) -> Tensor:
        """Put `values`, whose `axis` holds the present nodes, back to full width; zero (or `base`) for dropped ones."""
        shape = list(values.shape)
        shape[axis] = self._width
        result = values.new_zeros(shape) if base is None else base.clone()
        for member, origin in enumerate(self.origin):
            kept = origin >= 0
            result[member].movedim(axis - 1, 0)[origin[kept]] = values[member].movedim(axis - 1, 0)[kept]
        return result

    @torch.no_grad()
    def restore(self) -> None:
        """Give the student its full width back: dropped nodes are silent, frozen numbers what they were."""
        for parameter, axis in node_tensors(self._student):
            parameter.data = self.expand(parameter.detach(), axis, self._frozen.get(parameter))
        self._student.first.out_features = self._student.second.in_features = self._width

    def state(self) -> dict[str, Any]:
        """All of the shrinking student and of the optimiser, to go on from."""
        return {
            "origin": self.origin,
            "weak": self._weak,
            "parameters": [p.detach() for p in self._student.parameters()],
            "memory": [self._optimiser.state.get(p, {}) for p in self._student.parameters()],
        }

    @torch.no_grad()
    def load_state(self, state: dict[str, Any]) -> None:
        """Bring student and optimiser to where `state` was taken."""
        device = self.origin.device
        self.origin, self._weak = (state[name].to(device, copy=True) for name in ("origin", "weak"))
        for parameter, value, memory in zip(
            self._student.parameters(), state["parameters"], state["memory"], strict=True
        ):
            # Copies lie in memory as any other tensor does; a file's may be aligned otherwise, and round otherwise.
            parameter.data = value.to(device, copy=True)
            if memory:
                self._optimiser.state[parameter] = {name: kept.to(device, copy=True) for name, kept in memory.items()}
        self._student.first.out_features = self._student.second.in_features = self.origin.shape[1]

    def _repack(self, width: int) -> None:
        """Move the nodes that are left to the front, in their order, and cut the batch to `width`."""
        order = torch.argsort(self.origin < 0, dim=-1, stable=True)[:, :width]
        for parameter, axis in node_tensors(self._student):
            for memory in self._memory(parameter):
                memory.data = take_nodes(memory, axis, order)
        cut_nodes(self._student, order)
        self.origin, self._weak = self.origin.gather(1, order), self._weak.gather(1, order)

    def _memory(self, parameter: Tensor) -> list[Tensor]:
        """What the optimiser keeps of each number of `parameter`."""
        state = self._optimiser.state.get(parameter, {})
        return [kept for kept in state.values() if kept.shape == parameter.shape]
