"""Paths through every network: small cases by hand, and what really changes an output when a weight is moved."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from lth_core.analysis.anatomy import Effective, effective
from lth_core.analysis.network_graphs import graph_of
from lth_core.analysis.paths import living_paths
from lth_core.models import language, transformer
from lth_core.models.convolutional import ConvolutionalActorCritic
from lth_core.models.flow import flow_gradient
from lth_core.models.mlp import Perceptron
from lth_core.models.module import ModuleNetwork
from lth_core.models.soft import SoftActorCritic
from lth_core.settings.language_networks import LSTM, Seq2Seq, Transformer
from lth_core.settings.networks import MLP, Convolutional
from lth_core.tickets.mask import Weights

Shapes = dict[str, tuple[int, ...]]


def counted(kind: str, shapes: Shapes, mask: dict[str, np.ndarray], heads: int = 1) -> tuple[Effective, dict[str, int]]:
    """The counts, and how many living entries of each layer are on no path."""
    graph = graph_of(kind, shapes, heads=heads)
    assert graph is not None
    found, entries = effective(mask, shapes, graph)
    return found, {n: int((mask[n] & ~e).sum()) for n, e in entries.items() if (mask[n] & ~e).any()}


def whole(shapes: Shapes) -> dict[str, np.ndarray]:
    return {name: np.ones(shape, bool) for name, shape in shapes.items()}


CONV: Shapes = {
    "convolution.0.weight": (2, 1, 2, 2), "convolution.0.bias": (2,), "convolution.1.weight": (3, 2, 2, 2),
    "convolution.1.bias": (3,), "trunk.0.weight": (4, 12), "trunk.0.bias": (4,), "policy_head.weight": (2, 4),
    "value_head.weight": (1, 4), "policy_head.bias": (2,), "value_head.bias": (1,),
}  # fmt: skip


def test_convolutions_by_hand() -> None:
    mask = whole(CONV)
    everything, nothing = counted("conv", CONV, mask)
    assert (
        everything.living == everything.effective
        and (everything.units, everything.dead_units) == (9, 0)
        and not nothing
    )
    # Filter 1 of the second layer is read at none of its four places (4 to 8 of 12): its 8 weights and its bias go.
    mask["trunk.0.weight"][:, 4:8] = False
    # Filter 0 of the first layer is seen by nothing but one place of filter 1: its 4 weights and its bias go with it.
    mask["convolution.1.weight"][[0, 2], 0] = False
    found, lost = counted("conv", CONV, mask)
    assert lost == {
        "convolution.0.weight": 4,
        "convolution.0.bias": 1,
        "convolution.1.weight": 8,
        "convolution.1.bias": 1,
    }
    assert found.dead_units == 2
    # A filter without any weight is no way on for what lies behind it: the four places of filter 2, 8 to 12.
    mask["convolution.1.weight"][2] = False
    _, lost = counted("conv", CONV, mask)
    assert lost["trunk.0.weight"] == 4 * 4


def test_an_actor_and_a_critic_apart_lose_their_own_paths_alone() -> None:
    shapes: Shapes = {
        "actor.0.weight": (3, 2), "actor.0.bias": (3,), "policy_head.weight": (2, 3), "policy_head.bias": (2,),
        "critic.0.weight": (3, 2), "critic.0.bias": (3,), "value_head.weight": (1, 3), "value_head.bias": (1,),
    }  # fmt: skip
    mask = whole(shapes)
    mask["policy_head.weight"][:, 1] = False
    found, lost = counted("mlp", shapes, mask)
    assert lost == {"actor.0.weight": 2, "actor.0.bias": 1}
    assert (found.units, found.dead_units) == (6, 1)


def test_an_actor_and_two_critics_of_actions_have_inputs_of_their_own() -> None:
    network = SoftActorCritic(MLP(hidden=(3, 4)), 2, 1)
    shapes: Shapes = {name: tuple(shape) for name, shape in network.shapes().items()}
    mask = whole(shapes)
    found, lost = counted("mlp", shapes, mask)
    assert (found.units, found.dead_units) == (3 * (3 + 4), 0) and not lost
    mask["second_value_head.weight"][:, 1] = False
    mask["second_critic.0.weight"][0] = False
    mask["actor.0.weight"][0] = False
    found, lost = counted("mlp", shapes, mask)
    assert lost == {"second_critic.1.weight": 3 + 3, "second_critic.1.bias": 1, "actor.1.weight": 4}
    assert found.dead_units == 3


LSTM_SHAPES: Shapes = {
    "embedding.weight": (3, 2), "recurrent.0.weight_ih_l0": (8, 2), "recurrent.0.weight_hh_l0": (8, 2),
    "recurrent.0.bias_ih_l0": (8,), "recurrent.0.bias_hh_l0": (8,), "output.weight": (3, 2), "output.bias": (3,),
}  # fmt: skip


def test_an_lstm_by_hand() -> None:
    mask = whole(LSTM_SHAPES)
    found, lost = counted("lstm", LSTM_SHAPES, mask)
    assert (found.living, found.effective, found.units, found.dead_units) == (63, 63, 2, 0) and not lost
    # The candidate of unit 0 is row 4 of eight (input, forget, candidate, output): without it the cell stays empty.
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        mask[f"recurrent.0.{name}"][4] = False
    found, lost = counted("lstm", LSTM_SHAPES, mask)
    assert found.dead_units == 1
    # Rows 0, 2 and 6 lead to the dead unit; of the other rows, 1, 3, 5 and 7, those entries that come from it.
    assert lost == {
        "recurrent.0.weight_ih_l0": 3 * 2, "recurrent.0.weight_hh_l0": 3 * 2 + 4, "recurrent.0.bias_ih_l0": 3,
        "recurrent.0.bias_hh_l0": 3, "output.weight": 3,
    }  # fmt: skip
    # A unit that is reached through another alone is on a path: what layers remember goes round.
    mask = whole(LSTM_SHAPES)
    mask["recurrent.0.weight_ih_l0"][[1, 3, 5, 7]] = False
    assert counted("lstm", LSTM_SHAPES, mask)[1] == {}


DECODER: Shapes = {
    "embedding.weight": (3, 4), "blocks.0.attention_norm.weight": (4,), "blocks.0.attention_norm.bias": (4,),
    "blocks.0.feed_forward_norm.weight": (4,), "blocks.0.feed_forward_norm.bias": (4,),
    "blocks.0.attention_in.weight": (12, 4), "blocks.0.attention_in.bias": (12,),
    "blocks.0.attention_out.weight": (4, 4), "blocks.0.attention_out.bias": (4,),
    "blocks.0.feed_forward_in.weight": (5, 4), "blocks.0.feed_forward_in.bias": (5,),
    "blocks.0.feed_forward_out.weight": (4, 5), "blocks.0.feed_forward_out.bias": (4,), "norm.weight": (4,),
    "norm.bias": (4,),
}  # fmt: skip


def test_a_decoder_by_hand() -> None:
    mask = whole(DECODER)
    found, lost = counted("transformer", DECODER, mask, heads=2)
    assert found.living == found.effective and (found.units, found.dead_units) == (5, 0) and not lost
    # Inner unit 3 leads nowhere: 4 weights and a bias. Key 0 (row 4 of queries, keys, values) is empty: so query 0.
    mask["blocks.0.feed_forward_out.weight"][:, 3] = False
    mask["blocks.0.attention_in.weight"][4], mask["blocks.0.attention_in.bias"][4] = False, False
    found, lost = counted("transformer", DECODER, mask, heads=2)
    assert found.dead_units == 1
    assert lost == {
        "blocks.0.feed_forward_in.weight": 4, "blocks.0.feed_forward_in.bias": 1,
        "blocks.0.attention_in.weight": 4, "blocks.0.attention_in.bias": 1,
    }  # fmt: skip
    # Both values of the second head (rows 10 and 11) are empty: its queries and keys (rows 2, 3, 6, 7) see nothing, and
    # what reads them (columns 2 and 3 of what comes out) reads nothing.
    mask = whole(DECODER)
    mask["blocks.0.attention_in.weight"][10:], mask["blocks.0.attention_in.bias"][10:] = False, False
    _, lost = counted("transformer", DECODER, mask, heads=2)
    assert lost == {
        "blocks.0.attention_in.weight": 4 * 4, "blocks.0.attention_in.bias": 4, "blocks.0.attention_out.weight": 2 * 4,
    }  # fmt: skip


def test_an_encoder_decoder_by_hand() -> None:
    sizes = Seq2Seq(width=4, heads=1, feed_forward=3, encoder_layers=1, decoder_layers=1)
    network = ModuleNetwork(lambda: transformer.Transformer(sizes, 5, 9), transformer.grouping)
    shapes = {name: tuple(shape) for name, shape in network.shapes().items()}
    mask = whole(shapes)
    found, lost = counted("seq2seq", shapes, mask)
    assert found.living == found.effective and (found.units, found.dead_units) == (6, 0) and not lost
    # Nothing of what attention to the source finds goes on: then the whole encoder is read by nothing.
    across = "decoder.0.source_attention"
    mask[f"{across}.output.weight"][:] = False
    _, lost = counted("seq2seq", shapes, mask)
    gone = {
        n: int(np.prod(s)) for n, s in shapes.items() if n.startswith(("encoder.", f"{across}.key", f"{across}.query"))
    }
    assert lost == gone


def brute_force(
    run: Callable[[Weights], Tensor], weights: Weights, mask: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Which living entries change any output when they are moved."""
    before, found = run(weights), {name: np.zeros_like(m) for name, m in mask.items()}
    for name, alive in mask.items():
        for place in zip(*np.nonzero(alive), strict=True):
            moved = {**weights, name: weights[name].clone()}
            moved[name][place] += 0.5
            found[name][place] = not torch.equal(run(moved), before)
    return found


