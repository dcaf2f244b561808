"""Small environments whose actions are several choices, bits or whole numbers, or are not always valid."""

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

LENGTH = 8


class Copy(gymnasium.Env[Any, Any]):
    """Eight steps; each pays the share of the action's entries that are as the observation says."""

    action_space: Any = spaces.MultiDiscrete([3, 4], start=[1, -1])

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 4}

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def render(self) -> Any:
        return np.zeros((1, 1, 3), np.uint8)

    @property
    def highest(self) -> Any:
        """The largest of the wanted numbers, which start at 0."""
        return np.array([2, 3])

    observation_space: Any = spaces.Box(-1, 1, (2,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.age = 0
        return self.seen(), self.told()

    def seen(self) -> Any:
        self.wanted = self.np_random.integers(0, self.highest + 1)
        return (2 * self.wanted / self.highest - 1).astype(np.float32)

    def told(self) -> dict[str, Any]:
        return {}

    def entries(self, action: Any) -> Any:
        return action - np.array([1, -1])

    def reward(self, entries: Any) -> float:
        return float((entries == self.wanted).mean())

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        entries, self.age = self.entries(action), self.age + 1
        reward = self.reward(entries)
        return self.seen(), reward, self.age == LENGTH, False, self.told()


class Switches(Copy):
    """The same with bits, in two rows."""

    action_space = spaces.MultiBinary([2, 2])
    observation_space = spaces.Box(-1, 1, (4,))

    @property
    def highest(self) -> Any:
        return np.ones(4, int)

    def entries(self, action: Any) -> Any:
        return action.ravel()


class Dials(Copy):
    """The same with whole numbers in a box: what is near is paid for too."""

    action_space = spaces.Box(-3, 6, (2, 1), np.int16)

    @property
    def highest(self) -> Any:
        return np.array([9, 9])

    def entries(self, action: Any) -> Any:
        return action.ravel() + 3

    def reward(self, entries: Any) -> float:
        return 1 - float(np.abs(entries - self.wanted).mean()) / 9


class Masked(Copy):
    """One choice of six: the first is never valid, others are not at times, and which are is told."""

    action_space = spaces.Discrete(6)
    observation_space = spaces.Box(-1, 1, (1,))

    @property
    def highest(self) -> Any:
        return np.array([5])

    def seen(self) -> Any:
        found = super().seen()
        self.wanted = np.maximum(self.wanted, 1)
        self.valid = self.np_random.random(6) < 0.6
        self.valid[0], self.valid[self.wanted] = False, True
        return found

    def told(self) -> dict[str, Any]:
        over = self.age == LENGTH
        return {"action_mask": np.zeros(6, np.int8) if over else self.valid.astype(np.int8)}

    def entries(self, action: Any) -> Any:
        assert self.valid[action], f"{action} is not valid"
        return np.array([action])


class MaskedParts(Copy):
    """Several choices, with the method that tells which values each may take."""

    def action_masks(self) -> Any:
        low = np.arange(3) <= max(1, self.wanted[0])
        return np.concatenate([low, np.arange(4) != (self.wanted[1] + 1) % 4])

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        low, high = self.entries(action)
        assert self.action_masks()[low] and self.action_masks()[3 + high], f"{action} is not valid"
        return super().step(action)


class MaskedSwitches(Switches):
    """Bits, of which one may not be set, and one not be unset."""

    def told(self) -> dict[str, Any]:
        return {"action_mask": [[1, 0], [0, 1], [1, 1], [1, 1]]}

    def entries(self, action: Any) -> Any:
        assert action.ravel()[:2].tolist() == [0, 1], f"{action} is not valid"
        return super().entries(action)


class Stuck(Masked):
    """In some episodes there comes a state in which nothing is valid."""

    def told(self) -> dict[str, Any]:
        stuck = self.age == 3 and bool(self.np_random.random() < 0.2)
        return {"action_mask": np.zeros(6, np.int8) if stuck else self.valid}


SPECS = {
    f"{kind.__name__}-v0": EnvSpec(f"{kind.__name__}-v0", entry_point=kind, max_episode_steps=100)
    for kind in (Copy, Switches, Dials, Masked, MaskedParts, MaskedSwitches, Stuck)
}
KINDS = [name for name in SPECS if name != "Stuck-v0"]
