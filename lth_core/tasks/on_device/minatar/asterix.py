"""See tasks.minatar.asterix."""

import torch
from torch import Tensor

from lth_core.tasks.minatar import asterix
from lth_core.tasks.on_device.minatar.game import DeviceGame, State, marked


class Asterix(DeviceGame):
    """See asterix.Asterix; rows have an entry for each of the eight lanes, (8, N)."""

    like, drawn = asterix.Asterix, 3

    def __init__(self, ramping: bool, device: torch.device) -> None:
        """See DeviceGame."""
        super().__init__(ramping, device)
        self._lanes = torch.from_numpy(asterix.LANES).to(device)[:, None]

    def act(self, now: State, actions: Tensor, drawn: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """See DeviceGame."""
        arrives = now["spawn_timer"] == 0
        there, where, right, gold = self._spawned(now, arrives, drawn)
        spawn_timer = torch.where(arrives, now["spawn_speed"], now["spawn_timer"])
        x = (now["x"] + self.aside[actions]).clamp(0, 9)
        y = (now["y"] + self.downward[actions]).clamp(1, 8)
        met = (self._lanes == y) & there & (where == x)
        earned, over, there = (met & gold).any(0).long(), (met & ~gold).any(0), there & ~(met & gold)
        moving = now["move_timer"] == 0
        where = where + (2 * right.long() - 1) * moving
        there = there & (where >= 0) & (where <= 9)
        # Whoever has not moved has met already.
        met = (self._lanes == y) & there & (where == x)
        earned, over, there = earned + (met & gold).any(0), over | (met & ~gold).any(0), there & ~(met & gold)
        state = {
            "x": x, "y": y, "there": there, "at": where, "right": right, "gold": gold,
            "spawn_timer": spawn_timer - 1,
            "move_timer": torch.where(moving, now["move_speed"], now["move_timer"]) - 1,
            **{name: now[name] for name in ("spawn_speed", "move_speed", "ramp_timer", "ramp_index")},
        }  # fmt: skip
        return state | (self._ramped(now) if self.ramping else {}), earned, over

    def _spawned(self, now: State, arrives: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What crosses, where, which way and of which kind, with something new in an empty row if there is one."""
        free = now["there"] == 0
        rank = free.cumsum(0)
        new = arrives & free & (rank - 1 == (drawn[2] * rank[-1]).long())
        right, gold = drawn[0] < 1 / 2, drawn[1] < 1 / 3
        return (
            ~free | new,
            torch.where(new, (~right) * 9, now["at"]),
            torch.where(new, right, now["right"] != 0),
            torch.where(new, gold, now["gold"] != 0),
        )

    def _ramped(self, now: State) -> dict[str, Tensor]:
        spawn, move, index, timer = (now[name] for name in ("spawn_speed", "move_speed", "ramp_index", "ramp_timer"))
        can = (spawn > 1) | (move > 1)
        rises = can & (timer < 0)
        return {
            "spawn_speed": spawn - (rises & (spawn > 1)).long(),
            "move_speed": move - (rises & (move > 1) & (index % 2 == 1)).long(),
            "ramp_index": index + rises,
            "ramp_timer": (timer - (can & ~rises).long()).masked_fill(rises, asterix.RAMP),
        }

    def seen(self, now: State) -> Tensor:
        """See DeviceGame. What is not to be seen falls on the player's own cell."""
        here, there, where = (10 * now["y"] + now["x"])[None], now["there"] != 0, now["at"]
        line = 10 * self._lanes
        things = line + where + 100 + 200 * (now["gold"] != 0)
        back = where + 1 - 2 * now["right"]
        cells = [here, torch.where(there, things, here)]
        cells.append(torch.where(there & (back >= 0) & (back <= 9), line + 200 + back, here))
        return marked(torch.cat(cells), 4).view(-1, 4, 10, 10)
