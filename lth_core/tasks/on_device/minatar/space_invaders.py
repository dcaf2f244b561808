"""See tasks.minatar.space_invaders."""

import torch
from torch import Tensor
from torch.nn import functional

from lth_core.tasks.minatar import space_invaders
from lth_core.tasks.minatar.game import FIRE
from lth_core.tasks.on_device.minatar.game import DeviceGame, State, at, marked


class SpaceInvaders(DeviceGame):
    """See space_invaders.SpaceInvaders."""

    like = space_invaders.SpaceInvaders

    def __init__(self, ramping: bool, device: torch.device) -> None:
        """See DeviceGame."""
        super().__init__(ramping, device)
        self._line = torch.arange(10, device=device)
        self._wave = self._first["aliens"]

    def act(self, now: State, actions: Tensor, drawn: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """See DeviceGame."""
        fires = (actions == FIRE) & (now["cool_down"] == 0)
        cool_down = now["cool_down"].masked_fill(fires, space_invaders.COOL_DOWN)
        # A shot leaves the cannon's own cell at once.
        shot = fires[:, None] & (self._line == now["pos"][:, None])
        ours = functional.pad(now["ours"][:, 1:], (0, 0, 0, 1))
        ours = torch.cat([ours[:, :8], ours[:, 8:9] | shot[:, None].to(torch.uint8), ours[:, 9:]], 1)
        pos = (now["pos"] + self.aside[actions]).clamp(0, 9)
        theirs, aliens = functional.pad(now["theirs"][:, :9], (0, 0, 1, 0)), now["aliens"]
        over = _at(theirs[:, 9] | aliens[:, 9], pos)
        aliens, direction, move_timer, more = self._moved(now, pos)
        theirs, shot_timer = self._shot(theirs, aliens, pos, now["shot_timer"])
        killed = aliens & ours
        earned = killed.flatten(1).sum(1)
        aliens, ours = aliens ^ killed, ours ^ killed
        done = (earned > 0) & (aliens == 0).flatten(1).all(1)
        interval = now["move_interval"]
        if self.ramping:
            interval = interval - (done & (interval > space_invaders.FASTEST)).long()
        state = {
            "pos": pos, "aliens": aliens | done[:, None, None] * self._wave, "ours": ours, "theirs": theirs,
            "direction": direction, "move_interval": interval, "move_timer": move_timer - 1,
            "shot_timer": shot_timer - 1, "cool_down": cool_down - (cool_down > 0).long(),
        }  # fmt: skip
        return state, earned, over | more

    def _moved(self, now: State, pos: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The aliens, their direction and timer once those that are due have moved; which games that ends."""
        aliens, way, due = now["aliens"], now["direction"], now["move_timer"] == 0
        timer = torch.where(due, torch.minimum(aliens.flatten(1).sum(1), now["move_interval"]), now["move_timer"])
        left = way < 0
        edge = due & (torch.where(left[:, None], aliens[:, :, 0], aliens[:, :, 9]) != 0).any(1)
        low = edge & (aliens[:, 9] != 0).any(1)
        aside = torch.where(left[:, None, None], aliens.roll(-1, 2), aliens.roll(1, 2))
        moved = torch.where(edge[:, None, None], aliens.roll(1, 1), aside)
        aliens = torch.where(due[:, None, None], moved, aliens)
        return aliens, torch.where(edge, -way, way), timer, low | (due & _at(aliens[:, 9], pos))

    def _shot(self, theirs: Tensor, aliens: Tensor, pos: Tensor, timer: Tensor) -> tuple[Tensor, Tensor]:
        """The bullets and the timer once the lowest alien of the nearest column has shot, the left of two as near."""
        due, line = timer == 0, self._line
        order = 2 * (line - pos[:, None]).abs() + (line > pos[:, None])
        column = order.masked_fill((aliens == 0).all(1), 99).argmin(1)
        rows = aliens.gather(2, column[:, None, None].expand(-1, 10, 1))[:, :, 0]
        cell = (10 * (rows * line).amax(1) + column)[:, None]
        flat = theirs.flatten(1)
        fired = flat.gather(1, cell) | due[:, None].to(torch.uint8)
        return flat.scatter(1, cell, fired).view(-1, 10, 10), timer.masked_fill(due, space_invaders.SHOT)

    def seen(self, now: State) -> Tensor:
        """See DeviceGame."""
        aliens, left = now["aliens"].flatten(1)[:, None], (now["direction"] < 0)[:, None, None]
        bullets = [now[name].flatten(1)[:, None] for name in ("ours", "theirs")]
        found = torch.cat([marked((90 + now["pos"])[None], 1), aliens, aliens * left, aliens * ~left, *bullets], 1)
        return found.view(-1, 6, 10, 10)


def _at(line: Tensor, place: Tensor) -> Tensor:
    """Whether there is something in a line (N, 10) at a place (N,)."""
    return at(line.T, place) != 0
