"""The kernels against Monte Carlo, the costs against networks that are pruned, the exponents against their limits."""

import numpy as np
import pytest
import torch

from spectral.activations import ACTIVATIONS
from spectral.stats import committees
from spectral.streams import Member
from spectral.tasks import Teacher, covariance, make_teacher


def weights(size: int, dim: int, seed: int = 3) -> np.ndarray:
    return make_teacher([Member(0, seed, 0)], kind="committee", input_dim=dim, teacher_hidden=size).first[0].numpy()


def uniform_weights(size: int, dim: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (size, dim))


@pytest.mark.parametrize("activation", ["relu", "erf", "identity"])
def test_kernels_against_monte_carlo(activation):
    """Means of products over 200,000 inputs, in a tolerance of five standard errors."""
    first = weights(6, 4).astype(float)
    first[1] = -2 * first[0]  # opposite, and of another length
    first[2] = 3 * first[0]
    x = torch.randn(200_000, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    answers = ACTIVATIONS[activation].apply(x @ torch.from_numpy(first).T)
    products = answers.unsqueeze(-1) * answers.unsqueeze(-2)
    error = products.std(0) / len(x) ** 0.5
    difference = (products.mean(0) - torch.from_numpy(committees.kernel(first, activation))).abs()
    assert (difference <= 5 * error + 1e-12).all()


def test_kernels_by_hand():
    """Of unit vectors: relu 1/2 with itself, 1/(2 pi) at a right angle, 0 with its opposite; a silent node gives 0."""
    first = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, 0.0]])
    relu, erf = (committees.kernel(first, name) for name in ("relu", "erf"))
    np.testing.assert_allclose(relu[0], [0.5, 1 / (2 * np.pi), 0, 0], atol=1e-15)
    np.testing.assert_allclose(erf[0], [1 / 3, 0, -1 / 3, 0], atol=1e-15)  # 2/pi asin(1/2)
    with pytest.raises(ValueError, match="no closed form is known for 'tanh'; there is one for relu, erf, identity"):
        committees.kernel(first, "tanh")
    with pytest.raises(ValueError, match=r"one row of incoming weights for every node; got shape \(2,\)"):
        committees.kernel(first[0], "relu")


@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_the_pruning_curve_is_that_of_a_pruned_network(activation):
    """A committee with outgoing weights of both signs, silenced node by node in a given order."""
    first, v = weights(7, 5), np.array([1.0, -0.5, 2.0, 1.0, -1.5, 0.3, 1.0])
    order = np.array([2, 0, 4, 3, 6, 1, 5])
    x = torch.randn(100_000, 5, generator=torch.Generator().manual_seed(2))
    hidden = ACTIVATIONS[activation].apply(x @ torch.from_numpy(first).T).double() * torch.from_numpy(v)
    y = hidden.sum(-1)
    measured = [((hidden[:, order[:n]].sum(-1) - y) ** 2).mean() / (y**2).mean() for n in range(8)]
    curve = committees.pruning_curve(first, activation, outgoing=v, order=order)
    np.testing.assert_allclose(curve, measured, rtol=0.03, atol=1e-12)
    assert curve[0] == 1
    assert curve[-1] == 0


def test_the_default_order_keeps_the_longest():
    first = np.diag([1.0, 3.0, 2.0])
    by_hand = committees.pruning_curve(first, "relu", order=np.array([1, 2, 0]))
    np.testing.assert_array_equal(committees.pruning_curve(first, "relu"), by_hand)
    weighted = committees.pruning_curve(first, "relu", outgoing=np.array([-10.0, 1.0, 1.0]))
    expected = committees.pruning_curve(first, "relu", outgoing=np.array([-10.0, 1.0, 1.0]), order=np.array([0, 1, 2]))
    np.testing.assert_array_equal(weighted, expected)
    with pytest.raises(ValueError, match="order must be a permutation of 3 nodes"):
        committees.pruning_curve(first, "relu", order=np.array([0, 1, 1]))
    with pytest.raises(ValueError, match=r"one weight for each of 3 nodes; got shape \(2,\)"):
        committees.pruning_curve(first, "relu", outgoing=np.ones(2))


def test_a_committee_answers_as_the_kernel_says():
    first = torch.from_numpy(weights(20, 10))
    x = torch.randn(200_000, 10, generator=torch.Generator().manual_seed(5))
    power = Teacher(first.unsqueeze(0), None, "relu")(x).square().mean().item()
    assert committees.kernel(first.numpy(), "relu").sum() == pytest.approx(power, rel=0.02)


def test_correlation_of_relu_nodes_is_a_mean_over_directions():
    """1/pi in many dimensions; 1/2 in one, where a random direction is the same or the opposite."""
    assert committees.relu_correlation(1) == pytest.approx(0.5, rel=1e-12)
    assert committees.relu_correlation(10_000) == pytest.approx(1 / np.pi, rel=1e-3)
    directions = np.random.default_rng(0).normal(size=(2_000, 6))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    kernel = committees.kernel(directions, "relu")
    off_diagonal = kernel[~np.eye(2_000, dtype=bool)].mean()
    assert off_diagonal / 0.5 == pytest.approx(committees.relu_correlation(6), rel=0.01)


