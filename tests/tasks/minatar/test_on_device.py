"""MinAtar in torch against the host's games: the same to the last bit with the same random numbers."""

from typing import Any

import numpy as np
import pytest
import torch

from lth_core.settings.minatar import MinAtarTask
from lth_core.tasks.minatar.asterix import Asterix
from lth_core.tasks.minatar.breakout import Breakout
from lth_core.tasks.minatar.environments import MinAtar
from lth_core.tasks.minatar.freeway import Freeway
from lth_core.tasks.minatar.games import GAMES as ON_HOST
from lth_core.tasks.minatar.seaquest import Seaquest
from lth_core.tasks.minatar.space_invaders import SpaceInvaders
from lth_core.tasks.on_device.made import make
from lth_core.tasks.on_device.minatar.environments import GAMES, DeviceMinAtar
from tests.tasks.minatar.given import follow, sparing
from tests.tasks.minatar.played import EAGER, LONG

every_game = pytest.mark.parametrize("game", GAMES)
TICKETS, COUNT = 2, 12


def made(seeds: list[int], count: int = COUNT, **fields: Any) -> DeviceMinAtar:
    found = make(MinAtarTask(**fields), seeds, count, torch.device("cpu"))
    assert isinstance(found, DeviceMinAtar)
    return found


def ahead(one: DeviceMinAtar, i: int) -> torch.Tensor:
    return one.ahead(torch.tensor(i), 1)[0]


class Both:
    """The games on both sides with the device's numbers. going_on: that share of them does so once they are over."""

    def __init__(self, going_on: float, count: int = COUNT, **fields: Any) -> None:
        self.device, self.host = made([3, 5], count, **fields), MinAtar(MinAtarTask(**fields), [3, 5], count)
        ends = np.arange(TICKETS * count) >= going_on * TICKETS * count
        for side in (self.host, self.device):
            setattr(side._game, "act", sparing(side._game.act, ends))  # noqa: B010
        assert np.array_equal(follow(self.host, self.device), self.device.observations().numpy())

    def put(self, **values: Any) -> None:
        """Change quantities of both sides' games: to a number, or by a function of what they are."""
        now = self.device._game.apart(self.device._now)
        for name, value in values.items():
            own = getattr(self.host._game, name)
            own[...] = value(own) if callable(value) else value
            now[name].copy_(torch.from_numpy(own.T if own.shape[1:] == (8,) else own))

    def help_on(self, i: int) -> None:
        """What chance alone would hardly bring."""
        game = self.host._game
        if isinstance(game, Breakout):
            if i % 8 < 5:
                self.put(pos=game.x)
            if i % 25 == 24:
                self.put(bricks=0)
        elif isinstance(game, Freeway) and i % 25 == 24:
            self.put(left=lambda left: np.where(np.arange(len(left)) % 3, left, 1))
        elif isinstance(game, SpaceInvaders) and i % 25 == 24:
            few = np.zeros((10, 10), np.uint8)
            few[0, 3:7] = 1
            self.put(aliens=few)
        elif isinstance(game, Asterix) and i == 25:
            self.put(spawn_speed=2, move_speed=2, ramp_index=1, ramp_timer=-1)
        elif isinstance(game, Seaquest):
            if i == 10:
                self.put(spawn_speed=1, move_speed=2)
            if i % 25 == 24:
                self.put(aboard=6, air=lambda air: np.minimum(air, 90))

    def step(self, i: int, actions: np.ndarray) -> int:
        """Step both sides and compare them; how many games ended."""
        ours, theirs = self.device.step(torch.from_numpy(actions), ahead(self.device, i)), self.host.step(actions)
        for name in ("observations", "rewards", "terminated", "truncated"):
            found, wanted = getattr(ours, name).numpy(), getattr(theirs, name)
            assert found.dtype == wanted.dtype
            assert np.array_equal(found, wanted), (i, name)
        if ours.last_observations is not None and theirs.last_observations is not None:
            assert np.array_equal(ours.last_observations.numpy(), theirs.last_observations)
        return int(ours.ended.sum())


