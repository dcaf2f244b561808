"""One game for watching: the network's observations, and pictures."""

from typing import Protocol

from lth_core.tasks.step import Array


class Watched(Protocol):
    """A running game. rate: pictures per second. valid: see Environments."""

    rate: float

    @property
    def valid(self) -> Array | None: ...

    def seen(self) -> Array:
        """The network's input, (1, 1, ...)."""

    def picture(self) -> Array:
        """(height, width, 3) uint8."""

    def step(self, actions: Array) -> tuple[float, bool]:
        """Take an action, (1, 1) or (1, 1, A) as in Environments.step; the reward, and whether the game is over."""

    def close(self) -> None:
        """Put it away."""
