"""How long a job still takes: its coming stacks, each with the cost of similar ones. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from lth_core.coming_stacks import ComingStacks, Place
from lth_core.round_costs import of_size

LIKE = 1.25
"""Stacks count as similar if their sizes differ by at most this factor."""
_RECENT = 4
_TELLING = 0.02
"""Share of a training from which its pace is known."""


@dataclass(frozen=True)
class BatchTime:
    """A batch of `size` tickets that runs or has ended; moments in Unix seconds.

    length: of each training, in its own unit. fraction: the share of it that is done. whole: seconds that all of it
    takes at its pace so far, before: what it took to begin it, without the start of a worker; None where that is not
    known. finished: None while it runs. resumed: it has stood still in between, so that its start and end do not tell
    what it cost. places: of its trials, while it runs. network: see `plan.network_of`.
    """

    size: int
    length: float
    started: float
    finished: float | None
    fraction: float
    whole: float | None = None
    before: float | None = None
    resumed: bool = False
    places: tuple[Place, ...] = ()
    network: str = ""


@dataclass(frozen=True)
class JobTime:
    """What is known of a job's time.

    batches: in the order of their start. waiting: trials to come. trials: all of a round. lengths: of a training, by
    round and network, in units that cost as much as those of whole tickets of the experiment's network. slots: stacks
    side by side. largest: tickets in a stack at most. costs: what a stack costs in comparison, by its size, where that
    is known before it has run.
    """

    batches: Sequence[BatchTime]
    waiting: Mapping[Place, int]
    trials: Mapping[int, int]
    lengths: Mapping[tuple[int, str], float]
    slots: int
    largest: int
    costs: Mapping[int, float] = field(default_factory=dict)


class _UnknownError(Exception):
    """No similar stack has run."""


def seconds_left(job: JobTime, now: float) -> float | None:
    """Seconds until the job ends; None while the cost of some coming stack's size is unknown."""
    extras = _Extras(job.batches)
    networks = {network for _, network in job.lengths} | {one.network for one in job.batches}
    paces = {network: _Paces(job, network) for network in networks}

    @cache
    def seconds(size: int, round: int, network: str) -> float:
        return paces[network].of(size) * job.lengths[round, network] + extras.of(size)

    try:
        running = [
            (_rest(one, paces[one.network], extras, now), one.places) for one in job.batches if one.finished is None
        ]
        slots = max(job.slots, len(running), 1)
        largest = {round: min(job.largest, math.ceil(count / slots)) for round, count in job.trials.items()}
        return ComingStacks(job.waiting, slots, largest, seconds).end(running)
    except _UnknownError:
        return None


class _Paces:
    """Seconds that a stack of a network takes for one unit of training, by its size: as stacks of that network have
    taken, or where none has run, any."""

    def __init__(self, job: JobTime, network: str) -> None:
        self._costs = job.costs
        known = [(one.network, known) for one in job.batches if (known := _told(one)) is not None]
        self._known = [one for own, one in known if own == network] or [one for _, one in known]

    def of(self, size: int) -> float:
        """The mean of the newest similar stacks; else estimated from other sizes."""
        near = self._near(size)
        if near is not None:
            return near
        below = max((one.size for one in self._known if one.size < size), default=0)
        above = min((one.size for one in self._known if one.size > size), default=0)
        if below and above:
            return self._of_one(below) + (self._of_one(above) - self._of_one(below)) * (size - below) / (above - below)
        other = below or above
        if not other or len(self._costs) < 2:
            raise _UnknownError
        return self._of_one(other) * of_size(self._costs, size) / of_size(self._costs, other)

    def _near(self, size: int) -> float | None:
        """The mean pace of the newest similar stacks, weighted by the share done, because validations may come late;
        None if there are none."""
        near = [one for one in self._known if max(one.size, size) <= LIKE * min(one.size, size)][-_RECENT:]
        shares = sum(one.share for one in near)
        return sum(one.pace * one.share for one in near) / shares if near else None

    def _of_one(self, size: int) -> float:
        return next(one.pace for one in reversed(self._known) if one.size == size)


class _Extras:
    """Seconds of a batch besides its training: making and auditing its tickets, evaluation, files."""

    def __init__(self, batches: Sequence[BatchTime]) -> None:
        first = min((one.finished for one in batches if one.finished is not None), default=0.0)
        known = [
            max(0.0, one.finished - one.started - one.whole) / one.size
            for one in batches
            if one.finished is not None
            and one.whole is not None
            and not one.resumed
            and one.started >= first  # a worker's first batch waits for its start
        ] or [one.before / one.size for one in batches if one.before is not None]
        self._known = known[-_RECENT:]

    def of(self, size: int) -> float:
        """Seconds for a stack of this size, at the newest batches' mean per ticket; 0 if unknown."""
        return size * sum(self._known) / len(self._known) if self._known else 0.0


@dataclass(frozen=True)
class _Known:
    """Seconds of a unit of training in a stack of this size, and the share of a training it was measured on."""

    size: int
    pace: float
    share: float


def _told(one: BatchTime) -> _Known | None:
    if one.whole is not None and one.fraction >= _TELLING:
        return _Known(one.size, one.whole / one.length, min(1.0, one.fraction))
    if one.finished is None or one.resumed or one.finished <= one.started:  # the clock was set
        return None
    return _Known(one.size, (one.finished - one.started) / one.length, 1.0)


def _rest(one: BatchTime, paces: _Paces, extras: _Extras, now: float) -> float:
    """Seconds that a running batch still takes."""
    whole = paces.of(one.size) * one.length
    left = max(0.0, 1 - one.fraction) * whole
    if one.resumed:
        return left
    beside = now - one.started - one.fraction * whole  # what it has taken besides its training
    extra = extras.of(one.size)
    if one.fraction < _TELLING:
        return max(0.0, whole + extra - (now - one.started))
    return left + max(0.0, extra - max(0.0, beside))
