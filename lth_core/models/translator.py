"""The interface of translation networks: teacher-forced features with an output layer to logits, and decoding with
cached states."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn


@dataclass(frozen=True)
class Special:
    """Special tokens: padding, the start of a target, the end of source and target."""

    pad: int
    start: int
    end: int


class Decoding(Protocol):
    """The state of decoding N source sentences with K hypotheses each, with cached activations."""

    def step(self, tokens: Tensor) -> Tensor:
        """Log-probabilities (N, K, V) of the next token, given the last tokens (N, K)."""

    def select(self, rows: Tensor, beams: Tensor) -> None:
        """Continue only with the sentences `rows` (M,); their new hypotheses extend those of `beams` (M, K)."""


class Translator(Protocol):
    """A module that translates. Tokens are int64, padded at the end. `output` maps features to logits (..., V)."""

    output: nn.Module

    def __call__(self, source: Tensor, target: Tensor) -> Tensor:
        """Features (N, T, width) that predict the token after each of target (N, T), which begins with the start token.
        source: (N, S)."""

    def decoding(self, source: Tensor, beam: int) -> Decoding:
        """Start translating source (N, S) with `beam` hypotheses each."""
