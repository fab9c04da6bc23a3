r"""One member's training on the processor: whole epochs in compiled loops that stay in a core's own caches.

A student is small, and what it does with a batch of patterns is five products of a small matrix with one that has a
column for each pattern. Here a *tile* of patterns is taken at a time, with patterns along the vector lanes: nothing is
padded to another student's width, nothing travels through memory, and one core reaches half of what it can do and more.

=============  ==========================================================  =============
for a tile     what is computed                                            by
=============  ==========================================================  =============
forward        ``a1 = g(w1 x)``, ``a2 = g(w2 a1)``                         `_add_product`
backward       ``d1 = (w2^T d2) g'(z1)``, two nodes at a time              `_add_product`
gradients      ``d1 x^T``, ``a1 d2^T``                                     `_add_dots`
=============  ==========================================================  =============

Nothing is drawn: an epoch's order of the patterns is counted, see `spectral.streams`. All sums are taken in one order,
so a member's numbers are the same to the last bit whatever else the machine does.

Written for what LLVM can turn into vector code: rows of tiles lie in one flat array at the fixed distance `TILE`, so
that it sees which loads and stores can meet; indices are unsigned, so that none has to be checked for a negative one;
sums may be reordered (`reassoc`), but not-a-number stays what it is. The first call compiles, some ten seconds, and
keeps the result on the disk.

Axes: B patterns of a tile, P patterns, d inputs, h hidden nodes, m second-layer nodes. A *number* of rows or columns
that the loops take in fives or pairs is rounded up, and what is added is zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numba
import numpy as np
from numba.extending import intrinsic

TILE = np.uint64(320)
"""Distance of the rows of a tile, and the most patterns that it holds."""

RELU, TANH, ERF = 0, 1, 2
ADAM, ADAMW, SGD = 0, 1, 2

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS: dict[str, Any] = {
    "fastmath": {"reassoc", "contract", "nsz"},
    "boundscheck": False,
    "error_model": "numpy",
    "nogil": True,
}
_part = numba.njit(**_OPTIONS)
_inlined = numba.njit(forceinline=True, **_OPTIONS)


def compiled(function: Function) -> Function:
    """`function` compiled when it is first called, with the result kept on disk if there is a place for it."""
    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # neither the package's folder nor the user's can be written
        return numba.njit(**_OPTIONS)(function)


class Numbers(NamedTuple):
    """One array for each factor of a member: values, or what the optimiser remembers of their gradients.

    Shapes (h, d), (h,), (d,) and (m, h).
    """

    phi: np.ndarray
    lam_out: np.ndarray
    lam_in: np.ndarray
    second: np.ndarray


class Rule(NamedTuple):
    """How a member is trained; `second_scale` (m, h) turns the second layer's phi into its weight."""

    activation: int
    batch_size: int
    learning_rate: float
    l2_phi: float
    l2_lam: float
    l2_second: float
    group_lasso: float
    l1: float
    slimming: float
    optimiser: int
    momentum: float
    beta1: float
    beta2: float
    eps: float
    train_phi: bool
    train_lam_out: bool
    train_lam_in: bool
    train_second: bool
    alternate: bool
    second_scale: np.ndarray


class Scratch(NamedTuple):
    """Memory for a tile, rows of `TILE` numbers in one piece, and for a step."""

    x: np.ndarray  # inputs
    y: np.ndarray  # answers
    a1: np.ndarray  # hidden activations
    slope1: np.ndarray  # g' at the hidden nodes, where it cannot be told from the activation
    a2: np.ndarray  # second-layer activations
    slope2: np.ndarray
    d2: np.ndarray  # dL/dz2
    d1: np.ndarray  # dL/dz1 of two nodes
    w1: np.ndarray  # weights
    w2: np.ndarray
    w2_t: np.ndarray
    g1: np.ndarray  # their gradients
    g2_t: np.ndarray
    gradient: Numbers  # those of the factors