def test_equal_nodes_cost_what_the_formula_says():
    """Mean curves of committees of relu whose nodes have one length, ((1 - c) f + c h f^2) / ((1 - c) + c h)."""
    size, dim = 40, 30
    curves = []
    for seed in range(60):
        first = uniform_weights(size, dim, seed)
        first /= np.linalg.norm(first, axis=1, keepdims=True)
        curves.append(committees.pruning_curve(first, "relu"))
    c, fraction = committees.relu_correlation(dim), 1 - np.arange(size + 1) / size
    expected = ((1 - c) * fraction + c * size * fraction**2) / ((1 - c) + c * size)
    np.testing.assert_allclose(np.mean(curves, 0), expected, atol=0.01)


@pytest.mark.parametrize(("activation", "aligned"), [("relu", True), ("erf", False)])
@pytest.mark.parametrize("dim", [2, 5])
def test_limit_exponents(activation, aligned, dim):
    """The slope of large committees, from 2 % to 20 % of the nodes removed: in two dimensions 2/d is a whole 1.

    The norms of erf's nodes are short here, where erf is straight; the mean over committees averages random signs out.
    """
    size, curves = 1_000, []
    for seed in range(80 if activation == "erf" else 4):
        first = uniform_weights(size, dim, seed) * (0.1 if activation == "erf" else 1)
        v = np.random.default_rng(seed + 1_000).choice([-1.0, 1.0], size) if activation == "erf" else None
        curves.append(committees.pruning_curve(first, activation, outgoing=v))
    removed = np.arange(20, 200)
    error = np.mean(curves, 0)[size - removed]
    slope = np.polyfit(np.log(removed), np.log(error), 1)[0]
    assert slope == pytest.approx(committees.limit_exponent(dim, aligned=aligned), abs=0.25)


def test_correlation_in_more_dimensions_than_a_gamma_function_has_digits():
    """1/pi (1 + 1/(2 d) + ...)."""
    for dim in (10**6, 10**12, 10**100):
        assert committees.relu_correlation(dim) == pytest.approx((1 + 0.5 / dim) / np.pi, rel=1e-11)


def test_a_relative_error_has_no_unit():
    first, v = weights(5, 3).astype(float), np.array([1.0, -2.0, 0.5, 1.0, 3.0])
    expected = committees.pruning_curve(first, "relu", outgoing=v)
    for factor in (1e-300, 1e300):
        np.testing.assert_allclose(committees.pruning_curve(first, "relu", outgoing=factor * v), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: committees.kernel(np.eye(3) * [1, np.nan, 1], "erf"), r"first must be finite.*stands at \[0, 1\]"),
        (lambda: committees.kernel(np.eye(3) * 1e200, "erf"), "the largest weight is 1e.200; squares of more than"),
        (lambda: committees.kernel(np.ones((0, 3)), "relu"), r"one row of incoming weights .* got shape \(0, 3\)"),
        (lambda: committees.kernel(np.eye(3), ["relu"]), r"no closed form is known for \['relu'\]"),
        (lambda: committees.pruning_curve(np.eye(3)[0], "relu"), r"one row of incoming weights .* got shape \(3,\)"),
        (lambda: committees.pruning_curve(np.zeros((3, 2)), "relu"), "this committee says nothing"),
        (lambda: committees.pruning_curve(np.ones((2, 2)), "erf", outgoing=[1, -1]), "this committee says nothing"),
        (lambda: committees.pruning_curve(np.eye(2), "erf", outgoing=[1, np.inf]), "outgoing must be finite"),
        (lambda: committees.pruning_curve(np.eye(2), "erf", order=[[0, 1]]), "order must be a permutation of 2 nodes"),
        (lambda: committees.kernel(np.eye(2), "relu", [[1, 2], [2, 1]]), "no negative eigenvalue; the least is -1"),
        (lambda: committees.relu_correlation(0), "dim must be a whole number of at least 1; got 0"),
        (lambda: committees.limit_exponent(2.5, aligned=True), "dim must be a whole number of at least 1; got a float"),
    ],
)
def test_an_impossible_argument_is_named(ask, message):
    with pytest.raises((ValueError, TypeError), match=message):
        ask()


@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_a_committee_with_correlated_inputs(activation):
    """In closed form by the covariance; which is what the products of answers to such inputs measure."""
    first, cov = weights(6, 4).astype(float), covariance("correlated", 4)
    x = torch.randn(200_000, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    answers = ACTIVATIONS[activation].apply(x @ torch.linalg.cholesky(cov).T @ torch.from_numpy(first).T)
    products = (answers.T @ answers / len(x)).numpy()
    np.testing.assert_allclose(committees.kernel(first, activation, cov.numpy()), products, atol=0.03 * products.max())
    curve = committees.pruning_curve(first, activation, covariance=cov.numpy())
    measured = committees.pruning_curve(first, activation, products=products)
    np.testing.assert_allclose(curve, measured, atol=0.02)
    assert abs(curve - committees.pruning_curve(first, activation)).max() > 0.01, "white inputs give another curve"
