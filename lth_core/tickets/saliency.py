"""Criteria of a connection's effect on the network: SNIP, GraSP, SynFlow. Gradients are passed in as tensors.

Derivatives are taken at mask x weights. Scores are for the mask's layers; the smallest are pruned first.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import torch

from lth_core.settings.pruning import Pruning
from lth_core.tickets import mask as masks
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.scope import asked, between, keep, living

Derivative = Literal["gradient", "hessian_gradient"]
LossDerivative = Callable[[Derivative, Weights, Mask, Weights | None], Weights]
"""Of the training loss at these weights, with this mask: its gradient g, or H (mask x g) with its Hessian H. The last
argument: the statistics that the weights were trained with, see `Trained`; None: those of a new network."""

DERIVATIVES: Mapping[str, Derivative] = {"snip": "gradient", "grasp": "hessian_gradient"}
"""The derivative of the loss that each criterion needs."""
SYNFLOW = "synflow"
SYNFLOW_STEPS = 100
"""Steps in which SynFlow prunes (Tanaka et al. 2020, section 6)."""


def snip(weights: Weights, gradient: Weights, mask: Mask) -> Weights:
    """|w g|: the loss's change, to first order, if the connection is removed (Lee et al. 2019, equation 6).

    They divide by the sum of all, which does not change the order.
    """
    return {name: (weights[name] * gradient[name]).abs() for name in mask}


def grasp(weights: Weights, hessian_gradient: Weights, mask: Mask) -> Weights:
    """w (H g) = -S: connections whose removal increases the gradient's norm most, S = -w (H g), are pruned first.

    Wang et al. 2020, equation 8 and algorithm 1; without the temperature by which their program divides logits.
    """
    return {name: weights[name] * hessian_gradient[name] for name in mask}


def synflow(
    weights: Weights, mask: Mask, groups: Mapping[str, frozenset[str]], pruning: Pruning, round: int,
    flow: Callable[[Weights], Weights], steps: int = SYNFLOW_STEPS,
) -> Weights:  # fmt: skip
    """Scores by which SynFlow prunes to `round`: the step in which an entry is pruned, `steps` for survivors.

    In each step k of n, entries are scored by |w| dR/d|w| at the remaining |w|, and the best N (M/N)^(k/n) stay: N are
    alive at first, M at the end (Tanaka et al. 2020, algorithm 1). flow: gives dR/d|w|, where R is the sum of the
    outputs of the linearised network with positive weights for an input of ones.
    """
    alive, magnitudes = mask, {name: w.abs() for name, w in weights.items()}
    last = asked(mask, groups, pruning, round)
    first = living(mask, last)
    gone = {name: torch.full(m.shape, float(steps)) for name, m in mask.items()}
    for step in range(1, steps + 1):
        left = masks.apply(alive, magnitudes)
        gradient = flow(left)
        kept = between(first, last, lambda n, m, k=step: _part_way(n, m, k / steps))  # type: ignore[misc]
        narrower = keep({name: left[name] * gradient[name] for name in mask}, alive, kept)
        for name, before in alive.items():
            gone[name][before & ~narrower[name]] = float(step - 1)
        alive = narrower
    return gone


def _part_way(first: int, last: int, share: float) -> int:
    """A number between two on a logarithmic scale; 0 is reached only at the end."""
    return last if share == 1 or not first else max(last, round(first * (max(last, 1) / first) ** share))
