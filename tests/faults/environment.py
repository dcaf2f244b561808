"""CartPole as LTH_TEST_FAULT says: after some steps it raises, hangs, or pays what is no number; or all is heavier."""

import json
import os
import time
from typing import Any

from gymnasium.envs.classic_control.cartpole import CartPoleEnv

AFTER = 600


class Faulty(CartPoleEnv):
    """Healthy for AFTER steps of one environment."""

    def __init__(self) -> None:
        super().__init__()
        self._left = AFTER
        self._fault = json.loads(os.environ.get("LTH_TEST_FAULT", "{}")).get("environment")
        if self._fault == "heavier":
            self.gravity = 12.0

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, more = super().step(action)
        self._left -= 1
        if self._left <= 0:
            if self._fault == "raises":
                raise RuntimeError("the simulator lost its physics")
            if self._fault == "hangs":
                time.sleep(3600)
            if self._fault in ("nan", "inf"):
                reward = float(self._fault)
        return observation, reward, terminated, truncated, more
