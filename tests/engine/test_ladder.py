"""Networks on a ladder: what each starts from, worked out by hand, and that all get the same training."""

import sys
from dataclasses import replace

import pytest
import torch

from spectral import ExperimentConfig, compute, node_scores, rank
from spectral.engine import ladder
from spectral.lab.experiment import make_student, prepare
from spectral.measures import mse
from spectral.streams import member_streams, order_keys
from spectral.students import as_student

WAYS = ("cut", "rewind", "cluster", "grow", "fresh")


@pytest.fixture
def config():
    """Two teachers of 10 nodes with two students each, that share their patterns; rungs of 2, 4, 6, 8, 10, 12."""
    return ExperimentConfig(
        **{
            "input_dim": 5,
            "teacher_hidden": 10,
            "teacher_second": 3,
            "student_hidden": 12,
            "parametrization": "direct",
        },
        **{"teachers": 2, "trials": 2, "epochs": 3, "patterns": 250, "test_patterns": 100, "batch_size": 60},
        **{"dtype": "float64", "l2_phi": 0.0, "shared_patterns": True, "ladder": "cut", "ladder_epochs": 2},
    )


@pytest.fixture
def climbed(monkeypatch):
    """From a way to what its networks start from, by size, without any training."""

    def starts(config, student, task, way, sizes, **options):
        seen = {}
        monkeypatch.setattr(ladder, "train", lambda network, *_, **__: seen.update({network.student_hidden: network}))
        ladder.climb(
            way,
            student,
            task,
            sizes,
            draw=lambda nodes: make_student(replace(config, student_hidden=nodes)),
            keys=torch.zeros(4, dtype=torch.int64),
            **{"epochs": 1, "batch_size": 60, "learning_rate": 0.005, "trials": 2} | options,
        )
        return seen

    return starts


def test_a_network_is_cut_from_the_nodes_of_the_highest_score(config, climbed):
    task, student = prepare(config)
    best = rank(node_scores(student, "product"))
    seen = climbed(config, student, task, "cut", (4, 8, 12))
    assert list(seen) == [12, 8, 4]
    for size, network in seen.items():
        for member in range(4):
            assert torch.equal(network.first.weight[member], student.first.weight[member, best[member, :size]])
            assert torch.equal(network.second.weight[member], student.second.weight[member][:, best[member, :size]])
    torch.testing.assert_close(mse(seen[12], task.test), mse(student, task.test))  # the same nodes in another order


def test_rewound_nodes_are_the_best_of_the_rung_before_and_start_as_they_once_did(config, climbed, monkeypatch):
    """Trained here means that scores turn round: the best of 12 untrained nodes, then the worst of these."""
    task, untrained = prepare(config)
    _, student = prepare(config)
    with torch.no_grad():
        student.first.phi.mul_(2)
    scores = node_scores(student, "product")
    seen = climbed(config, student, task, "rewind", (4, 8))
    nodes = rank(scores)
    for size in (8, 4):  # nothing was trained, and the ranking of one rung is that of the next
        for member in range(4):
            chosen = untrained.first.weight[member, nodes[member, :size]]
            assert torch.equal(seen[size].first.weight[member], chosen)

    def reversed_by_training(network, *_, **__):
        with torch.no_grad():
            network.first.phi.div_(node_scores(network, "product").square().unsqueeze(-1))
        again[network.student_hidden] = network.first.weight.detach()

    again = {}
    monkeypatch.setattr(ladder, "train", reversed_by_training)
    draw = {"draw": lambda nodes: make_student(replace(config, student_hidden=nodes))}
    options = {"keys": torch.zeros(4, dtype=torch.int64), "epochs": 1, "batch_size": 60, "learning_rate": 0.005}
    ladder.climb("rewind", student, task, (4, 8), **draw, **options)
    for member in range(4):
        kept = nodes[member, :8].flip(0)[:4]  # the weakest of the eight are now the strongest
        directions = torch.nn.functional.normalize(untrained.first.weight[member, kept], dim=-1)
        torch.testing.assert_close(torch.nn.functional.normalize(again[4][member], dim=-1), directions)


def test_a_network_grows_without_a_change_of_its_function(config, climbed):
    small = replace(config, student_hidden=4)
    task, student = prepare(small)
    seen = climbed(small, student, task, "grow", (4, 8, 12))
    assert list(seen) == [8, 12], "the student itself is the first network"
    for network in seen.values():
        assert torch.equal(mse(network, task.test), mse(student, task.test))
        assert torch.equal(network.first.weight[:, :4], student.first.weight)
        directions = torch.nn.functional.normalize(network.first.weight.detach(), dim=-1)
        cosines = (directions @ directions.mT).triu(1)
        assert (network.first.weight[:, 4:].norm(dim=-1) > 0).all()
        assert cosines.max() < 0.999, "a new node has the direction of one that is there"


def test_a_fresh_network_is_what_its_width_draws(config, climbed):
    task, student = prepare(config)
    seen = climbed(config, student, task, "fresh", (4, 8, 12))
    assert list(seen) == [4, 8], "the student itself is the network of its size"
    for size, network in seen.items():
        drawn = make_student(replace(config, student_hidden=size))
        assert torch.equal(network.first.weight, drawn.first.weight)
        assert torch.equal(network.second.weight, drawn.second.weight)


