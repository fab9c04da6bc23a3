r"""What students learn: random teachers, inputs, and fixed disjoint splits.

Teachers of d inputs, with activation g and Glorot-uniform weights W1 (h_T, d) and W2 (m, h_T), without bias:

=============  ======================================================================
kind           y(x)
=============  ======================================================================
two-layer      :math:`\sum_{k=1}^{m} g\big(\sum_i W^2_{ki}\, g(W^1_i \cdot x)\big)`
committee      :math:`\sum_i g(W^1_i \cdot x)`
linear         :math:`\sum_i W^1_i \cdot x`
=============  ======================================================================

"two-layer" with relu is the paper's (arXiv:2310.12612). A linear teacher has h_T rows, yet its function
is that of a single one: nothing in the data tells h_T.

Axes: E members, P patterns, d inputs. Every member has its own teacher and its own patterns. Training, validation
and test patterns come from three generators of their own: none contains another, and none changes when the size of
another does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from spectral.activations import activation as lookup
from spectral.streams import Member, Purpose, glorot_uniform, member_streams, standard_normal

TeacherKind = Literal["two-layer", "committee", "linear"]
InputKind = Literal["gaussian"]


@dataclass(frozen=True)
class Teacher:
    """A batch of E random teachers of one shape.

    Attributes
    ----------
    first:
        Weights of the first layer, shape (E, h_T, d): the teacher nodes that students are to find.
    second:
        Weights of the second layer, shape (E, m, h_T); None for a teacher with one layer.
    activation:
        Name of the activation; "identity" for a linear teacher.
    """

    first: Tensor
    second: Tensor | None
    activation: str

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Answers (E, P) to inputs `x` of shape (E, P, d), or (P, d) for all teachers alike.

        Raises
        ------
        ValueError
            If the inputs' width is not d.
        """
        if x.shape[-1] != self.first.shape[-1]:
            raise ValueError(f"the teacher takes inputs of width {self.first.shape[-1]}; got shape {tuple(x.shape)}")
        apply = lookup(self.activation).apply
        hidden = apply(x @ self.first.mT)  # (E, P, d) -> (E, P, h_T)
        if self.second is None:
            return hidden.sum(-1)
        return apply(hidden @ self.second.mT).sum(-1)  # (E, P, h_T) -> (E, P, m) -> (E, P)


@dataclass(frozen=True)
class Patterns:
    """Inputs `x` (E, P, d) and the teachers' answers `y` (E, P)."""

    x: Tensor
    y: Tensor

    def to(self, device: torch.device) -> Patterns:
        """The same patterns on `device`."""
        return Patterns(self.x.to(device), self.y.to(device))


@dataclass(frozen=True)
class Task:
    """Teachers and the three disjoint sets of patterns."""

    teacher: Teacher
    train: Patterns
    validation: Patterns
    test: Patterns

    def to(self, device: torch.device) -> Task:
        """The same task on `device`."""
        second = None if self.teacher.second is None else self.teacher.second.to(device)
        teacher = Teacher(self.teacher.first.to(device), second, self.teacher.activation)
        return Task(teacher, self.train.to(device), self.validation.to(device), self.test.to(device))


def make_teacher(
    members: Sequence[Member],
    *,
    kind: str = "two-layer",
    input_dim: int = 10,
    teacher_hidden: int = 20,
    teacher_second: int = 10,
    activation: str = "relu",
    dtype: torch.dtype | None = None,
) -> Teacher:
    """One teacher for each member; members with equal ``teacher_seed`` get equal teachers.

    Raises
    ------
    ValueError
        If `kind` or `activation` is unknown.
    """
    if kind not in get_args(TeacherKind):
        raise ValueError(f"unknown teacher {kind!r}; choose one of {', '.join(get_args(TeacherKind))}")
    lookup(activation)
    generators = member_streams(members, "teacher")
    first = glorot_uniform((teacher_hidden, input_dim), generators, dtype)
    second = glorot_uniform((teacher_second, teacher_hidden), generators, dtype) if kind == "two-layer" else None
    return Teacher(first, second, "identity" if kind == "linear" else activation)


def make_task(
    members: Sequence[Member],
    teacher: Teacher,
    *,
    inputs: str = "gaussian",
    train_patterns: int = 8_000,
    validation_patterns: int = 2_000,
    test_patterns: int = 10_000,
) -> Task:
    """Draw each member's patterns, ``x ~ N(0, 1)^d``, and let its teacher answer them.

    Raises
    ------
    ValueError
        If `inputs` is unknown.
    """
    if inputs not in get_args(InputKind):
        raise ValueError(f"unknown inputs {inputs!r}; choose one of {', '.join(get_args(InputKind))}")
    dim, dtype = teacher.first.shape[-1], teacher.first.dtype

    def patterns(count: int, purpose: Purpose) -> Patterns:
        x = standard_normal((count, dim), member_streams(members, purpose), dtype)
        return Patterns(x, teacher(x))

    return Task(
        teacher,
        train=patterns(train_patterns, "train"),
        validation=patterns(validation_patterns, "validation"),
        test=patterns(test_patterns, "test"),
    )
