"""Results of many experiments: read once, chosen by what they are there for, compared by what all of them kept."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats
import torch
from standin import config, never, trainer

from spectral.lab.collection import MissingResult, Results, Sample, comparable
from spectral.lab.presets import Experiment, experiments
from spectral.lab.results import run
from spectral.stats.intervals import Interval, jackknife, ratio_of_means


def made(width: int, student: str = "spectral", design: str = "grid", **changes) -> Experiment:
    name = f"{design}/{student}/{width}"
    return Experiment(name, design, "student_hidden", student, replace(config(width), **changes))


SOME = [
    made(20),
    made(20, "matched", parametrization="direct"),
    made(5),
    made(5, "matched", parametrization="direct"),
    made(5, design="long", epochs=9),
]


class Counting:
    """Gives a name for every result, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, experiment: Experiment) -> SimpleNamespace:
        self.asked.append(experiment.name)
        return SimpleNamespace(name=experiment.name)


def names(chosen: list[Experiment]) -> list[str]:
    return [experiment.name for experiment in chosen]


def test_results_are_read_when_they_are_asked_for_and_once():
    read = Counting()
    results = Results(SOME, read)
    assert list(results) == SOME
    assert len(results) == 5
    assert results.named("grid/spectral/5") is SOME[2]
    assert results.select(design="grid") == SOME[:4]
    assert SOME[0] in results
    assert read.asked == []
    assert results[SOME[2]] is results[SOME[2]]
    assert read.asked == ["grid/spectral/5"]
    assert [result.name for result in results.values()] == names(SOME)
    assert sorted(read.asked) == sorted(names(SOME)), "each was read once"


def test_what_is_not_there_is_missing():
    results = Results(SOME[:2], Counting())
    for stranger in (SOME[2], replace(SOME[0], config=replace(SOME[0].config, epochs=3))):  # and one with its name
        with pytest.raises(MissingResult, match=f"{stranger.name} is none of the 2 experiments here"):
            results[stranger]
        assert stranger not in results
    with pytest.raises(MissingResult, match="there is no experiment grid/spectral/7"):
        results.named("grid/spectral/7")
    assert issubclass(MissingResult, LookupError)
    assert not issubclass(MissingResult, KeyError), "a mapping's get would hide it"


def test_a_result_that_cannot_be_read_is_asked_for_again():
    there: set[str] = set()

    def read(experiment: Experiment) -> str:
        if experiment.name not in there:
            raise MissingResult(experiment.name)
        return experiment.name

    results = Results(SOME, read)
    with pytest.raises(MissingResult):
        results[SOME[0]]
    there.add(SOME[0].name)
    assert results[SOME[0]] == SOME[0].name


def test_stored_results_come_from_the_store_and_nothing_is_trained(store, tmp_path, monkeypatch):
    first = run(SOME[0].config, store=store, trainer=trainer(tmp_path / "log"))
    monkeypatch.setattr("spectral.lab.results.compute", never)
    results = Results.stored(SOME, store)
    found = results[SOME[0]]
    assert found.provenance == first.provenance
    assert torch.equal(found.scores, first.scores)
    with pytest.raises(MissingResult, match=rf"grid/spectral/5 \({SOME[2].config.hash()}\) is not in the store"):
        results[SOME[2]]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"student": "matched"}, [1, 3]),  # a field of the experiment
        ({"student_hidden": 5}, [2, 3, 4]),  # and of its configuration
        ({"student_hidden": [5, 20], "design": "grid"}, [0, 1, 2, 3]),
        ({"student_hidden": (20, 5, 77), "parametrization": "direct"}, [1, 3]),
        ({"design": ["long", "m"]}, [4]),
        ({"epochs": 9}, [4]),
        ({"name": "grid/spectral/20"}, [0]),
        ({"design": "long", "student": "matched"}, []),
        ({"student_hidden": []}, []),
    ],
)
def test_experiments_are_chosen_by_their_fields(wanted, expected):
    assert Results(SOME, Counting()).select(**wanted) == [SOME[index] for index in expected]


def test_a_field_that_is_not_there_is_no_wish():
    with pytest.raises(AttributeError, match="studnt"):
        Results(SOME, Counting()).select(studnt="matched")


def test_the_book_s_experiments_are_found_by_what_they_vary():
    results = Results(experiments("paper"), Counting())
    assert names(results.select(design="grid", student="lasso", student_hidden=[500, 40])) == [
        "grid/lasso/40",
        "grid/lasso/500",
    ]
    assert names(results.select(design="universal", varied="epochs")) == [
        "universal/epochs=500/100",
        "universal/epochs=1000/100",
    ]


def test_tables_are_by_one_field_or_by_several():
    read = Counting()
    results = Results(SOME, read)
    by_two = results.table("student", "student_hidden", design="grid")
    assert {key: result.name for key, result in by_two.items()} == {
        ("spectral", 20): "grid/spectral/20",
        ("matched", 20): "grid/matched/20",
        ("spectral", 5): "grid/spectral/5",
        ("matched", 5): "grid/matched/5",
    }
    assert sorted(read.asked) == sorted(names(SOME[:4])), "what was not chosen was not read"
    by_one = results.table("student_hidden", student="spectral", design="grid")
    assert [(width, result.name) for width, result in by_one.items()] == [
        (20, "grid/spectral/20"),
        (5, "grid/spectral/5"),
    ]


