"""Which results are meant by names, patterns, hashes and settings."""

from dataclasses import replace

import pytest
from standin import config, trainer

from spectral.lab.choose import called, selected
from spectral.lab.collection import MissingResult
from spectral.lab.results import run
from spectral.lab.store import Store

NAMED = {"width/3": config(3), "width/4": config(4), "wide/again": config(4), "width/5": config(5), "seed": config(6)}


@pytest.fixture
def full(store, tmp_path) -> Store:
    """Widths 3 and 4, which have names, and 7, which has none; and one of another engine."""
    for width in (3, 4, 7):
        run(config(width), store=store, trainer=trainer(tmp_path / "log"))
    arrays, meta = store.load(config(3).hash())
    store.save("0123456789ab", arrays, meta | {"engine": 1})
    return store


def test_a_name_a_pattern_and_the_beginning_of_a_hash(full):
    there, (three, four, seven) = full.hashes(), (config(width).hash() for width in (3, 4, 7))
    assert called("width/3", NAMED, there) == [three]
    assert called("width/*", NAMED, there) == [three, four]
    assert called("w*", NAMED, there) == [three, four, four]
    assert called(seven[:5], NAMED, there) == [seven]
    assert called(seven, {}, there) == [seven]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("width/5", "no result is there of width/5; train with"),
        ("widht/3", "0 results are called 'widht/3'; did you mean 'width/3'"),
        ("ffff", "0 results are called 'ffff'; "),
        ("", "0 results are called ''; see: python -m spectral status"),
    ],
)
def test_what_is_not_there_is_told_from_what_is_called_otherwise(full, asked, message):
    with pytest.raises(MissingResult, match=message):
        called(asked, NAMED, full.hashes())


def test_results_are_named_once_by_their_first_name_or_their_hash(full):
    four, seven = config(4).hash(), config(7).hash()
    assert selected([four, seven, four], NAMED, full) == {"width/4": config(4), seven: config(7)}


def test_everything_in_the_store_but_what_this_engine_computes_otherwise(full):
    assert {one.student_hidden for one in selected(full.hashes(), NAMED, full).values()} == {3, 4, 7}
    with pytest.raises(MissingResult, match=r"no such result is in the store: 1 are there, .* or another engine"):
        selected(["0123456789ab"], NAMED, full)


def test_settings_leave_out_what_has_others(full, tmp_path):
    run(replace(config(3), seed=1), store=full, trainer=trainer(tmp_path / "log"))
    found = selected(full.hashes(), NAMED, full, {"student_hidden": [3, 7], "seed": [0]})
    assert {one.student_hidden for one in found.values()} == {3, 7}
    assert {one.seed for one in found.values()} == {0}
    usual = config(3).teacher_second  # a student's second layer of this width is kept as 0
    assert len(selected(full.hashes(), NAMED, full, {"student_second": [usual]})) == 4
    with pytest.raises(MissingResult):
        selected(full.hashes(), NAMED, full, {"student_hidden": [3], "seed": [2]})
