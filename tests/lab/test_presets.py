import hashlib
import math
from collections import Counter
from dataclasses import replace

import pytest

from spectral.lab.config import ConfigError, ExperimentConfig
from spectral.lab.files import REPOSITORY
from spectral.lab.presets import METHODS, PRESETS, STUDENTS, configurations, controls, experiments, standard, twins
from spectral.lab.provenance import command
from spectral.lab.sweep import expected_seconds
from spectral.streams import member_streams, stream

DEFAULT, LEDGER = ExperimentConfig(), REPOSITORY / "book" / "claims.yaml"


def test_an_unknown_preset_comes_with_the_closest():
    with pytest.raises(ConfigError, match=r"unknown preset 'papr'; did you mean 'paper'\? Known: laptop, paper, smoke"):
        experiments("papr")


@pytest.mark.parametrize("preset", PRESETS)
def test_no_experiment_comes_twice(preset):
    found = configurations(preset)
    assert len({config.hash() for config in found.values()}) == len(found)
    assert len({command(config) for config in found.values()}) == len(found)


@pytest.mark.parametrize("preset", PRESETS)
def test_no_two_members_share_a_random_stream(preset):
    members = sorted({member for config in configurations(preset).values() for member in config.members})
    for purpose in ("train", "validation", "test", "initial", "order", "noise"):
        states = {generator.get_state().numpy().tobytes() for generator in member_streams(members, purpose)}
        assert len(states) == len(members)
    teachers = {member.teacher_seed: member for member in members}
    assert len({stream(member, "teacher").get_state().numpy().tobytes() for member in teachers.values()}) == len(
        teachers
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_have_the_same_experiments_at_their_own_sizes(preset):
    p, count = PRESETS[preset], Counter(name.split("/")[0] for name in configurations(preset))
    assert count == {
        "grid": 4 * len(p.widths),
        "one-teacher": 4 * len(p.widths_alone),
        "m=5": 4,
        "m=20": 4,
        "variant": 6,
        "long": 2,
        "control": 3,
        "universal": sum(1 for name in configurations(preset) if name.startswith("universal/")),
        "narrow": sum(1 for name in configurations(preset) if name.startswith("narrow/")),
        "why": sum(1 for name in configurations(preset) if name.startswith("why/")),
        "together": 4 * (len(p.together.widths) + len(p.together.sizes) * len(p.together.dims)),
        "peers": (5 * len(p.peers.strengths) + 6) * (1 + len(p.peers.noise) + len(p.peers.inputs)),
    }
    for name, config in configurations(preset).items():
        design, student, width = name.split("/")
        direct = student.split(",")[0] in STUDENTS[1:] or design in ("control", "narrow")
        if design == "why":
            direct = "direct" in student or "frozen" in student
        if design == "peers":
            direct = student.split(",")[0] not in ("spectral", "slimming")
        assert config.student_hidden == int(width)
        assert config.parametrization == ("direct" if direct else "spectral")
    m = {name.split("/")[0]: config.teacher_second for name, config in configurations(preset).items()}
    assert (m["grid"], m["m=5"], m["m=20"]) == (10, 5, 20)


def test_paper_is_the_paper_s_scale():
    paper = configurations("paper")
    assert STUDENTS == ("spectral", "published", "matched", "lasso")
    for student in STUDENTS:
        for width in (10, 20, 40, 60, 100, 200, 500, 1_000):
            config = paper[f"grid/{student}/{width}"]
            assert (config.teachers, config.trials, len(config.members)) == (30, 1, 30)
        for width in (40, 200):
            config = paper[f"one-teacher/{student}/{width}"]
            assert (config.teachers, config.trials) == (1, 30)
    for name, config in paper.items():
        if name.startswith(("universal/", "narrow/", "why/", "together/", "peers/")):
            continue
        assert config.epochs == (8_438 if name.startswith("control/epochs") else 8_000 if "long/" in name else 2_000)
        assert len(config.members) == 30
        same = ("input_dim", "teacher_hidden", "patterns", "test_patterns", "validation_fraction", "activation")
        assert all(getattr(config, field) == getattr(DEFAULT, field) for field in (*same, "teacher", "dtype"))
        published = "published" in name or name.startswith("control/")
        rate = 0.002 if published and "learning_rate" not in name else 0.005
        assert (config.learning_rate, config.batch_size) == (rate, 500 if published and "batch" not in name else 300)


def test_paper_keeps_away_from_seeds_that_were_looked_at():
    """Seed 0 and teachers below 100 are for trying things out; those up to 507 and two seeds had earlier runs.

    The ledger names the ones there are.
    """
    members = {member for config in configurations("paper").values() for member in config.members}
    assert {member.seed for member in members} == {3107, 3108, 3110, 3111, 3112}
    expected = {*range(1000, 1030), 1100, *range(1200, 1680), *range(1700, 1740)}
    later = {*range(1850, 1870), *range(1900, 1942), *range(2000, 2022)}
    assert {member.teacher_seed for member in members} == expected | later
    header = " ".join(LEDGER.read_text().replace("\n#", "").split())
    assert "(seeds 1000 to 1029, 1100, 1200 to 1679 and 1700 to 1739) and their base seeds (3107 and 3108)" in header
    assert "chapter 13 have teachers 1850 to 1869 and base seed 3110" in header
    assert "Those of chapter 14 have teachers 1900 to 1941 and base seed 3111" in header
    assert "Those of chapter 15 have teachers 2000 to 2021 and base seed 3112" in header
    designs = ("grid/spectral/200", "one-teacher/spectral/200", "universal/h_T=20,d=10/100")
    teachers = [{member.teacher_seed for member in configurations("paper")[name].members} for name in designs]
    assert sum(map(len, teachers)) == len(set.union(*teachers))
    universal = {config.seed for name, config in configurations("paper").items() if name.startswith("universal/")}
    assert not universal & {config.seed for name, config in configurations("paper").items() if name.startswith("grid/")}


@pytest.mark.parametrize("preset", PRESETS)
def test_controls_differ_from_the_spectral_student_in_nothing_else(preset):
    may_differ = {
        "published": {"parametrization", "learning_rate", "batch_size"},
        "matched": {"parametrization"},
        "lasso": {"parametrization", "l2_phi", "group_lasso"},
    }
    found = configurations(preset)
    for name, config in found.items():
        design, student, width = name.split("/")
        student, cell, of = student.partition(",")
        if student not in may_differ or design in ("why", "peers"):
            continue
        partner = f"{design}/spectral{cell}{of}/{width}"
        one, other = config.changed(everything=True), found[partner].changed(everything=True)
        assert {field for field in one if one[field] != other[field]} == may_differ[student]
        assert config.members == found[partner].members


def test_the_lasso_twin_has_the_strength_that_the_split_penalty_amounts_to():
    for a, b in ((0.01, 5e-4), (0.3, 0.07)):
        lasso = twins(replace(DEFAULT, l2_phi=a, l2_lam=b))["lasso"]
        assert lasso.l2_phi == 0
        assert lasso.group_lasso == pytest.approx(2 * math.sqrt(a * b), rel=1e-15)
    assert list(twins(DEFAULT)) == list(STUDENTS)
    assert twins(DEFAULT)["spectral"] is DEFAULT


def test_published_settings_are_changed_one_by_one():
    """8,000 patterns are 27 batches of 300 or 16 of 500: (27 0.005) / (16 0.002) = 4.22 times the epochs go as far."""
    found, published = controls(DEFAULT), DEFAULT.direct_twin("published")
    assert found == {
        "learning_rate": replace(published, learning_rate=0.005),
        "batch_size": replace(published, batch_size=300),
        "epochs": replace(published, epochs=round(DEFAULT.epochs * 27 * 0.005 / (16 * 0.002))),
    }
    paper = configurations("paper")
    assert found["epochs"].epochs == paper["control/epochs=8438/200"].epochs == 8_438
    for name in ("learning_rate=0.005", "batch_size=300", "epochs=8438"):
        assert paper[f"control/{name}/200"].members == paper["grid/published/200"].members


def test_variants_change_one_thing():
    for name, config in configurations("paper").items():
        design, student, width = name.split("/")
        if design == "variant":
            one, other = config.changed(everything=True), configurations("paper")[f"grid/spectral/{width}"]
            assert len([field for field, value in one.items() if value != getattr(other, field)]) == 1, student


def test_smaller_presets_are_quicker():
    smoke, laptop, paper = (sum(map(expected_seconds, configurations(name).values())) for name in PRESETS)
    assert 10 * smoke < laptop < paper / 10


def universal(preset: str) -> dict[str, ExperimentConfig]:
    """The experiments on universality by their settings, the middle of their names."""
    found = [(name.split("/"), config) for name, config in configurations(preset).items()]
    return {setting: config for (design, setting, _), config in found if design == "universal"}


def test_universality_is_tried_over_sizes_and_dimensions():
    """Twenty teachers of their own in every cell of the grid, one student each, of five times their nodes."""
    paper, seeds = universal("paper"), []
    for size in (5, 10, 20, 40, 80, 160):
        for dim in (5, 10, 20, 40):
            config = paper[f"h_T={size},d={dim}"]
            assert (config.teacher_hidden, config.input_dim, config.student_hidden) == (size, dim, 5 * size)
            assert (config.teachers, config.trials, config.teacher_second, config.epochs) == (20, 1, 10, 2_000)
            seeds += range(config.teacher_seed, config.teacher_seed + 20)
    assert len(seeds) == len(set(seeds)) == 480


def test_networks_of_few_nodes_are_trained_freely_on_the_same_teachers():
    """From less than a tenth of the teacher's nodes to more than it has, but five at least; without penalties."""
    paper, widths = configurations("paper"), {}
    for name, config in paper.items():
        design, setting, width = name.split("/")
        if design == "narrow":
            widths.setdefault(setting, []).append(int(width))
            of = universal("paper")[setting]
            assert config == replace(of.direct_twin(), l2_phi=0.0, student_hidden=int(width))
            assert (config.l2_phi, config.group_lasso, config.members) == (0.0, 0.0, of.members)
    expected = {
        20: [6, 9, 14, 20, 28],
        40: [5, 8, 12, 18, 28, 40, 56],
        80: [5, 7, 10, 16, 24, 36, 56, 80, 112],
        160: [10, 14, 21, 32, 48, 72, 112, 160, 224],
    }
    assert widths == {f"h_T={size},d={dim}": expected[size] for size in expected for dim in (5, 10)}


@pytest.mark.parametrize("preset", PRESETS)
def test_universality_varies_one_thing_at_a_time(preset):
    may_differ = {
        "activation": {"activation"},
        "inputs": {"inputs"},
        "noise": {"label_noise"},
        "penalty": {"l2_phi", "l2_lam"},
        "patterns": {"patterns", "epochs"},
        "epochs": {"epochs"},
    }
    settings = universal(preset)
    base = settings["h_T=20,d=10"]
    seen = {setting.split("=")[0] for setting in settings if not setting.startswith("crowded,")}
    assert seen == {"h_T", "committee", *may_differ}
    for setting, config in settings.items():
        kind = setting.split("=")[0]
        if kind not in may_differ:
            continue
        one, other = config.changed(everything=True), base.changed(everything=True)
        allowed = may_differ[kind]
        if setting == "inputs=digits":
            allowed = allowed | {"patterns", "test_patterns", "validation_fraction", "epochs"}
            assert (config.train_patterns, config.validation_patterns, config.test_patterns) == (1_000, 300, 497)
        assert {field for field in one if one[field] != other[field]} <= allowed
        assert config.members == base.members
        if kind != "epochs" and preset != "smoke":  # two epochs cannot be divided
            steps = [c.epochs * math.ceil(c.train_patterns / c.batch_size) for c in (config, base)]
            assert steps[0] == pytest.approx(steps[1], rel=0.002)
    assert settings["penalty=10"].l2_phi / base.l2_phi == pytest.approx(10)
    assert settings["penalty=10"].l2_lam / base.l2_lam == pytest.approx(10)


@pytest.mark.parametrize("preset", PRESETS)
def test_what_was_crowded_is_trained_again_with_one_thing_changed(preset):
    """On the first of its teachers; lighter penalties, or more patterns in as many steps, or more epochs."""
    settings, sizes = universal(preset), PRESETS[preset].universal
    again = [setting for setting in settings if setting.startswith("crowded,")]
    assert len(again) == len(sizes.crowded) * (len(sizes.lighter) + 2)
    for setting in again:
        original, _, change = setting.removeprefix("crowded,").rpartition(",")
        config, other = settings[setting], replace(settings[original], teachers=sizes.crowded_teachers)
        assert config.members == settings[original].members[: sizes.crowded_teachers * sizes.trials]
        if change.startswith("penalty="):
            factor = float(change.removeprefix("penalty="))
            assert factor < 1
            lighter = {"l2_phi": factor * other.l2_phi, "l2_lam": factor * other.l2_lam}
            assert config == replace(other, **lighter)
        elif change.startswith("patterns="):
            assert config.patterns == sizes.denser * other.patterns
            assert config == replace(other, patterns=config.patterns, epochs=config.epochs)
            steps = [c.epochs * math.ceil(c.train_patterns / c.batch_size) for c in (config, other)]
            assert preset == "smoke" or steps[0] == pytest.approx(steps[1], rel=0.002)
        else:
            assert config == replace(other, epochs=sizes.longer * other.epochs)


def test_committees_of_both_activations_share_their_weights():
    for preset in PRESETS:
        settings = universal(preset)
        for setting, config in settings.items():
            if setting.startswith("committee=relu"):
                other = settings[setting.replace("relu", "erf")]
                assert replace(config, activation="erf") == other
                assert config.teacher == "committee"


def test_laptop_stays_within_ten_minutes():
    assert sum(map(expected_seconds, configurations("laptop").values())) < 600
    assert sum(map(expected_seconds, universal("laptop").values())) < 120


NAMES = {  # of all experiments: digits of the SHA-256 of their names, one a line, and how many there are
    "smoke": ("53259ae1d532", 131),
    "laptop": ("e9525e88674a", 141),
    "paper": ("755dc3bdcb80", 378),
}


@pytest.mark.parametrize("preset", PRESETS)
def test_experiments_keep_their_names(preset):
    """Results are found by hash; by name people ask for them, and the committed chapters name them."""
    names = [experiment.name for experiment in experiments(preset)]
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]
    assert (digest, len(names)) == NAMES[preset]
    assert configurations(preset) == {experiment.name: experiment.config for experiment in experiments(preset)}


