"""Networks of one's own: what is cut keeps what it says, and what cannot be cut is refused by name."""

import copy
import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from spectral import Pair, SpectralLinear, compact, mask, node_scores
from spectral.apply.networks import (
    ELEMENTWISE,
    hidden_layers,
    layer_scores,
    load_pruned,
    penalty,
    prune,
    spectralize,
    to_linear,
)
from spectral.penalties import split_l2

ACTIVATIONS = [kind for kind in ELEMENTWISE if kind not in (nn.Identity, nn.Dropout)]


def network(
    activation=nn.ReLU, *, widths=(4, 7, 5, 2), bias=True, norm=False, dropout=False, seed=0, nested=False
) -> nn.Sequential:
    """In float64, with batch normalisation that has seen something."""
    torch.manual_seed(seed)
    modules: list[nn.Module] = []
    for place, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        modules.append(nn.Linear(inputs, outputs, bias=bias))
        if place < len(widths) - 2:
            modules += [nn.BatchNorm1d(outputs)] * norm + [activation()] + [nn.Dropout(0.5)] * dropout
    if nested:
        modules = [nn.Sequential(*modules[:2]), *modules[2:]]
    model = nn.Sequential(*modules).double()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d):
                for tensor in (module.weight, module.bias, module.running_mean):
                    tensor.normal_()
                module.running_var.uniform_(0.5, 2)
    return model


def patterns(count=50, width=4):
    return torch.randn(count, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@given(
    activation=st.sampled_from(ACTIVATIONS),
    bias=st.booleans(),
    norm=st.booleans(),
    dropout=st.booleans(),
    nested=st.booleans(),
    seed=st.integers(0, 99),
    silent=st.lists(st.booleans(), min_size=12, max_size=12).filter(lambda s: not all(s[:7]) and not all(s[7:])),
)
def test_nodes_without_incoming_weights_go_and_the_function_stays(
    activation, bias, norm, dropout, nested, seed, silent
):
    """From the weights alone, and from patterns; whatever such a node answers."""
    model = network(activation, bias=bias, norm=norm, dropout=dropout, nested=nested, seed=seed)
    gone = dict(zip((one.name for one in hidden_layers(model)), torch.tensor(silent).split([7, 5]), strict=True))
    with torch.no_grad():
        for one in hidden_layers(model):
            one.first.weight[gone[one.name]] = 0
    x, keep = patterns(), {name: ~out for name, out in gone.items()}
    model.eval()
    before, state = model(x), copy.deepcopy(model.state_dict())
    for smaller in (prune(model, keep), prune(model, keep, x=x)):
        torch.testing.assert_close(smaller.model(x), before, rtol=1e-9, atol=1e-9)
        sizes = [one.first.out_features for one in hidden_layers(smaller.model)]
        assert sizes == [int(stay.sum()) for stay in keep.values()]
        assert all(torch.equal(smaller.kept[name], torch.nonzero(stay).flatten()) for name, stay in keep.items())
    assert smaller.change is not None
    assert smaller.change < 1e-18
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items()), "the model was changed"


def test_what_a_node_says_on_average_stays_and_its_variation_is_told():
    """y = relu(x_1) + 3 relu(x_2): without the second node 3 mean(relu(x_2)) is added, and its variance lost."""
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(2))
        model[2].weight.copy_(torch.tensor([[1.0, 3.0]]))
    x = torch.tensor([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0], [1.0, -1.0]])
    smaller = prune(model, {"0": torch.tensor([True, False])}, x=x)
    assert smaller.model[2].bias.tolist() == [pytest.approx(3 * 0.75)]
    assert smaller.change == pytest.approx(float((3 * x[:, 1].relu()).var(correction=0)))
    assert model[2].bias is None


def test_dropout_is_off_while_patterns_are_looked_at_and_on_again():
    model = network(dropout=True)
    model.train()
    first, second = (prune(model, threshold=0.5, x=patterns()) for _ in range(2))
    assert first.change == second.change
    assert all(module.training for module in first.model.modules())


