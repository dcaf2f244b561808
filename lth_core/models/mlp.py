"""A multi-layer perceptron with policy and value heads, for a whole stack of tickets at once.

Stored parameters follow torch.nn.Linear, (out, in) and (out,). A stack keeps its matrices as (in, out), the layout of
the products, so that layers are views and gradients are written in place. The heads are adjacent in memory and
computed by one product. That is faster, and no product has a single output column, where a batched product rounds
differently from a single one. Nor is a ticket's single row multiplied alone: see `product`.

For continuous actions the policy head gives means. The log standard deviations are separate parameters, independent
of the state, at the end of the vector.
"""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lth_core.models.actor_critic import Heads
from lth_core.models.actor_critic_parameters import fresh, grouped, head_shapes
from lth_core.models.flow import heads_flow, through
from lth_core.settings.action_parts import Parts
from lth_core.settings.networks import MLP
from lth_core.tickets.mask import Weights
from lth_core.tickets.scope import LOG_STD

VECTOR = 16
"""Float32 numbers in the widest CPU vector register, 64 bytes."""
MINUS_ONE = torch.tensor(-1.0)
_OF_TANH = torch.ops.aten.tanh_backward.grad_input
_OF_RELU = torch.ops.aten.threshold_backward.grad_input
_SMALL = 1024
"""Weights of a layer up to which its gradients are one product for all tickets."""


