"""Members trained in parts are, bit for bit, those that are trained together."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from spectral import ExperimentConfig
from spectral.engine.train import TrainingDiverged
from spectral.lab.experiment import compute
from spectral.lab.parts import cut, grain, join, join_and_record, missing, origin, train_part
from spectral.lab.results import OutOfMemory, record, score_epochs

TINY = ExperimentConfig(
    input_dim=5,
    teacher_hidden=4,
    teacher_second=3,
    student_hidden=8,
    teachers=2,
    trials=2,
    epochs=12,
    patterns=250,
    test_patterns=100,
    batch_size=60,
)
LADDER = replace(TINY.direct_twin(), ladder="cut", ladder_epochs=3)


@pytest.fixture(autouse=True)
def _thread() -> Iterator[None]:
    """A part sets these for its process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.mark.parametrize(
    "config",
    [
        TINY,
        replace(TINY, dtype="float64", traced=True, train_lam_in=True, inputs="correlated"),
        replace(TINY, activation="tanh", shared_patterns=True, label_noise=0.1),
        LADDER,
        replace(LADDER, ladder="cluster"),
        replace(TINY, train_lam_second=True),
    ],
    ids=["plain", "traced", "shared", "ladder", "cluster", "torch"],
)
def test_parts_make_the_same_bits_as_the_whole(config):
    whole = record(compute(config, scores_at=score_epochs(config.epochs, config.traced)))
    step, count = grain(config), len(config.members)
    parts = [train_part(config, first, first + step) for first in range(0, count, step)]
    joined = join_and_record(config, parts[::-1])
    assert joined.keys() == whole.keys()
    for name, values in whole.items():
        assert (joined[name].dtype, joined[name].shape) == (values.dtype, values.shape), name
        assert joined[name].tobytes() == values.tobytes(), name


def test_what_belongs_together_stays_together():
    assert grain(TINY) == grain(LADDER) == 1
    assert grain(replace(LADDER, ladder="cluster")) == 2, "the students of a teacher"
    assert grain(replace(TINY, train_lam_second=True)) == 4, "PyTorch's loop rounds by how many there are"


def test_parts_are_cut_from_what_is_missing():
    one, two = (part(first, end) for first, end in ((0, 2), (5, 6)))
    assert missing(9, [two, one]) == [(2, 5), (6, 9)]
    assert missing(9, []) == [(0, 9)]
    assert missing(6, [two, one, part(2, 5)]) == []
    gaps = missing(9, [one, two])
    assert [cut(gaps, 2) for _ in range(4)] == [(2, 4), (4, 5), (6, 8), (8, 9)]
    assert gaps == []


def part(first: int, end: int, config: ExperimentConfig = TINY):
    """One of the right shape that nobody has trained."""
    made = train_part(replace(config, epochs=1), 0, 1)
    return made._replace(first=first, end=end)


@pytest.mark.parametrize(
    ("ranges", "told"),
    [
        ([(0, 2)], "0 to 1"),
        ([(0, 2), (3, 4)], "0 to 1, 3 to 3"),
        ([(0, 3), (2, 4)], "0 to 2, 2 to 3"),
        ([], "none"),
    ],
)
def test_every_member_is_there_once(ranges, told):
    with pytest.raises(ValueError, match=f"each of the 4 members once; got {told}"):
        join(TINY, [part(*bounds) for bounds in ranges])


def test_members_keep_their_numbers_where_they_fail(monkeypatch):
    with pytest.raises(TrainingDiverged, match="the loss of member 3 is not finite in epoch"):
        train_part(replace(TINY, optimiser="sgd", learning_rate=1e30), 3, 4)
    monkeypatch.setattr("spectral.lab.parts.compute", lambda *_, **__: bytes(1 << 62))
    with pytest.raises(OutOfMemory, match="does not fit into memory: 2 students of 8 nodes"):
        train_part(TINY, 1, 3)


def test_provenance_tells_of_all_machines():
    parts = [part(0, 2), part(2, 3), part(3, 4)]
    for own, (host, peak) in zip(parts, [("a", 500), ("b", None), ("a", 700)], strict=True):
        own.where.update(host=host, machine=f"of {host}", cpu_seconds=2.0, peak_memory_mib=peak)
    assert origin(parts) == {
        "machine": "of a; of b",
        "hosts": {"a": 3, "b": 1},
        "cpu_seconds": 6.0,
        "peak_memory_mib": 700,
        "loop": "kernel",
    }
