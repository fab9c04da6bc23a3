r"""How large must this layer be? Several students of one table are asked for the size, and whether they agree.

1. A part of the rows is put aside to *test*, and seen by nobody until the end. The others are dealt into K folds.
2. Student k trains on all folds but the k-th, which validates it: wide, in eigenvalues and eigenvectors, with the split
   penalty at each of a few strengths. For each strength this gives a loss of every row by a student that had not seen
   it.
3. Of the strengths whose mean loss is within one standard error of the best (paired by rows), the strongest is taken,
   and the next stronger one as well. These students are cut greedily to each of a ladder of sizes
   (`spectral.apply.removal`) and trained on without penalty, until validation says stop.
4. A student's *size* is the fewest nodes at which one of its networks is not worse, on its validation rows, than its
   whole network by more than the tolerance, one standard error of the difference if none is given
   (`spectral.apply.sizes`). The answer is the mean of the students' sizes, rounded up, with Student's interval over
   them: over starts and splits, that is, of one table.
5. *Recurrence* of the networks of that size says whether students have found the same nodes (`spectral.together`).

Where they have not, or sizes differ by a factor, the number is no property of the data, and `right_size` raises
`Disagreement`, which carries all that was found. What the small networks are worth is seen on the test rows, beside
networks of their width trained from nothing, wide networks without penalty, a linear model, and gradient boosting.

Axes: n rows, d columns, K students, N sizes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from spectral.apply.fitting import Networks, Rows, train
from spectral.apply.networks import hidden_layers, node_answers, prune
from spectral.apply.removal import remove
from spectral.apply.sizes import cross_entropy, fewest, over_patterns, squared_error
from spectral.apply.tables import Table, TableError, preprocessor
from spectral.errors import Told
from spectral.layers import SpectralLinear
from spectral.penalties import balanced_strength, group_lasso, split_l2
from spectral.progress import bar
from spectral.stats.intervals import Interval, estimate, estimate_pairs
from spectral.together import agreement

L2_PHI, L2_LAM = 0.01, 5e-4
"""The published strengths of the split penalty."""

Way = Literal["spectral", "lasso", "magnitude", "search"]
"""To small networks: by the split penalty, by the group lasso that it amounts to, cut from wide ones without a penalty,
or trained from nothing at every size."""

STRENGTHS = (10.0, 3.0, 1.0, 0.3, 0.1)
"""Of the penalty, as factors of the published one; the loss is that of a target of variance one."""

AGREE = 0.5
"""Recurrence from which on a size is named; at 0.9 and more, students have found the same network."""

SPREAD = 2.0
"""Times that the interval's upper end may be its lower one, for a size to be named."""

MOST_ROWS = 20_000
"""Of a larger table, a random sample is taken."""


@dataclass(frozen=True)
class Settings:
    """How students are trained; the defaults suit tables of some hundred to some thousand rows.

    Attributes
    ----------
    width:
        Nodes that they begin with.
    students:
        K, which is the number of folds, too; at least 3, from 4 on recurrence has an interval.
    strengths:
        Of the penalty, as factors of the published one, from the strongest to the weakest. Ways without a penalty have
        as many starts.
    steps, on_steps:
        Of the training with penalty, and of that without, of a cut network.
    batch_size, learning_rate, on_learning_rate:
        Of Adam.
    test_fraction:
        Part of the rows that is put aside.
    tolerance:
        In the unit of the loss (squared error of a target of variance one, or nats); None for one standard error.
    seed:
        Of everything that is drawn.
    way:
        "spectral", or for comparison "lasso", "magnitude", or "search".
    """

    width: int = 100
    students: int = 5
    strengths: tuple[float, ...] = STRENGTHS
    steps: int = 3_000
    on_steps: int = 800
    batch_size: int = 128
    learning_rate: float = 0.01
    on_learning_rate: float = 0.005
    test_fraction: float = 0.2
    tolerance: float | None = None
    seed: int = 0
    way: Way = "spectral"

    def __post_init__(self) -> None:
        least = {"width": 2, "students": 3, "steps": 1, "on_steps": 1, "batch_size": 1, "seed": 0}
        for name, low in least.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise ValueError(f"{name} must be a whole number of at least {low}; got {value!r}")
        for name in ("learning_rate", "on_learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a finite number above 0; got {getattr(self, name)!r}")
        if not self.strengths or list(self.strengths) != sorted(set(self.strengths), reverse=True):
            raise ValueError(f"strengths must fall, from the strongest to the weakest; got {self.strengths!r}")
        if not 0 < self.strengths[-1] <= self.strengths[0] < math.inf:
            raise ValueError(f"strengths must be finite numbers above 0; got {self.strengths!r}")
        if self.way not in get_args(Way):
            raise ValueError(f"way must be one of {', '.join(get_args(Way))}; got {self.way!r}")
        if not 0 < self.test_fraction < 1:
            raise ValueError(f"test_fraction must lie between 0 and 1; got {self.test_fraction!r}")
        if self.tolerance is not None and not 0 <= self.tolerance < math.inf:
            raise ValueError(f"tolerance must be a finite number of at least 0; got {self.tolerance!r}")


