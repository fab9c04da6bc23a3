"""Estimators for scikit-learn that choose the sizes of their hidden layers: `SpectralRegressor`, `SpectralClassifier`.

They train a network with spectral hidden layers and the split penalty on one part of the rows, cut it to the size that
the other part allows (`spectral.apply.sizes`), and train what is left on. At the end it is an ordinary network.

Axes: n rows of a table, d columns, C outputs, K classes, B patterns.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from torch import Generator, Tensor, nn
from tqdm import tqdm

from spectral.apply.fitting import LOOK_EVERY, flushing
from spectral.apply.networks import hidden_layers, to_linear
from spectral.apply.sizes import Curve, Loss, cross_entropy, right_sized, squared_error
from spectral.layers import SpectralLinear
from spectral.penalties import split_l2

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils._param_validation import Interval, StrOptions
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:
    raise ImportError(
        "spectral.apply.estimators are for scikit-learn, which is not installed here; install it with: "
        "pip install 'student-teacher-spectral[apply]'"
    ) from None

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
}

FEWEST_ROWS = 10
"""With fewer rows there is no validation part."""

TRAINED_ON = 4
"""What is left after the cut is trained on for one step in so many, at half the learning rate."""


class _Rows(NamedTuple):
    """Inputs (n, d), and targets (n, C) or classes (n,)."""

    x: Tensor
    y: Tensor


class _SpectralNetwork(BaseEstimator):  # type: ignore[misc]
    """What both estimators share; see `SpectralRegressor`."""

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "hidden": [tuple, list],
        "activation": [StrOptions({*ACTIVATIONS})],
        "l2_phi": [Interval(Real, 0, None, closed="left")],
        "l2_lam": [Interval(Real, 0, None, closed="left")],
        "prune": ["boolean"],
        "tolerance": [Interval(Real, 0, None, closed="left"), None],
        "steps": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
        "verbose": ["boolean"],
    }

    network_: nn.Sequential
    n_nodes_: tuple[int, ...]
    curves_: Mapping[str, Curve]
    validation_loss_: float
    n_iter_: int

    def __init__(
        self,
        *,
        hidden: Sequence[int] = (100,),
        activation: str = "relu",
        l2_phi: float = 0.01,
        l2_lam: float = 5e-4,
        prune: bool = True,
        tolerance: float | None = None,
        steps: int = 3_000,
        batch_size: int = 128,
        learning_rate: float = 0.01,
        validation_fraction: float = 0.2,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.l2_phi = l2_phi
        self.l2_lam = l2_lam
        self.prune = prune
        self.tolerance = tolerance
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.verbose = verbose

    def _check(self) -> None:
        """Raise ValueError unless the parameters are possible."""
        self._validate_params()
        whole = [isinstance(nodes, Integral) and not isinstance(nodes, bool) and nodes >= 1 for nodes in self.hidden]
        if not whole or not all(whole):
            raise ValueError(
                f"hidden must be the nodes of each hidden layer, one or more whole numbers of at least 1, such as "
                f"(100,); got {self.hidden!r}"
            )

    def _streams(self) -> list[Generator]:
        """Generators of the split, of the first weights, and of the order of the patterns."""
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=3)
        return [Generator().manual_seed(int(seed)) for seed in seeds]

    def _split(self, groups: np.ndarray, stream: Generator) -> tuple[np.ndarray, np.ndarray]:
        """Rows that train and rows that judge; of every group (n,) some of the first. Where that fails, all rows."""
        every, judge = np.arange(len(groups)), []
        for group in np.unique(groups):
            rows = every[groups == group]
            rows = rows[torch.randperm(len(rows), generator=stream, device="cpu").numpy()]
            judge.extend(rows[: min(round(self.validation_fraction * len(rows)), len(rows) - 1)])
        if len(every) < FEWEST_ROWS or len(judge) < 2:
            return every, every
        return np.setdiff1d(every, judge), np.sort(judge)

    def _fit_network(
        self, rows: _Rows, outputs: int, loss: Loss, parts: tuple[np.ndarray, np.ndarray], streams: Sequence[Generator]
    ) -> None:
        """Train, cut and train on; sets the attributes that say what came out."""
        train, judge = (_Rows(rows.x[part], rows.y[part]) for part in parts)
        model = self._drawn(rows.x.shape[1], outputs, streams[0])
        spectral = [one.first for one in hidden_layers(model) if isinstance(one.first, SpectralLinear)]
        on = self.steps // TRAINED_ON
        with tqdm(total=self.steps + on, desc="steps", disable=not self.verbose) as progress:

            def trained(**how: Any) -> None:
                _train(model, train, loss, batch=self.batch_size, stream=streams[1], progress=progress, **how)

            trained(
                steps=self.steps,
                learning_rate=self.learning_rate,
                penalty=lambda: torch.stack([split_l2(one, self.l2_phi, self.l2_lam) for one in spectral]).sum(),
            )
            model, self.curves_ = to_linear(model), {}
            if self.prune:
                model, self.curves_ = right_sized(
                    model, judge.x, judge.y, loss, fitted=train.x, tolerance=self.tolerance
                )
            trained(steps=on, learning_rate=self.learning_rate / 2, judge=judge)
        self.network_ = model.eval()
        self.n_nodes_ = tuple(one.first.out_features for one in hidden_layers(model))
        self.validation_loss_ = float(_mean(model, judge, loss))
        self.n_iter_ = self.steps + on

    def _drawn(self, inputs: int, outputs: int, stream: Generator) -> nn.Sequential:
        """An untrained network: spectral hidden layers, and an ordinary one that gives the outputs."""
        sizes = [inputs, *(int(nodes) for nodes in self.hidden), outputs]
        linear = [
            SpectralLinear(before, after, bias=True, generator=stream, device="cpu", dtype=torch.float32)
            for before, after in itertools.pairwise(sizes)
        ]
        hidden = [module for layer in linear[:-1] for module in (layer, ACTIVATIONS[self.activation]())]
        return nn.Sequential(*hidden, linear[-1].to_linear())

    def _outputs(self, values: Any) -> np.ndarray:
        """What the network answers to rows, (n, C), in double precision: a row's answer has no company in it."""
        check_is_fitted(self)
        known = validate_data(self, values, reset=False, dtype=np.float64)
        x = torch.from_numpy(np.ascontiguousarray((known - self.x_mean_) / self.x_scale_))
        with torch.no_grad():
            answers: np.ndarray = copy.deepcopy(self.network_).double()(x).numpy()
        return answers

    def _standardised(self, values: np.ndarray, train: np.ndarray) -> Tensor:
        """Inputs (n, d) in the unit of the rows that train, whose mean and scale are kept."""
        self.x_mean_, self.x_scale_ = _unit(values[train])
        return _single((values - self.x_mean_) / self.x_scale_)


