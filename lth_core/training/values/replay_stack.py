"""A stack that plays into replay buffers and learns from draws of them, with target networks. Subclasses define how
actions are chosen and what a gradient step is."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lth_core.experiment.experiment import Experiment
from lth_core.models.actor_critic import ActorCriticNetwork
from lth_core.randomness import stream
from lth_core.settings.values import ReplayTraining
from lth_core.tasks.environments import Environments
from lth_core.tickets.check import Check
from lth_core.tickets.mask import Mask, Weights
from lth_core.training.precision import products
from lth_core.training.reinforcement import plasticity, second_window
from lth_core.training.reinforcement.episodes import Episodes
from lth_core.training.reinforcement.playing import PlayingStack
from lth_core.training.stack import Array, Arrays, Start
from lth_core.training.values import second_look
from lth_core.training.values.player import ReplayPlayer
from lth_core.training.values.replay import Replay
from lth_core.training.values.second_look import Looked, SecondLook
from lth_core.training.values.target_watch import EVERY, TargetWatch


class ReplayStack(PlayingStack):
    """Networks with their target networks, and a replay buffer for each.

    normal: whether the numbers that choose actions, of the shape `numbers` for each step, are normal, not uniform.
    drawn_numbers: shape of the normal numbers that each gradient step draws behind its batch; empty for none.
    """

    training: ReplayTraining
    normal: bool
    numbers: tuple[int, ...]
    drawn_numbers: tuple[int, ...] = ()

    def __init__(
        self, experiment: Experiment, model: ActorCriticNetwork, starts: Sequence[Start], device: str, look: SecondLook
    ) -> None:  # fmt: skip
        """look: computes play and gradient steps again."""
        assert isinstance(experiment.training, ReplayTraining)  # noqa: S101 see families
        super().__init__(experiment.task, experiment.training, model, starts, device)
        self.training = experiment.training
        self.parameters.keeps_dense |= self.training.plasticity
        spans = [start.last - start.first for start in starts]
        self.player = ReplayPlayer(self._task, self.training, self.seeds, spans)
        one = self.player.observations[0, 0]
        s = self.training
        # Of games, some are not finished at the end; the last update may go beyond the last step.
        played = (max(spans) + s.environments) * self.steps_per_unit / s.environments + s.train_every
        self.replay = Replay(len(starts), s.slots, s.environments, one, self.player.action, played)
        self.log = self.replay
        self._begins = self.training.learning_starts
        self._draws = [stream(seed, "replay") for seed in self.seeds]
        self.target = self.parameters.flat.clone()
        self._copied = 0
        """Steps of a ticket when the target network was last copied."""
        self._look = look
        self._watch = TargetWatch(self.training, self.parameters)
        self._learnt: list[Any] = []
        """What the gradient steps of the last update that learnt say of themselves."""
        self._losses: dict[str, npt.NDArray[Any]] = {}

    @abstractmethod
    def choosing(self) -> Callable[[Array, Array], Array]:
        """How actions (T, E, ...) follow from observations (T, E, ...) and random numbers (T, E, *numbers), with the
        present networks, at any number of steps played."""

    @abstractmethod
    def batches(self, places: Array) -> Iterator[Any]:
        """What each gradient step learns from, (T, B, ...), for places (T, batches, B). Called for one after the other
        when the step before is taken."""

    @abstractmethod
    def learn(self, batch: Any, rate: Tensor) -> Any:
        """One gradient step at learning rates (T, 1); what `averages` needs of it."""

    @abstractmethod
    def averages(self, learnt: Sequence[Any]) -> dict[str, npt.NDArray[Any]]:
        """Values (T,) to record of an update with these gradient steps."""

    @abstractmethod
    def looked(self, ticket: int, batch: Any) -> Looked:
        """A ticket's gradient step on this batch, which is to be computed again."""

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

    @torch.no_grad()
    def update(self) -> None:
        """Play, then learn once enough is played."""
        with products(self.training.precision, self.device):
            rate = self._rate()  # of what was done before, so that the first update has the whole rate
            self._play()
            self.rates += rate.numpy()[:, 0]
            if self.learns:
                self._learn(rate)

    def _play(self) -> None:
        choose = self.choosing()

        def chosen(seen: Array, noise: Array) -> Array:
            actions = choose(seen, noise)
            self.trained += self.training.environments
            return actions

        watched = self._look.watches("play")
        noise = self.player.noise(self.numbers, normal=self.normal)
        self.player.play(chosen, noise, self.replay, self._look.note if watched else None)
        if watched:
            self._look.compare_play(self.replay, self.updates)

    @property
    def updates(self) -> int:
        """Updates so far."""
        return self.trained // (self.training.train_every * self.training.environments)

    def _learn(self, rate: Tensor) -> None:
        every = self.training.copied_every
        if every is not None and self.trained // every > self._copied // every:
            self.target.copy_(self.parameters.flat)
            self._copied = self.trained
        self._watch.begins(self.trained)
        self._learnt, self._losses = [], {}
        places = self._places(self.training.gradient_steps)
        wanted = self._look.wanted(self.replay, places)
        for number, batch in enumerate(self.batches(places)):
            ticket = wanted[0] if wanted is not None and wanted[1] == number else None
            self._step(batch, rate, places[:, number], ticket)
            if every is None:
                self.target.lerp_(self.parameters.flat, self.training.tau)
            self._watch.stepped()

    def _step(self, batch: Any, rate: Tensor, places: Array, looked_at: int | None) -> None:
        """A gradient step on the batch from these places (T, B); looked_at: the ticket whose step is computed again."""
        looked = None
        if looked_at is not None:
            looked = self.looked(looked_at, batch)
            looked.draws(places[looked_at])
            self.parameters.watch = looked.step
        self._learnt.append(self.learn(batch, rate))
        self.parameters.watch = None
        if looked is not None:
            self._look.compare_step(looked, self._learnt[-1], self.updates)

    def _places(self, batches: int) -> Array:
        """Places (T, batches, B) in the buffers, each ticket's from its own stream."""
        count, shape = self.replay.count(self.training.added_up), (batches, self.training.batch)
        places = np.stack([rng.integers(0, count, shape) for rng in self._draws])
        self.player.drawn.note("replay", zip(places))
        return places

    def numbers_drawn(self) -> Array:
        """Normal numbers (T, *drawn_numbers) for a gradient step, each ticket's from the stream of its places."""
        return np.stack([rng.standard_normal(self.drawn_numbers, np.float32) for rng in self._draws])

    def batch(self, places: Array) -> list[Tensor]:
        """The parts of a `replay.Batch` of places (T, B), on the network's device."""
        s = self.training
        found = self.replay.batch(places, s.added_up, s.gamma, s.reward_scale)
        return [torch.from_numpy(part).to(self.device) for part in found]

    @torch.no_grad()
    def warm_up(self) -> None:
        """See Stack: plays until a batch can be drawn, and learns from then on."""
        with products(self.training.precision, self.device):
            while self.replay.count(self.training.added_up) < self.training.batch:
                self._play()
        self._begins = 0
        self.update()

    @torch.no_grad()
    def experience(self) -> Any:
        """See PackedStack: a batch of what is played until enough is played to learn."""
        with products(self.training.precision, self.device):
            while self.trained <= self._begins:
                self._play()
            return next(self.batches(self._places(1)))

    def checks(self, ticket: int, seed: int, score: float) -> list[Check]:
        """See Stack: gradient steps computed again, the target network, numbers for actions and draws, the window of a
        score of training episodes."""
        s, updates = self.training, self.updates
        drawn = [s.train_every, s.environments, *self.numbers]
        actions = second_window.of_actions(drawn, self.normal, self.player.stream_of(ticket), seed, updates)
        target = self._watch.check(self.target, ticket)
        draws = second_look.of_draws(
            s, self.drawn_numbers, self._draws[ticket].bit_generator.state, seed, updates
        )  # fmt: skip
        return [*self._look.check(), target, actions, draws, *self.of_episodes(ticket, score)]

    def drawn(self, ticket: int) -> dict[str, str]:
        """See Stack: first observations, numbers for actions, draws from the buffer."""
        return self.player.drawn.of(ticket)

    def faults(self) -> dict[int, str]:
        """See Stack: of environments, games that never end, and actions that are not always valid."""
        if self.player.masks_actions:
            said = (
                f"its environment says which actions are valid, which {self.training.algorithm} does not use: "
                "expected algorithm a2c or ppo"
            )
            return dict.fromkeys(range(self.tickets), said)
        if self._look.sentence:
            return dict.fromkeys(range(self.tickets), f"audit: {self._look.sentence}")
        wrong = {} if self.updates % EVERY else self._watch.faults(self.target, range(self.tickets))
        targets = {row: f"audit: target: {said}" for row, said in wrong.items()}
        return targets | self._evaluation_faults | self.endless() | self.environments.faults()

    def losses(self) -> dict[str, npt.NDArray[Any]]:
        """Averages (T,) of the last update; computed only when asked for."""
        if self._learnt and not self._losses:
            self._losses = self.averages(self._learnt)
        return self._losses

    def metrics(self) -> list[dict[str, float]]:
        """See Stack."""
        losses = self.losses()
        plastic: list[dict[str, float]] = [{}] * self.tickets
        if self.training.plasticity and self.parameters.dense is not None:  # once it has learnt
            plastic = plasticity.of_stack(self, self._spread)
        return [
            {
                **{name: float(column[row]) for name, column in losses.items()},
                **plastic[row],
                "return/train": self.episodes.score(row),
                "games": float(self.episodes.finished[row]),
            }
            for row in range(self.tickets)
        ]

    def _spread(self) -> plasticity.States:
        """The entries at places spread over the replay buffers, the same places of each."""
        places = np.tile(plasticity.spread(self.replay.count(1)), (self.tickets, 1))
        entries = self.replay.entries(places)
        seen, actions = (torch.from_numpy(np.ascontiguousarray(entries[part])) for part in ("seen", "action"))
        return plasticity.States(seen, actions)

    @property
    def learns(self) -> bool:
        """See Stack."""
        return self.trained > self._begins

    @property
    def learns_from(self) -> int:
        """See Stack."""
        return self.training.learning_starts

    def followers(self, ticket: int) -> dict[str, Weights]:
        """See Stack."""
        return {"target": self.parameters.named(self.target[ticket], ticket)}

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