def test_scores_are_those_of_the_function_with_batch_normalisation():
    """Normalisation folded into the weights by hand gives the same scores."""
    model = network(norm=True)
    folded = network(norm=False)
    with torch.no_grad():
        for linear, norm, plain in ((model[0], model[1], folded[0]), (model[3], model[4], folded[2])):
            plain.weight.copy_(linear.weight * (norm.weight / (norm.running_var + norm.eps).sqrt()).unsqueeze(-1))
        folded[4].weight.copy_(model[6].weight)
    for kind in ("incoming", "product"):
        mine = list(layer_scores(model, kind).values())
        theirs = list(layer_scores(folded, kind).values())
        torch.testing.assert_close(mine[1], theirs[1])
    torch.testing.assert_close(layer_scores(model, "incoming")["0"], layer_scores(folded, "incoming")["0"])


def test_the_threshold_is_each_layers_own():
    model = network()
    with torch.no_grad():
        model[2].weight *= 1e-4  # a layer of small weights is not a layer of dead nodes
    smaller = prune(model, threshold=0.3, x=patterns())
    scores = layer_scores(model)
    for name, own in scores.items():
        assert torch.equal(smaller.kept[name], torch.nonzero(own > 0.3 * own.max()).flatten())


def test_spectral_layers_have_the_same_function_and_become_ordinary_again():
    model = network(norm=True, nested=True)
    model[0][0].weight.requires_grad_(False)
    model.eval()
    spectral = spectralize(model)
    assert [type(one.first) for one in hidden_layers(spectral)] == [SpectralLinear] * 2
    assert type(spectral[-1]) is nn.Linear, "outputs are no nodes to remove"
    assert not spectral[0][0].phi.requires_grad
    assert not spectral[0][0].lam_out.requires_grad
    assert spectral[0][0].bias.requires_grad
    assert spectral[2].phi.requires_grad
    assert torch.equal(spectral(patterns()), model(patterns()))
    again = to_linear(spectral)
    assert not any(isinstance(module, SpectralLinear) for module in again.modules())
    assert torch.equal(again(patterns()), model(patterns()))
    assert not again[0][0].weight.requires_grad
    assert isinstance(model[2], nn.Linear), "the model was changed"


def test_the_penalty_is_the_sum_over_layers():
    model = spectralize(network())
    layers = [one.first for one in hidden_layers(model)]
    expected = sum(split_l2(layer, 0.3, 0.2) for layer in layers)
    torch.testing.assert_close(penalty(model, 0.3, 0.2), expected)
    with pytest.raises(ValueError, match=r"no layer of hidden nodes is spectral; .* spectralize\(model\)"):
        penalty(network())


def test_a_network_is_trained_and_pruned_to_the_nodes_that_are_needed():
    """y needs three nodes, of 30; with biases and a second hidden layer R² changes by less than 0.02."""
    torch.manual_seed(0)
    x = torch.randn(1_000, 6)
    y = torch.relu(x[:, :3]).sum(1, keepdim=True) + 1
    model = spectralize(nn.Sequential(nn.Linear(6, 30), nn.ReLU(), nn.Linear(30, 10), nn.ReLU(), nn.Linear(10, 1)))
    adam = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=0.01)
    for _ in range(1_200):
        adam.zero_grad()
        ((model(x) - y).square().mean() + penalty(model)).backward()
        adam.step()
    smaller = prune(model, x=x)
    sizes = [one.first.out_features for one in hidden_layers(smaller.model)]
    assert sizes[0] <= 8
    assert sizes[1] <= 8
    with torch.no_grad():
        r2 = [float(1 - (one(x) - y).square().mean() / y.var()) for one in (model, smaller.model)]
    assert r2[0] > 0.9
    assert abs(r2[0] - r2[1]) < 0.02
    assert smaller.change < 0.02 * float(y.var())


@pytest.mark.parametrize("through", [lambda model: model, spectralize])
def test_a_pruned_state_is_loaded_without_knowing_its_widths(through):
    model = through(network(norm=True, bias=False))
    model.eval()
    smaller = prune(model, threshold=0.4, x=patterns()).model
    assert smaller[-1].bias is not None, "one was made"
    again = load_pruned(through(network(norm=True, bias=False, seed=5)), smaller.state_dict())
    again.eval()
    assert torch.equal(again(patterns()), smaller(patterns()))
    copied = copy.deepcopy(again)
    assert torch.equal(copied(patterns()), smaller(patterns()))
    adam = torch.optim.Adam((p for p in again.parameters() if p.requires_grad), lr=0.01)
    again(patterns()).sum().backward()
    adam.step()