@dataclass(frozen=True)
class RightSize:
    """What was found of a table.

    Attributes
    ----------
    nodes:
        The size.
    interval:
        Mean of the students' sizes, with Student's interval over them.
    sizes:
        The students' own, (K,).
    recurrence:
        How much of one student's network of `nodes` nodes is in another's, from 0 to 1; NaN for no nodes.
    strength:
        Of the penalty that was chosen, as a factor of the published one.
    ladder, loss:
        Sizes (N,), and the validation loss of the cut students there, with its interval over students.
    whole:
        The same of the whole students.
    test:
        By name of a model, its mean loss on the test rows, with its interval over these; "small network" is the answer.
    beyond:
        By name of the others, their loss minus the small network's, paired by rows; positive where that one is better.
    score:
        By name of a model, R² (regression) or accuracy (classification) on the test rows.
    network:
        The student of `nodes` nodes that validates best: ordinary layers; reads what `reads` makes of the columns, and
        answers in the target's unit, or with a logit for each class.
    reads:
        The fitted preprocessing, a scikit-learn transformer of the table's columns.
    table, settings:
        What was asked.
    notes:
        Choices, in sentences.
    """

    nodes: int
    interval: Interval
    sizes: tuple[int, ...]
    recurrence: Interval
    strength: float
    ladder: tuple[int, ...]
    loss: Interval
    whole: Interval
    test: Mapping[str, Interval]
    beyond: Mapping[str, Interval]
    score: Mapping[str, float]
    network: nn.Sequential
    reads: Any
    table: Table
    settings: Settings
    notes: tuple[str, ...]

    @property
    def doubt(self) -> str | None:
        """Why the number is no property of the data, in words; None where it is named."""
        if self.nodes == 0:
            return "no network predicts the target better than its mean does: there is nothing to size"
        if self.interval.high > SPREAD * max(self.interval.low, 1.0):
            return f"the students' sizes differ too much, {', '.join(map(str, self.sizes))} nodes"
        if not self.recurrence.value >= AGREE:
            return f"students have found different nodes: {self.recurrence:.2f} of one student is in another"
        return None

    @torch.no_grad()
    def predict(self, frame: Any) -> np.ndarray:
        """Of rows with the table's columns, the target in its unit, or the class."""
        outputs = self.network(torch.from_numpy(self.reads.transform(frame[list(self.table.features.columns)])).float())
        if self.table.task == "regression":
            return outputs[:, 0].double().numpy()
        return np.asarray(self.table.classes)[outputs.argmax(1).numpy()]


def nodes_text(count: int) -> str:
    """As in "1 node" and "2 nodes"."""
    return f"{count} node" if count == 1 else f"{count} nodes"


class Disagreement(Told, ValueError):
    """Students do not agree on a size; `found` is all that was found, with estimate, interval and recurrence."""

    def __init__(self, found: RightSize) -> None:
        super().__init__(
            f"no size is named for {found.table.name}, since {found.doubt}. The estimate would be "
            f"{nodes_text(found.nodes)} ({found.interval:.1f} over students), recurrence {found.recurrence:.2f}. "
            "More rows, or a larger tolerance, may settle it"
        )
        self.found = found


def expected_seconds(table: Table, settings: Settings) -> float:
    """How long an answer takes, roughly, on two cores of a server."""
    members = settings.students * len(settings.strengths)
    numbers = members * settings.width * (table.features.shape[1] + len(table.classes) + 20)
    return 2 + (3 * settings.steps + settings.on_steps) * (4e-4 + 6e-8 * numbers)


def right_size(table: Table, settings: Settings | None = None, *, progress: bool | None = None) -> RightSize:
    """How many nodes a hidden layer needs for a table; see the module.

    Parameters
    ----------
    table:
        As `spectral.apply.tables.read_table` gives it.
    progress:
        Whether a bar is shown; None for: where somebody looks.

    Raises
    ------
    Disagreement
        If students do not agree; carries what was found.
    TableError
        If there are too few rows for so many students.
    """
    found = look_for_size(table, settings, progress=progress)
    if found.doubt is not None:
        raise Disagreement(found)
    return found


