import copy

import numpy as np
import pytest
import torch

from spectral import Student
from spectral.streams import Member
from spectral.students import as_student
from spectral.tasks import make_teacher


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_output_by_hand(toy):
    assert toy(torch.tensor([[1.0, 1.0], [1.0, -2.0]], dtype=torch.float64)).tolist() == [[8.0, 5.0]]


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_student_can_be_a_teacher(activation):
    """Node for node: the same answers, and the same without the same node."""
    members = [Member(0, 3, 0), Member(0, 4, 0)]
    teacher = make_teacher(members, activation=activation, dtype=torch.float64)
    student = as_student(teacher)
    x = torch.randn(2, 50, 10, dtype=torch.float64, generator=torch.Generator())
    torch.testing.assert_close(student(x), teacher(x), rtol=1e-13, atol=1e-13)
    assert torch.equal(student.first.weight, teacher.first)
    assert torch.equal(student.second.weight, teacher.second)
    assert (student.activation, student.student_hidden) == (activation, 20)


def test_a_teacher_of_one_layer_is_no_student():
    with pytest.raises(ValueError, match="a teacher with one layer cannot be written as a student"):
        as_student(make_teacher([Member(0, 0, 0)], kind="committee"))


def test_twins_share_their_start():
    spectral = Student(4, 6, 3, 2, generators=generators(1, 2))
    direct = Student(4, 6, 3, 2, parametrization="direct", generators=generators(1, 2))
    x = torch.randn(2, 5, 4)
    assert torch.equal(spectral(x), direct(x))
    trained = {name for name, p in spectral.named_parameters() if p.requires_grad}
    assert trained == {"first.phi", "first.lam_out", "second.phi"}
    assert {name for name, p in direct.named_parameters() if p.requires_grad} == trained - {"first.lam_out"}


@pytest.mark.parametrize("activation", ["relu", "tanh", "erf"])
def test_members_do_not_meet(activation):
    batch = Student(4, 6, 3, 2, activation=activation, generators=generators(1, 2), dtype=torch.float64)
    alone = Student(4, 6, 3, activation=activation, generators=generators(2), dtype=torch.float64)
    x = torch.randn(2, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(batch(x)[1:], alone(x[1:]), rtol=1e-14, atol=1e-15)
    assert (batch.members, batch.student_hidden) == (2, 6)


def test_copies_and_states():
    student = Student(4, 6, 3, 2)
    other = Student(4, 6, 3, 2)
    other.load_state_dict(copy.deepcopy(student).state_dict())
    x = torch.randn(5, 4)
    assert torch.equal(other(x), student(x))
    wide = Student(4, 7, 3, 2)
    before = copy.deepcopy(wide.state_dict())
    with pytest.raises(RuntimeError, match=r"(?s)nothing was loaded.*first.phi.*\[2, 6, 4\].*\[2, 7, 4\]"):
        wide.load_state_dict(student.state_dict())
    assert all(torch.equal(value, before[name]) for name, value in wide.state_dict().items())


def test_unknown_names_and_wrong_widths():
    with pytest.raises(ValueError, match="unknown parametrization 'dense'; choose one of spectral, direct"):
        Student(4, 6, 3, parametrization="dense")
    with pytest.raises(ValueError, match="unknown activation 'gelu'"):
        Student(4, 6, 3, activation="gelu")
    with pytest.raises(ValueError, match="always has an axis of members"):
        Student(4, 6, 3, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"inputs of width 4; got shape \(5, 3\)"):
        Student(4, 6, 3)(torch.ones(5, 3))


@pytest.mark.parametrize("index", [2, -1, True, 0.0])
def test_there_is_no_such_member(index):
    """Of a slice beyond the end, a student of no member at all would come."""
    with pytest.raises(ValueError, match=f"index must be a member from 0 to 1, not {index}"):
        Student(4, 6, 3, 2).member(index)


def test_a_member_may_be_counted_by_numpy():
    """Places come from `np.argmin` and its like."""
    student = Student(4, 6, 3, 2)
    alone = student.member(np.int64(1))  # type: ignore[arg-type]
    assert torch.equal(alone.first.phi, student.first.phi[1:])
    assert torch.equal(student.first.to_linear(np.int64(1)).weight, student.first.weight[1])  # type: ignore[arg-type]
