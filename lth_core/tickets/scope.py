"""Scope: over which entries scores are ranked together, and how many of them stay at each round."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lth_core.settings.pruning import Pruning
from lth_core.tickets.mask import Mask, keep_largest, pooled, split

LOG_STD = "log_std"
"""The group of a Gaussian policy's log standard deviations. They are no connections: a zero means a standard
deviation of 1, where they all start, so that pruning by magnitude would freeze the exploration. Never pruned."""


def prunable(groups: Mapping[str, frozenset[str]], pruning: Pruning) -> tuple[str, ...]:
    """Names of the parameters that may be pruned: those in none of the groups that `pruning.keep` names."""
    kept = {LOG_STD, *pruning.keep}
    return tuple(name for name, tags in groups.items() if not tags & kept)


def remaining(total: int, density: float) -> int:
    """Entries that stay of `total`: rounded to the nearest, from the first round's total, never accumulated."""
    return round(total * density)


def layer_density(tags: frozenset[str], pruning: Pruning, round: int) -> float:
    """Density asked of one layer; where several of its groups have a fraction of their own, the gentlest holds."""
    own = [pruning.density(round, group) for group in pruning.fractions if group in tags]
    return max(own) if own else pruning.density(round)


def layer_counts(mask: Mask, groups: Mapping[str, frozenset[str]], pruning: Pruning, round: int) -> dict[str, int]:
    """How many entries of each layer stay at `round` under layerwise scope."""
    return {name: remaining(m.numel(), layer_density(groups[name], pruning, round)) for name, m in mask.items()}


def prune(
    scores: Mapping[str, Tensor],
    parent: Mask,
    groups: Mapping[str, frozenset[str]],
    pruning: Pruning,
    round: int,
) -> Mask:
    """The mask of `round`, nested in `parent`: by scope, exactly as many as asked, only living entries ranked."""
    if pruning.scope == "global":
        k = remaining(sum(m.numel() for m in parent.values()), pruning.density(round))
        return keep_overall(scores, parent, k)
    return keep_per_layer(scores, parent, layer_counts(parent, groups, pruning, round))


def keep_overall(scores: Mapping[str, Tensor], parent: Mask, k: int) -> Mask:
    """Keep the k best of all layers pooled."""
    return split(keep_largest(pooled(scores, parent), pooled(parent, parent), k), parent)


def keep_per_layer(scores: Mapping[str, Tensor], parent: Mask, kept: Mapping[str, int]) -> Mask:
    """Keep the best `kept[layer]` of each layer."""
    return {
        name: keep_largest(scores[name].flatten(), alive.flatten(), kept[name]).view(alive.shape)
        for name, alive in parent.items()
    }


def permuted(mask: Mask, order: Mapping[str, Tensor]) -> Mask:
    """Each layer's mask rearranged by a permutation of its entries; counts per layer stay."""
    return {name: m.flatten()[order[name]].view(m.shape) for name, m in mask.items()}


def permute_survivors(weights: Tensor, alive: Tensor, order: Tensor) -> Tensor:
    """The living entries of one layer rearranged among themselves by `order`, a permutation of their number."""
    flat = weights.flatten().clone()
    positions = alive.flatten().nonzero().flatten()
    flat[positions] = flat[positions[order]]
    return torch.where(alive, flat.view(weights.shape), weights)