def play(game: str, hard: bool, steps: int) -> None:
    fields = {"game": game, "difficulty_ramping": hard, "sticky_action_prob": 0.25 if hard else 0.0}
    going_on = 0.0 if game in ("breakout", "freeway") else 0.5
    sides, rng, ended = Both(going_on, **fields, time_limit=None if hard else 30), np.random.default_rng(0), 0
    for i, actions in enumerate(rng.choice(6, (steps, TICKETS, COUNT), p=LONG.get(game, EAGER))):
        sides.help_on(i)
        ended += sides.step(i, actions)
    assert ended


@every_game
def test_steps_are_the_hosts(game: str) -> None:
    play(game, True, 100)


@every_game
def test_steps_without_ramping_and_sticky_actions_but_a_time_limit_are_the_hosts(game: str) -> None:
    play(game, False, 50)


def _crowd(rng: np.random.Generator, count: int, longest: int, *fields: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Lists of a few kinds of entries, so that many are equal or meet: (N, longest, fields), and how many there are."""
    items = np.stack([rng.choice(own, (count, longest)) for own in fields], 2)
    number = rng.integers(0, longest + 1, count)
    items[np.arange(longest) >= number[:, None]] = 0
    return items, number


def test_whoever_meets_in_seaquest_is_treated_as_on_the_host() -> None:
    count, rng = 200, np.random.default_rng(0)
    sides = Both(1.0, count, game="seaquest", sticky_action_prob=0)
    sides.put(move_speed=2, y=2, x=lambda x: rng.integers(0, 10, x.shape), aboard=4, cool_down=8)
    now, game = sides.device._now, sides.host._game
    ways, rows = [-1, 1], [1, 2]
    for name, longest, fields in (
        ("ours", 2, [[3, 5, 6], rows, ways]),
        ("divers", 2, [[*range(10)], rows, ways, [0, 3]]),
        ("fish", 9, [[2, 3, 4, 5, 6, 7], rows, [1], [0, 2]]),
        ("subs", 9, [[2, 3, 4, 5, 6, 7], rows, [-1], [0, 2], [0, 1]]),
    ):
        items, number = _crowd(rng, TICKETS * count, longest, *fields)
        if name == "ours":  # no two of the player's bullets are alike
            items[:, 1, 2] = -items[:, 0, 2] * (items[:, 1, 2] != 0)
        getattr(game, name)[:, :longest], getattr(game, f"{name}_count")[:] = items, number
        now[name][:, :, :longest] = torch.from_numpy(items.swapaxes(1, 2))
    sides.host._game._find_queues()  # type: ignore[attr-defined]
    for i in range(8):
        sides.step(i, rng.choice(6, (TICKETS, count), p=EAGER))


@every_game
def test_a_tickets_games_are_the_same_in_every_stack_and_when_resumed(game: str) -> None:
    fields = {"game": game, "time_limit": 15}
    whole, alone, rng = made([5, 6, 7], **fields), made([6], **fields), np.random.default_rng(0)
    kept = made([5, 6, 7], **fields)
    for i, numbers in enumerate(rng.choice(6, (28, 3, COUNT), p=EAGER)):
        actions = torch.from_numpy(numbers)
        together, own = whole.step(actions, ahead(whole, i)), alone.step(actions[1:2], ahead(alone, i))
        also = kept.step(actions[-len(kept.keys) :], ahead(kept, i))
        for wanted, one, other in zip(together, own, also, strict=True):
            assert wanted is not None and one is not None and other is not None
            assert torch.equal(wanted[1:2], one)
            assert torch.equal(wanted[-len(other) :], other)
        if i == 18:  # in the middle of games
            kept.keep([1, 2])
            saved, _ = kept.state()
            kept = made([6, 7], **fields)
            kept.restore(saved)


def test_every_game_has_a_form_on_a_device() -> None:
    assert {name: game.like for name, game in GAMES.items()} == dict(ON_HOST)
