"""What translation asks of a network, whoever wrote it: teacher-forced features, whose output is scores, and decoding
with cached states."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn


@dataclass(frozen=True)
class Special:
    """Tokens that are no words: what fills up, what opens a target, what ends source and target."""

    pad: int
    start: int
    end: int


class Decoding(Protocol):
    """One batch of source sentences being translated, N sentences with K hypotheses each; it keeps what it has read."""

    def step(self, tokens: Tensor) -> Tensor:
        """Log-probabilities (N, K, V) of the next token after these last ones (N, K)."""

    def select(self, rows: Tensor, beams: Tensor) -> None:
        """Go on with the sentences `rows` (M,), their hypotheses continuing those of `beams` (M, K)."""


class Translator(Protocol):
    """A module that translates; tokens are int64, padded at the end. `output` turns features into scores (..., V)."""

    output: nn.Module

    def __call__(self, source: Tensor, target: Tensor) -> Tensor:
        """Features (N, T, width) of what follows each of target (N, T), which opens with a start token; of (N, S)."""

    def decoding(self, source: Tensor, beam: int) -> Decoding:
        """Start translating source (N, S) with `beam` hypotheses each."""