@dataclass(frozen=True)
class Layer:
    """One layer of a stack: weight (T, in, out) and bias (T, 1, out), views of the parameters."""

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class Perceptron:
    """The network of a `settings.networks.MLP` between `inputs` observations and `actions` logits, or means."""

    settings: MLP
    inputs: int
    actions: int
    continuous: bool = False
    parts: Parts = None
    heads: Heads = "policy"

    def shapes(self) -> dict[str, torch.Size]:
        """Parameter names and shapes of one network, in storage order."""
        shapes: dict[str, torch.Size] = {}
        width = self.inputs
        for i, hidden in enumerate(self.settings.hidden):
            shapes[f"trunk.{i}.weight"] = torch.Size((hidden, width))
            shapes[f"trunk.{i}.bias"] = torch.Size((hidden,))
            width = hidden
        shapes |= head_shapes(self.actions, width, value=self.heads != "values")
        if self.continuous:
            shapes[LOG_STD] = torch.Size((self.actions,))
        return shapes

    def groups(self) -> dict[str, frozenset[str]]:
        """See Network."""
        return grouped(self.shapes(), "trunk.0")

    def initialise(self, seed: int) -> Weights:
        """Newly initialised float32 parameters of one network."""
        return fresh(self.shapes(), self.settings.initialisation, seed)

    def buffers(self) -> Weights:
        """See Network: none."""
        return {}

    def flow(self, weights: Weights) -> Tensor:
        """See Network."""
        x = torch.ones(self.inputs, dtype=weights["trunk.0.weight"].dtype)
        return heads_flow(weights, through(weights, "trunk", len(self.settings.hidden), x))

    def packed(self, flat: Tensor) -> Tensor:
        """Parameters (T, Q) in the order of `shapes`, packed for computing, (T, P): hidden matrices as (in, out).

        Rows are padded with zeros to the same alignment, because rounding in products may depend on alignment.
        """
        parts = list(flat.split([*self._sizes, self._deviations], dim=1))
        for i, (out, inputs) in enumerate(self._matrices[:-1]):
            parts[2 * i] = parts[2 * i].unflatten(1, (out, inputs)).transpose(1, 2).flatten(1)
        filling = flat.new_zeros(len(flat), self.width - self.parameters)
        return torch.cat([*parts, filling], dim=1)

    def unpacked(self, flat: Tensor) -> Tensor:
        """The inverse of `packed`, as a copy."""
        parts = list(flat[:, : self.parameters].split([*self._sizes, self._deviations], dim=1))
        for i, (out, inputs) in enumerate(self._matrices[:-1]):
            parts[2 * i] = parts[2 * i].unflatten(1, (inputs, out)).transpose(1, 2).flatten(1)
        return torch.cat(parts, dim=1)

    def layers(self, flat: Tensor) -> list[Layer]:
        """The layers of packed parameters (T, P) as views; the joint heads are last."""
        parts = flat[:, : sum(self._sizes)].split(self._sizes, dim=1)
        return [Layer(self._matrix(i, parts[2 * i]), parts[2 * i + 1].unsqueeze(1)) for i in range(len(self._matrices))]

    def hidden_places(self) -> list[tuple[int, int, int]]:
        """Of each matrix between hidden layers its first place in packed parameters, its inputs and its units."""
        begins = [end - size for end, size in zip(itertools.accumulate(self._sizes), self._sizes, strict=True)]
        return [(begins[2 * i], inputs, out) for i, (out, inputs) in enumerate(self._matrices[:-1]) if i > 0]

    def without_hidden(self, flat: Tensor) -> list[Layer]:
        """Views of parameters (T, ...) without the matrices between hidden layers, in whose place is an empty one."""
        last = len(self._matrices) - 1
        sizes = [0 if 0 < i // 2 < last and i % 2 == 0 else size for i, size in enumerate(self._sizes)]
        parts, found = flat[:, : sum(sizes)].split(sizes, dim=1), []
        for i in range(last + 1):
            weight = self._matrix(i, parts[2 * i]) if i in (0, last) else parts[2 * i]
            found.append(Layer(weight, parts[2 * i + 1].unsqueeze(1)))
        return found

    def _matrix(self, layer: int, part: Tensor) -> Tensor:
        """A layer's weights (T, in, out), or their gradient, as a view. The heads' are stored as (out, in)."""
        out, inputs = self._matrices[layer]
        heads = layer == len(self.settings.hidden)
        tickets = len(part)
        return part.view(tickets, out, inputs).transpose(1, 2) if heads else part.view(tickets, inputs, out)

    def log_std(self, flat: Tensor) -> Tensor | None:
        """Logarithms of the standard deviations (T, actions), a view of flat parameters; None for logits."""
        return flat[:, self.parameters - self.actions : self.parameters] if self.continuous else None

    @functools.cached_property
    def parameters(self) -> int:
        """The number of parameters."""
        return sum(self._sizes) + self._deviations

    @property
    def _deviations(self) -> int:
        return self.actions if self.continuous else 0

    @property
    def width(self) -> int:
        """P, the length of packed parameters."""
        return -(-self.parameters // VECTOR) * VECTOR

    @functools.cached_property
    def _matrices(self) -> list[tuple[int, int]]:
        outputs = (*self.settings.hidden, self.actions + (self.heads != "values"))
        return list(zip(outputs, (self.inputs, *self.settings.hidden), strict=True))

    @functools.cached_property
    def _sizes(self) -> list[int]:
        return [size for out, inputs in self._matrices for size in (out * inputs, out)]

    def forward(self, layers: Sequence[Layer], observations: Tensor) -> list[Tensor]:
        """All activations, from the input to the heads' outputs (T, B, actions + 1): logits or means, then the value.

        observations: (T, B, inputs).
        """
        activations = [observations]
        for layer in layers[:-1]:
            if self.settings.activation == "relu":
                x = product(activations[-1], layer.weight, layer.bias).relu_()
            elif _by_sigmoid(activations[-1], layer):
                x = product(activations[-1], layer.weight, layer.bias, times=2).sigmoid_()
                torch.add(MINUS_ONE, x, alpha=2, out=x)
            else:
                x = product(activations[-1], layer.weight, layer.bias).tanh_()
            activations.append(x)
        activations.append(product(activations[-1], layers[-1].weight, layers[-1].bias))
        return activations

    def traced(self, layers: Sequence[Layer], observations: Tensor) -> list[Tensor]:
        """The same as `forward`: the activations are all that `backward` needs."""
        return self.forward(layers, observations)

    def backward(self, layers: Sequence[Layer], activations: Sequence[Tensor], gradient: Tensor) -> Tensor:
        """Gradients (T, P) of packed parameters from the heads' gradient (T, B, actions + 1); log_std's are zero.

        Written by hand because autograd's overhead is large for small networks; tests compare the two.
        """
        found = gradient.new_empty(len(gradient), self.width)
        self.backward_into(found, layers, activations, gradient)
        return found

    def backward_into(
        self, found: Tensor, layers: Sequence[Layer], activations: Sequence[Tensor], gradient: Tensor
    ) -> Tensor:
        """Write what `backward` returns into found (T, P); the gradient (T, B, out) of the first layer's sums."""
        ends = list(itertools.accumulate(self._sizes))
        found[:, ends[-1] :] = 0.0
        for i in reversed(range(len(layers))):
            x = activations[i]
            begin, middle, end = ends[2 * i] - self._sizes[2 * i], ends[2 * i], ends[2 * i + 1]
            weight, bias = found[:, begin:middle], found[:, middle:end]
            weight_gradient(gradient, x, self._matrix(i, weight))
            torch.sum(gradient, 1, out=bias)
            if i > 0:
                gradient = self._behind(gradient, layers[i], x)
        return gradient

    def of_input(self, layers: Sequence[Layer], activations: Sequence[Tensor], gradient: Tensor) -> Tensor:
        """The gradient (T, B, inputs) of the observations from the heads' gradient (T, B, actions + 1)."""
        for i in reversed(range(1, len(layers))):
            gradient = self._behind(gradient, layers[i], activations[i])
        return product(gradient, layers[0].weight.transpose(1, 2))

    def _behind(self, gradient: Tensor, layer: Layer, x: Tensor) -> Tensor:
        """The gradient (T, B, in) of the sums whose activations x are the layer's input; gradient: of its output."""
        found = product(gradient, layer.weight.transpose(1, 2))
        # One pass over memory each, in place; `1 - x * x` would take three.
        if self.settings.activation == "tanh":
            _OF_TANH(found, x, grad_input=found)
        else:
            _OF_RELU(found, x, 0, grad_input=found)
        return found


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None, times: int = 1) -> Tensor:
    """`times` the product (T, B, out) of x (T, B, in) and weight (T, in, out), plus `times` the bias (T, 1, out).

    On a CPU a single row of a single ticket is computed as that of two such tickets: with MKL_CBWR set, as for workers,
    MKL rounds it as in no stack.
    """
    alone = x.shape[:2] == (1, 1) and x.device.type == "cpu"
    if alone:
        x, weight = x.expand(2, -1, -1), weight.expand(2, -1, -1)
    found = torch.bmm(x, weight) if bias is None else torch.baddbmm(bias, x, weight, beta=times, alpha=times)
    return found[:1] if alone else found


def _by_sigmoid(x: Tensor, layer: Layer) -> bool:
    """Whether to compute tanh x as 2 sigmoid(2x) - 1, five times faster on a CPU and off by at most 2e-7.

    torch's sigmoid kernel rounds the remainder that does not fill a vector register differently. So this is done only
    in one thread and if a ticket's numbers fill whole registers: then its bits do not depend on its place in the stack.
    """
    full = x.shape[1] * layer.weight.shape[2] % (2 * VECTOR) == 0
    return x.device.type == "cpu" and full and torch.get_num_threads() == 1 and not layer.weight.requires_grad


def in_whole_vectors(x: Tensor) -> bool:
    """Whether each ticket's numbers (T, ...) fill whole vector registers, in one thread on a CPU; see `_by_sigmoid`."""
    return x.device.type == "cpu" and x[0].numel() % (2 * VECTOR) == 0 and torch.get_num_threads() == 1


def weight_gradient(gradient: Tensor, x: Tensor, out: Tensor) -> None:
    """Weight gradients (T, in, out) from (T, B, out) and (T, B, in); avoids a product with a single row.

    Into memory with gaps torch multiplies ticket by ticket. Small matrices cost less as one product that is copied.
    """
    if x.shape[-1] == 1:
        torch.sum(gradient * x, 1, keepdim=True, out=out)
    elif out[0].numel() > _SMALL or out.shape[2] == 1:
        torch.bmm(x.transpose(1, 2), gradient, out=out)
    elif out.stride(2) == 1:
        out.copy_(torch.bmm(x.transpose(1, 2), gradient))
    else:
        out.transpose(1, 2).copy_(torch.bmm(gradient.transpose(1, 2), x))
