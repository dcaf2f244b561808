"""The kinds of arms that the paper's questions tell apart. Knows arms as data, and no scores."""

from collections.abc import Callable

from lth_core.experiment.arms import Arm

Kind = Callable[[Arm], bool]


def is_random(arm: Arm) -> bool:
    """Its mask is drawn."""
    return arm.mask in ("random", "random_global")


def is_one_shot(arm: Arm) -> bool:
    """Pruned once, when the experiment says that masks are made."""
    return arm.mask == "one_shot" and arm.at == "experiment"


def is_at_start(arm: Arm) -> bool:
    """Pruned once, before its training."""
    return arm.mask == "one_shot" and arm.at != "experiment"


def is_gradual(arm: Arm) -> bool:
    """Pruned while it trains."""
    return arm.mask == "gradual"


def is_smaller(arm: Arm) -> bool:
    """A smaller dense network."""
    return arm.mask == "smaller"


def is_imported(arm: Arm) -> bool:
    """A ticket from elsewhere."""
    return arm.mask == "imported"


def is_same_mask(arm: Arm) -> bool:
    """Another arm's mask, or that mask permuted within each layer."""
    return arm.mask in ("ticket", "shuffled")


def is_retrained(arm: Arm) -> bool:
    """Pruned round by round without a rewind: weights go on from where training ended."""
    return arm.mask == "iterative" and arm.weights == "final"


def is_early(arm: Arm) -> bool:
    """Pruned round by round, each round from initialisation."""
    return arm.mask == "iterative" and arm.weights == "init"


ASKED = (
    is_random, is_one_shot, is_same_mask, is_retrained, is_early, is_at_start, is_gradual, is_smaller,
    is_imported,
)  # fmt: skip
"""Those that a question of its own is about."""
