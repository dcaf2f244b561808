"""How long a job still takes, from what its batches have cost so far, by the number of tickets in each. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LIKE = 1.25
"""A stack is taken to cost what one cost whose size is at most this many times another."""
_RECENT = 4


@dataclass(frozen=True)
class BatchTime:
    """A batch of `size` tickets: Unix seconds, the share of its training that is done, tickets' steps per second.

    steps: of all its tickets together; None where only the share tells how far it is. finished: None while it runs.
    resumed: it has stood still in between, so that its start and end do not tell what it cost.
    """

    size: int
    started: float
    finished: float | None
    fraction: float
    rate: float | None = None
    steps: float | None = None
    resumed: bool = False


def seconds_left(batches: Sequence[BatchTime], waiting: Mapping[int, int], now: float) -> float | None:
    """Seconds until the job ends; None while no stack of the size that is to come has been measured.

    batches: those that run or have ended, in the order of their start. waiting: trials to come by round.
    """
    whole_ones = [one for one in batches if not one.resumed]
    width = max(_side_by_side(whole_ones), sum(one.finished is None for one in batches))
    if not width:
        return None
    costs = [(one.size, cost) for one in whole_ones if (cost := _cost(one, now)) is not None]
    rests = [_rest(one, costs, now) for one in batches if one.finished is None]
    running = [rest for rest in rests if rest is not None]
    if len(running) < len(rests):
        return None
    work = sum(running)
    alone = max(one.size for one in batches) == 1 and len(costs) > width
    size = 1 if alone else math.ceil(max(waiting.values(), default=0) / width)
    if waiting:
        whole = _like(costs, size)
        if whole is None:
            return None
        work += whole * sum(max(1, round(count / size)) for count in waiting.values())
    return max(work / width, *running, 0.0)


def _rest(one: BatchTime, costs: Sequence[tuple[int, float]], now: float) -> float | None:
    """Seconds that a running batch still takes; None where nothing like it has been measured."""
    whole = None if one.resumed else _cost(one, now)
    if whole is not None:
        return max(0.0, one.started + whole - now)
    if one.resumed and one.steps and one.rate:
        return max(0.0, 1 - one.fraction) * one.steps / one.rate
    whole = _like(costs, one.size)
    if whole is None:
        return None
    return max(0.0, 1 - one.fraction) * whole if one.resumed else max(0.0, one.started + whole - now)


def _cost(one: BatchTime, now: float) -> float | None:
    """Seconds that a batch takes from its start to its end; None while too little of it is done to tell."""
    if now < one.started or (one.finished is not None and one.finished <= one.started):
        return None  # the clock was set
    if one.finished is not None:
        return one.finished - one.started
    if one.steps and one.rate and one.fraction >= 0.03:  # its start is not counted into its rate
        return now - one.started + max(0.0, 1 - one.fraction) * one.steps / one.rate
    return (now - one.started) / one.fraction if one.fraction >= 0.25 else None


def _like(costs: Sequence[tuple[int, float]], size: int) -> float | None:
    """Mean cost of the newest batches of about this size, or between smaller and larger ones; else None."""
    near = [cost for own, cost in costs if max(own, size) <= LIKE * min(own, size)][-_RECENT:]
    if near:
        return sum(near) / len(near)
    below = [one for one in costs if one[0] < size][-_RECENT:]
    above = [one for one in costs if one[0] > size][-_RECENT:]
    if not below or not above:
        return None
    (low, first), (high, last) = _mean(below), _mean(above)
    return first + (last - first) * (size - low) / (high - low)


def _mean(costs: Sequence[tuple[int, float]]) -> tuple[float, float]:
    return sum(size for size, _ in costs) / len(costs), sum(cost for _, cost in costs) / len(costs)


def _side_by_side(batches: Sequence[BatchTime]) -> int:
    """The most batches that ran at once: how many slots the job gets."""
    ends = [(one.started, 1) for one in batches]
    ends += [(one.finished, -1) for one in batches if one.finished is not None]
    most = now = 0
    for _, change in sorted(ends):
        now += change
        most = max(most, now)
    return most
