"""The data of a heatmap: layers, and how much of each is kept after each round. Values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_SMALLEST_NEWS = 8
"""Entries of a layer of which it is news that none is kept."""


@dataclass(frozen=True)
class HeatRow:
    """One layer: its name and how many entries it has."""

    layer: str
    shape: tuple[int, ...]
    size: int
    prunable: bool

    @property
    def is_news(self) -> bool:
        """Whether it is news that nothing of it is kept: of a few biases it is not, of a layer it is."""
        return self.size >= _SMALLEST_NEWS


@dataclass(frozen=True)
class HeatCell:
    """How much of a layer is kept at one round, over `seeds` seeds; in `dead` of them the layer is empty.

    share: shown instead of the part kept, if given; words: then describes it.
    """

    kept: float
    least: int
    most: int
    seeds: int
    dead: int
    share: float | None = None
    words: str = ""


@dataclass(frozen=True)
class HeatTable:
    """Rows by position; cells by (row, round); `rounds` columns after round 0."""

    title: str = ""
    rows: Sequence[HeatRow] = ()
    cells: Mapping[tuple[int, int], HeatCell] = field(default_factory=dict)
    rounds: int = 0
    empty: str = "no ticket has been made yet"
