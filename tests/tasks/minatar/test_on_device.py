"""MinAtar in torch against the host's games: the same to the last bit with the same random numbers."""

from typing import Any

import numpy as np
import pytest
import torch

from lth_core.settings.minatar import MinAtarTask
from lth_core.tasks.minatar.environments import MinAtar
from lth_core.tasks.minatar.games import GAMES as ON_HOST
from lth_core.tasks.on_device.made import make
from lth_core.tasks.on_device.minatar.environments import GAMES, DeviceMinAtar
from tests.tasks.minatar.given import follow, sparing
from tests.tasks.minatar.played import EAGER, LONG

every_game = pytest.mark.parametrize("game", GAMES)
TICKETS, COUNT = 2, 6


def made(seeds: list[int], **fields: Any) -> DeviceMinAtar:
    found = make(MinAtarTask(**fields), seeds, COUNT, torch.device("cpu"))
    assert isinstance(found, DeviceMinAtar)
    return found


def ahead(one: DeviceMinAtar, i: int) -> torch.Tensor:
    return one.ahead(torch.tensor(i), 1)[0]


class Both:
    """The games on both sides with the device's numbers. Of those that can go on once they are over, half do."""

    def __init__(self, **fields: Any) -> None:
        self.device, self.host = made([3, 5], **fields), MinAtar(MinAtarTask(**fields), [3, 5], COUNT)
        ends = np.arange(TICKETS * COUNT) % 2 < (2 if fields["game"] in ("breakout", "freeway") else 1)
        for side in (self.host, self.device):
            setattr(side._game, "act", sparing(side._game.act, ends))  # noqa: B010
        assert np.array_equal(follow(self.host, self.device), self.device.observations().numpy())

    def under_the_ball(self) -> None:
        now = self.device._game.apart(self.device._now)
        now["pos"].copy_(now["x"])
        self.host._game.pos = self.host._game.x.copy()  # type: ignore[attr-defined]

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
    sides, rng, ended = Both(**fields, time_limit=None if hard else 70), np.random.default_rng(0), 0
    for i, actions in enumerate(rng.choice(6, (steps, TICKETS, COUNT), p=LONG.get(game, EAGER))):
        if game == "breakout" and i % 8 < 5:
            sides.under_the_ball()
        ended += sides.step(i, actions)
    assert ended or (hard and game == "freeway" and steps < 2500)


@every_game
def test_steps_are_the_hosts(game: str) -> None:
    play(game, True, 250)


@every_game
def test_steps_without_ramping_and_sticky_actions_but_a_time_limit_are_the_hosts(game: str) -> None:
    play(game, False, 100)


@every_game
def test_a_tickets_games_are_the_same_in_every_stack_and_when_resumed(game: str) -> None:
    fields = {"game": game, "time_limit": 40}
    whole, alone, rng = made([5, 6, 7], **fields), made([6], **fields), np.random.default_rng(0)
    kept = made([5, 6, 7], **fields)
    for i, numbers in enumerate(rng.choice(6, (90, 3, COUNT), p=EAGER)):
        actions = torch.from_numpy(numbers)
        together, own = whole.step(actions, ahead(whole, i)), alone.step(actions[1:2], ahead(alone, i))
        also = kept.step(actions[-len(kept.keys) :], ahead(kept, i))
        for wanted, one, other in zip(together, own, also, strict=True):
            assert wanted is not None and one is not None and other is not None
            assert torch.equal(wanted[1:2], one)
            assert torch.equal(wanted[-len(other) :], other)
        if i == 50:  # in the middle of games
            kept.keep([1, 2])
            saved, _ = kept.state()
            kept = made([6, 7], **fields)
            kept.restore(saved)


def test_games_say_which_of_them_have_a_form_on_a_device() -> None:
    assert {name for name, game in ON_HOST.items() if game.on_device} == set(GAMES)