def why(label: str) -> str:
    """What an experiment on why nodes die intervenes in, by the label in its name."""
    word, _, _ = label.partition("=")
    kinds = {"a": "l2", "eps": "adam_eps", "rate": "steps", "phi": "start", "lam": "start", "frozen": "start"}
    rules = {"adamw": "rule", "momentum": "rule", "sgd": "rule", "published": "published"}
    return (kinds | rules).get(word if "=" in label and word in kinds else label.split(",")[0], "layers")


def peers(label: str) -> str:
    """The setting in which ways are compared, by the label in an experiment's name."""
    return "label_noise" if "noise=" in label else "inputs" if "inputs=" in label else "usual"


@pytest.mark.parametrize("preset", PRESETS)
def test_ways_to_small_networks_have_one_budget_and_the_same_patterns(preset):
    """Nodes times epochs of all trainings of an attempt; four attempts of each way; teachers of a setting's own."""
    found, seeds = {}, []
    for experiment in experiments(preset):
        if experiment.design == "peers":
            found.setdefault(experiment.varied, {}).setdefault(experiment.student, []).append(experiment.config)
    for ways in found.values():
        assert tuple(ways) == METHODS
        usual = ways["spectral"][0]
        seeds += range(usual.teacher_seed, usual.teacher_seed + usual.teachers)
        budgets = []
        for configs in ways.values():
            assert sum(config.trials for config in configs) == len(PRESETS[preset].peers.strengths)
            for config in configs:
                own = config.student_hidden if config.ladder not in ("grow", "fresh") else 0
                budgets.append(own * config.epochs + sum(config.rungs) * config.ladder_epochs)
                assert config.rungs == usual.rungs
                assert config.ladder in ("cut", "rewind", "cluster") or config.epochs == config.ladder_epochs
                world = ("teacher_seed", "teachers", "seed", "inputs", "label_noise", "patterns", "shared_patterns")
                assert all(getattr(config, name) == getattr(usual, name) for name in world)
        if preset != "smoke":  # two epochs cannot be divided
            assert max(budgets) <= 1.005 * min(budgets)
    assert len(seeds) == len(set(seeds))


