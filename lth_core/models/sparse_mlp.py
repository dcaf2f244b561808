"""Perceptrons of a stack computed from their living weights alone, on a CPU.

A hidden matrix of which little is left costs less as sums over its living weights than as a whole product. The tickets
of a stack stand in one block-diagonal matrix; each unit's sum runs in a fixed order, so that its bits do not depend on
the stack. Input and output layers are small and stay whole products. Tickets that keep too much are computed whole.

Activations of sparse tickets are (T, units, B), so that each living weight multiplies a whole row of numbers.
"""

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from lth_core.models.mlp import MINUS_ONE, VECTOR, Layer, Perceptron, in_whole_vectors, weight_gradient


@dataclass(frozen=True)
class _Pattern:
    """The living weights of one hidden layer of all sparse tickets, n in all, and where their values stand.

    source (n,): places in the flattened parameters, ordered by ticket, unit, input. forth: the inputs of each unit, and
    (T * units + 1,) where each unit's begin; back: the same by ticket, input, unit, with `order` (n,) as places.
    """

    inputs: int
    units: int
    source: Tensor
    forth: tuple[Tensor, Tensor]
    back: tuple[Tensor, Tensor]
    order: Tensor
    empty: Tensor
    """A sparse matrix (T * units, T * inputs) of zeros at the living places."""


@dataclass(frozen=True)
class SparseLayers:
    """The parameters of a stack as the products use them.

    whole: the layers of tickets that are computed whole; of the others, first and heads, biases (T * units, 1) of the
    hidden layers, and their living weights in both orders.
    """

    whole: list[Layer]
    first: Layer
    heads: Layer
    biases: list[Tensor]
    values: list[tuple[Tensor, Tensor]]


