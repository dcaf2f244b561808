"""An encoder-decoder Transformer after Vaswani et al. (2017): post-norm, sinusoidal positions, ReLU, one embedding
shared by source, target and output, scaled by the root of the width. Knows nothing of masks or data.

Parameters of norms are in the group `norm`; those of encoder and decoder are in those groups too. As in the paper,
dropout is applied to the sums of embeddings and positions and to the output of each sublayer.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, log_softmax, scaled_dot_product_attention

from lth_core.models import flow as flows
from lth_core.models.dropout import dropout
from lth_core.models.flow import joined, norm
from lth_core.settings.language_networks import Seq2Seq
from lth_core.tickets.mask import Weights


class Projection(nn.Linear):
    """A linear layer of `parts` blocks, each initialised as a layer of its own; biases start at zero.

    The initialisation is fairseq's: U(-b, b) with b = sqrt(6 / (in + out)) * gain, for each block.
    """

    def __init__(self, width: int, out: int, parts: int = 1, gain: float = 1.0) -> None:
        super().__init__(width, out * parts)
        bound = gain * math.sqrt(6 / (width + out))
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.zeros_(self.bias)


class Attention(nn.Module):
    """Multi-head attention. In self-attention one product computes queries, keys and values."""

    def __init__(self, width: int, heads: int, *, across: bool) -> None:
        super().__init__()
        self.heads = heads
        gain = 1 / math.sqrt(2)
        if across:
            self.query = Projection(width, width, gain=gain)
            self.key_value = Projection(width, width, 2, gain)
        else:
            self.query_key_value = Projection(width, width, 3, gain)
        self.output = Projection(width, width)

    def split(self, x: Tensor, parts: int) -> list[Tensor]:
        """(N, L, parts x width) to parts of (N, heads, L, width / heads)."""
        n, length, _ = x.shape
        return list(x.view(n, length, parts, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0))

    def join(self, x: Tensor) -> Tensor:
        """(N, heads, L, width / heads) through the output layer: (N, L, width)."""
        n, heads, length, size = x.shape
        joined: Tensor = self.output(x.transpose(1, 2).reshape(n, length, heads * size))
        return joined


class FeedForward(nn.Module):
    """Two layers with ReLU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = Projection(width, hidden)
        self.down = Projection(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, width) to (N, L, width)."""
        result: Tensor = self.down(self.up(x).relu())
        return result


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward."""

    def __init__(self, sizes: Seq2Seq) -> None:
        super().__init__()
        self.dropout = sizes.dropout
        self.attention = Attention(sizes.width, sizes.heads, across=False)
        self.attention_norm = nn.LayerNorm(sizes.width)
        self.feed_forward = FeedForward(sizes.width, sizes.feed_forward)
        self.feed_forward_norm = nn.LayerNorm(sizes.width)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        """x (N, S, width). seen (N, 1, 1, S) is true where there is a token; None if nothing is padded."""
        q, k, v = self.attention.split(self.attention.query_key_value(x), 3)
        told = self.attention.join(scaled_dot_product_attention(q, k, v, attn_mask=seen))
        x = self.attention_norm(x + dropout(told, self.dropout, self.training))
        thought = dropout(self.feed_forward(x), self.dropout, self.training)
        result: Tensor = self.feed_forward_norm(x + thought)
        return result


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the source, feed-forward."""

    def __init__(self, sizes: Seq2Seq) -> None:
        super().__init__()
        self.dropout = sizes.dropout
        self.attention = Attention(sizes.width, sizes.heads, across=False)
        self.attention_norm = nn.LayerNorm(sizes.width)
        self.source_attention = Attention(sizes.width, sizes.heads, across=True)
        self.source_attention_norm = nn.LayerNorm(sizes.width)
        self.feed_forward = FeedForward(sizes.width, sizes.feed_forward)
        self.feed_forward_norm = nn.LayerNorm(sizes.width)

    def forward(self, x: Tensor, memory: Tensor, seen: Tensor | None) -> Tensor:
        """x (N, T, width), memory (N, S, width). Causality hides the padding at the end of x from all tokens."""
        q, k, v = self.attention.split(self.attention.query_key_value(x), 3)
        told = self.attention.join(scaled_dot_product_attention(q, k, v, is_causal=True))
        return self.after(x, told, self.memory(memory), seen)

    def memory(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the source."""
        key, value = self.source_attention.split(self.source_attention.key_value(memory), 2)
        return key, value

    def after(self, x: Tensor, told: Tensor, source: tuple[Tensor, Tensor], seen: Tensor | None) -> Tensor:
        """The sublayers after self-attention, whose output is `told`."""
        x = self.attention_norm(x + dropout(told, self.dropout, self.training))
        (q,) = self.source_attention.split(self.source_attention.query(x), 1)
        found = self.source_attention.join(scaled_dot_product_attention(q, *source, attn_mask=seen))
        x = self.source_attention_norm(x + dropout(found, self.dropout, self.training))
        thought = dropout(self.feed_forward(x), self.dropout, self.training)
        result: Tensor = self.feed_forward_norm(x + thought)
        return result


