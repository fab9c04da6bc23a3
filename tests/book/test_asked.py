"""Students asked together, where it is known what they have in common."""

import pytest
from worlds import World, missing, scattered, split, stranger

from spectral.book import asked

SEVERAL = {"trials": 3}


def group(maker) -> asked.Group:
    world = World({"together/published/60": maker}, SEVERAL)
    return asked.groups(world.results[world.results.named("together/published/60")])[0]


@pytest.mark.parametrize(
    ("maker", "common", "found", "agreed"),
    [
        (split, (20, 20), 1.0, 1.0),  # three copies of each node are one group
        (missing(5), (15, 15), 0.75, 1.0),
        (stranger, (20, 0), 0.0, 1.0),  # that students agree is not enough where all see the same wrong teacher
        (scattered, (0, 0), 0.0, 0.0),
    ],
)
def test_what_students_have_in_common(maker, common, found, agreed):
    chosen = group(maker)
    assert asked.common(chosen) == common
    assert asked.found_alone(chosen) == found
    assert asked.agreed(chosen) == pytest.approx(agreed)


def test_students_of_different_teachers_have_nothing_in_common():
    world = World(changes=SEVERAL)
    every = asked.groups(world.results[world.results.named("together/published/60")])
    together = asked.strangers(every)
    assert together.first.shape == (4, 60, 10)
    assert asked.common(together) == (0, 0)
    assert asked.agreed(together) < 0.05
    assert [asked.common(one)[1] for one in every] == [20] * 4


def test_numbers_by_teacher_and_by_students_asked():
    world = World({"together/published/60": missing(5)}, SEVERAL)
    result = world.results[world.results.named("together/published/60")]
    assert asked.per_teacher(result, asked.size).tolist() == [[15]] * 4
    assert asked.by_number(result, [2, 3]).tolist() == [[[15, 15]]] * 4
    assert asked.by_number(result, [2], asked.found).tolist() == [[[0.75]]] * 4


def test_exceptions_are_students_that_agree_and_have_not_found_enough():
    worlds = {"together/lasso,h_T=10,d=5/50": missing(3), "together/published/60": scattered}
    results = World(worlds, SEVERAL).results
    few = type(results)([one for one in results if one.name in (*worlds, "together/spectral/60")], results.__getitem__)
    found = asked.exceptions(few)
    assert {one.name for one, _ in found} == {"together/lasso,h_T=10,d=5/50"}
    assert all(cosine < asked.ALIKE or cosine != cosine for _, short in found for cosine in short)
    assert all(len(short) >= 9 for _, short in found)  # three nodes of each of three students
