"""The acting side of a stack that plays into replay buffers: environments and the returns of episodes."""

from collections.abc import Callable, Sequence

import numpy as np

from lth_core.settings.tasks import Task
from lth_core.settings.values import ReplayTraining
from lth_core.tasks.step import Step
from lth_core.training.reinforcement.player import Player
from lth_core.training.stack import Array
from lth_core.training.values.replay import Replay


class ReplayPlayer(Player):
    """T tickets with E environments each, which explore."""

    def __init__(self, task: Task, settings: ReplayTraining, seeds: Sequence[int], spans: Sequence[int]) -> None:
        """spans: how long each ticket is trained, in `training.unit`."""
        super().__init__(task, settings, seeds, spans)
        self._settings = settings

    @property
    def masks_actions(self) -> bool:
        """Whether the environments say which actions are valid."""
        return self.environments.valid is not None

    @property
    def action(self) -> Array:
        """An action, of the shape and type in which buffers keep it."""
        continuous = self.environments.continuous
        return np.zeros(self.environments.actions, np.float32) if continuous else np.zeros((), np.int32)

    def noise(self, numbers: Sequence[int], *, normal: bool) -> Array:
        """Random numbers (T, train_every, E, *numbers) for the actions of an update."""
        shape = (self._settings.train_every, self._settings.environments, *numbers)
        found = [
            rng.standard_normal(shape, np.float32) if normal else rng.random(shape, np.float32) for rng in self._actions
        ]
        noise = np.stack(found)
        self.note_drawn(noise)
        return noise

    def play(
        self, choose: Callable[[Array, Array], Array], noise: Array, replay: Replay,
        watch: Callable[[Array, Array, Step], None] | None,
    ) -> None:  # fmt: skip
        """Play train_every steps in every environment into the buffer.

        choose: actions for observations (T, E, ...) by random numbers (T, E, ...), a step of `noise`. watch: called
        with each step as `Replay.add` is.
        """
        for i in range(noise.shape[1]):
            actions = choose(self.observations, noise[:, i])
            step = self.environments.step(actions)
            replay.add(self.observations, actions, step)
            if watch is not None:
                watch(self.observations, actions, step)
            self.observations = step.observations
            self.episodes.add(*step.scored)
