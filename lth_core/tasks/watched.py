"""One game that is watched: what a network sees of it, and pictures of it."""

from typing import Protocol

from lth_core.tasks.step import Array


class Watched(Protocol):
    """A game under way. rate: pictures a second. valid: see Environments."""

    rate: float

    @property
    def valid(self) -> Array | None: ...

    def seen(self) -> Array:
        """(1, 1, ...) what a network is given."""

    def picture(self) -> Array:
        """(height, width, 3) uint8."""

    def step(self, actions: Array) -> tuple[float, bool]:
        """Act, (1, 1) or (1, 1, A) as environments of a stack are told; the reward, and whether the game is over."""

    def close(self) -> None:
        """Put it away."""