@pytest.mark.parametrize("preset", PRESETS)
def test_an_experiment_says_what_its_name_says(preset):
    for experiment in experiments(preset):
        place, middle, _ = experiment.name.split("/")
        expected = {
            "grid": ("grid", "student_hidden", middle),
            "one-teacher": ("one-teacher", "student_hidden", middle),
            "m=5": ("m", "teacher_second", middle),
            "m=20": ("m", "teacher_second", middle),
            "variant": ("variant", middle, "spectral"),
            "long": ("long", "epochs", middle),
            "control": ("control", middle.partition("=")[0], "published"),
            "narrow": ("narrow", "student_hidden", "narrow"),
            "why": ("why", why(middle), "matched" if "direct" in middle or "frozen" in middle else "spectral"),
            "peers": ("peers", peers(middle), middle.split(",")[0]),
            "together": ("together", "teacher" if "h_T" in middle else "student_hidden", middle.split(",")[0]),
        }
        if place == "universal":
            kind = middle.rpartition(",")[2] if middle.startswith("crowded,") else middle
            varied = {"h_T": "teacher", "noise": "label_noise", "penalty": "penalties"}
            word = kind.partition("=")[0]
            design = "crowded" if middle.startswith("crowded,") else "universal"
            expected["universal"] = (design, varied.get(word, word), "spectral")
        assert (experiment.design, experiment.varied, experiment.student) == expected[place]