def test_what_is_made_of_a_result_is_kept_as_long_as_the_results():
    calls = []

    def longer(result: SimpleNamespace, *words: str) -> str:
        calls.append((result.name, *words))
        return " ".join([result.name, *words])

    results = Results(SOME, Counting())
    assert results.derived(longer, SOME[0]) == results.derived(longer, SOME[0]) == "grid/spectral/20"
    assert results.derived(longer, SOME[0], "again") == "grid/spectral/20 again"
    assert results.derived(longer, SOME[1]) == "grid/matched/20"
    assert results.derived(lambda result: len(result.name), SOME[0]) == 16
    assert calls == [("grid/spectral/20",), ("grid/spectral/20", "again"), ("grid/matched/20",)]
    other = Results(SOME, lambda experiment: SimpleNamespace(name="altered"))
    assert other.derived(longer, SOME[0]) == "altered", "one object knew what another had made"
    assert results.derived(longer, SOME[0]) == "grid/spectral/20"


def kept(*members: int, teachers: int = 2, trials: int = 3) -> SimpleNamespace:
    return SimpleNamespace(config=SimpleNamespace(teachers=teachers, trials=trials), kept=members)


def test_results_are_compared_by_members_that_all_have_kept():
    """Two teachers of three trials: the first teacher has two trials in both, the second has three in one."""
    assert comparable(kept(0, 1, 2, 3, 4, 5)) == ([0, 1, 2, 3, 4, 5], 2, 3)
    assert comparable(kept(0, 1, 2, 3, 4, 5), kept(0, 2, 3, 4, 5)) == ([0, 2, 3, 4], 2, 2)
    assert comparable(kept(0, 1, 2), kept(0, 1, 4)) == ([0, 1], 1, 2)
    assert comparable(kept(0, 2, 3, teachers=4, trials=1), kept(0, 1, 2, 3, teachers=4, trials=1)) == ([0, 2, 3], 3, 1)


def test_a_sample_says_what_its_members_amount_to():
    sample = Sample([0, 2, 3, 4, 6, 8], 3, 2)
    values = torch.tensor([1.0, 3.0, 4.0, 4.0, 6.0, 9.0]).double()
    assert sample.estimate(values) == jackknife(values.numpy().reshape(3, 2))
    pairs = torch.stack([values, 2 * values.flip(0)], -1)
    expected = jackknife(pairs.numpy().reshape(3, 2, 2), ratio_of_means, log=True)
    assert sample.estimate(pairs, ratio_of_means, log=True) == expected
    assert sample.estimate(pairs).value.shape == (2,)


def test_a_thin_sample_says_a_value_alone():
    """Two teachers; and one with one trial."""
    sample = Sample([0, 1, 2, 3], 2, 2)
    found = sample.estimate(torch.tensor([1.0, 1.0, 3.0, 3.0]))
    assert (f"{found:.1f}", found.sample) == ("2.0", "2 × 2")
    pooled = sample.estimate([[1.0, 2.0], [3.0, 2.0], [0.0, 0.0], [0.0, 0.0]], ratio_of_means)
    assert pooled.value == 1.0
    assert np.isnan(sample.estimate(torch.zeros(4, 2), ratio_of_means).value)
    alone = Sample([0], 1, 1).estimate(torch.tensor([5.0]))
    assert alone.value == 5.0
    assert np.isnan([alone.low, alone.high]).all()


def test_shares_of_a_sample():
    """Exact where there are three teachers, or three trials of one; alone where there are fewer."""
    exact = scipy.stats.binomtest(4, 5).proportion_ci(method="exact")
    parts = torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0])
    for sample in (Sample([0, 3, 6, 9, 12], 5, 1), Sample([0, 1, 2, 3, 4], 1, 5)):  # of one teacher: its trials
        found = sample.share(parts)
        assert (found.value, found.low, found.high) == pytest.approx((0.8, exact.low, exact.high))
        assert found.sample == "5 × 1"
    nodes = Sample(list(range(5)), 5, 1).share(parts, of=20).scaled(20)
    assert nodes.value == pytest.approx(16)
    assert nodes.low < 16 < nodes.high <= 20
    thin = Sample([0, 1, 2, 3], 2, 2).share(torch.tensor([1.0, 0.5, 0.5, 1.0]), of=20)
    assert (thin.value, f"{thin:.2f}", thin.sample) == (0.75, "0.75", "2 × 2")
    assert isinstance(thin.scaled(20), Interval)
    with pytest.raises(ValueError, match="shares must be numbers from 0 to 1"):
        Sample([0, 1, 2, 3], 2, 2).share(torch.tensor([20.0, 19.0, 20.0, 20.0]))


def test_one_is_one():
    results = Results(experiments("paper"), lambda experiment: pytest.fail("nothing is read"))
    assert results.one(design="grid", student="spectral", student_hidden=40).name == "grid/spectral/40"
    with pytest.raises(MissingResult, match=r"0 of the experiments here have .*41"):
        results.one(design="grid", student="spectral", student_hidden=41)
    with pytest.raises(MissingResult, match="4 of the experiments"):
        results.one(design="grid", student_hidden=40)
