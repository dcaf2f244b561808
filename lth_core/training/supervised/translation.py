"""The lesson of a translation task: token-budget batches, smoothed cross-entropy, perplexity, BLEU by beam search."""

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from lth_core.models import transformer
from lth_core.models.beam import Search, translate
from lth_core.models.module import ModuleNetwork
from lth_core.models.translator import Special, Translator
from lth_core.settings.language_networks import PretrainedSeq2Seq, Seq2Seq
from lth_core.settings.supervised import Supervised
from lth_core.settings.texts import TranslationTask
from lth_core.tasks.translation import bleu
from lth_core.tasks.translation import corpus as corpora
from lth_core.tasks.translation.batches import TokenBatches
from lth_core.tasks.translation.corpus import ParallelCorpus, Part
from lth_core.training.stack import Interrupted
from lth_core.training.supervised.cross_entropy import CrossEntropy
from lth_core.training.supervised.lesson import Batch, Carry, GoOn, perplexity

_EXTRA = 50
"""How many tokens longer than its source a translation may be (Vaswani et al.)."""
_SEARCHED = 4_000
"""The most source tokens that are translated together."""


def translator_network(settings: Seq2Seq | PretrainedSeq2Seq, task: TranslationTask) -> ModuleNetwork:
    """The network of a translation task. Raises InputError if data or checkpoint cannot be loaded."""
    words = corpora.load(task).vocabulary
    if isinstance(settings, PretrainedSeq2Seq):
        from lth_core.models import marian

        return marian.pretrained(settings, words.size, task.longest)
    size, longest, pad = words.size, task.longest + 1, words.pad
    if settings.implementation == "transformers":
        from lth_core.models import marian

        special = Special(words.pad, words.start, words.end)
        return ModuleNetwork(
            marian.marian(settings, size, longest, special), marian.grouping, flow=marian.flow(settings)
        )  # fmt: skip
    return ModuleNetwork(
        lambda: transformer.Transformer(settings, size, longest, pad), transformer.grouping,
        flow=lambda weights: transformer.flow(settings, weights),
    )  # fmt: skip


class TranslationLesson:
    """See Lesson. `training.batch` is the token budget: pairs x their longest sentence."""

    def __init__(self, task: TranslationTask, training: Supervised, corpus: ParallelCorpus, seed: int) -> None:
        self._task, self._smoothing, self._corpus = task, training.label_smoothing, corpus
        self._cross_entropy = CrossEntropy(ignored=corpus.vocabulary.pad)
        self._as_trained = False
        self._batches = {
            part: TokenBatches(pairs.lengths() + 1, training.batch, seed) for part, pairs in corpus.parts.items()
        }

    @property
    def padding(self) -> int:
        """The target of a position where nothing is predicted."""
        return self._corpus.vocabulary.pad

    @property
    def per_epoch(self) -> int:
        """See Lesson."""
        return len(self._batches["train"])

    def batch(self, epoch: int, place: int) -> Batch:
        """See Lesson."""
        return self._gathered("train", self._batches["train"].pairs(epoch, place))

    def _gathered(self, part: str, pairs: np.ndarray) -> Batch:
        own, words = self._corpus.parts[part], self._corpus.vocabulary
        source = _padded(own, pairs, 0, words.pad, None, words.end)
        said = _padded(own, pairs, 1, words.pad, words.start, None)
        wanted = _padded(own, pairs, 1, words.pad, None, words.end)
        return Batch({"source": source, "said": said, "wanted": wanted}, int((own.places(pairs, 1)[1] + 1).sum()))

    def loss(self, module: nn.Module, batch: Batch, carry: Carry) -> tuple[Tensor, Carry]:
        """See Lesson: cross-entropy against the target smoothed over the whole vocabulary."""
        return self._loss(module, batch, carry, self._smoothing)

    def _loss(self, module: nn.Module, batch: Batch, carry: Carry, smoothing: float = 0.0) -> tuple[Tensor, Carry]:
        translator, tensors = cast(Translator, module), batch.tensors
        features = translator(tensors["source"], tensors["said"])
        wanted = tensors["wanted"].flatten()
        return self._cross_entropy(translator.output, features.flatten(0, 1), wanted, smoothing), ()

    def validate(self, module: nn.Module, go_on: GoOn) -> dict[str, float]:
        """See Lesson: the perplexity of a token, without smoothing."""
        return self._perplexity("valid", module, go_on)

    def test(self, module: nn.Module, go_on: GoOn) -> dict[str, float]:
        """See Lesson: BLEU and chrF of both parts, and the test part's perplexity."""
        found = self._perplexity("test", module, go_on)
        tokenizer = bleu.tokenizer_of(self._task)
        for part in ("valid", "test"):
            found |= bleu.scores(self.translations(module, part, go_on), self._corpus.texts(part), part, tokenizer)
        return found

    def search_as_trained(self) -> None:
        """See Searching."""
        self._as_trained = True

    def _perplexity(self, part: str, module: nn.Module, go_on: GoOn) -> dict[str, float]:
        batches = (self._gathered(part, pairs) for pairs in self._batches[part].in_order())
        return perplexity(part, module, batches, self._loss, go_on)

    def translations(self, module: nn.Module, part: str, go_on: GoOn) -> list[str]:
        """The module's translations of a part's sources, in evaluation mode."""
        task, own, words = self._task, self._corpus.parts[part], self._corpus.vocabulary
        search = Search(task.beam, task.length_penalty, words.start, words.end, (words.pad,))
        device = next(module.parameters()).device
        lengths = own.lengths()[:, 0] + 1
        found: list[list[int]] = [[] for _ in range(len(own))]
        searched = TokenBatches(np.stack([lengths, lengths], 1), max(1, _SEARCHED // task.beam), 0)
        for pairs in searched.in_order():
            if not go_on():
                raise Interrupted
            source = _padded(own, pairs, 0, words.pad, None, words.end).to(device)
            limits = np.minimum(lengths[pairs] + _EXTRA, task.longest)
            if self._as_trained:
                limits = np.minimum(limits, own.places(pairs, 1)[1] + 1)
            longest = torch.from_numpy(limits).to(device)
            decoding = cast(Translator, module).decoding(source, task.beam)
            for pair, (tokens, _) in zip(pairs.tolist(), translate(decoding, search, longest), strict=True):
                found[pair] = tokens
        return words_of(self._corpus, found)


def words_of(corpus: ParallelCorpus, tokens: list[list[int]]) -> list[str]:
    """The texts of tokens, each on one line."""
    return [" ".join(text.split()) for text in corpus.vocabulary.decode(tokens)]


def _padded(own: Part, pairs: np.ndarray, side: int, pad: int, first: int | None, last: int | None) -> Tensor:
    """(n, longest + 1) int64: sentences with `first` before or `last` after them, padded."""
    starts, lengths = own.places(pairs, side)
    n, longest = len(pairs), int(lengths.max())
    columns = np.arange(longest)
    there = columns < lengths[:, None]
    shift = 0 if first is None else 1
    rows = np.full((n, longest + 1), pad, dtype=np.int64)
    rows[:, shift : shift + longest][there] = own.tokens[(starts[:, None] + columns)[there]]
    if first is not None:
        rows[:, 0] = first
    if last is not None:
        rows[np.arange(n), lengths] = last
    return torch.from_numpy(rows)