def test_a_state_of_another_network_is_refused():
    state = prune(network(), threshold=0.4, x=patterns()).model.state_dict()
    with pytest.raises(ValueError, match=r"the state has no 0\.phi; .* do the same with model first"):
        load_pruned(spectralize(network()), state)
    with pytest.raises(ValueError, match="layer '0' has 2 nodes; the state has"):
        load_pruned(network(widths=(4, 2, 5, 2)), state)
    with pytest.raises(ValueError, match=r"(?s)the state is of another network: .*size mismatch"):
        load_pruned(network(widths=(3, 7, 5, 2)), state)
    with pytest.raises(ValueError, match="layer '0' has 7 nodes; the state has 0 of them"):
        load_pruned(network(), state | {"0.weight": torch.tensor(1.0)})


def test_a_refused_state_leaves_the_network_as_it_was():
    """What is wrong stands last, where PyTorch by itself would have overwritten all that comes before."""
    model, state = network(), prune(network(seed=1), threshold=0.4, x=patterns()).model.state_dict()
    before = copy.deepcopy(model.state_dict())
    *_, last = state
    with pytest.raises(ValueError, match=r"(?s)the state is of another network: .*size mismatch"):
        load_pruned(model, state | {last: torch.ones(7, 7)})
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Custom(nn.Module):
    def forward(self, x):
        return x.softmax(-1)


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def test_a_head_behind_something_else_is_pruned_and_that_is_left_alone():
    torch.manual_seed(0)
    features = nn.Sequential(nn.Conv1d(1, 3, 2), nn.ReLU())
    model = nn.Sequential(features, nn.Flatten(), nn.Linear(9, 6), nn.Tanh(), nn.Linear(6, 2), Custom())
    assert [one.name for one in hidden_layers(model)] == ["2"]
    x = torch.randn(20, 1, 4)
    smaller = prune(model, {"2": torch.arange(6) < 4}, x=x)
    assert smaller.model(x).shape == (20, 2)
    assert smaller.model[2].out_features == 4


def hooked():
    model = network()
    model[0].register_forward_hook(lambda module, inputs, output: output)
    return model


def shared():
    model = network(widths=(5, 5, 5, 5))
    model[2].weight = model[0].weight
    return model


def weight_normed():
    model = network()
    model[0] = nn.utils.parametrizations.weight_norm(model[0])
    return model


REFUSED = {
    "no sequence": (lambda: nn.Bilinear(2, 2, 2), TypeError, "a network must be an nn.Sequential, .* got Bilinear"),
    "no hidden nodes": (lambda: nn.Sequential(nn.Linear(3, 2)), ValueError, "has no hidden nodes to prune"),
    "mixes nodes": (lambda: network(Custom), ValueError, "Custom '1' between linear layers '0' and '2' is not known"),
    "layer norm": (lambda: network(lambda: nn.LayerNorm(7)), ValueError, "LayerNorm '1' between linear layers"),
    "own linear": (
        lambda: nn.Sequential(Doubled(3, 4), nn.ReLU(), nn.Linear(4, 1)),
        ValueError,
        "layer '0' is a Doubled",
    ),
    "computed": (weight_normed, ValueError, "layer '0' is a Parametrized|layer '0': the weight .* is computed"),
    "shared": (shared, ValueError, r"0\.weight and 2\.weight are one parameter"),
    "hooks": (hooked, ValueError, "Linear '0' has hooks"),
    "members": (
        lambda: nn.Sequential(SpectralLinear(3, 4, members=2), nn.ReLU(), nn.Linear(4, 1)),
        ValueError,
        "layer '0' has members",
    ),
    "batch statistics": (
        lambda: nn.Sequential(
            nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=False), nn.ReLU(), nn.Linear(4, 1)
        ),
        ValueError,
        "BatchNorm1d '1' .* keeps no running statistics",
    ),
}


