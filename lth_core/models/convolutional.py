"""A convolutional network over pixels with policy and value heads, for a stack of tickets.

Observations are bytes, (T, B, channels, height, width), scaled to [0, 1] here. One matrix product computes both
heads, as in the perceptron. Gradients come from autograd on a GPU, and are written by hand on a CPU
(`convolutional_passes`). There a pass that is differentiated has the channels last, and any other has them first, which
is then 1.1 to 1.4 times as fast.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lth_core.models import convolutional_passes as passes
from lth_core.models.actor_critic import Heads
from lth_core.models.actor_critic_parameters import fresh, grouped, head_shapes
from lth_core.models.flow import heads_flow, through
from lth_core.settings.action_parts import Parts
from lth_core.settings.networks import Convolutional
from lth_core.tickets.mask import Weights


@dataclass(frozen=True)
class Layers:
    """The parameters of a stack, flat, (T, P)."""

    flat: Tensor


@dataclass(frozen=True)
class ConvolutionalActorCritic:
    """The network of a `settings.networks.Convolutional` between images (channels, height, width) and actions."""

    settings: Convolutional
    image: tuple[int, int, int]
    actions: int
    parts: Parts = None
    heads: Heads = "policy"

    def shapes(self) -> dict[str, torch.Size]:
        """See Network."""
        shapes: dict[str, torch.Size] = {}
        channels, height, width = self.image
        filters, hidden = self.settings.layers
        for i, one in enumerate(filters):
            shapes[f"convolution.{i}.weight"] = torch.Size((one.count, channels, one.size, one.size))
            shapes[f"convolution.{i}.bias"] = torch.Size((one.count,))
            channels, height, width = one.count, one.after(height), one.after(width)
        inputs = channels * height * width
        for i, units in enumerate(hidden):
            shapes[f"trunk.{i}.weight"] = torch.Size((units, inputs))
            shapes[f"trunk.{i}.bias"] = torch.Size((units,))
            inputs = units
        shapes |= head_shapes(self.actions, inputs, value=self.heads != "values")
        return shapes

    def groups(self) -> dict[str, frozenset[str]]:
        """See Network."""
        return grouped(self.shapes(), "convolution.0")

    def initialise(self, seed: int) -> Weights:
        """Newly initialised float32 parameters of one network."""
        return fresh(self.shapes(), self.settings.initialisation, seed)

    def buffers(self) -> Weights:
        """See Network: none."""
        return {}

    def flow(self, weights: Weights) -> Tensor:
        """See Network; max pooling is kept."""
        filters, hidden = self.settings.layers
        x = torch.ones(1, *self.image, dtype=weights["convolution.0.weight"].dtype)
        for i, one in enumerate(filters):
            kernel, bias = weights[f"convolution.{i}.weight"], weights[f"convolution.{i}.bias"]
            x = functional.conv2d(x, kernel, bias, one.stride, one.padding)
            x = functional.max_pool2d(x, 2) if one.pooled else x
        return heads_flow(weights, through(weights, "trunk", len(hidden), x.flatten()))

    def packed(self, flat: Tensor) -> Tensor:
        """See ActorCriticNetwork: in the order of `shapes`."""
        return flat

    def unpacked(self, flat: Tensor) -> Tensor:
        """See ActorCriticNetwork."""
        return flat

    def layers(self, flat: Tensor) -> Layers:
        """The parameters (T, P); the forward pass uses them as they are."""
        return Layers(flat)

    def log_std(self, flat: Tensor) -> None:
        """See ActorCriticNetwork; None, since games have discrete actions."""

    def forward(self, layers: Layers, observations: Tensor) -> list[Tensor]:
        """The observations (T, B, C, H, W) uint8 and the heads' outputs, see ActorCriticNetwork."""
        return [observations, self._heads(layers.flat, observations)]

    def traced(self, layers: Layers, observations: Tensor) -> list[Tensor]:
        """The observations, and what `backward` needs, the heads' outputs last: on a CPU what `convolutional_passes`
        keeps, (T, B, ...); on a GPU the parameters with autograd's graph."""
        if layers.flat.device.type == "cpu":
            kept = self.room(*observations.shape[:2])
            self.pass_into(kept, self.prepared(layers), observations)
            return [observations, *kept]
        with torch.enable_grad():
            leaf = layers.flat.detach().requires_grad_()
            heads = self._heads(leaf, observations)
        return [observations, leaf, heads]

    def room(self, *shape: int) -> list[Tensor]:
        """Empty tensors (*shape, ...) for what is kept of so many observations on a CPU."""
        filters, hidden = self.settings.layers
        outputs = self.actions + (self.heads != "values")
        return [torch.empty(*shape, *own) for own in passes.kept_shapes(filters, self.image, (*hidden, outputs))]

    def prepared(self, layers: Layers) -> list[list[Tensor]]:
        """Each ticket's parameters as `pass_into` takes them, until they change: see `convolutional_passes`."""
        return [passes.prepared(self.settings.layers[0], self._shaped(flat)) for flat in layers.flat]

    def pass_into(self, kept: Sequence[Tensor], prepared: Sequence[Sequence[Tensor]], observations: Tensor) -> None:
        """Write what `traced` keeps of observations (T, B, C, H, W) into `kept`."""
        filters, _ = self.settings.layers
        for parameters, seen, *own in zip(prepared, observations, *kept, strict=True):
            passes.forward(filters, parameters, seen, own)

    def backward(self, layers: Layers, activations: Sequence[Tensor], gradient: Tensor) -> Tensor:
        """Gradients (T, P) from the gradient of the heads."""
        if layers.flat.device.type == "cpu":
            filters, _ = self.settings.layers
            found = torch.empty_like(layers.flat)
            each = zip(self.prepared(layers), found, gradient, *activations[1:], strict=True)
            for parameters, room, own, *kept in each:
                passes.backward(filters, parameters, kept, own, self._shaped(room))
            return found
        # Of a number: for the gradient of a tensor torch loads sympy, half a second.
        with torch.enable_grad():
            number = (activations[-1] * gradient).sum()
        (found,) = torch.autograd.grad(number, activations[1])
        return found

    def _shaped(self, flat: Tensor) -> list[Tensor]:
        """Weights and biases of all layers, both heads as one, as views of a ticket's parameters (P,)."""
        shapes = self._joint()
        parts = flat.split([shape.numel() for shape in shapes])
        return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]

    def _heads(self, flat: Tensor, observations: Tensor) -> Tensor:
        # On a CPU grouped convolutions are slower (1.3 to 1.8 times, measured) and need not give the same bits.
        if flat.device.type == "cpu" or len(flat) == 1:
            return torch.stack([self._alone(*one) for one in zip(flat.unbind(0), observations.unbind(0), strict=True)])
        return self._grouped(flat, observations)

    def _alone(self, flat: Tensor, observations: Tensor) -> Tensor:
        """The heads' outputs (B, outputs) of one ticket, from parameters (P,) and observations (B, C, H, W)."""
        filters, hidden = self.settings.layers
        shaped = self._shaped(flat)
        x = observations.to(flat.dtype, copy=True).mul_(1 / 255)
        for i, one in enumerate(filters):
            x = functional.conv2d(x, shaped[2 * i], shaped[2 * i + 1], one.stride, one.padding).relu_()
            if one.pooled:
                x = functional.max_pool2d(x, 2)
        # The product of a single row rounds by where the weights lie in memory: with the place in the stack.
        x = x.flatten(1) if len(x) > 1 else x.flatten(1).expand(2, -1)
        dense = shaped[2 * len(filters) :]
        for i in range(len(hidden)):
            x = functional.linear(x, dense[2 * i], dense[2 * i + 1]).relu_()
        return functional.linear(x, dense[-2], dense[-1])[: len(observations)]

    def _grouped(self, flat: Tensor, observations: Tensor) -> Tensor:
        """The heads' outputs (T, B, outputs) of all tickets, by grouped convolutions and batched products."""
        tickets, batch = observations.shape[:2]
        filters, hidden = self.settings.layers
        parts = flat.split([shape.numel() for shape in self._joint()], dim=1)
        x = observations.transpose(0, 1).flatten(1, 2).to(flat.dtype, copy=True).mul_(1 / 255)
        for i, one in enumerate(filters):
            weight = parts[2 * i].reshape(tickets * one.count, *self._joint()[2 * i][1:])
            bias = parts[2 * i + 1].reshape(-1)
            x = functional.conv2d(x, weight, bias, one.stride, one.padding, groups=tickets).relu_()
            if one.pooled:
                x = functional.max_pool2d(x, 2)
        x = x.view(batch, tickets, -1).transpose(0, 1)
        for i in range(len(filters), len(filters) + len(hidden) + 1):
            weight = parts[2 * i].unflatten(1, self._joint()[2 * i])
            x = torch.baddbmm(parts[2 * i + 1].unsqueeze(1), x, weight.transpose(1, 2))
            if i < len(filters) + len(hidden):
                x = x.relu_()
        return x

    def _joint(self) -> list[torch.Size]:
        """The shapes of weights and biases in order, both heads as one layer."""
        shapes, outputs = self.shapes(), self.actions + (self.heads != "values")
        body = [shape for name, shape in shapes.items() if not name.startswith(("policy_head.", "value_head."))]
        return [*body, torch.Size((outputs, shapes["policy_head.weight"][1])), torch.Size((outputs,))]
