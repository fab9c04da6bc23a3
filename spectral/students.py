r"""The student: the teacher's shape with more hidden nodes, many members at once.

.. math::

   y(x) = \sum_{k=1}^{m} g\Big(\sum_{i=1}^{h_S} W^2_{ki}\; g\big(w_i \cdot x\big)\Big)

(arXiv:2310.12612.) The first layer is spectral, :math:`w_i = -\lambda_i \phi_i`; in a direct
student its :math:`\lambda_i = 1` are frozen and it is an ordinary layer. The second layer is dense and trained,
the last sum is fixed.

Axes: E members, B batch, d inputs, h_S hidden nodes, m second-layer nodes.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Generator, Tensor, nn

from spectral.activations import activation as lookup
from spectral.checks import check_tensor, is_member
from spectral.layers import CheckedModule, SpectralLinear
from spectral.tasks import Patterns, Teacher

Parametrization = Literal["spectral", "direct"]


class Student(CheckedModule):
    """E two-layer students with summed output, trained together; see the module's formula.

    Parameters
    ----------
    input_dim, student_hidden, teacher_second:
        d, h_S and m.
    members:
        E.
    parametrization:
        "spectral" trains phi and lam_out of the first layer, "direct" trains phi alone (``w = -phi``).
    train_phi, train_lam_in, train_lam_second:
        Variants of the spectral student: eigenvectors frozen at their start; eigenvalues of the inputs, or those of the
        second layer's outputs, trained, too.
    activation:
        "relu", "tanh" or "erf".
    generators:
        One CPU generator per member for the initial values; without, PyTorch's default generator. Both
        parametrizations draw the same phi and second layer from equal generators.

    Attributes
    ----------
    first, second:
        The two layers; ``first.weight`` is (E, h_S, d), ``second.weight`` is (E, m, h_S).

    Examples
    --------
    >>> student = Student(10, 40, 10, members=3)
    >>> student(torch.ones(7, 10)).shape
    torch.Size([3, 7])
    """

    def __init__(
        self,
        input_dim: int,
        student_hidden: int,
        teacher_second: int,
        members: int = 1,
        *,
        parametrization: str = "spectral",
        activation: str = "relu",
        train_phi: bool = True,
        train_lam_in: bool = False,
        train_lam_second: bool = False,
        generators: Sequence[Generator] | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if parametrization not in get_args(Parametrization):
            raise ValueError(
                f"unknown parametrization {parametrization!r}; choose one of {', '.join(get_args(Parametrization))}"
            )
        lookup(activation)
        if members is None:
            raise ValueError("a Student always has an axis of members; use members=1 for a single one")
        self.activation = activation
        self.first = SpectralLinear(
            input_dim,
            student_hidden,
            members=members,
            train_lam_in=train_lam_in,
            train_lam_out=parametrization == "spectral",
            train_phi=train_phi,
            generator=generators,
            device=device,
            dtype=dtype,
        )
        self.second = SpectralLinear(
            student_hidden,
            teacher_second,
            members=members,
            train_lam_out=train_lam_second,
            generator=generators,
            device=device,
            dtype=dtype,
        )

    @property
    def members(self) -> int:
        """E."""
        return self.first.phi.shape[0]

    @property
    def student_hidden(self) -> int:
        """h_S, the number of hidden nodes."""
        return self.first.out_features

    def member(self, index: int) -> Student:
        """A student of its own with a copy of one member's numbers; raises ValueError if there is no such member."""
        if not is_member(index, self.members):
            raise ValueError(f"index must be a member from 0 to {self.members - 1}, not {index!r}")
        own = {
            id(whole): nn.Parameter(whole.detach()[index : index + 1].clone(), whole.requires_grad)
            for whole in self.parameters()
        }
        alone = copy.deepcopy(self, dict(own))
        alone.first.members = alone.second.members = 1
        return alone

    def hidden(self, x: Tensor) -> Tensor:
        """Activations of the hidden nodes, (E, B, h_S), for `x` (E, B, d) or (B, d)."""
        return lookup(self.activation).apply(self.first(x))

    def readout(self, preactivation: Tensor) -> Tensor:
        """The output (E, B) from the second layer's pre-activations (E, B, m)."""
        return lookup(self.activation).apply(preactivation).sum(-1)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (E, B) for inputs `x` (E, B, d), or (B, d) for all members alike."""
        return self.readout(self.second(self.hidden(x)))

    def extra_repr(self) -> str:
        """The line that `print(student)` shows."""
        return f"activation={self.activation}"


def check_patterns(student: Student, patterns: Patterns) -> None:
    """Raise ValueError or TypeError unless patterns are one or more for each member, of the student's inputs and type.

    Whether they are finite is not looked at: what is not, is seen in what the student makes of it.
    """
    x, y, members = patterns.x, patterns.y, student.members
    for name, values in (("x", x), ("y", y)):
        check_tensor(values, f"patterns.{name}")
    if y.ndim != 2 or not y.numel() or x.shape != (*y.shape, student.first.in_features) or len(y) != members:
        raise ValueError(
            f"patterns must have shapes ({members}, P, {student.first.in_features}) and ({members}, P), P at least 1; "
            f"got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    if x.dtype != student.first.phi.dtype or not y.is_floating_point():
        raise TypeError(
            f"patterns must be of the student's type, {student.first.phi.dtype}; got {x.dtype} and {y.dtype}"
        )


@torch.no_grad()
def as_student(teacher: Teacher) -> Student:
    """Teachers as direct students of h_T nodes that know everything: the same function, node for node.

    What is done to students, scores and pruning, can then be done to their teachers, to compare with.

    Raises
    ------
    ValueError
        If the teachers have one layer only: that is no student's shape.
    """
    if teacher.second is None:
        raise ValueError("a teacher with one layer cannot be written as a student, which has two")
    members, nodes, inputs = teacher.first.shape
    student = Student(
        inputs,
        nodes,
        teacher.second.shape[1],
        members,
        parametrization="direct",
        activation=teacher.activation,
        generators=[Generator() for _ in range(members)],  # what they draw is overwritten
        device=teacher.first.device,
        dtype=teacher.first.dtype,
    )
    student.first.phi.copy_(-teacher.first)  # a layer's weight is -phi
    student.second.phi.copy_(-teacher.second)
    return student
