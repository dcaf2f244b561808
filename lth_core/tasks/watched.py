"""One game that is watched: what a network sees of it, and pictures of it."""

from typing import Any, Protocol

import numpy as np

from lth_core.errors import InputError
from lth_core.settings.tasks import AtariTask, ControlTask, Task
from lth_core.tasks import gym_spaces
from lth_core.tasks.action_masks import ActionMasks
from lth_core.tasks.maker import Maker
from lth_core.tasks.step import Array
from lth_core.text import one_line


class Watched(Protocol):
    """A game under way. rate: pictures a second. valid: see Environments."""

    rate: float

    @property
    def valid(self) -> Array | None: ...

    def seen(self) -> Array:
        """(1, 1, ...) what a network is given."""

    def picture(self) -> Array:
        """(height, width, 3) uint8."""

    def step(self, actions: Array) -> tuple[float, bool]:
        """Act, (1, 1) or (1, 1, A) as environments of a stack are told; the reward, and whether the game is over."""

    def close(self) -> None:
        """Put it away."""


def watched(task: Task, seed: int) -> Watched:
    """A game of a task; InputError where it cannot be drawn."""
    if isinstance(task, ControlTask):
        return _Control(task, seed)
    if isinstance(task, AtariTask):
        return _Atari(task, seed)
    raise InputError(f'play: task.kind "{task.kind}" has no games: expected control or atari')


class _Control:
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


class _Atari:
    """The game twice, in step: as the network sees it, and as it is shown."""

    valid: Array | None = None

    def __init__(self, task: AtariTask, seed: int) -> None:
        from lth_core.tasks.atari import Atari, vector_environment

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
