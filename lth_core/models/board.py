"""Networks over boards with policy and value heads, for a stack of tickets.

Observations are bytes of 0 and 1, (T, B, channels, height, width). A convolution this small is a batched product of
all windows of the boards with all tickets' filters: on a CPU as fast forward as one convolution after another, and its
gradient, written by hand like the perceptron's, faster than autograd's.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lth_core.models.actor_critic import Heads
from lth_core.models.actor_critic_parameters import fresh, grouped
from lth_core.models.flow import heads_flow, through
from lth_core.models.mlp import VECTOR, Layer, Perceptron, product, weight_gradient
from lth_core.settings.action_parts import Parts
from lth_core.settings.networks import MLP, Board
from lth_core.tickets.mask import Weights


class BoardPerceptron(Perceptron):
    """A perceptron on the cells of a board."""

    def forward(self, layers: Sequence[Layer], observations: Tensor) -> list[Tensor]:
        """See Perceptron; observations (T, B, channels, height, width), of which the cells are kept as numbers."""
        cells = observations.flatten(2)
        return super().forward(layers, cells if cells.is_floating_point() else cells.to(layers[0].bias.dtype))


@dataclass(frozen=True)
class Layers:
    """The filters of a stack, (T, 9 * channels, filters) in the order of `windows`, and its dense layers."""

    filters: Layer
    dense: list[Layer]


@dataclass(frozen=True)
class BoardActorCritic:
    """The network of a `settings.networks.Board` between boards (channels, height, width) and actions."""

    settings: Board
    board: tuple[int, int, int]
    actions: int
    parts: Parts = None
    heads: Heads = "policy"

    @property
    def _places(self) -> tuple[int, int]:
        """Where a filter fits, height and width."""
        return self.board[1] - 2, self.board[2] - 2

    @functools.cached_property
    def _dense(self) -> Perceptron:
        """What follows the convolution; its inputs are ordered by place, then filter."""
        height, width = self._places
        inputs = self.settings.filters * height * width
        return Perceptron(MLP(hidden=self.settings.hidden), inputs, self.actions, heads=self.heads)

    def shapes(self) -> dict[str, torch.Size]:
        """See Network; stored parameters follow torch.nn."""
        filters = self.settings.filters
        return {
            "convolution.0.weight": torch.Size((filters, self.board[0], 3, 3)),
            "convolution.0.bias": torch.Size((filters,)),
            **self._dense.shapes(),
        }

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
        """See Network."""
        x = torch.ones(1, *self.board, dtype=weights["convolution.0.weight"].dtype)
        x = functional.conv2d(x, weights["convolution.0.weight"], weights["convolution.0.bias"])
        return heads_flow(weights, through(weights, "trunk", len(self.settings.hidden), x.flatten()))

    @property
    def _inputs(self) -> int:
        """Numbers in a window."""
        return 9 * self.board[0]

    @property
    def _begins(self) -> tuple[int, int, int]:
        """The places of the bias, of what fills the registers after it, and of the dense part in packed parameters."""
        bias = self._inputs * self.settings.filters
        end = bias + self.settings.filters
        return bias, end, -(-end // VECTOR) * VECTOR

    @property
    def width(self) -> int:
        """P, the length of packed parameters."""
        return self._begins[2] + self._dense.width

    def packed(self, flat: Tensor) -> Tensor:
        """See ActorCriticNetwork: filters as (in, out) in the order of `windows`, then the dense part as a perceptron
        has it."""
        filters, (bias, end, begin) = self.settings.filters, self._begins
        own, dense = flat[:, :bias], self._by_place(flat[:, end:])
        own = own.unflatten(1, (filters, self.board[0], 3, 3)).permute(0, 3, 4, 2, 1).flatten(1)
        filling = flat.new_zeros(len(flat), begin - end)
        return torch.cat([own, flat[:, bias:end], filling, self._dense.packed(dense)], dim=1)

    def unpacked(self, flat: Tensor) -> Tensor:
        """See ActorCriticNetwork, as a copy."""
        filters, (bias, end, begin) = self.settings.filters, self._begins
        own = flat[:, :bias].unflatten(1, (3, 3, self.board[0], filters)).permute(0, 4, 3, 1, 2).flatten(1)
        dense = self._by_place(self._dense.unpacked(flat[:, begin:]), back=True)
        return torch.cat([own, flat[:, bias:end], dense], dim=1)

    def _by_place(self, dense: Tensor, *, back: bool = False) -> Tensor:
        """The first matrix's inputs from filter by filter to place by place, or back; in parameters (T, ...)."""
        places, filters = self._places[0] * self._places[1], self.settings.filters
        units = self.settings.hidden[0]
        size = units * places * filters
        order = (places, filters) if back else (filters, places)
        first = dense[:, :size].unflatten(1, (units, *order)).transpose(2, 3).flatten(1)
        return torch.cat([first, dense[:, size:]], dim=1)

    def layers(self, flat: Tensor) -> Layers:
        """The layers of packed parameters (T, P) as views."""
        bias, end, begin = self._begins
        return Layers(self._filters(flat, bias, end), self._dense.layers(flat[:, begin:]))

    def _filters(self, flat: Tensor, bias: int, end: int) -> Layer:
        weight = flat[:, :bias].unflatten(1, (self._inputs, self.settings.filters))
        return Layer(weight, flat[:, bias:end].unsqueeze(1))

    def log_std(self, flat: Tensor) -> None:
        """See ActorCriticNetwork; None, since games have discrete actions."""

    def windows(self, boards: Tensor, dtype: torch.dtype) -> Tensor:
        """All windows of 3x3 of boards (T, B, channels, height, width), row by row: (T, B * places, 9 * channels)."""
        channels, height, width = self.board
        tickets, batch = boards.shape[:2]
        cells = boards.permute(0, 1, 3, 4, 2).to(dtype).contiguous()
        row, size = width * channels, height * width * channels
        shape = (tickets, batch, *self._places, 3, 3 * channels)
        found = cells.as_strided(shape, (batch * size, size, row, channels, row, 1))
        return found.reshape(tickets, -1, self._inputs)

    def forward(self, layers: Layers, observations: Tensor) -> list[Tensor]:
        """See ActorCriticNetwork; observations (T, B, C, H, W) uint8."""
        windows = self.windows(observations, layers.filters.bias.dtype)
        x = torch.baddbmm(layers.filters.bias, windows, layers.filters.weight).relu_()
        return [observations, *self._dense.forward(layers.dense, x.view(*observations.shape[:2], -1))]

    def traced(self, layers: Layers, observations: Tensor) -> list[Tensor]:
        """The same as `forward`: the activations are all that `backward` needs."""
        return self.forward(layers, observations)

    def backward(self, layers: Layers, activations: Sequence[Tensor], gradient: Tensor) -> Tensor:
        """See ActorCriticNetwork; written by hand, as the perceptron's is."""
        found = gradient.new_empty(len(gradient), self.width)
        self.backward_into(found, layers, activations, gradient)
        return found

    def backward_into(self, found: Tensor, layers: Layers, activations: Sequence[Tensor], gradient: Tensor) -> None:
        """Write what `backward` returns into found (T, P)."""
        bias, end, begin = self._begins
        found[:, end:begin] = 0.0
        boards, x = activations[:2]
        gradient = self._dense.backward_into(found[:, begin:], layers.dense, activations[1:], gradient)
        gradient = product(gradient, layers.dense[0].weight.transpose(1, 2))
        gradient = torch.ops.aten.threshold_backward(gradient, x, 0)
        gradient = gradient.view(len(gradient), -1, self.settings.filters)
        own = self._filters(found, bias, end)
        weight_gradient(gradient, self.windows(boards, gradient.dtype), own.weight)
        torch.sum(gradient, 1, out=found[:, bias:end])
