import hashlib
import math
from collections import Counter
from dataclasses import replace

import pytest

from spectral.lab.config import ConfigError, ExperimentConfig
from spectral.lab.presets import PRESETS, STUDENTS, configurations, experiments, twins
from spectral.lab.provenance import command
from spectral.lab.sweep import expected_seconds
from spectral.streams import member_streams, stream

DEFAULT = ExperimentConfig()


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
        "universal": sum(1 for name in configurations(preset) if name.startswith("universal/")),
    }
    for name, config in configurations(preset).items():
        _, student, width = name.split("/")
        assert config.student_hidden == int(width)
        assert config.parametrization == ("direct" if student in STUDENTS[1:] else "spectral")
    m = {name.split("/")[0]: config.teacher_second for name, config in configurations(preset).items()}
    assert (m["grid"], m["m=5"], m["m=20"]) == (10, 5, 20)


def test_paper_is_the_paper_s_scale():
    paper = configurations("paper")
    assert STUDENTS == ("spectral", "published", "matched", "lasso")
    for student in STUDENTS:
        for width in (10, 20, 40, 60, 100, 200, 500, 1_000):
            config = paper[f"grid/{student}/{width}"]
            assert (config.teachers, config.trials, len(config.members)) == (10, 3, 30)
        for width in (40, 200):
            config = paper[f"one-teacher/{student}/{width}"]
            assert (config.teachers, config.trials) == (1, 30)
    for name, config in paper.items():
        if name.startswith("universal/"):
            continue
        assert config.epochs == (8_000 if name.startswith("long/") else 2_000)
        assert len(config.members) == 30
        same = ("input_dim", "teacher_hidden", "patterns", "test_patterns", "validation_fraction", "activation")
        assert all(getattr(config, field) == getattr(DEFAULT, field) for field in (*same, "teacher", "dtype"))
        published = "published" in name
        assert (config.learning_rate, config.batch_size) == ((0.002, 500) if published else (0.005, 300))


def test_paper_keeps_away_from_seeds_that_were_looked_at():
    """Seed 0 and teachers below 100 are for trying things out, and the defaults of a configuration."""
    for config in configurations("paper").values():
        assert config.seed != 0
        assert all(member.seed != 0 and member.teacher_seed >= 100 for member in config.members)
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
        if student not in may_differ:
            continue
        partner = f"{design}/spectral/{width}"
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
    """Four teachers of their own in every cell of the grid, three trials, students of five times their nodes."""
    paper, seeds = universal("paper"), []
    for size in (5, 10, 20, 40, 80, 160):
        for dim in (5, 10, 20, 40):
            config = paper[f"h_T={size},d={dim}"]
            assert (config.teacher_hidden, config.input_dim, config.student_hidden) == (size, dim, 5 * size)
            assert (config.teachers, config.trials, config.teacher_second, config.epochs) == (4, 3, 10, 2_000)
            seeds += range(config.teacher_seed, config.teacher_seed + 4)
    assert len(seeds) == len(set(seeds)) == 96


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
    """On the same teachers; lighter penalties, or more patterns in as many steps, or more epochs."""
    settings, sizes = universal(preset), PRESETS[preset].universal
    again = [setting for setting in settings if setting.startswith("crowded,")]
    assert len(again) == len(sizes.crowded) * (len(sizes.lighter) + 2)
    for setting in again:
        original, _, change = setting.removeprefix("crowded,").rpartition(",")
        config, other = settings[setting], settings[original]
        assert config.members == other.members
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
    "smoke": ("98a4d5e260a2", 45),
    "laptop": ("f1dece90c2b1", 53),
    "paper": ("fce03247462d", 122),
}


@pytest.mark.parametrize("preset", PRESETS)
def test_experiments_keep_their_names(preset):
    """Results are found by hash; by name people ask for them, and the committed chapters name them."""
    names = [experiment.name for experiment in experiments(preset)]
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]
    assert (digest, len(names)) == NAMES[preset]
    assert configurations(preset) == {experiment.name: experiment.config for experiment in experiments(preset)}


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
        }
        if place == "universal":
            kind = middle.rpartition(",")[2] if middle.startswith("crowded,") else middle
            varied = {"h_T": "teacher", "noise": "label_noise", "penalty": "penalties"}
            word = kind.partition("=")[0]
            design = "crowded" if middle.startswith("crowded,") else "universal"
            expected["universal"] = (design, varied.get(word, word), "spectral")
        assert (experiment.design, experiment.varied, experiment.student) == expected[place]


@pytest.mark.parametrize("preset", PRESETS)
def test_an_experiment_differs_from_its_base_in_the_varied_thing_alone(preset):
    """And in what that brings with it: as many steps with other patterns; digits, of which there are few."""
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
        alone = experiment.design in ("grid", "one-teacher") or experiment.varied in ("teacher", "committee")
        assert (experiment.base == "") == alone, experiment.name
        if alone:
            continue
        base = found[experiment.base]
        one, other = experiment.config.changed(everything=True), base.config.changed(everything=True)
        differ, may = {name for name in one if one[name] != other[name]}, fields.get(experiment.varied)
        assert differ, experiment.name
        assert differ <= (may or {experiment.varied}), experiment.name
        if experiment.varied not in ("patterns", "inputs"):
            assert differ == (may or {experiment.varied}), experiment.name
        assert experiment.student == base.student
        assert experiment.config.members == base.config.members, "a comparison of different teachers or trials"


@pytest.mark.parametrize("preset", PRESETS)
def test_what_belongs_together_shares_what_is_compared(preset):
    """The standard setting is the base of all variations of it; crowded ones have the setting that they repeat."""
    for experiment in experiments(preset):
        if experiment.design == "universal" and experiment.base:
            assert experiment.base == "universal/h_T=20,d=10/100"
        if experiment.design == "crowded":
            original = experiment.name.split("/")[1].removeprefix("crowded,").rpartition(",")[0]
            assert experiment.base.split("/")[1] == original
