"""See tasks.minatar.seaquest.

Lists have as many places as they ever have entries: two bullets of the player (one leaves every 5 steps and is gone
after 10), two divers (every 30, after 60), 30 fish and submarines (at most one a step, gone after 30 where they come
that fast). Bullets of submarines are boards, because nothing tells those at the same cell and with the same way apart.
"""

import torch
from torch import Tensor
from torch.nn import functional

from lth_core.tasks.minatar import game, seaquest
from lth_core.tasks.on_device.minatar.game import DeviceGame, State, marked
from lth_core.tasks.on_device.minatar.hunt import Hunted, hunt
from lth_core.tasks.on_device.minatar.lists import WAY, appended, beside, first, without_gaps

PLACES = {"ours": 2, "divers": 2, "fish": 32, "subs": 32}


class Seaquest(DeviceGame):
    """See seaquest.Seaquest. theirs: (N, 2, 10, 10), bullets to the left and to the right."""

    like, drawn = seaquest.Seaquest, 5

    def __init__(self, ramping: bool, device: torch.device) -> None:
        """See DeviceGame."""
        super().__init__(ramping, device)
        self._line = torch.arange(10, device=device)

    def first(self, like: game.Game) -> dict[str, Tensor]:
        """See DeviceGame."""
        lists = seaquest.Seaquest.lists
        found = {n: one for n, one in super().first(like).items() if n.removesuffix("_count") not in lists}
        empty = {n: torch.zeros((lists[n], places), dtype=torch.int64) for n, places in PLACES.items()}
        return found | empty | {"theirs": torch.zeros((2, 10, 10), dtype=torch.uint8)}

    def act(self, now: State, actions: Tensor, drawn: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """See DeviceGame."""
        found = {**now, **self._arrivals(now, drawn)}
        fires = (actions == game.FIRE) & (now["cool_down"] == 0)
        ours = appended(now["ours"], fires, now["x"], now["y"], now["way"])
        aside = self.aside[actions]
        found["x"], found["y"] = x, y = (
            (now["x"] + aside).clamp(0, 9), (now["y"] + self.downward[actions]).clamp(0, 8),
        )  # fmt: skip
        found["way"] = torch.where(aside != 0, aside, now["way"])
        own = x[:, None], y[:, None]
        ours, bullets, there, earned = _fly(ours, {name: found[name] for name in ("fish", "subs")})
        found["divers"], found["aboard"] = _dive(found["divers"], own, now["aboard"])
        speed = now["move_speed"][:, None]
        subs = hunt(found["subs"], there["subs"], ours, bullets, own, speed)
        found["theirs"], shot = _be_shot(_fired(now["theirs"], subs), self._line, x, y)
        fish = hunt(found["fish"], there["fish"], ours, subs.bullets, own, speed)
        found |= {name: without_gaps(one.items, one.there) for name, one in (("fish", fish), ("subs", subs))}
        found["ours"] = without_gaps(ours, fish.bullets)
        cool_down = now["cool_down"].masked_fill(fires, seaquest.COOL_DOWN)
        for name, timer in (("cool_down", cool_down), *((n, found[n]) for n in ("spawn_timer", "diver_timer"))):
            found[name] = timer - (timer > 0).long()
        more, ended = self._breathe(found)
        return found, earned + subs.shot + fish.shot + more, subs.over | shot | fish.over | ended

    def _arrivals(self, now: State, drawn: Tensor) -> dict[str, Tensor]:
        """Enemies and divers that are due."""
        due, way = now["spawn_timer"] == 0, 2 * (drawn[0] < 1 / 2).long() - 1
        y, is_sub, blocked = 1 + (drawn[2] * 8).long(), drawn[1] < 1 / 3, torch.zeros_like(due)
        for name in ("subs", "fish"):
            blocked = blocked | ((now[name][:, 1] == y[:, None]) & (now[name][:, WAY] == -way[:, None])).any(1)
        entry = (way < 0) * 9, y, way, now["move_speed"]
        comes = due & ~blocked
        divers, to = now["diver_timer"] == 0, 2 * (drawn[3] < 1 / 2).long() - 1
        return {
            "subs": appended(now["subs"], comes & is_sub, *entry, seaquest.SHOT),
            "fish": appended(now["fish"], comes & ~is_sub, *entry),
            "spawn_timer": torch.where(due, now["spawn_speed"], now["spawn_timer"]),
            "divers": appended(
                now["divers"], divers, (to < 0) * 9, 1 + (drawn[4] * 8).long(), to, seaquest.DIVER_MOVE
            ),
            "diver_timer": now["diver_timer"].masked_fill(divers, seaquest.DIVER_SPAWN),
        }  # fmt: skip

    def _breathe(self, found: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Air, and surfacing, which change the state; rewards, and which games are over."""
        air, aboard, under, surfaced = found["air"], found["aboard"], found["y"] > 0, found["surfaced"] != 0
        over, air, up = air <= 0, air - under.long(), ~(under | surfaced)
        safe, full = up & (aboard != 0), aboard == seaquest.ABOARD
        earned = (safe & full) * torch.div(air * 10, seaquest.AIR, rounding_mode="floor")
        found["surfaced"] = ~under & (surfaced | safe)
        found["aboard"] = torch.where(safe, aboard.masked_fill(full, 0) - 1, aboard)
        found["air"] = air.masked_fill(safe, seaquest.AIR)
        if self.ramping:
            spawn, move, index = found["spawn_speed"], found["move_speed"], found["ramp_index"]
            rises = safe & ((spawn > 1) | (move > seaquest.FASTEST))
            found["move_speed"] = move - (rises & (move > seaquest.FASTEST) & (index % 2 == 1)).long()
            found["spawn_speed"] = spawn - (rises & (spawn > 1)).long()
            found["ramp_index"] = index + rises
        return earned, over | (up & (aboard == 0))

    def seen(self, now: State) -> Tensor:
        """See DeviceGame. What is not to be seen falls on the player's own cell."""
        front = (10 * now["y"] + now["x"])[:, None]
        cells = [front, front + 100 - now["way"][:, None]]
        for name in PLACES:
            x, y, way = now[name][:, :3].unbind(1)
            cells.append(torch.where(way != 0, 100 * seaquest.DRAWN[name] + 10 * y + x, front))
            if name != "ours":
                cells.append(torch.where((way != 0) & ~beside(x - way), 300 + 10 * y + x - way, front))
        found = marked(torch.cat(cells, 1).T, 10).view(-1, 10, 10, 10)
        air = torch.div(now["air"].clamp(min=0) * 10, seaquest.AIR, rounding_mode="floor")
        found[:, 4] = now["theirs"][:, 0] | now["theirs"][:, 1]
        found[:, 7, 9] = self._line < air[:, None]
        found[:, 8, 9] = (self._line >= 9 - now["aboard"][:, None]) & (self._line < 9)
        return found


def _fly(ours: Tensor, enemies: dict[str, Tensor]) -> tuple[Tensor, Tensor, dict[str, Tensor], Tensor]:
    """The player's bullets, the last first; each hits the first fish at its cell, else the first submarine.

    Returns the bullets and which of them are left, which enemies are, by name, and rewards (N,).
    """
    x, y, way = ours.unbind(1)
    at, bullets = x + way, list[Tensor]()
    there = {name: items[:, WAY] != 0 for name, items in enemies.items()}
    earned = torch.zeros_like(x[:, 0])
    for place in reversed(range(ours.shape[2])):
        flies = (way[:, place] != 0) & ~beside(at[:, place])
        for name, items in enemies.items():
            same = (items[:, 0] == at[:, place, None]) & (items[:, 1] == y[:, place, None])
            hit = first(same & there[name] & flies[:, None])
            there[name] = there[name] & ~hit
            struck = hit.any(1)
            earned, flies = earned + struck, flies & ~struck
        bullets.append(flies)
    return torch.stack([at, y, way], 1), torch.stack(bullets[::-1], 1), there, earned


def _dive(divers: Tensor, own: tuple[Tensor, Tensor], aboard: Tensor) -> tuple[Tensor, Tensor]:
    """The divers, the last first, and how many are aboard: they are taken before or after they move."""
    moved, left = list[Tensor](), list[Tensor]()
    for place in reversed(range(divers.shape[2])):
        x, y, way, timer = divers[:, :, place].unbind(1)
        there, level, room = way != 0, y == own[1][:, 0], aboard < seaquest.ABOARD
        taken = there & level & (x == own[0][:, 0]) & room
        due = there & ~taken & (timer == 0)
        x = x + way * due
        timer = (timer - (there & ~taken).long()).masked_fill(due, seaquest.DIVER_MOVE)
        taken = taken | (due & level & (x == own[0][:, 0]) & room)
        aboard = aboard + taken
        moved.append(torch.stack([x, y, way, timer], 1))
        left.append(there & ~taken & ~beside(x))
    return without_gaps(torch.stack(moved[::-1], 2), torch.stack(left[::-1], 1)), aboard


def _fired(theirs: Tensor, subs: Hunted) -> Tensor:
    """The boards of bullets (N, 2, 10, 10) with those that submarines have just fired; those beside the board are gone
    at once."""
    x, y, way = subs.items[:, :3].unbind(1)
    cells = (50 * (way + 1) + 10 * y + x).masked_fill(~subs.fired | beside(x), 200)
    return functional.pad(theirs.flatten(1), (0, 1)).scatter(1, cells, 1)[:, :200].view(-1, 2, 10, 10)


def _be_shot(theirs: Tensor, line: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The bullets of submarines, moved, and whose player they meet, before or after."""
    left, right = theirs.unbind(1)
    moved = torch.stack([functional.pad(left[:, :, 1:], (0, 1)), functional.pad(right[:, :, :9], (1, 0))], 1)
    own = (line == x[:, None])[:, None] & (line == y[:, None])[:, :, None]
    return moved, ((theirs | moved).amax(1) * own).flatten(1).amax(1) != 0
