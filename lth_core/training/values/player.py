"""The acting side of a stack that learns values: environments, exploration and the returns of episodes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lth_core.randomness import stream
from lth_core.settings.tasks import Task
from lth_core.settings.values import DQN
from lth_core.tasks.families import family_of
from lth_core.tasks.step import Step
from lth_core.training.drawn import Drawn
from lth_core.training.reinforcement.episodes import Episodes
from lth_core.training.stack import Array, Arrays, under
from lth_core.training.values.exploration import EpsilonGreedy
from lth_core.training.values.replay import Replay


class Player:
    """T tickets with E environments each, and the streams of their actions."""

    def __init__(self, task: Task, settings: DQN, seeds: Sequence[int], spans: Sequence[int]) -> None:
        """spans: how long each ticket is trained, in `training.unit`."""
        self._settings = settings
        self.environments = family_of(task).environments(task, seeds, settings.environments)
        reach = None if settings.score_window is None else [settings.score_window * span for span in spans]
        in_games = settings.unit == "games"
        self.episodes = Episodes(len(seeds), settings.environments, settings.score_episodes, reach, in_games=in_games)
        self._actions = [stream(seed, "actions") for seed in seeds]
        self.drawn = Drawn(len(seeds))
        self.seen = self.environments.reset()

    @property
    def masks_actions(self) -> bool:
        """Whether the environments say which actions are valid."""
        return self.environments.valid is not None

    def play(
        self, values: Callable[[Array], Array], epsilon: Callable[[int], Array], replay: Replay,
        watch: Callable[[Array, Array, Step], None] | None,
    ) -> None:  # fmt: skip
        """Play train_every steps in every environment into the buffer.

        values: of actions (T, E, A) for observations (T, E, ...). epsilon: the share of random actions (T, 1) after so
        many steps of this call. watch: called with each step as `Replay.add` is.
        """
        steps, each = self._settings.train_every, self._settings.environments
        noise = np.stack([EpsilonGreedy.noise(rng, steps, each) for rng in self._actions])
        if self.drawn.wants("actions"):
            self.drawn.note("environments", zip(self.seen, self.environments.origins(), strict=True))
            self.drawn.note("actions", zip(noise))
        for i in range(steps):
            actions = EpsilonGreedy(epsilon(i)).sample(values(self.seen), noise[:, i])
            step = self.environments.step(actions)
            replay.add(self.seen, actions, step)
            if watch is not None:
                watch(self.seen, actions, step)
            self.seen = step.observations
            self.episodes.add(*step.scored)

    def stream_of(self, row: int) -> object:
        """The state of a ticket's stream for actions."""
        return self._actions[row].bit_generator.state

    def restart(self, step: int) -> None:
        """Start new episodes everywhere, seeded by the step, for environments that cannot be saved."""
        self.seen = self.environments.restart(step)
        self.episodes.restart()

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all tickets but these."""
        self._actions = [self._actions[t] for t in rows]
        self.seen = self.seen[list(rows)]
        self.environments.keep(rows)
        self.drawn.keep(rows)
        self.episodes.keep(rows)

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """Everything that later play depends on, as arrays and JSON values."""
        arrays: Arrays = {"observations": self.seen.copy()}
        values: dict[str, Any] = {"actions": [rng.bit_generator.state for rng in self._actions]}
        values["drawn"] = self.drawn.state()
        for name, part in (("environments", self.environments.state()), ("episodes", self.episodes.state())):
            if part is not None:
                arrays |= {f"{name}/{key}": array for key, array in part[0].items()}
                values[name] = part[1]
        return arrays, values

    def restore(self, arrays: Arrays, values: dict[str, Any], step: int) -> None:
        """The inverse of `state`, at this step."""
        for rng, state in zip(self._actions, values["actions"], strict=True):
            rng.bit_generator.state = state
        self.drawn.restore(values["drawn"])
        self.episodes.restore(under(arrays, "episodes/"), values["episodes"])
        self.seen = arrays["observations"].copy()
        if "environments" in values:
            self.environments.restore(under(arrays, "environments/"), values["environments"])
        else:  # checkpointed right after `restart`
            self.environments.restart(step)
