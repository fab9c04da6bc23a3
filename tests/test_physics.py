"""The result itself: students of 40 nodes, trained as published, end with the teacher's size and hold its nodes."""

import pytest

from spectral import ExperimentConfig, mask, node_scores, prune_sweep, rank, run
from spectral.measures import effective_size, match_teacher, survivors
from spectral.train import mse


@pytest.fixture(scope="module")
def result():
    return run(ExperimentConfig(student_hidden=40, trials=3))


def test_the_surviving_network_has_the_teachers_size(result):
    sizes = effective_size(node_scores(result.student))
    assert sizes.min() >= 19, sizes
    assert sizes.max() <= 30, sizes


def test_it_holds_the_teachers_nodes(result):
    alive = survivors(node_scores(result.student))
    matching = match_teacher(result.task.teacher.first, result.student.first.weight, alive)
    assert matching.count(0.98).median() >= 18, matching.count(0.98)


def test_the_others_can_go_and_the_teachers_cannot(result):
    """The survivors alone do as well, within 1 %; at half the teacher's size the error has grown tenfold."""
    scores, whole = node_scores(result.student), mse(result.student, result.task.test)
    assert (mse(mask(result.student, survivors(scores)), result.task.test) < 1.01 * whole).all()
    sweep = prune_sweep(result.student, result.task.test, rank(scores))
    assert (sweep[:, 10] > 10 * whole).all()
    assert (whole < 0.01 * sweep[:, 0]).all()
