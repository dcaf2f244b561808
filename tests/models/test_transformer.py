"""The translation network: its published sizes, its agreement with transformers' Marian, its cached decoding."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from lth_core.models.beam import Search, translate
from lth_core.models.module import ModuleNetwork
from lth_core.models.transformer import Transformer, grouping
from lth_core.models.transformers_names import to_marian
from lth_core.models.translator import Special
from lth_core.settings.language_networks import Seq2Seq
from tests.thorough import pairs

TINY = Seq2Seq(width=16, feed_forward=24, heads=2, encoder_layers=2, decoder_layers=2, dropout=0.0)
PAD, START, END = 0, 1, 2


def own(sizes: Seq2Seq = TINY, vocabulary: int = 20, seed: int = 0) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(sizes, vocabulary, 32).eval()


def sources(seed: int = 0) -> Tensor:
    """Three sentences, two of them padded."""
    tokens = torch.randint(4, 20, (3, 7), generator=torch.Generator().manual_seed(seed))
    tokens[1, 4:], tokens[2, 6:] = PAD, PAD
    return tokens


SIZES = {
    "base": (Seq2Seq(), 60.9),
    "big": (Seq2Seq(width=1024, feed_forward=4096, heads=16, dropout=0.3), 209.9),
}
"""And millions of parameters."""


@pytest.mark.parametrize(("size", "implementation"), pairs(SIZES, ["transformers", "own"], ("base", "transformers")))
def test_base_and_big_have_the_published_numbers_of_parameters(size: str, implementation: str) -> None:
    sizes, millions = SIZES[size]
    if implementation == "own":
        network = ModuleNetwork(lambda: Transformer(sizes, 32_768, 256), grouping)
    else:
        from lth_core.models import marian

        network = ModuleNetwork(marian.marian(sizes, 32_768, 256, Special(PAD, START, END)), marian.grouping)
    assert sum(shape.numel() for shape in network.shapes().values()) / 1e6 == pytest.approx(millions, abs=0.05)


def test_every_parameter_is_of_a_group_that_can_be_kept() -> None:
    network = ModuleNetwork(lambda: Transformer(TINY, 20, 32), grouping)
    groups = network.groups()
    assert groups["embedding"] == {"embedding", "output", "weights"}
    assert groups["decoder.1.source_attention.key_value.bias"] == {"decoder", "attention", "biases"}
    assert groups["encoder.0.feed_forward_norm.weight"] == {"encoder", "norm", "weights"}
    assert all(tags <= set(Seq2Seq.groups) for tags in groups.values())
    for everything in Seq2Seq.everything:
        assert all(tags & everything for tags in groups.values())


def test_it_computes_what_marian_computes_with_the_same_weights() -> None:
    from lth_core.models import marian

    model = own()
    theirs = marian.marian(TINY, 20, 32, Special(PAD, START, END))().eval()
    missing, unexpected = theirs.model.load_state_dict(to_marian(dict(model.named_parameters())), strict=False)
    assert not unexpected
    assert all("positions" in name or "final_logits_bias" in name for name in missing)
    source, target = sources(), torch.randint(4, 20, (3, 5), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(model.output(model(source, target)), theirs(source, target), rtol=1e-4, atol=1e-5)
        search = Search(3, 0.6, START, END, (PAD,))
        longest = torch.tensor([9, 6, 8])
        mine = translate(model.decoding(source, 3), search, longest)
        other = translate(theirs.decoding(source, 3), search, longest)
    assert [tokens for tokens, _ in mine] == [tokens for tokens, _ in other]
    assert [score for _, score in mine] == pytest.approx([score for _, score in other], abs=1e-4)


def test_cached_steps_give_the_log_probabilities_of_the_whole_sentence() -> None:
    model, source = own(), sources()
    said = torch.randint(4, 20, (3, 2, 6), generator=torch.Generator().manual_seed(2))
    said[:, :, 0] = START
    with torch.no_grad():
        decoding = model.decoding(source, 2)
        rows = torch.tensor([0, 1, 2])
        for t in range(3):
            logs = decoding.step(said[:, :, t])
        # Sentence 1 is done; the hypotheses of the others change places.
        rows = torch.tensor([0, 2])
        decoding.select(rows, torch.tensor([[1, 0], [1, 0]]))
        said, source = said[rows].flip(1), source[rows]
        for t in range(3, 6):
            logs = decoding.step(said[:, :, t])
        for beam in range(2):
            whole = torch.log_softmax(model.output(model(source, said[:, beam])), -1)
            torch.testing.assert_close(logs[:, beam], whole[:, -1], rtol=1e-4, atol=1e-5)


def test_padding_changes_nothing() -> None:
    model, source = own(), sources()
    target = torch.randint(4, 20, (3, 5), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        alone = model(source[1:2, :4], target[1:2])
        torch.testing.assert_close(model(source, target)[1:2], alone, rtol=1e-4, atol=1e-5)


def _brute_force(model: Transformer, source: Tensor, longest: int, penalty: float) -> tuple[list[int], float]:
    best: tuple[list[int], float] = ([], -math.inf)
    for length in range(longest):
        for words in itertools.product([3, 4, 5], repeat=length):
            target = torch.tensor([[START, *words]])
            logs = torch.log_softmax(model.output(model(source, target)[0]), -1)
            # A start token, like padding, is never said.
            total = sum(float(logs[i, token]) for i, token in enumerate([*words, END]))
            score = total / (length + 1) ** penalty
            if score > best[1]:
                best = (list(words), score)
    return best


@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_the_best_of_all_sentences(seed: int, penalty: float) -> None:
    model = own(vocabulary=6, seed=seed)
    with torch.no_grad():
        model.embedding.mul_(4)  # so that the network has opinions
        source = torch.tensor([[3, 4, 5, 3], [5, 5, 4, 3]])
        search = Search(60, penalty, START, END, (PAD,))
        found = translate(model.decoding(source, 60), search, torch.tensor([4, 3]))
        for i, longest in enumerate((4, 3)):
            tokens, score = _brute_force(model, source[i : i + 1], longest, penalty)
            assert found[i][0] == tokens
            assert found[i][1] == pytest.approx(score, abs=1e-4)


def test_greedy_search_says_the_likeliest_token_each_time() -> None:
    model, source = own(seed=5), sources()
    with torch.no_grad():
        model.embedding.mul_(3)
        search = Search(1, 0.6, START, END, (PAD,))
        found = translate(model.decoding(source, 1), search, torch.tensor([6, 6, 6]))
        for i in range(3):
            said = [START]
            while len(said) <= 6:
                logits = model.output(model(source[i : i + 1], torch.tensor([said])))[0, -1]
                logits[[PAD, START]] = -math.inf
                token = END if len(said) == 6 else int(logits.argmax())
                if token == END:
                    break
                said.append(token)
            assert found[i][0] == said[1:]


def test_a_translation_ends_at_its_longest() -> None:
    model = own(seed=7)
    with torch.no_grad():
        found = translate(model.decoding(sources(), 4), Search(4, 0.6, START, END, (PAD,)), torch.tensor([2, 5, 3]))
    assert all(len(tokens) < longest for (tokens, _), longest in zip(found, (2, 5, 3), strict=True))
    assert all(math.isfinite(score) for _, score in found)


def test_a_target_may_begin_with_the_token_that_ends_it() -> None:
    """As the targets of BART, M2M100 and NLLB do."""
    model = own(seed=7)
    with torch.no_grad():
        model.embedding.mul_(3)
        found = translate(model.decoding(sources(), 2), Search(2, 0.6, END, END, (PAD,)), torch.tensor([5, 5, 5]))
    assert all(math.isfinite(score) for _, score in found)
    assert any(tokens for tokens, _ in found) and not any(END in tokens for tokens, _ in found)
