import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spectral import Student, node_scores
from spectral.curves import growth, onset
from spectral.measures import effective_size, match_teacher, survivors
from spectral.stats.intervals import Estimate, estimate, geometric, over_teachers, slope_weights
from spectral.streams import Member
from spectral.tasks import make_teacher


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


def test_estimate_by_hand():
    """Mean 2, standard deviation 1, n = 3: half width t(0.975, 2) / sqrt(3) = 4.3027 / 1.7321."""
    result = estimate([1, 2, 3])
    assert (result.mean, result.n) == (2.0, 3)
    assert result.high - result.mean == pytest.approx(2.48414, abs=1e-5)
    assert f"{result:.1f}" == "2.0 [-0.5, 4.5], n = 3"
    assert np.isnan(estimate([1.0]).low)


def test_intervals_cover_as_often_as_they_say():
    """95 % intervals over 2,000 samples of 4 normal numbers: between 93.5 and 96.5 % hold the mean."""
    samples = np.random.default_rng(0).normal(3, 2, (2_000, 4))
    hits = [e.low <= 3 <= e.high for e in map(estimate, samples)]
    assert 0.935 < np.mean(hits) < 0.965


def test_what_measures_refuse():
    good = torch.ones(1, 3)
    for threshold in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match=f"threshold must lie from 0 .* not {threshold}"):
            survivors(good, threshold)
    with pytest.raises(ValueError, match="unknown normalisation 'trial'; choose member or pooled"):
        survivors(good, normalise="trial")
    with pytest.raises(ValueError, match="scores must be finite and not negative"):
        survivors(-good)
    with pytest.raises(ValueError, match="scores must be finite"):
        survivors(good * torch.nan)
    with pytest.raises(ValueError, match=r"got \(1, 2, 4\), \(1, 3, 5\), \(1, 3\)"):
        match_teacher(torch.ones(1, 2, 4), torch.ones(1, 3, 5))
    for values in ([], [1.0, float("inf")], [[1.0]]):
        with pytest.raises(ValueError, match="list of finite numbers"):
            estimate(values)


def test_intervals_are_taken_over_teachers():
    """Two teachers of two trials: their means. One teacher: its trials."""
    values = torch.tensor([1, 3, 10, 20])
    assert over_teachers(values, 2).tolist() == [2.0, 15.0]
    assert over_teachers(values, 1).tolist() == [1.0, 3.0, 10.0, 20.0]
    assert over_teachers(torch.ones(6, 5), 3).shape == (3, 5)
    with pytest.raises(ValueError, match="4 values cannot be shared out among 3 teachers"):
        over_teachers(values, 3)


def test_zero_has_no_sign():
    assert Estimate(-0.04, -0.2, 0.1, 5).brief(".1f") == "0.0 [-0.2, 0.1]"


def test_geometric_mean_by_hand():
    """1, 4 and 16: logarithms 0, log 4, 2 log 4."""
    e = geometric([1.0, 4.0, 16.0])
    plain = estimate(np.log([1.0, 4.0, 16.0]))
    assert (e.mean, e.low, e.high, e.n) == pytest.approx((4.0, np.exp(plain.low), np.exp(plain.high), 3))
    with pytest.raises(ValueError, match="above 0"):
        geometric([1.0, 0.0])


def test_slope_weights_give_the_slope():
    x = np.array([1.0, 2.0, 4.0])
    assert slope_weights(x) @ (3 * x + 5) == pytest.approx(3.0)
    with pytest.raises(ValueError, match="two different points"):
        slope_weights([2.0, 2.0])


def test_teachers_can_be_named():
    """As where the weights of some students only were kept: teachers 7, 5, 7; of one teacher, its trials."""
    assert over_teachers(torch.tensor([1, 10, 3]), [7, 5, 7]).tolist() == [2.0, 10.0]
    assert over_teachers(torch.tensor([1, 10, 3]), [7, 7, 7]).tolist() == [1.0, 10.0, 3.0]
    with pytest.raises(ValueError, match="there are 3 values, but 2 teachers are named"):
        over_teachers(torch.tensor([1, 10, 3]), [7, 5])


def test_growth_is_signed_and_in_units_of_the_error_without_nodes():
    """E[y^2] = 8, error of the whole 2: 5 has grown by 3/8, 1 has fallen by 1/8."""
    assert growth(torch.tensor([[8.0, 5.0, 1.0, 2.0]])).tolist() == [[0.75, 0.375, -0.125, 0.0]]


def test_the_onset_is_the_last_crossing_from_above():
    """Cost with 0 to 4 nodes: 1, 0.05, 0.3, 0.02, 0. One node alone does well by chance; that is no plateau."""
    sweep = torch.tensor([[1.0, 0.05, 0.3, 0.02, 0.0], [2.0, 0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0, 0.0]])
    assert onset(sweep, 0.1).tolist() == [3, 1, 4]
    assert onset(sweep, 0.01).tolist() == [4, 1, 4]
    assert onset(sweep, 0.5).tolist() == [1, 1, 4]
    assert onset(sweep, 0.3).tolist() == [3, 1, 4]  # less than: not at the tolerance itself
    assert onset(torch.tensor([[1.0, 2.0, 1.5]]), 0.6).tolist() == [0]  # worse than silence: no node is needed


@given(seed=st.integers(0, 200), tolerance=st.floats(1e-3, 1))
def test_a_larger_tolerance_never_asks_for_more_nodes(seed, tolerance):
    sweep = torch.rand(3, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert (onset(sweep, 2 * tolerance) <= onset(sweep, tolerance)).all()


def test_what_growth_and_onset_refuse():
    for tolerance in (0.0, -0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="tolerance must be a part of"):
            onset(torch.ones(1, 3), tolerance)
    with pytest.raises(ValueError, match=r"shape \(E, h \+ 1\), the error with 0 to h nodes; got \(3,\)"):
        growth(torch.ones(3))
    with pytest.raises(ValueError, match="must be above zero"):
        growth(torch.tensor([[0.0, 1.0, 1.0]]))
