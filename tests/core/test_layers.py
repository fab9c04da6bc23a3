import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from spectral import SpectralLinear, Student, load_whole

DOUBLE = torch.float64


def random_layer(generator_seed: int = 0, **options) -> SpectralLinear:
    """A layer in which every factor differs from its start."""
    generator = torch.Generator().manual_seed(generator_seed)
    layer = SpectralLinear(4, 3, bias=True, dtype=DOUBLE, **options)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=DOUBLE))
    return layer


def test_start_is_the_papers():
    layer = SpectralLinear(30, 20, generator=torch.Generator().manual_seed(1))
    assert torch.equal(layer.lam_in, torch.zeros(30))
    assert torch.equal(layer.lam_out, torch.ones(20))
    bound = (6 / 50) ** 0.5
    assert layer.phi.abs().max() <= bound
    assert layer.phi.abs().max() > 0.98 * bound
    assert layer.phi.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert [name for name, p in layer.named_parameters() if p.requires_grad] == ["phi", "lam_out"]
    assert layer.bias is None


def test_weight_by_hand():
    layer = SpectralLinear(2, 2, dtype=DOUBLE)
    with torch.no_grad():
        layer.phi.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        layer.lam_in.copy_(torch.tensor([10.0, 20.0]))
        layer.lam_out.copy_(torch.tensor([1.0, 2.0]))
    assert layer.weight.tolist() == [[9.0, 38.0], [24.0, 72.0]]


@pytest.mark.parametrize("members", [None, 3])
def test_equals_linear_in_value_and_gradient(members):
    layer = random_layer(members=members, train_lam_in=True)
    x = torch.randn(7, 4, dtype=DOUBLE)
    y = layer(x)
    loss = y.square().sum()
    loss.backward()
    for member in range(members or 1):
        index = ... if members is None else member
        linear = layer.to_linear(None if members is None else member)
        assert torch.equal(linear.weight, layer.weight[index])
        torch.testing.assert_close(y[index], linear(x), rtol=1e-13, atol=1e-13)
        linear(x).square().sum().backward()
        grad, phi = linear.weight.grad, layer.phi[index].detach()
        scale = layer.lam_in[index].detach()[None, :] - layer.lam_out[index].detach()[:, None]
        expected = {"phi": grad * scale, "lam_in": (grad * phi).sum(0), "lam_out": -(grad * phi).sum(1)}
        for name, value in expected.items():
            torch.testing.assert_close(getattr(layer, name).grad[index], value, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(layer.bias.grad[index], linear.bias.grad, rtol=1e-12, atol=1e-12)


@given(inputs=st.integers(1, 6), outputs=st.integers(1, 6), members=st.one_of(st.none(), st.integers(1, 4)))
def test_adjacency_is_the_spectral_decomposition(inputs, outputs, members):
    layer = SpectralLinear(inputs, outputs, members=members, dtype=DOUBLE)
    with torch.no_grad():
        layer.lam_in.normal_()
        layer.lam_out.normal_()
    a, phi, lam = layer.adjacency()
    nodes = inputs + outputs
    assert a.shape == phi.shape == lam.shape == (*(() if members is None else (members,)), nodes, nodes)
    inverse = 2 * torch.eye(nodes, dtype=DOUBLE) - phi
    torch.testing.assert_close(phi @ inverse, torch.eye(nodes, dtype=DOUBLE).expand_as(a), rtol=0, atol=1e-14)
    torch.testing.assert_close(phi @ lam @ inverse, a, rtol=0, atol=1e-13)
    torch.testing.assert_close(a[..., inputs:, :inputs], layer.weight.detach(), rtol=0, atol=0)
    assert torch.equal(a[..., :inputs, inputs:], torch.zeros_like(a[..., :inputs, inputs:]))


@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    bias=st.booleans(),
    batch=st.lists(st.integers(1, 3), max_size=2),
)
def test_round_trip_through_linear_is_exact(shape, bias, batch):
    linear = nn.Linear(*shape, bias=bias, dtype=DOUBLE)
    state = torch.get_rng_state()
    layer = SpectralLinear.from_linear(linear)
    assert torch.equal(torch.get_rng_state(), state)
    back = layer.to_linear()
    assert torch.equal(back.weight, linear.weight)
    x = torch.randn(*batch, shape[0], dtype=DOUBLE)
    assert torch.equal(back(x), linear(x))
    assert torch.equal(layer(x), linear(x))
    assert (back.bias is None) == (not bias)


