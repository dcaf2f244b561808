"""How many weights each layer of a mask that is sparse from the start has, when and how far it moves, found again.

Shares no code with `moving` and `scope`, so that an error there is not repeated here.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from lth_core.experiment.experiment import Experiment
from lth_core.settings.pruning import Pruning
from lth_core.tickets import expected_masks, expected_schedule
from lth_core.tickets.expected_masks import Groups


def totals(shapes: Mapping[str, Sequence[int]], groups: Groups, pruning: Pruning, round: int) -> range:
    """How many entries of these layers may be alive in all: numbers half-way between two are rounded either way."""
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    shares = {"all": (1 - pruning.fraction) ** round}
    if pruning.scope == "global":
        sizes = {"all": sum(sizes.values())}
    else:
        shares = expected_masks.layer_densities(shapes, groups, pruning, round)
    asked = [(sizes[name] * share, 1e-9 * sizes[name]) for name, share in shares.items()]
    least, most = (
        sum(math.ceil(x - 0.5 - room) for x, room in asked),
        sum(math.floor(x + 0.5 + room) for x, room in asked),
    )
    return range(least, most + 1)


def layer_shares(shapes: Mapping[str, Sequence[int]], pruning: Pruning, total: int) -> dict[str, float]:
    """How many of so many living entries each of these layers has, before rounding."""
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    density = total / max(1, sum(sizes.values()))
    if pruning.moving.distribution == "uniform":
        return {name: size * density for name, size in sizes.items()}
    return {n: sizes[n] * share for n, share in expected_masks.erk(shapes, density).items()}


def number_of(experiment: Experiment, done: float) -> int:
    """The number of the change that is due once this share of a training is done: intervals passed, before the end."""
    moving = experiment.pruning.moving
    if done >= moving.end:
        return 0
    passed = int(done / moving.interval + 1e-9)
    return passed - 1 if passed * moving.interval >= moving.end - 1e-9 * moving.interval else passed


def share_of(experiment: Experiment, number: int) -> float:
    """The share of living weights that a change replaces: the drop times the squared cosine of a quarter turn."""
    moving = experiment.pruning.moving
    return moving.drop * math.cos(math.pi / 2 * number * moving.interval / moving.end) ** 2


def changes(experiment: Experiment, arm: str, updates: int, per_unit: int) -> int | None:
    """How many changes a training of so many updates has; None if only the games themselves tell."""
    if expected_schedule.passed(experiment, 1, per_unit) is None:
        return None
    return len({number for number in _numbers(experiment, arm, updates, per_unit).tolist() if number})


def _numbers(experiment: Experiment, arm: str, updates: int, per_unit: int) -> npt.NDArray[np.int64]:
    first = expected_schedule.first_learning(experiment)
    done = (done_after(experiment, arm, update, per_unit) for update in range(first, updates + 1))
    return np.array([number_of(experiment, one) for one in done], dtype=np.int64)


def done_after(experiment: Experiment, arm: str, updates: int, per_unit: int) -> float:
    """The share of an arm's training that so many updates are, where they can be counted."""
    length = expected_schedule.length(experiment, arm)
    if experiment.training.unit == "epochs":
        return updates / (length * per_unit)
    return (expected_schedule.passed(experiment, updates, per_unit) or 0) / length


def grown(seed: int, arm: str, round: int, number: int, sizes: Mapping[str, int]) -> dict[str, npt.NDArray[np.float64]]:
    """The numbers by which a change of `set` chooses places."""
    rng = np.random.default_rng(expected_masks.seed_of(seed, "growth", arm, round, number))
    return {name: rng.random(size) for name, size in sizes.items()}
