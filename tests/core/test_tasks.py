import sys

import pytest
import torch

from spectral.streams import Member
from spectral.tasks import DIGITS, DIGITS_DIM, Teacher, covariance, make_task, make_teacher

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
    with pytest.raises(
        ValueError, match="unknown inputs 'cauchy'; choose one of gaussian, uniform, correlated, digits"
    ):
        make_task(MEMBERS, make_teacher(MEMBERS), inputs="cauchy")
    with pytest.raises(
        ValueError, match=r"inputs of width 10, in shape \(3, P, 10\) or \(P, 10\); got shape \(3, 4, 9\)"
    ):
        make_teacher(MEMBERS)(torch.ones(3, 4, 9))


@pytest.mark.parametrize("inputs", ["gaussian", "uniform", "correlated", "digits"])
def test_inputs_have_the_covariance_that_is_documented(inputs):
    """Means 0, variances 1; neighbours of correlated inputs have 0.5, next neighbours 0.25, all others nothing."""
    counts = {"train_patterns": 1_300, "validation_patterns": 300, "test_patterns": 197}
    teacher = make_teacher(MEMBERS, input_dim=6, dtype=torch.float64)
    task = make_task(MEMBERS, teacher, inputs=inputs, **counts)
    x = torch.cat([task.train.x, task.validation.x, task.test.x], 1)
    assert x.shape == (3, DIGITS, 6)
    distance = (torch.arange(6) - torch.arange(6).unsqueeze(1)).abs()
    expected = 0.5**distance if inputs == "correlated" else (distance == 0)
    tolerance = 1e-3 if inputs == "digits" else 5 / 1_797**0.5  # digits are whitened, others are a sample
    torch.testing.assert_close(x.mT @ x / DIGITS, expected.double().expand(3, 6, 6), rtol=0, atol=tolerance)
    assert x.mean(1).abs().max() < 5 / 1_797**0.5


def test_uniform_inputs_are_bounded_and_digits_are_not_gaussian():
    teacher = make_teacher(MEMBERS, input_dim=4, dtype=torch.float64)
    counts = {"train_patterns": 1_500, "validation_patterns": 100, "test_patterns": 197}

    def fourth_moment(inputs):  # 1.8 for uniform, 3 for Gaussian inputs
        return make_task(MEMBERS, teacher, inputs=inputs, **counts).train.x.pow(4).mean(dim=(0, 1))

    assert make_task(MEMBERS, teacher, inputs="uniform", **counts).train.x.abs().max() < 3**0.5
    torch.testing.assert_close(fourth_moment("uniform"), torch.full((4,), 1.8, dtype=torch.float64), rtol=0.05, atol=0)
    assert (fourth_moment("digits") - 3).abs().max() > 0.5


def test_digits_are_dealt_from_one_pack():
    """No digit comes twice to a member; trials have packs of their own; a set does not change when another grows."""
    teacher = make_teacher(MEMBERS, input_dim=8, dtype=torch.float64)
    task = make_task(
        MEMBERS, teacher, inputs="digits", train_patterns=1_000, validation_patterns=300, test_patterns=497
    )
    for member in range(3):
        sets = (task.train, task.validation, task.test)
        assert len({tuple(x) for s in sets for x in s.x[member].tolist()}) == DIGITS
    assert not torch.equal(task.train.x[0], task.train.x[1])
    smaller = make_task(
        MEMBERS, teacher, inputs="digits", train_patterns=400, validation_patterns=200, test_patterns=497
    )
    assert torch.equal(smaller.train.x, task.train.x[:, :400])
    assert torch.equal(smaller.test.x, task.test.x)
    assert torch.equal(task.test.y, teacher(task.test.x))


def test_digits_that_there_are_not():
    with pytest.raises(ValueError, match=r"there are 1,797 digits .* 1,798 patterns were asked for. Possible are"):
        make_task(
            MEMBERS,
            make_teacher(MEMBERS),
            inputs="digits",
            train_patterns=1_000,
            test_patterns=498,
            validation_patterns=300,
        )
    wide = make_teacher(MEMBERS, input_dim=DIGITS_DIM + 1)
    with pytest.raises(ValueError, match="digits can be projected to 61 dimensions at most; 62 were asked for"):
        make_task(MEMBERS, wide, inputs="digits", train_patterns=10, validation_patterns=10, test_patterns=10)


