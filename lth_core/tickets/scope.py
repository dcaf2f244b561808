"""Scope: which entries are ranked together, and how many of them stay at each round."""

import math
from collections.abc import Callable, Mapping

from torch import Tensor

from lth_core.settings.pruning import Pruning
from lth_core.tickets.mask import Mask, counts, keep_largest, pooled, size, split, total

Kept = int | dict[str, int]
"""How many entries stay: of all layers together, or of each layer."""

LOG_STD = "log_std"
"""The group of a Gaussian policy's log standard deviations, which are never pruned. They are no connections: zero
means a standard deviation of 1, where they all start, so that pruning by magnitude would freeze the exploration."""


def prunable(groups: Mapping[str, frozenset[str]], pruning: Pruning) -> tuple[str, ...]:
    """Names of the prunable parameters: those in none of the groups in `pruning.keep`."""
    kept = {LOG_STD, *pruning.keep}
    return tuple(name for name, tags in groups.items() if not tags & kept)


def remaining(total: int, density: float) -> int:
    """Entries of `total` that stay: rounded to the nearest, always from the first total, never accumulated."""
    return round(total * density)


def layer_density(tags: frozenset[str], pruning: Pruning, round: int) -> float:
    """The density of one layer; if several of its groups have a fraction of their own, the gentlest applies."""
    own = [pruning.density(round, group) for group in pruning.fractions if group in tags]
    return max(own) if own else pruning.density(round)


def layer_counts(mask: Mask, groups: Mapping[str, frozenset[str]], pruning: Pruning, round: int) -> dict[str, int]:
    """How many entries of each layer stay at `round` if layers are ranked separately (scope `layerwise` or `erk`)."""
    if pruning.scope == "erk":
        sizes = {name: tuple(m.shape) for name, m in mask.items()}
        return {n: remaining(mask[n].numel(), d) for n, d in erk_densities(sizes, pruning.density(round)).items()}
    return {name: remaining(m.numel(), layer_density(groups[name], pruning, round)) for name, m in mask.items()}


def erk_densities(sizes: Mapping[str, tuple[int, ...]], density: float) -> dict[str, float]:
    """Erdos-Renyi-kernel densities of layers (Evci et al. 2020, after Mocanu et al. 2018), `density` overall.

    A layer's density is min(1, e x sum of its dimensions / product of them), with one e for all layers, chosen so that
    the densities weighted by size give `density`. Small layers stay denser than large ones, biases (e x 1) densest.
    No density rises from round to round, so that masks nest.
    """
    count = {name: math.prod(shape) for name, shape in sizes.items()}
    raw = {name: sum(shape) / count[name] for name, shape in sizes.items()}
    full: set[str] = set()
    while True:
        rest = density * sum(count.values()) - sum(count[name] for name in full)
        weight = sum(raw[name] * count[name] for name in sizes if name not in full)
        scale = rest / weight if weight else 0.0
        over = {name for name in sizes if name not in full and scale * raw[name] > 1}
        if not over:
            return {name: 1.0 if name in full else scale * raw[name] for name in sizes}
        full |= over


def prune(
    scores: Mapping[str, Tensor],
    parent: Mask,
    groups: Mapping[str, frozenset[str]],
    pruning: Pruning,
    round: int,
) -> Mask:
    """The mask of `round`, nested in `parent`: exactly the round's number of entries, by scope, of living ones."""
    return keep(scores, parent, asked(parent, groups, pruning, round))


def asked(mask: Mask, groups: Mapping[str, frozenset[str]], pruning: Pruning, round: int) -> Kept:
    """How many entries stay at `round`, by scope; uses only the sizes of the mask's layers."""
    if pruning.scope == "global":
        return remaining(size(mask), pruning.density(round))
    return layer_counts(mask, groups, pruning, round)


def sizes(mask: Mask, like: Kept) -> Kept:
    """How many entries there are: in total, or in each layer, as in `like`."""
    if isinstance(like, dict):
        return {name: m.numel() for name, m in mask.items()}
    return size(mask)


def living(mask: Mask, like: Kept) -> Kept:
    """How many entries are alive: in total, or in each layer, as in `like`."""
    return counts(mask) if isinstance(like, dict) else total(mask)


def between(first: Kept, last: Kept, way: Callable[[int, int], int]) -> Kept:
    """`way` from each number of `first` to that of `last`."""
    if isinstance(first, dict) and isinstance(last, dict):
        return {name: way(count, last[name]) for name, count in first.items()}
    if isinstance(first, int) and isinstance(last, int):
        return way(first, last)
    raise TypeError("counted together and layer by layer")


def keep(scores: Mapping[str, Tensor], parent: Mask, kept: Kept) -> Mask:
    """Keep the `kept` best entries: of all layers pooled, or of each layer."""
    return keep_per_layer(scores, parent, kept) if isinstance(kept, dict) else keep_overall(scores, parent, kept)


def keep_overall(scores: Mapping[str, Tensor], parent: Mask, k: int) -> Mask:
    """Keep the k best entries of all layers pooled."""
    return split(keep_largest(pooled(scores, parent), pooled(parent, parent), k), parent)


def keep_per_layer(scores: Mapping[str, Tensor], parent: Mask, kept: Mapping[str, int]) -> Mask:
    """Keep the `kept[layer]` best entries of each layer."""
    return {
        name: keep_largest(scores[name].flatten(), alive.flatten(), kept[name]).view(alive.shape)
        for name, alive in parent.items()
    }
