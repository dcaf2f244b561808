"""What training costs in other rounds and in stacks of other sizes than those that were measured. Pure."""

import bisect
from collections.abc import Mapping
from itertools import pairwise


def relative(known: Mapping[int, float], round: int) -> float:
    """Cost of a stack of this round, as a share of that of whole tickets.

    known: of some rounds. On a line between two of them; earlier tickets are computed whole.
    """
    rounds = sorted(known)
    if not rounds or round < rounds[0]:
        return 1.0
    place = bisect.bisect_left(rounds, round)
    if place == len(rounds):
        return known[rounds[-1]]
    high = rounds[place]
    low = rounds[place - 1] if place else high
    share = (round - low) / (high - low) if high > low else 0.0
    return known[low] + (known[high] - known[low]) * share


def of_size(costs: Mapping[int, float], size: int) -> float:
    """Cost of a stack of so many tickets, from those of some sizes, at least one.

    On a line through the two nearest known sizes; a ticket costs no less in a smaller stack. In proportion if only one
    size is known.
    """
    known = sorted(costs.items())
    if len(known) == 1:
        return known[0][1] * size / known[0][0]
    pairs = list(pairwise(known))
    (low, first), (high, last) = next((pair for pair in pairs if pair[1][0] >= size), pairs[-1])
    return max(first + (last - first) * (size - low) / (high - low), first * min(1.0, size / low))
