"""The first updates of a stack of clones, computed again: batches drawn again, torch's own losses and autograd."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Normal, kl_divergence

from lth_core.models.flat import flatten, unflatten
from lth_core.randomness import stream
from lth_core.settings.imitation import Cloning
from lth_core.tickets.mask import Weights
from lth_core.training.imitation.data import Played
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.reinforcement.reference import Network
from lth_core.training.second_looks import Noted, accepted, apart, by_rounding, masked_and_clipped

MOST, MORE = 4, 2
"""How many updates are looked at; how many times the largest change of a gradient by rounding is accepted."""


@dataclass
class SecondLook(Noted[int]):
    """left: updates."""

    training: Cloning
    network: Network
    played: Played
    left: int = field(default=MOST, kw_only=True)

    def begins(self, parameters: Parameters, seeds: Sequence[int], updates: Sequence[int]) -> "Looked | None":
        """The next update of the first ticket, if it is to be looked at. updates: those before it in the dense run."""
        return Looked(parameters, seeds[0], updates[0]) if self.left else None

    def compare(self, own: "Looked") -> None:
        """Compute an update again; notes what was seen, or the sentence."""
        self.left -= 1
        used, wanted = own.received, self._gradient(own, own.weights)
        if not (bool(torch.isfinite(used).all()) and bool(torch.isfinite(wanted).all())):
            return  # the trial fails for that
        off, near = apart(used, wanted), accepted(own.weights, own.parameters.flat.device)
        self.largest, number = max(self.largest, off), own.update + 1
        self.seen.append(f"update {number:,}")
        if not off <= near and not off <= near + MORE * self._rounded(own, wanted):
            self.sentence = (
                f"loss: the gradient of update {number:,} is not that of the divergence from the teacher in its batch: "
                f"it differs by {off:.2%} of its length"
            )

    def _rounded(self, own: "Looked", wanted: Tensor) -> float:
        """How much the gradient may change by rounding."""
        return by_rounding(self.network.settings, own.weights, lambda weights: self._gradient(own, weights), wanted)

    def _gradient(self, own: "Looked", weights: Mapping[str, Tensor]) -> Tensor:
        """At these weights, masked and clipped, as the optimizer must receive it."""
        states, targets = self._batch(own)
        leaves = {name: one.detach().requires_grad_() for name, one in weights.items()}
        with torch.enable_grad():
            outputs, _ = self.network.heads(leaves, states)
            total = self._apart(outputs, targets, leaves).mean()
            return masked_and_clipped(total, leaves, own.alive, self.training.max_gradient_norm)

    def _batch(self, own: "Looked") -> tuple[Tensor, Tensor]:
        """Its states, as the teacher saw them, and targets, drawn again."""
        states, targets = self.played.train
        epoch, place = divmod(own.update, len(states) // self.training.batch)
        first = place * self.training.batch
        rows = stream(own.seed, "imitation", epoch).permutation(len(states))[first : first + self.training.batch]
        seen = torch.from_numpy(states[rows]).double()
        if self.played.mean is not None and self.played.variance is not None:
            mean, variance = torch.from_numpy(self.played.mean), torch.from_numpy(self.played.variance)
            seen = ((seen - mean) / (variance + 1e-8).sqrt()).clip(-10, 10)
        return seen, torch.from_numpy(targets[rows]).double()

    def _apart(self, outputs: Tensor, targets: Tensor, weights: Weights) -> Tensor:
        """Divergences (B,) of the network's distribution from the teacher's."""
        if self.played.deviations is not None:
            theirs = torch.from_numpy(self.played.deviations).double().expand_as(targets)
            ours = weights["log_std"].exp().expand_as(outputs)
            return kl_divergence(Normal(targets, theirs), Normal(outputs, ours)).sum(-1)
        if self.network.parts == "bits":
            return kl_divergence(Bernoulli(targets), Bernoulli(logits=outputs)).sum(-1)
        sizes = [outputs.shape[-1]] if self.network.parts is None else list(self.network.parts)
        pairs = zip(targets.split(sizes, -1), outputs.split(sizes, -1), strict=True)
        return torch.stack([kl_divergence(Categorical(p), Categorical(logits=q)) for p, q in pairs]).sum(0)


@dataclass
class Looked:
    """The first ticket's update: weights and mask before it, and the gradient that the optimizer received."""

    parameters: Parameters
    seed: int
    update: int

    def __post_init__(self) -> None:
        self.weights, self.alive = self._named(self.parameters.flat), self._named(self.parameters.mask)
        self.received = torch.zeros(0)

    def step(self, flat: Tensor, gradient: Tensor) -> None:
        """A step of the optimizer, see `Parameters.watch`."""
        self.received = flatten(self._named(gradient), self.parameters.model.shapes())

    def _named(self, rows: Tensor) -> Weights:
        model = self.parameters.model
        named = unflatten(model.unpacked(rows[:1].cpu())[0], model.shapes())
        return {name: one.double() for name, one in named.items()}
