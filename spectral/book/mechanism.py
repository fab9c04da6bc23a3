r"""Why nodes die: students from which one thing after the other is taken, and what is left of their nodes.

All experiments of design "why" have the same teachers, patterns and starts (but where the start is what is changed), so
each is compared with the one as published, teacher by teacher. Nodes are counted by the product of incoming and
outgoing norm, which no rescaling of a relu node moves.

Axes: T teachers, K trials, G cells, S epochs, h_S nodes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from spectral.book.quantities import Measured, needed, over_everything, quantity
from spectral.lab.collection import MissingResult, Results
from spectral.lab.presets import Experiment
from spectral.lab.results import Result
from spectral.measures import effective_size, largest_gap, survivors
from spectral.penalties import balanced_strength
from spectral.stats.intervals import by_teacher, geometric_mean

Count = Literal["survivors", "needed"]
Cut = Literal[
    "published",
    "b = 0",
    "a = 0",
    "direct",
    "longer",
    "adamw",
    "momentum",
    "momentum, b = 0",
    "momentum, longer",
]
"""What is done to a student; "published" is nothing."""

Family = Literal["equal products", "adam_eps"]

LABELS: dict[Cut, str] = {
    "b = 0": "a=0.01,b=0",
    "a = 0": "a=0,b=0.0005",
    "longer": "rate=0.005,epochs=8000",
    "momentum, b = 0": "momentum,b=0",
    "momentum, longer": "momentum,longer",
}
"""How experiments are called in their names, where that is not what `Cut` says."""


def experiment(results: Results, label: str) -> Experiment:
    """The experiment on "why" with this label in its name; raises MissingResult if there is none."""
    for one in results.select(design="why"):
        if one.name.split("/")[1] == label:
            return one
    raise MissingResult(f"there is no experiment why/{label}")


def family(results: Results, name: Family) -> list[Experiment]:
    """Penalties of the published product, otherwise shared out, or other epsilons of Adam."""
    published = experiment(results, "published").config
    if name == "adam_eps":
        return results.select(design="why", varied=name)
    return [
        one
        for one in results.select(design="why", varied="l2")
        if np.isclose(one.config.l2_phi * one.config.l2_lam, published.l2_phi * published.l2_lam, rtol=0.01)
    ]


def nodes(result: Result, count: Count = "survivors") -> np.ndarray:
    """Survivors by the product, or n_c, (T, K)."""
    found = effective_size(result.product) if count == "survivors" else needed(result, "product")
    return by_teacher(found, result.config.teachers)


def cut(results: Results, name: Cut) -> Result:
    """The result of an experiment."""
    return results[experiment(results, LABELS.get(name, name))]


@quantity("nodes_ratio")
def nodes_ratio(results: Results, *, of: Cut, over: Cut, count: Count) -> Measured:
    """Nodes of one student over those of another with the same teacher, geometric mean."""
    own, other = (nodes(cut(results, name), count) for name in (of, over))
    return Measured(own / other, geometric_mean, log=True)


@quantity("nodes_ratios")
def nodes_ratios(results: Results, *, family_of: Family) -> Measured:
    """Survivors over those of the published student with the same teacher, for every experiment of a family."""
    chosen = family(results, family_of)
    published = nodes(cut(results, "published"))
    ratios = np.stack([nodes(results[one]) / published for one in chosen], -1)
    return Measured(ratios, geometric_mean, log=True, cells=tuple(one.name.split("/")[1] for one in chosen))


def excess(result: Result) -> np.ndarray:
    """What the two penalties of the survivors add up to, over what they would at the balance, (T, K)."""
    config, first = result.config, result.student().first
    alive = survivors(result.product)
    lengths, eigenvalues = first.phi.detach().norm(dim=-1), first.lam_out.detach()
    split = config.l2_phi * lengths.square() + config.l2_lam * eigenvalues.square()
    balanced = balanced_strength(config.l2_phi, config.l2_lam) * lengths * eigenvalues.abs()
    return by_teacher((split * alive).sum(-1) / (balanced * alive).sum(-1), config.teachers)


@quantity("penalty_excess")
def penalty_excess(results: Results) -> Measured:
    """What both penalties add up to at the end over what they would at the balance, with Adam and with momentum."""
    cells: tuple[Cut, ...] = ("published", "momentum")
    ratios = np.stack([excess(cut(results, name)) for name in cells], -1)
    return Measured(ratios, geometric_mean, log=True, cells=("Adam", "SGD with momentum"))


@quantity("gap_gain")
def gap_gain(results: Results, *, of: Cut, over: Cut) -> Measured:
    """Largest ratio of neighbouring scores, in decades, less that of another student with the same teacher."""
    own, other = (
        by_teacher(largest_gap(one.scores)[0], one.config.teachers) for one in (cut(results, of), cut(results, over))
    )
    return Measured(own - other, over_everything)
