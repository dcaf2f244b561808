"""A stack of networks that learn the values of actions: see ReplayStack."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from lth_core.experiment.experiment import Experiment
from lth_core.models.actor_critic import ActorCriticNetwork, preferences
from lth_core.settings.values import DQN
from lth_core.training.reinforcement.acting import actor
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.stack import Array, Start
from lth_core.training.values import learning
from lth_core.training.values.exploration import EpsilonGreedy
from lth_core.training.values.learning import Drawn, Learnt
from lth_core.training.values.replay_stack import ReplayStack
from lth_core.training.values.second_look import Looked, ValueLook

TOGETHER = 16
"""Batches that are drawn together, and whose next values a target network gives together while it does not move."""


class ValueStack(ReplayStack):
    """Networks whose target networks say what the values of their actions should be."""

    training: DQN
    normal = False
    numbers = (2,)

    def __init__(self, experiment: Experiment, model: ActorCriticNetwork, starts: Sequence[Start], device: str) -> None:
        assert isinstance(experiment.training, DQN)  # noqa: S101 see families
        super().__init__(experiment, model, starts, device, ValueLook(experiment.training, experiment.model))

    def policy(self, own: Parameters) -> EpsilonGreedy:
        """See PackedStack."""
        return EpsilonGreedy(self.training.evaluation_epsilon)

    @property
    def exploration(self) -> npt.NDArray[np.float64]:
        """(T,) the share of random actions now."""
        if self.trained < self._begins:
            return np.ones(self.tickets)
        return np.array([self.training.exploration(share) for share in self._passed.tolist()])

    def choosing(self) -> Callable[[Array, Array], Array]:
        """See ReplayStack."""
        seeing = actor(self.parameters, self.device, everything=False)

        def chosen(seen: Array, noise: Array) -> Array:
            values = preferences(self.model.heads, seeing.heads(seen))
            return EpsilonGreedy(self.exploration[:, None]).sample(values, noise)

        return chosen

    def batches(self, places: Array) -> Iterator[Drawn]:
        """See ReplayStack."""
        s = self.training
        layers, together = self.model.layers(self.target), TOGETHER if s.target == "copy" else 1
        for first in range(0, places.shape[1], together):
            part = places[:, first : first + together]
            own = learning.drawn(self.model, layers, self.batch(part.reshape(self.tickets, -1)))
            for batch in zip(*(one.split(s.batch, dim=1) for one in own), strict=True):
                yield Drawn(*batch)

    def learn(self, batch: Drawn, rate: Tensor) -> Learnt:
        """See ReplayStack."""
        return learning.step(self.training, self.parameters, batch, rate)

    def averages(self, learnt: Sequence[Learnt]) -> dict[str, npt.NDArray[Any]]:
        """See ReplayStack: mean loss and value."""
        return learning.means(self.training, learnt)

    def looked(self, ticket: int, batch: Drawn) -> Looked:
        """See ReplayStack."""
        return Looked(self.training, self.parameters, self.target, self.replay, ticket)

    def loss(self, flat: Tensor, experience: Drawn) -> Tensor:
        """See PackedStack."""
        return learning.loss(self.training, self.model, flat, experience)

    def metrics(self) -> list[dict[str, float]]:
        """See Stack."""
        every = zip(super().metrics(), self.exploration.tolist(), strict=True)
        return [own | {"exploration": share} for own, share in every]
