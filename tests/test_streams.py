import pytest
import torch

from spectral import streams
from spectral.streams import Member, glorot_uniform, member_streams, stream


def draw(member: Member, purpose: streams.Purpose) -> torch.Tensor:
    return torch.rand(8, generator=stream(member, purpose))


def test_a_stream_is_its_name():
    member = Member(3, 0, 5)
    assert torch.equal(draw(member, "train"), draw(member, "train"))
    names = [
        draw(Member(s, t, k), p) for s in (0, 3) for t in (0, 1) for k in (0, 5) for p in ("train", "test", "order")
    ]
    assert len({tuple(name.tolist()) for name in names}) == len(names)


def test_large_seeds_are_seeds_of_their_own():
    assert not torch.equal(draw(Member(2**32, 0, 0), "train"), draw(Member(0, 1, 0), "train"))
    assert not torch.equal(draw(Member(2**64, 0, 0), "train"), draw(Member(0, 0, 0), "train"))


def test_a_teacher_depends_on_its_seed_alone():
    assert torch.equal(draw(Member(0, 7, 0), "teacher"), draw(Member(9, 7, 4), "teacher"))
    assert not torch.equal(draw(Member(0, 7, 0), "teacher"), draw(Member(0, 8, 0), "teacher"))


def test_global_state_is_neither_read_nor_moved():
    before = torch.get_rng_state()
    first = draw(Member(0, 0, 0), "initial")
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert torch.equal(draw(Member(0, 0, 0), "initial"), first)


def test_purposes_can_never_share_a_stream():
    """The seed handed to PyTorch carries the purpose in its upper bits, within the 32 that PyTorch keeps."""
    seeds = {p: stream(Member(1, 2, 3), p).initial_seed() for p in streams._PURPOSES}
    assert len({seed >> 29 for seed in seeds.values()}) == len(streams._PURPOSES)
    assert max(seeds.values()) < 2**32


def test_two_members_on_one_stream_are_refused(monkeypatch):
    monkeypatch.setattr(streams, "_hash", lambda *key: 1)
    with pytest.raises(ValueError, match="same random stream; choose another seed than 0"):
        member_streams([Member(0, 0, 0), Member(0, 0, 1)], "train")
    assert len(member_streams([Member(0, 0, 0), Member(0, 0, 0)], "train")) == 2


def test_glorot_draws_each_member_alone():
    def generators(*seeds):
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    both = glorot_uniform((3, 5), generators(1, 2))
    assert both.shape == (2, 3, 5)
    assert torch.equal(both[1:], glorot_uniform((3, 5), generators(2)))
    assert torch.equal(glorot_uniform((3, 5), generators(1, 2), torch.float64).float(), both)
    assert both.abs().max() <= (6 / 8) ** 0.5
