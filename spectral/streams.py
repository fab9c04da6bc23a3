"""Random streams: one generator for each member and purpose, never a global state.

A stream is named by ``(seed, teacher seed, trial, purpose)`` and by nothing else. What a member draws
therefore does not depend on who else is in the batch, on what was drawn before, or on the student's
width or parametrization: a spectral student and its direct twin see the same data, in the same order,
from the same initial weights.

PyTorch's CPU generator keeps the low 32 bits of a seed (1 and 1 + 2**32 give the same stream), so 64-bit
hashes would be no protection against two equal streams. The 32 bits are divided instead: the purpose
takes the upper three and can never coincide with another purpose; the rest of the name is hashed into the
lower 29, and `member_streams` refuses the rare batch in which two members would share them.

Numbers are drawn in double precision on the CPU and rounded to the type asked for, so that a float64 run repeats
the same experiment as a float32 run and a GPU sees the same world as a CPU. One thing is needed again and again while
a student trains, the order of its patterns: it is counted, not drawn, see `counted_orders`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Generator, Tensor

Purpose = Literal["teacher", "train", "validation", "test", "initial", "order", "noise"]
_PURPOSES: tuple[str, ...] = get_args(Purpose)
_HASH_BITS = 29
_GOLDEN = 0x9E3779B97F4A7C15 - 2**64  # SplitMix64's step


class Member(NamedTuple):
    """One student of a batch: which teacher it learns from, and which trial it is.

    Attributes
    ----------
    seed:
        Of the experiment: of patterns, starts, and the order of patterns.
    teacher_seed:
        Of the teacher; members with the same one have the same teacher.
    trial:
        Number among the students of this teacher, from 0.
    """

    seed: int
    teacher_seed: int
    trial: int


def stream(member: Member, purpose: Purpose) -> Generator:
    """A fresh CPU generator for one member and purpose; the same name always gives the same numbers.

    A teacher is shared by its trials and by all experiments: its stream depends on ``teacher_seed`` alone.
    """
    key = (0, member.teacher_seed, 0) if purpose == "teacher" else member
    return Generator().manual_seed((_PURPOSES.index(purpose) << _HASH_BITS) | _hash(*key))


def member_streams(members: Sequence[Member], purpose: Purpose) -> list[Generator]:
    """One generator per member, in order.

    Raises
    ------
    ValueError
        If two different members would get the same stream (probability about 1e-4 in a batch of 300).
    """
    hashes: dict[int, Member] = {}
    for member in members:
        other = hashes.setdefault(_hash(*member), member)
        if other != member:
            raise ValueError(
                f"members {other} and {member} fall on the same random stream; choose another seed than {member.seed}"
            )
    return [stream(member, purpose) for member in members]


def glorot_uniform(
    shape: tuple[int, int],
    generators: Sequence[Generator],
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Weights ``U(-a, a)``, ``a = sqrt(6 / (O + I))``, shape ``(len(generators), O, I)``.

    Each member's block comes from its own generator, at its own width.
    """
    return symmetric_uniform(shape, generators, (6 / sum(shape)) ** 0.5, dtype)


def symmetric_uniform(
    shape: tuple[int, ...],
    generators: Sequence[Generator],
    bound: float,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Independent numbers from U(-bound, bound), shape ``(len(generators), *shape)``, each block from its own."""
    uniform = torch.stack([torch.rand(shape, generator=g, dtype=torch.float64, device="cpu") for g in generators])
    return uniform.mul_(2 * bound).sub_(bound).to(dtype or torch.get_default_dtype())


def standard_normal(
    shape: tuple[int, ...],
    generators: Sequence[Generator],
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Independent numbers from N(0, 1), shape ``(len(generators), *shape)``, each block from its own generator."""
    normal = torch.stack([torch.randn(shape, generator=g, dtype=torch.float64, device="cpu") for g in generators])
    return normal.to(dtype or torch.get_default_dtype())


def order_keys(generators: Sequence[Generator]) -> Tensor:
    """What `counted_orders` needs to know of each generator, its seed, mixed; int64, shape ``(len(generators),)``."""
    return _mix(torch.tensor([generator.initial_seed() for generator in generators]))


def counted_orders(keys: Tensor, epoch: int, count: int) -> Tensor:
    """An order of ``0 ... count - 1`` for each key and `epoch`, shape ``(len(keys), count)``, on the keys' device.

    The indices sorted by 64-bit hashes (SplitMix64; Steele, Lea and Flood, OOPSLA 2014) of a counter that begins
    at the key. Different counters have different hashes, so there are no ties, and the same order comes out
    on every device. There is no state, and nothing waits for another processor.
    """
    index = torch.arange(epoch * count, (epoch + 1) * count, device=keys.device)
    return _mix(keys.unsqueeze(-1) + index * _GOLDEN).argsort(-1)


def _mix(z: Tensor) -> Tensor:
    """SplitMix64's finaliser, one to one on int64, which wraps around as unsigned numbers do."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ ((z >> shift) & (2 ** (64 - shift) - 1))) * (factor - 2**64)  # a shift that fills with zeros
    return z ^ ((z >> 31) & (2**33 - 1))


def _hash(*key: int) -> int:
    """29 well-mixed bits of integers of any size."""
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:4]) >> (32 - _HASH_BITS)