def test_what_two_students_have_in_common_is_their_teacher(config, climbed):
    """Students that are their teachers, the nodes of both layers shuffled and one split in two: the same function."""
    task, student = prepare(config)
    teacher = as_student(task.teacher)
    with torch.no_grad():
        for layer in (student.first, student.second):
            layer.phi.zero_()
        for member in range(4):
            stream = torch.Generator().manual_seed(member)
            order, second = torch.randperm(10, generator=stream), torch.randperm(3, generator=stream)
            student.first.phi[member, :10] = teacher.first.phi[member, order]
            student.second.phi[member][:, :10] = teacher.second.phi[member][second][:, order]
            student.first.phi[member, 10] = 0.3 * student.first.phi[member, 0]
            student.first.phi[member, 0] *= 0.7
            student.second.phi[member][:, 10] = student.second.phi[member][:, 0]
    network = climbed(config, student, task, "cluster", (10, 12))[12]
    assert ((network.second.weight.norm(dim=1) > 0).sum(-1) == 10).all()
    for first, second in ((0, 1), (2, 3)):  # students of one teacher start from one network
        assert torch.equal(network.first.weight[first, :10], network.first.weight[second, :10])
    torch.testing.assert_close(network(task.test.x), task.test.y)


def test_where_too_little_recurs_one_students_other_nodes_follow(config, climbed):
    """Four students with one node in common: the first one's others follow, the strongest first."""
    config = replace(config, teachers=1, trials=4)
    task, student = prepare(config)
    axes = torch.eye(5, dtype=torch.float64)
    apart = axes, axes + axes.roll(1, 0), axes - axes.roll(1, 0), axes + axes.roll(2, 0)  # cosines of 0.7 at most
    common = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0], dtype=torch.float64)
    with torch.no_grad():
        for member, own in enumerate(apart):
            student.first.phi[member] = torch.cat([9 * common[None], own, -own, own[:1] - 2 * own[2:3]])
    network = climbed(config, student, task, "cluster", (6,), trials=4)[6]
    first = network.first.weight.detach()
    cosines = torch.nn.functional.cosine_similarity(first[:, 0], student.first.weight[:, 0], dim=-1)
    torch.testing.assert_close(cosines, torch.ones_like(cosines))
    strongest = rank(node_scores(student, "product"))[0]
    assert strongest[0] == 0
    assert torch.equal(first[:, 1:], student.first.weight[0, strongest[1:6]].expand(4, -1, -1))


def test_importance_is_that_of_taylors_expansion(config):
    """Torch-Pruning's default: |w dL/dw| summed over a node's weights, mean of both layers, in units of its mean."""
    pytest.importorskip("torch_pruning")
    task, student = prepare(config)
    ((student(task.train.x) - task.train.y).square().mean(-1)).sum().backward()
    parts = [(layer.phi * layer.phi.grad).abs() for layer in (student.first, student.second)]
    expected = (parts[0].sum(-1) + parts[1].sum(-2)) / 2
    found = ladder._importance(student, task)
    torch.testing.assert_close(found.double(), expected / expected.mean(-1, keepdim=True), rtol=1e-5, atol=1e-7)


def test_without_torch_pruning_the_error_says_what_to_install(config, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    with pytest.raises(ImportError, match=r"pip install .*\[peers\]"):
        compute(replace(config, order="taylor"), progress=False)


@pytest.mark.parametrize("way", WAYS)
def test_every_rung_is_trained_alike(config, way):
    """As `train` would train what the rung starts from, without penalties; the same in both loops."""
    width = {"grow": 2, "fresh": 12}.get(way, 12)
    config = replace(config, ladder=way, student_hidden=width, l1=0.0001)
    ours, reference = (compute(config, loop=loop, progress=False) for loop in ("kernel", "torch"))
    assert ours.rungs.nodes == reference.rungs.nodes == config.rungs
    assert ours.rungs.test_mse.shape == (4, len(config.rungs))
    torch.testing.assert_close(ours.rungs.test_mse, reference.rungs.test_mse, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(ours.rungs.validation_mse, reference.rungs.validation_mse, rtol=1e-8, atol=1e-10)
    assert torch.equal(ours.rungs.found, reference.rungs.found)


def test_a_rung_is_trained_for_its_epochs_and_no_penalty(config):
    """The highest rung has all nodes of the student: as if that had been trained on."""
    done = compute(config, progress=False)
    copy = as_student(
        type(done.task.teacher)(done.student.first.weight.detach(), done.student.second.weight.detach(), "relu")
    )
    keys = order_keys(member_streams(config.members, "order"))
    options = {"epochs": 2, "batch_size": 60, "learning_rate": 0.005, "l2_phi": 0.0, "l2_lam": 0.0}
    ladder.train(copy, done.task, keys=keys, **options)
    torch.testing.assert_close(done.rungs.test_mse[:, -1], mse(copy, done.task.test), rtol=1e-9, atol=1e-12)
