import math

import pytest
import torch

from spectral.activations import ACTIVATIONS, activation
from spectral.streams import Member
from spectral.tasks import Teacher, make_task, make_teacher

MEMBERS = [Member(0, 0, 0), Member(0, 0, 1), Member(0, 1, 0)]


def test_two_layer_teacher_by_hand():
    """W1 x = (1, -1) for x = (1, 1); relu (1, 0); W2 of that (2, -3); relu and sum 2."""
    teacher = Teacher(torch.tensor([[[2.0, -1.0], [-1.0, 0.0]]]), torch.tensor([[[2.0, 5.0], [-3.0, 5.0]]]), "relu")
    assert teacher(torch.tensor([[1.0, 1.0]])).tolist() == [[2.0]]


def test_committee_and_linear_teachers_by_hand():
    first, x = torch.tensor([[[2.0, -1.0], [-1.0, 0.0]]]), torch.tensor([[1.0, 1.0]])
    assert Teacher(first, None, "relu")(x).tolist() == [[1.0]]
    assert Teacher(first, None, "identity")(x).tolist() == [[0.0]]
    assert make_teacher(MEMBERS, kind="linear").activation == "identity"
    assert make_teacher(MEMBERS, kind="committee").second is None


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


def test_teachers_are_shared_by_their_trials():
    teacher = make_teacher(MEMBERS)
    assert teacher.first.shape == (3, 20, 10)
    assert teacher.second is not None
    assert teacher.second.shape == (3, 10, 20)
    assert torch.equal(teacher.first[0], teacher.first[1])
    assert not torch.equal(teacher.first[0], teacher.first[2])


def test_sets_are_disjoint_and_answered_by_the_teacher():
    teacher = make_teacher(MEMBERS)
    task = make_task(MEMBERS, teacher, train_patterns=400, validation_patterns=100, test_patterns=300)
    rows = [tuple(row) for s in (task.train, task.validation, task.test) for x in s.x for row in x.tolist()]
    assert len(rows) == 3 * 800
    assert len(set(rows)) == len(rows)
    assert torch.equal(task.test.y, teacher(task.test.x))
    assert task.train.x.mean().abs() < 0.03
    assert task.train.x.std().item() == pytest.approx(1, abs=0.02)


def test_sets_do_not_depend_on_what_was_drawn_before_or_beside():
    """The leak of the published control, where sets drawn later repeat: here a set is its name, and nothing else."""
    task = make_task(MEMBERS, make_teacher(MEMBERS), train_patterns=50, validation_patterns=20, test_patterns=30)
    torch.rand(17)
    again = make_task(
        MEMBERS[1:], make_teacher(MEMBERS[1:]), train_patterns=10, validation_patterns=5, test_patterns=30
    )
    assert torch.equal(task.test.x[1:], again.test.x)


def test_unknown_names_and_wrong_widths():
    with pytest.raises(ValueError, match="unknown teacher 'deep'; choose one of two-layer, committee, linear"):
        make_teacher(MEMBERS, kind="deep")
    with pytest.raises(ValueError, match="unknown activation 'gelu'; choose one of relu"):
        make_teacher(MEMBERS, activation="gelu")
    with pytest.raises(ValueError, match="unknown inputs 'uniform'; choose one of gaussian"):
        make_task(MEMBERS, make_teacher(MEMBERS), inputs="uniform")
    with pytest.raises(ValueError, match=r"inputs of width 10; got shape \(3, 4, 9\)"):
        make_teacher(MEMBERS)(torch.ones(3, 4, 9))
