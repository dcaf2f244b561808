"""Beam search over cached decoder states; a beam of 1 is greedy search. Knows nothing of networks or text.

A finished hypothesis scores its log-probability / length^penalty; the length includes the end token (fairseq's lenpen,
as in the paper). Each step takes the best 2K continuations: those among the first K that end are finished, and the
best K of the others continue. A sentence is done when K hypotheses are finished, or at its maximum length.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lth_core.models.translator import Decoding


@dataclass(frozen=True)
class Search:
    """Beam width, length penalty, the start and end tokens, and the tokens that are never generated."""

    beam: int
    length_penalty: float
    start: int
    end: int
    never: tuple[int, ...] = ()


@torch.no_grad()
def translate(decoding: Decoding, search: Search, longest: Tensor) -> list[tuple[list[int], float]]:
    """The best translation of each sentence, without start and end token, and its score. longest (N,): token limits."""
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
        # Continuations in a stable order: by score, ties by rank.
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
    """The best 2K next tokens per sentence, the hypotheses they extend, and their log-probabilities, each (N, 2K)."""
    n, beam, size = logs.shape
    # Checkpoints such as BART's begin a target with the token that ends it.
    barred = {*search.never, search.start} - {search.end}
    logs[:, :, sorted(barred)] = -float("inf")
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
    """Count the finished hypotheses, and keep each sentence's best."""
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
