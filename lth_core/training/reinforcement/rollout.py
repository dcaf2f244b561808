"""Collects transitions: n steps of every environment of a stack, with advantages that respect how episodes end.

No transition crosses the end of an episode. After a termination the value is zero; after a time limit it is the value
of the last state.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lth_core.settings.reinforcement import ActorCriticTraining
from lth_core.settings.tasks import Task
from lth_core.tasks.step import Step
from lth_core.training.reinforcement.acting import Actor
from lth_core.training.reinforcement.normalise import Observations, Returns
from lth_core.training.reinforcement.player import Player
from lth_core.training.reinforcement.policy import Policy
from lth_core.training.stack import Array, Arrays, under


class Rollout(NamedTuple):
    """n steps of T tickets in E environments, flattened to B = n * E.

    activations: see acting.Actor, on the network's device; the rest on the host: actions (T, B) or (T, B, A); values,
    targets and advantages (T, B); valid: valid actions, (T, B, choices) bool, if environments tell.
    """

    activations: list[Tensor]
    actions: Tensor
    values: Tensor
    targets: Tensor
    advantages: Tensor
    valid: tuple[Tensor, ...] = ()

    @property
    def size(self) -> int:
        """B, the number of transitions of each ticket."""
        return self.values.shape[1]


class Steps(NamedTuple):
    """What the environments of a stack returned in one rollout, for those who look at it again.

    rewards (T, n, E): as they are, or normalised. after (T, E, ...): the network's inputs after the rollout; cut: by
    step, those at the time limits in it.
    """

    steps: list[Step]
    rewards: Array
    after: Array
    cut: dict[int, Array]


class Collector(Player):
    """Plays rollouts by a policy, with running statistics where observations or returns are normalised."""

    def __init__(self, task: Task, settings: ActorCriticTraining, seeds: Sequence[int], spans: Sequence[int]) -> None:
        """spans: how long each ticket is trained, in `training.unit`."""
        super().__init__(task, settings, seeds, spans)
        self._settings = settings
        self.seeds = list(seeds)
        self.watched, self.found = False, None  # type: bool, Steps | None
        self._seen, self._earned = self._statistics(settings, len(seeds))

    def _statistics(self, settings: ActorCriticTraining, tickets: int) -> tuple[Observations | None, Returns | None]:
        return (
            Observations(tickets, self.environments.inputs) if "observations" in settings.normalised else None,
            Returns(tickets, settings.environments, settings.gamma) if "returns" in settings.normalised else None,
        )

    def normalised(self, observations: Array, rows: Sequence[int] | None = None) -> Array:
        """Observations (T, E, D) as the network's input; of the tickets in `rows`, or of all."""
        return observations if self._seen is None else self._seen.normalised(observations, rows)

    def seen(self, row: int) -> Arrays:
        """Mean and variance (D,) of one ticket's observations and their count so far, and of its returns, as scalars.

        Empty if nothing is normalised.
        """
        seen = {} if self._seen is None else self._seen.of(row)
        earned = {} if self._earned is None else self._earned.of(row)
        return seen | {f"earned_{name}": one for name, one in earned.items()}

    def know(self, row: int, statistics: Arrays) -> None:
        """The inverse of `seen`."""
        for known, prefix in ((self._seen, ""), (self._earned, "earned_")):
            if known is not None and f"{prefix}mean" in statistics:
                known.know(row, {n: statistics[prefix + n] for n in known.of(row) if prefix + n in statistics})

    def collect(self, policy: Policy, actor: Actor) -> Rollout:
        """Act for n steps, then compute targets and advantages."""
        s = self._settings
        tickets = len(self._actions)
        shape = (tickets, s.n_steps, s.environments)
        actions, values = policy.empty(*shape), np.empty(shape, np.float32)
        rewards, ends = np.empty(shape, np.float32), np.empty(shape, bool)
        noise = np.stack([policy.noise(rng, s.n_steps, s.environments) for rng in self._actions])
        self.note_drawn(noise)
        valid: Array | None = None
        steps, cut = list[Step](), dict[int, Array]()
        cuts = _Cuts(shape, self.observations, lambda seen: self._values(actor, seen))
        for i, (done, expected, now, step) in enumerate(self._played(policy, actor, noise)):
            actions[:, i], values[:, i] = done, expected
            if now is not None:
                valid = np.ones((*shape, now.shape[-1]), bool) if valid is None else valid
                valid[:, i] = now
            if self.watched:
                steps.append(step)
            rewards[:, i] = step.rewards
            ends[:, i] = ended = step.ended
            self.episodes.add(*step.scored)
            if self._earned is not None:
                rewards[:, i] = self._earned.normalised(step.rewards, ended)
            if step.last_observations is not None and step.truncated.any():
                cut[i] = self.normalised(step.last_observations)
                cuts.add(i, step.truncated, cut[i])
        after = self.normalised(self.observations)
        bootstrap = self._values(actor, after)
        self.found = Steps(steps, rewards.copy(), after, cut) if self.watched else None
        rewards *= np.float32(s.reward_scale)
        # A time limit is not a termination: the value of the last state is part of the return.
        rewards += np.float32(s.gamma) * cuts.values()
        found_advantages = advantages(rewards, ends, values, bootstrap, s.gamma, s.gae_lambda)
        kept = (actions, values, found_advantages + values, found_advantages)
        taken, known, targets, better = (torch.from_numpy(one).flatten(1, 2) for one in kept)
        may = () if valid is None else (torch.from_numpy(valid).flatten(1, 2),)
        return Rollout(actor.kept(), taken, known, targets, better, may)

    def _played(self, policy: Policy, actor: Actor, noise: Array) -> Iterator[tuple[Array, Array, Array | None, Step]]:
        """Act in n steps with the random numbers (T, n, E, ...). Of each: actions, values, valid actions, what came."""
        env = self.environments
        for i in range(noise.shape[1]):
            if self._seen is not None:
                self._seen.add(self.observations)
            heads, valid = actor.act(self.normalised(self.observations)), env.valid
            valid = None if valid is None else valid.copy()  # the environments write the next ones over these
            actions = policy.sample(heads[..., :-1], noise[:, i], valid)
            step = env.step(actions)
            self.observations = step.observations
            yield actions, heads[..., -1], valid, step

    def _values(self, actor: Actor, observations: Array) -> Array:
        """Values (T, E) of the network's inputs (T, E, ...)."""
        return actor.heads(observations)[..., -1]

    def restart(self, step: int) -> None:
        """See Player."""
        super().restart(step)
        if self._earned is not None:
            self._earned.restart()

    def keep(self, rows: Sequence[int]) -> None:
        """See Player."""
        super().keep(rows)
        self.seeds = [self.seeds[t] for t in rows]
        for statistics in (self._seen, self._earned):
            if statistics is not None:
                statistics.keep(rows)

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """See Player."""
        arrays, values = super().state()
        for name, statistics in (("seen", self._seen), ("earned", self._earned)):
            if statistics is not None:
                arrays |= {f"{name}/{key}": array for key, array in statistics.state().items()}
        return arrays, values

    def restore(self, arrays: Arrays, values: dict[str, Any], step: int) -> None:
        """See Player."""
        super().restore(arrays, values, step)
        for name, statistics in (("seen", self._seen), ("earned", self._earned)):
            if statistics is not None:
                statistics.restore(under(arrays, f"{name}/"))


