r"""The surviving sub-network beside its teacher: paths, strengths, whose node is whose, and what of it data can tell.

Both are networks without bias, :math:`y(x) = \sum_k g\big(\sum_i W_{ki}\, g(w_i \cdot x)\big)`, of relu nodes unless
it is said otherwise. A *path* leads from input j over node i to node k of the second layer; its weight is
:math:`w_{ij} W_{ki}`. To a pattern a path is *open* if both of its nodes answer, and a network's answer is the sum over
its open paths,

.. math::  y(x) = \sum_{k, i, j} w_{ij} W_{ki}\, x_j\, [i \text{ and } k \text{ answer to } x] .

A relu node may pass a factor c > 0 from its incoming to its outgoing weights, :math:`w_i \to c\, w_i` and
:math:`W_{ki} \to W_{ki} / c`: its *gauge*. The function stays, and so do all paths. Sums and norms of the weights on
one side do not.

Nodes of tanh or erf pass on a sign and nothing else: :math:`w_i \to -w_i` and :math:`W_{ki} \to -W_{ki}`. Paths stay,
and the sign is chosen such that each node is like a teacher node and not like its negative (`aligned`). They are
neither open nor closed; what takes the place of "answers" is the slope :math:`g'` of a node, which for relu is 1 where
it answers and 0 elsewhere. Then the mean of the slopes along a path, times its weight, is the path's part in the mean
gradient of the answer, whatever the activation and the inputs.

Cosines are those of weights. Nodes with a cosine of 1 are alike for any inputs. Below that, how alike they *answer*
depends on the inputs' covariance, which is not asked for here: what was drawn at random, and is to be found, are
weights.

Axes: E members (absent for a single network), d inputs, h nodes of the first layer (h_T of a teacher's), m nodes of
the second layer, P patterns. `first` is (..., h, d), `second` (..., m, h).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import scipy.stats
import torch
from torch import Tensor
from torch.nn.functional import normalize

from spectral.activations import activation as lookup
from spectral.lab.collection import Sample, comparable
from spectral.lab.config import ConfigError
from spectral.lab.experiment import other_teachers
from spectral.lab.results import Result
from spectral.measures import match_teacher, similarity, survivors
from spectral.prune import node_scores
from spectral.tasks import Task, Teacher

KINDS = ("partner", "duplicate", "mixture", "other")
"""What a survivor can be to its teacher; see `kinds`."""


class Network(NamedTuple):
    """E networks.

    Attributes
    ----------
    first, second:
        Their weights, (E, h, d) and (E, m, h).
    alive:
        Which nodes are left, bool (E, h).
    activation:
        Of both layers.
    """

    first: Tensor
    second: Tensor
    alive: Tensor
    activation: str = "relu"

    def of(self, member: int) -> tuple[Tensor, Tensor]:
        """What is left of one of them: the weights (h', d) and (m, h') of its living nodes."""
        nodes = self.alive[member]
        return self.first[member, nodes], self.second[member][:, nodes]


def whole(teacher: Teacher) -> Network:
    """Teachers as networks, with all of their nodes; raises ConfigError for committees, which have no second layer."""
    if teacher.second is None:
        raise ConfigError("paths and strengths are compared for two-layer teachers")
    alive = torch.ones(teacher.first.shape[:2], dtype=torch.bool)
    return Network(teacher.first, teacher.second, alive, teacher.activation)


def aligned(network: Network, teacher: Network) -> Network:
    """The same networks, every node with the sign in which it is most like a node of the teacher (E of them).

    Relu nodes have no such choice, and stay as they are.
    """
    if network.activation == "relu":
        return network
    cosine = similarity(teacher.first, network.first)  # (E, h_T, h)
    most = cosine.gather(1, cosine.abs().argmax(1, keepdim=True)).squeeze(1)
    sign = torch.where(most < 0, -1, 1).to(network.first.dtype)
    return network._replace(first=network.first * sign.unsqueeze(-1), second=network.second * sign.unsqueeze(-2))


class Compared(NamedTuple):
    """Students beside their teachers.

    Attributes
    ----------
    sample:
        The members compared.
    task:
        What they learned.
    networks:
        All networks by role: the students', "teacher", and "other", for each member another random teacher.
    """

    sample: Sample
    task: Task
    networks: dict[str, Network]


def compared(results: Mapping[str, Result], threshold: float) -> Compared:
    """The pruned students of some results with equal teachers, beside their teachers and foreign ones.

    Spectral students keep the nodes whose score, the norm of the incoming weights, is above `threshold` of the
    largest; direct ones those whose product of incoming and outgoing norm is. All are `aligned` with their teachers.

    Raises
    ------
    ValueError
        If the threshold is none; see `spectral.measures.check_threshold`.
    """
    sample = comparable(*results.values())
    one = next(iter(results.values()))
    task, other = one.task(sample.members), other_teachers(one.config, one.members(sample.members))
    networks = {"teacher": (teacher := whole(task.teacher)), "other": aligned(whole(other), teacher)}
    for role, result in results.items():
        student = result.student(sample.members)
        score = node_scores(student, "product" if result.config.parametrization == "direct" else "incoming")
        first, second = student.first.weight.detach(), student.second.weight.detach()
        network = Network(first, second, survivors(score, threshold), student.activation)
        networks[role] = aligned(network, teacher)
    return Compared(sample, task, networks)


def paths(first: Tensor, second: Tensor) -> Tensor:
    """The weights of all paths, (..., m, h, d)."""
    return torch.einsum("...hd,...mh->...mhd", first, second)


def path_weights(first: Tensor, second: Tensor) -> np.ndarray:
    """The weights of all paths of one network, in a row."""
    return paths(first, second).flatten().numpy()


def relative_distance(own: np.ndarray, other: np.ndarray) -> float:
    """Wasserstein distance of two sets of numbers, in units of the mean absolute one of `own`."""
    return float(scipy.stats.wasserstein_distance(own, other) / np.abs(own).mean())


def in_strengths(first: Tensor) -> np.ndarray:
    """Sums of the incoming weights of one network's nodes, divided by their range (the paper's); shape (h,)."""
    sums = first.sum(-1)
    return (sums / (sums.max() - sums.min())).numpy()


def unit_rows(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """The same network in the gauge in which every node's incoming weights have norm 1; silent nodes stay silent."""
    return normalize(first, dim=-1), second * first.norm(dim=-1).unsqueeze(-2)


