"""Gradual magnitude pruning (Zhu and Gupta 2017): a mask that shrinks during one training, to a round's density."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lth_core.settings.pruning import Pruning
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.scope import asked, between, keep, sizes


@dataclass(frozen=True)
class Narrowing:
    """When and how far the mask of one training shrinks. groups: as in Family; round: whose density it reaches."""

    groups: Mapping[str, frozenset[str]]
    pruning: Pruning
    round: int

    @property
    def steps(self) -> int:
        """The number of the last step."""
        return self.pruning.gradual.steps

    def due(self, passed: float) -> int:
        """How many steps of pruning are due after this share of the training."""
        gradual = self.pruning.gradual
        if passed >= gradual.end:
            return gradual.steps
        way = (passed - gradual.start) / (gradual.end - gradual.start)
        return max(0, math.floor(way * gradual.steps + 1e-9))  # 0.35 - 0.2 is not exactly 0.15

    def mask(self, weights: Weights, mask: Mask, step: int) -> Mask:
        """The mask after a step: the largest magnitudes among the entries alive.

        Of all n entries, or of each layer's if layers are ranked separately, n - (n - m) (1 - (1 - step / steps)^3)
        stay (equation 1 of the paper, from no sparsity); m, after the last step, is the round's number. Raises
        ValueError if a weight is not a number.
        """
        gone = 1 - (1 - step / self.pruning.gradual.steps) ** 3
        last = asked(mask, self.groups, self.pruning, self.round)
        kept = between(sizes(mask, last), last, lambda n, m: n - round((n - m) * gone))
        return keep({name: weights[name].abs() for name in mask}, mask, kept)
