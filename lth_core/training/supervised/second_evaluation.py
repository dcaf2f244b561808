"""The test part measured a second time, as plainly as possible, for the audit of supervised tasks.

Text is cut into rows here, an LSTM reads each row at once, so that no state is carried from window to window, and
losses are torch's own. Decoding is the program's.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lth_core.models.beam import Search, translate
from lth_core.models.language import Recurrent
from lth_core.models.translator import Translator
from lth_core.settings.texts import TranslationTask
from lth_core.tasks.images.pictures import Pictures
from lth_core.tasks.text.corpus import Tokens
from lth_core.tasks.translation import bleu
from lth_core.tasks.translation.corpus import ParallelCorpus
from lth_core.tickets.mask import Weights
from lth_core.training.stack import Interrupted
from lth_core.training.supervised.lesson import Carry

GoOn = Callable[[], bool]
ROWS, TOGETHER = 10, 2_000
"""Rows into which a text is cut, and rows of logits in memory at once."""


@torch.no_grad()
def loss_of_text(module: nn.Module, weights: Weights, tokens: Tokens, window: int, go_on: GoOn) -> float:
    """The mean loss of every token (n,), given those before it in its row; the first one's is the last of all.

    weights: those of an LSTM, which reads whole rows; others see their window, and the state that they carry.
    """
    device = next(module.parameters()).device
    size = -(-len(tokens) // min(ROWS, len(tokens)))
    recurrent = isinstance(module, Recurrent)
    total = 0.0
    for first in range(0, len(tokens), size):
        wanted = torch.from_numpy(tokens[first : first + size].astype(np.int64))
        before = torch.from_numpy(tokens[np.arange(first - 1, first - 1 + len(wanted))].astype(np.int64))
        pieces = [(before, wanted)]
        if not recurrent:
            pieces = list(zip(before.split(window), wanted.split(window), strict=True))
        carry: Carry = ()
        for seen, targets in pieces:
            if not go_on():
                raise Interrupted
            if recurrent:
                features = _lstm(weights, seen.to(device))
            else:
                features, carry = module(seen[None].to(device), carry)
            total += _loss(cast(Any, module).output, features, targets.to(device))
    return total / len(tokens)


def _lstm(weights: Weights, seen: Tensor) -> Tensor:
    """Features (n, hidden) of a row (n,), from torch's LSTM with these weights and a state of zeros."""
    x = functional.embedding(seen, weights["embedding.weight"].to(seen.device))
    for i in range(sum(name.endswith(".weight_hh_l0") for name in weights)):
        own = {name.rpartition(".")[2]: w for name, w in weights.items() if name.startswith(f"recurrent.{i}.")}
        layer = nn.LSTM(x.shape[1], own["weight_hh_l0"].shape[1]).to(seen.device)
        layer.load_state_dict(own)
        x, _ = layer(x)
    return x


def _loss(output: nn.Module, features: Tensor, targets: Tensor) -> float:
    """The sum of the losses of targets (n,)."""
    parts = zip(features.split(TOGETHER), targets.split(TOGETHER), strict=True)
    return sum(float(functional.cross_entropy(output(x).double(), y, reduction="sum")) for x, y in parts)


@torch.no_grad()
def translation(module: nn.Module, task: TranslationTask, corpus: ParallelCorpus, go_on: GoOn) -> dict[str, float]:
    """Mean loss of the test part's target tokens with their ends, BLEU and chrF, by metric."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    words, part = corpus.vocabulary, corpus.parts["test"]
    search = Search(task.beam, task.length_penalty, words.start, words.end, (words.pad,))
    device, translator = next(module.parameters()).device, cast(Translator, module)
    total, count = 0.0, 0
    texts: dict[int, str] = {}
    for pairs in _alike([len(part.sentence(pair, 0)) for pair in range(len(part))]):
        if not go_on():
            raise Interrupted
        sources = _padded([[*part.sentence(pair, 0).tolist(), words.end] for pair in pairs], words.pad).to(device)
        targets = [part.sentence(pair, 1).tolist() for pair in pairs]
        said = _padded([[words.start, *one] for one in targets], words.pad).to(device)
        wanted = _padded([[*one, words.end] for one in targets], words.pad).to(device)
        counted = wanted != words.pad
        features = translator(sources, said)
        total += _loss(translator.output, features[counted], wanted[counted])
        count += int(counted.sum())
        longest = torch.tensor([min(len(part.sentence(pair, 0)) + 1 + 50, task.longest) for pair in pairs])
        found = translate(translator.decoding(sources, task.beam), search, longest.to(device))
        decoded = words.decode([tokens for tokens, _ in found])
        texts |= {pair: " ".join(text.split()) for pair, text in zip(pairs, decoded, strict=True)}
    theirs = (corpus.folder / "test.txt").read_text("utf-8").split("\n")
    ours = [texts[pair] for pair in range(len(part))]
    return {
        "log_perplexity/test": total / count,
        "bleu/test": float(BLEU(tokenize=bleu.tokenizer_of(task)).corpus_score(ours, [theirs]).score),
        "chrf/test": float(CHRF().corpus_score(ours, [theirs]).score),
    }


def _alike(lengths: list[int]) -> Iterator[list[int]]:
    """Places of sentences of similar length, 32 together."""
    order = sorted(range(len(lengths)), key=lambda pair: lengths[pair])
    yield from (order[first : first + 32] for first in range(0, len(order), 32))


def _padded(rows: list[list[int]], pad: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [pad] * (longest - len(row)) for row in rows])


@torch.no_grad()
def pictures(module: nn.Module, found: Pictures, go_on: GoOn) -> dict[str, float]:
    """Accuracy and mean loss of the test part, by metric."""
    device, part = next(module.parameters()).device, found.parts["test"]
    mean, deviation = (torch.tensor(one)[:, None, None] for one in (found.mean, found.deviation))
    right, total = 0, 0.0
    for first in range(0, len(part), 500):
        if not go_on():
            raise Interrupted
        seen = torch.from_numpy(part.images[part.rows[first : first + 500]])
        labels = torch.from_numpy(part.labels[first : first + 500])
        scores = module(((seen / 255 - mean) / deviation).to(device)).double().cpu()
        right += int((scores.argmax(1) == labels).sum())
        total += float(functional.cross_entropy(scores, labels, reduction="sum"))
    return {"accuracy/test": right / len(part), "loss/test": total / len(part)}


def with_logarithm(loss: float) -> dict[str, float]:
    """A mean loss and e to the power of it, by metric."""
    return {"log_perplexity/test": loss, "perplexity/test": math.exp(loss) if loss < 700 else math.inf}
