"""Beam search over cached states; one hypothesis is greedy search. Knows no network, no text.

A finished hypothesis scores its log-probability divided by length^penalty, the end token counted (fairseq's lenpen, as
in the paper's setup). Of the best 2K continuations those that end among the first K are finished, the best K others
go on; a sentence is done with K finished, or at its longest, where it must end.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lth_core.models.translator import Decoding


@dataclass(frozen=True)
class Search:
    """How many hypotheses, how length counts, and the tokens that start and end a sentence or are never said."""

    beam: int
    length_penalty: float
    start: int
    end: int
    never: tuple[int, ...] = ()


@torch.no_grad()
def translate(decoding: Decoding, search: Search, longest: Tensor) -> list[tuple[list[int], float]]:
    """The best translation of each sentence, without start and end, and its score; longest (N,): tokens at most."""
    beam, device = search.beam, longest.device
    n = len(longest)
    best: list[tuple[list[int], float]] = [([], -float("inf")) for _ in range(n)]
    finished = [0] * n
    rows = torch.arange(n, device=device)
    said = torch.full((n, beam, 1), search.start, device=device)
    scores = torch.full((n, beam), -float("inf"), device=device)
    scores[:, 0] = 0.0
    limit = longest.tolist()
    length = 0
    while len(rows):
        length += 1
        tokens, origins, totals = _continuations(decoding.step(said[:, :, -1]), scores, search, longest, length)
        ends = (tokens == search.end) & torch.isfinite(totals)
        ends[:, beam:] = False
        _collect(said, rows, (ends, origins, totals), search, (best, finished), length)
        totals = totals.masked_fill(tokens == search.end, -float("inf"))
        # A stable order of what goes on: by score, ties by rank.
        order = torch.sort(totals, dim=1, descending=True, stable=True).indices[:, :beam]
        names = rows.tolist()
        going = [i for i, name in enumerate(names) if finished[name] < beam and length < limit[name]]
        alive = torch.isfinite(totals).any(1).tolist()
        kept = torch.tensor([i for i in going if alive[i]], dtype=torch.long, device=device)
        order, origins, tokens = order[kept], origins[kept].gather(1, order[kept]), tokens[kept].gather(1, order[kept])
        scores = totals[kept].gather(1, order)
        said = said[kept].gather(1, origins[:, :, None].expand(-1, -1, said.shape[2]))
        said = torch.cat([said, tokens[:, :, None]], 2)
        rows, longest = rows[kept], longest[kept]
        if len(rows):
            decoding.select(kept, origins)
    return best


def _continuations(
    logs: Tensor, scores: Tensor, search: Search, longest: Tensor, length: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The best 2K next tokens of each sentence, the hypotheses they continue, their log-probabilities: (N, 2K) each."""
    n, beam, size = logs.shape
    logs[:, :, [*search.never, search.start]] = -float("inf")
    last = (longest <= length)[:, None, None]
    others = torch.arange(size, device=logs.device) != search.end
    logs = logs.masked_fill(last & others, -float("inf"))
    pooled = (scores[:, :, None] + logs).view(n, beam * size)
    totals, places = pooled.topk(min(2 * beam, beam * size), dim=1)
    return places % size, places // size, totals


def _collect(
    said: Tensor,
    rows: Tensor,
    candidates: tuple[Tensor, Tensor, Tensor],
    search: Search,
    results: tuple[list[tuple[list[int], float]], list[int]],
    length: int,
) -> None:
    """Count what has ended, and remember it where it is the best of its sentence."""
    ends, origins, totals = candidates
    best, finished = results
    for i, rank in ends.nonzero().tolist():
        name = int(rows[i])
        if finished[name] >= search.beam:
            continue
        finished[name] += 1
        score = float(totals[i, rank]) / length**search.length_penalty
        if score > best[name][1]:
            best[name] = (said[i, int(origins[i, rank]), 1:].tolist(), score)