@pytest.mark.parametrize(("make", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_cut_is_refused_by_name(make, kind, message):
    model = make()
    for function in (hidden_layers, spectralize, layer_scores, prune, lambda model: load_pruned(model, {})):
        with pytest.raises(kind, match=message):
            function(model)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "of the nodes to remove from layer '0' have incoming weights, .* give patterns, x"),
        ({"x": torch.full((3, 4), torch.nan)}, r"x must be patterns \(B, ...\), one or more, all of them finite"),
        ({"x": torch.zeros(0, 4)}, r"one or more, all of them finite; got shape \(0, 4\)"),
        ({"keep": {"1": torch.ones(7).bool()}}, r"keep names \['1'\]; the layers of hidden nodes are \['0', '2'\]"),
        (
            {"keep": {"0": torch.ones(6).bool()}},
            r"keep\['0'\] must be a bool tensor of shape \(7,\); got torch.bool of shape",
        ),
        ({"keep": {"0": torch.ones(7)}}, r"keep\['0'\] must be a bool tensor of shape \(7,\); got torch.float32"),
        ({"keep": {"2": torch.zeros(5).bool()}}, r"keep\['2'\] would remove every node of the layer"),
        ({"kind": "eigenvalue"}, "unknown score 'eigenvalue'; choose incoming or product"),
        ({"threshold": 1.5}, r"threshold must lie from 0 \(included\) to 1 \(excluded\)"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_changes(arguments, message):
    model = network()
    state = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=message):
        prune(model, **{"threshold": 0.5} | arguments)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_scores_that_say_nothing_choose_nothing():
    model = network()
    nn.init.zeros_(model[0].weight)
    with pytest.raises(ValueError, match=r"scores of layers \['0'\] are not finite, or all zero; say with keep"):
        prune(model)


def test_pairs_refuse_what_a_cut_would_leave_standing():
    """The core's cut: computed weights, one parameter in two layers, layers that are not linear."""
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(3, 4))
    keep = torch.tensor([True, True, False, False])
    assert node_scores(Pair(normed, nn.Linear(4, 2))).shape == (4,)
    square = nn.Linear(4, 4)
    for cut in (mask, compact):
        with pytest.raises(ValueError, match=r"the weight of this \w+ is computed from other parameters"):
            cut(Pair(normed, nn.Linear(4, 2)), keep)
        with pytest.raises(ValueError, match="both layers of this pair have a parameter in common"):
            cut(Pair(square, square), keep)
    with pytest.raises(ValueError, match="a Conv1d has no nodes that could be pruned here; give linear layers"):
        node_scores(Pair(nn.Conv1d(1, 4, 2), nn.Linear(4, 2)))


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_with_refit_nodes_that_stay_take_over(spectral, bias):
    """A node that others double is said by these; one that varies by itself costs its variation, and no more."""
    model = network(bias=bias)
    with torch.no_grad():
        model[0].weight[6] = 3 * model[0].weight[2]
        if bias:
            model[0].bias[6] = 3 * model[0].bias[2]
    model = spectralize(model) if spectral else model
    x, keep = patterns(200), {"0": torch.arange(7) != 6}
    plain, refit = prune(model, keep, x=x), prune(model, keep, x=x, refit=True)
    assert refit.change < 1e-12 < 1e-6 < plain.change
    keep = {"0": torch.arange(7) != 1}
    assert prune(model, keep, x=x, refit=True).change < prune(model, keep, x=x).change
    with pytest.raises(ValueError, match="give x, such as the training inputs"):
        prune(model, keep, refit=True)


@pytest.mark.parametrize("make", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop])
def test_an_optimiser_follows_a_cut(make):
    """Of nodes that are silent, so that the smaller network has the same gradients: it goes on to the same weights."""
    options = {"lr": 0.01} | ({"momentum": 0.9} if make is torch.optim.SGD else {})
    model = network(bias=True, norm=True)
    optimiser = make([{"params": model[0].parameters()}, {"params": model[1:].parameters(), "lr": 0.02}], **options)
    silent = [2, 5]

    def step(model, optimiser):
        optimiser.zero_grad()
        (model.eval()(patterns()) - 1).square().mean().backward()
        optimiser.step()

    with torch.no_grad():
        model[3].weight[:, silent] = 0
    for _ in range(3):
        step(model, optimiser)
        with torch.no_grad():
            model[3].weight[:, silent] = 0
    stay = torch.tensor([node not in silent for node in range(7)])
    cut = prune(model, {"0": stay}, x=patterns(), optimiser=optimiser)
    assert type(cut.optimiser) is make
    assert [group["lr"] for group in cut.optimiser.param_groups] == [0.01, 0.02]
    for _ in range(3):
        step(model, optimiser)
        with torch.no_grad():
            model[3].weight[:, silent] = 0
        step(cut.model, cut.optimiser)
    torch.testing.assert_close(cut.model[0].weight, model[0].weight[stay])
    torch.testing.assert_close(cut.model[3].weight, model[3].weight[:, stay])
    torch.testing.assert_close(cut.model[6].weight, model[6].weight)


