"""See tasks.minatar.freeway."""

import torch
from torch import Tensor

from lth_core.tasks.minatar import freeway
from lth_core.tasks.on_device.minatar.game import DeviceGame, State, at, marked


class Freeway(DeviceGame):
    """See freeway.Freeway. Where the top is reached and the game is over in the same step, both draw the same numbers:
    nothing comes of those that the first draws."""

    like, drawn = freeway.Freeway, 16

    def __init__(self, ramping: bool, device: torch.device) -> None:
        """See DeviceGame."""
        super().__init__(ramping, device)
        self._lanes = torch.from_numpy(freeway.LANES).to(device)[:, None]

    def begun(self, drawn: Tensor) -> dict[str, Tensor]:
        """See DeviceGame: speeds of the cars."""
        size = 1 + (drawn[:8] * 5).long()
        return {"wait": size, "speed": torch.where(drawn[8:] < 0.5, -size, size)}

    def act(self, now: State, actions: Tensor, drawn: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """See DeviceGame."""
        way = self.downward[actions] * (now["rest"] == 0)
        rest = now["rest"].masked_fill(way != 0, freeway.REST)
        pos = (now["pos"] + way).clamp(max=9)
        won, new = pos == 0, self.begun(drawn)
        wait, speed = (torch.where(won, new[name], now[name]) for name in ("wait", "speed"))
        pos = pos.masked_fill(won, 9)
        lane, due = pos.clamp(max=8) - 1, wait == 0
        x = (now["x"] + speed.sign() * due) % 10
        hit = ((at(now["x"], lane) == 4) | (at(x, lane) == 4)) & (pos < 9)
        left = now["left"] - 1
        state = {
            "pos": pos.masked_fill(hit, 9), "rest": rest - (rest > 0).long(), "left": left, "x": x, "speed": speed,
            "wait": torch.where(due, speed.abs(), wait - 1),
        }  # fmt: skip
        return state, won, left < 0

    def seen(self, now: State) -> Tensor:
        """See DeviceGame."""
        lanes, x, speed = 100 + 10 * self._lanes, now["x"], now["speed"]
        trails = lanes + 100 * speed.abs() + (x - speed.sign()) % 10
        cells = torch.cat([10 * now["pos"][None] + 4, lanes + x, trails])
        return marked(cells, 7).view(-1, 7, 10, 10)
