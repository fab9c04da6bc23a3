r"""What removing nodes of a committee costs, from its weights alone; numpy and scipy only.

A committee of h nodes answers :math:`y(x) = \sum_k v_k\, g(w_k \cdot x)`, with x ~ N(0, C), where C is the identity
unless it is said otherwise. Silencing the nodes of a
set S changes the answer by :math:`-\sum_{k \in S} v_k\, g(w_k \cdot x)`, so the mean squared error of what is left is

.. math::  \Delta(S) = \sum_{k, l \in S} v_k v_l\, K(w_k, w_l), \qquad
           K(w, w') = \mathbb{E}\big[g(w \cdot x)\, g(w' \cdot x)\big] .

For relu, K is the arc-cosine kernel of order one (Cho and Saul, NeurIPS 2009); for :math:`\mathrm{erf}(z/\sqrt2)`
the arcsine kernel (Williams, NeurIPS 1996). With :math:`\theta` the angle between w and w' (all products and lengths
are those that C gives, :math:`w \cdot w' \to w^T C w'`, since the pre-activations have these covariances):

.. math::

   K_{relu} = \frac{\lvert w\rvert \lvert w'\rvert}{2\pi} \big(\sin\theta + (\pi - \theta) \cos\theta\big), \qquad
   K_{erf} = \frac2\pi \arcsin \frac{w \cdot w'}{\sqrt{(1 + \lvert w\rvert^2)(1 + \lvert w'\rvert^2)}} .

**Equal nodes.** Let c be the correlation of two different nodes' answers, K(w, w') / K(w, w), mean over random
directions, and let a fraction f = k/h of equal nodes be removed. Then

.. math::  \frac{\Delta}{\mathbb{E}[y^2]} = \frac{(1 - c) f + c\,h f^2}{(1 - c) + c\,h} .

Nodes whose signs are random (odd g such as erf, where w and -w are equally likely) have c = 0, and the error grows as
f: exponent 1. The answers of relu nodes all have the same sign, c tends to :math:`1/\pi` in many dimensions, and the
error grows as :math:`f^2` once more than (1 - c)/c = :math:`\pi - 1` nodes are gone: exponent 2. With fewer removed it
is 1 for them, too. How wide that first part is in f shrinks as 1/h: only an infinite teacher has a sharp exponent.

**The weakest first.** Nodes are not equal, and the first to go are the shortest. With r(u) the norm below which a
fraction u of nodes lies, sums over removed nodes become :math:`\int_0^f r` and :math:`\int_0^f r^2`. Weights that are
spread over d dimensions with a finite density at zero have :math:`r(u) \sim u^{1/d}` near the lower end, so that the
exponents become

.. math::  \beta = 1 + 2/d \quad (c = 0), \qquad \beta = 2 + 2/d \quad (c > 0,\ h \to \infty) .

So the exponent has two classes, random signs and equal signs, and depends on the dimension of the inputs within each.

Axes: h nodes, d inputs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from spectral.stats.checks import check_count, check_finite, exponent, numbers

MOST = 1e150
"""Size of weights whose squares are numbers."""


def kernel(first: ArrayLike, activation: str, covariance: ArrayLike | None = None) -> np.ndarray:
    """K of all pairs of rows of `first` (h, d), shape (h, h); "relu", "erf" or "identity".

    Inputs are Gaussian, of this `covariance` (d, d), default the identity.

    Raises
    ------
    ValueError
        If there is no closed form for `activation`; if `first` is not a matrix of a node and an input or more; if a
        weight is not finite, with its place, or above `MOST`; if `covariance` is no symmetric matrix (d, d), or
        has a negative eigenvalue.
    """
    weights = _weights(first)
    if not isinstance(activation, str) or activation not in _KERNELS:
        raise ValueError(f"no closed form is known for {activation!r}; there is one for {', '.join(_KERNELS)}")
    if covariance is None:
        return _KERNELS[activation](weights @ weights.T)
    matrix = _square(covariance, "covariance", weights.shape[1])
    variances = np.linalg.eigvalsh(matrix)
    if variances[0] < -1e-9 * np.abs(variances).max():  # below what rounding makes of zero
        raise ValueError(f"covariance must have no negative eigenvalue; the least is {variances[0]:.3g}")
    return _KERNELS[activation](weights @ matrix @ weights.T)


def _weights(first: ArrayLike) -> np.ndarray:
    weights = numbers(first, "first")
    if weights.ndim != 2 or not weights.size:
        raise ValueError(f"first must hold one row of incoming weights for every node; got shape {weights.shape}")
    check_finite(weights, "first")
    if np.abs(weights).max() > MOST:
        raise ValueError(f"the largest weight is {np.abs(weights).max():.3g}; squares of more than {MOST} overflow")
    return weights


def _square(values: ArrayLike, name: str, size: int) -> np.ndarray:
    """A symmetric matrix of so many rows."""
    matrix = numbers(values, name)
    if matrix.shape != (size, size):
        raise ValueError(f"{name} must be of shape {(size, size)}; got {matrix.shape}")
    check_finite(matrix, name)
    if not np.allclose(matrix, matrix.T):
        raise ValueError(
            f"{name} must be symmetric; its entries differ from those across by up to "
            f"{np.abs(matrix - matrix.T).max():.3g}"
        )
    return matrix


def _arc_cosine(gram: np.ndarray) -> np.ndarray:
    norm = np.sqrt(np.diag(gram))
    both = np.outer(norm, norm)
    cosine = np.clip(np.divide(gram, both, out=np.zeros_like(gram), where=both > 0), -1, 1)
    return both / (2 * np.pi) * (np.sqrt(1 - cosine**2) + (np.pi - np.arccos(cosine)) * cosine)


def _arcsine(gram: np.ndarray) -> np.ndarray:
    scale = np.sqrt(1 + np.diag(gram))
    return 2 / np.pi * np.arcsin(gram / np.outer(scale, scale))


_KERNELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": _arc_cosine,
    "erf": _arcsine,
    "identity": lambda gram: gram,
}

CLOSED = tuple(_KERNELS)
"""Activations of which K is known in closed form, for Gaussian inputs."""


def pruning_curve(
    first: ArrayLike,
    activation: str,
    *,
    outgoing: ArrayLike | None = None,
    order: ArrayLike | None = None,
    covariance: ArrayLike | None = None,
    products: ArrayLike | None = None,
) -> np.ndarray:
    """Mean squared error of a pruned committee over E[y^2], for n = 0 … h nodes kept, shape (h + 1,).

    Parameters
    ----------
    first, outgoing:
        Incoming weights (h, d), and v of shape (h,), default ones.
    order:
        The nodes from the first to keep to the first to go; default from the longest ``|v_k| |w_k|`` to the shortest.
    covariance:
        Of the inputs, as in `kernel`.
    products:
        K of all pairs (h, h), where it is not that of `kernel`: of other activations or inputs it can be measured.

    Raises
    ------
    ValueError
        If shapes do not fit, or `order` is not a permutation of the nodes; if the committee says nothing, E[y^2] = 0,
        so that there is no relative error; and as in `kernel`.
    """
    weights = _weights(first)
    v = np.ones(len(weights)) if outgoing is None else numbers(outgoing, "outgoing")
    if v.shape != weights.shape[:1]:
        raise ValueError(f"outgoing must hold one weight for each of {len(weights)} nodes; got shape {v.shape}")
    check_finite(v, "outgoing")
    v = np.ldexp(v, -exponent(v))  # of which the relative error does not depend
    turn = np.argsort(-np.abs(v) * np.linalg.norm(weights, axis=1), kind="stable") if order is None else order
    places = numbers(turn, "order")
    if not np.array_equal(np.sort(places, None), np.arange(len(weights))) or places.ndim != 1:
        raise ValueError(f"order must be a permutation of {len(weights)} nodes; got {places.tolist()}")
    places = places.astype(int)
    each = kernel(weights, activation, covariance) if products is None else _square(products, "products", len(weights))
    cost = (np.outer(v, v) * each)[np.ix_(places, places)]
    tail = cost[::-1, ::-1].cumsum(0).cumsum(1).diagonal()[::-1]  # entry n: sum over nodes n, n + 1, ...
    if not tail[0] > np.finfo(float).eps * np.abs(cost).sum():
        raise ValueError(
            "this committee says nothing, E[y^2] = 0, and has no relative error: all its nodes are silent, cancel, or "
            "have weights whose squares vanish"
        )
    return np.append(tail, 0.0) / tail[0]


def relu_correlation(dim: int) -> float:
    r"""Correlation c of relu nodes: K(w, w') / K(w, w), mean over independent directions in `dim` dimensions.

    :math:`c = 2 d\, a^2` with a the mean of relu over a component of a unit vector; it falls to :math:`1/\pi`.

    Raises TypeError or ValueError unless `dim` is a whole number of at least 1.
    """
    check_count(dim, "dim")
    # With a = 1 / (2 sqrt(pi) (d/2)_(1/2)): the ratio of two gamma functions, which by themselves are too large.
    return float(dim / (2 * np.pi) / scipy.special.poch(dim / 2, 0.5) ** 2)


def limit_exponent(dim: int, *, aligned: bool) -> float:
    """Exponent of an infinite teacher close to its transition, the shortest nodes removed first.

    Raises TypeError or ValueError unless `dim` is a whole number of at least 1.
    """
    check_count(dim, "dim")
    return (2.0 if aligned else 1.0) + 2 / dim