def degrees(weights: Tensor, edge: float) -> Tensor:
    """How many of its weights stand out at each node: those above `edge` times their root mean square; (..., h).

    `weights` is (..., h, n), a node's weights in a row. Measured against its own row, a node's degree does not depend
    on its gauge.

    Raises
    ------
    ValueError
        If `edge` is not above 0: then every weight would count.
    """
    if not edge > 0:
        raise ValueError(f"edge must be above 0, in root mean squares of a node's weights; got {edge}")
    return (weights.abs() > edge * weights.square().mean(-1, keepdim=True).sqrt()).sum(-1)


def slopes(first: Tensor, second: Tensor, x: Tensor, activation: str = "relu") -> tuple[Tensor, Tensor]:
    """The slopes g' of both layers' nodes at patterns `x` (..., P, d), (..., P, h) and (..., P, m).

    Those of relu nodes are 1 where they answer, and 0 elsewhere.
    """
    on, z = _answers(first, second, x, activation)
    return on, _slope(z, activation)


def _slope(z: Tensor, activation: str) -> Tensor:
    apply, backward = lookup(activation)
    return backward(torch.ones_like(z), z, apply(z))


def _answers(first: Tensor, second: Tensor, x: Tensor, activation: str = "relu") -> tuple[Tensor, Tensor]:
    """Slopes of the first layer at `x` (..., P, d), (..., P, h); pre-activations of the second, (..., P, m)."""
    hidden = x @ first.mT
    return _slope(hidden, activation), lookup(activation).apply(hidden) @ second.mT


def open_share(first: Tensor, second: Tensor, x: Tensor, activation: str = "relu") -> Tensor:
    """Part of the patterns `x` (..., P, d) to which nodes k and i both answer, (..., m, h).

    With another activation, the mean over patterns of the product of their `slopes`.
    """
    on, second_on = slopes(first, second, x, activation)
    return second_on.mT @ on / x.shape[-2]


def strengths(
    first: Tensor, second: Tensor, x: Tensor, edge: float = 1.0, activation: str = "relu"
) -> dict[str, Tensor]:
    """What a network's graph says of each node of its first layer, (..., h) each.

    - "in", "out": sums of incoming and outgoing weights. They depend on the gauge;
    - "unit in", "unit out": the same in the gauge of `unit_rows`;
    - "path": the sum of all paths over the node, the product of "in" and "out";
    - "open": the same, each path weighted by the part of the patterns `x` (..., P, d) to which it is open, its
      `open_share`;
    - "in degree", "out degree": how many weights stand out; see `degrees` for `edge`.
    """
    unit, outgoing = unit_rows(first, second)
    carried = paths(first, second)
    opened = carried * open_share(first, second, x, activation).unsqueeze(-1)
    return {
        "in": first.sum(-1),
        "unit in": unit.sum(-1),
        "out": second.sum(-2),
        "unit out": outgoing.sum(-2),
        "path": carried.sum((-3, -1)),
        "open": opened.sum((-3, -1)),
        "in degree": degrees(first, edge),
        "out degree": degrees(second.mT, edge),
    }


