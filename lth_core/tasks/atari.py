"""Atari games for a whole stack: the Arcade Learning Environment's own vector environment, one of each ticket.

The vector environment resets a game in the step in which it ends, and returns the frames before and after the
reset. Its own option to end episodes at the loss of a life starts a new game; here a lost life ends only the
training's episode and the game continues, so that scores are of whole games. Games cannot be saved, so every run
restarts them at checkpoints.
"""

import contextlib
import difflib
import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lth_core.errors import InputError
from lth_core.randomness import stream_seed
from lth_core.settings.action_parts import Parts
from lth_core.settings.tasks import AtariTask
from lth_core.tasks.step import Array, Step
from lth_core.text import one_line

SCREEN = (210, 160)
"""Height and width of most games' screens."""
SAME_GAMES = 1_000
"""If this many first games of a ticket all end at their first step, there is nothing to learn."""

ROMS = "ALE_ROMS_DIR"
"""The environment variable that names a folder of ROMs to use instead of ale-py's."""


def check(task: AtariTask) -> None:
    """Raise InputError for an unknown game, with the nearest names, or for a fault of its ROM."""
    from ale_py import roms

    shown = one_line(task.game, 80)
    known = sorted(roms.get_all_rom_ids())
    if task.game not in known:
        near = difflib.get_close_matches(task.game, known, n=3, cutoff=0.5)
        hint = f" (did you mean {', '.join(near)}?)" if near else ""
        raise InputError(f'task.game "{shown}": expected one of the {len(known)} games that ale-py has ROMs for{hint}')
    own, path = os.environ.get(ROMS), rom(task)
    if not path.is_file():
        raise InputError(
            f'task.game "{shown}": its ROM {one_line(path)} is missing: '
            + (f"expected a folder in {ROMS} that has it" if own else "reinstall ale-py, which brings it")
        )
    if hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() != _checksum(task.game):
        raise InputError(f'task.game "{shown}": its ROM {one_line(path)} has a checksum that ale-py does not know')


def rom(task: AtariTask) -> Path:
    """The path of the game's ROM."""
    import ale_py

    own = os.environ.get(ROMS)
    return (Path(own) if own else Path(ale_py.__file__).parent / "roms") / f"{task.game}.bin"


def _checksum(game: str) -> str:
    from ale_py import roms

    return str(roms._get_expected_bin_hashes()[f"{game}.bin"])


def vector_environment(task: AtariTask, count: int, *, screen: bool = False) -> Any:
    """A vector environment of `count` games; with `screen` its observations are the full screens in colour.

    It uses one thread unless the process has more; see the worker.
    """
    from ale_py.vector_env import AtariVectorEnv

    height, width = SCREEN if screen else task.size
    # It prints the ROM folder on standard output, which is reserved for results.
    with contextlib.redirect_stdout(sys.stderr):
        return AtariVectorEnv(
            task.game,
            count,
            num_threads=min(count, int(os.environ.get("OMP_NUM_THREADS", "1"))),
            max_num_frames_per_episode=task.max_frames,
            repeat_action_probability=task.sticky_actions,
            full_action_space=task.full_action_set,
            autoreset_mode="SameStep",
            img_height=height,
            img_width=width,
            grayscale=task.grayscale and not screen,
            stack_num=1 if screen else task.frame_stack,
            frameskip=task.frame_skip,
            noop_max=task.noop_max,
            episodic_life=False,
            reward_clipping=False,
            use_fire_reset=task.fire_reset,
        )


