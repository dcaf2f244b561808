"""What the five games have in common: N of them side by side, each quantity an array with a row for each game."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from lth_core.tasks.minatar.draws import Draws
from lth_core.tasks.step import Array

SIZE = 10
"""Cells of a board's side."""
NOTHING, LEFT, UP, RIGHT, DOWN, FIRE = range(6)
"""The actions; in some games several do nothing."""
ASIDE, DOWNWARD = np.array([0, -1, 0, 1, 0, 0]), np.array([0, 0, -1, 0, 1, 0])
"""Cells by which an action moves the player to the right, and down."""


class Game(ABC):
    """N games. channels: of an observation, in order. moves: the actions that have an effect.

    ramping: whether games become harder while they last, where they can.
    """

    channels: ClassVar[tuple[str, ...]]
    moves: ClassVar[tuple[int, ...]]

    def __init__(self, draws: Draws, ramping: bool) -> None:
        self.draws, self.ramping, self._first = draws, ramping, self.first()
        for name, value in self._first.items():
            setattr(self, name, np.repeat(value[None], len(draws.states), 0))
        self.rows = np.arange(len(draws.states))
        self.start(self.rows)

    @abstractmethod
    def first(self) -> dict[str, Array]:
        """The start of a game by attribute, without what is random."""

    def start(self, rows: Array) -> None:  # noqa: B027 some games start alike
        """Draw what is random at the start of these games."""

    @abstractmethod
    def act(self, actions: Array) -> tuple[Array, Array]:
        """Play a step of all games; rewards (N,) and which are over (N,) bool."""

    @abstractmethod
    def seen(self) -> Array:
        """Observations (N, channels, 10, 10), bytes of 0 and 1."""

    def restart(self, rows: Array) -> None:
        """New games in these rows."""
        for name, value in self._first.items():
            getattr(self, name)[rows] = value
        self.start(rows)

    def keep(self, rows: Array) -> None:
        """Keep only these games."""
        for name in self._first:
            setattr(self, name, getattr(self, name)[rows])
        self.draws.states = self.draws.states[rows]
        self.rows = np.arange(len(rows))

    def state(self) -> dict[str, Array]:
        """All that later steps depend on."""
        return {"draws": self.draws.states.copy(), **{name: getattr(self, name).copy() for name in self._first}}

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of `state`."""
        self.draws.states = arrays["draws"].copy()
        for name in self._first:
            setattr(self, name, arrays[name].copy())

    def blank(self) -> Array:
        """Empty observations."""
        return np.zeros((len(self.rows), len(self.channels), SIZE, SIZE), np.uint8)
