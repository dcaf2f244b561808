"""Estimates when a job ends, by forming stacks of its trials as the engine does when slots become free. Pure."""

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple


class Place(NamedTuple):
    """Its trials become ready together, when those of the round before are done, and can be one stack."""

    round: int
    seed: int
    network: str = ""
    """See `plan.network_of`."""


class ComingStacks:
    """Simulates waiting trials and running stacks, from one end of a stack to the next."""

    def __init__(
        self, waiting: Mapping[Place, int], slots: int, largest: Mapping[int, int],
        seconds: Callable[[int, int, str], float],
    ) -> None:  # fmt: skip
        """waiting: trials by place. slots: stacks that run side by side. largest: tickets in each at most, by round.

        seconds: what a stack of so many tickets takes in a round with a network; called once for each stack.
        """
        self._slots, self._largest, self._seconds = slots, largest, seconds
        self._waiting = {place: count for place, count in waiting.items() if count > 0}
        self._open = Counter[tuple[int, int]]()
        """Trials by round and seed that are not done."""
        for place, count in self._waiting.items():
            self._open[place[:2]] += count
        self._ready: dict[tuple[int, str], list[int]] = defaultdict(list)
        """By round and network the seeds of the trials that can begin, one for each."""
        self._running: list[tuple[float, int, tuple[Place, ...]]] = []

    def end(self, running: Iterable[tuple[float, Sequence[Place]]]) -> float:
        """Seconds until everything is done. running: seconds until each present stack ends, and its trials by place."""
        for rest, places in running:
            self._begin(rest, places)
        for place in sorted(self._waiting):
            self._release(place)
        now = 0.0
        while True:
            self._fill(now)
            if not self._running:
                return now
            now, _, places = heapq.heappop(self._running)
            for place in places:
                self._open[place[:2]] -= 1
                if not self._open[place[:2]]:
                    for other in [one for one in self._waiting if one[:2] == (place.round + 1, place.seed)]:
                        self._release(other)

    def _begin(self, end: float, places: Sequence[Place]) -> None:
        heapq.heappush(self._running, (end, len(self._running), tuple(places)))
        self._open.update(place[:2] for place in places)

    def _release(self, place: Place) -> None:
        """Make the waiting trials of a place ready, if the round before is done."""
        if self._open[place.round - 1, place.seed] <= 0 and (count := self._waiting.pop(place, 0)):
            self._ready[place.round, place.network] += [place.seed] * count

    def _fill(self, now: float) -> None:
        """Give stacks to the free slots: as many as there are, of trials of the lowest round and of one network."""
        while (free := self._slots - len(self._running)) > 0 and (self._ready or self._waiting):
            if not self._ready:
                if self._running:
                    return
                self._release_first()
            round, network = min(self._ready)
            seeds = sorted(self._ready.pop((round, network)))
            for left in range(min(free, len(seeds)), 0, -1):
                count = min(self._largest[round], math.ceil(len(seeds) / left))
                taken, seeds = [Place(round, seed, network) for seed in seeds[:count]], seeds[count:]
                self._open.subtract(place[:2] for place in taken)
                self._begin(now + self._seconds(count, round, network), taken)
            if seeds:
                self._ready[round, network] = seeds

    def _release_first(self) -> None:
        """Make trials ready whose parents are not among the coming ones."""
        place = min(self._waiting)
        self._ready[place.round, place.network] += [place.seed] * self._waiting.pop(place)
