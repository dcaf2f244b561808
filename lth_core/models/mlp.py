"""A multi-layer perceptron with policy and value heads, for a whole stack of tickets at once.

Parameters are in torch.nn.Linear's convention, (out, in) and (out,), with a leading axis for the ticket when
stacked. Both heads lie side by side in memory, so that one product computes them: besides being faster, no
product has a single output column, the one case in which a batched product rounds differently alone.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lth_core import experiment
from lth_core.tickets.mask import Weights


@dataclass(frozen=True)
class ActorCritic:
    """The network of an `experiment.MLP` between `inputs` observations and `actions` logits."""

    settings: experiment.MLP
    inputs: int
    actions: int

    def shapes(self) -> dict[str, torch.Size]:
        """Parameter names and shapes of one network, in the order in which they are stored."""
        shapes: dict[str, torch.Size] = {}
        width = self.inputs
        for i, hidden in enumerate(self.settings.hidden):
            shapes[f"trunk.{i}.weight"] = torch.Size((hidden, width))
            shapes[f"trunk.{i}.bias"] = torch.Size((hidden,))
            width = hidden
        shapes["policy_head.weight"] = torch.Size((self.actions, width))
        shapes["value_head.weight"] = torch.Size((1, width))
        shapes["policy_head.bias"] = torch.Size((self.actions,))
        shapes["value_head.bias"] = torch.Size((1,))
        return shapes

    def groups(self) -> dict[str, frozenset[str]]:
        """The groups of each parameter, by which experiments keep or prune it."""
        groups = {}
        for name in self.shapes():
            part, kind = name.split(".")[0], name.rsplit(".", 1)[1]
            tags = {part, "weights" if kind == "weight" else "biases"}
            if name.startswith("trunk.0."):
                tags.add("first_layer")
            groups[name] = frozenset(tags)
        return groups

    def initialise(self, seed: int) -> Weights:
        """Fresh float32 parameters of one network.

        `uniform` is torch.nn.Linear's own, U(-1/sqrt(in), 1/sqrt(in)) for weights and biases; `orthogonal`
        has gain sqrt(2) in the trunk, 0.01 for the policy, 1 for the value, and zero biases.
        """
        generator = torch.Generator().manual_seed(seed)
        weights = {name: torch.empty(shape) for name, shape in self.shapes().items()}
        for name, w in weights.items():
            if self.settings.initialisation == "uniform":
                bound = 1 / math.sqrt(self.shapes()[name.removesuffix("bias") + "weight" if w.dim() == 1 else name][1])
                w.uniform_(-bound, bound, generator=generator)
            elif w.dim() == 1:
                w.zero_()
            else:
                gain = {"policy_head": 0.01, "value_head": 1.0}.get(name.split(".")[0], math.sqrt(2))
                torch.nn.init.orthogonal_(w, gain, generator=generator)
        return weights

    def forward(self, layers: "list[tuple[Tensor, Tensor]]", observations: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (T, B, actions) and values (T, B) of observations (T, B, inputs).

        layers: weight (T, out, in) and bias (T, 1, out) of each layer, the joint heads last (see `layers`).
        """
        activate = torch.tanh if self.settings.activation == "tanh" else torch.relu
        x = observations
        for weight, bias in layers[:-1]:
            x = activate(torch.baddbmm(bias, x, weight.transpose(1, 2)))
        weight, bias = layers[-1]
        heads = torch.baddbmm(bias, x, weight.transpose(1, 2))
        return heads[..., :-1], heads[..., -1]

    def layers(self, flat: Tensor) -> "list[tuple[Tensor, Tensor]]":
        """Views of flat stacked parameters (T, P), in the order of `shapes`, as `forward` wants them."""
        sizes, outputs = [], []
        width = self.inputs
        for hidden in (*self.settings.hidden, self.actions + 1):
            sizes += [hidden * width, hidden]
            outputs.append((hidden, width))
            width = hidden
        parts = flat.split(sizes, dim=1)
        return [(parts[2 * i].unflatten(1, shape), parts[2 * i + 1].unsqueeze(1)) for i, shape in enumerate(outputs)]


def flatten(weights: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> Tensor:
    """One network's parameters as a vector (P,), in the order of `shapes`."""
    return torch.cat([weights[name].flatten() for name in shapes])


def unflatten(flat: Tensor, shapes: Mapping[str, torch.Size]) -> Weights:
    """The inverse of `flatten`, as new tensors."""
    parts = flat.split([shape.numel() for shape in shapes.values()])
    return {name: part.view(shape).clone() for part, (name, shape) in zip(parts, shapes.items(), strict=True)}
