"""The five games played by our code and by the package `minatar`, with the same actions and random numbers.

The package brings pandas and seaborn, too much for what a test needs of it. So `recorded.json` holds digests of what
its version 1.0.15 does; with it installed (`pip install --no-deps minatar==1.0.15`), they are made again by
`python -m tests.tasks.minatar.played`.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lth_core.settings.minatar import MinAtarTask
from lth_core.tasks.minatar.breakout import Breakout
from lth_core.tasks.minatar.draws import Draws
from lth_core.tasks.minatar.environments import MinAtar

Array = npt.NDArray[Any]
RECORDED = Path(__file__).with_name("recorded.json")
SEEDS, COUNT, STEPS = (3, 5), 2, 300
GAMES = ("asterix", "breakout", "freeway", "seaquest", "space_invaders")
# What is pressed, in shares: all alike, or so that much happens in a game that goes on when it is over.
LONG = {"seaquest": [0.05, 0.2, 0.2, 0.2, 0.2, 0.15], "freeway": [0.05, 0, 0.9, 0, 0.05, 0]}
EAGER = [0.1, 0.2, 0.1, 0.2, 0.1, 0.3]


@dataclass(frozen=True)
class Case:
    """long: games go on where the package allows it; Breakout's paddle is put below the ball now and then."""

    game: str
    ramping: bool
    sticky: float
    long: bool

    @property
    def name(self) -> str:
        parts = self.game, "ramping" if self.ramping else "even", f"{self.sticky:g}", "long" if self.long else "random"
        return "-".join(parts)


CASES = [
    Case(game, ramping, sticky, long)
    for game in GAMES
    for ramping, sticky, long in ((True, 0.1, False), (False, 0.0, False), (True, 0.0, True), (False, 0.0, True))
]


class Ours:
    def __init__(self, case: Case) -> None:
        fields = {"game": case.game, "difficulty_ramping": case.ramping, "sticky_action_prob": case.sticky}
        self.case, self.environment = case, MinAtar(MinAtarTask(**fields), SEEDS, COUNT)
        self.game = self.environment._game
        self.keys = self.game.draws.states.copy(), self.environment._sticky.copy()
        self._now = self.environment.reset()

    def under_the_ball(self) -> None:
        assert isinstance(self.game, Breakout)
        self.game.pos = self.game.x.copy()

    def act(self, actions: Array) -> tuple[Array, Array, Array]:
        """Rewards, which are over, and observations before any new game."""
        if self.case.long:
            return *self.game.act(actions), self.game.seen()
        step = self.environment.step(actions.reshape(len(SEEDS), COUNT))
        self._now = step.observations
        seen = step.observations if step.last_observations is None else step.last_observations
        return step.rewards.reshape(-1), step.terminated.reshape(-1), seen.reshape(-1, *seen.shape[2:])

    def begin(self, rows: Array) -> Array:
        """New games in these rows; all observations."""
        if self.case.long:
            self.game.restart(rows)
            return self.game.seen()
        return self._now.reshape(-1, *self._now.shape[2:])


class Replayed:
    """numpy's RandomState as far as the package uses it, with the numbers of a stream of ours."""

    def __init__(self, state: int) -> None:
        self._draws = Draws(np.array([state], np.uint64))

    def rand(self, count: int | None = None) -> Any:
        found = self._draws.next(np.array([0]), count or 1)[0]
        return found[0] if count is None else found

    def randint(self, low: int, high: int | None = None, size: int | None = None) -> Any:
        low, high = (0, low) if high is None else (low, high)
        found = low + (self._draws.next(np.array([0]), size or 1)[0] * (high - low)).astype(int)
        return int(found[0]) if size is None else found


class Theirs:
    def __init__(self, case: Case) -> None:
        self.case, self.games = case, []
        for own, sticky in zip(*Ours(case).keys, strict=True):
            game = import_module("minatar.environment").Environment(case.game, case.sticky, case.ramping)
            game.random, game.env.random = Replayed(sticky), Replayed(own)
            game.reset()
            self.games.append(game)

    def under_the_ball(self) -> None:
        for game in self.games:
            game.env.pos = game.env.ball_x

    def _seen(self) -> Array:
        return np.array([game.state().transpose(2, 0, 1) for game in self.games], np.uint8)

    def act(self, actions: Array) -> tuple[Array, Array, Array]:
        told = [(one.env if self.case.long else one).act(a) for one, a in zip(self.games, actions, strict=True)]
        for game in self.games:
            game.env.terminal = False
        return np.array([reward for reward, _ in told]), np.array([over for _, over in told]), self._seen()

    def begin(self, rows: Array) -> Array:
        for row in rows:
            self.games[row].reset()
        return self._seen()


def trajectory(side: Ours | Theirs, steps: int, seed: int = 0) -> Iterator[tuple[Array, ...]]:
    """Rewards, ends, observations before and after new games begin, step by step."""
    case, rng = side.case, np.random.default_rng(seed)
    shares = LONG.get(case.game, EAGER) if case.long else None
    for _ in range(steps):
        actions = rng.choice(6, len(SEEDS) * COUNT, p=shares)
        if case.long and case.game == "breakout" and rng.random() < 0.7:
            side.under_the_ball()
        rewards, over, seen = side.act(actions)
        # The package cannot play on after the ball is lost, or after the time of freeway.
        ends = not case.long or case.game in ("breakout", "freeway")
        after = side.begin(np.flatnonzero(over)) if ends and over.any() else seen
        yield rewards.astype(np.float32), over, seen.copy(), after.copy()


def digest(side: Ours | Theirs, steps: int) -> str:
    found = hashlib.sha256()
    for step in trajectory(side, steps):
        for part in step:
            found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()


if __name__ == "__main__":
    made = {case.name: digest(Theirs(case), STEPS) for case in CASES}
    RECORDED.write_text(json.dumps(made, indent=2) + "\n")
