"""Fish and submarines of Seaquest move: see Seaquest._hunt_one_by_one of the host.

It runs through a list from its end, so that of several that move into a bullet the last is shot. There are as many
rounds as bullets, and all else is done for a whole list at once. That entries are removed by value makes no difference:
a bullet that is left after it flew has no enemy at its cell, so that none equals one that moves into it.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from lth_core.tasks.minatar.seaquest import SHOT
from lth_core.tasks.on_device.minatar.lists import beside, first, last


class Hunted(NamedTuple):
    """items (N, fields, places) of the list, there (N, places); bullets (N, B) that are left; shot (N,) entries;
    over (N,); fired (N, places) by submarines, from where they are now, also if they are gone."""

    items: Tensor
    there: Tensor
    bullets: Tensor
    shot: Tensor
    over: Tensor
    fired: Tensor


def hunt(
    items: Tensor, there: Tensor, ours: Tensor, bullets: Tensor, own: tuple[Tensor, Tensor], move_speed: Tensor
) -> Hunted:  # fmt: skip
    """Move a list. ours (N, 3, B): the player's bullets, of which `bullets` (N, B) are there. own: x and y (N, 1)."""
    x, y, way, timer, *shots = items.unbind(1)
    due = there & (timer == 0)
    at = x + way * due
    level = there & (y == own[1])
    met = level & (at == own[0])
    bullet_x, bullet_y, _ = ours.unbind(1)
    hits = (at[:, :, None] == bullet_x[:, None]) & (y[:, :, None] == bullet_y[:, None]) & (due & ~met)[:, :, None]
    hit = torch.zeros_like(there)
    for _ in range(bullets.shape[1]):
        chosen = last((hits & bullets[:, None]).any(2) & ~hit)
        bullets = bullets & ~first((hits & chosen[:, :, None]).any(1) & bullets)
        hit = hit | chosen
    over, fired = (met | (level & (x == own[0]))).any(1), torch.zeros_like(there)
    if shots:
        fired = there & (shots[0] == 0)
        shots = [(shots[0] - there.long()).masked_fill(fired, SHOT)]
    moved = torch.stack([at, y, way, torch.where(due, move_speed, timer - there.long()), *shots], 1)
    return Hunted(moved, there & ~hit & ~beside(at), bullets, hit.sum(1), over, fired)