class SparsePerceptron:
    """A stack of perceptrons, some of which have a row of living parameters only.

    Rows are (T, W): of a sparse ticket what its matrices of input and output, biases and deviations have, then its
    living hidden weights, then zeros; of the others the row of `whole`.
    """

    def __init__(self, whole: Perceptron, mask: Tensor, sparse: Sequence[bool]) -> None:
        """mask: (T, P), packed; sparse: (T,), at least one of which is True."""
        self.whole, self.sparse = whole, tuple(sparse)
        self._mask = mask
        self._few = [t for t, one in enumerate(sparse) if one]
        self._full = [t for t, one in enumerate(sparse) if not one]
        self._hidden = whole.hidden_places()
        places = [self._places(mask[t]) if one else torch.arange(mask.shape[1]) for t, one in enumerate(sparse)]
        self.widths = [-(-len(own) // VECTOR) * VECTOR for own in places]
        """(T,) numbers in each row that belong to its ticket."""
        self._width = max(self.widths)
        # What stands behind a row's own parameters comes from a column of zeros behind the whole row.
        self._from = torch.full((len(places), self._width), mask.shape[1])
        for t, own in enumerate(places):
            self._from[t, : len(own)] = own
        self._patterns = [self._pattern(layer) for layer in range(len(self._hidden))]

    @cached_property
    def _kept(self) -> Tensor:
        """Places of the parameters that are kept whole in a row of `whole`."""
        ends = [0, *itertools.chain.from_iterable((begin, begin + a * b) for begin, a, b in self._hidden)]
        return torch.cat(
            [torch.arange(a, b) for a, b in zip(ends[::2], [*ends[1::2], self.whole.parameters], strict=True)]
        )

    def _living(self, mask: Tensor, layer: int) -> Tensor:
        """Units and inputs (n, 2) of one ticket's living weights of a hidden layer, unit by unit."""
        begin, inputs, units = self._hidden[layer]
        return mask[begin : begin + inputs * units].view(inputs, units).t().nonzero()

    def _places(self, mask: Tensor) -> Tensor:
        """Places in a row of `whole` of what a sparse ticket's row has."""
        own = [self._kept]
        for layer, (begin, _, units) in enumerate(self._hidden):
            found = self._living(mask, layer)
            own.append(begin + found[:, 1] * units + found[:, 0])
        return torch.cat(own)

    def _pattern(self, layer: int) -> _Pattern:
        _, inputs, units = self._hidden[layer]
        sources, rows, columns = [], [], []
        for place, t in enumerate(self._few):
            found = self._living(self._mask[t], layer)
            before = sum(len(self._living(self._mask[t], earlier)) for earlier in range(layer))
            begin = t * self._width + len(self._kept) + before
            sources.append(torch.arange(begin, begin + len(found)))
            rows.append(place * units + found[:, 0])
            columns.append(place * inputs + found[:, 1])
        source, row, column = torch.cat(sources), torch.cat(rows), torch.cat(columns)
        order = (column * (len(self._few) * units) + row).argsort()
        forth = column.int(), _begins(row, len(self._few) * units)
        back = row[order].int(), _begins(column, len(self._few) * inputs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch calls these matrices a beta feature
            size = (len(self._few) * units, len(self._few) * inputs)
            empty = torch.sparse_csr_tensor(forth[1], forth[0], torch.zeros(len(source)), size)
        return _Pattern(inputs, units, source, forth, back, source[order], empty)

    def folded(self, rows: Tensor, tickets: Sequence[int] | None = None) -> Tensor:
        """Packed parameters (t, P) of these tickets, by default of all, as rows (t, W)."""
        own = self._from if tickets is None else self._from[list(tickets)]
        return torch.cat([rows, rows.new_zeros(len(rows), 1)], 1).gather(1, own)

    def unfolded(self, rows: Tensor, tickets: Sequence[int] | None = None) -> Tensor:
        """The inverse of `folded`; what a row does not have is zero."""
        own = self._from if tickets is None else self._from[list(tickets)]
        width = self._mask.shape[1]
        return rows.new_zeros(len(rows), width + 1).scatter_(1, own, rows)[:, :width].contiguous()

    def log_std(self, rows: Tensor) -> Tensor | None:
        """See ActorCriticNetwork; a copy where some tickets are whole."""
        if not self.whole.continuous:
            return None
        actions, end = self.whole.actions, len(self._kept)
        if not self._full:
            return rows[:, end - actions : end]
        last = self.whole.parameters
        found = rows[:, last - actions : last].clone()
        found[self._few] = rows[self._few, end - actions : end]
        return found

    def note_log_std(self, rows: Tensor, values: Tensor) -> None:
        """Write log standard deviations, or their gradient (T, A), into rows (T, W)."""
        actions = self.whole.actions
        for tickets, end in ((self._few, len(self._kept)), (self._full, self.whole.parameters)):
            if tickets:
                rows[tickets, end - actions : end] = values[tickets]

    def layers(self, rows: Tensor) -> SparseLayers:
        """Copies of what the products use of rows (T, W): to be asked for again after each step."""
        own = rows[self._few] if self._full else rows
        kept = self.whole.without_hidden(own)
        flat = rows.view(-1)
        return SparseLayers(
            self.whole.layers(rows[self._full, : self._mask.shape[1]]) if self._full else [],
            kept[0], kept[-1], [layer.bias.reshape(-1, 1) for layer in kept[1:-1]],
            [(flat[one.source], flat[one.order]) for one in self._patterns],
        )  # fmt: skip

    def forward(self, layers: SparseLayers, observations: Tensor) -> list[Tensor]:
        """Observations (T, B, inputs), activations of the whole tickets, of the sparse ones, heads (T, B, actions + 1).

        B: at least 2.
        """
        if not self._full:
            found = self._forward(layers, observations)
            return [observations, *found]
        full = self.whole.forward(layers.whole, observations[self._full])
        few = self._forward(layers, observations[self._few])
        heads = observations.new_empty(*observations.shape[:2], full[-1].shape[2])
        heads[self._full], heads[self._few] = full[-1], few[-1]
        return [observations, *full[1:-1], *few[:-1], heads]

    traced = forward

    def joined(self, steps: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        """The activations of several steps as those of one."""
        whole = 1 + (len(self._hidden) + 1) * bool(self._full)
        found = []
        for place, each in enumerate(zip(*steps, strict=True)):
            last = place == len(steps[0]) - 1
            found.append(torch.cat(each, dim=1 if place < whole or last else 2))
        return found

    def _forward(self, layers: SparseLayers, seen: Tensor) -> list[Tensor]:
        x = torch.baddbmm(layers.first.bias, seen, layers.first.weight).transpose(1, 2).contiguous()
        found = [self._activated(x)]
        for own, bias, (values, _) in zip(self._patterns, layers.biases, layers.values, strict=True):
            x = _summed(own.forth, found[-1], values).add_(bias).view(len(self._few), own.units, -1)
            found.append(self._activated(x))
        last = found[-1].transpose(1, 2).contiguous()
        return [*found, torch.baddbmm(layers.heads.bias, last, layers.heads.weight)]

    def _activated(self, x: Tensor) -> Tensor:
        """In place; see Perceptron.forward."""
        if self.whole.settings.activation == "relu":
            return x.relu_()
        if not in_whole_vectors(x):
            return x.tanh_()
        x.mul_(2).sigmoid_()
        return torch.add(MINUS_ONE, x, alpha=2, out=x)

    def backward(self, layers: SparseLayers, activations: Sequence[Tensor], gradient: Tensor) -> Tensor:
        """Gradients (T, W) of rows from the heads' gradient (T, B, actions + 1): zero where nothing lives."""
        found = gradient.new_zeros(len(gradient), self._width)
        between = len(self._hidden) + 1
        if not self._full:
            self._backward(layers, activations[0], activations[1:-1], gradient, found)
            return found
        seen, own = activations[0], activations[1 : 1 + between]
        found[self._full, : self._mask.shape[1]] = self.whole.backward(
            layers.whole, [seen[self._full], *own], gradient[self._full]
        )
        self._backward(layers, seen[self._few], activations[1 + between : -1], gradient[self._few], found)
        return found

    def _backward(
        self, layers: SparseLayers, seen: Tensor, activations: Sequence[Tensor], gradient: Tensor, found: Tensor
    ) -> None:
        kept = found.new_empty(len(self._few), len(self._kept))
        room, flat = self.whole.without_hidden(kept), found.view(-1)
        weight_gradient(gradient, activations[-1].transpose(1, 2), room[-1].weight)
        torch.sum(gradient, 1, keepdim=True, out=room[-1].bias)
        gradient = torch.bmm(layers.heads.weight, gradient.transpose(1, 2))
        gradient = self._through(gradient, activations[-1])
        for i in reversed(range(len(self._patterns))):
            own, x = self._patterns[i], activations[i].view(len(self._few) * self._patterns[i].inputs, -1)
            rows = gradient.view(len(self._few) * own.units, -1)
            flat[own.source] = torch.sparse.sampled_addmm(own.empty, rows, x.t(), beta=0.0).values()
            torch.sum(gradient, 2, out=room[1 + i].bias.squeeze(1))
            gradient = _summed(own.back, rows, layers.values[i][1]).view(len(self._few), own.inputs, -1)
            gradient = self._through(gradient, activations[i])
        weight_gradient(gradient.transpose(1, 2), seen, room[0].weight)
        torch.sum(gradient, 2, out=room[0].bias.squeeze(1))
        if self.whole.continuous:
            kept[:, len(self._kept) - self.whole.actions :] = 0.0
        found[self._few, : len(self._kept)] = kept

    def _through(self, gradient: Tensor, x: Tensor) -> Tensor:
        """The gradient before an activation with the result x."""
        if self.whole.settings.activation == "tanh":
            found: Tensor = torch.ops.aten.tanh_backward(gradient, x)
        else:
            found = torch.ops.aten.threshold_backward(gradient, x, 0)
        return found


def _begins(rows: Tensor, count: int) -> Tensor:
    """(count + 1,) where the entries of each row begin, and their end; rows: the row of each entry."""
    found = torch.zeros(count + 1, dtype=torch.int32)
    found[1:] = torch.bincount(rows, minlength=count).cumsum(0)
    return found


def _summed(pattern: tuple[Tensor, Tensor], x: Tensor, values: Tensor) -> Tensor:
    """A sparse matrix with these values times x (T, n, B) or (T * n, B)."""
    columns, begins = pattern
    x = x.reshape(-1, x.shape[-1])
    return embedding_bag(columns, x, begins, mode="sum", per_sample_weights=values, include_last_offset=True)
