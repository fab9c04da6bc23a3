r"""Why nodes die: students from which one thing after the other is taken, and what is left of their nodes.

All experiments of design "why" have the same teachers, patterns and starts (but where the start is what is changed), so
each is compared with the one as published, teacher by teacher. Nodes are counted by the product of incoming and
outgoing norm, which no rescaling of a relu node moves.

Axes: T teachers, K trials, G cells, S epochs, h_S nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from spectral.book.quantities import Measured, needed, over_everything, quantity
from spectral.engine.plan import ADAM_BETAS
from spectral.lab.collection import MissingResult, Results
from spectral.lab.config import ExperimentConfig
from spectral.lab.presets import Experiment
from spectral.lab.results import Result
from spectral.measures import effective_size, largest_gap, survivors
from spectral.penalties import balanced_strength
from spectral.stats.intervals import Interval, by_teacher, estimate, geometric_mean

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


GONE = 1e-9
"""A score, or part of it at the start, below which a node is gone."""


def label(one: Experiment) -> str:
    """What an experiment is called within its design: the middle of its name."""
    return one.name.split("/")[1]


def experiment(results: Results, name: str) -> Experiment:
    """The experiment on "why" with this label; raises MissingResult if there is none."""
    for one in results.select(design="why"):
        if label(one) == name:
            return one
    raise MissingResult(f"there is no experiment why/{name}")


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
    return Measured(
        ratios,
        geometric_mean,
        log=True,
        cells=tuple(label(one).replace("=", " = ").replace(",", ", ") for one in chosen),
    )


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


def dying(result: Result) -> Interval:
    """The score along training of nodes that are dead at its end, by the product, (S,).

    Of each student it is their median, of students the geometric mean over the teachers that have dead nodes in them;
    what is below `GONE` counts as that. NaN if none is dead.
    """
    dead, config = ~survivors(result.product), result.config
    some = dead.any(-1)
    if not some.any():
        nothing = np.full(len(result.history.scores), np.nan)
        return Interval(nothing, nothing, nothing)
    units = torch.arange(len(dead)) // (config.trials if config.teachers > 1 else 1)
    owners = units[some].numpy()
    scores = result.history.scores.double().transpose(0, 1)[some]  # (E, S, h_S)
    scores = scores.masked_fill(~dead[some].unsqueeze(1), float("nan"))
    logs = np.log(np.maximum(np.nanmedian(scores.numpy(), axis=-1), GONE))
    means = np.stack([logs[owners == owner].mean(0) for owner in np.unique(owners)])
    return estimate(np.exp(means)[:, None], geometric_mean, log=True)


def balance(result: Result) -> Interval:
    """The penalty on the survivors' eigenvalues over that on their eigenvectors along a traced training, (S,).

    Raises
    ------
    MissingResult
        If no eigenvalues were recorded.
    """
    config, history = result.config, result.history
    if history.eigenvalues is None:
        raise MissingResult("no eigenvalues were recorded; train with traced=True")
    alive = survivors(result.product)
    eigenvalues = history.eigenvalues.double()
    lengths = history.scores.double() / eigenvalues.abs().clamp_min(1e-30)
    of_lam, of_phi = ((part.square() * alive).sum(-1) for part in (eigenvalues, lengths))
    ratios = config.l2_lam * of_lam / (config.l2_phi * of_phi)
    return result.estimate(ratios.T, geometric_mean, log=True)


def alone(config: ExperimentConfig, epochs: Sequence[int]) -> np.ndarray:
    r"""What is left of the score of a node that gets no gradient from the loss, over its start, at some epochs.

    With SGD and AdamW each factor shrinks by a part of itself at every step, :math:`1 - 2 a \eta` and
    :math:`1 - 2 b \eta`; momentum :math:`\mu` makes that :math:`1/(1 - \mu)` times as fast. Adam divides the gradient
    of the penalty by the root of its own mean square: the first step is :math:`\eta`, whatever the penalty. Its later
    ones are computed one by one, for numbers of phi that are spread evenly, as they are at the start.
    """
    steps = np.asarray(epochs) * -(-config.train_patterns // config.batch_size)
    lam = config.l2_lam if config.parametrization == "spectral" else 0.0
    if config.optimiser != "adam":
        rate = 2 * (config.l2_phi + lam) * config.learning_rate / (1 - config.momentum)
        return np.exp(-rate * steps)
    bound = np.sqrt(6 / (config.input_dim + config.student_hidden))
    values = np.append(bound * np.linspace(0.01, 0.99, 50), config.lam_start)
    strength = np.append(np.full(50, config.l2_phi), lam)
    means, squares, scores = np.zeros(51), np.zeros(51), []
    for step in range(1, int(steps.max()) + 1):
        gradient = 2 * strength * values
        means = ADAM_BETAS[0] * means + (1 - ADAM_BETAS[0]) * gradient
        squares = ADAM_BETAS[1] * squares + (1 - ADAM_BETAS[1]) * gradient**2
        size = np.sqrt(squares / (1 - ADAM_BETAS[1] ** step)) + config.adam_eps
        values = values - config.learning_rate * means / (1 - ADAM_BETAS[0] ** step) / size
        scores.append(np.sqrt((values[:-1] ** 2).mean()) * abs(values[-1]))
        if scores[-1] < GONE:
            break
    start = np.sqrt((np.linspace(0.01, 0.99, 50) ** 2).mean()) * bound * config.lam_start
    left = np.append(start, scores) / start
    return np.where(steps < len(left), left[np.minimum(steps, len(left) - 1)], 0.0)


def described(one: Experiment) -> str:
    """What an experiment changes, in words and symbols."""
    word, _, _ = label(one).partition("=")
    config = one.config
    texts = {
        "rate": f"learning rate {config.learning_rate:g}, {config.epochs:,} epochs",
        "eps": rf"Adam's $\epsilon$ = {config.adam_eps:g}",
        "phi": rf"$\phi$ starts at {config.phi_start:g} times its size",
        "lam": rf"$\lambda$ starts at {config.lam_start:g}",
        "frozen": rf"$\lambda$ frozen at {config.lam_start:g}",
        "lam_in": r"$\lambda^{\mathrm{in}}$ trained, too",
        "lam_second": r"$\lambda$ of second layer trained, too",
        "second": f"ridge of {config.l2_second:g} on second layer",
        "direct,second": rf"$\lambda$ frozen, ridge of {config.l2_second:g} on second layer",
        "direct": r"$\lambda$ frozen at 1",
        "sgd": f"SGD, learning rate {config.learning_rate:g}",
        "adamw": "AdamW",
        "adamw,longer": f"AdamW, {config.epochs:,} epochs",
        "adamw,times 10": "AdamW, ten times the penalties",
        "momentum": "SGD with momentum",
        "momentum,longer": f"SGD with momentum, {config.epochs:,} epochs",
    }
    return texts[word]
