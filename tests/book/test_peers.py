"""Ways to small networks, where it is known what they found."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from worlds import World, on_rungs

from spectral.book import peers
from spectral.book.quantities import QUANTITIES
from spectral.engine.ladder import Rungs
from spectral.lab.collection import MissingResult, Results
from spectral.lab.presets import METHODS, experiments

SMALL = {"teachers": 3, "teacher_hidden": 4}
"""Rungs of 1, 2, 3, 4, 5, 6 and 8 nodes."""


def results(errors) -> Results:
    """Of ways whose validation errors are ``errors(experiment, attempt, teacher)``, a list with one for each rung.

    Test errors are twice as large, found are as many nodes as the attempt's number, and E[y^2] is 10.
    """
    chosen = [
        replace(one, config=replace(one.config, **SMALL | ({"student_hidden": 8} if one.student == "search" else {})))
        for one in experiments("paper")
        if one.design == "peers"
    ]

    def read(one):
        config = one.config
        members = [(teacher, trial) for teacher in range(3) for trial in range(config.trials)]
        values = 10 * torch.tensor([errors(one, trial, teacher) for teacher, trial in members], dtype=torch.float64)
        found = torch.tensor([trial for _, trial in members]).unsqueeze(-1).expand(values.shape)
        sweep = torch.arange(101.0, 0, -1).expand(len(members), -1)
        return SimpleNamespace(
            config=config,
            rungs=Rungs(config.rungs, values, 2 * values, found),
            test_power=torch.full((len(members),), 10.0),
            sweeps={"product": sweep},
        )

    return Results(chosen, read)


def test_of_each_teacher_and_rung_the_attempt_of_the_smallest_validation_error_counts():
    """Of magnitude's four starts the one with the teacher's number, on the highest rung the last one."""

    def errors(one, trial, teacher):
        wrong = 0.0 if one.student != "magnitude" or trial == teacher else 0.5
        return [0.3 + wrong] * 6 + [0.9 - 0.1 * trial]

    found = peers.ladder(results(errors), "usual", "magnitude")
    assert found.nodes.tolist() == [1, 2, 3, 4, 5, 6, 8]
    np.testing.assert_allclose(found.validation, [[0.3] * 6 + [0.6]] * 3)
    np.testing.assert_allclose(found.test, 2 * found.validation)
    assert found.attempt.tolist() == found.found.tolist() == [[teacher] * 6 + [3] for teacher in range(3)]


def test_of_several_strengths_the_best_counts():
    def errors(one, trial, teacher):
        strength = one.config.group_lasso
        return [0.1 if strength == weakest else 0.2] * 7

    weakest = min(one.config.group_lasso for one in results(errors) if one.student == "lasso")
    chosen = results(errors)
    np.testing.assert_allclose(peers.error(chosen, "usual", "lasso"), [0.2] * 3)
    order = [one.config.group_lasso for one in peers.experiments(chosen, "usual", "lasso")]
    assert (peers.ladder(chosen, "usual", "lasso").attempt == order.index(weakest)).all()


def test_what_it_takes_is_read_from_above_and_against_the_best_of_all_ways():
    """0.0009 above the best is near, 0.001 is not; what comes below a rung that is not near does not count."""
    curves = {
        "lasso": [0.5, 0.2, 0.1, 0.02, 0.01, 0.01, 0.01],  # the best of all ways: 0.01
        "spectral": [0.5, 0.2, 0.1, 0.0109, 0.0109, 0.0109, 0.0109],
        "search": [0.5, 0.0105, 0.1, 0.012, 0.0105, 0.02, 0.0101],
        "grow": [0.5] * 6 + [0.0111],
    }
    chosen = results(lambda one, trial, teacher: curves.get(one.student, [0.4] * 7))
    needed = {way: peers.needed(chosen, "usual", way).tolist() for way in (*curves, "ridge")}
    assert needed == {"lasso": [5] * 3, "spectral": [4] * 3, "search": [8] * 3, "grow": [16] * 3, "ridge": [16] * 3}


def test_an_error_before_anything_is_trained_on_is_that_of_the_attempt_that_was_chosen():
    """The sweep is 101 - n, in units of E[y^2] = 10, and the teacher has four nodes."""
    chosen = results(lambda one, trial, teacher: [0.1] * 7)
    np.testing.assert_allclose(peers.just_cut(chosen, "usual", "spectral"), [9.7] * 3)
    with pytest.raises(MissingResult, match="networks of 'taylor' are not cut by the product"):
        peers.just_cut(chosen, "usual", "taylor")


def test_pairs_are_named_by_the_way_that_is_not_the_same_in_all():
    chosen = World({"lasso": on_rungs(2, lost=3)}).results
    others = QUANTITIES["peer_error"].measure(chosen, compared="spectral over others", setting="usual")
    assert others.cells == tuple(peers.WORDS[way] for way in METHODS if way != "spectral")
    assert others.interval().value[0] == pytest.approx(0.5, rel=0.05)
    wide = QUANTITIES["peer_found"].measure(chosen, compared="wide over search", setting="label_noise")
    assert wide.cells == tuple(peers.WORDS[way] for way in METHODS if way not in ("grow", "search"))
    assert wide.interval().value.tolist() == [0, -3] + [0] * 7


def test_what_is_not_there_is_said():
    nothing = Results([], lambda one: pytest.fail("nothing is read"))
    assert peers.settings(nothing) == []
    with pytest.raises(MissingResult, match="there are no networks of 'lasso' in setting 'inputs'"):
        peers.ladder(nothing, "inputs", "lasso")
    without = SimpleNamespace(rungs=None, config=experiments("smoke")[0].config)
    with pytest.raises(MissingResult, match="has no ladder"):
        peers.attempts(without)
