"""Computes heads from observations while a stack acts, on the host or a device, and keeps what learning needs.

Environments are on the host, which waits for a device once per step, for the heads from which actions are drawn.
"""

from typing import Protocol

import torch
from torch import Tensor

from lth_core.models.convolutional import ConvolutionalActorCritic
from lth_core.models.convolutional_steps import ConvolutionalSteps
from lth_core.models.mlp import Perceptron
from lth_core.models.mlp_steps import PerceptronSteps, can_step
from lth_core.training.cuda_graphs import Replayed, to_host
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.stack import Array


class Actor(Protocol):
    """The network of a stack with its current parameters."""

    def heads(self, observations: Array) -> Array:
        """Heads (T, E, actions + 1) of observations (T, E, D)."""

    def act(self, observations: Array) -> Array:
        """The same heads, kept for learning; valid until the next call."""

    def kept(self) -> list[Tensor]:
        """What was kept since the last call, (T, n * E, ...) for n steps: observations first, heads last.

        With the activations of all layers between them, if requested and available.
        """


class _Keeping:
    def __init__(self) -> None:
        self._steps: list[list[Tensor]] = []

    def kept(self) -> list[Tensor]:
        """See Actor."""
        found = [torch.stack(steps, dim=1).flatten(1, 2) for steps in zip(*self._steps, strict=True)]
        self._steps = []
        return found


class HostActor(_Keeping):
    """On the CPU. everything: keep the activations of all layers."""

    def __init__(self, parameters: Parameters, everything: bool) -> None:
        super().__init__()
        self._parameters, self._everything = parameters, everything

    def heads(self, observations: Array) -> Array:
        """See Actor."""
        found: Array = self._forward(observations)[-1].numpy()
        return found

    def act(self, observations: Array) -> Array:
        """See Actor."""
        activations = self._forward(observations)
        self._steps.append(activations if self._everything else [activations[0], activations[-1]])
        found: Array = activations[-1].numpy()
        return found

    def _forward(self, observations: Array) -> list[Tensor]:
        return self._parameters.network.forward(self._parameters.layers(), torch.from_numpy(observations))

    def kept(self) -> list[Tensor]:
        """See Actor."""
        sparse = self._parameters.sparse
        if sparse is None or not self._everything:
            return super().kept()
        found, self._steps = sparse.joined(self._steps), []
        return found


class SteppingActor(HostActor):
    """On the CPU: `act` writes into the memory that learning reads."""

    def __init__(
        self, parameters: Parameters, everything: bool, steps: PerceptronSteps | ConvolutionalSteps
    ) -> None:  # fmt: skip
        super().__init__(parameters, everything)
        self._own = steps

    def act(self, observations: Array) -> Array:
        """See Actor."""
        return self._own.step(observations)

    def kept(self) -> list[Tensor]:
        """See Actor."""
        return self._own.kept()


class DeviceActor(_Keeping):
    """On a GPU: each step is one launch, and only observations and heads are copied."""

    def __init__(self, parameters: Parameters, device: torch.device) -> None:
        super().__init__()
        model, layers = parameters.model, parameters.layers()
        self._forward = Replayed(lambda seen: model.forward(layers, seen)[-1], device)
        self._pinned: dict[torch.Size, Tensor] = {}

    def heads(self, observations: Array) -> Array:
        """See Actor."""
        return self._found(observations)[1]

    def act(self, observations: Array) -> Array:
        """See Actor."""
        on_device, found = self._found(observations)
        self._steps.append([self._forward.inputs[0].clone(), on_device.clone()])
        return found

    def _found(self, observations: Array) -> tuple[Tensor, Array]:
        """Heads on the device (overwritten by the next step) and on the host."""
        ours = torch.from_numpy(observations)
        if ours.shape not in self._pinned:
            self._pinned[ours.shape] = torch.empty(ours.shape, dtype=ours.dtype, pin_memory=True)
        seen = self._pinned[ours.shape]
        seen.copy_(ours)
        on_device: Tensor = self._forward(seen)
        return on_device, to_host(on_device)


def actor(
    parameters: Parameters, device: torch.device, everything: bool, rollout: tuple[int, int] | None = None
) -> Actor:
    """The actor of these parameters, valid until they are replaced. everything: see HostActor.

    rollout: steps and environments of what is kept; None if `act` is not used.
    """
    if device.type != "cpu":
        return DeviceActor(parameters, device)
    network = parameters.network
    if rollout is None:
        return HostActor(parameters, everything)
    shape = (len(parameters.flat), *rollout)
    if type(network) is ConvolutionalActorCritic and everything:
        return SteppingActor(parameters, everything, ConvolutionalSteps(network, parameters.layers(), shape))
    if type(network) is Perceptron and can_step(network, shape[0], shape[2]):
        steps = PerceptronSteps(network, parameters.layers(), shape, everything)
        return SteppingActor(parameters, everything, steps)
    return HostActor(parameters, everything)
