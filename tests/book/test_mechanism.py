"""What is measured of why nodes die, on made-up histories, and of nodes that the loss leaves alone."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spectral import ExperimentConfig
from spectral.book.mechanism import GONE, LABELS, alone, balance, described, dying, experiment, family
from spectral.lab.collection import MissingResult, Results
from spectral.lab.presets import experiments
from spectral.stats.intervals import by_teacher, estimate

PAPER = Results([one for one in experiments("paper") if one.design == "why"], lambda one: None)
STEPS = 27  # to an epoch of the usual patterns and batches


def test_left_alone_a_factor_shrinks_as_the_rule_says():
    config = ExperimentConfig(optimiser="sgd", learning_rate=0.001, l2_phi=0.02, l2_lam=0.0)
    epochs = [0, 1, 10]
    expected = [(1 - 2 * 0.02 * 0.001) ** (STEPS * epoch) for epoch in epochs]
    np.testing.assert_allclose(alone(config, epochs), expected, rtol=1e-4)
    both = alone(replace(config, l2_lam=0.02), epochs)
    np.testing.assert_allclose(both, np.square(expected), rtol=1e-4)
    direct = alone(replace(config, l2_lam=0.02, parametrization="direct"), epochs)
    np.testing.assert_allclose(direct, expected, rtol=1e-4)
    fast = alone(replace(config, momentum=0.9), epochs)
    np.testing.assert_allclose(fast, np.power(expected, 10), rtol=1e-4)


@pytest.mark.parametrize("l2_lam", [0.0, 5e-4])
def test_left_alone_adam_does_what_pytorch_s_does(l2_lam):
    """A layer with the penalties and no data, trained by PyTorch; many nodes, whose numbers are spread evenly."""
    torch.manual_seed(0)
    config = ExperimentConfig(student_hidden=100, l2_lam=l2_lam)
    phi = (6 / 110) ** 0.5 * (2 * torch.rand(4_000, 10, dtype=torch.float64) - 1)
    phi, lam = phi.requires_grad_(), torch.ones(4_000, dtype=torch.float64, requires_grad=True)
    adam, start = torch.optim.Adam([phi, lam], lr=0.005, eps=1e-7), phi.detach().norm()
    for _ in range(2 * STEPS):
        adam.zero_grad()
        (0.01 * phi.square().sum() + l2_lam * lam.square().sum()).backward()
        adam.step()
    found = float((phi.norm(dim=-1) * lam).detach().norm() / start)
    assert alone(config, [2])[0] == pytest.approx(found, rel=0.05)
    assert list(alone(config, [0, 1_000])) == [1, 0]


def result(scores, eigenvalues=None, product=None, teachers=3):
    """A run of as many members as teachers, (S, E, h_S)."""
    scores = torch.as_tensor(scores, dtype=torch.float64)
    history = SimpleNamespace(
        scores=scores,
        score_epochs=tuple(range(len(scores))),
        eigenvalues=None if eigenvalues is None else torch.as_tensor(eigenvalues, dtype=torch.float64),
    )
    return SimpleNamespace(
        config=ExperimentConfig(teachers=teachers, trials=1, l2_phi=0.1, l2_lam=0.02),
        history=history,
        product=scores[-1] if product is None else torch.as_tensor(product),
        estimate=lambda values, statistic, log: estimate(by_teacher(values, teachers), statistic, log=log),
    )


def test_the_balance_is_that_of_survivors():
    """Survivors with lam = 2 and |phi| = 1/2: b lam^2 / a |phi|^2 = .02 * 4 / (.1 / 4) = 3.2; others do not count."""
    scores = np.ones((2, 3, 4))
    eigenvalues = 2 * np.ones((2, 3, 4))
    scores[:, :, 3], eigenvalues[:, :, 3] = 1e-3, 50.0
    found = balance(result(scores, eigenvalues))
    np.testing.assert_allclose(found.value, [3.2, 3.2])
    eigenvalues[0, :, :3] *= -(2**0.5)  # the sign does not count; phi is shorter
    np.testing.assert_allclose(balance(result(scores, eigenvalues)).value, [12.8, 3.2])


def test_a_run_without_eigenvalues_has_no_balance():
    with pytest.raises(MissingResult, match="no eigenvalues were recorded; train with traced=True"):
        balance(result(np.ones((2, 3, 4))))


def test_the_dying_are_those_that_are_dead_at_the_end():
    """Two nodes of each student; of students without a dead node nothing is said, and what is gone counts as `GONE`."""
    scores = np.ones((3, 4, 4))
    scores[0, :, 2:], scores[1, :, 2:], scores[2, :, 2:] = 0.5, 0.01, 0
    scores[0, :3, 3] = 0.1, 0.3, 0.7  # medians: 0.3, 0.4, 0.6
    scores[:, 3] = 1
    found = dying(result(scores, teachers=4))
    np.testing.assert_allclose(found.value, [(0.3 * 0.4 * 0.6) ** (1 / 3), 0.01, GONE])
    assert found.low[0] < 0.3 < found.value[0]
    assert np.isnan(dying(result(np.ones((2, 3, 4)))).value).all()


def test_every_intervention_is_described_in_its_own_words():
    chosen = PAPER.select(varied=["rule", "steps", "start", "layers", "adam_eps"])
    plain = [one for one in chosen if one.name.split("/")[1] not in ("adamw,b=0", "adamw,a=0", "adamw,direct")]
    plain = [one for one in plain if one.name.split("/")[1] not in ("momentum,b=0", "momentum,a=0", "momentum,direct")]
    texts = [described(one) for one in plain]
    assert len(set(texts)) == len(texts) == 36
    assert described(experiment(PAPER, "rate=0.02,epochs=500")) == "learning rate 0.02, 500 epochs"


def test_experiments_are_found_by_their_labels():
    for label in LABELS.values():
        assert experiment(PAPER, label).name == f"why/{label}/100"
    with pytest.raises(MissingResult, match="there is no experiment why/nothing"):
        experiment(PAPER, "nothing")


def test_equal_products_are_shared_out_otherwise():
    found = [(one.config.l2_phi, one.config.l2_lam) for one in family(PAPER, "equal products")]
    assert found == [(5e-4, 0.01), (0.00224, 0.00223), (0.0447, 1.12e-4)]
    assert [one.config.adam_eps for one in family(PAPER, "adam_eps")] == [1e-9, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3]
