"""Language models: sizes, groups, ties, causality, and what a hidden state carries."""

import pytest
import torch
from torch.nn import functional

from lth_core.models import language
from lth_core.models.module import ModuleNetwork
from lth_core.settings.language_networks import LSTM, Transformer
from lth_core.settings.pruning import Pruning
from lth_core.tickets.scope import prunable

SMALL = LSTM(embedding=12, hidden=12, dropout=0.0)
DECODER = Transformer(width=16, layers=2, heads=2, feed_forward=24, dropout=0.0)


def size(network: ModuleNetwork) -> int:
    return sum(shape.numel() for shape in network.shapes().values())


def test_the_papers_lstm_has_the_sizes_of_its_parts() -> None:
    network = language.recurrent(LSTM(), 33_278)
    parts = {
        group: sum(s.numel() for n, s in network.shapes().items() if group in network.groups()[n])
        for group in ("embedding", "recurrent", "output")
    }
    assert parts == {"embedding": 21_630_700, "recurrent": 6_770_400, "output": 21_663_978}


@pytest.mark.parametrize("tied", [False, True])
def test_tied_parameters_stand_once_and_are_kept_with_either_name(tied: bool) -> None:
    for network in (
        language.recurrent(SMALL.model_copy(update={"tied": tied}), 30),
        language.decoder(DECODER.model_copy(update={"tied": tied}), 30),
    ):
        assert ("output.weight" in network.shapes()) is not tied
        for kept in ("embedding", "output"):
            left = prunable(network.groups(), Pruning(keep=(kept,)))
            assert ("embedding.weight" in left) is (kept == "output" and not tied)


def test_every_parameter_is_in_one_group_of_its_part_and_one_of_its_kind() -> None:
    for network, kinds in (
        (language.recurrent(SMALL, 30), LSTM.groups),
        (language.decoder(DECODER, 30), Transformer.groups),
    ):
        parts = set(kinds) - {"weights", "biases"}
        found = set()
        for tags in network.groups().values():
            assert len(tags & parts) == 1 + ({"embedding", "output"} <= tags) and len(tags & {"weights", "biases"}) == 1
            found |= tags
        assert found >= parts


def test_a_state_that_is_carried_is_as_if_the_text_had_not_been_cut() -> None:
    module = language.recurrent(SMALL, 30).module()
    tokens = torch.randint(30, (3, 10), generator=torch.Generator().manual_seed(0))
    whole, _ = module(tokens, ())
    first, carry = module(tokens[:, :4], ())
    second, _ = module(tokens[:, 4:], carry)
    cut = torch.cat([first.unflatten(0, (3, 4)), second.unflatten(0, (3, 6))], dim=1)
    torch.testing.assert_close(cut, whole.unflatten(0, (3, 10)))
    assert not any(state.requires_grad for state in carry)


def test_layers_of_their_own_compute_what_one_lstm_of_two_layers_computes() -> None:
    module = language.recurrent(SMALL, 30).module()
    both = torch.nn.LSTM(12, 12, 2, batch_first=True)
    with torch.no_grad():
        for number in range(2):
            for name, parameter in module.recurrent[number].named_parameters():
                getattr(both, name.replace("l0", f"l{number}")).copy_(parameter)
    tokens = torch.randint(30, (3, 7))
    torch.testing.assert_close(module(tokens, ())[0], both(module.embedding(tokens))[0].flatten(0, 1))


def test_no_token_is_predicted_from_itself_or_a_later_one() -> None:
    for network in (language.recurrent(SMALL, 30), language.decoder(DECODER, 30)):
        module = network.module().eval()
        tokens = torch.randint(30, (1, 8))
        changed = tokens.clone()
        changed[0, 5] = (changed[0, 5] + 1) % 30
        before, after = module(tokens, ())[0], module(changed, ())[0]
        assert torch.equal(before[:5], after[:5]) and not torch.equal(before[5:], after[5:])


def test_a_decoder_knows_where_a_token_stands() -> None:
    module = language.decoder(DECODER, 30).module().eval()
    one, other = module(torch.tensor([[3, 7, 9, 1]]), ())[0], module(torch.tensor([[7, 3, 9, 1]]), ())[0]
    assert not torch.allclose(one[-1], other[-1], atol=1e-5)


@pytest.mark.parametrize("tied", [False, True])
def test_a_small_decoder_learns_to_repeat(tied: bool) -> None:
    module = language.decoder(DECODER.model_copy(update={"tied": tied}), 12).module()
    optimizer = torch.optim.Adam(module.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(1)
    for _ in range(400):
        tokens = torch.randint(12, (16, 4), generator=generator).repeat(1, 2)
        features, _ = module(tokens[:, :-1], ())
        loss = functional.cross_entropy(
            module.output(features).unflatten(0, (16, 7))[:, 3:].flatten(0, 1), tokens[:, 4:].flatten()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1.0  # log 12 is 2.5