def test_a_bias_that_was_made_is_trained_too():
    model = network(bias=False, norm=True)
    optimiser = torch.optim.Adam(model.parameters())
    cut = prune(model, {"0": torch.arange(7) > 2}, x=patterns(), optimiser=optimiser)
    assert cut.model[3].bias is not None
    trained = {id(parameter) for group in cut.optimiser.param_groups for parameter in group["params"]}
    assert trained == {id(parameter) for parameter in cut.model.parameters()}


def test_optimisers_that_cannot_follow_are_refused():
    model = network()
    with pytest.raises(ValueError, match="not this network's"):
        prune(model, x=patterns(), optimiser=torch.optim.Adam(network().parameters()))
    optimiser = torch.optim.LBFGS(model.parameters())

    def closure():
        optimiser.zero_grad()
        loss = model(patterns()).square().mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    with pytest.raises(ValueError, match="LBFGS remembers "):
        prune(model, x=patterns(), optimiser=optimiser)


@pytest.mark.parametrize("strength", [1.0, 0.1])
@pytest.mark.parametrize("nodes", [50, 200])
def test_an_ordinary_network_for_diabetes_keeps_what_it_predicts(nodes, strength):
    """Where cutting below a threshold once cost R² up to 0.6: with refit it stays within 0.02."""
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = (torch.tensor(part, dtype=torch.float32) for part in datasets.load_diabetes(return_X_y=True))
    x, y = (x - x.mean(0)) / x.std(0), ((y - y.mean()) / y.std()).unsqueeze(-1)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    train, test = order[:300], order[300:]
    torch.manual_seed(0)
    model = spectralize(nn.Sequential(nn.Linear(10, nodes), nn.ReLU(), nn.Linear(nodes, 1)))
    optimiser = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=0.01)
    for _ in range(400):
        loss = (model(x[train]) - y[train]).square().mean()
        optimiser.zero_grad()
        (loss + penalty(model, 0.01 * strength, 5e-4 * strength)).backward()
        optimiser.step()
    cut = prune(model, x=x[train], refit=True)
    assert len(cut.kept["0"]) < nodes, "nothing was cut"

    def r2(network):
        error = (network(x[test]) - y[test]).square().mean() / (y[test] - y[train].mean()).square().mean()
        return float(1 - error.detach())

    assert abs(r2(cut.model) - r2(model)) < 0.02


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.Softplus])
def test_pairs_put_what_removed_nodes_answer_into_the_bias(activation):
    """Nodes without weights answer g(0), which is not zero: with their answers the function stays."""
    model = network(activation, widths=(4, 7, 3))
    keep = torch.arange(7) > 2
    with torch.no_grad():
        model[0].weight[~keep] = 0
    pair, x = Pair(model[0], model[2]), patterns()
    answers = model[:2](x).detach().mean(0)
    plain, _ = compact(pair, keep)
    smaller, _ = compact(pair, keep, answers=answers)
    masked = mask(pair, keep, answers=answers)

    def outputs(pair):
        return pair.second(activation()(pair.first(x)))

    assert (outputs(plain) - model(x)).abs().max() > 0.01
    torch.testing.assert_close(outputs(smaller), model(x))
    torch.testing.assert_close(outputs(masked), model(x))
    with pytest.raises(ValueError, match="of the shape of keep"):
        mask(pair, keep, answers=answers[:3])
    without = network(activation, widths=(4, 7, 3), bias=False)
    with pytest.raises(ValueError, match="no bias to take answers"):
        mask(Pair(without[0], without[2]), keep, answers=answers)
