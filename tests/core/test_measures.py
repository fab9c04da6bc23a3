import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spectral import Student, node_scores
from spectral.measures import effective_size, largest_gap, match_teacher, mse, similarity, survivors
from spectral.streams import Member
from spectral.tasks import Patterns, make_teacher


def test_effective_size_by_hand_in_both_normalisations():
    scores = torch.tensor([[10.0, 1.0, 0.4, 0.0], [1.0, 0.9, 0.4, 0.01]])
    assert effective_size(scores).tolist() == [2, 3]
    assert effective_size(scores, normalise="pooled").tolist() == [2, 2]
    assert effective_size(scores, threshold=0.3).tolist() == [1, 3]
    assert survivors(scores, threshold=0.0).tolist()[0] == [True, True, True, False]
    assert effective_size(torch.zeros(2, 3)).tolist() == [0, 0]


def test_a_score_on_the_threshold_is_dead():
    assert effective_size(torch.tensor([[1.0, 0.5, 0.25]]), threshold=0.25).tolist() == [2]


@given(seed=st.integers(0, 200), activation=st.sampled_from(["relu", "tanh"]))
def test_a_permuted_rescaled_copy_of_the_teacher_is_recovered(seed, activation):
    """The teacher's function with its nodes at random places among dead ones, norms moved where relu allows."""
    generator = torch.Generator().manual_seed(seed)
    members = [Member(0, seed, 0), Member(0, seed + 1, 0)]
    teacher = make_teacher(members, activation=activation, dtype=torch.float64)
    student = Student(10, 35, 10, 2, activation=activation, dtype=torch.float64)
    places = torch.stack([torch.randperm(35, generator=generator)[:20] for _ in range(2)])
    scale = torch.ones(2, 20, dtype=torch.float64)
    if activation == "relu":
        scale += 2 * torch.rand(2, 20, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        student.first.phi *= 1e-9
        student.first.phi.scatter_(1, places[..., None].expand(-1, -1, 10), -teacher.first * scale[..., None])
        outgoing = -teacher.second / scale[:, None]
        student.second.phi.scatter_(2, places[:, None].expand(-1, 10, -1), outgoing)
    x = torch.randn(30, 10, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(student(x), teacher(x), rtol=1e-6, atol=1e-6)
    alive = survivors(node_scores(student))
    assert alive.sum(-1).tolist() == [20, 20]
    matching = match_teacher(teacher.first, student.first.weight, alive)
    assert torch.equal(matching.student, places)
    assert matching.count(1 - 1e-12).tolist() == [20, 20]


def test_matching_is_one_to_one_and_best_in_sum():
    """Two teacher nodes near one student node: one of them has to take the other student node."""
    teacher = torch.tensor([[[1.0, 0.0], [1.0, 0.1]]])
    student = torch.tensor([[[2.0, 0.2], [0.0, 1.0], [5.0, 0.0]]])
    matching = match_teacher(teacher, student, torch.tensor([[True, True, False]]))
    assert sorted(matching.student.tolist()[0]) == [0, 1]
    assert matching.count(0.98).tolist() == [1]
    assert match_teacher(teacher, student).student.tolist() == [[2, 0]]


def test_too_few_survivors_leave_teacher_nodes_alone():
    teacher, student = torch.eye(3)[None], torch.eye(3)[None]
    matching = match_teacher(teacher, student, torch.tensor([[False, True, False]]))
    assert matching.student.tolist() == [[-1, 1, -1]]
    assert torch.isnan(matching.cosine).tolist() == [[True, False, True]]
    assert matching.count().tolist() == [1]


def test_sign_counts_only_where_it_should():
    teacher = torch.tensor([[[1.0, 0.0]]])
    assert match_teacher(teacher, -teacher).count().tolist() == [0]
    assert match_teacher(teacher, -teacher, signed=False).count().tolist() == [1]


def test_what_measures_refuse():
    good = torch.ones(1, 3)
    for threshold in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match=f"threshold must lie from 0 .* not {threshold}"):
            survivors(good, threshold)
    with pytest.raises(ValueError, match="unknown normalisation 'trial'; choose member or pooled"):
        survivors(good, normalise="trial")
    with pytest.raises(ValueError, match="scores must not be negative; the least is -1"):
        survivors(-good)
    with pytest.raises(ValueError, match="scores must be finite"):
        survivors(good * torch.nan)
    with pytest.raises(ValueError, match=r"got \(1, 2, 4\), \(1, 3, 5\)"):
        match_teacher(torch.ones(1, 2, 4), torch.ones(1, 3, 5))


def test_the_largest_gap_by_hand():
    """Factors of 2, 10 and 1000: three decades below the third node. What is nothing counts as the floor."""
    scores = torch.tensor([[0.1, 2.0, 1.0, 0.0001], [1.0, 0.5, 0.0, 0.0]])
    decades, above = largest_gap(scores)
    assert decades.tolist() == pytest.approx([3.0, 7 - math.log10(2)], abs=1e-6)
    assert above.tolist() == [3, 2]
    assert largest_gap(scores, floor=0.1)[0].tolist() == pytest.approx([math.log10(5)] * 2, abs=1e-6)
    assert largest_gap(10 * scores)[0].tolist() == pytest.approx(decades.tolist())  # no unit


def test_what_has_no_scores_has_no_gap():
    decades, above = largest_gap(torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.01, 0.01]]))
    assert math.isnan(decades[0])
    assert decades[1] == pytest.approx(2)
    assert above.tolist() == [0, 1]


