"""See tasks.minatar.breakout."""

import torch
from torch import Tensor

from lth_core.tasks.minatar import breakout
from lth_core.tasks.on_device.minatar.game import DeviceGame, State, marked


class Breakout(DeviceGame):
    """See breakout.Breakout."""

    like, drawn = breakout.Breakout, 1

    def __init__(self, ramping: bool, device: torch.device) -> None:
        """See DeviceGame."""
        super().__init__(ramping, device)
        self._to_the_right, self._down = (
            torch.from_numpy(one).to(device) for one in (breakout.TO_THE_RIGHT, breakout.DOWN)
        )
        self._wall = self._first["bricks"]

    def begun(self, drawn: Tensor) -> dict[str, Tensor]:
        """See DeviceGame: from the left or from the right."""
        side = (drawn[0] * 2).long()
        return {"x": 9 * side, "last_x": 9 * side, "direction": 2 + side}

    def act(self, now: State, actions: Tensor, drawn: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """See DeviceGame."""
        old_x, old_y, direction = now["x"], now["y"], now["direction"]
        pos = (now["pos"] + self.aside[actions]).clamp(0, 9)
        ahead, y = old_x + self._to_the_right[direction], old_y + self._down[direction]
        x = ahead.clamp(0, 9)
        direction = direction ^ (x != ahead)
        above = y < 0
        y = y.clamp(min=0)
        bricks, cell = now["bricks"].flatten(1), (10 * y + x)[:, None]
        brick = bricks.gather(1, cell)[:, 0] != 0
        broken = brick & (now["strike"] == 0)
        bricks = bricks.scatter(1, cell, (brick & ~broken)[:, None].to(torch.uint8))
        bottom = y == 9
        empty = bottom & (bricks == 0).all(1)
        bricks = bricks.view(-1, 10, 10) | empty[:, None, None] * self._wall
        straight = bottom & (old_x == pos)
        corner = bottom & (x == pos) & ~straight
        turned = broken | straight
        state = {
            "pos": pos, "x": x, "y": torch.where(turned | corner, old_y, y), "last_x": old_x, "last_y": old_y,
            "direction": direction ^ (3 * (above | turned) + 2 * corner), "strike": brick, "bricks": bricks,
        }  # fmt: skip
        return state, broken, bottom & ~straight & ~corner

    def seen(self, now: State) -> Tensor:
        """See DeviceGame."""
        cells = [90 + now["pos"], 100 + 10 * now["y"] + now["x"], 200 + 10 * now["last_y"] + now["last_x"]]
        boards = [marked(torch.stack(cells), 3), now["bricks"].flatten(1)[:, None]]
        return torch.cat(boards, 1).view(-1, 4, 10, 10)