WHY = {
    "l2": {"l2_phi", "l2_lam"},
    "rule": {"optimiser", "momentum", "learning_rate", "epochs", "parametrization", "l2_phi", "l2_lam"},
    "adam_eps": {"adam_eps"},
    "steps": {"learning_rate", "epochs"},
    "start": {"phi_start", "lam_start", "parametrization"},
    "layers": {"parametrization", "train_lam_in", "train_lam_second", "l2_second"},
}


@pytest.mark.parametrize("preset", PRESETS)
def test_an_experiment_differs_from_its_base_in_the_varied_thing_alone(preset):
    """And in what that brings with it: as many steps with other patterns; digits, of which there are few.

    Fewer teachers are trained again, of those there are. A conventional network of few nodes is compared with a student
    that was to find them, and has neither its parametrization nor its penalties.
    """
    fields = {
        "penalties": {"l2_phi", "l2_lam"},
        "patterns": {"patterns", "epochs"},
        "inputs": {"inputs", "epochs", "patterns", "test_patterns", "validation_fraction"},
        "alternate": {"trained"},
        "eigenvalues": {"trained"},
        "lam_in": {"train_lam_in"},
        "unpenalised": {"l2_lam"},
        "never-drop": {"drop_dead"},
        "wide-second": {"student_second"},
    }
    found = {experiment.name: experiment for experiment in experiments(preset)}
    for experiment in found.values():
        alone = experiment.design in ("grid", "one-teacher", "together", "peers")
        alone |= experiment.varied in ("teacher", "committee", "published")
        assert (experiment.base == "") == alone, experiment.name
        if alone:
            continue
        base = found[experiment.base]
        one, other = experiment.config.changed(everything=True), base.config.changed(everything=True)
        differ, may = {name for name in one if one[name] != other[name]}, fields.get(experiment.varied)
        members = base.config.members
        if experiment.design == "crowded":
            differ, members = differ - {"teachers"}, members[: len(experiment.config.members)]
        if experiment.design == "narrow":
            may = {"student_hidden", "parametrization", "l2_phi"}
        if experiment.design == "why":  # one thing, with what belongs to it; less is kept than of the one as published
            differ, may = differ - {"traced"}, WHY[experiment.varied]
            assert differ, experiment.name
            assert differ <= may, experiment.name
            assert experiment.config.members == members
            continue
        assert differ, experiment.name
        assert differ <= (may or {experiment.varied}), experiment.name
        if experiment.varied not in ("patterns", "inputs"):
            assert differ == (may or {experiment.varied}), experiment.name
        assert experiment.student == ("narrow" if experiment.design == "narrow" else base.student)
        assert experiment.config.members == members, "a comparison of different teachers or trials"


