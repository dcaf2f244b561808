"""How far a network's actions are from a teacher's: the Kullback-Leibler divergence, and its gradient by hand.

A teacher's targets (..., A): the probabilities of each choice, those of 1 for bits, or means, whose standard deviations
(A,) are the same in all states.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lth_core.settings.action_parts import Parts
from lth_core.training.stack import Array

_LEAST = 1e-30


@dataclass(frozen=True)
class Divergence:
    """From targets of actions with these parts. deviations: of a teacher with continuous actions, else None."""

    parts: Parts
    deviations: Tensor | None

    def __call__(self, outputs: Tensor, targets: Tensor, log_std: Tensor | None) -> Tensor:
        """Divergences (T, B) of outputs (T, B, A), without the value; log_std (T, A). Twice differentiable."""
        if self.deviations is not None and log_std is not None:
            variance, own = self.deviations.to(outputs) ** 2, log_std.unsqueeze(1)
            each = own - self.deviations.to(outputs).log() - 0.5
            each = each + (variance + (targets.to(outputs) - outputs) ** 2) / (2 * (2 * own).exp())
            return _summed([each])
        found = []
        for logits, wanted in zip(self._choices(outputs), self._shares(targets.to(outputs)), strict=True):
            found.append(wanted * (wanted.clamp_min(_LEAST).log() - logits.log_softmax(-1)))
        return _summed(found)

    def gradient(self, outputs: Tensor, targets: Tensor, log_std: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """With respect to outputs, (T, B, A), and to log_std, (T, A), of the sum over B."""
        if self.deviations is not None and log_std is not None:
            variance, off = (2 * log_std).exp().unsqueeze(1), outputs - targets
            return off / variance, (1 - (self.deviations**2 + off.square()) / variance).sum(1)
        if self.parts == "bits":
            return outputs.sigmoid() - targets, None
        shares = [logits.softmax(-1) for logits in self._choices(outputs)]
        return torch.cat(shares, -1) - targets, None

    def agreement(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """Whether the likeliest action is the teacher's, (T, B); None for continuous actions."""
        if self.deviations is not None:
            return None
        pairs = zip(self._choices(outputs), self._shares(targets), strict=True)
        return functools.reduce(torch.logical_and, [one.argmax(-1) == wanted.argmax(-1) for one, wanted in pairs])

    def _choices(self, outputs: Tensor) -> list[Tensor]:
        """The logits of each choice."""
        if self.parts == "bits":
            return list(torch.stack([torch.zeros_like(outputs), outputs], -1).unbind(-2))
        return list(outputs.split([outputs.shape[-1]] if self.parts is None else list(self.parts), -1))

    def _shares(self, targets: Tensor) -> list[Tensor]:
        """The teacher's probabilities of each choice."""
        if self.parts == "bits":
            return list(torch.stack([1 - targets, targets], -1).unbind(-2))
        return list(targets.split([targets.shape[-1]] if self.parts is None else list(self.parts), -1))


def _summed(parts: Sequence[Tensor]) -> Tensor:
    """Sums (T, B) over the last axes, column by column: the order of a sum over a short axis depends on the shape."""
    return functools.reduce(torch.add, [column for part in parts for column in part.unbind(-1)])


def targets_of(heads: Array, parts: Parts, continuous: bool, valid: Array | None) -> Array:
    """Targets (..., A) from the heads of a teacher, without the value; valid: valid actions, (..., choices)."""
    outputs = torch.from_numpy(heads).double()
    if continuous:
        return heads
    may = None if valid is None else torch.from_numpy(np.ascontiguousarray(valid))
    if parts == "bits":
        pairs = torch.stack([torch.zeros_like(outputs), outputs], -1)
        pairs = pairs if may is None else pairs.masked_fill(~may.view(pairs.shape), -torch.inf)
        return pairs.softmax(-1)[..., 1].float().numpy()
    outputs = outputs if may is None else outputs.masked_fill(~may, -torch.inf)
    sizes = [outputs.shape[-1]] if parts is None else list(parts)
    found: Array = torch.cat([functional.softmax(one, -1) for one in outputs.split(sizes, -1)], -1).float().numpy()
    return found
