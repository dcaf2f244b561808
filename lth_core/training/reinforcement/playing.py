"""A stack whose tickets learn from what they play: its counter, and scores of training episodes."""

from abc import abstractmethod

import numpy as np
import numpy.typing as npt

from lth_core.settings.reinforcement import ReinforcementTraining
from lth_core.tasks.environments import Described
from lth_core.tickets.check import Check
from lth_core.training.reinforcement import second_window
from lth_core.training.reinforcement.episodes import Episodes
from lth_core.training.reinforcement.packed import PackedStack

NO_GAME = 1_000_000
"""Steps of each environment after which a training counted in games is given up, if no game has ended."""


class PlayingStack(PackedStack):
    """Parameters that learn from environments which they play in."""

    training: ReinforcementTraining

    @property
    @abstractmethod
    def episodes(self) -> Episodes:
        """The returns of training episodes."""

    @property
    @abstractmethod
    def environments(self) -> Described:
        """The environments of training."""

    @property
    def limit(self) -> float:
        """See PackedStack."""
        return self.environments.limit

    @property
    def steps_per_unit(self) -> int:
        """See Stack: a game has as many steps as its time limit allows."""
        return self.environments.limit if self.training.unit == "games" else 1

    @property
    def counter(self) -> npt.NDArray[np.int64]:
        """(T,) each ticket's position between `first` and `last`."""
        done = self.episodes.finished if self.training.unit == "games" else self.trained
        counter: npt.NDArray[np.int64] = (self.first + done).astype(np.int64)
        return counter

    @property
    def can_save(self) -> bool:
        """See Stack: only with environments whose state can be saved."""
        return self.environments.state() is not None

    def of_episodes(self, ticket: int, score: float) -> list[Check]:
        """The check that a score of training episodes is of those that count; none of other scores."""
        if self.training.score != "training":
            return []
        now, span = int(self.counter[ticket] - self.first[ticket]), int(self.last[ticket] - self.first[ticket])
        return [second_window.of_episodes(self.training, self.episodes.window(ticket), now, span, score)]

    def forget(self, ticket: int) -> None:
        """See Stack: episodes."""
        self.episodes.forget(ticket)

    def endless(self) -> dict[int, str]:
        """Tickets with a training counted in games that have not finished one for too long."""
        if self.training.unit != "games" or self.trained < NO_GAME * self.training.environments:
            return {}
        cause = (
            f"no game has ended in {NO_GAME:,} steps of each environment: expected a task.{self._task.episode_limit}"
        )
        return dict.fromkeys(np.flatnonzero(self.episodes.finished == 0).tolist(), cause)

    def unscored(self, ticket: int) -> str:
        """See Stack."""
        if self.training.score == "evaluation":
            return super().unscored(ticket)
        limit = f"task.{self._task.episode_limit}"
        when = "after its last mask" if self.episodes.finished[ticket] else "in its training"
        return f"no episode ended {when}, so it has no score: set a longer training.length or a shorter {limit}"
