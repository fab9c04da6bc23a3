import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spectral import SpectralLinear
from spectral.penalties import balanced_strength, group_lasso, shrink_rows, soften, split_l2


def test_published_values_on_a_toy_by_hand(toy):
    """|phi|^2 = 25 + 0.25 + 1 = 26.25 and |lam|^2 = 1 + 4 + 4 = 9; 0.01 * 26.25 + 5e-4 * 9 = 0.267."""
    assert split_l2(toy.first, 0.01, 5e-4).tolist() == pytest.approx([0.267], abs=1e-15)
    toy.first.lam_out.requires_grad_(False)
    assert split_l2(toy.first, 0.01, 5e-4).tolist() == pytest.approx([0.2625], abs=1e-15)


def test_group_lasso_by_hand(toy):
    """Row norms 5, 1, 2."""
    assert group_lasso(toy.first, 0.5).tolist() == pytest.approx([4.0])


@given(c=st.floats(0.01, 100), a=st.floats(1e-4, 1), b=st.floats(1e-4, 1), seed=st.integers(0, 99))
def test_split_penalty_is_a_group_lasso_at_its_smallest(c, a, b, seed):
    """Over all shares of w between phi and lam, a|phi|^2 + b lam^2 >= 2 sqrt(ab) |w|, equal at the balanced share."""
    generator = torch.Generator().manual_seed(seed)
    layer = SpectralLinear(4, 3, dtype=torch.float64, generator=generator)
    bound = group_lasso(layer, balanced_strength(a, b))
    norms = layer.phi.detach().norm(dim=-1)
    with torch.no_grad():
        layer.phi *= c
        layer.lam_out /= c
    assert split_l2(layer, a, b) >= bound * (1 - 1e-12)
    balance = (a / b) ** 0.25 * norms**0.5  # lam^2 b = |phi|^2 a
    with torch.no_grad():
        layer.phi *= (1 / (c * balance))[:, None]
        layer.lam_out.copy_(balance)
    torch.testing.assert_close(split_l2(layer, a, b), bound, rtol=1e-12, atol=0)


def test_input_eigenvalues_are_penalised_where_they_are_trained(toy):
    toy.first.lam_in.requires_grad_(True)
    with torch.no_grad():
        toy.first.lam_in.copy_(torch.tensor([[2.0, 0.0]]))
    assert split_l2(toy.first, 0.01, 5e-4).tolist() == pytest.approx([0.267 + 5e-4 * 4], abs=1e-15)


def test_proximal_step_by_hand():
    """Norms 5, 1, 0 in the metric q = 2 at strength 4 are shortened by s/q = 2: to 3 along the line, to 0 and 0."""
    rows = torch.tensor([[3.0, 4.0], [0.0, -1.0], [0.0, 0.0]], dtype=torch.float64)
    shrink_rows(rows, torch.full_like(rows, 2.0), 4.0)
    assert rows.tolist() == [[pytest.approx(1.8), pytest.approx(2.4)], [0, 0], [0, 0]]


@given(seed=st.integers(0, 999), strength=st.floats(0.01, 3), spread=st.floats(0, 2))
def test_proximal_step_minimises_its_objective(seed, strength, spread):
    """Stationary where a row lives; where it does not, no direction leads down."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(20, 5, generator=generator, dtype=torch.float64)
    q = torch.exp(spread * torch.randn(20, 5, generator=generator, dtype=torch.float64))
    best = rows.clone()
    shrink_rows(best, q, strength)
    norms = best.norm(dim=-1, keepdim=True)
    alive = norms.squeeze(-1) > 0
    assert ((q * rows).norm(dim=-1)[~alive] <= strength).all()
    force = strength * best / norms + q * (best - rows)
    scale = strength + (q * rows).norm(dim=-1)
    assert (force.norm(dim=-1)[alive] < 1e-3 * scale[alive]).all()


def test_one_value_for_each_member():
    assert split_l2(SpectralLinear(4, 3, members=5), 0.01, 5e-4).shape == (5,)
    assert split_l2(SpectralLinear(4, 3), 0.01, 5e-4).shape == ()


def test_soft_thresholding_is_the_nearest_point_in_its_metric():
    """By hand: 3 moved by 0.5 / 2; within 0.5 / 0.25 of zero all is zero; the sign stays."""
    values, metric = torch.tensor([3.0, 1.9, -2.5, 0.0]), torch.tensor([2.0, 0.25, 0.25, 1.0])
    soften(values, metric, 0.5)
    assert values.tolist() == [2.75, 0, -0.5, 0]


def test_what_is_no_number_stays_none():
    """A step to exactly zero would hide that a training has diverged."""
    rows = torch.tensor([[torch.nan, 4.0], [3.0, 4.0]])
    shrink_rows(rows, torch.full_like(rows, 2.0), 4.0)
    assert rows[0].isnan().any()
    assert rows[1].tolist() == pytest.approx([1.8, 2.4])
    values = torch.tensor([torch.nan, 3.0])
    soften(values, torch.ones(2), 1.0)
    assert values.isnan().tolist() == [True, False]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda layer: split_l2(layer, -1, 0), "l2_phi must be a finite number of at least 0, not -1"),
        (lambda layer: split_l2(layer, 0, float("nan")), "l2_lam must be a finite number of at least 0, not nan"),
        (lambda layer: split_l2(torch.nn.Linear(2, 2), 1, 1), "the split penalty is of a SpectralLinear; got a Linear"),
        (lambda layer: group_lasso(layer, "1"), "strength must be a finite number of at least 0, not '1'"),
        (lambda layer: balanced_strength(-1, 1), "l2_phi must be a finite number of at least 0, not -1"),
        (lambda layer: soften(torch.ones(2), torch.ones(2), 0), "strength must be a finite number above 0, not 0"),
        (lambda layer: soften(torch.ones(2), torch.ones(1), 1), r"must have one shape; got \(2,\), \(1,\)"),
        (lambda layer: shrink_rows(layer.phi, torch.ones(1), 1), "values and metric must have one shape"),
        (lambda layer: shrink_rows(layer.phi, layer.phi, -1), "strength must be a finite number above 0, not -1"),
    ],
)
def test_an_impossible_argument_is_named(ask, message):
    with pytest.raises((ValueError, TypeError), match=message):
        ask(SpectralLinear(3, 2))
