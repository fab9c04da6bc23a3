r"""What keeps a student small: the paper's split L2 penalty, and the group lasso that it hides.

The paper penalises eigenvectors and eigenvalues apart: :math:`a\,\lVert\phi\rVert^2 + b\,\lVert\lambda^{out}\rVert^2`.
A node's weight row :math:`w_i = -\lambda_i \phi_i` can be shared between the two factors at will, and among all
pairs with the same :math:`w_i`

.. math::  \min_{\lambda_i \phi_i = -w_i}\; a \lVert\phi_i\rVert^2 + b \lambda_i^2 \;=\; 2\sqrt{ab}\,\lVert w_i\rVert ,

reached where both terms are equal. At that balance the sum over nodes is a group lasso: a penalty that is linear in
the norm of a node and so can bring whole nodes to zero (Hoff, Comput. Stat. Data Anal. 115, 186 (2017)). With
SGD both penalties are needed for that. With Adam nodes die also where b = 0: of the first term, which its normalisation
makes the stronger the less a node hears from the loss (the book's chapter on why nodes die).

Every function returns one value for each member, shape (E,); for a layer without members, a scalar.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from spectral.checks import check_count, check_number, check_strength
from spectral.layers import SpectralLinear


def split_l2(layer: SpectralLinear, l2_phi: float, l2_lam: float) -> Tensor:
    """``l2_phi |phi|^2 + l2_lam (|lam_out|^2 + |lam_in|^2)`` of the factors that are trained (arXiv:2310.12612).

    A frozen factor is a constant of the objective and left out: a direct layer is penalised by `l2_phi` alone, and
    the paper's spectral layer, whose lam_in is frozen at zero, by the first two terms.

    Raises
    ------
    TypeError
        If the layer is not spectral.
    ValueError
        If a strength is negative or not finite.
    """
    factors = penalised(layer, l2_phi, l2_lam)
    total = layer.phi.new_zeros(layer.phi.shape[:-2])
    for factor, strength in factors:
        lead = total.ndim
        total = total + strength * factor.square().flatten(lead).sum(-1)
    return total


def penalised(layer: SpectralLinear, l2_phi: float, l2_lam: float) -> list[tuple[Tensor, float]]:
    """The factors of `layer` that `split_l2` acts on, each with its strength; errors as there."""
    if not isinstance(layer, SpectralLinear):
        raise TypeError(f"the split penalty is of a SpectralLinear; got a {type(layer).__name__}")
    check_strength(l2_phi, "l2_phi")
    check_strength(l2_lam, "l2_lam")
    factors = [(layer.phi, l2_phi), (layer.lam_out, l2_lam), (layer.lam_in, l2_lam)]
    return [(factor, strength) for factor, strength in factors if factor.requires_grad]


def group_lasso(layer: SpectralLinear, strength: float) -> Tensor:
    """``strength * sum_i |w_i|`` over the rows of the layer's weight; ValueError if it is negative or not finite."""
    check_strength(strength, "strength")
    return strength * layer.weight.norm(dim=-1).sum(-1)


def balanced_strength(l2_phi: float, l2_lam: float) -> float:
    """``2 sqrt(l2_phi l2_lam)``: the group lasso that the split penalty amounts to at the best balance.

    Raises ValueError if one is negative or not finite.
    """
    check_strength(l2_phi, "l2_phi")
    check_strength(l2_lam, "l2_lam")
    return 2 * math.sqrt(l2_phi * l2_lam)


@torch.no_grad()
def soften(values: Tensor, metric: Tensor, strength: float) -> None:
    r"""The proximal step of an L1 penalty, in place, in a diagonal metric: small numbers go to exactly zero.

    Replaces each number w by the u that minimises :math:`s |u| + \tfrac12 q (u - w)^2`: w moved towards zero by
    :math:`s/q`, and not beyond (soft thresholding). `values`, w, and `metric`, q, have one shape; q and `strength`, s,
    are positive. ValueError if shapes differ, or the strength is not above 0; NaN stays NaN.
    """
    _check_step(values, metric, strength)
    values.copy_(values.sign() * (values.abs() - strength / metric).clamp_min(0))


@torch.no_grad()
def shrink_rows(rows: Tensor, metric: Tensor, strength: float, iterations: int = 4) -> None:
    r"""The proximal step of a group lasso on rows, in place, in a diagonal metric: whole rows go to exactly zero.

    Replaces each row w by the u that minimises :math:`s \lVert u\rVert + \tfrac12 \sum_j q_j (u_j - w_j)^2`. That is
    zero where :math:`\lVert q w\rVert \le s`, and else :math:`u_j = q_j w_j \rho / (q_j \rho + s)` with its own norm
    :math:`\rho`, which solves :math:`\lVert q w / (q \rho + s)\rVert = 1` (cf. Yun, Lozano and Yang, *Adaptive proximal
    gradient methods for structured neural networks*, 2021). Newton's method on the inverse of that norm finds it: the
    first iteration is exact where q is the same for the whole row, and every further one squares the error.

    Shapes: `rows`, w, and `metric`, q, (..., O, I), q positive; `strength`, s, positive. ValueError if shapes differ,
    or the strength is not above 0; a row with a NaN keeps it.
    """
    _check_step(rows, metric, strength)
    check_count(iterations, "iterations")
    q, qw = metric, metric * rows
    norm = qw.norm(dim=-1, keepdim=True)
    rho = torch.zeros_like(norm)
    for _ in range(iterations):
        ratio = qw / (q * rho + strength)
        size = ratio.norm(dim=-1, keepdim=True)
        slope = (ratio.square() * q / (q * rho + strength)).sum(-1, keepdim=True) / size.pow(3)  # of 1 / size
        rho = (rho + (1 - 1 / size) / slope).nan_to_num_(0).clamp_min_(0)
    # NaN is not above the strength, but no reason for a zero: it would hide that a training has diverged.
    rows.copy_(torch.where(norm <= strength, 0, qw * rho / (q * rho + strength)))


def _check_step(values: Tensor, metric: Tensor, strength: float) -> None:
    if values.shape != metric.shape:
        raise ValueError(f"values and metric must have one shape; got {tuple(values.shape)}, {tuple(metric.shape)}")
    check_number(strength, "strength", "be a finite number above 0", lambda value: 0 < value < math.inf)
