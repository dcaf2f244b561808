"""A stack of networks that learn the values of actions: they play into replay buffers, and learn from draws of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lth_core.experiment.experiment import Experiment
from lth_core.models.actor_critic import ActorCriticNetwork, preferences
from lth_core.randomness import stream
from lth_core.settings.values import DQN
from lth_core.tasks.environments import Environments
from lth_core.tickets.check import Check
from lth_core.tickets.mask import Mask
from lth_core.training.precision import products
from lth_core.training.reinforcement import second_window
from lth_core.training.reinforcement.acting import actor
from lth_core.training.reinforcement.episodes import Episodes
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.reinforcement.playing import PlayingStack
from lth_core.training.stack import Array, Arrays, Start
from lth_core.training.values import learning, second_look
from lth_core.training.values.exploration import EpsilonGreedy
from lth_core.training.values.learning import Drawn, Learnt
from lth_core.training.values.player import ValuePlayer
from lth_core.training.values.replay import Replay
from lth_core.training.values.second_look import Looked, SecondLook
from lth_core.training.values.target_watch import EVERY, TargetWatch

TOGETHER = 16
"""Batches that are drawn together, and whose next values a target network gives together while it does not move."""


class ValueStack(PlayingStack):
    """Networks with their target networks, and a replay buffer for each."""

    def __init__(self, experiment: Experiment, model: ActorCriticNetwork, starts: Sequence[Start], device: str) -> None:
        assert isinstance(experiment.training, DQN)  # noqa: S101 see families
        super().__init__(experiment.task, experiment.training, model, starts, device)
        self.training: DQN = experiment.training
        spans = [start.last - start.first for start in starts]
        self.player = ValuePlayer(self._task, self.training, self.seeds, spans)
        one = self.player.observations[0, 0]
        self.replay = Replay(len(starts), self.training.slots, self.training.environments, one)
        self.log = self.replay
        self._begins = self.training.learning_starts
        self._draws = [stream(seed, "replay") for seed in self.seeds]
        self.target = self.parameters.flat.clone()
        self._copied = 0
        """Steps of a ticket when the target network was last copied."""
        self._look = SecondLook(self.training, experiment.model)
        self._watch = TargetWatch(self.training, self.parameters)
        self._learnt: list[Learnt] = []
        """Batches of the last update that learnt."""
        self._losses: dict[str, npt.NDArray[Any]] = {}

    @property
    def episodes(self) -> Episodes:
        """See PlayingStack."""
        return self.player.episodes

    @property
    def environments(self) -> Environments:
        """See PlayingStack."""
        return self.player.environments

    def normalised(self, observations: Array, rows: Sequence[int]) -> Array:
        """See PackedStack: as they are."""
        return observations

    def policy(self, own: Parameters) -> EpsilonGreedy:
        """See PackedStack."""
        return EpsilonGreedy(self.training.evaluation_epsilon)

    @property
    def exploration(self) -> npt.NDArray[np.float64]:
        """(T,) the share of random actions now."""
        if self.trained < self._begins:
            return np.ones(self.tickets)
        return np.array([self.training.exploration(share) for share in self._passed.tolist()])

    @torch.no_grad()
    def update(self) -> None:
        """Play, then learn once enough is played."""
        with products(self.training.precision, self.device):
            rate = self._rate()  # of what was done before, so that the first update has the whole rate
            self._play()
            self.rates += rate.numpy()[:, 0]
            if self.trained > self._begins:
                self._learn(rate)

    def _play(self) -> None:
        seeing = actor(self.parameters, self.device, everything=False)

        def values(seen: Array) -> Array:
            found: Array = preferences(self.model.heads, seeing.heads(seen))
            return found

        def epsilon(i: int) -> Array:
            if i:
                self.trained += self.training.environments
            return self.exploration[:, None]

        watched = self._look.watches("play")
        self.player.play(values, epsilon, self.replay, self._look.note if watched else None)
        self.trained += self.training.environments
        if watched:
            self._look.compare_play(self.replay, self.updates)

    @property
    def updates(self) -> int:
        """Updates so far."""
        return self.trained // (self.training.train_every * self.training.environments)

    def _learn(self, rate: Tensor) -> None:
        s = self.training
        if s.target == "copy" and self.trained // s.target_every > self._copied // s.target_every:
            self.target.copy_(self.parameters.flat)
            self._copied = self.trained
        self._watch.begins(self.trained)
        self._learnt, self._losses = [], {}
        layers, together = self.model.layers(self.target), TOGETHER if s.target == "copy" else 1
        places = self._places(s.gradient_steps)
        wanted = self._look.wanted(self.replay, places)
        for first in range(0, s.gradient_steps, together):
            part = places[:, first : first + together]
            own = self._drawn(layers, part.reshape(self.tickets, -1))
            for batch in zip(*(one.split(s.batch, dim=1) for one in own), strict=True):
                ticket = wanted[0] if wanted is not None and wanted[1] == len(self._learnt) else None
                self._step(Drawn(*batch), rate, places[:, len(self._learnt)], ticket)
                if s.target == "average":
                    self.target.lerp_(self.parameters.flat, s.tau)
                self._watch.stepped()

    def _step(self, batch: Drawn, rate: Tensor, places: Array, looked_at: int | None) -> None:
        """A gradient step on the batch from these places (T, B); looked_at: the ticket whose step is computed again."""
        looked = None
        if looked_at is not None:
            looked = Looked(self.training, self.parameters, self.target, self.replay, looked_at)
            looked.draws(places[looked_at])
            self.parameters.watch = looked.step
        self._learnt.append(learning.step(self.training, self.parameters, batch, rate))
        self.parameters.watch = None
        if looked is not None:
            self._look.compare_step(looked, self._learnt[-1], self.updates)

    def _places(self, batches: int) -> Array:
        """Places (T, batches, B) in the buffers, each ticket's from its own stream."""
        count, shape = self.replay.count(self.training.n_steps), (batches, self.training.batch)
        places = np.stack([rng.integers(0, count, shape) for rng in self._draws])
        self.player.drawn.note("replay", zip(places))
        return places

    def _drawn(self, layers: Any, places: Array) -> Drawn:
        """The transitions at places (T, B)."""
        s = self.training
        batch = self.replay.batch(places, s.n_steps, s.gamma, s.reward_scale)
        return learning.drawn(self.model, layers, batch, self.device)

    @torch.no_grad()
    def warm_up(self) -> None:
        """See Stack: plays until a batch can be drawn, and learns from then on."""
        with products(self.training.precision, self.device):
            while self.replay.count(self.training.n_steps) < self.training.batch:
                self._play()
        self._begins = 0
        self.update()

    @torch.no_grad()
    def experience(self) -> Drawn:
        """See PackedStack: a batch of what is played until enough is played to learn."""
        with products(self.training.precision, self.device):
            while self.trained <= self._begins:
                self._play()
            return self._drawn(self.model.layers(self.target), self._places(1)[:, 0])

    def loss(self, flat: Tensor, experience: Drawn) -> Tensor:
        """See PackedStack."""
        return learning.loss(self.training, self.model, flat, experience)

    def checks(self, ticket: int, seed: int, score: float) -> list[Check]:
        """See Stack: gradient steps computed again, the target network, numbers for actions and draws, the window of a
        score of training episodes."""
        updates = self.updates
        drawn = [self.training.train_every, self.training.environments, 2]
        actions = second_window.of_actions(drawn, False, self.player.stream_of(ticket), seed, updates)
        target = self._watch.check(self.target, ticket)
        draws = second_look.of_draws(self.training, self._draws[ticket].bit_generator.state, seed, updates)
        return [*self._look.check(), target, actions, draws, *self.of_episodes(ticket, score)]

    def drawn(self, ticket: int) -> dict[str, str]:
        """See Stack: first observations, numbers for actions, draws from the buffer."""
        return self.player.drawn.of(ticket)

    def faults(self) -> dict[int, str]:
        """See Stack: of environments, games that never end, and actions that are not always valid."""
        if self.player.masks_actions:
            said = "its environment says which actions are valid, which dqn does not use: expected algorithm a2c or ppo"
            return dict.fromkeys(range(self.tickets), said)
        if self._look.sentence:
            return dict.fromkeys(range(self.tickets), f"audit: {self._look.sentence}")
        wrong = {} if self.updates % EVERY else self._watch.faults(self.target, range(self.tickets))
        targets = {row: f"audit: target: {said}" for row, said in wrong.items()}
        return targets | self._evaluation_faults | self.endless() | self.environments.faults()

    def losses(self) -> dict[str, npt.NDArray[Any]]:
        """Mean loss and value (T,) of the last update; computed only when asked for."""
        if self._learnt and not self._losses:
            self._losses = learning.means(self.training, self._learnt)
        return self._losses

    def metrics(self) -> list[dict[str, float]]:
        """See Stack."""
        losses, exploration = self.losses(), self.exploration
        return [
            {
                **{name: float(column[row]) for name, column in losses.items()},
                "exploration": float(exploration[row]),
                "return/train": self.episodes.score(row),
                "games": float(self.episodes.finished[row]),
            }
            for row in range(self.tickets)
        ]

    def narrow(self, ticket: int, mask: Mask) -> None:
        """See Stack: of the target network, too."""
        super().narrow(ticket, mask)
        self.target[ticket] *= self.parameters.mask[ticket]
        self._watch.narrowed(ticket, self.target)

    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these, whose training continues unchanged."""
        rows = list(tickets)
        self._losses = {name: values[rows] for name, values in self.losses().items()}
        self._learnt = []
        super().keep(rows)
        self.target = self.target[rows]
        self._watch.keep(rows)
        self.player.keep(rows)
        self.replay.keep(rows)
        self._draws = [self._draws[t] for t in rows]

    def restart(self) -> None:
        """Start new episodes everywhere, seeded by the step, for environments that cannot be saved."""
        self.player.restart(self.trained)
        self.replay.cut()

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """See Stack: without the replay buffers, which are its log."""
        arrays, values = self.player.state()
        arrays["target"] = self.model.unpacked(self.target).cpu().numpy().copy()
        values |= {"trained": self.trained, "copied": self._copied}
        values |= {"looked": self._look.state(), "watched": self._watch.state()}
        values["replay"] = [rng.bit_generator.state for rng in self._draws]
        return arrays | self.parameters.state(), values

    def restore(self, arrays: Arrays, values: dict[str, Any]) -> None:
        """See Stack."""
        self.trained, self._copied = values["trained"], values["copied"]
        self._look.restore(values["looked"])
        self._watch.restore(values["watched"])
        self.player.restore(arrays, values, self.trained)
        self.parameters.restore(arrays)
        self.target = self.model.packed(torch.from_numpy(arrays["target"].copy())).to(self.device)
        for rng, state in zip(self._draws, values["replay"], strict=True):
            rng.bit_generator.state = state
