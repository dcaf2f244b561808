"""Episodes of an evaluation played a second time, as plainly as possible, for the audit: one ticket at a time."""

import math
from collections.abc import Callable

import numpy as np
import torch

from lth_core.experiment.experiment import Experiment
from lth_core.models.actor_critic import ActorCriticNetwork, preferences
from lth_core.models.flat import flatten
from lth_core.randomness import stream, stream_seed
from lth_core.settings.action_parts import Parts
from lth_core.settings.soft import SAC
from lth_core.settings.values import DQN
from lth_core.tasks.families import family_of
from lth_core.tasks.step import UNLIMITED
from lth_core.tickets.mask import Weights
from lth_core.training.reinforcement.evaluation import LONGEST
from lth_core.training.reinforcement.policy import Policy, policy
from lth_core.training.stack import Array, Interrupted

DOUBT = 1e-6
"""Where a random number is so close to the border between two actions, rounding decides: the program's own choice
counts."""


@torch.no_grad()
def returns(
    experiment: Experiment, network: ActorCriticNetwork, weights: Weights, statistics: Weights, seed: int,
    episodes: int, go_on: Callable[[], bool],
) -> list[float]:  # fmt: skip
    """The return of each episode that a chain's tickets are scored by, with sampled actions, on the CPU.

    Raises Interrupted once `go_on`, called at every step, returns False.
    """
    environments = family_of(experiment.task).environments(
        experiment.task, [stream_seed(seed, "evaluation", "sampled")], episodes
    )
    numbers = stream(seed, "evaluation", "sampled", "actions")
    flat = network.packed(flatten(weights, network.shapes())[None])
    layers, own = network.layers(flat), policy(network.log_std(flat), network.parts, network.actions)
    totals, over = [0.0] * episodes, [False] * episodes
    environments.play_once()
    seen = environments.reset()
    for _ in range(environments.limit if environments.limit < UNLIMITED else LONGEST):
        if not go_on():
            raise Interrupted
        heads = preferences(network.heads, network.forward(layers, torch.from_numpy(_normalised(seen, statistics)))[-1])
        if isinstance(experiment.training, DQN):
            actions: Array = _explored(heads.numpy(), numbers, experiment.training.evaluation_epsilon)
        elif isinstance(experiment.training, SAC):
            actions = _squashed(heads.numpy(), numbers)
        elif environments.continuous:
            noise = numbers.standard_normal((episodes, network.actions), np.float32)
            deviation = weights["log_std"].exp().numpy()
            actions = heads.numpy() + deviation * noise
        else:
            actions = _sampled(heads.numpy(), numbers, network.parts, environments.valid, own)
        step = environments.step(actions)
        seen = step.observations
        rewards = step.rewards if step.earned is None else step.earned
        ended = (step.terminated | step.truncated) if step.finished is None else step.finished
        for e in range(episodes):
            if not over[e]:
                totals[e] += float(rewards[0, e])
                over[e] = bool(ended[0, e])
        if all(over):
            break
    return totals


def _normalised(seen: Array, statistics: Weights) -> Array:
    if "mean" not in statistics:
        return seen
    mean, variance = (statistics[name].double().numpy() for name in ("mean", "variance"))
    found: Array = np.clip((seen - mean) / np.sqrt(variance + 1e-8), -10.0, 10.0).astype(np.float32)
    return found


def _sampled(heads: Array, rng: np.random.Generator, parts: Parts, valid: Array | None, own: Policy) -> Array:
    """Actions (1, E) or (1, E, parts): of each choice the one into whose share of [0, 1) a number falls."""
    outputs = heads.astype(np.float64)
    if parts == "bits":
        logits = [np.stack([np.zeros_like(one), one], -1) for one in np.moveaxis(outputs, -1, 0)]
    elif parts is None:
        logits = [outputs]
    else:
        logits = np.split(outputs, np.cumsum(parts)[:-1], axis=-1)
    shape = outputs.shape[1:2] if parts is None else (outputs.shape[1], len(logits))
    noise = rng.random(shape, np.float32)
    chosen = np.zeros((1, *shape), np.int64)
    doubtful = np.zeros((1, *shape), bool)
    first = 0
    for k, one in enumerate(logits):
        size = one.shape[-1]
        may = None if valid is None else valid[..., first : first + size]
        first += size
        shares = np.exp(one - (one if may is None else np.where(may, one, -np.inf)).max(-1, keepdims=True))
        shares = shares if may is None else np.where(may, shares, 0.0)
        borders = np.cumsum(shares / shares.sum(-1, keepdims=True), -1)[..., :-1]
        drawn = (noise if parts is None else noise[:, k]).astype(np.float64)[None, :, None]
        place = (Ellipsis,) if parts is None else (Ellipsis, k)
        chosen[place] = (borders < drawn).sum(-1)
        doubtful[place] = (np.abs(borders - drawn) < DOUBT).any(-1)
    if doubtful.any():
        chosen = np.where(doubtful, own.sample(heads, noise[None], valid), chosen)
    return chosen


def _squashed(outputs: Array, rng: np.random.Generator) -> Array:
    """Actions (1, E, A): the tanh of normal numbers with means and logarithms of deviations (1, E, 2 A)."""
    means, logs = np.split(outputs, 2, axis=-1)
    noise = rng.standard_normal(means.shape[1:], np.float32)
    found: Array = np.tanh(means + np.exp(np.minimum(np.maximum(logs, -20), 2)) * noise)
    return found


def _explored(values: Array, rng: np.random.Generator, share: float) -> Array:
    """Actions (1, E): the one of the highest value, or by chance any."""
    chance = rng.random((values.shape[1], 2), np.float32)
    found = [
        int(pick * len(own)) if luck < np.float32(share) else int(np.argmax(own))
        for own, (luck, pick) in zip(values[0], chance, strict=True)
    ]
    return np.array([found], np.int64)


def spread(totals: list[float]) -> float:
    """By how much the mean of other episodes of the same network may differ: six standard errors of a difference."""
    n = len(totals)
    return 6 * math.sqrt(2) * float(np.std(totals)) / math.sqrt(n) + 0.1 * abs(sum(totals) / n)
