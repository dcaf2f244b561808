"""CartPole that goes wrong as LTH_TEST_FAULT says: after some steps it raises, hangs, or pays what is no number; or all
is heavier. Where LTH_TEST_FAULT names a file, the first step that finds it does what is in it.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from gymnasium.envs.classic_control.cartpole import CartPoleEnv

AFTER = 600


class Faulty(CartPoleEnv):
    """Healthy for AFTER steps of one environment, or until the file is there."""

    def __init__(self) -> None:
        super().__init__()
        self._left = AFTER
        self._fault = json.loads(os.environ.get("LTH_TEST_FAULT", "{}")).get("environment") or ""
        if self._fault == "heavier":
            self.gravity = 12.0

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, more = super().step(action)
        self._left -= 1
        if self._left <= 0 and not self._fault.startswith("/"):
            reward = self._do(self._fault, float(reward))
        elif self._left % 20 == 0 and self._fault.startswith("/"):
            reward = self._do(_taken(Path(self._fault)), float(reward))
        return observation, reward, terminated, truncated, more

    def _do(self, fault: str, reward: float) -> float:
        if fault == "raises":
            raise RuntimeError("the simulator lost its physics")
        if fault == "exits":
            sys.exit("the simulator has left")
        if fault == "ends":
            os._exit(85)  # as a worker that wants to be run again
        if fault == "hangs":
            time.sleep(3600)
        return float(fault) if fault in ("nan", "inf") else reward


def _taken(switch: Path) -> str:
    """What the file asks for, once: the file is gone then. Empty where there is none."""
    own = switch.with_name(f"{switch.name}.{os.getpid()}")
    try:
        switch.rename(own)
    except FileNotFoundError:
        return ""
    asked = own.read_text()
    own.unlink()
    return asked