class _Cuts:
    """Last states before time limits, and their values at the places (T, n, E) of the time limits.

    They are collected, one per environment, until one environment has another: values are always computed in batches
    (T, E), so that a ticket's have the same bits in any stack.
    """

    def __init__(self, shape: tuple[int, int, int], observations: Array, value: Callable[[Array], Array]) -> None:
        self._value = value
        self._at = np.full((shape[0], shape[2]), -1)
        self._waiting = np.zeros_like(observations)
        self._found = np.zeros(shape, np.float32)

    def add(self, i: int, truncated: Array, last_observations: Array) -> None:
        """Add step i: truncated (T, E), with the last observations (T, E, D)."""
        if (self._at[truncated] >= 0).any():
            self._flush()
        self._at[truncated] = i
        self._waiting[truncated] = last_observations[truncated]

    def values(self) -> Array:
        """The values (T, n, E), zero without a time limit."""
        if (self._at >= 0).any():
            self._flush()
        return self._found

    def _flush(self) -> None:
        tickets, environments = np.nonzero(self._at >= 0)
        values = self._value(self._waiting)
        self._found[tickets, self._at[tickets, environments], environments] = values[tickets, environments]
        self._at[:] = -1


def advantages(rewards: Array, ends: Array, values: Array, bootstrap: Array, gamma: float, gae_lambda: float) -> Array:
    """Generalised advantage estimates (T, n, E), cut at the ends of episodes; lambda 1 gives n-step returns."""
    found, alive = np.empty_like(rewards), np.float32(gamma) * ~ends
    following = np.concatenate([values[:, 1:], bootstrap[:, None]], axis=1)
    deltas = rewards + alive * following - values
    kept, running = alive * np.float32(gae_lambda), np.zeros_like(bootstrap)
    for i in reversed(range(rewards.shape[1])):
        running = np.add(deltas[:, i], kept[:, i] * running, out=found[:, i])
    return found
