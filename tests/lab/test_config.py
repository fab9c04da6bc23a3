import hashlib
import inspect
import json
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from spectral import ConfigError, ExperimentConfig
from spectral.lab.config import combinations, parameters, parse_lists, parse_settings


def test_defaults_are_the_published_spectral_setting():
    config = ExperimentConfig()
    assert (config.input_dim, config.teacher_hidden, config.teacher_second, config.teachers) == (10, 20, 10, 1)
    assert (config.train_patterns, config.validation_patterns, config.test_patterns) == (8_000, 2_000, 10_000)
    assert (config.epochs, config.batch_size, config.learning_rate) == (2_000, 300, 0.005)
    assert (config.l2_phi, config.l2_lam, config.trials) == (0.01, 5e-4, 30)
    assert (config.parametrization, config.activation, config.inputs) == ("spectral", "relu", "gaussian")


def test_direct_twins():
    config = ExperimentConfig(student_hidden=40)
    assert config.direct_twin() == replace(config, parametrization="direct")
    published = config.direct_twin("published")
    assert (published.learning_rate, published.batch_size, published.student_hidden) == (0.002, 500, 40)
    lasso = replace(config, train_lam_in=True).direct_twin("lasso")
    assert lasso == replace(config.direct_twin(), l2_phi=0.0, group_lasso=2 * (0.01 * 5e-4) ** 0.5)
    with pytest.raises(ConfigError, match=r"unknown direct twin 'mached'; did you mean 'matched'\?"):
        config.direct_twin("mached")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"student_hidden": 0}, "student_hidden must be at least 1; got 0"),
        ({"student_hidden": -3}, "student_hidden must be at least 1; got -3"),
        ({"student_hidden": "100"}, "student_hidden must be of type int; got '100', of type str"),
        ({"student_hidden": 10.0}, "student_hidden must be of type int; got 10.0, of type float"),
        ({"drop_dead": 1}, "drop_dead must be of type bool; got 1, of type int"),
        ({"trials": True}, "trials must be of type int; got True, of type bool"),
        ({"learning_rate": float("nan")}, "learning_rate must be a finite number; got nan"),
        ({"learning_rate": 0}, "learning_rate must be above 0; got 0"),
        ({"learning_rate": None}, "learning_rate must be of type float; got None"),
        ({"l2_phi": -0.1}, "l2_phi must be at least 0; got -0.1"),
        ({"l2_lam": float("inf")}, "l2_lam must be a finite number; got inf"),
        ({"seed": -1}, "seed must be at least 0; got -1"),
        ({"batch_size": 8_001}, "batch_size must be at most the 8000 training patterns .* got 8001"),
        ({"validation_fraction": 1.0}, "validation_fraction must leave patterns on both sides"),
        ({"patterns": 2, "batch_size": 1}, "validation_fraction must leave patterns on both sides"),
        ({"activation": "gelu"}, "activation must be one of relu, tanh, erf; got 'gelu'"),
        ({"activation": "identity"}, "activation must be one of relu, tanh, erf; got 'identity'"),
        ({"parametrization": "Spectral"}, "parametrization must be one of spectral, direct; got 'Spectral'"),
        ({"trained": "phi"}, "trained must be one of both, eigenvalues, alternate; got 'phi'"),
        ({"group_lasso": 0.1}, "group_lasso must be 0 for spectral students; got 0.1"),
        ({"parametrization": "direct", "trained": "alternate"}, "a direct one has no eigenvalues to train"),
        ({"parametrization": "direct", "train_lam_in": True}, "a direct one has no eigenvalues to train"),
        ({"teacher": "linear"}, "activation must be tanh or erf for a linear teacher"),
        ({"teacher": 3}, "teacher must be of type str; got 3, of type int"),
        ({"inputs": "digits"}, "there are 1,797 digits for training, validation and test together; 20,000 patterns"),
        (
            {"inputs": "digits", "patterns": 1_300, "test_patterns": 497, "input_dim": 62},
            "inputs = 'digits': digits can be projected to 61 dimensions at most; 62 were asked for",
        ),
        ({"label_noise": -0.1}, "label_noise must be at least 0; got -0.1"),
        ({"dtype": "float16"}, "dtype must be one of float32, float64"),
        ({"optimiser": "rmsprop"}, "optimiser must be one of adam, adamw, sgd; got 'rmsprop'"),
        ({"momentum": 0.9}, "momentum is a number of sgd; adam has its own, got 0.9"),
        ({"optimiser": "sgd", "momentum": 1.0}, r"momentum must lie from 0 \(included\) to 1 \(excluded\), not 1.0"),
        ({"optimiser": "sgd", "adam_eps": 1e-3}, "adam_eps is a number of adam and adamw; sgd has none, got 0.001"),
        ({"adam_eps": 0}, "adam_eps must be above 0; got 0"),
        ({"phi_start": 0}, "phi_start must be above 0; got 0"),
        ({"parametrization": "direct", "train_lam_second": True}, "a direct one has no eigenvalues to train"),
        (
            {"parametrization": "direct", "group_lasso": 0.1, "optimiser": "sgd"},
            "group_lasso is a step in Adam's metric; optimiser must be adam, got 'sgd'",
        ),
        ({"slimming": 0.1, "optimiser": "sgd"}, "slimming is a step in Adam's metric; optimiser must be adam"),
        ({"l1": 0.1}, "l1 must be 0 for spectral students; got 0.1"),
        ({"parametrization": "direct", "slimming": 0.1}, "slimming needs spectral students that train eigenvectors"),
        ({"ladder": "cut"}, "a ladder needs ladder_epochs of at least 1, and no ladder none; got ladder = 'cut'"),
        ({"ladder_epochs": 5}, "a ladder needs ladder_epochs .* got ladder = 'none', ladder_epochs = 5"),
        ({"order": "taylor"}, "order is that of a ladder's nodes; there is no ladder, got 'taylor'"),
        (
            {"ladder": "rewind", "ladder_epochs": 5, "order": "taylor"},
            "order = 'taylor' is a choice for ladder = 'cut'",
        ),
        ({"ladder": "cluster", "ladder_epochs": 5, "trials": 1}, "two or more students of a teacher, .* trials = 1"),
        ({"ladder": "cut", "ladder_epochs": 5, "student_hidden": 4}, "at least as wide as its lowest rung; .* = 4"),
        ({"ladder": "grow", "ladder_epochs": 5}, "student_hidden must be one of 5, 8, 12, 16, 20, 24, 30, 40, got 200"),
        ({"ladder": "cut", "ladder_epochs": 5, "optimiser": "adamw"}, "on a ladder are trained by adam; got .*'adamw'"),
        ({"ladder": "cut", "ladder_epochs": 5, "teacher": "committee"}, "a ladder needs a two-layer teacher"),
    ],
)
def test_impossible_values_fail_at_construction(changes, message):
    with pytest.raises(ConfigError, match=message):
        ExperimentConfig(**changes)


