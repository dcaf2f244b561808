"""A stack of actor-critics that acts in one half of its Atari games while the other half is stepped.

For networks on a GPU: games and network wait for each other only at the end of a rollout. Half a batch at a time goes
through the network, so that results differ from those of whole batches by rounding.
"""

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np

from lth_core.settings.tasks import AtariTask, Task
from lth_core.tasks.atari_halves import AtariHalves, joined
from lth_core.tasks.environments import Environments
from lth_core.tasks.step import Step
from lth_core.training.reinforcement.acting import Actor
from lth_core.training.reinforcement.policy import Policy
from lth_core.training.reinforcement.rollout import Collector
from lth_core.training.reinforcement.stack import ActorCriticStack
from lth_core.training.stack import Array


class HalvesCollector(Collector):
    """See Collector; observations are not normalised, and all actions are valid."""

    def _made(self, task: Task, seeds: Sequence[int], count: int) -> Environments:
        return AtariHalves(cast(AtariTask, task), seeds, count)

    def _played(self, policy: Policy, actor: Actor, noise: Array) -> Iterator[tuple[Array, Array, Array | None, Step]]:
        """See Collector. Both halves are in their next step while the caller looks at one."""
        env, n = cast(AtariHalves, self.environments), noise.shape[1]
        shape = (len(noise), noise.shape[2])
        before: tuple[Array, Array] | None = None
        for i in range(n):
            actions, values, steps = policy.empty(*shape), np.empty(shape, np.float32), list[Step]()
            for half, places in enumerate(env.halves):
                seen = self.observations[:, places]
                if i:
                    steps.append(env.receive(half))
                    seen = steps[-1].observations
                heads = actor.act(seen)
                actions[:, places] = policy.sample(heads[..., :-1], noise[:, i, places])
                values[:, places] = heads[..., -1]
                env.send(half, actions[:, places])
            if before is not None:
                yield *before, None, joined(steps)
            before = actions, values
        step = joined([env.receive(half) for half in range(2)])
        self.observations = step.observations
        if before is not None:
            yield *before, None, step

    def _values(self, actor: Actor, observations: Array) -> Array:
        halves = cast(AtariHalves, self.environments).halves
        return np.concatenate([actor.heads(observations[:, places])[..., -1] for places in halves], axis=1)


class HalvesStack(ActorCriticStack):
    """See ActorCriticStack."""

    def _make_collector(self, spans: Sequence[int]) -> Collector:
        return HalvesCollector(self._task, self.training, self.seeds, spans)

    def _acting(self) -> tuple[int, int]:
        return 2 * self.training.n_steps, self.training.environments // 2