def test_a_members_start_does_not_depend_on_its_company():
    def generators(seeds):
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    batch = SpectralLinear(4, 3, members=3, generator=generators([5, 6, 7]))
    alone = SpectralLinear(4, 3, generator=generators([6]))
    assert torch.equal(batch.phi[1], alone.phi)


@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0")  # torch's own
@pytest.mark.parametrize("members", [None, 2])
def test_compile_copy_state_and_export(members):
    layer, x = random_layer(members=members), torch.randn(5, 4, dtype=DOUBLE)
    expected = layer(x)
    assert torch.equal(torch.compile(layer, backend="aot_eager", fullgraph=True)(x), expected)
    assert torch.equal(copy.deepcopy(layer)(x), expected)
    other = random_layer(1, members=members)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(x), expected)
    assert torch.equal(torch.export.export(layer, (x,)).module()(x), expected)


@pytest.mark.filterwarnings("default")  # the exporter's own deprecations are not ours to fix
def test_onnx_through_to_linear(tmp_path):
    from onnx.reference import ReferenceEvaluator

    layer = random_layer().float()
    x = torch.randn(5, 4)
    path = tmp_path / "layer.onnx"
    torch.onnx.export(layer.to_linear().eval(), (x,), path, dynamo=True, verbose=False)
    session = ReferenceEvaluator(str(path))
    (y,) = session.run(None, {session.input_names[0]: x.numpy()})
    np.testing.assert_allclose(y, layer(x).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_device_and_dtype_as_in_linear():
    layer = SpectralLinear(3, 2, dtype=torch.float64, device="meta")
    assert layer.phi.is_meta
    assert layer.to_empty(device="cpu").phi.dtype == torch.float64
    assert "in_features=3, out_features=2, bias=False, trained=phi+lam_out" in repr(layer)


def test_what_is_not_trained_is_still_in_the_state():
    layer = SpectralLinear(3, 2, train_lam_out=False)
    assert set(layer.state_dict()) == {"phi", "lam_in", "lam_out"}
    layer(torch.ones(1, 3)).sum().backward()
    assert layer.lam_out.grad is None
    assert layer.phi.grad is not None


@pytest.mark.parametrize(
    ("sizes", "name"),
    [((0, 2), "in_features"), ((2, -3), "out_features"), ((2.0, 2), "in_features")],
)
def test_impossible_sizes(sizes, name):
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1, not"):
        SpectralLinear(*sizes)
    with pytest.raises(ValueError, match="members must be a whole number of at least 1, not 0"):
        SpectralLinear(2, 2, members=0)


def test_wrong_inputs_and_wrong_states():
    with pytest.raises(ValueError, match=r"inputs of width 4; got shape \(7, 5\)"):
        random_layer()(torch.ones(7, 5, dtype=DOUBLE))
    with pytest.raises(ValueError, match=r"with 3 members .* got \(2, 7, 4\)"):
        random_layer(members=3)(torch.ones(2, 7, 4, dtype=DOUBLE))
    with pytest.raises(RuntimeError, match=r"(?s)nothing was loaded.*size mismatch for phi.*\[5, 4\].*\[3, 4\]"):
        random_layer().load_state_dict(SpectralLinear(4, 5, bias=True).state_dict())
    with pytest.raises(ValueError, match="2 generators for 1 members"):
        random_layer().reset_parameters([torch.Generator(), torch.Generator()])
    with pytest.raises(ValueError, match="needs a member from 0 to 2; got None"):
        random_layer(members=3).to_linear()
    with pytest.raises(ValueError, match="no members; to_linear got member=1"):
        random_layer().to_linear(1)


def test_the_third_argument_is_the_bias_as_of_an_ordinary_layer():
    assert SpectralLinear(3, 2, True).bias is not None
    with pytest.raises(ValueError, match="bias must be True or False, not 3; members are given by name, as members=3"):
        SpectralLinear(3, 2, 3)


@pytest.mark.parametrize("members", [None, 2])
def test_autocast_gives_one_type_with_members_and_without(members):
    layer = SpectralLinear(3, 2, True, members=members)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(torch.randn(4, 3)).dtype == torch.bfloat16


def test_writing_into_the_weight_changes_nothing_as_its_docstring_says():
    layer = SpectralLinear(3, 2)
    before = layer.weight.clone()
    nn.init.zeros_(layer.weight)
    assert torch.equal(layer.weight, before)
    assert "changes nothing" in (SpectralLinear.weight.__doc__ or "")


def nested() -> nn.Module:
    """A spectral layer, another one deeper inside, a batch normalisation with its buffers, and an ordinary layer."""
    return nn.Sequential(SpectralLinear(4, 3), nn.Sequential(SpectralLinear(3, 2), nn.BatchNorm1d(2)), nn.Linear(2, 1))


MODULES = {
    "layer": lambda: SpectralLinear(4, 3, bias=True),
    "members": lambda: SpectralLinear(4, 3, members=2),
    "student": lambda: Student(4, 3, 2, 2),
    "sequence": lambda: nn.Sequential(SpectralLinear(4, 3), nn.ReLU(), SpectralLinear(3, 1)),
    "nested": nested,
}
WRONG = {
    "shape": (lambda state, last: state | {last: torch.ones(7, 7)}, "size mismatch for {last}.*7, 7"),
    "missing": (lambda state, last: {name: own for name, own in state.items() if name != last}, "Missing .*{last}"),
    "unexpected": (lambda state, last: state | {"more": torch.ones(1)}, "Unexpected .*more"),
    "no tensor": (lambda state, last: state | {last: [1.0]}, "{last}.*expected torch.Tensor"),
    "two": (lambda state, last: state | {last: torch.ones(7), "more": torch.ones(1)}, "Unexpected.*size mismatch"),
}


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("kind", MODULES)
def test_a_state_is_loaded_as_a_whole_or_not_at_all(kind, wrong, assign):
    """What is wrong stands last, where PyTorch by itself has overwritten all that comes before."""
    module, other = MODULES[kind](), MODULES[kind]()
    before = {name: own.clone() for name, own in module.state_dict().items()}
    parameters = dict(module.named_parameters())
    state = {name: own.double() + 1 for name, own in other.state_dict().items()}
    spoil, message = WRONG[wrong]
    last = [name for name in state if "num_batches" not in name][-1]
    ways = [load_whole] if isinstance(module, nn.Sequential) else [load_whole, type(module).load_state_dict]
    for load in ways:
        with pytest.raises(RuntimeError, match="(?s)nothing was loaded.*" + message.format(last=last)):
            load(module, spoil(dict(state), last), assign=assign)
        for name, own in module.state_dict().items():
            assert own.dtype == before[name].dtype
            assert torch.equal(own, before[name])
        assert all(own is parameters[name] for name, own in module.named_parameters())
    load_whole(module, other.state_dict())
    assert all(torch.equal(own, other.state_dict()[name]) for name, own in module.state_dict().items())
    assert all(own is parameters[name] for name, own in module.named_parameters())


class Renamed(nn.Module):
    """A module whose state has names and shapes of its own, and which writes in place whatever it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.register_buffer("seen", torch.zeros(1), persistent=False)
        self.more = "before"

    def state_dict(self, **_):
        return {"flat": self.layer.weight.detach().flatten(), "seen": self.seen}

    def load_state_dict(self, state, strict=True, assign=False):
        with torch.no_grad():
            self.layer.weight.copy_(state["flat"].view(2, 2))
        self.layer.bias = nn.Parameter(torch.ones(2))
        self.more = "after"
        self.seen.copy_(state["seen"])

    def get_extra_state(self):
        return self.more

    def set_extra_state(self, state):
        self.more = state


@pytest.mark.parametrize("assign", [False, True])
def test_a_module_that_loads_in_its_own_way_is_as_it_was(assign):
    module = Renamed()
    own = [*module.parameters(), module.seen]
    before = [tensor.clone() for tensor in own]
    with pytest.raises(RuntimeError, match="nothing was loaded"):
        load_whole(module, {"flat": torch.ones(4), "seen": torch.ones(2)}, assign=assign)
    now = [*module.parameters(), module.seen]
    assert all(one is other for one, other in zip(now, own, strict=True))
    assert all(torch.equal(one, other) for one, other in zip(now, before, strict=True))
    assert module.more == "before"


def test_inside_another_module_pytorchs_own_way_holds():
    """All that does not fit is named with its place; what does is overwritten, as the docstring says."""
    module, state = nested(), nested().state_dict()
    state |= {"1.0.phi": torch.ones(2, 7), "1.0.lam_out": torch.ones(7)}
    with pytest.raises(RuntimeError, match=r"(?s)size mismatch for 1\.0\.phi.*size mismatch for 1\.0\.lam_out"):
        module.load_state_dict(state)
    assert torch.equal(module[0].phi, state["0.phi"])
    assert load_whole(module, {"0.phi": torch.zeros(3, 4)}, strict=False).unexpected_keys == []
    assert torch.equal(module[0].phi, torch.zeros(3, 4))
