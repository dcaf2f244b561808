"""What is pruned, and where tickets are rewound to: `[pruning]` and `[rewinding]`."""

from typing import Annotated, Literal

from pydantic import Field

from lth_core.settings.base import Fraction, Positive, Section

Criterion = Literal[
    "magnitude", "magnitude_init", "magnitude_increase", "movement", "random", "inverse", "snip", "grasp", "synflow",
]  # fmt: skip


class Pruning(Section):
    """What is pruned, how much a round and for how many rounds (paper, section 3.1 and equation 1).

    batches: of training, or rollouts, over which the loss of the criteria snip and grasp is taken.
    """

    fraction: Fraction = 0.2
    rounds: Annotated[int, Field(gt=0, le=200)] = 20
    criterion: Criterion = "magnitude"
    batches: Annotated[int, Field(gt=0, le=10**6)] = 8
    scope: Literal["global", "layerwise", "erk"] = "global"
    keep: tuple[str, ...] = ()
    fractions: dict[str, Fraction] = Field(default_factory=dict)

    def density(self, round: int, group: str | None = None) -> float:
        """Fraction that remains after `round` rounds, (1-p)^k; `group` selects a per-group fraction."""
        fraction = self.fraction if group is None else self.fractions[group]
        return float((1.0 - fraction) ** round)


class Rewinding(Section):
    """The triple of rewinding: weights ranked at, weights reset to, schedule reset to."""

    prune_from: Literal["final"] | Positive = "final"
    weights: Annotated[int, Field(ge=0)] = 0
    schedule: Literal["start", "rewind", "end"] = "start"
    optimizer: Literal["fresh", "rewind"] = "fresh"
