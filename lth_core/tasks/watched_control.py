"""A game of control from vector observations that is watched; see Watched."""

from typing import Any

import numpy as np

from lth_core.errors import InputError
from lth_core.settings.control import ControlTask
from lth_core.tasks import gym_spaces
from lth_core.tasks.action_masks import ActionMasks
from lth_core.tasks.maker import Maker
from lth_core.tasks.step import Array
from lth_core.text import one_line


class WatchedControl:
    """InputError where it cannot be drawn."""

    def __init__(self, task: ControlTask, seed: int) -> None:
        maker = Maker(task)
        self._name = name = maker.name
        try:
            self._environment: Any = maker.make(checked=True, render_mode="rgb_array")
            self._now, info = self._environment.reset(seed=seed)
            self.picture()
        # A constructor without render_mode, a method that draws nothing: packages fail in their own ways.
        except (Exception, SystemExit) as error:
            said = one_line(error).removeprefix(f'task.environment "{name}" cannot be made: ')
            raise InputError(f'task.environment "{name}" cannot be drawn: {said}') from None
        self._observe = maker.observations(self._environment)
        self._act = gym_spaces.actions(name, self._environment.action_space)
        self._masks = ActionMasks(self._act, 1, 1, self._environment)
        self._see_mask(info)
        self.rate = float(self._environment.metadata.get("render_fps", 30))

    def seen(self) -> Array:
        return self._observe.flat(self._now)[None, None]

    def picture(self) -> Array:
        return np.asarray(self._environment.render(), np.uint8)

    def step(self, actions: Array) -> tuple[float, bool]:
        action = self._act.translated(actions)[0, 0]
        told = action.reshape(self._act.shape) if self._act.drawn_shape else int(action)
        self._now, reward, terminated, truncated, info = self._environment.step(told)
        if not (terminated or truncated):
            self._see_mask(info)
        return float(reward), bool(terminated or truncated)

    @property
    def valid(self) -> Array | None:
        return self._masks.valid

    def _see_mask(self, info: Any) -> None:
        try:
            self._masks.see(0, 0, self._environment, info)
        except gym_spaces.ActionMaskError as error:
            raise InputError(f'play: task.environment "{self._name}": {error}') from None

    def close(self) -> None:
        self._environment.close()
