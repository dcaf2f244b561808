"""The kinds of arms that the paper's questions distinguish. Knows arms as data, and no scores."""

from collections.abc import Callable, Iterable

from lth_core.experiment.arms import Arm
from lth_core.experiment.experiment import Experiment

Kind = Callable[[Arm], bool]


def is_random(arm: Arm) -> bool:
    """Whether its mask is random."""
    return arm.mask in ("random", "random_global")


def is_one_shot(arm: Arm) -> bool:
    """Whether it is pruned once, at the experiment's `prune_from`."""
    return arm.mask == "one_shot" and arm.at == "experiment"


def is_at_start(arm: Arm) -> bool:
    """Whether it is pruned once, before its training."""
    return arm.mask == "one_shot" and arm.at != "experiment"


def is_gradual(arm: Arm) -> bool:
    """Whether it is pruned during training."""
    return arm.mask == "gradual"


def is_from_start(arm: Arm) -> bool:
    """Whether it is sparse from the start, its mask still or moving."""
    return arm.from_start


def is_smaller(arm: Arm) -> bool:
    """Whether it is a smaller dense network."""
    return arm.mask == "smaller"


def is_wider(arm: Arm) -> bool:
    """Whether it is a wider sparse network."""
    return arm.mask == "wider"


def is_imported(arm: Arm) -> bool:
    """Whether it is an imported ticket."""
    return arm.mask == "imported"


def is_same_mask(arm: Arm) -> bool:
    """Whether it has another arm's mask, or that mask permuted within each layer."""
    return arm.mask in ("ticket", "shuffled")


def is_retrained(arm: Arm) -> bool:
    """Whether it is pruned round by round without rewinding: weights continue from the end of training."""
    return arm.mask == "iterative" and arm.weights == "final"


def is_early(arm: Arm) -> bool:
    """Whether it is pruned round by round, each round from initialisation."""
    return arm.mask == "iterative" and arm.weights == "init"


ASKED = (
    is_random, is_one_shot, is_same_mask, is_retrained, is_early, is_at_start, is_gradual, is_from_start,
    is_smaller, is_wider, is_imported,
)  # fmt: skip
"""Kinds with a question of their own."""


def random_first(experiment: Experiment, arms: Iterable[str]) -> list[str]:
    """The arms, those with a random mask first: the control of the first question, which a short view has room for."""
    return sorted(arms, key=lambda arm: not is_random(experiment.arm_named(arm)))
