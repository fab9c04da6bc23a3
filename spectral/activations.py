"""Activation functions and their derivatives, by name.

=========  ============================  ==========================================
name       g(z)                          g'(z)
=========  ============================  ==========================================
relu       max(z, 0)                     1 if z > 0, else 0 (as in `torch.relu`)
tanh       tanh(z)                       1 - tanh(z)^2
erf        erf(z / sqrt(2))              sqrt(2 / pi) exp(-z^2 / 2)
identity   z                             1
=========  ============================  ==========================================

The error function carries the 1/sqrt(2) of Saad and Solla (Phys. Rev. E 52, 4225 (1995)), with which
averages over Gaussian inputs have closed forms. All give zero at zero, so that a node without weights is silent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

ActivationName = Literal["relu", "tanh", "erf", "identity"]


class Activation(NamedTuple):
    """A function g of the pre-activation z, and its chain rule: from dL/dg, z and g(z) to dL/dz."""

    apply: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor, Tensor], Tensor]


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(torch.relu, lambda grad, z, g: torch.ops.aten.threshold_backward(grad, g, 0)),
    "tanh": Activation(torch.tanh, lambda grad, z, g: grad * (1 - g * g)),
    "erf": Activation(
        lambda z: torch.erf(z * math.sqrt(0.5)),
        lambda grad, z, g: grad * torch.exp(-0.5 * z * z) * math.sqrt(2 / math.pi),
    ),
    "identity": Activation(lambda z: z, lambda grad, z, g: grad),
}


def activation(name: str) -> Activation:
    """The activation called `name`.

    Raises
    ------
    ValueError
        If there is none of that name; the message lists those there are.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {name!r}; choose one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
