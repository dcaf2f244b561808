"""What a ticket must be made from by its arm's definition, chosen or drawn again for the audit.

Masks: see `expected_masks`. Shares no code with `derive`, so that an error in one is not repeated in the other.
"""

from dataclasses import replace

import torch

from lth_core.experiment.arms import DENSE
from lth_core.experiment.plan import TrialKey
from lth_core.tickets.derive import Family, Trained
from lth_core.tickets.expected_masks import seed_of
from lth_core.tickets.mask import Weights


def continues(family: Family, key: TrialKey) -> bool:
    """Whether the arm prunes its own previous round."""
    return family.experiment.arm_named(key.arm).mask == "iterative" and key.round > 1


def pruned(family: Family, key: TrialKey) -> Trained:
    """The stored run whose weights (its `ranked`) the arm prunes."""
    if continues(family, key):
        return family.trained[key.arm, key.round - 1]
    dense, at = family.trained[DENSE, 0], family.experiment.arm_named(key.arm).at
    if at == "init":
        return replace(dense, ranked=stored(dense.init), ranked_statistics=None)
    if at == "rewind":
        return replace(dense, ranked=stored(dense.rewind), ranked_statistics=dense.rewind_statistics)
    return dense


def source(family: Family, key: TrialKey) -> Weights:
    """The weights from which the ticket must start by its arm's definition, chosen or drawn again."""
    arm, dense = family.experiment.arm_named(key.arm), family.dense
    if arm.weights == "fresh":
        return family.initialise(seed_of(key.seed, "fresh", key.arm, key.round))
    if arm.weights == "final":
        return pruned(family, key).final
    if arm.weights == "imported":
        return family.imported(key.round).weights
    if arm.weights in ("signed", "constant"):
        return _signed(family, key, arm.weights)
    return stored(dense.init if arm.weights == "init" else dense.rewind)


def _signed(family: Family, key: TrialKey, weights: str) -> Weights:
    """The rewound weights' signs with other magnitudes, computed again."""
    rewind = stored(family.dense.rewind)
    if weights == "signed":
        drawn = family.initialise(seed_of(key.seed, "signed", key.arm, key.round))
        return {n: torch.where(w > 0, 1.0, -1.0) * (w != 0) * drawn[n].abs() + 0.0 for n, w in rewind.items()}
    found = {}
    for n, first in family.initialise(seed_of(key.seed, "initialisation")).items():
        values = first.double()
        level = float((values - values.mean()).square().mean().sqrt()) or float(rewind[n].double().abs().mean())
        found[n] = torch.where(rewind[n] == 0, 0.0, torch.where(rewind[n] > 0, level, -level)).to(first.dtype)
    return found


def stored(weights: Weights | None) -> Weights:
    """The same weights; raises ValueError if the dense run has stored none."""
    if weights is None:
        raise ValueError("the dense run has no stored weights to compare with")
    return weights