def test_unknown_names_come_with_the_closest():
    with pytest.raises(ConfigError, match=r"unknown parameter 'studnt_hidden'; did you mean 'student_hidden'\?"):
        ExperimentConfig.from_mapping({"studnt_hidden": 100})
    with pytest.raises(ConfigError, match=r"unknown parameter 'zzz'\. Known: activation, adam_eps, batch_size"):
        ExperimentConfig.from_mapping({"zzz": 1})
    with pytest.raises(FrozenInstanceError):
        ExperimentConfig().trials = 3  # type: ignore[misc]


def test_every_field_moves_the_hash_and_nothing_else_does():
    config = ExperimentConfig()
    assert config.hash() == ExperimentConfig().hash()
    assert ExperimentConfig(l2_phi=1).hash() == ExperimentConfig(l2_phi=1.0).hash()
    assert ExperimentConfig(l2_phi=-0.0).hash() == ExperimentConfig(l2_phi=0.0).hash(), "they are equal"
    others = {
        "drop_dead": False,
        "teacher": "committee",
        "parametrization": "direct",
        "activation": "erf",
        "dtype": "float64",
        "trained": "alternate",
        "train_lam_in": True,
        "inputs": "uniform",
        "label_noise": 0.1,
        "optimiser": "adamw",
        "train_lam_second": True,
        "traced": True,
        "l2_second": 0.01,
        "slimming": 0.01,
        "shared_patterns": True,
    }
    direct, sgd = config.direct_twin(), replace(config, optimiser="sgd")
    cut = replace(config, ladder="cut", ladder_epochs=10)
    assert len({one.hash() for one in (direct, replace(direct, group_lasso=0.1), replace(direct, l1=0.1))}) == 3
    changed = ({"ladder": "rewind"}, {"ladder_epochs": 11}, {"order": "taylor"})
    assert len({one.hash() for one in (config, cut, *(replace(cut, **change) for change in changed))}) == 5
    assert replace(sgd, momentum=0.9).hash() != sgd.hash()
    hashes, seen = {config.hash()}, ("group_lasso", "l1", "momentum", "ladder", "ladder_epochs", "order")
    for field in fields(config):
        if field.name in seen:
            continue
        value = getattr(config, field.name)
        number = value + 1 if type(value) is int else value
        other = others.get(field.name, number / 2 if type(value) is float else number)
        hashes.add(replace(config, **{field.name: other}).hash())
    assert len(hashes) == 1 + len(fields(config)) - len(seen)  # the default is one


