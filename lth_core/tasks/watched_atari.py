"""An Atari game that is watched; see Watched."""

import numpy as np

from lth_core.errors import InputError
from lth_core.settings.tasks import AtariTask
from lth_core.tasks.atari import Atari, vector_environment
from lth_core.tasks.step import Array


class WatchedAtari:
    """The game twice, in step: as the network sees it, and as it is shown."""

    valid: Array | None = None

    def __init__(self, task: AtariTask, seed: int) -> None:
        self._game = Atari(task, [seed], 1)
        self._screen = vector_environment(task, 1, screen=True)
        own = np.array([self._game.seed_of(0, 0)])
        self._now = self._game.reset()
        self._shown, _ = self._screen.reset(seed=own)
        self.rate = 60 / task.frame_skip

    def seen(self) -> Array:
        return self._now

    def picture(self) -> Array:
        found: Array = self._shown[0, -1]
        return found

    def step(self, actions: Array) -> tuple[float, bool]:
        step = self._game.step(actions)
        rewards, ended = step.scored
        self._now = step.observations
        shown, rewards_shown, over, cut, info = self._screen.step(actions[0])
        self._shown = info["final_obs"] if (over | cut).any() else shown
        if float(rewards[0, 0]) != float(rewards_shown[0]):
            raise InputError("play: the game that is shown is not the one that is played")
        return float(rewards[0, 0]), bool(ended[0, 0])

    def close(self) -> None:
        self._screen.close()
