"""What training a ticket costs in later rounds, where only its living weights are computed. Pure."""

import bisect
from collections.abc import Mapping


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
