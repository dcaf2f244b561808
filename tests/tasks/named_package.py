"""Writes an environment's package as people have them, and a file of one's own, into a folder."""

from pathlib import Path

PACKAGE = """
import gymnasium
import numpy as np


class Walk(gymnasium.Env):
    observation_space = gymnasium.spaces.Dict(
        {"place": gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32), "mission": gymnasium.spaces.Text(9)}
    )
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, length=6, render_mode=None):
        if length < 1:
            raise RuntimeError("no way to walk")
        self.length, self.render_mode = length, render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(self.length))
        return self.seen(), {}

    def step(self, action):
        self.place = max(0, self.place + (1 if action else -1))
        there = self.place >= self.length
        return self.seen(), float(there), there, False, {}

    def seen(self):
        return {"place": np.array([self.place / self.length], np.float32), "mission": "walk on"}


class Doubled(gymnasium.RewardWrapper):
    def __init__(self, env, by=2.0):
        super().__init__(env)
        self.by = by

    def reward(self, reward):
        return self.by * reward


def no_class(env):
    return env


gymnasium.register("PackagedWalk-v0", Walk, max_episode_steps=20, kwargs={"length": 5})
"""
OWN_FILE = """
import gymnasium
import numpy as np

print("imported", __file__)


class Still(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.age = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.age += 1
        return np.zeros(1, np.float32), float(action), False, self.age == 5, {}
"""


def write(folder: Path) -> None:
    """The package walks 1.2 with its module some_walks, and still.py."""
    (folder / "some_walks.py").write_text(PACKAGE)
    (folder / "still.py").write_text(OWN_FILE)
    about = folder / "walks-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: walks\nVersion: 1.2\n")
    (about / "top_level.txt").write_text("some_walks\n")
