"""MinAtar on a device: see DeviceEnvironments. With the same random numbers its games are the host's, bit for bit."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lth_core.settings.minatar import MinAtarTask
from lth_core.tasks.minatar.environments import MinAtar
from lth_core.tasks.on_device.environments import DeviceEnvironments, DeviceStep
from lth_core.tasks.on_device.minatar.asterix import Asterix
from lth_core.tasks.on_device.minatar.breakout import Breakout
from lth_core.tasks.on_device.minatar.freeway import Freeway
from lth_core.tasks.on_device.minatar.game import DeviceGame
from lth_core.tasks.on_device.minatar.seaquest import Seaquest
from lth_core.tasks.on_device.minatar.space_invaders import SpaceInvaders
from lth_core.tasks.step import UNLIMITED

GAMES: dict[str, type[DeviceGame]] = {
    "asterix": Asterix,
    "breakout": Breakout,
    "freeway": Freeway,
    "seaquest": Seaquest,
    "space_invaders": SpaceInvaders,
}


class DeviceMinAtar(DeviceEnvironments):
    """Observations (T, E, channels, 10, 10), bytes; N = T * E games.

    Each step is given uniform numbers: its game's, which begin new games too, and last that of the sticky action.
    """

    block = 16

    def __init__(self, task: MinAtarTask, seeds: Sequence[int], count: int, device: torch.device) -> None:
        """See DeviceEnvironments."""
        like, self._game = MinAtar(task, [0], 1), GAMES[task.game](task.difficulty_ramping, device)
        super().__init__(like, seeds, count, device, self._game.drawn + 1)
        self._sticky, self._moves = task.sticky_action_prob, torch.from_numpy(like.moves).to(device)
        self._last = torch.zeros_like(self.steps)
        first = self._game.start(self.ahead(torch.tensor(-1, device=device), 1)[0, :-1].flatten(1))
        games = self.steps.numel()
        self._now = {
            n: one if n == "numbers" else one.expand(games, *one.shape[1:]).clone() for n, one in first.items()
        }

    def observations(self) -> Tensor:
        """See DeviceEnvironments."""
        return self._shaped(self._game.seen(self._game.apart(self._now)))

    def step(self, actions: Tensor, given: Tensor) -> DeviceStep:
        """See DeviceEnvironments."""
        game, drawn = self._game, given[:-1].flatten(1)
        self._last.copy_(torch.where(given[-1] < self._sticky, self._last, self._moves[actions]))
        moved, earned, over = game.act(game.apart(self._now), self._last.flatten(), drawn)
        over = self._shaped(over)
        ended, late, last = over, torch.zeros_like(over), None
        if self.limit < UNLIMITED:
            late = (self.steps.add_(1) >= self.limit) & ~over
            ended, last = over | late, self._shaped(game.seen(moved))
            self.steps.masked_fill_(ended, 0)
        found, fresh = game.joined(moved, len(earned)), game.start(drawn)
        for name, own in self._now.items():
            begins = ended.flatten().view(-1, *[1] * (own.ndim - 1)) if name != "numbers" else ended.flatten()
            torch.where(begins, fresh[name], found[name], out=own)
        return DeviceStep(self.observations(), last, self._shaped(earned.to(torch.float32)), over, late, ended)

    def _shaped(self, rows: Tensor) -> Tensor:
        return rows.view(*self.steps.shape, *rows.shape[1:])

    def tensors(self) -> dict[str, Tensor]:
        """See DeviceEnvironments."""
        return {"last": self._last, **self._now}

    def keep(self, tickets: Sequence[int]) -> None:
        """See Environments; the memory of the state moves."""
        shape, rows = self.steps.shape, torch.tensor(list(tickets), device=self._device)
        super().keep(tickets)
        self._last = self._last[rows]
        for name, one in self._now.items():
            games = 1 if name == "numbers" else 0
            kept = one.view(*one.shape[:games], *shape, *one.shape[games + 1 :]).index_select(games, rows)
            self._now[name] = kept.flatten(games, games + 1).contiguous()
