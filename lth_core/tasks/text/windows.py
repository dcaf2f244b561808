"""Texts read side by side, a window at a time: the batches of a language model. Pure arithmetic on token files."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lth_core.errors import InputError
from lth_core.tasks.text.corpus import Tokens


@dataclass(frozen=True)
class Windows:
    """One part of a corpus cut into `rows` texts of equal length; what is left over at its end is not read."""

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
        """Tokens of a row, the first of which is predicted from nothing and so is not."""
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
