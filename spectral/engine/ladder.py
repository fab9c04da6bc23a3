"""Networks of few nodes, one on each rung of a ladder of sizes: ways to come by them, each in a few lines.

What stands on a rung of n nodes is trained without penalties, for as many epochs whatever the way; ways differ in what
it starts from:

=========  ========================================================================================================
way        a network of n nodes starts from
=========  ========================================================================================================
cut        the n first nodes of a trained student, with their weights
rewind     the n first nodes of the next larger rung, with the weights that they had before any training: iterative
           magnitude pruning (Frankle and Carbin, ICLR 2019), with nodes for weights
cluster    the n strongest directions that half of a teacher's students have in common, with the mean of the weights
           that go out from there: Expand-and-Cluster (Martinelli et al., ICML 2024)
grow       the next smaller rung, and new nodes that say nothing yet
fresh      nothing
=========  ========================================================================================================

Networks are small and soon trained: an interrupted ladder begins again at its foot.

First are the nodes of the highest product score, or of the highest importance by Taylor's expansion (Molchanov et al.,
CVPR 2019), which the package Torch-Pruning computes.

Axes: E members, h_S hidden nodes, n nodes of a rung, N rungs, m nodes of the second layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from spectral.activations import activation as lookup
from spectral.engine.train import Loop, train
from spectral.measures import mse, nodes_found
from spectral.prune import node_scores, rank, take_nodes
from spectral.students import Student, as_student
from spectral.tasks import Task, Teacher
from spectral.together import ALIKE, recurring

Start = Callable[[int, Student], Student]
"""What a network of n nodes starts from, given the one on the rung before."""

Way = Literal["cut", "rewind", "cluster", "grow", "fresh"]
Order = Literal["product", "taylor"]


@dataclass(frozen=True)
class Rungs:
    """What stands on the rungs: `nodes` (N,); mean squared errors and teacher nodes found of the members, (E, N)."""

    nodes: tuple[int, ...]
    validation_mse: Tensor
    test_mse: Tensor
    found: Tensor


def climb(
    way: Way,
    student: Student,
    task: Task,
    sizes: Sequence[int],
    *,
    draw: Callable[[int], Student],
    keys: Tensor,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    order: Order = "product",
    trials: int = 1,
    progress: bool | None = None,
    loop: Loop | None = None,
) -> dict[int, Student]:
    """A network of each of `sizes`, which rise, from the trained `student`; see the module.

    Parameters
    ----------
    draw:
        Gives untrained students of n nodes; those of as many as `student` has are what it was before its training. On
        their way up, "grow" and "fresh" take `student` itself as the network of its size.
    keys, epochs, batch_size, learning_rate, progress, loop:
        Of the training on every rung; see `spectral.engine.train.train`.
    order:
        Which nodes are first, for "cut".
    trials:
        How many members in a row have one teacher, for "cluster".

    Raises
    ------
    ImportError
        If Taylor's expansion is asked for where Torch-Pruning is not installed.
    """
    upwards = way in ("grow", "fresh")
    starts: dict[Way, Callable[[], Start]] = {
        "cut": lambda: _cut(student, order, task),
        "rewind": lambda: _rewind(student, draw),
        "cluster": lambda: _cluster(student, trials, draw),
        "grow": lambda: lambda size, last: _grown(last, draw(size)),
        "fresh": lambda: lambda size, _: _take(draw(size), torch.arange(size)),
    }
    start, last, networks = starts[way](), student, {}
    for size in sizes if upwards else reversed(sizes):
        if upwards and size == student.student_hidden:
            last = student
        else:
            last = start(size, last)
            train(
                last,
                task,
                epochs=epochs,
                batch_size=batch_size,
                learning_rate=learning_rate,
                l2_phi=0.0,
                l2_lam=0.0,
                keys=keys,
                record_at=(),
                progress=progress,
                loop=loop,
            )
        networks[size] = last
    return {size: networks[size] for size in sizes}


def measure(networks: Mapping[int, Student], task: Task) -> Rungs:
    """What networks are worth, by their nodes, from below."""
    seen = [(mse(own, task.validation), mse(own, task.test), nodes_found(task, own)) for own in networks.values()]
    columns = (torch.stack(column, -1) for column in zip(*seen, strict=True))
    return Rungs(tuple(networks), *columns)


def _cut(student: Student, order: Order, task: Task) -> Start:
    first = rank(node_scores(student, "product") if order == "product" else _importance(student, task))
    return lambda size, _: _take(student, first[:, :size])


def _rewind(student: Student, draw: Callable[[int], Student]) -> Start:
    untrained, left = draw(student.student_hidden), torch.arange(student.student_hidden).expand(student.members, -1)

    def start(size: int, last: Student) -> Student:
        nonlocal left
        left = left.gather(1, rank(node_scores(last, "product"))[:, :size])
        return _take(untrained, left)

    return start


@torch.no_grad()
def _cluster(student: Student, trials: int, draw: Callable[[int], Student]) -> Start:
    """All trials of a teacher start from the same network; lengths add up as they do for relu nodes alone.

    After the common directions come the other nodes of that student which has most of these, its strongest first, and
    where they do not suffice, as in growing, drawn ones that say nothing yet.
    """
    networks = []
    for rows in torch.arange(student.members).split(trials):
        first, second = student.first.weight[rows], student.second.weight[rows]
        scores = node_scores(student, "product")[rows]
        directions = recurring(first, scores, share=0.5).directions.to(first.dtype)  # (C, d)
        alike = nn.functional.normalize(first, dim=-1) @ directions.T >= ALIKE  # (K, h_S, C)
        has = alike.any(1)  # (K, C)
        best = int(has.sum(1).argmax())
        grouped = _aligned(second @ (alike * first.norm(dim=-1, keepdim=True)), best)  # from directions of length one
        outgoing = grouped.sum(0) / has.sum(0).clamp_min(1)  # (m, C)
        length = outgoing.norm(dim=0).sqrt().clamp_min(1e-12)
        left = ~alike[best].any(-1)
        others = rank(scores[best].where(left, -torch.inf))[: int(left.sum())]
        firsts = directions * length.unsqueeze(-1), first[best, others]
        networks.append((torch.cat(firsts), torch.cat((outgoing / length, second[best][:, others]), 1)))

    def start(size: int, _: Student) -> Student:
        drawn = draw(size)
        first, second = drawn.first.weight.clone(), torch.zeros_like(drawn.second.weight)
        for index, (rows, columns) in enumerate(networks):
            own = slice(index * trials, (index + 1) * trials)
            first[own, : len(rows)], second[own, :, : len(rows)] = rows[:size], columns[:, :size]
        return _network(first, second, student.activation)

    return start


def _aligned(outgoing: Tensor, known: int) -> Tensor:
    """Outgoing weights (K, m, C), with the second layer's nodes, which have no order, as in student `known`."""
    orders = (linear_sum_assignment((outgoing[known] @ own.T).cpu().numpy(), maximize=True)[1] for own in outgoing)
    return torch.stack([own[order] for own, order in zip(outgoing, orders, strict=True)])