def scratch(h: int, d: int, m: int, activation: int, dtype: np.dtype) -> Scratch:
    """Zeroed memory for a member of these sizes."""
    rows_d, rows_m, rows_h = _up(d, 5), _up(m, 10), _up(h, 10)

    def tile(rows: int) -> np.ndarray:
        return np.zeros(rows * int(TILE), dtype)

    slopes = activation == ERF
    return Scratch(
        x=tile(rows_d),
        y=tile(1),
        a1=tile(rows_h),
        slope1=tile(rows_h if slopes else 0),
        a2=tile(rows_m),
        slope2=tile(rows_m if slopes else 0),
        d2=tile(rows_m),
        d1=tile(2),
        w1=np.zeros((rows_h, rows_d), dtype),
        w2=np.zeros((rows_m, rows_h), dtype),
        w2_t=np.zeros((rows_h, rows_m), dtype),
        g1=np.zeros((rows_h, rows_d), dtype),
        g2_t=np.zeros((rows_h, rows_m), dtype),
        gradient=Numbers(*(np.zeros(shape, dtype) for shape in ((h, d), (h,), (d,), (m, h)))),
    )


def _up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple


@compiled
def train_epochs(
    x: np.ndarray,
    y: np.ndarray,
    key: int,
    epochs: tuple[int, int],
    steps: np.ndarray,
    values: Numbers,
    means: Numbers,
    squares: Numbers,
    rule: Rule,
    work: Scratch,
    losses: np.ndarray,
    stop: np.ndarray,
) -> int:
    """Train a member in place for the epochs from the first of `epochs` to the one before the second.

    `x` (d, P), `y` (P,); `key` of `spectral.streams.order_keys`; `steps` (4,) is how often each factor has been moved,
    `means` and `squares` are the optimiser's memory. Sums of the batches' errors go to `losses`, one for each epoch.
    Returns the next epoch, which comes sooner where `stop` (1,) is set or a loss is not finite.
    """
    count = len(y)
    order, hashes = np.empty(count, np.int64), np.empty((2, count), np.uint64)
    for epoch in range(epochs[0], epochs[1]):
        if stop[0]:
            return epoch
        shuffle(key, epoch, order, hashes)
        phi = rule.train_phi and (not rule.alternate or epoch % 2 == 1)
        lam = not rule.alternate or epoch % 2 == 0
        total = 0.0
        for start in range(0, count, rule.batch_size):
            size = min(rule.batch_size, count - start)
            _set_weights(values, rule, work)
            total += _gradients(x, y, order, start, size, rule, work) / size
            _update(values, means, squares, steps, rule, work, phi, lam)
        losses[epoch - epochs[0]] = total
        if not np.isfinite(total):
            return epoch + 1
    return epochs[1]


@compiled
def squared_error(x: np.ndarray, y: np.ndarray, values: Numbers, rule: Rule, work: Scratch) -> float:
    """Mean squared error of a member over the patterns `x` (d, P), `y` (P,)."""
    _set_weights(values, rule, work)
    order = np.arange(len(y))
    total = 0.0
    for start in range(0, len(y), int(TILE)):
        size = min(int(TILE), len(y) - start)
        total += _forward(x, y, order, start, size, rule, work)
    return total / len(y)


@compiled
def shuffle(key: int, epoch: int, order: np.ndarray, hashes: np.ndarray) -> None:
    """`spectral.streams.counted_orders` for one key, into `order` (P,): the indices sorted by their hashes.

    Hashes are spread evenly, so dropping each into the bucket of its leading bits all but sorts them.
    """
    count, bits = len(order), 1
    while (1 << bits) < count and bits < 16:
        bits += 1
    away = np.uint64(64 - bits)
    place = np.zeros((1 << bits) + 1, np.int64)
    raw, by_bucket = hashes[0], hashes[1]
    first = np.uint64(key) + np.uint64(epoch) * np.uint64(count) * np.uint64(0x9E3779B97F4A7C15)
    for i in range(count):
        z = first + np.uint64(i) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        raw[i] = (z ^ (z >> np.uint64(31))) ^ np.uint64(1 << 63)  # signed numbers in their order
    for i in range(count):
        place[(raw[i] >> away) + np.uint64(1)] += 1
    for bucket in range(1 << bits):
        place[bucket + 1] += place[bucket]
    for i in range(count):
        bucket = raw[i] >> away
        at = place[bucket]
        place[bucket] += 1
        by_bucket[at], order[at] = raw[i], i
    for i in range(1, count):
        z, index, at = by_bucket[i], order[i], i
        while at > 0 and by_bucket[at - 1] > z:
            by_bucket[at], order[at] = by_bucket[at - 1], order[at - 1]
            at -= 1
        by_bucket[at], order[at] = z, index


