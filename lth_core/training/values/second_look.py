"""A stack's play and gradient steps computed a second time: first ones, those with a termination, with a time limit.

The buffer is compared with what the environments returned; targets and gradients with those of another program.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lth_core.models.flat import flatten
from lth_core.randomness import stream
from lth_core.settings.values import DQN, ReplayTraining
from lth_core.tasks.step import Step
from lth_core.tickets.check import Check
from lth_core.tickets.mask import Weights
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.second_looks import Noted, accepted, apart, by_rounding
from lth_core.training.stack import Array
from lth_core.training.values import reference
from lth_core.training.values.reference import Passed
from lth_core.training.values.replay import CUT, TERMINATED, Replay

KINDS = ("first", "termination", "time limit")
MORE = 2
"""How many times the largest change of a gradient by rounding is accepted."""


@dataclass
class SecondLook(Noted[list[str]]):
    """network: its settings. left: kinds of play and of gradient steps. Subclasses say what a step should be."""

    settings: ReplayTraining
    network: object
    left: list[str] = field(
        default_factory=lambda: [f"{what}, {kind}" for what in ("play", "step") for kind in KINDS], kw_only=True
    )
    played: list[tuple[Array, Array, Step]] = field(default_factory=list, init=False)

    def watches(self, what: str) -> bool:
        """Whether something of `play` or of a `step` is still to be looked at."""
        return any(one.startswith(what) for one in self.left)

    def note(self, seen: Array, actions: Array, step: Step) -> None:
        """A step of all environments, see `Replay.add`."""
        self.played.append((seen.copy(), actions.copy(), step))

    def compare_play(self, replay: Replay, update: int) -> None:
        """Compare what was noted with the newest entries of the buffers."""
        ends = {"termination": "terminated", "time limit": "truncated"}
        kinds = ["first"] + [k for k, flag in ends.items() if any(getattr(s, flag).any() for _, _, s in self.played)]
        if any(f"play, {kind}" in self.left for kind in kinds):
            self.left = [one for one in self.left if one not in [f"play, {kind}" for kind in kinds]]
            for back, (seen, actions, step) in enumerate(reversed(self.played)):
                number = replay.total - 1 - back
                if number >= replay.first and not self.sentence:
                    self.sentence = self._differs(replay, number, seen, actions, step, update)
        self.played = []

    def _differs(self, replay: Replay, number: int, seen: Array, actions: Array, step: Step, update: int) -> str:
        for row, e in np.ndindex(step.rewards.shape):
            own = replay.entry(row, number, e)
            over = bool(step.terminated[row, e]), bool(step.truncated[row, e])
            last = step.last_observations
            behind = last[row, e] if any(over) and last is not None else step.observations[row, e]
            end = TERMINATED if over[0] else CUT if over[1] else 0
            pairs: dict[str, tuple[Any, Any]] = {
                "observation": (own["seen"], seen[row, e]), "action": (own["action"], actions[row, e]),
                "reward": (own["reward"], step.rewards[row, e]), "next observation": (own["following"], behind),
                "end": (own["end"], end),
            }  # fmt: skip
            for what, (stored, given) in pairs.items():
                if not np.array_equal(stored, given):
                    near = " at a termination" if over[0] else " at a time limit" if over[1] else ""
                    return (
                        f"replay: the {what} that update {update:,} stored{near} is not what the environment gave "
                        f"(environment {e})"
                    )
        return ""

    def wanted(self, replay: Replay, places: Array) -> "tuple[int, int] | None":
        """Ticket and batch to look at among places (T, batches, B); None if nothing new is to be seen."""
        if not self.watches("step"):
            return None
        if "step, first" in self.left:
            return 0, 0
        ends = replay.entries(places)["end"]
        for kind, end in (("termination", TERMINATED), ("time limit", CUT)):
            if f"step, {kind}" in self.left and (found := np.argwhere((ends == end).any(2))).size:
                return int(found[0, 0]), int(found[0, 1])
        return None

    def compare_step(self, own: "Looked", learnt: Any, update: int) -> None:
        """Compute a gradient step again; notes what was seen, or the sentence."""
        used = learnt.targets[own.ticket].cpu().double()
        if not all(bool(torch.isfinite(one).all()) for one in (used, own.received, *own.weights.values())):
            return  # the trial fails for that
        kinds = ["first"] + [k for k, e in (("termination", TERMINATED), ("time limit", CUT)) if e in own.ends]
        self.left = [one for one in self.left if one not in [f"step, {kind}" for kind in kinds]]
        self.seen.append(f"update {update:,}")
        near = accepted(own.weights, own.parameters.flat.device)
        again = self.targets(own, used)
        wrong = (used - again).abs()
        if float(wrong.max()) > near * (1e-2 + float(again.abs().max())):
            worst = int(wrong.argmax())
            one = own.passed[worst]
            where = ", behind a termination" if one.terminated else ", behind a time limit" if own.ends[worst] else ""
            self.sentence = (
                f"targets: those of update {update:,} are not what rewards, ends of episodes and the target network "
                f"give: {float(used[worst]):.6g} instead of {float(again[worst]):.6g}{where}"
            )
            return
        gradient = self.gradient(own, own.weights, again)
        for whose, part in self.parts(own).items():
            off = apart(own.received[part], gradient[part])
            self.largest = max(self.largest, off)
            if not off <= near and not off <= near + MORE * self._rounded(own, again, gradient, part):
                self.sentence = (
                    f"loss: a gradient{whose} of update {update:,} is not that of the stated loss: "
                    f"it differs by {off:.2%} of its length"
                )
                return

    def _rounded(self, own: "Looked", wanted: Tensor, gradient: Tensor, part: slice) -> float:
        """How much a part of the gradient may change by rounding, where a unit is close to its kink, or terms nearly
        cancel."""
        return by_rounding(
            self.network, own.weights, lambda weights: self.gradient(own, weights, wanted)[part], gradient[part]
        )

    @abstractmethod
    def targets(self, own: "Looked", used: Tensor) -> Tensor:
        """What the targets (B,) should be, where the program used these."""

    @abstractmethod
    def gradient(self, own: "Looked", weights: Weights, wanted: Tensor) -> Tensor:
        """The gradient at these weights and targets (B,) as one vector, as an optimizer must receive it."""

    def parts(self, own: "Looked") -> Mapping[str, slice]:
        """The parts of a gradient that are compared each by itself, by what a sentence calls them."""
        return {"": slice(None)}


@dataclass
class ValueLook(SecondLook):
    """Q-learning's, by `reference`."""

    settings: DQN

    def targets(self, own: "Looked", used: Tensor) -> Tensor:
        """See SecondLook."""
        return reference.targets(self.settings, self.network, own.weights, own.target, own.passed, used)

    def gradient(self, own: "Looked", weights: Weights, wanted: Tensor) -> Tensor:
        """See SecondLook."""
        return reference.gradient(self.settings, self.network, weights, own.alive, own.passed, wanted)


