"""MinAtar: a kind of `[task]`."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from lth_core.settings.base import Positive, Share, TaskSection
from lth_core.settings.reinforcement import ALGORITHMS, RETURNS


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
    algorithms: ClassVar[tuple[str, ...]] = ALGORITHMS
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @property
    def subject(self) -> str:
        """See TaskSection."""
        return self.game
