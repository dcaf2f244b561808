"""Evaluation at the end of a training: whole episodes in environments of their own, without learning.

Seeds come from a stream of their own, shared by the arms of a seed: tickets are compared on the same episodes. All
tickets that end together are evaluated together; each gets the bits that it gets alone.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from lth_core.randomness import stream, stream_seed
from lth_core.tasks import control
from lth_core.training.policy import policy
from lth_core.training.stack import Stack

LONGEST = 10_000
"""Steps after which an episode is taken as it is, in an environment that never ends one."""

WAYS = ("sampled", "greedy")


class Interrupted(Exception):
    """The evaluation was asked to stop; nothing came of it."""


@torch.no_grad()
def evaluate(
    stack: Stack, rows: Sequence[int], environment: str, go_on: Callable[[], bool]
) -> dict[str, npt.NDArray[np.float64]]:
    """Mean returns of the tickets in these rows, (len(rows),), unscaled, by the name under which they are recorded.

    Actions are `sampled` from the policy, or `greedy`: its likeliest. Observations are normalised as they were at
    the end of training. Raises Interrupted once `go_on`, asked at every step, says no.
    """
    if not rows or stack.training.evaluation_episodes == 0:
        return {}
    return {f"return/eval-{way}": _returns(stack, list(rows), environment, way, go_on) for way in WAYS}


def _returns(
    stack: Stack, rows: list[int], environment: str, way: str, go_on: Callable[[], bool]
) -> npt.NDArray[np.float64]:
    episodes, seeds = stack.training.evaluation_episodes, [stack.collector.seeds[row] for row in rows]
    envs = control.make(environment, [stream_seed(seed, "evaluation", way) for seed in seeds], episodes)
    streams = [stream(seed, "evaluation", way, "actions") for seed in seeds]
    layers, acting = stack.parameters(rows)
    choose = policy(acting)
    returns, running = np.zeros((len(rows), episodes)), np.ones((len(rows), episodes), bool)
    seen = envs.reset()
    for _ in range(min(envs.limit, LONGEST)):
        if not go_on():
            raise Interrupted
        observations = torch.from_numpy(stack.collector.normalised(seen, rows)).to(stack.device)
        heads = stack.model.forward(layers, observations)[-1].cpu().numpy()[..., :-1]
        if way == "greedy":
            actions = choose.greedy(heads)
        else:
            actions = choose.sample(heads, np.stack([choose.noise(rng, episodes) for rng in streams]))
        step = envs.step(actions)
        seen = step.observations
        returns += step.rewards * running
        running &= ~(step.terminated | step.truncated)
        if not running.any():
            break
    # Episode by episode: numpy adds up rows of a matrix in another order than a single one.
    return np.array([sum(row) / episodes for row in returns.tolist()])