def kinks(first: Tensor, second: Tensor, x: Tensor, part: float = 0.05) -> Tensor:
    r"""Where the second layer's nodes begin to answer: the mean gradient of their pre-activation there, (..., m, d).

    "There" are the `part` of the patterns `x` (..., P, d) at which a node's pre-activation is nearest to zero. A
    network bends where the input crosses a plane :math:`w_i \cdot x = 0`, and along the bent surface on which a node
    of the second layer passes zero; the gradient is the normal of that surface. Patterns from which a node receives
    nothing at all are no bend, and come last.

    Raises
    ------
    ValueError
        If `part` is not above 0 and at most 1.
    """
    if not 0 < part <= 1:
        raise ValueError(f"part must be above 0 and at most 1, a share of the patterns; got {part}")
    on, z = _answers(first, second, x)
    count = max(1, round(part * x.shape[-2]))
    distance = z.abs().masked_fill(z == 0, torch.inf)
    nearest = distance.topk(count, dim=-2, largest=False).indices  # (..., count, m)
    near = torch.zeros_like(z).scatter_(-2, nearest, 1.0 / count)
    return (near.mT @ on * second) @ first


def owners(teacher: Tensor, student: Tensor, alive: Tensor, cosine: float = 0.98) -> Tensor:
    """For every student node the teacher node that it is most like, -1 if dead or less like it than `cosine`; (E, h_S).

    `teacher` (E, h_T, d) and `student` (E, h_S, d) hold incoming weights, `alive` (E, h_S) is bool. Several student
    nodes can have one owner.
    """
    best, owner = similarity(teacher, student).max(-2)
    return owner.masked_fill(~alive | (best < cosine), -1)


def gathered(values: Tensor, owner: Tensor, teacher_hidden: int) -> Tensor:
    """Paths `values` (E, m, h_S, d) added up over the student nodes of one owner, (E, m, h_T, d).

    Two relu nodes with parallel incoming weights act as one whose paths are the sums of theirs; of other activations,
    two with equal ones. What has no owner is left out.
    """
    into = torch.nn.functional.one_hot(owner + 1, teacher_hidden + 1)[..., 1:]  # (E, h_S, h_T)
    return torch.einsum("emhd,eht->emtd", values, into.to(values.dtype))


def mixture(teacher: Tensor, student: Tensor) -> Tensor:
    """The largest cosine that a weighted mean of two teacher nodes has with each student node, (E, h_S).

    The nearest direction in the cone of two unit vectors is the projection on their plane where both have a positive
    part in it, and the nearer of the two otherwise.
    """
    cosine = similarity(teacher, student).mT  # (E, h_S, h_T)
    a, b = cosine.unsqueeze(-1), cosine.unsqueeze(-2)
    g = similarity(teacher, teacher).unsqueeze(-3)  # (E, 1, h_T, h_T)
    inside = (a > g * b) & (b > g * a) & (g.abs() < 1 - 1e-9)
    squared = (a * a + b * b - 2 * g * a * b) / (1 - g * g).clamp_min(1e-9)
    plane = squared.clamp_min(0).sqrt().masked_fill(~inside, -1).amax((-2, -1))
    return torch.maximum(plane, cosine.amax(-1)).clamp_max(1)


def kinds(
    teacher: Tensor, student: Tensor, alive: Tensor, cosine: float = 0.98, *, signed: bool = True
) -> dict[str, Tensor]:
    """What every survivor is to its teacher: a mask (E, h_S) for each of `KINDS`; each survivor has one kind.

    - "partner": assigned to a teacher node, one to one (`match_teacher`), with at least this `cosine`;
    - "duplicate": as like a teacher node, but that has another partner;
    - "mixture": none of these, but as like a weighted mean of two teacher nodes;
    - "other": a survivor that is nothing of that.

    Networks of an odd activation, not `signed`, must be `aligned` with the teacher, whose nodes may then enter a mean
    with either sign.
    """
    matching = match_teacher(teacher, student, alive)
    taken = torch.where(matching.cosine >= cosine, matching.student, -1)  # (E, h_T)
    partner = torch.nn.functional.one_hot(taken + 1, student.shape[-2] + 1)[..., 1:].bool().any(-2)
    duplicate = (owners(teacher, student, alive, cosine) >= 0) & ~partner
    of = teacher if signed else torch.cat([teacher, -teacher], -2)
    mixed = alive & (mixture(of, student) >= cosine) & ~partner & ~duplicate
    rest = alive & ~partner & ~duplicate & ~mixed
    return dict(zip(KINDS, (partner, duplicate, mixed, rest), strict=True))