@given(seed=st.integers(0, 99), one=st.integers(-300, 300), other=st.integers(-300, 300))
def test_cosines_have_no_unit(seed, one, other):
    """Also of weights whose squares vanish, or overflow."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(2, 2, 3, 4, generator=generator, dtype=torch.float64)
    expected = torch.nn.functional.cosine_similarity(rows[0].unsqueeze(2), rows[1].unsqueeze(1), dim=-1)
    torch.testing.assert_close(similarity(rows[0] * 10.0**one, rows[1] * 10.0**other), expected, rtol=1e-9, atol=1e-12)
    assert (similarity(0 * rows[0], rows[1]) == 0).all()


ROWS = torch.ones(1, 2, 3)
GOOD = torch.ones(1, 3)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: survivors([[1.0]]), "scores must be a tensor, as torch.as_tensor makes it; got a list"),
        (lambda: survivors(GOOD > 0), "scores must be a tensor of real numbers; got torch.bool"),
        (lambda: survivors(torch.ones(2, 0)), r"scores must be of 1 or more nodes of each member; got shape \(2, 0\)"),
        (lambda: survivors(torch.tensor([[1.0, torch.inf]])), r"1 of 2 values are not, the first inf at \(0, 1\)"),
        (lambda: survivors(GOOD, "0.05"), r"threshold must lie from 0 .*, not '0.05'"),
        (lambda: survivors(GOOD, True), "threshold must lie from 0 .*, not True"),
        (lambda: largest_gap(torch.tensor([[1.0, torch.nan]])), r"the first nan at \(0, 1\)"),
        (lambda: largest_gap(-GOOD), "scores must not be negative; the least is -1"),
        (lambda: largest_gap(torch.ones(3, 1)), r"scores must be of 2 or more nodes of each.* \(3, 1\)"),
        (lambda: largest_gap(GOOD, 0), r"floor must lie between 0 and 1 \(both excluded\), not 0"),
        (lambda: similarity(ROWS, torch.ones(2, 2, 3)), r"got \(1, 2, 3\) and \(2, 2, 3\)"),
        (lambda: match_teacher(ROWS * torch.nan, ROWS), r"teacher must be finite.*at \(0, 0, 0\)"),
        (lambda: match_teacher(ROWS, ROWS, torch.ones(1, 2)), r"alive must be a bool tensor of shape \(1, 2\); got"),
        (lambda: match_teacher(ROWS, ROWS).count(2), "cosine must lie from -1 to 1, not 2"),
    ],
)
def test_an_impossible_argument_is_named(ask, message):
    with pytest.raises((ValueError, TypeError), match=message):
        ask()


def test_what_a_dead_node_holds_does_not_matter():
    student = torch.tensor([[[1.0, 0.0], [torch.nan, 0.0]]])
    assert match_teacher(student[:, :1], student, torch.tensor([[True, False]])).student.tolist() == [[0]]


def test_an_error_is_of_patterns_that_fit(toy):
    """Nothing is stretched to fit: one target would be that of all members, one axis less another axis."""
    x, y = torch.ones(1, 4, 2, dtype=torch.float64), torch.ones(1, 4, dtype=torch.float64)
    for wrong in (Patterns(x[0], y), Patterns(x, y[:, :1]), Patterns(x[:, :0], y[:, :0]), Patterns(x, y[0])):
        with pytest.raises(ValueError, match=r"patterns must have shapes \(1, P, 2\) and \(1, P\), P at least 1; got"):
            mse(toy, wrong)
    for wrong in (Patterns(x.float(), y), Patterns(x, y.long()), Patterns(x.tolist(), y)):
        with pytest.raises(TypeError, match=r"patterns must be of the student's type|patterns.x must be a tensor"):
            mse(toy, wrong)
    with torch.no_grad():
        toy.first.phi[0, 0] = torch.nan
    assert mse(toy, Patterns(x, y)).isnan().all()  # a student that has diverged has no error