@torch.no_grad()
def _grown(last: Student, drawn: Student) -> Student:
    """The nodes of `last`, and as many of `drawn` as are missing, which say nothing: the same function."""
    had = last.student_hidden  # a stream's first directions are those that the smaller network began with
    firsts = last.first.weight, drawn.first.weight[:, had:]
    seconds = last.second.weight, torch.zeros_like(drawn.second.weight[..., had:])
    return _network(torch.cat(firsts, 1), torch.cat(seconds, 2), last.activation)


def _importance(student: Student, task: Task) -> Tensor:
    """Weights times their gradients, summed over those of each node as Torch-Pruning does it, (E, h_S)."""
    try:
        import torch_pruning  # type: ignore[import-untyped]
    except ImportError:
        raise ImportError(
            "order = 'taylor' takes Torch-Pruning, which is not installed here; install it with: "
            "pip install 'student-teacher-spectral[peers]', or pip install torch-pruning"
        ) from None
    judge, scores = torch_pruning.importance.GroupTaylorImportance(), []
    for member, (x, y) in enumerate(zip(task.train.x, task.train.y, strict=True)):
        network = _Plain(student, member)
        (network(x) - y).square().mean().backward()
        graph = torch_pruning.DependencyGraph().build_dependency(network, x[:1])
        every = list(range(student.student_hidden))
        scores.append(judge(graph.get_pruning_group(network.first, torch_pruning.prune_linear_out_channels, every)))
    return torch.stack(scores).detach()


class _Plain(nn.Module):
    """One member as an ordinary network, which other packages understand."""

    def __init__(self, student: Student, member: int) -> None:
        super().__init__()
        self.activation = student.activation
        self.first, self.second = student.first.to_linear(member), student.second.to_linear(member)

    def forward(self, x: Tensor) -> Tensor:
        apply = lookup(self.activation).apply
        return apply(self.second(apply(self.first(x)))).sum(-1)


def _take(student: Student, nodes: Tensor) -> Student:
    """A direct student of the `nodes`, (E, n) or (n,), of another, in their order."""
    order = nodes.expand(student.members, -1)
    first, second = student.first.weight.detach(), student.second.weight.detach()
    return _network(take_nodes(first, 1, order), take_nodes(second, 2, order), student.activation)


def _network(first: Tensor, second: Tensor, activation: str) -> Student:
    return as_student(Teacher(first, second, activation))
