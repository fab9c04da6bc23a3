"""Estimators: what scikit-learn asks of them, the sizes that they find, and what they leave alone."""

import copy
import importlib
import itertools
import pickle
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from spectral.apply.estimators import SpectralClassifier, SpectralRegressor

QUICK = {"hidden": (16,), "steps": 200, "random_state": 0}


def relus(rows=600, seed=0, outputs=1):
    """Three relu nodes of five columns, little noise; and as many rows again without noise."""
    stream = np.random.default_rng(0)
    first, second = stream.normal(size=(5, 3)), stream.uniform(0.5, 1.5, size=(3, outputs))
    stream = np.random.default_rng(seed)
    x = stream.normal(size=(2 * rows, 5))
    y = 10 + 5 * np.maximum(x @ first, 0) @ second
    y[:rows] += 0.1 * stream.normal(size=(rows, outputs))
    y = y[:, 0] if outputs == 1 else y
    return x[:rows], y[:rows], x[rows:], y[rows:]


@parametrize_with_checks(
    [
        SpectralRegressor(hidden=(16,), steps=100),
        SpectralClassifier(hidden=(8, 8), steps=100),
    ]
)
def test_scikit_learn_asks(estimator, check):
    check(estimator)


def test_the_planted_size_is_found():
    x, y, x_new, y_new = relus()
    model = SpectralRegressor(hidden=(64,), steps=1_500, random_state=0).fit(x, y)
    assert 3 <= model.n_nodes_[0] <= 10
    assert model.score(x_new, y_new) > 0.99
    assert model.curves_["0"].nodes[-1] == 64
    assert model.n_iter_ == 1_875
    assert 0 < model.validation_loss_ < 0.01


def test_several_layers_and_targets():
    x, y, x_new, y_new = relus(outputs=2)
    model = SpectralRegressor(hidden=[32, 16], steps=1_000, random_state=0).fit(x, y)
    assert model.predict(x_new).shape == (600, 2)
    assert model.score(x_new, y_new) > 0.98
    assert model.curves_.keys() == {"0", "2"}
    assert sum(model.n_nodes_) < 24


def test_a_tolerance_and_a_penalty_make_networks_smaller():
    x, y, *_ = relus()
    sizes = [
        SpectralRegressor(**QUICK | {"hidden": (32,)} | more).fit(x, y).n_nodes_[0]
        for more in ({"tolerance": 0.0, "l2_phi": 0.0, "l2_lam": 0.0}, {"tolerance": 0.05}, {"tolerance": 10.0})
    ]
    assert sizes[0] > sizes[1] >= sizes[2] == 1


def test_breast_cancer():
    data = load_breast_cancer(as_frame=True)
    x, x_new, y, y_new = train_test_split(
        data.data, data.target_names[data.target], stratify=data.target, random_state=0
    )
    model = SpectralClassifier(hidden=(50,), steps=500, random_state=0).fit(x, y)
    assert model.score(x_new, y_new) > 0.93
    assert model.n_nodes_[0] < 25
    assert [*model.classes_] == ["benign", "malignant"]
    assert [*model.feature_names_in_] == [*data.feature_names]
    assert model.predict_proba(x_new).sum(1) == pytest.approx(1)
    assert model.predict_proba(x_new).dtype == np.float64


def test_a_pipeline_in_a_grid_search():
    x, y = load_iris(return_X_y=True)
    steps = make_pipeline(StandardScaler(), SpectralClassifier(**QUICK))
    search = GridSearchCV(steps, {"spectralclassifier__l2_phi": [0.001, 0.01]}, cv=3).fit(x, y)
    assert search.best_score_ > 0.9
    assert search.best_estimator_[-1].n_nodes_[0] < 16


def test_without_prune_all_nodes_stay():
    x, y, x_new, y_new = relus()
    model = SpectralRegressor(**QUICK | {"hidden": (12, 7), "prune": False}).fit(x, y)
    assert model.n_nodes_ == (12, 7)
    assert model.curves_ == {}
    assert model.score(x_new, y_new) > 0.9


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "softplus"])
def test_every_activation_learns(activation):
    x, y, x_new, y_new = relus()
    model = SpectralRegressor(**QUICK | {"activation": activation, "steps": 400}).fit(x, y)
    assert model.score(x_new, y_new) > 0.8


