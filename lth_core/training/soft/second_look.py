"""Gradient steps of soft actor-critic computed a second time, those of the temperature too: see values.second_look."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lth_core.settings.soft import SAC
from lth_core.tickets.mask import Weights
from lth_core.training.second_looks import accepted
from lth_core.training.soft import reference
from lth_core.training.soft.learning import Batch
from lth_core.training.soft.temperature import Temperature
from lth_core.training.values.second_look import Looked, SecondLook


class SoftLooked(Looked):
    """See Looked: with the numbers that drew actions, and the temperature with its optimizer."""

    def beside(self, batch: Batch, temperature: Temperature) -> None:
        """What is known before the step."""
        noise, size = batch.noise[self.ticket].cpu().double(), batch.actions.shape[1]
        self.noise, self.later = noise[:size], noise[size:]
        self.temperatures, self.before = temperature, temperature.of(self.ticket)

    @property
    def temperature(self) -> float:
        """Before the step."""
        return math.exp(self.before[0])


@dataclass
class SoftLook(SecondLook):
    """By `reference`, of actor and critics each by itself; of the temperature by torch's Adam."""

    settings: SAC

    def compare_step(self, own: Looked, learnt: Any, update: int) -> None:
        """See SecondLook; and the temperature's step."""
        before = len(self.seen)
        super().compare_step(own, learnt, update)
        assert isinstance(own, SoftLooked)  # noqa: S101 see SoftStack
        if self.sentence or len(self.seen) == before:
            return
        found, near = own.temperatures.of(own.ticket), accepted(own.weights, own.parameters.flat.device)
        each = zip(("value", "mean gradient"), found, self._learnt(own), own.before, strict=False)
        for what, is_now, wanted, was in each:
            if abs(is_now - wanted) > 1e-9 + 100 * near * abs(wanted - was):
                self.sentence = (
                    f"temperature: update {update:,} made its logarithm's {what} {is_now:.6g} instead of {wanted:.6g}"
                )

    def _learnt(self, own: SoftLooked) -> tuple[float, float]:
        """What the logarithm of the temperature, and Adam's mean of its gradients, should be after the step."""
        log, mean, square, count = own.before
        if not self.settings.learn_temperature:
            return log, mean
        size = own.noise.shape[1]
        target = -size if self.settings.target_entropy is None else self.settings.target_entropy
        one = torch.tensor(log, dtype=torch.float64, requires_grad=True)
        one.grad = torch.tensor(
            reference.entropy(self.network, own.weights, own.passed, own.noise) - target, dtype=torch.float64
        )
        rate = own.temperatures.rates[own.ticket]
        adam = torch.optim.Adam([one], rate, self.settings.adam_betas, self.settings.epsilon)
        adam.state[one] = {
            "step": torch.tensor(float(count)), "exp_avg": torch.tensor(mean, dtype=torch.float64),
            "exp_avg_sq": torch.tensor(square, dtype=torch.float64),
        }  # fmt: skip
        adam.step()
        return float(one.detach()), float(adam.state[one]["exp_avg"])

    def targets(self, own: Looked, used: Tensor) -> Tensor:
        """See SecondLook."""
        assert isinstance(own, SoftLooked)  # noqa: S101 see SoftStack
        return reference.targets(
            self.settings, self.network, own.weights, own.target, own.passed, own.later, own.temperature
        )

    def gradient(self, own: Looked, weights: Weights, wanted: Tensor) -> Tensor:
        """See SecondLook."""
        assert isinstance(own, SoftLooked)  # noqa: S101 see SoftStack
        return reference.gradient(
            self.settings, self.network, weights, own.alive, own.passed, wanted, own.noise, own.temperature
        )

    def parts(self, own: Looked) -> Mapping[str, slice]:
        """See SecondLook: the critics' gradients are longer than the actor's."""
        actors = ("actor.", "policy_head.")
        end = sum(one.numel() for name, one in own.weights.items() if name.startswith(actors))
        return {" of the actor": slice(0, end), " of the critics": slice(end, None)}