def test_a_second_layer_has_the_teachers_width_unless_it_has_its_own():
    assert (ExperimentConfig(student_second=30).second_nodes, ExperimentConfig(teacher_second=7).second_nodes) == (
        30,
        7,
    )
    assert ExperimentConfig(student_second=10) == ExperimentConfig()


def test_settings_take_what_run_prints(small):
    pairs = [f"{name}={value}" for name, value in replace(small, drop_dead=False).changed().items()]
    assert ExperimentConfig(**parse_settings(pairs)) == replace(small, drop_dead=False)


def test_members_are_teachers_by_trials():
    config = ExperimentConfig(teachers=2, teacher_seed=5, trials=3, seed=9)
    assert [tuple(member) for member in config.members] == [(9, t, k) for t in (5, 6) for k in (0, 1, 2)]


def test_results_keep_their_names():
    """A default that changes must move the engine version, since hashes leave defaults out."""
    assert ExperimentConfig().hash() == "2a70365a0e94"
    assert ExperimentConfig(student_hidden=40, l2_lam=0.0).hash() == "026ee649749c"
    later = [  # results that do not name these were trained as if they named the default
        *("label_noise", "student_second", "optimiser", "momentum", "adam_eps", "l2_second", "lam_start", "phi_start"),
        *("train_lam_second", "traced", "l1", "slimming", "ladder", "ladder_epochs", "order", "shared_patterns"),
    ]
    named = {name: value for name, value in ExperimentConfig().changed(everything=True).items() if name not in later}
    values = json.dumps(named, sort_keys=True)
    assert hashlib.sha256(values.encode()).hexdigest()[:12] == "492343421cd8"


def test_each_parameter_is_told_in_the_reference_with_its_choices():
    text = inspect.getdoc(ExperimentConfig)
    assert [one.name for one in parameters()] == [field.name for field in fields(ExperimentConfig)]
    for one in parameters():
        assert one.default == one.check(one.default) == getattr(ExperimentConfig(), one.name)
        assert f"\n{one.name}:\n    {one.meaning}" in text
        assert not one.meaning.endswith(".")
    assert "    of teacher and student. One of relu, tanh, erf.\n" in text


@pytest.mark.parametrize("one", parameters(), ids=lambda one: one.name)
def test_what_a_parameter_allows_is_what_it_takes(one):
    """Every choice, and the least number, and nothing beside them."""
    for value in one.choices:
        assert one.check(one.parse(str(value))) == value
    if one.kind == "str":
        with pytest.raises(ConfigError, match=f"{one.name} must be {one.allowed}; got 'x'"):
            one.check("x")
    elif one.kind != "bool":
        least, below = (0, -1) if one.least == 0 else (1, 0)
        assert one.check(one.parse(str(least))) == least
        with pytest.raises(ConfigError, match=f"{one.name} must be {one.allowed}; got {below}"):
            one.check(one.parse(str(below)))


def test_lists_of_values_make_all_combinations_once():
    asked = parse_lists(["student_hidden=30,60,30", "drop_dead=True,false", "trials=3"])
    assert asked == {"student_hidden": [30, 60, 30], "drop_dead": [True, False], "trials": [3]}
    made = combinations(asked)
    assert list(made) == [f"student_hidden={h} drop_dead={d}" for h in (30, 60) for d in ("true", "false")]
    assert made["student_hidden=60 drop_dead=false"] == ExperimentConfig(student_hidden=60, drop_dead=False, trials=3)
    assert combinations({}) == {ExperimentConfig().hash(): ExperimentConfig()}
    assert combinations({"student_second": [0, 10]}) == {"student_second=0": ExperimentConfig()}  # are one


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["student_hidden=30,"], "student_hidden must be of type int; got ''"),
        (["activation=relu,gelu"], "activation must be one of relu, tanh, erf; got 'gelu'"),
        (["l1=0,0.1", "trials=1,2"], "^l1=0.1 trials=1: l1 must be 0 for spectral students"),
        (["l1=0.1"], "^l1 must be 0 for spectral students"),
    ],
)
def test_an_impossible_combination_is_named(pairs, message):
    with pytest.raises(ConfigError, match=message):
        combinations(parse_lists(pairs))