def look_for_size(table: Table, settings: Settings | None = None, *, progress: bool | None = None) -> RightSize:
    """As `right_size`, but with an answer whether students agree or not; `RightSize.doubt` tells."""
    settings = settings or Settings()
    data = _Data.of(table, settings)
    with bar(3 * settings.steps + settings.on_steps, "steps", progress) as shown:
        students = _students(data, settings, shown)
        losses = np.stack([data.validate(group) for group in students])  # (strengths, K, V)
        at = _strongest(losses)
        tried = [place for place in (at - 1, at) if place >= 0] if settings.way != "search" else [at]
        ladder, cuts = _ladder(data, settings, [students[place] for place in tried], shown)
        seen = np.stack([[data.validate(group) for group in rungs] for rungs in cuts])  # (tried, N, K, V)
        change, error = over_patterns(seen - losses[at])
        good = (change.value <= (error if settings.tolerance is None else settings.tolerance)).any(0)  # (N, K)
        sizes = tuple(int(np.append(ladder, settings.width)[np.append(own, True).argmax()]) for own in good.T)
        interval = estimate(np.asarray(sizes, float)[:, None])
        place = min(int(np.searchsorted(ladder, interval.value - 1e-9)), len(ladder) - 1)
        nodes, which = ladder[place], int(seen[:, place].mean((1, 2)).argmin())
        chosen = cuts[which][place]
        groups = {"small network": chosen, "whole student": students[at]}
        groups[f"{nodes_text(max(nodes, 1))} from nothing"] = _from_nothing(data, settings, max(nodes, 1), shown)
        groups[f"{settings.width} nodes, no penalty"] = _from_nothing(data, settings, settings.width, shown)
    test, scores = data.test(groups)
    best = int(seen[which, place].mean(-1).argmin())
    over_students = seen[which].mean(-1).T  # (K, N)
    return RightSize(
        nodes,
        interval,
        sizes,
        _recurrence(chosen) if nodes else Interval(math.nan, math.nan, math.nan),
        settings.strengths[tried[which]],
        ladder,
        estimate(over_students[:, None]),
        estimate(losses[at].mean(-1)[:, None]),
        {name: over_patterns(losses)[0] for name, losses in test.items()},
        {
            name: over_patterns(losses - test["small network"])[0]
            for name, losses in test.items()
            if name != "small network"
        },
        scores,
        data.in_its_unit(chosen[best]),
        data.reads,
        table,
        settings,
        table.notes + data.notes,
    )


