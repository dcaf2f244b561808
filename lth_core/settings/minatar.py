"""MinAtar: a kind of `[task]`."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from lth_core.settings.base import Positive, Share, TaskSection
from lth_core.settings.reinforcement import ALGORITHMS, RETURNS

CHANNELS = {"asterix": 4, "breakout": 4, "freeway": 7, "seaquest": 10, "space_invaders": 6}


class MinAtarTask(TaskSection):
    """A game of MinAtar (Young & Tian 2019), version 1.0.15: a board of 10 x 10 cells.

    With probability sticky_action_prob the last action is taken again. difficulty_ramping: asterix, seaquest and
    space_invaders become harder while a game lasts. full_action_set: all six actions, as in its paper, or only those
    that do something. time_limit: steps after which a game is truncated; the value of the last state is bootstrapped.
    """

    kind: Literal["minatar"] = "minatar"
    game: Literal["asterix", "breakout", "freeway", "seaquest", "space_invaders"] = "breakout"
    sticky_action_prob: Share = 0.1
    difficulty_ramping: bool = True
    full_action_set: bool = True
    time_limit: Positive | None = None

    score: ClassVar[str] = RETURNS[0]
    curve: ClassVar[str] = "return/train"
    higher_is_better: ClassVar[bool] = True
    episode_limit: ClassVar[str] = "time_limit"
    networks: ClassVar[tuple[str, ...]] = ("board", "mlp")
    algorithms: ClassVar[tuple[str, ...]] = (*ALGORITHMS, "dqn")
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "a2c": {
            "length": 5_000_000, "environments": 32, "n_steps": 8, "optimizer": "adam", "learning_rate": 1e-3,
            "epsilon": 1e-5, "gae_lambda": 0.95, "max_gradient_norm": 0.5, "record_every": 25_000,
            "checkpoint_every": 500_000, "greedy_episodes": 0,
        },
        "ppo": {
            "length": 5_000_000, "environments": 64, "n_steps": 64, "learning_rate": 1e-3, "epochs": 3,
            "minibatches": 16, "entropy_weight": 0.01, "record_every": 25_000, "checkpoint_every": 500_000,
            "normalise_observations": False, "normalise_returns": False, "greedy_episodes": 0,
        },
        # Buffer, batches, rate and exploration are Young & Tian's; they take four times as many gradient steps.
        "dqn": {
            "length": 5_000_000, "environments": 8, "train_every": 4, "gradient_steps": 8, "batch": 32,
            "replay": 100_000, "learning_starts": 5_000, "target_every": 1_000, "exploration_end": 0.1,
            "exploration_fraction": 0.02, "record_every": 25_000, "checkpoint_every": 500_000, "greedy_episodes": 0,
        },
    }  # fmt: skip

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an observation: channels, height, width."""
        return CHANNELS[self.game], 10, 10

    @property
    def subject(self) -> str:
        """See TaskSection: not the name alone, which is that of an Atari game."""
        return f"MinAtar {self.game}" + ("" if self.full_action_set else ", minimal actions")
