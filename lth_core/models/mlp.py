"""A multi-layer perceptron with policy and value heads, for a whole stack of tickets at once.

Parameters are in torch.nn.Linear's convention, (out, in) and (out,), with a leading axis for the ticket when
stacked. Both heads lie side by side in memory, so that one product computes them: besides being faster, no
product has a single output column, the one case in which a batched product rounds differently alone.

For continuous actions the policy head gives means; the logarithms of the standard deviations are parameters of
their own, the same in every state, last in the vector and in no product.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lth_core.models.flow import heads_flow, through
from lth_core.models.initialisation import fresh, head_shapes
from lth_core.settings.networks import MLP
from lth_core.tickets.mask import Weights
from lth_core.tickets.scope import LOG_STD


@dataclass(frozen=True)
class Layer:
    """One layer of a stack: weight (T, in, out) and bias (T, 1, out)."""

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class ActorCritic:
    """The network of an `settings.networks.MLP` between `inputs` observations and `actions` logits, or means."""

    settings: MLP
    inputs: int
    actions: int
    continuous: bool = False

    def shapes(self) -> dict[str, torch.Size]:
        """Parameter names and shapes of one network, in the order in which they are stored."""
        shapes: dict[str, torch.Size] = {}
        width = self.inputs
        for i, hidden in enumerate(self.settings.hidden):
            shapes[f"trunk.{i}.weight"] = torch.Size((hidden, width))
            shapes[f"trunk.{i}.bias"] = torch.Size((hidden,))
            width = hidden
        shapes |= head_shapes(self.actions, width)
        if self.continuous:
            shapes[LOG_STD] = torch.Size((self.actions,))
        return shapes

    def groups(self) -> dict[str, frozenset[str]]:
        """The groups of each parameter, by which experiments keep or prune it."""
        groups = {}
        for name in self.shapes():
            if name == LOG_STD:
                groups[name] = frozenset({LOG_STD})
                continue
            part, kind = name.split(".")[0], name.rsplit(".", 1)[1]
            tags = {part, "weights" if kind == "weight" else "biases"}
            if name.startswith("trunk.0."):
                tags.add("first_layer")
            groups[name] = frozenset(tags)
        return groups

    def initialise(self, seed: int) -> Weights:
        """Fresh float32 parameters of one network, as the settings say."""
        return fresh(self.shapes(), self.settings.initialisation, seed)

    def flow(self, weights: Weights) -> Tensor:
        """See Network."""
        x = torch.ones(self.inputs, dtype=weights["trunk.0.weight"].dtype)
        return heads_flow(weights, through(weights, "trunk", len(self.settings.hidden), x))

    def layers(self, flat: Tensor) -> list[Layer]:
        """The layers of flat stacked parameters (T, P), joint heads last, as copies that multiply fast."""
        parts = flat[:, : sum(self._sizes())].split(self._sizes(), dim=1)
        return [
            Layer(parts[2 * i].unflatten(1, shape).transpose(1, 2).contiguous(), parts[2 * i + 1].unsqueeze(1))
            for i, shape in enumerate(self._matrices())
        ]

    def log_std(self, flat: Tensor) -> Tensor | None:
        """Logarithms of the standard deviations (T, actions), a view of flat parameters; None for logits."""
        return flat[:, -self.actions :] if self.continuous else None

    @property
    def parameters(self) -> int:
        """How many numbers the network has."""
        return sum(self._sizes()) + (self.actions if self.continuous else 0)

    def _matrices(self) -> list[tuple[int, int]]:
        outputs = (*self.settings.hidden, self.actions + 1)
        return list(zip(outputs, (self.inputs, *self.settings.hidden), strict=True))

    def _sizes(self) -> list[int]:
        return [size for out, inputs in self._matrices() for size in (out * inputs, out)]

    def forward(self, layers: Sequence[Layer], observations: Tensor) -> list[Tensor]:
        """Activations, the input first, the heads (T, B, actions + 1) last: logits or means, then the value.

        observations: (T, B, inputs).
        """
        activations = [observations]
        for layer in layers[:-1]:
            x = torch.baddbmm(layer.bias, activations[-1], layer.weight)
            activations.append(x.tanh_() if self.settings.activation == "tanh" else x.relu_())
        activations.append(torch.baddbmm(layers[-1].bias, activations[-1], layers[-1].weight))
        return activations

    def traced(self, layers: Sequence[Layer], observations: Tensor) -> list[Tensor]:
        """The same, ready for `backward`: all that it needs are the activations."""
        return self.forward(layers, observations)

    def backward(self, layers: Sequence[Layer], activations: Sequence[Tensor], gradient: Tensor) -> Tensor:
        """Gradients (T, P) of the parameters from that of the heads (T, B, actions + 1); log_std's are left to fill in.

        By hand, because autograd's overhead shows on stacks of small networks (and the result is the same; tested).
        """
        found = gradient.new_empty(len(gradient), self.parameters)
        end = sum(self._sizes())
        for i in reversed(range(len(layers))):
            x, (out, inputs) = activations[i], self._matrices()[i]
            weight, bias = found[:, end - out * inputs - out : end - out], found[:, end - out : end]
            _weight_gradient(gradient, x, weight.unflatten(1, (out, inputs)))
            torch.sum(gradient, 1, out=bias)
            end -= out * inputs + out
            if i > 0:
                gradient = torch.bmm(gradient, layers[i].weight.transpose(1, 2))
                # One pass each, where `1 - x * x` would take three.
                if self.settings.activation == "tanh":
                    gradient = torch.ops.aten.tanh_backward(gradient, x)
                else:
                    gradient = torch.ops.aten.threshold_backward(gradient, x, 0)
        return found


def _weight_gradient(gradient: Tensor, x: Tensor, out: Tensor) -> None:
    """(T, out, in) from (T, B, out) and (T, B, in); a single input would make a product with a single column."""
    if x.shape[-1] == 1:
        torch.sum(gradient * x, 1, out=out.squeeze(-1))
    else:
        torch.bmm(gradient.transpose(1, 2), x, out=out)


def flatten(weights: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> Tensor:
    """One network's parameters as a vector (P,), in the order of `shapes`."""
    return torch.cat([weights[name].flatten() for name in shapes])


def unflatten(flat: Tensor, shapes: Mapping[str, torch.Size]) -> Weights:
    """The inverse of `flatten`, as new tensors."""
    parts = flat.split([shape.numel() for shape in shapes.values()])
    return {name: part.view(shape).clone() for part, (name, shape) in zip(parts, shapes.items(), strict=True)}