class Transformer(nn.Module):
    """The whole network. vocabulary: its joint size; longest: maximum tokens of a sentence; pad: padding token."""

    positions: Tensor

    def __init__(self, sizes: Seq2Seq, vocabulary: int, longest: int, pad: int = 0) -> None:
        super().__init__()
        self.sizes, self.pad = sizes, pad
        self.embedding = nn.Parameter(torch.randn(vocabulary, sizes.width) * sizes.width**-0.5)
        self.encoder = nn.ModuleList(EncoderLayer(sizes) for _ in range(sizes.encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(sizes) for _ in range(sizes.decoder_layers))
        self.register_buffer("positions", _sinusoids(longest, sizes.width), persistent=False)
        self.output = nn.Linear(sizes.width, vocabulary, bias=False)
        self.output.weight = self.embedding

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """See Translator."""
        memory, seen = self.encode(source)
        x = self._embedded(target, 0)
        for layer in self.decoder:
            x = layer(x, memory, seen)
        return x

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor | None]:
        """Memory (N, S, width), and where tokens are (N, 1, 1, S); None without padding (checked on CPUs only)."""
        seen: Tensor | None = (source != self.pad)[:, None, None, :]
        if source.device.type == "cpu" and seen is not None and bool(seen.all()):
            seen = None
        x = self._embedded(source, 0)
        for layer in self.encoder:
            x = layer(x, seen)
        return x, seen

    def decoding(self, source: Tensor, beam: int) -> "CachedDecoding":
        """See Translator."""
        return CachedDecoding(self, source, beam)

    def _embedded(self, tokens: Tensor, first: int) -> Tensor:
        positions = self.positions[first : first + tokens.shape[1]]
        x = embedding(tokens, self.embedding) * math.sqrt(self.sizes.width) + positions
        return dropout(x, self.sizes.dropout, self.training)


class CachedDecoding:
    """See Decoding. In attention to the source, a sentence's hypotheses are queries of one product."""

    def __init__(self, model: Transformer, source: Tensor, beam: int) -> None:
        self._model, self._beam, self._length = model, beam, 0
        memory, self._seen = model.encode(source)
        self._layers = [layer for layer in model.decoder if isinstance(layer, DecoderLayer)]
        self._source = [layer.memory(memory) for layer in self._layers]
        heads, size = model.sizes.heads, model.sizes.width // model.sizes.heads
        nothing = memory.new_zeros(len(source) * beam, heads, 0, size)
        self._past = [(nothing, nothing) for _ in self._layers]

    def step(self, tokens: Tensor) -> Tensor:
        """See Decoding."""
        n, beam = tokens.shape
        x = self._model._embedded(tokens.reshape(n * beam, 1), self._length)
        for i, layer in enumerate(self._layers):
            q, k, v = layer.attention.split(layer.attention.query_key_value(x), 3)
            k, v = torch.cat([self._past[i][0], k], 2), torch.cat([self._past[i][1], v], 2)
            self._past[i] = (k, v)
            told = layer.attention.join(scaled_dot_product_attention(q, k, v))
            side_by_side = layer.after(
                x.view(n, beam, -1), told.view(n, beam, -1), self._source[i], self._seen
            )  # fmt: skip
            x = side_by_side.view(n * beam, 1, -1)
        self._length += 1
        return log_softmax(self._model.output(x.view(n, beam, -1)).float(), -1)

    def select(self, rows: Tensor, beams: Tensor) -> None:
        """See Decoding."""
        flat = (rows[:, None] * self._beam + beams).flatten()
        self._past = [(k.index_select(0, flat), v.index_select(0, flat)) for k, v in self._past]
        if len(rows) < len(self._source[0][0]):
            self._source = [(k.index_select(0, rows), v.index_select(0, rows)) for k, v in self._source]
            self._seen = None if self._seen is None else self._seen.index_select(0, rows)


def flow(sizes: Seq2Seq, weights: Weights) -> Tensor:
    """See Network: all words at once on both sides."""
    words = weights["embedding"].sum(0) * math.sqrt(sizes.width)
    memory = words
    for layer in (f"encoder.{i}" for i in range(sizes.encoder_layers)):
        told = _told(weights, f"{layer}.attention", memory)
        memory = _fed(weights, layer, norm(weights, f"{layer}.attention_norm", memory + told))
    x = words
    for layer in (f"decoder.{i}" for i in range(sizes.decoder_layers)):
        x = norm(weights, f"{layer}.attention_norm", x + _told(weights, f"{layer}.attention", x))
        asked = flows.linear(weights, f"{layer}.source_attention.query", x)
        found = asked + joined(weights, f"{layer}.source_attention.key_value", 2, memory)
        told = flows.linear(weights, f"{layer}.source_attention.output", found)
        x = _fed(weights, layer, norm(weights, f"{layer}.source_attention_norm", x + told))
    return (weights["embedding"] @ x).sum()


def _told(weights: Weights, attention: str, x: Tensor) -> Tensor:
    return flows.linear(weights, f"{attention}.output", joined(weights, f"{attention}.query_key_value", 3, x))


def _fed(weights: Weights, layer: str, x: Tensor) -> Tensor:
    inner = flows.linear(weights, f"{layer}.feed_forward.up", x)
    return norm(weights, f"{layer}.feed_forward_norm", x + flows.linear(weights, f"{layer}.feed_forward.down", inner))


def grouping(name: str) -> set[str]:
    """The groups of a parameter of `Transformer`, apart from weights and biases."""
    if name == "embedding":
        return {"embedding", "output"}
    side, _, part, *_ = name.split(".")
    kind = "norm" if part.endswith("norm") else "attention" if part.endswith("attention") else "feed_forward"
    return {side, kind}


def _sinusoids(longest: int, width: int) -> Tensor:
    """(longest, width): sines in the first half of the columns, cosines in the second; wavelengths to 10,000 x 2 pi."""
    half = width // 2
    rates = torch.exp(torch.arange(half) * (-math.log(10_000.0) / half))
    angles = torch.arange(longest)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1)