@_part
def _set_weights(values: Numbers, rule: Rule, work: Scratch) -> None:
    """Weights of both layers from their factors."""
    h, d = values.phi.shape
    for i in range(h):
        for j in range(d):
            work.w1[i, j] = (values.lam_in[j] - values.lam_out[i]) * values.phi[i, j]
    for k in range(values.second.shape[0]):
        for i in range(h):
            weight = rule.second_scale[k, i] * values.second[k, i]
            work.w2[k, i] = weight
            work.w2_t[i, k] = weight


@_part
def _gradients(
    x: np.ndarray, y: np.ndarray, order: np.ndarray, start: int, size: int, rule: Rule, work: Scratch
) -> float:
    """Gradients of the mean squared error over a minibatch, into `g1` and `g2_t`; returns the summed errors."""
    h, d, m = work.gradient.phi.shape[0], work.gradient.phi.shape[1], work.gradient.second.shape[0]
    number = work.y.dtype.type
    work.g1[:] = number(0)
    work.g2_t[:] = number(0)
    tiles = -(-size // int(TILE))
    width = -(-size // tiles)
    total = 0.0
    for begin in range(start, start + size, width):
        n = min(width, start + size - begin)
        total += _forward(x, y, order, begin, n, rule, work)
        length, scale = _length(n), number(2 / size)
        for b in range(length):
            work.y[b] *= scale  # what is left there is the residual
        for k in range(m):
            _set_row(work.d2, k, work.y, length)
            _chain(work.d2, k, work.a2, work.slope2, k, rule.activation, length)
        for i in range(0, h, 2):
            work.d1[:] = number(0)
            for k in range(0, m, 5):
                _add_product(work.d1, 0, work.d2, k, work.w2_t, i, k, length)
            for row in range(2):
                _chain(work.d1, row, work.a1, work.slope1, i + row, rule.activation, length)
            for j in range(0, d, 5):
                _add_dots(work.g1, i, j, work.d1, 0, work.x, j, length)
            for k in range(0, m, 5):
                _add_dots(work.g2_t, i, k, work.a1, i, work.d2, k, length)
    return total


@_part
def _forward(x: np.ndarray, y: np.ndarray, order: np.ndarray, begin: int, n: int, rule: Rule, work: Scratch) -> float:
    """Activations of a tile; the residuals go to ``work.y``, the sum of their squares is returned."""
    h, d, m = work.gradient.phi.shape[0], work.gradient.phi.shape[1], work.gradient.second.shape[0]
    number, tile, length = work.y.dtype.type, int(TILE), _length(n)
    chosen = order[begin : begin + n]
    for j in range(d):
        of, to = x[j], work.x[j * tile : j * tile + length]
        for b in range(n):
            to[b] = of[chosen[b]]
        to[n:] = number(0)
    work.a2[:] = number(0)
    for i in range(0, h, 2):
        work.a1[i * tile : (i + 2) * tile] = number(0)
        for j in range(0, d, 5):
            _add_product(work.a1, i, work.x, j, work.w1, i, j, length)
        for row in range(i, i + 2):
            _activate(work.a1, work.slope1, row, rule.activation, length)
    for k in range(0, m, 2):
        for i in range(0, h, 5):
            _add_product(work.a2, k, work.a1, i, work.w2, k, i, length)
    work.y[:] = number(0)
    for k in range(m):
        _activate(work.a2, work.slope2, k, rule.activation, length)
        _add_row(work.y, work.a2, k, length)
    total = 0.0
    for b in range(n):
        residual = work.y[b] - y[chosen[b]]
        work.y[b] = residual
        total += residual * residual
    return total


@_inlined
def _length(n: int) -> int:
    """Of the loops over n patterns: whole vectors. What is added to a tile are patterns of zeros without an error."""
    return (n + 31) // 32 * 32


@_inlined
def _add_product(c: np.ndarray, c_row: int, x: np.ndarray, x_row: int, w: np.ndarray, i: int, j: int, n: int) -> None:
    """``c += w x`` for two rows of c and five of x, with w from row i and column j on."""
    c0, x0, count = np.uint64(c_row) * TILE, np.uint64(x_row) * TILE, np.uint64(n)
    c1, x1, x2, x3, x4 = (
        c0 + TILE,
        x0 + TILE,
        x0 + TILE * np.uint64(2),
        x0 + TILE * np.uint64(3),
        x0 + TILE * np.uint64(4),
    )
    p0, p1, p2, p3, p4 = w[i, j], w[i, j + 1], w[i, j + 2], w[i, j + 3], w[i, j + 4]
    q0, q1, q2, q3, q4 = w[i + 1, j], w[i + 1, j + 1], w[i + 1, j + 2], w[i + 1, j + 3], w[i + 1, j + 4]
    for b in range(count):
        u0, u1, u2, u3, u4 = x[x0 + b], x[x1 + b], x[x2 + b], x[x3 + b], x[x4 + b]
        c[c0 + b] += p0 * u0 + p1 * u1 + p2 * u2 + p3 * u3 + p4 * u4
        c[c1 + b] += q0 * u0 + q1 * u1 + q2 * u2 + q3 * u3 + q4 * u4


@_inlined
def _add_dots(g: np.ndarray, i: int, j: int, p: np.ndarray, p_row: int, x: np.ndarray, x_row: int, n: int) -> None:
    """``g += p x^T`` for two rows of p and five of x, into g from row i and column j on."""
    p0, x0, count = np.uint64(p_row) * TILE, np.uint64(x_row) * TILE, np.uint64(n)
    p1, x1, x2, x3, x4 = (
        p0 + TILE,
        x0 + TILE,
        x0 + TILE * np.uint64(2),
        x0 + TILE * np.uint64(3),
        x0 + TILE * np.uint64(4),
    )
    zero = g.dtype.type(0)
    r0, r1, r2, r3, r4 = zero, zero, zero, zero, zero
    s0, s1, s2, s3, s4 = zero, zero, zero, zero, zero
    for b in range(count):
        v, w = p[p0 + b], p[p1 + b]
        u0, u1, u2, u3, u4 = x[x0 + b], x[x1 + b], x[x2 + b], x[x3 + b], x[x4 + b]
        r0 += v * u0
        r1 += v * u1
        r2 += v * u2
        r3 += v * u3
        r4 += v * u4
        s0 += w * u0
        s1 += w * u1
        s2 += w * u2
        s3 += w * u3
        s4 += w * u4
    g[i, j] += r0
    g[i, j + 1] += r1
    g[i, j + 2] += r2
    g[i, j + 3] += r3
    g[i, j + 4] += r4
    g[i + 1, j] += s0
    g[i + 1, j + 1] += s1
    g[i + 1, j + 2] += s2
    g[i + 1, j + 3] += s3
    g[i + 1, j + 4] += s4


@_inlined
def _add_row(c: np.ndarray, x: np.ndarray, x_row: int, n: int) -> None:
    x0 = np.uint64(x_row) * TILE
    for b in range(np.uint64(n)):
        c[b] += x[x0 + b]


@_inlined
def _set_row(c: np.ndarray, c_row: int, x: np.ndarray, n: int) -> None:
    c0 = np.uint64(c_row) * TILE
    for b in range(np.uint64(n)):
        c[c0 + b] = x[b]


@_inlined
def _activate(a: np.ndarray, slope: np.ndarray, row: int, activation: int, n: int) -> None:
    """``a = g(a)`` in one row of a tile, and for erf its ``slope``."""
    number, at = a.dtype.type, np.uint64(row) * TILE
    if activation == RELU:
        for b in range(np.uint64(n)):
            z = a[at + b]
            a[at + b] = z if z > 0 or z != z else number(0)
    elif activation == TANH:
        for b in range(np.uint64(n)):
            a[at + b] = number(_tanh(np.float64(a[at + b])))
    else:
        for b in range(np.uint64(n)):
            z = np.float64(a[at + b])
            x = z * 0.7071067811865476
            bell = _exp_minus_square(x)
            a[at + b] = number(_erf(x, bell))
            slope[at + b] = number(bell * 0.7978845608028654)


@_inlined
def _chain(d: np.ndarray, d_row: int, a: np.ndarray, slope: np.ndarray, a_row: int, activation: int, n: int) -> None:
    """``d *= g'`` in a row, with g' from the activation there or, for erf, the slope."""
    number, to, at = d.dtype.type, np.uint64(d_row) * TILE, np.uint64(a_row) * TILE
    if activation == RELU:
        for b in range(np.uint64(n)):
            grad = d[to + b]  # loaded always: a load that may be skipped is not vectorised
            d[to + b] = grad if a[at + b] > 0 else number(0)
    elif activation == TANH:
        for b in range(np.uint64(n)):
            d[to + b] *= number(1) - a[at + b] * a[at + b]
    else:
        for b in range(np.uint64(n)):
            d[to + b] *= slope[at + b]


@_part
def _update(
    values: Numbers,
    means: Numbers,
    squares: Numbers,
    steps: np.ndarray,
    rule: Rule,
    work: Scratch,
    phi: bool,
    lam: bool,
) -> None:
    """Gradients of the factors by the chain rule, with the penalties', and the optimiser's step with them."""
    g, (h, d), number = work.gradient, values.phi.shape, work.y.dtype.type
    a, b, c = number(0), number(0), number(0)
    if rule.optimiser != ADAMW:
        a, b, c = number(2 * rule.l2_phi), number(2 * rule.l2_lam), number(2 * rule.l2_second)
    for i in range(h):
        shared = number(0)
        for j in range(d):
            shared += work.g1[i, j] * values.phi[i, j]
            g.phi[i, j] = work.g1[i, j] * (values.lam_in[j] - values.lam_out[i]) + a * values.phi[i, j]
        g.lam_out[i] = b * values.lam_out[i] - shared
    if rule.train_lam_in:
        for j in range(d):
            shared = number(0)
            for i in range(h):
                shared += work.g1[i, j] * values.phi[i, j]
            g.lam_in[j] = b * values.lam_in[j] + shared
    for k in range(values.second.shape[0]):
        for i in range(h):
            g.second[k, i] = work.g2_t[i, k] * rule.second_scale[k, i] + c * values.second[k, i]
    if rule.slimming > 0:  # rows stay of unit length: what would change it is no part of their gradient
        for i in range(h):
            along = number(0)
            for j in range(d):
                along += g.phi[i, j] * values.phi[i, j]
            for j in range(d):
                g.phi[i, j] -= along * values.phi[i, j]
    # A factor that rests does not count the step.
    if phi:
        steps[0] += 1
        ravelled = values.phi.ravel(), means.phi.ravel(), squares.phi.ravel(), g.phi.ravel()
        _step(*ravelled, steps[0], rule.l2_phi, rule)
        if rule.group_lasso > 0:
            _shrink_rows(values.phi, squares.phi, steps[0], rule)
        if rule.l1 > 0:
            _soften(values.phi.ravel(), squares.phi.ravel(), rule.l1, steps[0], rule)
        if rule.slimming > 0:
            _to_unit_length(values.phi)
    if lam and rule.train_lam_out:
        steps[1] += 1
        _step(values.lam_out, means.lam_out, squares.lam_out, g.lam_out, steps[1], rule.l2_lam, rule)
        if rule.slimming > 0:
            _soften(values.lam_out, squares.lam_out, rule.slimming, steps[1], rule)
    if lam and rule.train_lam_in:
        steps[2] += 1
        _step(values.lam_in, means.lam_in, squares.lam_in, g.lam_in, steps[2], rule.l2_lam, rule)
    if rule.train_second:
        steps[3] += 1
        outgoing = values.second.ravel(), means.second.ravel(), squares.second.ravel(), g.second.ravel()
        _step(*outgoing, steps[3], rule.l2_second, rule)
        if rule.l1 > 0:
            _soften(outgoing[0], outgoing[2], rule.l1, steps[3], rule)


@_part
def _step(
    value: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    gradient: np.ndarray,
    step: int,
    strength: float,
    rule: Rule,
) -> None:
    """One step on a factor as PyTorch takes it; `strength` is that of its penalty, which AdamW decouples."""
    number = value.dtype.type
    if rule.optimiser == SGD:
        again, rate = number(rule.momentum), number(rule.learning_rate)
        for i in range(len(value)):
            mean[i] = again * mean[i] + gradient[i]
            value[i] -= rate * mean[i]
        return
    if rule.optimiser == ADAMW:
        left = number(1 - 2 * rule.learning_rate * strength)
        for i in range(len(value)):
            value[i] *= left
    rate = number(rule.learning_rate / (1 - rule.beta1**step))
    spread = number(1 / math.sqrt(1 - rule.beta2**step))
    keep1, keep2, eps = number(rule.beta1), number(rule.beta2), number(rule.eps)
    take1, take2 = number(1 - rule.beta1), number(1 - rule.beta2)
    for i in range(len(value)):
        g = gradient[i]
        mean[i] = keep1 * mean[i] + take1 * g
        square[i] = keep2 * square[i] + take2 * g * g
        value[i] -= rate * mean[i] / (np.sqrt(square[i]) * spread + eps)


@_part
def _soften(value: np.ndarray, square: np.ndarray, strength: float, step: int, rule: Rule) -> None:
    """`spectral.penalties.soften` in Adam's metric ``(sqrt(v) + eps) / lr``."""
    number = value.dtype.type
    spread, eps = number(1 / math.sqrt(1 - rule.beta2**step)), number(rule.eps)
    by = number(strength * rule.learning_rate)
    for i in range(len(value)):
        size = max(abs(value[i]) - by / (np.sqrt(square[i]) * spread + eps), number(0))
        value[i] = size if value[i] > 0 else -size


@_part
def _to_unit_length(rows: np.ndarray) -> None:
    """Divide each row by its length; a row of zeros stays."""
    h, d = rows.shape
    for i in range(h):
        length = rows.dtype.type(0)
        for j in range(d):
            length += rows[i, j] * rows[i, j]
        if length > 0:
            for j in range(d):
                rows[i, j] /= np.sqrt(length)


@_part
def _shrink_rows(rows: np.ndarray, square: np.ndarray, step: int, rule: Rule) -> None:
    """`spectral.penalties.shrink_rows` in Adam's metric ``(sqrt(v) + eps) / lr``."""
    h, d = rows.shape
    strength, spread = rule.group_lasso, 1 / math.sqrt(1 - rule.beta2**step)
    q, qw = np.empty(d), np.empty(d)
    for i in range(h):
        norm = 0.0
        for j in range(d):
            q[j] = (math.sqrt(square[i, j]) * spread + rule.eps) / rule.learning_rate
            qw[j] = q[j] * rows[i, j]
            norm += qw[j] * qw[j]
        if math.sqrt(norm) <= strength:
            rows[i] = 0
            continue
        rho = 0.0
        for _ in range(4):
            size, slope = 0.0, 0.0
            for j in range(d):
                down = 1 / (q[j] * rho + strength)
                ratio = qw[j] * down
                size += ratio * ratio
                slope += ratio * ratio * q[j] * down
            size = math.sqrt(size)
            rho = max(rho + (1 - 1 / size) * size * size * size / slope, 0.0)
        for j in range(d):
            rows[i, j] = qw[j] * rho / (q[j] * rho + strength)


@intrinsic
def _float_of_bits(typingctx: Any, bits: Any) -> Any:
    """The float64 with these bits."""
    signature = numba.float64(numba.int64)
    return signature, lambda context, builder, sig, args: builder.bitcast(
        args[0], context.get_value_type(numba.float64)
    )


@_inlined
def _exponential(x: float) -> tuple[float, float]:
    """The p and 2^k of ``exp(x) = 2^k (1 + p)``, for x from -700 to 700; p is precise also near zero."""
    k = np.floor(x * 1.4426950408889634 + 0.5)
    r = x - k * 0.693147180369123816490 - k * 1.90821492927058770002e-10
    # Taylor's series, which converges to a double within thirteen terms.
    p = 1 / 6227020800.0
    p = p * r + 1 / 479001600.0
    p = p * r + 1 / 39916800.0
    p = p * r + 1 / 3628800.0
    p = p * r + 1 / 362880.0
    p = p * r + 1 / 40320.0
    p = p * r + 1 / 5040.0
    p = p * r + 1 / 720.0
    p = p * r + 1 / 120.0
    p = p * r + 1 / 24.0
    p = p * r + 1 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    return p * r, _float_of_bits((np.int64(np.int32(k)) + 1023) << 52)  # type: ignore[call-arg]


@_inlined
def _tanh(x: float) -> float:
    twice = 2 * abs(x)
    p, power = _exponential(40.0 if twice > 40.0 else twice)
    grown = power * p + (power - 1)
    return math.copysign(grown / (grown + 2), x)


@_inlined
def _exp_minus_square(x: float) -> float:
    square = x * x
    p, power = _exponential(-(700.0 if square > 700.0 else square))
    return power * (1 + p)


@_inlined
def _erf(x: float, bell: float) -> float:
    """The error function; `bell` is ``exp(-x^2)``. Rational functions as in S. L. Moshier's Cephes library (1984)."""
    s, a = x * x, abs(x)
    s = 1.0 if s > 1.0 else s
    t = 9.60497373987051638749e0
    t = t * s + 9.00260197203842689217e1
    t = t * s + 2.23200534594684319226e3
    t = t * s + 7.00332514112805075473e3
    t = t * s + 5.55923013010394962768e4
    u = s + 3.35617141647503099647e1
    u = u * s + 5.21357949780152679795e2
    u = u * s + 4.59432382970980127987e3
    u = u * s + 2.26290000613890934246e4
    u = u * s + 4.92673942608635921086e4
    a = 8.0 if a > 8.0 else a
    p = 2.46196981473530512524e-10
    p = p * a + 5.64189564831068821977e-1
    p = p * a + 7.46321056442269912687e0
    p = p * a + 4.86371970985681366614e1
    p = p * a + 1.96520832956077098242e2
    p = p * a + 5.26445194995477358631e2
    p = p * a + 9.34528527171957607540e2
    p = p * a + 1.02755188689515710272e3
    p = p * a + 5.57535335369399327526e2
    q = a + 1.32281951154744992508e1
    q = q * a + 8.67072140885989742329e1
    q = q * a + 3.54937778887819891062e2
    q = q * a + 9.75708501743205489753e2
    q = q * a + 1.82390916687909736289e3
    q = q * a + 2.24633760818710981792e3
    q = q * a + 1.65666309194161350182e3
    q = q * a + 5.57535340817727675546e2
    near, far = x * t, math.copysign(q - bell * p, x)
    small = abs(x) < 1
    return (near if small else far) / (u if small else q)
