"""Pruning criteria: a score per entry; the smallest scores are pruned first."""

from lth_core.tickets.mask import Weights


def magnitude(weights: Weights) -> Weights:
    """|w| of trained weights (Han et al. 2015; Yu et al. 2020, section 3.1)."""
    return {name: w.abs() for name, w in weights.items()}
