"""Estimates when a job ends, by forming stacks of its trials as the engine does when slots become free. Pure."""

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

Place = tuple[int, int]
"""(round, seed): its trials become ready together, when those of the round before are done."""


class ComingStacks:
    """Simulates waiting trials and running stacks, from one end of a stack to the next."""

    def __init__(
        self, waiting: Mapping[Place, int], slots: int, largest: Mapping[int, int],
        seconds: Callable[[int, int], float],
    ) -> None:  # fmt: skip
        """waiting: trials by place. slots: stacks that run side by side. largest: tickets in each at most, by round.

        seconds: what a stack of so many tickets takes in a round.
        """
        self._slots, self._largest, self._seconds = slots, largest, seconds
        self._waiting = {place: count for place, count in waiting.items() if count > 0}
        self._open = Counter(self._waiting)
        """Trials by place that are not done."""
        self._ready: dict[int, list[int]] = defaultdict(list)
        """By round the seeds of the trials that can begin, one for each."""
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
                self._open[place] -= 1
                if not self._open[place]:
                    self._release((place[0] + 1, place[1]))

    def _begin(self, end: float, places: Sequence[Place]) -> None:
        heapq.heappush(self._running, (end, len(self._running), tuple(places)))
        self._open.update(places)

    def _release(self, place: Place) -> None:
        """Make the waiting trials of a place ready, if the round before is done."""
        round, seed = place
        if self._open[round - 1, seed] <= 0 and (count := self._waiting.pop(place, 0)):
            self._ready[round] += [seed] * count

    def _fill(self, now: float) -> None:
        """Give stacks to the free slots: as many as there are, of trials of the lowest round."""
        while (free := self._slots - len(self._running)) > 0 and (self._ready or self._waiting):
            if not self._ready:
                if self._running:
                    return
                self._release_first()
            round = min(self._ready)
            seeds = sorted(self._ready.pop(round))
            for left in range(min(free, len(seeds)), 0, -1):
                count = min(self._largest[round], math.ceil(len(seeds) / left))
                taken, seeds = seeds[:count], seeds[count:]
                self._open.subtract((round, seed) for seed in taken)
                self._begin(now + self._seconds(count, round), [(round, seed) for seed in taken])
            if seeds:
                self._ready[round] = seeds

    def _release_first(self) -> None:
        """Make trials ready whose parents are not among the coming ones."""
        place = min(self._waiting)
        self._ready[place[0]] += [place[1]] * self._waiting.pop(place)
