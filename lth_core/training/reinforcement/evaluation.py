"""Evaluation after training: whole episodes in separate environments, without learning.

Seeds come from a separate stream, shared by the arms of a seed, so that tickets are compared on the same episodes.
Tickets that end together are evaluated together, with the same bits as alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lth_core.randomness import stream, stream_seed
from lth_core.settings.tasks import Task
from lth_core.tasks.families import family_of
from lth_core.tasks.step import UNLIMITED
from lth_core.training.stack import Interrupted

LONGEST = 10_000
"""Steps after which an episode is ended, in an environment that never ends one."""

Array = npt.NDArray[np.float32]


class Choosing(Protocol):
    """How actions are chosen by logits, means or values: see policy.Categorical."""

    def noise(self, rng: np.random.Generator, *shape: int) -> npt.NDArray[Any]:
        """The random numbers that `sample` needs for actions of this shape."""

    def sample(
        self, preferences: npt.NDArray[Any], noise: npt.NDArray[Any], valid: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Actions (T, E, ...), drawn by these random numbers."""

    def greedy(self, preferences: npt.NDArray[Any], valid: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """The likeliest actions, or those of the highest value."""


@dataclass(frozen=True)
class Evaluated:
    """returns: of each ticket, mean returns by the name under which they are recorded. faults: see Environments."""

    returns: list[dict[str, float]]
    faults: dict[int, str]


def evaluate(
    task: Task,
    seeds: Sequence[int],
    ways: Mapping[str, int],
    policy: Choosing,
    heads: Callable[[Array], Array],
    go_on: Callable[[], bool],
) -> Evaluated:
    """Mean returns of tickets with these chain seeds, unscaled.

    ways: episodes by how actions are chosen: `sampled` from the policy, or `greedy`, its likeliest. heads: from
    observations (T, episodes, D) as they are to logits or means (T, episodes, A). Raises Interrupted once `go_on`,
    called at every step, returns False.
    """
    faults: dict[int, str] = {}
    found = {
        f"return/eval-{way}": _returns(task, seeds, episodes, policy, heads, way, go_on, faults)
        for way, episodes in ways.items()
        if seeds and episodes
    }
    return Evaluated([{name: means[row] for name, means in found.items()} for row in range(len(seeds))], faults)


def _returns(
    task: Task,
    seeds: Sequence[int],
    episodes: int,
    policy: Choosing,
    heads: Callable[[Array], Array],
    way: str,
    go_on: Callable[[], bool],
    faults: dict[int, str],
) -> list[float]:
    envs = family_of(task).environments(task, [stream_seed(seed, "evaluation", way) for seed in seeds], episodes)
    streams = [stream(seed, "evaluation", way, "actions") for seed in seeds]
    returns, running = np.zeros((len(seeds), episodes)), np.ones((len(seeds), episodes), bool)
    envs.play_once()
    seen = envs.reset()
    for _ in range(envs.limit if envs.limit < UNLIMITED else LONGEST):
        if not go_on():
            raise Interrupted
        found = heads(seen)
        if way == "greedy":
            actions = policy.greedy(found, envs.valid)
        else:
            actions = policy.sample(found, np.stack([policy.noise(rng, episodes) for rng in streams]), envs.valid)
        step = envs.step(actions)
        seen = step.observations
        rewards, ended = step.scored
        returns += rewards * running
        running &= ~ended
        if not running.any():
            break
    faults |= {row: f"in evaluation: {cause}" for row, cause in envs.faults().items()}
    # Episode by episode, because numpy sums rows of a matrix in another order than a single row.
    return [float(sum(row) / episodes) for row in returns.tolist()]