@dataclass(frozen=True)
class _Data:
    """A table in numbers, dealt out: rows of training (K, R), of validation (K, V), and of test."""

    rows: Rows
    train: Tensor
    validation: Tensor
    tested: Tensor
    outputs: int
    shift: float
    scale: float
    reads: Any
    notes: tuple[str, ...]

    @classmethod
    def of(cls, table: Table, settings: Settings) -> _Data:
        from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

        notes: tuple[str, ...] = ()
        every, grouped = np.arange(len(table.y)), table.task == "classification"
        if len(every) > MOST_ROWS:
            every = np.sort(np.random.default_rng(settings.seed).permutation(every)[:MOST_ROWS])
            notes = (f"{MOST_ROWS:,} of {len(table.y):,} rows were drawn at random; the others are not used.",)
        try:
            known, tested = train_test_split(
                every,
                test_size=settings.test_fraction,
                random_state=settings.seed,
                stratify=table.y[every] if grouped else None,
            )
            if not grouped and len(known) < 2 * settings.students:
                raise ValueError(f"{len(known)} rows are too few for {settings.students} students")
            deal = (StratifiedKFold if grouped else KFold)(settings.students, shuffle=True, random_state=settings.seed)
            dealt = [(known[a], known[b]) for a, b in deal.split(known, table.y[known])]
        except ValueError as error:
            raise TableError(f"the {len(every):,} rows cannot be dealt out: {error}; give more rows") from None
        reads = preprocessor(table).fit(table.features.iloc[known])
        x = torch.from_numpy(np.asarray(reads.transform(table.features.iloc[every]), np.float32))
        whole = torch.zeros(len(table.y), x.shape[1])
        whole[torch.from_numpy(every)] = x
        shift, scale = (0.0, 1.0) if grouped else (float(table.y[known].mean()), float(table.y[known].std()))
        if grouped:
            rows = Rows(whole, torch.from_numpy(table.y), cross_entropy)
        else:
            rows = Rows(whole, torch.from_numpy((table.y - shift) / scale).float().unsqueeze(-1), squared_error)

        def equally(parts: Sequence[np.ndarray]) -> Tensor:
            return torch.from_numpy(np.stack([part[: min(map(len, parts))] for part in parts]))

        return cls(
            rows,
            equally([a for a, _ in dealt]),
            equally([b for _, b in dealt]),
            torch.from_numpy(tested),
            len(table.classes) or 1,
            shift,
            scale,
            reads,
            notes,
        )

    @torch.no_grad()
    def validate(self, group: Sequence[nn.Sequential]) -> np.ndarray:
        """Losses of each student on its own validation rows, (K, V)."""
        return np.stack([self._losses(model, own) for model, own in zip(group, self.validation, strict=True)])

    def _losses(self, model: nn.Sequential, rows: Tensor) -> np.ndarray:
        losses: np.ndarray = self.rows.loss(model(self.rows.x[rows]), self.rows.y[rows]).double().numpy()
        return losses

    @torch.no_grad()
    def test(self, groups: Mapping[str, Sequence[nn.Sequential]]) -> tuple[dict[str, np.ndarray], dict[str, float]]:
        """Losses on the test rows, on average over the students of a group, and scores; others' models beside."""
        answers = {name: [model(self.rows.x[self.tested]) for model in group] for name, group in groups.items()}
        for name, model in self._others().items():
            known, x = self.train.unique(), self.rows.x.numpy()
            y = self.rows.y.numpy() if self.outputs > 1 else self.rows.y[:, 0].numpy()
            model.fit(x[known], y[known])
            if self.outputs > 1:
                logits = np.log(np.clip(model.predict_proba(x[self.tested]), 1e-12, None))
                answers[name] = [torch.from_numpy(logits)]
            else:
                answers[name] = [torch.from_numpy(model.predict(x[self.tested]).astype(np.float32)).unsqueeze(-1)]
        target = self.rows.y[self.tested]
        losses = {
            name: np.mean([self.rows.loss(one, target).double().numpy() for one in every], 0)
            for name, every in answers.items()
        }
        return losses, {name: float(np.mean([self._score(one) for one in every])) for name, every in answers.items()}

    def _score(self, answers: Tensor) -> float:
        target = self.rows.y[self.tested]
        if self.outputs > 1:
            return float((answers.argmax(1) == target).double().mean())
        return 1 - float((answers - target).square().mean() / (target - target.mean()).square().mean())

    def _others(self) -> dict[str, Any]:
        from sklearn.ensemble import (
            HistGradientBoostingClassifier,
            HistGradientBoostingRegressor,
        )
        from sklearn.linear_model import LogisticRegression, RidgeCV
        from sklearn.model_selection import GridSearchCV

        if self.outputs > 1:
            boosting = HistGradientBoostingClassifier(early_stopping=True, random_state=0)
            strengths = {"C": np.logspace(-3, 2, 11)}
            linear = GridSearchCV(LogisticRegression(max_iter=5_000), strengths, scoring="neg_log_loss")
            return {"logistic regression": linear, "gradient boosting": boosting}
        ridge = RidgeCV(np.logspace(-3, 4, 15))
        return {"ridge": ridge, "gradient boosting": HistGradientBoostingRegressor(early_stopping=True, random_state=0)}

    @torch.no_grad()
    def in_its_unit(self, model: nn.Sequential) -> nn.Sequential:
        """A network whose answers are in the target's unit."""
        last = hidden_layers(model)[-1].second
        last.weight.mul_(self.scale)
        if last.bias is not None:
            last.bias.mul_(self.scale).add_(self.shift)
        return model


def _students(data: _Data, settings: Settings, bar: tqdm[None]) -> list[list[nn.Sequential]]:
    """By strength, the K students; without penalty by start, and stopped by validation."""
    k, count, penalised = settings.students, len(settings.strengths), settings.way in ("spectral", "lasso")
    starts = np.arange(count).repeat(k) * (not penalised)
    seeds = [int(seed) for seed in settings.seed * 1_000 + starts * k + np.tile(np.arange(k), count)]
    spectral = settings.way == "spectral"
    networks = Networks.drawn(data.rows.x.shape[1], settings.width, data.outputs, seeds, spectral=spectral)
    strengths = torch.tensor(settings.strengths).repeat_interleave(k)

    def penalty(first: SpectralLinear) -> Tensor:
        one = split_l2(first, L2_PHI, L2_LAM) if spectral else group_lasso(first, balanced_strength(L2_PHI, L2_LAM))
        return strengths * one

    train(
        networks,
        data.rows,
        data.train.repeat(count, 1),
        penalty=penalty if penalised else None,
        stop_on=None if penalised else data.validation.repeat(count, 1),
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        seed=settings.seed,
        progress=bar,
    )
    return [[networks.taken(place * k + member) for member in range(k)] for place in range(count)]


