import math

import pytest
import torch

from spectral.activations import ACTIVATIONS, activation


@pytest.mark.parametrize("name", ["relu", "tanh", "erf", "identity"])
def test_chain_rule_of_activations_against_autograd(name):
    z = torch.linspace(-3, 3, 13, dtype=torch.float64, requires_grad=True)
    g = ACTIVATIONS[name].apply(z)
    weights = torch.arange(13, dtype=torch.float64)
    (grad,) = torch.autograd.grad((weights * g).sum(), z)
    torch.testing.assert_close(
        ACTIVATIONS[name].backward(weights, z.detach(), g.detach()), grad, rtol=1e-13, atol=1e-14
    )


def test_erf_carries_the_square_root_of_two():
    assert activation("erf").apply(torch.tensor(1.0)).item() == pytest.approx(math.erf(1 / math.sqrt(2)), rel=1e-6)
