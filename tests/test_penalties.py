import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spectral import SpectralLinear
from spectral.penalties import group_lasso, split_l2


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
    bound = group_lasso(layer, 2 * (a * b) ** 0.5)
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


def test_one_value_for_each_member():
    assert split_l2(SpectralLinear(4, 3, 5), 0.01, 5e-4).shape == (5,)
    assert split_l2(SpectralLinear(4, 3), 0.01, 5e-4).shape == ()
