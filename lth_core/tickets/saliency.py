"""Criteria that ask what a connection does to the network: SNIP, GraSP, SynFlow. Gradients come in as tensors.

A slope is a derivative by every parameter, taken at mask x weights. Scores are for the mask's layers; the smallest are
pruned first.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import torch

from lth_core.settings.pruning import Pruning
from lth_core.tickets import mask as masks
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.scope import asked, between, keep, living

Slope = Literal["gradient", "hessian_gradient"]
Slopes = Callable[[Slope, Weights, Mask], Weights]
"""Of the training loss at these weights, with this mask: its gradient g, or H (mask x g) with its Hessian H."""

SLOPES: Mapping[str, Slope] = {"snip": "gradient", "grasp": "hessian_gradient"}
"""What each criterion needs of the loss."""
SYNFLOW = "synflow"
SYNFLOW_STEPS = 100
"""Steps in which SynFlow prunes (Tanaka et al. 2020, section 6)."""


def snip(weights: Weights, gradient: Weights, mask: Mask) -> Weights:
    """|w g|: what the loss changes by, to first order, when the connection goes (Lee et al. 2019, equation 6).

    Their division by the sum of all changes no order.
    """
    return {name: (weights[name] * gradient[name]).abs() for name in mask}


def grasp(weights: Weights, hessian_gradient: Weights, mask: Mask) -> Weights:
    """w (H g) = -S: connections whose removal lets the gradient's norm grow most, S = -w (H g), go first.

    Wang et al. 2020, equation 8 and algorithm 1; without the temperature by which their program divides logits.
    """
    return {name: weights[name] * hessian_gradient[name] for name in mask}


def synflow(
    weights: Weights, mask: Mask, groups: Mapping[str, frozenset[str]], pruning: Pruning, round: int,
    flow: Callable[[Weights], Weights], steps: int = SYNFLOW_STEPS,
) -> Weights:  # fmt: skip
    """The order in which SynFlow prunes down to `round`: the step in which an entry goes, `steps` for survivors.

    In each step k of n, entries are scored by |w| dR/d|w| at what is left of |w|, and the best N (M/N)^(k/n) stay: N
    live at first, M are asked (Tanaka et al. 2020, algorithm 1). `flow` gives dR/d|w|, R being the sum of what the
    network, with all weights positive and nothing but additions in it, makes of an input of ones.
    """
    alive, magnitudes = mask, {name: w.abs() for name, w in weights.items()}
    last = asked(mask, groups, pruning, round)
    first = living(mask, last)
    gone = {name: torch.full(m.shape, float(steps)) for name, m in mask.items()}
    for step in range(1, steps + 1):
        left = masks.apply(alive, magnitudes)
        slopes = flow(left)
        kept = between(first, last, lambda n, m, k=step: _part_way(n, m, k / steps))  # type: ignore[misc]
        narrower = keep({name: left[name] * slopes[name] for name in mask}, alive, kept)
        for name, before in alive.items():
            gone[name][before & ~narrower[name]] = float(step - 1)
        alive = narrower
    return gone


def _part_way(first: int, last: int, share: float) -> int:
    """Between two numbers on a logarithmic scale; 0 is reached at the end only."""
    return last if share == 1 or not first else max(last, round(first * (max(last, 1) / first) ** share))