def masked(shapes: Shapes, seed: int, density: float, biases: bool) -> tuple[dict[str, np.ndarray], Weights]:
    """A random mask, and weights under it; without biases, so that all that changes an output comes from an input."""
    rng = np.random.default_rng(seed)
    mask = {n: (rng.random(s) < density) & (biases or "bias" not in n) for n, s in shapes.items()}
    weights = {n: torch.from_numpy(rng.uniform(0.3, 1.0, s) * mask[n]) for n, s in shapes.items()}
    return mask, weights


@pytest.mark.parametrize("seed", range(6))
def test_what_is_on_a_path_through_a_perceptron_is_what_changes_its_outputs(seed: int) -> None:
    model = Perceptron(MLP(hidden=(8, 7), activation="tanh"), 4, 2)
    shapes = {name: tuple(shape) for name, shape in model.shapes().items()}
    mask, weights = masked(shapes, seed, 0.25, biases=False)
    seen = torch.rand(1, 7, 4, dtype=torch.float64) * 0.1

    def run(own: Weights) -> Tensor:
        flat = torch.cat([w.flatten() for w in own.values()])[None]
        return model.forward(model.layers(model.packed(flat)), seen)[-1]

    compare("mlp", shapes, mask, run, weights)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_on_a_path_through_convolutions_is_what_changes_their_outputs(seed: int) -> None:
    model = ConvolutionalActorCritic(Convolutional(architecture="paper", width=0.04), (2, 16, 16), 2)
    shapes = {name: tuple(shape) for name, shape in model.shapes().items()}
    mask, weights = masked(shapes, seed, 0.06, biases=False)
    seen = torch.randint(1, 255, (1, 2, 2, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)

    def run(own: Weights) -> Tensor:
        flat = torch.cat([w.flatten() for w in own.values()])[None]
        return model.forward(model.layers(model.packed(flat)), seen)[-1]

    graph = graph_of("conv", shapes)
    assert graph is not None
    entries, _ = living_paths(graph, mask, shapes)
    # Where weights add up alone, paths are what the flow of the network counts.
    counts = flow_gradient(model.flow, {n: torch.from_numpy(m.astype(np.float64)) for n, m in mask.items()})
    for name, m in mask.items():
        if name.endswith("weight"):
            assert ((m & (counts[name].numpy() > 0)) == (entries[name])).all(), name
    for name, m in list(mask.items())[:4]:
        changed = brute_force(run, weights, {name: m})[name]
        assert not (changed & ~entries[name]).any()  # a maximum of pixels may hide one that is on a path


@pytest.mark.parametrize("seed", range(6))
def test_what_is_on_a_path_through_an_lstm_is_what_changes_its_scores(seed: int) -> None:
    network = language.recurrent(LSTM(embedding=4, hidden=5, layers=2, dropout=0.0), 5)
    shapes = {name: tuple(shape) for name, shape in network.shapes().items()}
    mask, weights = masked(shapes, seed, 0.22, biases=False)
    # Words that have all of their numbers: two gates that multiply are then never apart by the words that move them.
    mask["embedding.weight"][:] = True
    weights["embedding.weight"] = (
        torch.rand(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.3
    )
    module = network.module().double().eval()
    tokens = torch.randint(0, 5, (5, 16), generator=torch.Generator().manual_seed(0))  # every word after every other

    def run(own: Weights) -> Tensor:
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                parameter.copy_(own[name])
            features, _ = module(tokens, ())
            return module.output(features)  # type: ignore[operator, no-any-return]

    compare("lstm", shapes, mask, run, weights)


def compare(
    kind: str, shapes: Shapes, mask: dict[str, np.ndarray], run: Callable[[Weights], Tensor], weights: Weights
) -> None:
    graph = graph_of(kind, shapes)
    assert graph is not None
    entries, _ = living_paths(graph, mask, shapes)
    changed = brute_force(run, weights, mask)
    assert 0 < sum(int(e.sum()) for e in entries.values()) < sum(int(m.sum()) for m in mask.values())
    for name in mask:
        assert (entries[name] == changed[name]).all(), (name, entries[name], changed[name])


@pytest.mark.parametrize("density", [0.3, 0.6])
def test_a_decoders_paths_are_those_that_its_flow_counts_where_nothing_is_closed(density: float) -> None:
    settings = Transformer(width=8, heads=2, layers=2, feed_forward=6, dropout=0.0)
    network = language.decoder(settings, 7)
    shapes = {name: tuple(shape) for name, shape in network.shapes().items()}
    rng = np.random.default_rng(3)
    mask = {n: rng.random(s) < density for n, s in shapes.items()}
    for name in mask:  # every query, key and value is computed
        if "attention_in.bias" in name:
            mask[name][:] = True
    graph = graph_of("transformer", shapes, heads=2)
    assert graph is not None
    entries, _ = living_paths(graph, mask, shapes)
    without = {n: torch.from_numpy(m * (not n.endswith("bias"))).double() for n, m in mask.items()}
    counts = flow_gradient(network.flow, without)
    for name, m in mask.items():
        through = m & (counts[name].numpy() > 0)
        # The flow joins query, key and value of a unit; here a query reaches all that its head sees.
        assert not (through & ~entries[name]).any(), name
        if "attention_in" not in name and "norm" not in name and "embedding" not in name:
            assert (through == entries[name]).all() or density < 0.5, name
