"""MinAtar in torch against the host's games: the same to the last bit with the same random numbers."""

from typing import Any

import numpy as np
import pytest
import torch

from lth_core.settings.minatar import MinAtarTask
from lth_core.tasks.minatar.breakout import Breakout
from lth_core.tasks.minatar.environments import MinAtar
from lth_core.tasks.minatar.games import GAMES as ON_HOST
from lth_core.tasks.minatar.seaquest import Seaquest
from lth_core.tasks.on_device.made import make
from lth_core.tasks.on_device.minatar.environments import GAMES, DeviceMinAtar
from lth_core.tasks.on_device.minatar.seaquest import PLACES
from tests.tasks.minatar.given import follow, sparing
from tests.tasks.minatar.played import EAGER, LONG
from tests.tasks.minatar.states import invented

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

    def put(self, **values: np.ndarray) -> None:
        """Change quantities of both sides' games, by the host's names."""
        now, game = self.device._game.apart(self.device._now), self.host._game
        for name, value in values.items():
            own, mine, given = getattr(game, name), now.get(name), torch.from_numpy(value)
            if isinstance(game, Seaquest) and name in PLACES:
                own[:, : value.shape[1]] = value
                now[name][:, :, : value.shape[1]] = given.transpose(1, 2)
                continue
            own[...] = value
            if mine is not None:
                mine.copy_(given.T if value.ndim == 2 else given)

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


def difficulty(game: str, hard: bool) -> dict[str, Any]:
    return {"game": game, "difficulty_ramping": hard, "sticky_action_prob": 0.25 if hard else 0.0}


def play(game: str, hard: bool, steps: int) -> None:
    going_on = 0.0 if game in ("breakout", "freeway") else 0.5
    sides = Both(going_on, **difficulty(game, hard), time_limit=None if hard else 30)
    rng, ended = np.random.default_rng(0), 0
    for i, actions in enumerate(rng.choice(6, (steps, TICKETS, COUNT), p=LONG.get(game, EAGER))):
        if isinstance(sides.host._game, Breakout) and i % 8 < 5:
            sides.put(pos=sides.host._game.x)
        ended += sides.step(i, actions)
    assert ended or (hard and game == "freeway")


@every_game
def test_steps_are_the_hosts(game: str) -> None:
    play(game, True, 80)


@pytest.mark.parametrize("hard", [True, False], ids=["ramping and sticky", "neither"])
@every_game
def test_whatever_a_game_looks_like_its_next_steps_are_the_hosts(game: str, hard: bool) -> None:
    """From states that chance alone would hardly bring; most games end soon, many at their time limit."""
    rng, count = np.random.default_rng(0), 150
    sides = Both(0.5 if game == "seaquest" else 0.0, count, **difficulty(game, hard), time_limit=11)
    sides.put(**invented(game, TICKETS * count))
    for i in range(13):
        sides.step(i, rng.choice(6, (TICKETS, count), p=EAGER))


@every_game
def test_a_tickets_games_are_the_same_in_every_stack_and_when_resumed(game: str) -> None:
    fields = {"game": game, "time_limit": 15, "sticky_action_prob": 0.5}
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
