import pytest
import torch

from spectral import streams
from spectral.streams import Member, counted_orders, glorot_uniform, member_streams, order_keys, stream


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


KEYS = order_keys(member_streams([Member(1, 0, trial) for trial in range(4)], "order"))


def splitmix64(state: int) -> int:
    """With Python's integers, which do not wrap around; as published."""
    z = state % 2**64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
    return z ^ (z >> 31)


def test_counted_orders_are_those_of_splitmix64():
    assert splitmix64(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF  # its first number from seed 0
    seed = stream(Member(1, 0, 2), "order").initial_seed()
    key = splitmix64(seed)
    hashes = [splitmix64(key + 0x9E3779B97F4A7C15 * (3 * 50 + index)) for index in range(50)]
    signed = [h - 2**64 if h >= 2**63 else h for h in hashes]
    assert counted_orders(KEYS, 3, 50)[2].tolist() == sorted(range(50), key=signed.__getitem__)


def test_counted_orders_depend_on_member_and_epoch_alone():
    orders = torch.stack([counted_orders(KEYS, epoch, 100) for epoch in range(5)])
    assert torch.equal(orders.sort(-1).values, torch.arange(100).expand(5, 4, 100))
    assert len({tuple(order.tolist()) for order in orders.flatten(0, 1)}) == 20
    assert torch.equal(counted_orders(KEYS[[2]], 3, 100), orders[3, [2]])


def test_counted_orders_are_uniform():
    """Each pattern comes to each place, and to each place after another one, as often as to any other."""
    count, epochs = 5, 2_000
    orders = torch.stack([counted_orders(KEYS, epoch, count) for epoch in range(epochs)]).flatten(0, 1)
    cells = torch.zeros(120)
    codes = (orders * count ** torch.arange(count)).sum(-1).unique(return_counts=True)[1]
    cells[: len(codes)] = codes.float()
    expected = epochs * len(KEYS) / 120
    chi = ((cells - expected) ** 2 / expected).sum()  # 119 degrees of freedom, for all 5! orders
    assert 119 - 4 * 238**0.5 < chi < 119 + 4 * 238**0.5
    shifted = orders.view(epochs, len(KEYS), count)[1:, :, 0] == orders.view(epochs, len(KEYS), count)[:-1, :, 0]
    assert abs(shifted.double().mean() - 1 / count) < 4 * (0.2 * 0.8 / shifted.numel()) ** 0.5
