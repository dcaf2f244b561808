"""The acting side of a stack that learns values: environments, exploration and the returns of episodes."""

from collections.abc import Callable, Sequence

import numpy as np

from lth_core.settings.tasks import Task
from lth_core.settings.values import DQN
from lth_core.tasks.step import Step
from lth_core.training.reinforcement.player import Player
from lth_core.training.stack import Array
from lth_core.training.values.exploration import EpsilonGreedy
from lth_core.training.values.replay import Replay


class ValuePlayer(Player):
    """T tickets with E environments each, which explore."""

    def __init__(self, task: Task, settings: DQN, seeds: Sequence[int], spans: Sequence[int]) -> None:
        """spans: how long each ticket is trained, in `training.unit`."""
        super().__init__(task, settings, seeds, spans)
        self._settings = settings

    @property
    def masks_actions(self) -> bool:
        """Whether the environments say which actions are valid."""
        return self.environments.valid is not None

    def play(
        self, values: Callable[[Array], Array], epsilon: Callable[[int], Array], replay: Replay,
        watch: Callable[[Array, Array, Step], None] | None,
    ) -> None:  # fmt: skip
        """Play train_every steps in every environment into the buffer.

        values: of actions (T, E, A) for observations (T, E, ...). epsilon: the share of random actions (T, 1) after so
        many steps of this call. watch: called with each step as `Replay.add` is.
        """
        steps, each = self._settings.train_every, self._settings.environments
        noise = np.stack([EpsilonGreedy.noise(rng, steps, each) for rng in self._actions])
        self.note_drawn(noise)
        for i in range(steps):
            actions = EpsilonGreedy(epsilon(i)).sample(values(self.observations), noise[:, i])
            step = self.environments.step(actions)
            replay.add(self.observations, actions, step)
            if watch is not None:
                watch(self.observations, actions, step)
            self.observations = step.observations
            self.episodes.add(*step.scored)
