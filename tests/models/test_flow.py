"""The linearised networks that SynFlow uses: against the networks where those are linear, by hand where not."""

import pytest
import torch
from torch import Tensor

from lth_core.models import language, transformer
from lth_core.models.convolutional import ConvolutionalActorCritic
from lth_core.models.flow import flow_gradient
from lth_core.models.module import ModuleNetwork
from lth_core.models.transformers_names import from_marian, to_marian
from lth_core.settings import language_networks
from lth_core.settings.language_networks import LSTM, Seq2Seq
from lth_core.settings.networks import Convolutional
from lth_core.tickets.mask import Weights


def positive(network: ModuleNetwork) -> Weights:
    return {name: w.abs().double() + 0.01 for name, w in network.initialise(0).items()}


@pytest.mark.parametrize(("architecture", "image"), [("small", (2, 36, 40)), ("paper", (3, 32, 34))])
def test_the_flow_of_convolutions_is_that_of_the_network_itself_on_a_white_image(
    architecture: str, image: tuple[int, int, int]
) -> None:
    model = ConvolutionalActorCritic(Convolutional(architecture=architecture), image, 3)  # type: ignore[arg-type]
    weights = {name: w.abs() for name, w in model.initialise(0).items()}
    flat = torch.cat([w.flatten() for w in weights.values()]).double()[None].requires_grad_()
    heads = model.forward(model.layers(model.packed(flat)), torch.full((1, 1, *image), 255, dtype=torch.uint8))[-1]
    (theirs,) = torch.autograd.grad(heads.sum(), flat)
    ours = torch.cat([w.flatten() for w in flow_gradient(model.flow, weights).values()])
    assert torch.allclose(theirs[0], ours, rtol=1e-9)


def test_the_flow_of_an_lstm_by_hand() -> None:
    # Two words, widths of 2, every weight w and every bias b: x = 2w; a gate is 2w x + b + 2w + b, four of them h; a
    # word's output 2w h + b.
    network = language.recurrent(LSTM(embedding=2, hidden=2, layers=1, dropout=0.0), 2)
    w, b = 0.5, 0.1
    weights = {
        name: torch.full(shape, b if "bias" in name else w, dtype=torch.float64)
        for name, shape in network.shapes().items()
    }
    x = 2 * w
    h = 4 * (2 * w * x + b + 2 * w + b)
    assert float(network.flow(weights)) == pytest.approx(2 * (2 * w * h + b))
    found = flow_gradient(network.flow, weights)
    # From a gate's row to the outputs: two words times w; from what a layer remembers, which is one.
    expected = {"output.weight": h, "recurrent.0.weight_hh_l0": 2 * w, "recurrent.0.weight_ih_l0": 2 * w * x}
    for name, gradient in expected.items():
        assert torch.allclose(found[name], torch.full_like(found[name], gradient)), name


def test_the_flow_of_a_decoder_by_hand() -> None:
    # One word pair, width 2, every weight w, norms 1 and 0, no biases: x = 2w; attention adds three parts of 2w x
    # through 2w, the feed-forward layer 2w x through 2w of its own two units.
    network = language.decoder(
        language_networks.Transformer(width=2, layers=1, heads=1, feed_forward=2, dropout=0.0, tied=False), 2
    )
    w = 0.5
    weights = {name: torch.full(shape, w, dtype=torch.float64) for name, shape in network.shapes().items()}
    weights |= {n: torch.zeros_like(v) for n, v in weights.items() if n.endswith("bias")}
    weights |= {n: torch.ones_like(v) for n, v in weights.items() if "norm" in n and n.endswith("weight")}
    x = 2 * w
    x = x + 2 * w * (3 * 2 * w * x)
    x = x + 2 * w * (2 * w * x)
    assert float(network.flow(weights)) == pytest.approx(2 * 2 * w * x)


def recurrent() -> ModuleNetwork:
    return language.recurrent(LSTM(embedding=6, hidden=6, layers=2, tied=True, dropout=0.0), 11)


def decoder() -> ModuleNetwork:
    sizes = language_networks.Transformer(width=8, layers=2, heads=2, feed_forward=12, dropout=0.0)
    return language.decoder(sizes, 11)


SEQ2SEQ = Seq2Seq(width=8, feed_forward=12, heads=2, encoder_layers=2, decoder_layers=1, dropout=0.0)


def encoder_decoder() -> ModuleNetwork:
    return ModuleNetwork(
        lambda: transformer.Transformer(SEQ2SEQ, 11, 9), transformer.grouping,
        flow=lambda weights: transformer.flow(SEQ2SEQ, weights),
    )  # fmt: skip


@pytest.mark.parametrize("network", [recurrent(), decoder(), encoder_decoder()], ids=["lstm", "decoder", "seq2seq"])
def test_every_parameter_is_an_edge_that_something_flows_through(network: ModuleNetwork) -> None:
    weights = positive(network)
    found = flow_gradient(network.flow, weights)
    assert all(bool((gradient > 0).all()) for gradient in found.values())
    # The flow is a sum over paths: linear in each weight that is used once.
    name = next(n for n in weights if "in.weight" in n or "ih_l0" in n or "up.weight" in n)
    more: dict[str, Tensor] = {**weights, name: weights[name].clone()}
    more[name][0, 0] += 1.0
    gain = float(network.flow(more) - network.flow(weights))
    assert gain == pytest.approx(float(found[name][0, 0]), rel=1e-9)


def test_our_weights_return_from_marians_names_and_flow_alike() -> None:
    weights = encoder_decoder().initialise(3)
    there = to_marian(weights)
    back = from_marian(there)
    assert back.keys() == weights.keys() and all(torch.equal(back[name], w) for name, w in weights.items())
    from lth_core.models import marian

    theirs = {
        f"model.{name}": w for name, w in there.items() if not name.startswith(("lm_head", "model.encoder.embed"))
    }
    assert float(marian.flow(SEQ2SEQ)(theirs)) == pytest.approx(float(transformer.flow(SEQ2SEQ, weights)), rel=1e-6)
