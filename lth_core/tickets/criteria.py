"""Pruning criteria: a score per entry from stored weights; the smallest scores are pruned first.

w: the weights to prune (of `rewinding.prune_from`); w0: the dense run's initialisation. Names in brackets are those of
Zhou et al. 2019, "Deconstructing lottery tickets".
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch

from lth_core.tickets.mask import Weights

Criterion = Callable[[Weights, Weights], Weights]


def magnitude(w: Weights) -> Weights:
    """|w| of trained weights (Han et al. 2015; Yu et al. 2020, section 3.1) [large_final]."""
    return {name: x.abs() for name, x in w.items()}


def inverse(w: Weights) -> Weights:
    """-|w|: the largest magnitudes are pruned first, as a sanity check [small_final]."""
    return {name: -x.abs() for name, x in w.items()}


def magnitude_init(w: Weights, w0: Weights) -> Weights:
    """|w0|: magnitude at initialisation, before any training [large_init]."""
    return {name: w0[name].abs() for name in w}


def magnitude_increase(w: Weights, w0: Weights) -> Weights:
    """|w| - |w0| [magnitude_increase]."""
    return {name: x.abs() - w0[name].abs() for name, x in w.items()}


def movement(w: Weights, w0: Weights) -> Weights:
    """|w - w0| [movement]."""
    return {name: (x - w0[name]).abs() for name, x in w.items()}


BY_NAME: Mapping[str, Criterion] = {
    "magnitude": lambda w, w0: magnitude(w),
    "inverse": lambda w, w0: inverse(w),
    "magnitude_init": magnitude_init,
    "magnitude_increase": magnitude_increase,
    "movement": movement,
}
RANDOM = "random"


def scores(criterion: str, w: Weights, w0: Weights | None, rng: np.random.Generator) -> Weights:
    """Scores under the criterion of that name; `random` draws them from `rng` without reading weights.

    Raises ValueError if the criterion needs an initialisation that is not stored.
    """
    if criterion == RANDOM:
        return {name: torch.from_numpy(rng.random(x.numel())).view(x.shape) for name, x in w.items()}
    if w0 is None and criterion not in ("magnitude", "inverse"):
        raise ValueError(f"criterion {criterion} needs the dense run's initialisation, which is not stored")
    return BY_NAME[criterion](w, w0 or {})
