"""MinAtar on the host with the random numbers of its form on a device."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from lth_core.tasks.minatar.draws import Draws
from lth_core.tasks.minatar.environments import MinAtar
from lth_core.tasks.on_device.environments import DeviceEnvironments

FIRST = {"asterix": {2: 0, 1: 2}, "breakout": {1: 0}, "freeway": {16: 0}, "seaquest": {3: 0, 2: 3}}
"""By game and how many numbers it asks for at once: which of those of a step they are."""


class Given(Draws):
    """Gives the numbers of the device's next step, (K, N), instead of a stream's."""

    def __init__(self, game: str, device: DeviceEnvironments) -> None:
        self._first, self._device, self._played = FIRST.get(game, {}), device, -2
        super().__init__(np.zeros(device.steps.numel(), np.uint64))
        self.go_on()

    def go_on(self) -> None:
        self._played += 1
        self.now = self._device.ahead(torch.tensor(self._played), 1)[0].flatten(1).numpy()

    def next(self, rows: np.ndarray, count: int) -> np.ndarray:
        place = self._first[count]
        found: np.ndarray = self.now[place : place + count, rows].T
        return found


def follow(host: MinAtar, device: DeviceEnvironments) -> np.ndarray:
    """Make the host's games draw what the device's will, from their first on; its first observations."""
    given, real = Given(host._task.game, device), host._stick
    host._game.draws = given

    def stick() -> np.ndarray:
        real()
        given.go_on()
        found: np.ndarray = given.now[-1] < host._task.sticky_action_prob
        return found

    host._stick = stick  # type: ignore[method-assign]
    return host.reset()


def sparing(act: Callable[..., Any], ends: np.ndarray) -> Callable[..., Any]:
    """A step of a game after which only these games (N,) are over."""

    def spared(*now: Any) -> Any:
        *found, over = act(*now)
        return *found, over & (ends if isinstance(over, np.ndarray) else torch.from_numpy(ends))

    return spared