def _strongest(losses: np.ndarray) -> int:
    """The first strength whose losses (strengths, K, V) are within a standard error of the best's, paired by rows."""
    every = losses.reshape(len(losses), -1)
    change, error = over_patterns(every - every[every.mean(1).argmin()])
    return fewest(change.value, error)


def _ladder(
    data: _Data, settings: Settings, groups: Sequence[Sequence[nn.Sequential]], bar: tqdm[None]
) -> tuple[tuple[int, ...], list[list[list[nn.Sequential]]]]:
    """Sizes, and by group and size the K students, cut and trained on."""
    ladder = _rungs(settings.width // 2)
    cuts = [
        model
        for group in groups
        for models in zip(
            *(_cuts(data, one, rows, ladder) for one, rows in zip(group, data.train, strict=True)), strict=True
        )
        for model in models
    ]
    if settings.way == "search":
        cuts = [_redrawn(model, seed) for seed, model in enumerate(cuts, settings.seed * 1_000 + 700)]
    networks = Networks.stacked(cuts)
    times, alone = len(cuts) // settings.students, settings.way == "search"
    train(
        networks,
        data.rows,
        data.train.repeat(times, 1),
        stop_on=data.validation.repeat(times, 1),
        steps=settings.steps if alone else settings.on_steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate if alone else settings.on_learning_rate,
        seed=settings.seed,
        progress=bar,
    )
    every = iter([networks.taken(member) for member in range(len(cuts))])
    return ladder, [[[next(every) for _ in range(settings.students)] for _ in ladder] for _ in groups]


def _redrawn(model: nn.Sequential, seed: int) -> nn.Sequential:
    """An untrained network of the same shape; the one that hears nothing stays."""
    (one,) = hidden_layers(model)
    shape = one.first.in_features, one.first.out_features, one.second.out_features
    return Networks.drawn(*shape, [seed]).taken(0) if one.first.weight.any() else model


def _rungs(most: int) -> tuple[int, ...]:
    """All sizes to 12, then an eighth more each time."""
    sizes = [0]
    while sizes[-1] < most:
        sizes.append(min(most, sizes[-1] + max(1, sizes[-1] // 8)))
    return tuple(sizes)


@torch.no_grad()
def _cuts(data: _Data, model: nn.Sequential, rows: Tensor, ladder: Sequence[int]) -> Iterator[nn.Sequential]:
    """Of one student, networks of the sizes of a ladder; without nodes, one that hears nothing stands for none."""
    (one,) = hidden_layers(model)
    x = data.rows.x[rows]
    bias = one.second.weight.new_zeros(data.outputs) if one.second.bias is None else one.second.bias
    left = {int(step.keep.sum()): step for step in remove(node_answers(model, one, x), one.second.weight, bias)}
    for size in ladder:
        kept = left[min(max(size, 1), max(left))].keep
        smaller = prune(model, {one.name: kept}, x=x, refit=True).model
        if size == 0:
            (silent,) = hidden_layers(smaller)
            for parameter in silent.first.parameters():
                parameter.zero_()
            assert silent.second.bias is not None
            silent.second.bias.copy_(left[0].bias)
        yield smaller


def _from_nothing(data: _Data, settings: Settings, width: int, bar: tqdm[None]) -> list[nn.Sequential]:
    """K networks that were never wide, or never penalised; validation says when they stop."""
    seeds = [settings.seed * 1_000 + 500 + member for member in range(settings.students)]
    networks = Networks.drawn(data.rows.x.shape[1], width, data.outputs, seeds, spectral=False)
    train(
        networks,
        data.rows,
        data.train,
        stop_on=data.validation,
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        seed=settings.seed,
        progress=bar,
    )
    return [networks.taken(member) for member in range(settings.students)]


@torch.no_grad()
def _recurrence(group: Sequence[nn.Sequential]) -> Interval:
    """Of students of one size; a relu node and its mirror image differ by a linear function, and count as one."""
    networks = Networks.stacked(group)
    first, second = networks.first.weight, networks.second.weight
    return estimate_pairs(agreement(first, first.norm(dim=-1) * second.norm(dim=1), threshold=0.0, signed=False))
