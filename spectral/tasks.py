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

Inputs have mean 0 and variance 1 in every component:

=============  =====================================================================================
inputs         x
=============  =====================================================================================
gaussian       N(0, 1)^d, the paper's
uniform        U(-√3, √3)^d
correlated     N(0, C), :math:`C_{ij} = \rho^{|i - j|}` with ρ = 0.5: the stationary AR(1) process along
               the components. Its principal variances lie between 1/3 and 3.
digits         handwritten digits (scikit-learn's bundled set, 1,797 images of 8 x 8 pixels): pixels
               standardised, projected to their first d principal components, and whitened
=============  =====================================================================================

Digits are whitened so that they differ from Gaussian inputs in shape alone (dependent components, other tails): unequal
variances are what "correlated" is for. Standardising and projecting use all images, but no answers.

Axes: E members, P patterns, d inputs. Every member has its own teacher and its own patterns. Training, validation
and test patterns come from three generators of their own: none contains another, and none changes when the size of
another does. Digits are dealt from one shuffled pack for each member instead: training patterns from its top, test
patterns from its bottom, validation patterns above those.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from spectral.activations import activation as lookup
from spectral.checks import check_count, check_number, check_tensor
from spectral.streams import Member, Purpose, glorot_uniform, member_streams, standard_normal, symmetric_uniform

TeacherKind = Literal["two-layer", "committee", "linear"]
InputKind = Literal["gaussian", "uniform", "correlated", "digits"]

CORRELATION = 0.5
"""ρ, the correlation of neighbouring components of correlated inputs."""

DIGITS, DIGITS_DIM = 1_797, 61
"""Images there are, and pixels that are not the same in all of them: the largest dimension they can be projected to."""


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

    Raises
    ------
    ValueError
        If the shapes do not fit together, or there is no such activation.
    """

    first: Tensor
    second: Tensor | None
    activation: str

    def __post_init__(self) -> None:
        check_tensor(self.first, "first")
        lookup(self.activation)
        if self.first.ndim != 3 or not self.first.numel():
            raise ValueError(f"first must have shape (E, h_T, d), all at least 1; got {tuple(self.first.shape)}")
        members, nodes, _ = self.first.shape
        if self.second is not None:
            check_tensor(self.second, "second")
        if self.second is not None and (
            self.second.ndim != 3 or not self.second.numel() or self.second.shape[::2] != (members, nodes)
        ):
            raise ValueError(f"second must have shape ({members}, m, {nodes}); got {tuple(self.second.shape)}")

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Answers (E, P) to inputs `x` of shape (E, P, d), or (P, d) for all teachers alike.

        Raises
        ------
        ValueError
            If the inputs' width is not d, or they are of another number of teachers.
        """
        check_tensor(x, "x")
        members, _, d = self.first.shape
        if x.ndim not in (2, 3) or x.shape[-1] != d or x.shape[:-2] not in ((), (members,)):
            raise ValueError(
                f"the teacher takes inputs of width {d}, in shape ({members}, P, {d}) or (P, {d}); got shape "
                f"{tuple(x.shape)}"
            )
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
        If `kind` or `activation` is unknown; if there is no member, or a size is not a whole number of at least 1; if
        the type is none of floating point.
    """
    if kind not in get_args(TeacherKind):
        raise ValueError(f"unknown teacher {kind!r}; choose one of {', '.join(get_args(TeacherKind))}")
    lookup(activation)
    check_count(input_dim, "input_dim")
    check_count(teacher_hidden, "teacher_hidden")
    if kind == "two-layer":
        check_count(teacher_second, "teacher_second")
    if not members:
        raise ValueError("there must be a member, whose teacher is made; got none")
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ValueError(f"dtype must be one of PyTorch's, of floating point: weights are fractions; got {dtype!r}")
    generators = member_streams(members, "teacher")
    first = glorot_uniform((teacher_hidden, input_dim), generators, dtype)
    second = glorot_uniform((teacher_second, teacher_hidden), generators, dtype) if kind == "two-layer" else None
    return Teacher(first, second, "identity" if kind == "linear" else activation)


def covariance(inputs: str, dim: int) -> Tensor | None:
    """C of inputs that are N(0, C), (d, d), double precision; None for those that are not Gaussian."""
    if inputs not in ("gaussian", "correlated"):
        return None
    place = torch.arange(dim, dtype=torch.float64)
    rho = CORRELATION if inputs == "correlated" else 0.0
    return rho ** (place[:, None] - place).abs()


def check_inputs(inputs: str, dim: int, patterns: int) -> None:
    """That there are `patterns` of that kind in `dim` dimensions, for training, validation and test together.

    Raises
    ------
    ValueError
        If the kind is unknown, a number is below 1, or digits are asked for that there are not.
    """
    if inputs not in get_args(InputKind):
        raise ValueError(f"unknown inputs {inputs!r}; choose one of {', '.join(get_args(InputKind))}")
    check_count(dim, "dim")
    check_count(patterns, "patterns")
    if inputs == "digits" and patterns > DIGITS:
        raise ValueError(
            f"there are {DIGITS:,} digits for training, validation and test together; {patterns:,} patterns were "
            "asked for. Possible are, for example, 1,300 patterns, of which 300 for validation, and 497 for the test"
        )
    if inputs == "digits" and dim > DIGITS_DIM:
        raise ValueError(f"digits can be projected to {DIGITS_DIM} dimensions at most; {dim} were asked for")


def make_task(
    members: Sequence[Member],
    teacher: Teacher,
    *,
    inputs: str = "gaussian",
    train_patterns: int = 8_000,
    validation_patterns: int = 2_000,
    test_patterns: int = 10_000,
    label_noise: float = 0.0,
) -> Task:
    """Draw each member's patterns, and let its teacher answer them.

    `label_noise` is the standard deviation of Gaussian noise on the training answers, in units of their root mean
    square for each member. Validation and test answers are clean.

    Raises
    ------
    ValueError
        If `inputs` is unknown, or has not as many patterns or dimensions; see `check_inputs`. If there are not as many
        members as teachers, a number of patterns is negative, or `label_noise` is negative or not finite.
    ImportError
        If digits are asked for where scikit-learn is not installed.
    """
    dim, dtype = teacher.first.shape[-1], teacher.first.dtype
    if len(members) != len(teacher.first):
        raise ValueError(f"there must be a member for each teacher; got {len(members)} for {len(teacher.first)}")
    numbers = (("train", train_patterns), ("validation", validation_patterns), ("test", test_patterns))
    for name, number in numbers:
        check_count(number, f"{name}_patterns", 0)
    check_number(label_noise, "label_noise", "be a finite number of at least 0", lambda value: 0 <= value < math.inf)
    check_inputs(inputs, dim, train_patterns + validation_patterns + test_patterns)
    counts: dict[Purpose, int] = {"train": train_patterns, "validation": validation_patterns, "test": test_patterns}
    if inputs == "digits":
        sets = _deal_digits(members, dim, counts)
    else:
        sets = {purpose: _draw(inputs, (count, dim), members, purpose) for purpose, count in counts.items()}
    train, validation, test = (Patterns(x, teacher(x)) for x in (sets[purpose].to(dtype) for purpose in counts))
    if label_noise:
        noise = standard_normal((train_patterns,), member_streams(members, "noise"), dtype)
        rms = train.y.square().mean(-1, keepdim=True).sqrt()
        train = Patterns(train.x, train.y + label_noise * rms * noise)
    return Task(teacher, train, validation, test)


def _draw(inputs: str, shape: tuple[int, int], members: Sequence[Member], purpose: Purpose) -> Tensor:
    """Random inputs (E, P, d) in double precision."""
    generators = member_streams(members, purpose)
    if inputs == "uniform":
        return symmetric_uniform(shape, generators, 3**0.5, torch.float64)
    z = standard_normal(shape, generators, torch.float64)
    if inputs == "correlated":
        step = (1 - CORRELATION**2) ** 0.5
        for i in range(1, shape[1]):  # x_i = rho x_{i-1} + sqrt(1 - rho^2) z_i
            z[..., i] = CORRELATION * z[..., i - 1] + step * z[..., i]
    return z


def _deal_digits(members: Sequence[Member], dim: int, counts: dict[Purpose, int]) -> dict[Purpose, Tensor]:
    """Each member's shuffled pack of digits, dealt to the three sets, (E, P, d)."""
    pack, end = _digits(dim), DIGITS - counts["test"]
    cards = {
        "train": slice(0, counts["train"]),
        "validation": slice(end - counts["validation"], end),
        "test": slice(end, DIGITS),
    }
    order = torch.stack([torch.randperm(DIGITS, generator=g) for g in member_streams(members, "train")])
    return {purpose: pack[order[:, cards[purpose]]] for purpose in counts}


@functools.lru_cache(maxsize=4)
def _digits(dim: int) -> Tensor:
    """All digits in `dim` whitened principal components, (1797, d), double precision; see the module's table."""
    try:
        from sklearn.datasets import load_digits
        from sklearn.decomposition import PCA
        from sklearn.preprocessing import StandardScaler
    except ImportError:
        raise ImportError(
            "inputs = 'digits' are scikit-learn's, which is not installed here; install it with: "
            "pip install 'student-teacher-spectral[digits]', or pip install scikit-learn"
        ) from None
    pixels = StandardScaler().fit_transform(load_digits().data)
    return torch.from_numpy(PCA(dim, whiten=True, svd_solver="full").fit_transform(pixels)).contiguous()