def of_draws(settings: ReplayTraining, numbers: Sequence[int], state: object, seed: int, updates: int) -> Check:
    """Whether a ticket's stream for draws from its buffer is where as many updates leave that of its chain.

    numbers: shape of the normal numbers that each gradient step draws, too; empty for none.
    """
    rng, each = stream(seed, "replay"), settings.train_every * settings.environments
    for update in range(settings.learning_starts // each + 1, updates + 1):
        held = min(update * settings.train_every, settings.replay // settings.environments)
        starts = (held - settings.added_up + 1) * settings.environments
        rng.integers(0, starts, (settings.gradient_steps, settings.batch))
        for _ in range(settings.gradient_steps if numbers else 0):
            rng.standard_normal(numbers, np.float32)
    same = rng.bit_generator.state == state
    said = "what" if same else "other places than"
    return Check("draws", same, f"{updates:,} updates drew {said} the seed gives")


class Looked:
    """One ticket's gradient step: both networks before it, its transitions, and the gradient that the optimizer
    received."""

    def __init__(
        self, settings: ReplayTraining, parameters: Parameters, target: Tensor, replay: Replay, ticket: int
    ) -> None:
        self._settings, self._replay = settings, replay
        self.parameters, self.ticket = parameters, ticket
        self.weights, self.alive, self.target = (self._named(one) for one in (parameters.flat, parameters.mask, target))
        self.received = torch.zeros(0)

    def draws(self, places: Array) -> None:
        """The places (B,) of its batch."""
        self.passed = [self._passed(int(place)) for place in places]
        self.ends = [self._end(int(place)) for place in places]

    def step(self, flat: Tensor, gradient: Tensor) -> None:
        """A step of the optimizer, see `Parameters.watch`."""
        self.received = flatten(self._named(gradient), self.parameters.model.shapes())

    def _at(self, place: int, later: int) -> np.void:
        step, environment = divmod(place, self._settings.environments)
        return self._replay.entry(self.ticket, self._replay.first + step + later, environment)

    def _passed(self, place: int) -> Passed:
        first, rewards = self._at(place, 0), []
        for later in range(self._settings.added_up):
            last = self._at(place, later)
            rewards.append(float(last["reward"]))
            if last["end"]:
                break
        return Passed(first["seen"], first["action"].copy(), rewards, last["following"], last["end"] == TERMINATED)

    def _end(self, place: int) -> int:
        return int(self._at(place, len(self._passed(place).rewards) - 1)["end"])

    def _named(self, rows: Tensor) -> Weights:
        return {n: w.double() for n, w in self.parameters.named(rows[self.ticket], self.ticket).items()}
