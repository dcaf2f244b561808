"""A stack's updates computed a second time: the first one, one in which an episode terminates, one with a time limit.

The returns that were learnt from, and the gradients that the optimizer received, are compared with `reference`'s.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from torch import Tensor

from lth_core.models.flat import flatten
from lth_core.settings.reinforcement import ActorCriticTraining
from lth_core.tickets.mask import Weights
from lth_core.training.reinforcement import reference
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.reinforcement.reference import Network, Played
from lth_core.training.reinforcement.rollout import Rollout, Steps
from lth_core.training.second_looks import ROUNDING, TRIES, Noted, accepted, apart, rounded

ROUNDING_ELSEWHERE = 1e-3
"""ROUNDING on a GPU. Where a unit is so close to its kink, or the terms of a gradient cancel so far, that this decides,
what such changes do to it is accepted too."""
MORE = 4
"""How many times the largest change of the gradient by rounding is accepted."""
KINDS = ("first", "termination", "time limit")


@dataclass
class SecondLook(Noted[list[str]]):
    """left: of KINDS."""

    left: list[str] = field(default_factory=lambda: list(KINDS), kw_only=True)

    def ticket(self, found: Steps, diverged: Callable[[], Collection[int]]) -> int | None:
        """The ticket whose rollout shows something that was not looked at yet; None if none does."""
        rows = self._rows(found)
        broken = diverged() if rows else []
        return next((row for row in rows if row not in broken), None)

    def _rows(self, found: Steps) -> list[int]:
        if "first" in self.left:
            return list(range(len(found.rewards)))
        for kind, flags in (("termination", "terminated"), ("time limit", "truncated")):
            # Time limits are rare, and asked for at every update.
            if kind in self.left and (kind != "time limit" or found.cut):
                rows = np.flatnonzero(np.any([getattr(step, flags).any(axis=1) for step in found.steps], axis=0))
                if rows.size:
                    return [int(row) for row in rows]
        return []

    def compare(self, own: "Looked", update: int) -> None:
        """Compute the rollout and its gradients again; notes what was seen, or the sentence."""
        if own.diverged:
            return
        played = own.played
        kinds = ["first"] if "first" in self.left else []
        kinds += ["termination"] if played.terminated.any() else []
        kinds += ["time limit"] if played.truncated.any() else []
        self.left = [kind for kind in self.left if kind not in kinds]
        self.seen.append(f"update {update:,}")
        self.sentence = own.returns_differ(update) or own.gradient_differs(update)
        self.largest = max(self.largest, own.largest)


@dataclass(frozen=True)
class Rounded(Network):
    """The same network with outputs rounded differently; logits and means at least as 1 is, because probabilities are
    rounded too."""

    generator: torch.Generator

    def heads(self, weights: Mapping[str, Tensor], seen: Tensor) -> tuple[Tensor, Tensor]:
        """See Network."""
        outputs, values = super().heads(weights, seen)
        outputs = _moved(outputs, 1 + outputs.detach().abs(), ROUNDING, self.generator)
        return outputs, _moved(values, values.detach().abs(), ROUNDING, self.generator)


@dataclass
class Looked:
    """One ticket's update: its rollout, what was learnt from, and each step of the optimizer with the weights before it
    and the gradient it received, (P,) as `Parameters` has them. largest: the largest difference of a gradient that
    rounding does not explain."""

    network: Network
    parameters: Parameters
    ticket: int
    found: Steps
    rollout: Rollout
    orders: Tensor | None
    largest: float = 0.0
    received: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def __post_init__(self) -> None:
        own = self.parameters
        self.before, self.alive = self._named(own.flat), self._named(own.mask)
        self.accepted = accepted(self.before, own.flat.device)
        self.rounding = ROUNDING if own.flat.device.type == "cpu" else ROUNDING_ELSEWHERE
        self.played = self._played()
        self.settings = cast(ActorCriticTraining, own.settings)
        self.again = reference.returns(self.settings, self.network, self.before, self.played)

    @property
    def diverged(self) -> bool:
        """Whether a number is not finite: the trial fails for that."""
        numbers = [self.rollout.targets[self.ticket], *(part for step in self.received for part in step)]
        return not all(bool(torch.isfinite(one).all()) for one in numbers)

    def step(self, flat: Tensor, gradient: Tensor) -> None:
        """A step of the optimizer, see `Parameters.watch`."""
        self.received.append((flat[self.ticket].clone(), gradient[self.ticket].clone()))

    def _named(self, rows: Tensor) -> Weights:
        return self._whole(rows[self.ticket])

    def _whole(self, row: Tensor) -> Weights:
        return {n: w.double() for n, w in self.parameters.named(row, self.ticket).items()}

    def _played(self) -> Played:
        found, t, steps = self.found, self.ticket, self.found.steps
        shape = found.rewards[t].shape
        inputs = self.rollout.activations[0][t].detach().cpu().numpy()
        taken = self.rollout.actions[t].cpu().numpy()
        valid = self.rollout.valid[0][t].cpu().numpy() if self.rollout.valid else None
        truncated = np.stack([step.truncated[t] for step in steps])
        return Played(
            inputs.reshape(*shape, *inputs.shape[1:]), found.after[t],
            {(i, e): found.cut[i][t, e] for i, e in np.argwhere(truncated).tolist() if i in found.cut},
            taken.reshape(*shape, *taken.shape[1:]), found.rewards[t], np.stack([step.terminated[t] for step in steps]),
            truncated, None if valid is None else valid.reshape(*shape, *valid.shape[1:]),
        )  # fmt: skip

    def returns_differ(self, update: int) -> str:
        """A sentence if what was learnt from is not what the environments gave."""
        for name, used, wanted in (
            ("targets of values", self.rollout.targets, self.again[0]),
            ("advantages", self.rollout.advantages, self.again[1]),
        ):
            off = (used[self.ticket].cpu().double() - wanted).abs()
            if float(off.max()) <= self.accepted * (1e-2 + float(self.again[0].abs().max())):
                continue
            i, e = divmod(int(off.argmax()), self.played.rewards.shape[1])
            ends = {"a termination": self.played.terminated, "a time limit": self.played.truncated}
            near = [what for what, flags in ends.items() if flags[i:, e].any()]
            where = f"step {i}, environment {e}" + (f", before {' and '.join(near)}" if near else "")
            return (
                f"returns: the {name} of update {update:,} are not what rewards and ends of episodes give: "
                f"{float(used[self.ticket].flatten()[int(off.argmax())]):.6g} instead of "
                f"{float(wanted[int(off.argmax())]):.6g} ({where})"
            )
        return ""

    def _rounded(self, weights: Weights, own: Tensor, wanted: Tensor) -> float:
        """How much the gradient changes at most, as a share of its length, if weights, returns and outputs are rounded
        differently."""
        settings, largest, generator = self.settings, 0.0, torch.Generator().manual_seed(0)
        network = Rounded(self.network.settings, self.network.parts, generator)
        scale = self.again[0].abs() + (self.again[0] - self.again[1]).abs()  # of targets and values

        def moved(all_of: Weights) -> Weights:
            return rounded(network.settings, all_of, generator, self.rounding)

        for _ in range(TRIES):
            targets, advantages = (_moved(one, scale, ROUNDING, generator) for one in self.again)
            taken = reference.batch(network, moved(self.before), self.played, (targets, advantages), own)
            found = reference.gradient(settings, network, moved(weights), self.alive, taken)
            if found is not None:
                largest = max(largest, apart(found, wanted))
        return largest

    def gradient_differs(self, update: int) -> str:
        """A sentence if the first or the last gradient of the update is not that of the stated loss."""
        model, settings, minibatches = self.parameters.model, self.settings, 1
        if self.orders is not None:
            minibatches = len(self.received) // len(self.orders)
        for number in sorted({0, len(self.received) - 1}):
            flat, used = self.received[number]
            weights, size = self._whole(flat), self.rollout.size
            own = torch.arange(size)
            if self.orders is not None:
                epoch, part = divmod(number, minibatches)
                own = self.orders[epoch, self.ticket].chunk(minibatches)[part].cpu()
            taken = reference.batch(self.network, self.before, self.played, self.again, own)
            wanted = reference.gradient(settings, self.network, weights, self.alive, taken)
            if wanted is None:
                return ""
            found = flatten(self._whole(used), model.shapes())
            off = left = apart(found, wanted)
            if off > self.accepted:
                left = max(0.0, off - MORE * self._rounded(weights, own, wanted))
            self.largest = max(self.largest, left)
            if not left <= self.accepted:
                return (
                    f"loss: gradient {number + 1} of update {update:,} is not that of the stated loss: "
                    f"it differs by {off:.2%} of its length"
                )
        return ""


def _moved(one: Tensor, size: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """With random changes of a share of this size."""
    return one + share * size * torch.randn(one.shape, generator=generator)