@pytest.mark.parametrize("preset", PRESETS)
def test_what_belongs_together_shares_what_is_compared(preset):
    """The standard setting is the base of all variations of it; others have the setting that they repeat."""
    for experiment in experiments(preset):
        if experiment.design == "universal" and experiment.base:
            assert experiment.base == "universal/h_T=20,d=10/100"
        if experiment.design == "crowded":
            original = experiment.name.split("/")[1].removeprefix("crowded,").rpartition(",")[0]
            assert experiment.base.split("/")[1] == original
        if experiment.design == "narrow":
            assert experiment.base.split("/")[1] == experiment.name.split("/")[1]


DERIVED = {
    "epochs": ("long", "control", "universal", "crowded", "why", "peers"),  # as many steps, or times as many epochs
    "patterns": ("digits", "crowded"),  # digits, of which there are so many; times as many patterns
    "l2_phi": ("lasso", "narrow", "universal", "crowded", "direct", "peers"),  # no penalty, or times the penalty
    "teachers": ("one-teacher", "crowded"),
    "student_hidden": ("grow", "search"),
}
"""Where a fixed field may have another value, since that is derived of it or what the experiment is about."""


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    ("settings", "gone"),
    [
        ({"input_dim": 7}, {}),
        ({"inputs": "correlated"}, {"universal": "inputs=", "peers": "inputs="}),
        ({"label_noise": 0.2}, {"universal": "noise=", "peers": "noise="}),
        ({"teacher_hidden": 10}, {}),
        ({"teacher_second": 7}, {"m": "m="}),
        ({"student_hidden": 50}, {"narrow": ""}),
        ({"epochs": 40}, {}),
        ({"patterns": 4_000}, {"universal": "patterns="}),
        ({"l2_phi": 0.02}, {"why": "a="}),
        ({"teachers": 3, "seed": 5}, {}),
    ],
    ids=str,
)
def test_settings_hold_in_every_experiment(preset, settings, gone):
    """But where the value is derived; what varies the field is left out, and the one that all vary is there."""
    found = {one.name: one for one in experiments(preset, settings)}
    for name, one in found.items():
        for field, value in settings.items():
            derived = any(word in name or word == one.design for word in DERIVED.get(field, ()))
            assert derived or getattr(one.config, field) == value, name
    for design, label in gone.items():
        assert [name for name, one in found.items() if one.design == design and label in name] == []
    base = found[standard(settings)]
    assert {one.base for one in found.values() if one.design == "narrow"} <= set(found)
    for one in found.values():
        if one.design == "universal" and one.base:
            assert one.base == base.name
            assert (one.config.teacher_hidden, one.config.input_dim) == (
                base.config.teacher_hidden,
                base.config.input_dim,
            )


