"""Python's lists of Seaquest, one for each of N games: items (N, fields, places), in order from the first place on.

Fields are x, y, way (1 right, -1 left, 0 where there is no entry), then timers.
"""

import torch
from torch import Tensor

WAY = 2


def appended(items: Tensor, new: Tensor, *fields: Tensor | int) -> Tensor:
    """With an entry at the end for those games (N,) that are due, of fields (N,) each."""
    count = (items[:, WAY] != 0).sum(1)
    place = new[:, None] & (torch.arange(items.shape[2], device=items.device) == count[:, None])
    entry = torch.stack([torch.full_like(count, one) if isinstance(one, int) else one for one in fields], 1)
    return torch.where(place[:, None], entry[:, :, None], items)


def without_gaps(items: Tensor, there: Tensor) -> Tensor:
    """Only the entries that are there, (N, places), in their order."""
    places = items.shape[2]
    to = (there.cumsum(1) - 1).masked_fill(~there, places)
    found = torch.zeros((*items.shape[:2], places + 1), dtype=items.dtype, device=items.device)
    return found.scatter_(2, to[:, None].expand(items.shape), items)[:, :, :places]


def first(which: Tensor) -> Tensor:
    """Of each game the first of these places, (N, places)."""
    return which & (which.cumsum(1) == 1)


def last(which: Tensor) -> Tensor:
    """Of each game the last of these places, (N, places)."""
    return which & (which.flip(1).cumsum(1).flip(1) == 1)


def beside(x: Tensor) -> Tensor:
    """Which are not on the board."""
    return (x < 0) | (x > 9)
