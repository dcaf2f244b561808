"""How to prune, and where to rewind tickets to: `[pruning]` and `[rewinding]`."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lth_core.settings.base import WHOLE, Fraction, Positive, Section, Share

Criterion = Literal[
    "magnitude", "magnitude_init", "magnitude_increase", "movement", "random", "inverse", "snip", "grasp", "synflow",
]  # fmt: skip


class Gradual(Section):
    """When arms with a `gradual` mask prune: in `steps` steps between two fractions of their training.

    Follows Graesser et al. 2022, who prune from a fifth of the training on.
    """

    start: Share = 0.2
    end: Annotated[float, Field(gt=0, le=1)] = 0.8
    steps: Annotated[int, Field(gt=0, le=100_000), WHOLE] = 100

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"start {self.start:g}: expected less than end, {self.end:g}")
        return self


class Moving(Section):
    """The masks of the arms that are sparse from the start, and how those of set and rigl move.

    drop: the share of each layer's living weights that a change would replace at the start; it falls to 0 at `end`
    along half a cosine (Evci et al. 2020). interval: the share of the training between two changes. end: the share of
    the training after which masks stand still. distribution: how many weights each layer has, `erk` as in the scope of
    that name, or `uniform`, the same share of each; in all as many as the tickets of the round keep. Arms with mask
    `wider` have this distribution too.
    """

    drop: Fraction = 0.3
    interval: Fraction = 0.01
    end: Annotated[float, Field(gt=0, le=1)] = 0.75
    distribution: Literal["erk", "uniform"] = "erk"

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.interval >= self.end:
            raise ValueError(f"interval {self.interval:g}: expected less than end, {self.end:g}")
        return self


class Pruning(Section):
    """What to prune, how much per round and for how many rounds (paper, section 3.1 and equation 1).

    batches: number of training batches, or rollouts, for the loss of the criteria snip and grasp.
    """

    fraction: Fraction = 0.2
    rounds: Annotated[int, Field(gt=0, le=200), WHOLE] = 20
    criterion: Criterion = "magnitude"
    batches: Annotated[int, Field(gt=0, le=10**6), WHOLE] = 8
    gradual: Gradual = Gradual()
    moving: Moving = Moving()
    scope: Literal["global", "layerwise", "erk"] = "global"
    keep: tuple[str, ...] = ()
    fractions: dict[str, Fraction] = Field(default_factory=dict)

    added: ClassVar[frozenset[str]] = frozenset({"moving"})

    def density(self, round: int, group: str | None = None) -> float:
        """Fraction kept after `round` rounds, (1-p)^k; `group` selects a per-group fraction."""
        fraction = self.fraction if group is None else self.fractions[group]
        return float((1.0 - fraction) ** round)


class Rewinding(Section):
    """The three points of rewinding: which weights are ranked, which weights and which schedule tickets restart from.

    weights: they are those at the end of the first update that reaches this point, from where tickets go on with
    schedule "rewind" (with unit "games" from the point itself, since an update may end several games). buffers: state
    beside the weights, such as running statistics of BatchNorm or of normalised observations. They are rewound with the
    weights, or are fresh, as in a new network. equal_training: arms that start from untrained weights first train up to
    the rewind point as the dense run did, then as tickets do, so that as much training is behind them.
    """

    prune_from: Literal["final"] | Positive = "final"
    weights: Annotated[int, Field(ge=0), WHOLE] = 0
    schedule: Literal["start", "rewind", "end"] = "start"
    optimizer: Literal["fresh", "rewind"] = "fresh"
    buffers: Literal["fresh", "rewind"] = "rewind"
    equal_training: bool = False

    added: ClassVar[frozenset[str]] = frozenset({"buffers", "equal_training"})
