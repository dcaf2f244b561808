"""Masks that are sparse from the start, and how they move: SET (Mocanu et al. 2018) and RigL (Evci et al. 2020)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from lth_core.randomness import stream
from lth_core.settings import pruning
from lth_core.settings.pruning import Pruning
from lth_core.tickets.mask import Mask, Weights, flat, largest, size
from lth_core.tickets.scope import asked, erk_densities


def layer_counts(mask: Mask, groups: Mapping[str, frozenset[str]], pruning: Pruning, round: int) -> dict[str, int]:
    """How many entries of each layer are alive at `round`: together as many as the round's tickets keep, spread over
    the layers by `pruning.moving.distribution`; uses only the sizes of the mask's layers."""
    kept = asked(mask, groups, pruning, round)
    return spread(mask, sum(kept.values()) if isinstance(kept, dict) else kept, pruning)


def spread(mask: Mask, total: int, pruning: Pruning) -> dict[str, int]:
    """So many entries in all, spread over the layers by `pruning.moving.distribution`; uses only the layers' sizes."""
    density = total / size(mask) if mask else 0.0
    shares = dict.fromkeys(mask, density)
    if pruning.moving.distribution == "erk":
        shares = erk_densities({name: tuple(m.shape) for name, m in mask.items()}, density)
    return rounded({name: share * mask[name].numel() for name, share in shares.items()}, total)


def rounded(exact: Mapping[str, float], total: int) -> dict[str, int]:
    """Whole numbers with this total, each the one below or above the exact one: those with the largest remainders are
    rounded up."""
    below = {name: math.floor(one + 1e-9) for name, one in exact.items()}
    order = sorted(exact, key=lambda name: below[name] - exact[name])
    up = set(order[: total - sum(below.values())])
    return {name: count + (name in up) for name, count in below.items()}


@dataclass(frozen=True)
class Moving:
    """When and how the mask of one training moves. mask: `set` or `rigl`; seed, arm, round: whose training it is."""

    mask: str
    settings: pruning.Moving
    seed: int
    arm: str
    round: int

    @property
    def steps(self) -> int:
        """The number of the last change, the last multiple of the interval before the end."""
        return math.ceil(self.settings.end / self.settings.interval - 1e-9) - 1

    def due(self, passed: float) -> int:
        """The number of the last change that is due after this share of the training."""
        return min(self.steps, math.floor(passed / self.settings.interval + 1e-9))

    def moves(self, passed: float) -> bool:
        """Whether masks still move after this share of the training."""
        return passed < self.settings.end

    def share(self, step: int) -> float:
        """The share of living weights that a change replaces: drop / 2 (1 + cos(pi t / end)) (RigL, section 3)."""
        way = step * self.settings.interval / self.settings.end
        return self.settings.drop / 2 * (1 + math.cos(math.pi * way))

    def moved(self, weights: Weights, gradient: Weights, mask: Mask, step: int) -> Mask:
        """The mask after a change: in each layer the smallest magnitudes go, and as many dead entries come.

        They are drawn, or have the largest gradients. What goes cannot come back at once, so a layer replaces no more
        than it has dead entries. gradient: that of all entries. Raises ValueError if a number is not one.
        """
        scores = self._drawn(mask, step) if self.mask == "set" else {n: np.abs(flat(g)) for n, g in gradient.items()}
        found = {}
        for name, one in mask.items():
            alive = flat(one)
            living = int(np.count_nonzero(alive))
            count = min(round(self.share(step) * living), len(alive) - living)
            kept = largest(np.abs(flat(weights[name])), alive, living - count)
            kept |= largest(scores[name], ~alive, count)
            found[name] = torch.from_numpy(kept).view(one.shape)
        return found

    def _drawn(self, mask: Mask, step: int) -> dict[str, npt.NDArray[np.float64]]:
        """Random scores of all entries."""
        rng = stream(self.seed, "growth", self.arm, self.round, step)
        return {name: rng.random(m.numel()) for name, m in mask.items()}