def test_without_scikit_learn_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match="install it with: pip install"):
        make_task(
            MEMBERS,
            make_teacher(MEMBERS, input_dim=33),  # a dimension that no other test has left in the cache
            inputs="digits",
            train_patterns=10,
            validation_patterns=10,
            test_patterns=10,
        )


def test_label_noise_is_on_training_answers_alone():
    teacher = make_teacher(MEMBERS, dtype=torch.float64)
    counts = {"train_patterns": 20_000, "validation_patterns": 50, "test_patterns": 50}
    clean, noisy = (make_task(MEMBERS, teacher, label_noise=level, **counts) for level in (0.0, 0.3))
    assert torch.equal(noisy.train.x, clean.train.x)
    assert torch.equal(noisy.validation.y, clean.validation.y)
    assert torch.equal(noisy.test.y, clean.test.y)
    noise = (noisy.train.y - clean.train.y) / clean.train.y.square().mean(-1, keepdim=True).sqrt()
    torch.testing.assert_close(noise.std(-1), torch.full((3,), 0.3, dtype=torch.float64), rtol=0.03, atol=0)
    assert noise.mean(-1).abs().max() < 0.01
    assert torch.corrcoef(noise).fill_diagonal_(0).abs().max() < 0.03, "members share their noise"
    correlation = torch.corrcoef(torch.cat([noise[:1], clean.train.x[0].T]))[0, 1:]
    assert correlation.abs().max() < 0.03, "noise is a stream of its own"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_dim": 0}, "input_dim must be a whole number of at least 1, not 0"),
        ({"teacher_hidden": 2.5}, "teacher_hidden must be a whole number of at least 1, not 2.5"),
        ({"teacher_second": "3"}, "teacher_second must be a whole number of at least 1, not '3'"),
        ({"members": []}, "there must be a member, whose teacher is made; got none"),
        (
            {"dtype": torch.int32},
            "weights are fractions; got torch.int32",
        ),
        ({"dtype": "float64"}, "dtype must be one of PyTorch's, of floating point"),
    ],
)
def test_teachers_that_cannot_be(change, message):
    """Of whole numbers, all weights would be zero."""
    with pytest.raises(ValueError, match=message):
        make_teacher(**{"members": MEMBERS} | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"members": MEMBERS[:1]}, "there must be a member for each teacher; got 1 for 3"),
        ({"train_patterns": -1}, "train_patterns must be a whole number of at least 0, not -1"),
        ({"test_patterns": 2.5}, "test_patterns must be a whole number of at least 0, not 2.5"),
        ({"label_noise": -1}, "label_noise must be a finite number of at least 0, not -1"),
        ({"label_noise": float("nan")}, "label_noise must be a finite number of at least 0, not nan"),
    ],
)
def test_tasks_that_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        make_task(**{"members": MEMBERS, "teacher": make_teacher(MEMBERS)} | change)


def test_a_teachers_layers_fit_together_and_its_inputs_fit_it():
    first = torch.ones(2, 3, 4)
    for second in (torch.ones(2, 5, 2), torch.ones(1, 5, 3), torch.ones(5, 3)):
        with pytest.raises(ValueError, match=r"second must have shape \(2, m, 3\); got"):
            Teacher(first, second, "relu")
    with pytest.raises(ValueError, match=r"first must have shape \(E, h_T, d\), all at least 1; got \(3, 4\)"):
        Teacher(first[0], None, "relu")
    for x in (torch.ones(4), torch.ones(1, 5, 4), torch.ones(3, 2, 5, 4)):
        with pytest.raises(ValueError, match=r"inputs of width 4, in shape \(2, P, 4\) or \(P, 4\); got shape"):
            Teacher(first, None, "relu")(x)


def test_the_covariance_is_that_of_what_is_drawn():
    for inputs in ("gaussian", "correlated"):
        task = make_task(MEMBERS[:1], make_teacher(MEMBERS[:1], input_dim=4), inputs=inputs, test_patterns=50_000)
        expected = covariance(inputs, 4)
        assert expected is not None
        torch.testing.assert_close(task.test.x[0].double().T.cov(), expected, atol=0.03, rtol=0)
    assert covariance("uniform", 4) is None
