"""The sizes of the convolutional and dense layers of each architecture of `settings.networks.Convolutional`."""

from dataclasses import dataclass, replace
from functools import lru_cache


@dataclass(frozen=True)
class Filters:
    """One convolution: `count` filters of size x size, and whether 2x2 max pooling follows."""

    count: int
    size: int
    stride: int = 1
    padding: int = 0
    pooled: bool = False

    def places(self, length: int) -> int:
        """At how many places the filters fit in an input of this height or width."""
        return (length + 2 * self.padding - self.size) // self.stride + 1

    def after(self, length: int) -> int:
        """The output height or width for an input of this height or width."""
        return self.places(length) // 2 if self.pooled else self.places(length)


ARCHITECTURES: dict[str, tuple[tuple[Filters, ...], tuple[int, ...]]] = {
    "nature": ((Filters(32, 8, 4), Filters(64, 4, 2), Filters(64, 3)), (512,)),
    "small": ((Filters(16, 8, 4), Filters(32, 4, 2)), (256,)),
    "paper": (
        (*[Filters(64, 5, padding=2, pooled=True)] * 2, *[Filters(64, 3, padding=1, pooled=True)] * 2),
        (512, 512),
    ),
}
"""Convolutions and dense layers of each architecture (see settings.networks.Convolutional)."""


@lru_cache(maxsize=64)
def layers(architecture: str, width: float) -> tuple[tuple[Filters, ...], tuple[int, ...]]:
    """The convolutions and dense layers, their numbers times width: each has at least two filters or units."""
    filters, hidden = ARCHITECTURES[architecture]

    def scaled(number: int) -> int:
        return max(2, round(number * width))

    return tuple(replace(one, count=scaled(one.count)) for one in filters), tuple(scaled(units) for units in hidden)
