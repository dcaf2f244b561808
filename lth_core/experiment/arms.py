"""Arms as data: the source of a ticket's mask, start weights and schedule. No arm has code of its own."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lth_core.settings.base import Section
from lth_core.settings.pruning import Criterion

MaskSource = Literal[
    "iterative", "one_shot", "ticket", "random", "random_global", "shuffled", "gradual", "smaller", "imported",
    "full", "static", "set", "rigl", "wider",
]  # fmt: skip
WeightSource = Literal["rewind", "init", "fresh", "shuffled", "final", "signed", "constant", "imported"]
ScheduleSource = Literal["experiment", "start", "rewind", "end"]

DENSE = "dense"
"""Name of round 0: the unpruned network that all arms of a seed share."""
DENSE_REWOUND = "dense_rewound"
"""The unpruned network trained as tickets are, from its own rewind weights: what tickets are measured against."""


class Arm(Section):
    """One arm.

    mask
        `iterative`      the arm's own previous round, trained, loses its smallest magnitudes
        `one_shot`       the dense network pruned once to this round's density; trained, unless `at` says otherwise
        `ticket`         the mask of the arm `of`
        `random`         a random mask with the per-layer counts of the arm `of`
        `random_global`  a random mask over the pooled parameters with the total count of `of`
        `shuffled`       the mask of `of`, permuted within each layer
        `gradual`        full at first; pruned by magnitude to this round's density during the training
        `smaller`        none: a smaller, unpruned network with as many parameters as the ticket of `of` keeps
        `imported`       the mask of the experiment's `ticket`
        `full`           none: the unpruned network, trained once, in round 1
        `static`         random, with as many entries as the round's tickets, spread over the layers as
                         `pruning.moving` says
        `set`            drawn likewise at first; its smallest magnitudes move to random places during the training
        `rigl`           likewise, to the places with the largest gradients
        `wider`          random, in a network `width` times as wide, with as many living parameters as the ticket of
                         `of` keeps, spread over its layers as `pruning.moving` says
    weights
        `rewind`    the dense run's weights at the rewind point
        `init`      the dense run's initial weights
        `fresh`     a new initialisation for this arm and round
        `shuffled`  the rewound weights, survivors permuted within each layer
        `signed`    fresh magnitudes with the signs of the rewound weights
        `constant`  one magnitude per layer, its initialisation's standard deviation, with those signs
        `final`     the trained weights that were pruned (the arm's previous round, or the dense run)
        `imported`  the weights of the experiment's `ticket`
    schedule
        `start`       step counter at 0, full length
        `rewind`      step counter at the rewind point, remaining length
        `end`         schedule held at its final value, full length
        `experiment`  as in `[rewinding] schedule`
    criterion
        how to rank entries if the mask is `iterative` or `one_shot`; `experiment`: as in `[pruning]`
    at
        which weights of the dense run a `one_shot` mask ranks: `init`, `rewind`, or `experiment`: as in
        `rewinding.prune_from`
    width
        how many times as wide as the experiment's network a `wider` one is
    """

    mask: MaskSource
    weights: WeightSource
    schedule: ScheduleSource = "experiment"
    of: str = "winning"
    criterion: Literal["experiment"] | Criterion = "experiment"
    at: Literal["experiment", "init", "rewind"] = "experiment"
    width: Annotated[float, Field(gt=1, le=64)] = 2.0

    added: ClassVar[frozenset[str]] = frozenset({"width"})

    @property
    def prunes(self) -> bool:
        """Whether the mask comes from ranking weights."""
        return self.mask in ("iterative", "one_shot")

    @property
    def borrows_mask(self) -> bool:
        """Whether the mask is derived from another arm's mask."""
        return self.mask in ("ticket", "random", "random_global", "shuffled")

    @property
    def refers(self) -> bool:
        """Whether `of` is used: to borrow its mask, or to match its size."""
        return self.borrows_mask or not self.shares_network

    @property
    def shares_network(self) -> bool:
        """Whether it trains the experiment's network, and not one of other widths."""
        return self.mask not in ("smaller", "wider")

    @property
    def from_start(self) -> bool:
        """Whether it is sparse from the start, with a random mask of its own."""
        return self.mask == "static" or self.moves

    @property
    def moves(self) -> bool:
        """Whether its mask moves during the training."""
        return self.mask in ("set", "rigl")

    @property
    def unpruned(self) -> bool:
        """Whether it is the experiment's network, whole: no ticket, but something to measure tickets against."""
        return self.mask == "full"


BUILT_IN: dict[str, Arm] = {
    DENSE_REWOUND: Arm(mask="full", weights="rewind"),
    "winning": Arm(mask="iterative", weights="rewind"),
    "winning_init": Arm(mask="iterative", weights="init", schedule="start"),
    "one_shot": Arm(mask="one_shot", weights="rewind"),
    "one_shot_init": Arm(mask="one_shot", weights="init", schedule="start"),
    "random": Arm(mask="random", weights="fresh"),
    "random_global": Arm(mask="random_global", weights="fresh"),
    "reinit": Arm(mask="ticket", weights="fresh"),
    "shuffled_mask": Arm(mask="shuffled", weights="rewind"),
    "shuffled_weights": Arm(mask="ticket", weights="shuffled"),
    "signed_reinit": Arm(mask="ticket", weights="signed"),
    "signed_constant": Arm(mask="ticket", weights="constant"),
    "finetune": Arm(mask="iterative", weights="final", schedule="end"),
    "lr_rewind": Arm(mask="iterative", weights="final", schedule="rewind"),
    "gmp": Arm(mask="gradual", weights="init", schedule="start"),
    "static": Arm(mask="static", weights="init", schedule="start"),
    "set": Arm(mask="set", weights="init", schedule="start"),
    "rigl": Arm(mask="rigl", weights="init", schedule="start"),
    "small_dense": Arm(mask="smaller", weights="fresh", schedule="start"),
    "wide_sparse": Arm(mask="wider", weights="fresh", schedule="start"),
    "imported": Arm(mask="imported", weights="rewind"),
    "transferred": Arm(mask="imported", weights="imported", schedule="start"),
    "magnitude_init": Arm(mask="one_shot", weights="init", schedule="start", criterion="magnitude", at="init"),
    "snip": Arm(mask="one_shot", weights="init", schedule="start", criterion="snip", at="init"),
    "grasp": Arm(mask="one_shot", weights="init", schedule="start", criterion="grasp", at="init"),
    "synflow": Arm(mask="one_shot", weights="init", schedule="start", criterion="synflow", at="init"),
}