class SpectralRegressor(RegressorMixin, _SpectralNetwork):  # type: ignore[misc]
    """A network for numbers that keeps as many hidden nodes as the data need; squared error, one or several targets.

    Some rows, drawn by `random_state`, are the validation part. On the others a network is trained by Adam with the
    split penalty on its spectral hidden layers. Layer by layer it is then cut to the fewest nodes whose loss on the
    validation part is above the whole network's by no more than `tolerance`, those that stay taking over what they can.
    What is left is trained on without penalty for a quarter of `steps` more, and keeps the parameters that were best on
    the validation part, those right after the cut included.

    With fewer than 10 rows, or where less than two rows can be spared, there is no validation part: all rows train and
    all judge, and the size means little. All is computed on the CPU.

    Parameters
    ----------
    hidden:
        Nodes of each hidden layer before the cut, from the inputs on.
    activation:
        "relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid" or "softplus".
    l2_phi, l2_lam:
        Strengths of the split penalty; see `spectral.penalties`. Stronger ones leave fewer nodes.
    prune:
        Whether to cut. If not, the whole network is trained on.
    tolerance:
        What a cut of one layer may cost, in the unit of the validation loss; by default one standard error of the cost.
        The loss of regression is the squared error of standardised targets: 0.01 is a hundredth of their variance.
    steps:
        Of training with the penalty. The learning rate falls to zero along half a cosine.
    batch_size, learning_rate:
        Of Adam. After the cut it goes on with half the learning rate.
    validation_fraction:
        Part of the rows that judges.
    random_state:
        Seed of the validation part, the first weights and the order of the patterns. PyTorch's own state is not used.
    verbose:
        Whether to show a progress bar.

    Attributes
    ----------
    network_:
        An `nn.Sequential` of `nn.Linear` and activations, in float32. It reads standardised columns,
        ``(X - x_mean_) / x_scale_``, and gives standardised targets.
    n_nodes_:
        Nodes that are left in each hidden layer, a tuple.
    curves_:
        By the name of a layer in `network_`, the loss against its number of nodes, a `spectral.apply.sizes.Curve`;
        empty without `prune`.
    validation_loss_:
        Mean loss of `network_` on the validation part. The size and the parameters were chosen there: it flatters.
    x_mean_, x_scale_, y_mean_, y_scale_:
        Of the rows that train; the scale of a constant is 1.
    n_iter_:
        Steps of both trainings together.
    n_features_in_, feature_names_in_:
        As everywhere in scikit-learn.

    Raises
    ------
    ValueError
        If a parameter is impossible, by its name, or the table is not as scikit-learn asks. Comes before any training.
    ArithmeticError
        If the loss is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 3))
    >>> model = SpectralRegressor(hidden=(30,), steps=500, random_state=0).fit(x, np.maximum(x[:, 0], 0))
    >>> model.n_nodes_[0] < 30
    True
    """

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Train on inputs (n, d) and targets (n,) or (n, C)."""
        self._check()
        values, targets = validate_data(
            self, X, y, dtype=np.float64, ensure_min_samples=2, multi_output=True, y_numeric=True
        )
        targets = targets.astype(np.float64)
        first, *others = self._streams()
        parts = self._split(np.zeros(len(targets), int), first)
        self.y_mean_, self.y_scale_ = _unit(targets[parts[0]])  # (C,), or () for targets (n,)
        standard = _single((targets - self.y_mean_) / self.y_scale_).view(len(targets), -1)
        rows = _Rows(self._standardised(values, parts[0]), standard)
        self._fit_network(rows, standard.shape[1], squared_error, parts, others)
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """Numbers for inputs (n, d), of the shape of the targets in `fit`: (n,) or (n, C)."""
        outputs = self._outputs(X)
        answers: np.ndarray = outputs.reshape(len(outputs), *self.y_mean_.shape) * self.y_scale_ + self.y_mean_
        return answers

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class SpectralClassifier(ClassifierMixin, _SpectralNetwork):  # type: ignore[misc]
    """A network for classes that keeps as many hidden nodes as the data need; cross entropy.

    Parameters, errors and what is done are as in `SpectralRegressor`. The loss, and so `tolerance`, is in nats. The
    validation part takes the same fraction of every class, and leaves each at least one row to train on.

    Attributes
    ----------
    classes_:
        The classes, in the order of `predict_proba`.
    network_:
        An `nn.Sequential` of `nn.Linear` and activations, in float32. It reads standardised columns,
        ``(X - x_mean_) / x_scale_``, and gives one logit for each class.
    n_nodes_, curves_, validation_loss_, x_mean_, x_scale_, n_iter_, n_features_in_, feature_names_in_:
        As in `SpectralRegressor`.
    """

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Train on inputs (n, d) and classes (n,)."""
        self._check()
        values, labels = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        check_classification_targets(labels)
        classes, numbers = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"a classifier needs two classes or more in y; got one class only, {classes[0]!r}")
        self.classes_ = classes
        first, *others = self._streams()
        parts = self._split(numbers, first)
        rows = _Rows(self._standardised(values, parts[0]), torch.from_numpy(numbers.astype(np.int64)))
        self._fit_network(rows, len(classes), cross_entropy, parts, others)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """Probabilities of the classes for inputs (n, d), (n, K)."""
        probabilities: np.ndarray = torch.from_numpy(self._outputs(X)).softmax(1).numpy()
        return probabilities

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The most probable class for inputs (n, d), (n,)."""
        probabilities = self.predict_proba(X)
        answers: np.ndarray = self.classes_[probabilities.argmax(1)]
        return answers


def _unit(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over rows; 1 for what is constant, whose deviation may be no more than rounding."""
    scale = values.std(0)
    return np.asarray(values.mean(0)), np.where((np.ptp(values, 0) > 0) & (scale > 0), scale, 1.0)


