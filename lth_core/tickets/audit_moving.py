"""The audit of masks that move: each change is checked as it is made, by what the stack had before and after it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.settings.values import ReplayTraining
from lth_core.tickets import expected_moving, mask_changes
from lth_core.tickets.check import EARLIER, Check
from lth_core.tickets.mask_changes import OF_TARGETS, After, Before, Moves, Pool, joined, pools

REACHED = 1e-6
"""A gradient above this has reached a weight."""
CHECKS = {
    "dead_between": "dead weights and their optimizer entries stayed zero until each change",
    "counts": "each change left each layer its number of weights",
    "replaced": "each change replaced as many as its schedule asks for",
    "dropped": "each change dropped the smallest magnitudes",
    "grown": "each change grew where its rule says",
    "new_weights": "new weights start at zero",
    "new_entries": "new weights start with fresh optimizer entries",
    "kept_weights": "what was kept stayed as it was",
    "new_moved": "new weights that gradients reached have moved",
}
"""By name, what each check has found if nothing is wrong."""


def see(
    moves: Moves, experiment: Experiment, key: TrialKey, number: int, before: Before, after: After
) -> None:  # fmt: skip
    """Check change `number` of a training."""
    at = f"change {number}"
    share, drawn = expected_moving.share_of(experiment, number), None
    if experiment.arm_named(key.arm).mask == "set":
        sizes = {name: m.numel() for name, m in after.mask.items()}
        drawn = expected_moving.grown(key.seed, key.arm, key.round, number, sizes)
    reached, moved, new = 0, False, [np.zeros(0, bool)]
    for pool in pools(before, after.mask):
        gradient = joined(before.gradient, pool.names)
        mask_changes.dead(moves, at, pool, before.entries)
        if len(moves.new):
            came = moves.new[pool.at] & (np.abs(gradient) > REACHED)
            reached += int(np.count_nonzero(came))
            moved |= bool((pool.weights[came] != 0).any())
        _places(moves, at, pool, gradient, share, drawn)
        mask_changes.values(moves, at, pool, after)
        mask_changes.followers(moves, at, pool, before, after)
        new.append(pool.alive & ~pool.was)
    if reached and not moved:
        moves.note("new_moved", f"before {at}: none of the {reached} new weights that a gradient reached has moved")
    moves.changes += 1
    moves.new = np.concatenate(new)
    moves.replaced += int(np.count_nonzero(moves.new))


def _places(
    moves: Moves, at: str, pool: Pool, gradient: npt.NDArray[Any], share: float,
    drawn: Mapping[str, npt.NDArray[np.float64]] | None,
) -> None:  # fmt: skip
    """How many weights went and came in each layer, and whether they are the right ones."""
    new, gone = pool.alive & ~pool.was, pool.was & ~pool.alive
    living, now, came = pool.counts(pool.was), pool.counts(pool.alive), pool.counts(new)
    wanted = np.minimum(living * share, pool.sizes - living)
    for one in np.flatnonzero(now != living)[:1]:
        said = f"{now[one]} of {pool.sizes[one]} alive, expected {living[one]}"
        moves.note("counts", f"{at}: {pool.names[one]}: {said}")
    for one in np.flatnonzero(np.abs(came - wanted) > 0.5 + 1e-6)[:1]:
        said = f"replaced {came[one]} of {living[one]} weights, expected {wanted[one]:.1f}"
        moves.note("replaced", f"{at}: {pool.names[one]}: {said}")
    size = np.abs(pool.weights)
    for one in np.flatnonzero(pool.most(size, gone) > -pool.most(-size, pool.was & pool.alive))[:1]:
        said = "dropped a larger magnitude than the smallest that it kept"
        moves.note("dropped", f"{at}: {pool.names[one]}: {said}")
    if drawn is None:
        scores, rule = np.abs(gradient), "with the largest gradients"
    else:
        scores, rule = np.concatenate([drawn[name] for name in pool.names]), "drawn by this arm and seed"
    least = np.repeat(pool.most(scores, ~(pool.was | pool.alive)), pool.sizes)
    for name, wrong in pool.first(new & (scores < least)):
        total = came[pool.names.index(name)]
        moves.note("grown", f"{at}: {name}: {wrong} of {total} new weights are not those {rule}")


def checks(
    experiment: Experiment, key: TrialKey, moves: Moves | None, updates: int | None, per_unit: int, living: int
) -> list[Check]:
    """The checks of a training that has ended. living: the weights of its mask."""
    if moves is None or updates is None:
        return [Check("changes", True, EARLIER)]
    asked = expected_moving.changes(experiment, key.arm, updates, per_unit)
    wrong = moves.wrong.get("changes", "")
    if asked is not None and moves.changes != asked:
        wrong = f"{moves.changes} changes, its schedule asks for {asked}"
    detail = f"{moves.changes} changes replaced {moves.replaced:,} weights in all, of {living:,} alive"
    found = [Check("changes", not wrong, wrong or detail)]
    own = CHECKS | (OF_TARGETS if isinstance(experiment.training, ReplayTraining) else {})
    return [*found, *(Check(name, name not in moves.wrong, moves.wrong.get(name, said)) for name, said in own.items())]
