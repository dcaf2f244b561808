"""What environments do to the process they share changes no result of others, and not the process."""

import os
import random
import signal
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import EnvSpec

from lth_core.foreign import Surroundings, mark
from lth_core.settings.control import ControlTask
from lth_core.tasks import control
from lth_core.tasks.one_by_one import OneByOne


class Careless(gymnasium.Env):
    """Draws from all global generators, goes to a folder and sets a variable, both of which it reads later."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (5,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, folder: str, since: int, seeds: bool) -> None:
        self.folder, self.since, self.seeds = folder, since, seeds
        self.age = -2
        self.disturb()

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.age, self.length = -1, 5 + int(self.np_random.integers(4))
        return self.seen(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.age += 1
        return self.seen(), float(action), False, self.age == self.length, {}

    def seen(self) -> Any:
        return np.array(self.disturb(), np.float32)

    def disturb(self) -> list[float]:
        if self.age < self.since:
            return [0.0] * 5
        first = self.age <= max(self.since, -1)  # of this episode: what earlier ones have left is not lived again
        if first and self.seeds:
            random.seed(self.length)
        left = 0.0 if first else float(os.environ["CARELESS"]) + 100 * len(Path.cwd().parts)
        os.environ["CARELESS"] = str(float(np.random.standard_normal()))
        os.chdir(self.folder)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        warnings.simplefilter("error")
        return [random.random(), float(np.random.standard_normal()), float(torch.rand(())), left, float(self.age)]


def made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, since: int, seeds: list[int], *, seeding: bool = False
) -> OneByOne:
    kwargs = {"folder": str(tmp_path), "since": since, "seeds": seeding}
    monkeypatch.setitem(gymnasium.registry, "Careless-v0", EnvSpec("Careless-v0", Careless, kwargs=kwargs))
    one = control.make(ControlTask(environment="Careless-v0"), seeds, 2)
    assert isinstance(one, OneByOne)
    return one


@pytest.mark.parametrize(("since", "seeding"), [(-2, False), (-1, False), (0, False), (3, False), (0, True), (3, True)])
def test_a_ticket_has_the_same_trajectory_whatever_its_neighbours_do_to_the_process(
    since: int, seeding: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    filters, handler = warnings.filters[:], signal.getsignal(signal.SIGTERM)
    together = made(monkeypatch, tmp_path, since, [5, 6, 7], seeding=seeding)
    alone = made(monkeypatch, tmp_path, since, [6], seeding=seeding)
    np.testing.assert_array_equal(together.reset()[1:2], alone.reset())
    random.random()  # what we draw ourselves between two steps is ours
    was, before = Surroundings(), mark()
    different = set()
    for number in range(20):
        actions = np.full((3, 2), number % 2)
        step, other = together.step(actions), alone.step(actions[1:2])
        np.testing.assert_array_equal(step.observations[1:2], other.observations)
        different.add(tuple(other.observations[0, 0, :3].tolist()))
        assert mark() == before
        if number == 11:  # in the middle of an episode
            arrays, values = alone.state()
            alone = made(monkeypatch, tmp_path, since, [6], seeding=seeding)
            np.testing.assert_array_equal(alone.restore(arrays, values), other.observations)
            together.keep([0, 1, 2])
    assert not together.faults() and not alone.faults()
    assert len(different) > 8  # numbers are drawn
    assert (warnings.filters[:], signal.getsignal(signal.SIGTERM)) == (filters, handler)
    was.restore()


def test_well_behaved_environments_are_called_as_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one = made(monkeypatch, tmp_path, 1000, [1, 2])
    one.reset()
    for _ in range(20):
        one.step(np.zeros((2, 2), np.int64))
    assert not one._process.apart and not one._process._own
