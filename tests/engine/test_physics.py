"""The result itself, and its controls: students of 40 nodes and three trials, trained for 2,000 epochs.

The bounds are wide on purpose: they hold for other random numbers and other processors, and fail when training no
longer finds the teacher, or when a control no longer shows what the book says of it.
"""

import pytest

from spectral import ExperimentConfig, compute, mask, node_scores, prune_sweep, rank
from spectral.measures import effective_size, match_teacher, mse, survivors

CONFIG = ExperimentConfig(student_hidden=40, trials=3)


@pytest.fixture(scope="module")
def spectral():
    return compute(CONFIG, record_at=())


@pytest.fixture(scope="module")
def published():
    return compute(CONFIG.direct_twin("published"), record_at=())


@pytest.fixture(scope="module")
def matched():
    return compute(CONFIG.direct_twin(), record_at=())


def test_the_surviving_network_has_the_teachers_size(spectral):
    sizes = effective_size(node_scores(spectral.student))
    assert sizes.min() >= 19, sizes
    assert sizes.max() <= 30, sizes


def test_it_holds_the_teachers_nodes(spectral):
    alive = survivors(node_scores(spectral.student))
    matching = match_teacher(spectral.task.teacher.first, spectral.student.first.weight, alive)
    assert matching.count(0.98).median() >= 18, matching.count(0.98)


def test_the_others_can_go_and_the_teachers_cannot(spectral):
    """The survivors alone do as well, mostly within 1 %; at half the teacher's size the error has grown tenfold.

    Of the ninety stored students of 40 to 200 nodes one in five loses more than 1 % by this, and none more than 11 %.
    """
    scores, whole = node_scores(spectral.student), mse(spectral.student, spectral.task.test)
    price = mse(mask(spectral.student, survivors(scores)), spectral.task.test) / whole
    assert price.median() < 1.01, price
    assert price.max() < 1.2, price
    sweep = prune_sweep(spectral.student, spectral.task.test, rank(scores))
    assert (sweep[:, 10] > 10 * whole).all()
    assert (whole < 0.01 * sweep[:, 0]).all()


def test_the_published_control_keeps_most_of_its_nodes(published):
    assert effective_size(node_scores(published.student)).median() >= 34


def test_the_control_with_the_same_settings_condenses_where_relu_allows_it(matched, published, spectral):
    """By the incoming norm it lies between the two others; by the product it comes near the spectral student."""
    incoming, product = (
        {name: effective_size(node_scores(run.student, kind)).median() for name, run in runs.items()}
        for kind, runs in ((k, {"m": matched, "p": published, "s": spectral}) for k in ("incoming", "product"))
    )
    assert incoming["s"] < incoming["m"] <= incoming["p"]
    assert product["m"] <= 32
    assert product["m"] < product["p"]