class Atari:
    """`count` games of each ticket; observations (T, E, channels, height, width) uint8, frames oldest first.

    The vector environment handles time limits and ends of games. After a fault in a ticket's games they are no longer
    played; `faults` says why.
    """

    continuous, bounded = False, False
    parts: Parts = None
    valid: Array | None = None

    def __init__(self, task: AtariTask, seeds: Sequence[int], count: int, first: int = 0) -> None:
        """first: the place of the first of these games among all of a ticket's."""
        check(task)
        self._task, self._seeds, self._count, self._first = task, list(seeds), count, first
        self._games = [vector_environment(task, count) for _ in seeds]
        self.actions = int(self._games[0].single_action_space.n)
        self.inputs = int(np.prod(task.shape))
        self.limit = -(-task.max_frames // task.frame_skip)
        self._lives = np.zeros((len(seeds), count), np.int32)
        # Whether every step so far ended every game.
        self._empty, self._finished = np.ones(len(seeds), bool), np.zeros(len(seeds), np.int64)
        self._causes: dict[int, str] = {}
        self.given: list[list[int]] = [[] for _ in seeds]
        """Of each ticket, the seeds with which its games were started last."""

    def seed_of(self, ticket: int, place: int, step: int = 0) -> int:
        """Options for starting a game."""
        return stream_seed(self._seeds[ticket], "environments", step, self._first + place) % 2**31

    def reset(self) -> Array:
        """See Environments."""
        return self.restart(0)

    def restart(self, step: int) -> Array:
        """See Environments."""
        seen = np.zeros((len(self._games), self._count, *self._task.shape), np.uint8)
        for t, game in enumerate(self._games):
            if t in self._causes:
                continue
            own = self.given[t] = [self.seed_of(t, i, step) for i in range(self._count)]
            try:
                found, info = game.reset(seed=np.array(own))
            except (Exception, SystemExit) as error:
                self._causes[t] = f"{self._task.game} could not start: {one_line(error)}"
                continue
            seen[t], self._lives[t] = self._channels(found), info["lives"]
        return seen

    def play_once(self) -> None:
        """See Environments: the games of a ticket are stepped together, whether they count or not."""

    def step(self, actions: Array) -> Step:
        """See Environments: one ticket's games after the other's."""
        return self._stepped(lambda t: self._games[t].step(actions[t]))

    def send(self, actions: Array) -> None:
        """Begin a step of all games, in threads of their own; `receive` waits for its end."""
        for t, game in enumerate(self._games):
            if t not in self._causes:
                try:
                    game.send(actions[t])
                except (Exception, SystemExit) as error:
                    self._failed(t, error)

    def receive(self) -> Step:
        """The step that was begun last."""
        return self._stepped(lambda t: self._games[t].recv())

    def _failed(self, t: int, error: BaseException) -> None:
        self._causes[t] = f"{self._task.game} failed in a step: {one_line(error)}"

    def _stepped(self, of: Callable[[int], Any]) -> Step:
        """The step of all tickets from each one's; an episode of the training ends at the loss of a life too, if the
        task says so."""
        shape = (len(self._games), self._count)
        seen = np.empty((*shape, *self._task.shape), np.uint8)
        earned, lost = np.zeros(shape, np.float32), np.zeros(shape, bool)
        over, cut = np.zeros(shape, bool), np.zeros(shape, bool)
        before: dict[int, Array] = {}
        for t in range(len(self._games)):
            if t in self._causes:
                seen[t] = 0
                continue
            try:
                found, earned[t], over[t], cut[t], info = of(t)
            except (Exception, SystemExit) as error:
                self._failed(t, error)
                seen[t] = 0
                continue
            seen[t] = self._channels(found)
            ended = over[t] | cut[t]
            lost[t] = (info["lives"] < self._lives[t]) & ~ended
            self._lives[t] = info["lives"]
            if ended.any():
                before[t] = self._channels(info["final_obs"])
            self._look_at(t, earned[t], ended)
        cut &= ~over
        ended = over | cut
        terminated = over | lost if self._task.episodic_life else over
        last = None
        if (terminated | cut).any():
            # A lost life alone starts no new game: the next observation is the last one.
            last = seen.copy() if before else seen
            for t, frames in before.items():
                last[t, ended[t]] = frames[ended[t]]
        rewards = np.clip(earned, -1, 1) if self._task.reward_clip else earned
        return Step(seen, last, rewards, terminated, cut, earned, ended)

    def _look_at(self, t: int, earned: Array, ended: Array) -> None:
        """Detect games from which nothing can be learnt; exceptions have been handled already."""
        self._empty[t] &= ended.all()
        self._finished[t] += ended.sum()
        if not np.isfinite(earned).all():
            self._causes[t] = f"{self._task.game} returned a reward that is not a number"
        elif self._empty[t] and self._finished[t] >= SAME_GAMES:
            self._causes[t] = f"{self._task.game}: every game so far ended at its first step"

    def _channels(self, frames: Array) -> Array:
        """(E, channels, height, width) from frames (E, stack, height, width), or with colours last."""
        if self._task.grayscale:
            return frames
        return np.moveaxis(frames, -1, 2).reshape(self._count, *self._task.shape)

    def origins(self) -> list[str]:
        """See Environments."""
        return [str(own) for own in self.given]

    def faults(self) -> dict[int, str]:
        """See Environments."""
        return dict(self._causes)

    def keep(self, tickets: Sequence[int]) -> None:
        """See Environments."""
        self._seeds = [self._seeds[t] for t in tickets]
        self._games = [self._games[t] for t in tickets]
        self.given = [self.given[t] for t in tickets]
        rows = list(tickets)
        self._lives, self._empty, self._finished = self._lives[rows], self._empty[rows], self._finished[rows]
        self._causes = {place: self._causes[t] for place, t in enumerate(tickets) if t in self._causes}

    def state(self) -> None:
        """See Environments: games cannot be saved."""

    def restore(self, arrays: dict[str, Array], values: dict[str, Any]) -> Array:
        """See Environments."""
        raise TypeError("games are restarted, not restored")
