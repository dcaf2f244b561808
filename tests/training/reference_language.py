"""The usual word-language-model loop in plain PyTorch, as a test's reference: nothing of this program's is in it."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn


class Reference(nn.Module):
    """Embedding, one nn.LSTM of two layers with dropout between them, linear decoder."""

    def __init__(self, width: int, vocabulary: int, dropout: float) -> None:
        super().__init__()
        self.encoder = nn.Embedding(vocabulary, width)
        self.rnn = nn.LSTM(width, width, 2, dropout=dropout)
        self.decoder = nn.Linear(width, vocabulary)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take the same start as the network under test."""
        with torch.no_grad():
            self.encoder.weight.copy_(weights["embedding.weight"])
            self.decoder.weight.copy_(weights["output.weight"])
            self.decoder.bias.copy_(weights["output.bias"])
            for layer in range(2):
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    getattr(self.rnn, f"{kind}_l{layer}").copy_(weights[f"recurrent.{layer}.{kind}_l0"])

    def forward(self, tokens: Tensor, hidden: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        output, hidden = self.rnn(self.encoder(tokens), hidden)
        return self.decoder(output), hidden


def batchify(tokens: np.ndarray, rows: int) -> Tensor:
    """(length, rows): the text cut into columns that are read side by side."""
    length = len(tokens) // rows
    return torch.from_numpy(tokens[: length * rows].astype(np.int64)).view(rows, length).t().contiguous()


def train(model: Reference, tokens: np.ndarray, rows: int, window: int, updates: int, rate: float) -> None:
    """Adam over `updates` windows, the hidden state carried and detached."""
    data, optimizer, hidden = batchify(tokens, rows), torch.optim.Adam(model.parameters(), rate), None
    model.train()
    for update in range(updates):
        first = update * window
        optimizer.zero_grad()
        scores, hidden = model(data[first : first + window], hidden)
        hidden = (hidden[0].detach(), hidden[1].detach())
        targets = data[first + 1 : first + window + 1]
        nn.functional.cross_entropy(scores.flatten(0, 1), targets.flatten()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()


@torch.no_grad()
def perplexity(model: Reference, tokens: np.ndarray, window: int) -> float:
    """Of every token of a part of the text, ten columns at a time; the first is predicted from the part's last."""
    model.eval()
    before = np.concatenate([tokens[-1:], tokens[:-1]]).astype(np.int64)
    length, total = -(-len(tokens) // 10), 0.0
    for column in range(10):
        own = slice(column * length, (column + 1) * length)
        read, wanted, hidden = torch.from_numpy(before[own]), torch.from_numpy(tokens[own].astype(np.int64)), None
        for first in range(0, len(wanted), window):
            scores, hidden = model(read[first : first + window, None], hidden)
            targets = wanted[first : first + window]
            total += nn.functional.cross_entropy(scores.flatten(0, 1), targets, reduction="sum").item()
    return math.exp(total / len(tokens))