def _single(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


@torch.no_grad()
def _mean(model: nn.Module, rows: _Rows, loss: Loss) -> Tensor:
    return loss(model(rows.x), rows.y).mean()


@flushing()
def _train(
    model: nn.Module,
    rows: _Rows,
    loss: Loss,
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    stream: Generator,
    progress: tqdm[None],
    penalty: Callable[[], Tensor] | None = None,
    judge: _Rows | None = None,
) -> None:
    """Train by Adam in place. With rows that judge, the parameters that were best there are left, the first included.

    What is left of the rows in an epoch after as many whole batches as there are has its turn in another one.

    Raises
    ------
    ArithmeticError
        If a loss is not finite.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    adam = torch.optim.Adam(trained, lr=learning_rate, fused=True)
    count, batch = len(rows.x), min(batch, len(rows.x))
    order, total = torch.arange(0, device="cpu"), torch.zeros(())
    least, best = torch.inf, [parameter.detach().clone() for parameter in trained]
    for step in range(steps + 1):
        if step % LOOK_EVERY == 0 or step == steps:
            # A loss that is not finite leaves no parameter that is: looking now and then misses none.
            if not torch.isfinite(_mean(model, rows, loss) if step == steps else total):
                raise ArithmeticError(
                    f"the loss is not finite after {step:,} steps of training; lower learning_rate, or look at the "
                    "table for values far from all others"
                )
            if judge is not None and (now := float(_mean(model, judge, loss))) < least:
                least, best = now, [parameter.detach().clone() for parameter in trained]
        if step < steps:
            place = step % (count // batch) * batch
            if place == 0:
                order = torch.randperm(count, generator=stream, device="cpu")
            chosen = order[place : place + batch]
            total = loss(model(rows.x[chosen]), rows.y[chosen]).mean()
            if penalty is not None:
                total = total + penalty()
            adam.param_groups[0]["lr"] = learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
            adam.zero_grad()
            total.backward()
            adam.step()
            progress.update()
    if judge is not None:
        with torch.no_grad():
            for parameter, kept in zip(trained, best, strict=True):
                parameter.copy_(kept)
