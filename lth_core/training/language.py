"""The lesson of a language model: windows of a corpus, the loss of the next token, perplexity."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lth_core.settings.supervised import Supervised
from lth_core.tasks.text.corpus import Corpus, Tokens
from lth_core.tasks.text.windows import Windows
from lth_core.training.cross_entropy import CrossEntropy
from lth_core.training.lesson import Batch, Carry
from lth_core.training.stack import Interrupted

EVALUATED_TOGETHER = 10
"""Rows in evaluation, the usual number for these corpora: each row's first tokens are predicted from less."""


class LanguageLesson:
    """A corpus read in order, every epoch alike: nothing in it depends on the seed."""

    def __init__(self, corpus: Corpus, window: int, settings: Supervised) -> None:
        self._corpus, self._window, self._smoothing = corpus, window, settings.label_smoothing
        self._train = Windows(corpus.train, settings.batch, window)
        self._cross_entropy = CrossEntropy()

    @property
    def per_epoch(self) -> int:
        """See Lesson."""
        return self._train.windows

    def batch(self, epoch: int, place: int) -> Batch:
        """See Lesson."""
        return _batch(self._train, place)

    def loss(self, module: nn.Module, batch: Batch, carry: Carry) -> tuple[Tensor, Carry]:
        """See Lesson."""
        features, carry = module(batch.tensors["tokens"], carry)
        output: nn.Module = module.output  # type: ignore[assignment]
        return self._cross_entropy(output, features, batch.tensors["targets"].flatten(), self._smoothing), carry

    def validate(self, module: nn.Module, go_on: Callable[[], bool]) -> dict[str, float]:
        """See Lesson."""
        return _named("valid", self._mean_loss(module, self._corpus.valid, go_on))

    def test(self, module: nn.Module, go_on: Callable[[], bool]) -> dict[str, float]:
        """See Lesson."""
        return _named("test", self._mean_loss(module, self._corpus.test, go_on))

    def _mean_loss(self, module: nn.Module, tokens: Tokens, go_on: Callable[[], bool]) -> float:
        """Mean negative log-likelihood of each token after those before it, without smoothing."""
        windows = Windows(tokens, max(1, min(EVALUATED_TOGETHER, len(tokens) // 2)), self._window)
        device = next(module.parameters()).device
        total, predictions = torch.zeros((), dtype=torch.float64, device=device), 0
        carry: Carry = ()
        for place in range(windows.windows):
            if not go_on():
                raise Interrupted
            batch = _batch(windows, place).to(device)
            features, carry = module(batch.tensors["tokens"], carry)
            output: nn.Module = module.output  # type: ignore[assignment]
            total += self._cross_entropy(output, features, batch.tensors["targets"].flatten(), 0.0)
            predictions += batch.predictions
        return total.item() / predictions


def _batch(windows: Windows, place: int) -> Batch:
    tokens, targets = windows.at(place)
    return Batch({"tokens": torch.from_numpy(tokens), "targets": torch.from_numpy(targets)}, targets.size)


def _named(part: str, loss: float) -> dict[str, float]:
    perplexity = math.exp(loss) if loss < 700 else math.inf
    return {f"log_perplexity/{part}": loss, f"perplexity/{part}": perplexity}
