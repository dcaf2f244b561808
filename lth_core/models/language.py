"""Language models as ordinary torch modules: an LSTM and a decoder-only Transformer.

From tokens (B, L) and a recurrent state, each returns features (B * L, width) in the order of `tokens.flatten()` and
the next state. Its `output` maps features to logits over the vocabulary, so a loss can compute them in chunks.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lth_core.models.dropout import dropout
from lth_core.models.flow import joined, linear, norm
from lth_core.models.module import ModuleNetwork
from lth_core.settings.language_networks import LSTM, Transformer
from lth_core.tickets.mask import Weights

Carry = tuple[Tensor, ...]


class Recurrent(nn.Module):
    """Embedding, LSTM layers, output. Each layer is an nn.LSTM of its own: it still runs fused, and the dropout between
    layers draws from torch's generator. cuDNN's own dropout would have a state that cannot be saved."""

    def __init__(self, settings: LSTM, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, settings.embedding)
        widths = [settings.embedding, *[settings.hidden] * settings.layers]
        self.recurrent = nn.ModuleList(nn.LSTM(width, settings.hidden) for width in widths[:-1])
        self.output = nn.Linear(settings.hidden, vocabulary)
        self._between, self._ends = settings.dropout, settings.dropout_ends
        nn.init.uniform_(self.embedding.weight, -settings.initialisation, settings.initialisation)
        nn.init.uniform_(self.output.weight, -settings.initialisation, settings.initialisation)
        nn.init.zeros_(self.output.bias)
        if settings.tied:
            self.output.weight = self.embedding.weight

    def forward(self, tokens: Tensor, carry: Carry) -> tuple[Tensor, Carry]:
        """The recurrent state is the hidden and cell state (1, B, hidden) of each layer."""
        x = dropout(self.embedding(tokens.t()), self._ends, self.training)
        carried: list[Tensor] = []
        for number, layer in enumerate(self.recurrent):
            if number:
                x = dropout(x, self._between, self.training)
            x, states = layer(x, carry[2 * number : 2 * number + 2] or None)
            carried += [state.detach() for state in states]
        return dropout(x, self._ends, self.training).transpose(0, 1).flatten(0, 1), tuple(carried)


class Decoder(nn.Module):
    """Embedding, blocks, final norm, output. There is no recurrent state: attention stays within the window."""

    def __init__(self, settings: Transformer, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, settings.width)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(settings.width)
        self.output = nn.Linear(settings.width, vocabulary, bias=False)
        self._dropout, self._head = settings.dropout, settings.width // settings.heads
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.output.weight, std=0.02)
        if settings.tied:
            self.output.weight = self.embedding.weight

    def forward(self, tokens: Tensor, carry: Carry) -> tuple[Tensor, Carry]:
        """Features and no state; see the module's docstring."""
        x = dropout(self.embedding(tokens), self._dropout, self.training)
        angles = _angles(tokens.shape[1], self._head, tokens.device)
        for block in self.blocks:
            x = block(x, angles)
        return self.norm(x).flatten(0, 1), ()


class Block(nn.Module):
    """Causal attention, then a feed-forward layer, each pre-norm with a residual connection."""

    def __init__(self, settings: Transformer) -> None:
        super().__init__()
        width = settings.width
        self.head = width // settings.heads
        self._dropout = settings.dropout
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention_in, self.attention_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed_forward_in = nn.Linear(width, settings.feed_forward)
        self.feed_forward_out = nn.Linear(settings.feed_forward, width)
        for layer in (self.attention_in, self.attention_out, self.feed_forward_in, self.feed_forward_out):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
        for layer in (self.attention_out, self.feed_forward_out):
            # Keeps the scale of the residual sum over all blocks, as in GPT-2.
            nn.init.normal_(layer.weight, std=0.02 / (2 * settings.layers) ** 0.5)

    def forward(self, x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
        """(B, L, width) to (B, L, width); angles: see `_angles`."""
        drop = self._dropout if self.training else 0.0
        queries, keys, values = (
            part.unflatten(-1, (-1, self.head)).transpose(1, 2)
            for part in self.attention_in(self.attention_norm(x)).chunk(3, dim=-1)
        )
        seen = functional.scaled_dot_product_attention(
            _rotated(queries, angles), _rotated(keys, angles), values, dropout_p=drop, is_causal=True
        )
        x = x + dropout(self.attention_out(seen.transpose(1, 2).flatten(2)), drop, self.training)
        inner = functional.gelu(self.feed_forward_in(self.feed_forward_norm(x)))
        return x + dropout(self.feed_forward_out(inner), drop, self.training)


def _angles(length: int, head: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines (length, head / 2) of position x 10000^(-2i / head), for rotary embeddings."""
    steps = 10_000 ** (-torch.arange(0, head, 2, device=device) / head)
    turned = torch.arange(length, device=device).unsqueeze(1) * steps
    return turned.cos(), turned.sin()


def _rotated(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """(..., L, head) with the pairs of first and second half rotated by the angles."""
    cosines, sines = (part.to(x.dtype) for part in angles)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosines - second * sines, first * sines + second * cosines], dim=-1)


def recurrent(settings: LSTM, vocabulary: int) -> ModuleNetwork:
    """The network of an LSTM language model."""

    def groups(name: str) -> set[str]:
        part = name.partition(".")[0]
        return {"embedding", "output"} if settings.tied and name == "embedding.weight" else {part}

    def flow(weights: Weights) -> Tensor:
        """All words at once, for one step from a state of ones."""
        x = weights["embedding.weight"].sum(0)
        for i in range(settings.layers):
            w = {name: weights[f"recurrent.{i}.{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
            gates = w["weight_ih"] @ x + w["bias_ih"] + w["weight_hh"].sum(1) + w["bias_hh"]
            x = gates.unflatten(0, (4, -1)).sum(0)
        output = weights["embedding.weight" if settings.tied else "output.weight"]
        return (output @ x + weights["output.bias"]).sum()

    return ModuleNetwork(lambda: Recurrent(settings, vocabulary), groups, flow=flow)


def decoder(settings: Transformer, vocabulary: int) -> ModuleNetwork:
    """The network of a decoder-only Transformer."""

    def groups(name: str) -> set[str]:
        if name == "embedding.weight":
            return {"embedding", "output"} if settings.tied else {"embedding"}
        if "norm" in name:
            return {"norm"}
        return {group for group in ("output", "attention", "feed_forward") if group in name.split(".")[-2]}

    def flow(weights: Weights) -> Tensor:
        x = weights["embedding.weight"].sum(0)
        for block in (f"blocks.{i}" for i in range(settings.layers)):
            seen = joined(weights, f"{block}.attention_in", 3, norm(weights, f"{block}.attention_norm", x))
            x = x + linear(weights, f"{block}.attention_out", seen)
            inner = linear(weights, f"{block}.feed_forward_in", norm(weights, f"{block}.feed_forward_norm", x))
            x = x + linear(weights, f"{block}.feed_forward_out", inner)
        output = weights["embedding.weight" if settings.tied else "output.weight"]
        return (output @ norm(weights, "norm", x)).sum()

    return ModuleNetwork(lambda: Decoder(settings, vocabulary), groups, flow=flow)
