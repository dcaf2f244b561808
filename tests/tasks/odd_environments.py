"""Environments that do wrong, or have odd observations, registered under names of their own."""

import os
import sys
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec


class Walk(gymnasium.Env[Any, Any]):
    """A walk with random steps, ten steps to either end: the state is place and, one-hot, the last action."""

    observation_space: Any = spaces.Dict({"place": spaces.Box(-20, 20, (1,)), "last": spaces.Discrete(3)})
    action_space: Any = spaces.Discrete(3, start=5)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place, self.age = float(self.np_random.normal()), 0
        return self.seen(0), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.age += 1
        self.place += action - 6 + 0.1 * float(self.np_random.normal())
        return self.seen(action - 5), self.reward(), abs(self.place) > 10, False, {}

    def seen(self, last: int) -> Any:
        return {"place": np.array([self.place], np.float32), "last": last}

    def reward(self) -> float:
        return float(self.place > 0)


class Pair(Walk):
    """The same walk; its observation is a tuple."""

    observation_space = spaces.Tuple([spaces.Box(-20, 20, (1,)), spaces.Discrete(3)])

    def seen(self, last: int) -> Any:
        return np.array([self.place], np.float32), last


class Plain(Walk):
    """The same walk; its observation is the place, and it does wrong at step 30."""

    observation_space = spaces.Box(-20, 20, (1,), np.float32)

    def seen(self, last: int) -> Any:
        return np.array([self.place], np.float32)


class RaisesInReset(Plain):
    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        raise RuntimeError("no\x1b[2J power")


class RaisesInLaterReset(Plain):
    resets = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.resets += 1
        if self.resets > 1:
            raise RuntimeError("no power")
        return super().reset(seed=seed)


class RaisesInStep(Plain):
    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self.place > 5:
            raise OSError("the wheel came off")
        return super().step(action)


class SysExits(Plain):
    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self.place > 5:
            sys.exit("the wheel came off")
        return super().step(action)


class EndsTheProcess(Plain):
    """With the exit code of a worker that wants to be run again."""

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        os._exit(85)


class RewardNaN(Plain):
    def reward(self) -> float:
        return float("nan") if self.place > 5 else super().reward()


class ObservesInfinity(Plain):
    def seen(self, last: int) -> Any:
        return np.array([np.inf if self.place > 5 else self.place], np.float32)


class GrowsAnObservation(Plain):
    def seen(self, last: int) -> Any:
        return np.array([self.place] * (2 if self.place > 5 else 1), np.float32)


class EndsAtOnce(Plain):
    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.seen(0), 0.0, True, False, {}


class Bandit(Plain):
    """Episodes of one step in which there is something to learn."""

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.seen(0), float(action == 6), True, False, {}


class Forgetful(Plain):
    """Draws from the system's randomness, whatever its seed."""

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place += int.from_bytes(os.urandom(2), "big") / 65_536
        return super().step(action)


ODD = {
    f"{kind.__name__}-v0": EnvSpec(f"{kind.__name__}-v0", entry_point=kind, max_episode_steps=300)
    for kind in (
        Walk, Pair, Plain, RaisesInReset, RaisesInLaterReset, RaisesInStep, SysExits, EndsTheProcess,
        RewardNaN, ObservesInfinity, GrowsAnObservation, EndsAtOnce, Bandit, Forgetful,
    )
}  # fmt: skip


def register() -> None:
    """Add them to gymnasium's registry."""
    gymnasium.registry.update(ODD)
