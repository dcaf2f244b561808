"""Environments stepped one by one, for those without a stacked version.

Such an environment cannot be saved, but it can be replayed: the same seed and actions give the same episode. So every
episode is reset with a seed derived from its ticket's, and the actions of unfinished episodes are recorded. A fault
of an environment fails its own ticket only.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from lth_core.randomness import stream_seed
from lth_core.tasks import gym_spaces
from lth_core.tasks.action_log import ActionLog
from lth_core.tasks.action_masks import ActionMasks
from lth_core.tasks.endless import may_terminate
from lth_core.tasks.maker import Maker
from lth_core.tasks.own_process import OwnProcess
from lth_core.tasks.step import UNLIMITED, Array, Step
from lth_core.text import one_line

log = logging.getLogger("lth.tasks")

SAME_EPISODES = 1_000
"""If this many first episodes of a ticket all end at their first step with one reward, there is nothing to learn."""


class OneByOne:
    """Environments of T tickets, E each, stepped one by one; see Environments."""

    def __init__(self, maker: Maker, seeds: Sequence[int], count: int) -> None:
        self._name, self._seeds, self._count = maker.name, list(seeds), count
        self._process = OwnProcess(trusted=maker.trusted)
        with self._process.visit():
            first = self._process.call((-1, 0), lambda: maker.make(checked=True, kept=True), 0)
            self._environments = [
                [self._process.call((t, e), lambda: _make(maker), stream_seed(seed, "global generators", e))
                 for e in range(count)]
                for t, seed in enumerate(seeds)
            ]  # fmt: skip
        self.terminates = may_terminate(first)
        self._observed = maker.observations(first)
        self._acted = gym_spaces.actions(maker.name, first.action_space)
        self.inputs = self._observed.size
        self.actions, self.continuous = self._acted.count, self._acted.continuous
        self.bounded = self._acted.bounded
        self.parts = self._acted.parts
        limit = first.spec.max_episode_steps if first.spec else None
        self.limit = int(limit) if limit is not None else UNLIMITED
        self._once = False
        self._begin()

    def _begin(self) -> None:
        tickets = len(self._seeds)
        kind = np.dtype(np.float32) if self.continuous else np.min_scalar_type(self._acted.choices - 1)
        self._log = ActionLog(tickets, self._count, self._acted.drawn_shape, kind)
        self._masks = ActionMasks(self._acted, tickets, self._count, self._environments[0][0])
        self._episodes = np.zeros((tickets, self._count), np.int64)
        self._seen = np.zeros((tickets, self._count, self.inputs), np.float32)
        self._over = np.zeros((tickets, self._count), bool)
        self._given = np.zeros((tickets, self._count), np.int64)  # seeds of the present episodes
        # Whether all episodes of a ticket ended at their first step, with this reward.
        self._empty, self._reward = np.ones(tickets, bool), np.full(tickets, np.nan, np.float32)
        self._faults: dict[int, str] = {}

    def play_once(self) -> None:
        """See Environments."""
        self._once = True

    def reset(self) -> Array:
        """See Environments."""
        self._begin()
        with self._process.visit():
            for t, e, env in self._all():
                self._try(t, e, "reset", self._start, t, e, env)
        self._check_finite(self._seen, "an observation")
        self._silence(self._seen)
        return self._seen.copy()

    @property
    def valid(self) -> Array | None:
        """See Environments."""
        return self._masks.valid

    def _all(self) -> Iterator[tuple[int, int, Any]]:
        """Indices and environments that still play, of the tickets that have not failed."""
        for t, own in enumerate(self._environments):
            for e, env in enumerate(own):
                if t not in self._faults and not self._over[t, e]:
                    yield t, e, env

    def _start(self, t: int, e: int, env: Any) -> None:
        """Reset one environment in its own process state, with global generators seeded for this episode."""
        self._process.call((t, e), lambda: self._reset(t, e, env), self._seed_of_generators(t, e))

    def _seed_of_generators(self, t: int, e: int) -> int:
        return stream_seed(self._seeds[t], "global generators", e, int(self._episodes[t, e]))

    def _reset(self, t: int, e: int, env: Any) -> None:
        """Reset to the start of the episode whose number is in `_episodes`."""
        seed = stream_seed(self._seeds[t], "environments", e, int(self._episodes[t, e])) % 2**31
        self._given[t, e] = seed
        seen, info = env.reset(seed=seed)
        self._seen[t, e] = self._observed.flat(seen)
        self._see_mask(t, e, env, info)

    def _see_mask(self, t: int, e: int, env: Any, info: Any) -> None:
        """Read which actions are valid in continuing episodes."""
        try:
            self._masks.see(t, e, env, info)
        except gym_spaces.ActionMaskError as error:
            self._fault(t, e, str(error))
        except Exception as error:
            self._raised(t, e, "action_masks", error)

    def step(self, actions: Array) -> Step:
        """See Environments."""
        self._log.add(actions)
        shape = actions.shape[:2]
        actions = self._acted.translated(actions).reshape(*shape, *self._acted.shape)
        was_apart, faults = self._process.apart, dict(self._faults)
        last, rewards, terminated, truncated = self._act(actions)
        if self._process.apart and not was_apart:
            # They saw other environments' changes of the process: replay each by itself.
            self._faults = faults
            with self._process.visit():
                for t, e, env in self._all():
                    live, seed = partial(self._live, t, e, env, self._log.of(t, e)[:-1]), self._seed_of_generators(t, e)
                    self._try(t, e, "lived again, it", self._process.call, (t, e), live, seed)
            last, rewards, terminated, truncated = self._act(actions)
        self._check_finite(last, "an observation")
        self._check_finite(rewards, "a reward")
        for part in (last, rewards, terminated, truncated):
            self._silence(part)
        self._seen, ended = last.copy(), terminated | truncated
        self._check_empty(ended, rewards)
        if self._once:
            self._over |= ended
        if self._once or not ended.any():
            return Step(self._seen.copy(), last if ended.any() else None, rewards, terminated, truncated)
        self._log.begin(ended)
        self._episodes[ended] += 1
        with self._process.visit():
            for t, e in np.argwhere(ended).tolist():
                if t not in self._faults:
                    self._try(t, e, "reset", self._start, t, e, self._environments[t][e])
        self._check_finite(self._seen, "an observation")
        self._silence(self._seen)
        return Step(self._seen.copy(), last, rewards, terminated, truncated)

    def _act(self, actions: Array) -> tuple[Array, Array, Array, Array]:
        """Step all; last observations (T, E, D), rewards, terminated and truncated (T, E)."""
        shape = actions.shape[:2]
        last, rewards = self._seen.copy(), np.zeros(shape, np.float32)
        ends = np.zeros((2, *shape), bool)
        with self._process.visit():
            for t, e, env in self._all():
                if self._process.apart:
                    one = partial(self._act_one, t, e, env, actions[t, e], last, rewards, ends)
                    self._process.call((t, e), one)
                else:
                    self._act_one(t, e, env, actions[t, e], last, rewards, ends)
        return last, rewards, ends[0], ends[1]

    def _act_one(self, t: int, e: int, env: Any, action: Any, last: Array, rewards: Array, ends: Array) -> None:
        # An exception fails only this ticket. (Inlined `_try`, since this is called often.)
        try:
            seen, reward, ended, cut, info = env.step(action)
            rewards[t, e] = reward if isinstance(reward, float) else gym_spaces.one_number(reward)
            last[t, e] = self._observed.flat(seen)
        except (Exception, SystemExit) as error:
            self._raised(t, e, "step", error)
            return
        if ended or cut:
            ends[:, t, e] = ended, not ended
        elif self._masks.told(info):
            self._see_mask(t, e, env, info)

    def _try(self, t: int, e: int, what: str, call: Callable[..., None], *arguments: Any) -> None:
        """Call; any exception of an environment fails only its own ticket."""
        try:
            call(*arguments)
        except (Exception, SystemExit) as error:
            self._raised(t, e, what, error)

    def _raised(self, t: int, e: int, what: str, error: BaseException) -> None:
        log.error("%s, environment %d: %s raised", self._name, e, what, exc_info=error)
        self._fault(t, e, f"{what} raised {type(error).__name__}: {one_line(error, 200)}")

    def _fault(self, t: int, e: int, what: str) -> None:
        episode, age = int(self._episodes[t, e]), int(self._log.ages[t, e])
        where = f"{self._name}, environment {e}, episode {episode}, step {age}"
        self._faults.setdefault(t, f"{where}: {what}")

    def _check_finite(self, found: Array, what: str) -> None:
        if not np.isfinite(found).all():
            for t, e, *_ in np.argwhere(~np.isfinite(found)).tolist():
                self._fault(t, e, f"{what} was not a finite number")

    def _check_empty(self, ended: Array, rewards: Array) -> None:
        if not self._empty.any():
            return
        self._reward = np.where(np.isnan(self._reward), rewards[:, 0], self._reward)
        self._empty &= ended.all(1) & (rewards == self._reward[:, None]).all(1)
        for t in np.flatnonzero(self._empty & ((self._episodes + 1).sum(1) >= SAME_EPISODES)).tolist():
            reward = float(self._reward[t])
            self._fault(t, 0, f"every episode so far ended at its first step with a reward of {reward:g}")

    def _silence(self, part: Array) -> None:
        """Zeros for failed tickets, which are still in the stack for now."""
        for t in self._faults:
            part[t] = 0
            self._masks.silence(t)

    def origins(self) -> list[str]:
        """See Environments."""
        return [str(own.tolist()) for own in self._given]

    def faults(self) -> dict[int, str]:
        """See Environments."""
        return dict(self._faults)

    def keep(self, tickets: Sequence[int]) -> None:
        """See Environments."""
        rows = list(tickets)
        self._seeds = [self._seeds[t] for t in rows]
        self._environments = [self._environments[t] for t in rows]
        self._log.keep(rows)
        self._masks.keep(rows)
        self._process.keep(rows)
        self._episodes, self._seen, self._over = self._episodes[rows], self._seen[rows], self._over[rows]
        self._given = self._given[rows]
        self._empty, self._reward = self._empty[rows], self._reward[rows]
        self._faults = {row: self._faults[t] for row, t in enumerate(rows) if t in self._faults}

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """See Environments; the numbers of the episodes, which determine their seeds, and their actions so far."""
        arrays: dict[str, Array] = {
            "episodes": self._episodes.copy(), "seen": self._seen.copy(),
            "empty": self._empty.copy(), "reward": self._reward.copy(),
        }  # fmt: skip
        return {**arrays, **self._log.state()}, {}

    def restore(self, arrays: dict[str, Array], values: dict[str, Any]) -> Array:
        """See Environments. A ticket whose environments do not replay identically is among the faults."""
        self._begin()
        self._episodes, self._empty, self._reward = (arrays[name].copy() for name in ("episodes", "empty", "reward"))
        self._log.restore(arrays)
        with self._process.visit():
            for t, e, env in self._all():
                self._try(t, e, "lived again, it", self._live_again, t, e, env, arrays["seen"][t, e])
        self._silence(self._seen)
        return self._seen.copy()

    def _live_again(self, t: int, e: int, env: Any, expected: Array) -> None:
        live = partial(self._live, t, e, env, self._log.of(t, e))
        ended = self._process.call((t, e), live, self._seed_of_generators(t, e))
        if ended or not np.array_equal(self._seen[t, e], expected):
            self._fault(
                t, e, "it cannot be resumed, because the same seed and actions gave another observation than before"
            )  # fmt: skip

    def _live(self, t: int, e: int, env: Any, taken: Array) -> bool:
        """Reset and repeat these actions; returns whether that ended the episode."""
        self._reset(t, e, env)
        if not self.continuous:
            taken = taken.astype(np.int64)  # the same value as before: a byte of -1 may be 255
        ended = False
        for action in self._acted.translated(taken).reshape(len(taken), *self._acted.shape):
            if ended:
                break
            seen, _, terminated, truncated, info = env.step(action)
            self._seen[t, e] = self._observed.flat(seen)
            ended = bool(terminated or truncated)
            if not ended:
                self._see_mask(t, e, env, info)
        return ended

    def restart(self, step: int) -> Array:
        """See Environments."""
        raise TypeError("these environments can be saved")


def _make(maker: Maker) -> Any:
    """The requested environment, or a faster one with the same results."""
    spec = maker.spec
    calm = spec.kwargs.keys() <= {"continuous"} and not spec.additional_wrappers and spec.max_episode_steps
    if maker.plain and spec.entry_point == "gymnasium.envs.box2d.lunar_lander:LunarLander" and calm:
        from lth_core.tasks.lunar_lander import Lander

        return Lander(int(spec.max_episode_steps or 0), bool(spec.kwargs.get("continuous")))
    return maker.make(kept=True)
