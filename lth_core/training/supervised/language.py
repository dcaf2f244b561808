"""The lesson of a language model: windows of a corpus, the loss of the next token, perplexity."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lth_core.settings.supervised import Supervised
from lth_core.settings.texts import LanguageModelTask
from lth_core.tasks.text.corpus import Corpus, Tokens
from lth_core.tasks.text.windows import NOTHING, Evaluation, Windows
from lth_core.training.supervised.cross_entropy import CrossEntropy
from lth_core.training.supervised.lesson import Batch, Carry, GoOn, perplexity

EVALUATED_TOGETHER = 10
"""Rows in evaluation, the usual number for these corpora; each row's first tokens are predicted from less text."""

COUNTED_TOGETHER = 2**22


class LanguageLesson:
    """A corpus read in order, the same in every epoch: nothing depends on the seed."""

    padding = NOTHING
    """The target of a position where nothing is predicted."""

    def __init__(self, corpus: Corpus, window: int, settings: Supervised) -> None:
        self._corpus, self._window, self._smoothing = corpus, window, settings.label_smoothing
        self._train = Windows(corpus.train, settings.batch, window)
        self._cross_entropy = CrossEntropy(ignored=NOTHING)

    @property
    def per_epoch(self) -> int:
        """See Lesson."""
        return self._train.windows

    def batch(self, epoch: int, place: int) -> Batch:
        """See Lesson."""
        return _batch(self._train, place)

    def loss(self, module: nn.Module, batch: Batch, carry: Carry) -> tuple[Tensor, Carry]:
        """See Lesson."""
        return self._loss(module, batch, carry, self._smoothing)

    def _loss(self, module: nn.Module, batch: Batch, carry: Carry, smoothing: float = 0.0) -> tuple[Tensor, Carry]:
        features, carry = module(batch.tensors["tokens"], carry)
        output: nn.Module = module.output  # type: ignore[assignment]
        return self._cross_entropy(output, features, batch.tensors["targets"].flatten(), smoothing), carry

    def validate(self, module: nn.Module, go_on: GoOn) -> dict[str, float]:
        """See Lesson: of each token, given those before it."""
        return self._perplexity("valid", self._corpus.valid, module, go_on)

    def test(self, module: nn.Module, go_on: GoOn) -> dict[str, float]:
        """See Lesson; beside it the reference: what knowing how often each token occurs in training is worth."""
        corpus = self._corpus
        reference = unigram_loss(corpus.train, corpus.test, corpus.vocabulary)
        return self._perplexity("test", corpus.test, module, go_on) | {LanguageModelTask.reference: reference}

    def _perplexity(self, part: str, tokens: Tokens, module: nn.Module, go_on: GoOn) -> dict[str, float]:
        text = Evaluation(tokens, min(EVALUATED_TOGETHER, len(tokens)), self._window)
        batches = (_batch(text, place) for place in range(text.windows))
        return perplexity(part, module, batches, self._loss, go_on)


def unigram_loss(learnt: Tokens, judged: Tokens, vocabulary: int) -> float:
    """Mean loss of the judged tokens (n,) under how often each occurs in those learnt (m,).

    Each of the vocabulary's tokens is counted once more, so that one that was never learnt is possible.
    """
    counts = _counts(learnt, vocabulary) + 1
    return float(np.log(counts.sum()) - _counts(judged, vocabulary) @ np.log(counts) / len(judged))


def _counts(tokens: Tokens, vocabulary: int) -> npt.NDArray[np.int64]:
    """How often each occurs; in parts, because they are converted to eight bytes each."""
    parts = (tokens[first : first + COUNTED_TOGETHER] for first in range(0, len(tokens), COUNTED_TOGETHER))
    counts = np.zeros(vocabulary, np.int64)
    for part in parts:
        counts += np.bincount(part, minlength=vocabulary)
    return counts


def _batch(windows: Windows | Evaluation, place: int) -> Batch:
    tokens, targets = windows.at(place)
    predictions = int(np.count_nonzero(targets != NOTHING))
    return Batch({"tokens": torch.from_numpy(tokens), "targets": torch.from_numpy(targets)}, predictions)
