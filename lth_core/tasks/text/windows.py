"""Windows of a text: the batches for training and evaluating a language model.

Pure arithmetic on token files.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lth_core.errors import InputError
from lth_core.tasks.text.corpus import Tokens

NOTHING = -1
"""Target of a position where no token is predicted."""


@dataclass(frozen=True)
class Windows:
    """One part of a corpus cut into `rows` texts of equal length; the remainder at the end is not read."""

    tokens: Tokens
    rows: int
    window: int

    def __post_init__(self) -> None:
        most = len(self.tokens) // 2
        if most < self.rows:
            raise InputError(
                f"training.batch = {self.rows}: the corpus has {len(self.tokens):,} tokens, expected a batch of at "
                f"most {most:,} {'text' if most == 1 else 'texts'}"
            )

    @property
    def length(self) -> int:
        """Tokens of a row; the first one is not predicted."""
        return len(self.tokens) // self.rows

    @property
    def windows(self) -> int:
        """How many windows cover the rows; the last may be shorter."""
        return -(-(self.length - 1) // self.window)

    def at(self, place: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Tokens and the tokens that follow them, (rows, window) each."""
        rows = self.tokens[: self.rows * self.length].reshape(self.rows, self.length)
        first = place * self.window
        cut = rows[:, first : first + self.window + 1].astype(np.int64)
        return cut[:, :-1], cut[:, 1:]


@dataclass(frozen=True)
class Evaluation:
    """One part of a corpus cut into at most `rows` texts, so that each of its tokens is predicted exactly once.

    A row continues where the one before it ends, and its first token is predicted from the last one there. The first
    token of all is predicted from the part's last, which is the end of a line. Only the last rows may be shorter.
    """

    tokens: Tokens
    rows: int
    window: int

    @property
    def length(self) -> int:
        """Tokens of a row."""
        return -(-len(self.tokens) // self.rows)

    @property
    def windows(self) -> int:
        """How many windows cover the rows."""
        return -(-self.length // self.window)

    def at(self, place: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Tokens and the tokens that follow them, (rows, window) each; NOTHING after the end of a row."""
        columns = np.arange(place * self.window, min((place + 1) * self.window, self.length))
        targets = np.arange(self.rows)[:, None] * self.length + columns
        ended = targets >= len(self.tokens)
        targets[ended] = 0
        return self.tokens[targets - 1].astype(np.int64), np.where(
            ended, NOTHING, self.tokens[targets].astype(np.int64)
        )