@pytest.mark.parametrize("preset", PRESETS)
def test_settings_at_what_is_usual_leave_runs_that_are_known(preset):
    """Of the grid of teachers the column with so many inputs, with the teachers that it has."""
    known = {config.hash() for config in configurations(preset).values()}
    for settings in ({"activation": "relu"}, {"input_dim": 10}, {"teacher_hidden": 20, "inputs": "gaussian"}):
        found = experiments(preset, settings, ["grid", "universal", "crowded", "m", "variant"])
        fresh = [one.name for one in found if one.config.hash() not in known]
        assert found
        assert [name for name in fresh if "committee" not in name] == []


def test_controls_follow_the_settings_of_the_student_that_they_control():
    found = {one.name: one.config for one in experiments("paper", {"l2_phi": 0.04, "learning_rate": 0.01}, ["grid"])}
    spectral = found["grid/spectral/200"]
    assert (spectral.l2_phi, spectral.learning_rate) == (0.04, 0.01)
    assert found["grid/lasso/200"] == spectral.direct_twin("lasso")
    assert found["grid/published/200"].learning_rate == 0.002
    few = {one.student for one in experiments("paper", {"patterns": 600}, ["grid"])}
    assert few == {"spectral", "matched", "lasso"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epohs": 3}, "unknown parameter 'epohs'"),
        ({"activation": "gelu"}, "activation must be one of"),
        ({"learning_rate": 0.002, "batch_size": 500}, "settings make grid/matched/10 and grid/published/10 the same"),
        ({"parametrization": "direct"}, "choices for spectral students"),
    ],
)
def test_impossible_settings(settings, message):
    with pytest.raises(ConfigError, match=message):
        experiments("paper", settings, ["grid"])


@pytest.mark.parametrize("preset", PRESETS)
def test_digits_can_be_the_inputs_of_all(preset):
    settings = {"inputs": "digits", "patterns": 1_300, "validation_fraction": 0.23, "test_patterns": 497}
    found = experiments(preset, settings)
    assert {one.config.inputs for one in found} == {"digits"}
    assert {one.design for one in found} == {one.design for one in experiments(preset)}


def test_what_is_impossible_elsewhere_is_no_hindrance():
    """Students that only relu nodes can have are among the other ways to small networks."""
    assert experiments("paper", {"activation": "tanh"}, ["universal"])
    with pytest.raises(ConfigError, match="of relu nodes"):
        experiments("paper", {"activation": "tanh"}, ["peers"])
