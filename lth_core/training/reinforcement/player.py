"""The acting side of any stack that plays: environments, the streams of its actions, the returns of episodes."""

from collections.abc import Sequence
from typing import Any

from lth_core.randomness import stream
from lth_core.settings.reinforcement import ReinforcementTraining
from lth_core.settings.tasks import Task
from lth_core.tasks.environments import Environments
from lth_core.tasks.families import family_of
from lth_core.training.drawn import Drawn
from lth_core.training.reinforcement.episodes import Episodes
from lth_core.training.stack import Array, Arrays, under


class Player:
    """T tickets with E environments each. observations: the newest (T, E, ...); how actions are chosen is up to
    subclasses."""

    def __init__(self, task: Task, settings: ReinforcementTraining, seeds: Sequence[int], spans: Sequence[int]) -> None:
        """spans: how long each ticket is trained, in `training.unit`."""
        self.environments = self._made(task, seeds, settings.environments)
        reach = None if settings.score_window is None else [settings.score_window * span for span in spans]
        in_games = settings.unit == "games"
        self.episodes = Episodes(len(seeds), settings.environments, settings.score_episodes, reach, in_games=in_games)
        self._actions = [stream(seed, "actions") for seed in seeds]
        self.drawn = Drawn(len(seeds))
        self.observations = self.environments.reset()

    def _made(self, task: Task, seeds: Sequence[int], count: int) -> Environments:
        return family_of(task).environments(task, seeds, count)

    def note_drawn(self, noise: Array) -> None:
        """Note, at the first update, what environments begin with and the numbers (T, ...) for actions."""
        if self.drawn.wants("actions"):
            self.drawn.note("environments", zip(self.observations, self.environments.origins(), strict=True))
            self.drawn.note("actions", zip(noise))

    def stream_of(self, row: int) -> object:
        """The state of a ticket's stream for actions."""
        return self._actions[row].bit_generator.state

    def restart(self, step: int) -> None:
        """Start new episodes everywhere, seeded by the step, for environments that cannot be saved."""
        self.observations = self.environments.restart(step)
        self.episodes.restart()

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all tickets but these."""
        rows = list(rows)
        self._actions = [self._actions[t] for t in rows]
        self.observations = self.observations[rows]
        self.environments.keep(rows)
        self.drawn.keep(rows)
        self.episodes.keep(rows)

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """Everything that later play depends on, as arrays and JSON values."""
        arrays: Arrays = {"observations": self.observations.copy()}
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
        self.drawn.restore(values.get("drawn"))
        self.episodes.restore(under(arrays, "episodes/"), values["episodes"])
        self.observations = arrays["observations"].copy()
        if "environments" in values:
            self.environments.restore(under(arrays, "environments/"), values["environments"])
        else:  # checkpointed right after `restart`
            self.environments.restart(step)