def test_the_network_is_ordinary_and_gives_the_predictions():
    x, y, *_ = relus()
    x[:, 2] = 0.1  # constant
    model = SpectralRegressor(**QUICK).fit(x, y)
    assert [type(module) for module in model.network_] == [nn.Linear, nn.ReLU, nn.Linear]
    assert {parameter.dtype for parameter in model.network_.parameters()} == {torch.float32}
    assert model.network_[0].out_features == model.n_nodes_[0]
    assert model.x_scale_[2] == 1
    with torch.no_grad():
        answers = model.network_(torch.tensor((x - model.x_mean_) / model.x_scale_, dtype=torch.float32))
    predicted = model.predict(x)
    assert predicted.dtype == np.float64
    assert answers.numpy()[:, 0] * model.y_scale_ + model.y_mean_ == pytest.approx(predicted, rel=1e-4)


def test_the_kept_parameters_are_the_best_on_the_validation_part():
    """Training on does not make worse what it is judged by, not even with a learning rate that is too large."""
    x, y, *_ = relus(60)
    model = SpectralRegressor(**QUICK | {"learning_rate": 0.3}).fit(x, y)
    curve = model.curves_["0"]
    cut = curve.loss.value[curve.nodes == model.n_nodes_[0]]
    assert model.validation_loss_ <= cut * (1 + 1e-4)


def test_randomness_comes_from_random_state_alone():
    x, y, x_new, _ = relus()
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()
    first, again, other = (
        SpectralRegressor(**QUICK | {"random_state": state}).fit(x, y).predict(x_new)
        for state in (1, np.random.RandomState(1), 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])
    assert before[2] == torch.get_num_threads()


def test_copies():
    x, y = load_iris(return_X_y=True)
    model = SpectralClassifier(**QUICK).fit(x, y)
    for copied in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert np.array_equal(copied.predict_proba(x), model.predict_proba(x))
    fresh = clone(model)
    assert fresh.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        fresh.predict(x)


@pytest.mark.parametrize("rows", [2, 9, 10, 11])
def test_few_rows(rows):
    x, y, x_new, _ = relus()
    assert np.isfinite(SpectralRegressor(**QUICK).fit(x[:rows], y[:rows]).predict(x_new)).all()
    labels = np.arange(rows) % 2
    assert {*SpectralClassifier(**QUICK).fit(x[:rows], labels).predict(x[:rows])} <= {0, 1}


def test_the_split_takes_of_every_class_and_loses_none():
    stream = torch.Generator().manual_seed(0)
    groups = np.repeat([0, 1, 2], [50, 10, 1])
    train, judge = SpectralClassifier()._split(groups, stream)
    assert np.bincount(groups[train]).tolist() == [40, 8, 1]
    assert np.bincount(groups[judge]).tolist() == [10, 2]
    assert sorted([*train, *judge]) == [*range(61)]
    assert all(len(part) == 30 for part in SpectralClassifier()._split(np.arange(30), stream))


def test_targets_that_do_not_vary():
    x, *_ = relus(30)
    assert SpectralRegressor(**QUICK).fit(x, np.full(30, 3.5)).predict(x) == pytest.approx(3.5, abs=0.1)


def test_a_progress_bar_is_asked_for(capfd):
    x, y, *_ = relus(30)
    for verbose in (False, True):
        SpectralRegressor(**QUICK | {"verbose": verbose}).fit(x, y)
        assert ("steps" in capfd.readouterr().err) is verbose


@pytest.mark.parametrize("kind", [SpectralRegressor, SpectralClassifier])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *itertools.product(["hidden"], [(), (0,), (4, 2.5), (True,), 16, "16"]),
        *itertools.product(["activation"], ["cube", None, nn.ReLU]),
        *itertools.product(["l2_phi", "l2_lam", "tolerance"], [-0.1, np.nan, np.inf]),
        *itertools.product(["steps", "batch_size"], [0, 1.5]),
        *itertools.product(["learning_rate"], [0, np.inf]),
        *itertools.product(["validation_fraction"], [0, 1]),
        *itertools.product(["prune", "verbose", "random_state"], ["yes"]),
    ],
)
def test_impossible_parameters_are_refused_by_name(kind, name, value, monkeypatch):
    monkeypatch.setattr("spectral.apply.estimators._train", None)
    with pytest.raises(ValueError, match=name):
        kind(**{name: value}).fit(np.eye(4), [0, 1, 0, 1])


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="one class only"):
        SpectralClassifier().fit(np.eye(4), ["a"] * 4)


def test_a_training_that_diverges_is_named():
    x, y, *_ = relus(60)
    for steps in (1, 200):
        with pytest.raises(ArithmeticError, match="lower learning_rate"):
            SpectralRegressor(**QUICK | {"learning_rate": 1e30, "steps": steps}).fit(x, y)


def test_without_scikit_learn_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    monkeypatch.delitem(sys.modules, "spectral.apply.estimators")
    with pytest.raises(ImportError, match=r"pip install 'student-teacher-spectral\[apply\]'"):
        importlib.import_module("spectral.apply.estimators")
