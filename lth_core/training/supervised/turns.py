"""A stack of ordinary modules: each ticket trains as it does alone, and they take turns of a few updates.

On a CPU, products over the whole stack of LeNets gain little: a ticket's weights, gradients and optimizer state leave
the cache between its updates. In its turn they stay there. Tickets of one seed share their batches.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lth_core.tickets.check import Check
from lth_core.tickets.mask import Mask, Weights
from lth_core.training.stack import Arrays, Stack, Start, under
from lth_core.training.supervised.stack import SupervisedStack

MOST, TOGETHER = 32, 2**23
"""Updates of a ticket in one turn at most, and parameters that they update in all: about a second."""


class Turns(Stack):
    """Trainings of one ticket each. An update is owed until a turn is due, or something is asked of a ticket."""

    def __init__(self, starts: Sequence[Start], members: Sequence[SupervisedStack], parameters: int) -> None:
        """members: of one start each, in the same order; parameters: of each."""
        self._members, self._owed = list(members), 0
        self.length = max(1, min(MOST, TOGETHER // parameters))
        """Updates of a ticket in one turn."""
        super().__init__(starts)

    @property
    def rates(self) -> npt.NDArray[np.float64]:
        """See Stack."""
        return np.array([float(one.rates[0]) for one in self._now()])

    @rates.setter
    def rates(self, rates: npt.NDArray[np.float64]) -> None:
        for one, rate in zip(self._members, rates, strict=True):
            one.rates[0] = rate

    @property
    def steps_per_unit(self) -> int:
        """See Stack."""
        return self._members[0].steps_per_unit

    @property
    def counter(self) -> npt.NDArray[np.int64]:
        """See Stack."""
        counter: npt.NDArray[np.int64] = (self.first + self.trained // self.steps_per_unit).astype(np.int64)
        return counter

    def update(self) -> None:
        """See Stack. Updates that are looked at a second time are not put off."""
        self.trained += 1
        self._owed += 1
        if self._owed == self.length or any(one.looks for one in self._members):
            self._now()

    def _now(self) -> list[SupervisedStack]:
        """The trainings, with nothing owed."""
        owed, self._owed = self._owed, 0
        for one in self._members if owed else ():
            for _ in range(owed):
                one.update()
        return self._members

    def weights(self, ticket: int) -> Weights:
        """See Stack."""
        return self._now()[ticket].weights(0)

    def optimizer_state(self, ticket: int) -> dict[str, Weights]:
        """See Stack."""
        return self._now()[ticket].optimizer_state(0)

    def statistics(self, ticket: int) -> Weights:
        """See Stack."""
        return self._now()[ticket].statistics(0)

    def scored(self, ticket: int) -> Weights:
        """See Stack."""
        return self._now()[ticket].scored(0)

    def drawn(self, ticket: int) -> dict[str, str]:
        """See Stack."""
        return self._now()[ticket].drawn(0)

    def checks(self, ticket: int, seed: int, score: float) -> list[Check]:
        """See Stack."""
        return self._now()[ticket].checks(0, seed, score)

    def broken(self) -> list[int]:
        """See Stack."""
        return [row for row, one in enumerate(self._now()) if one.broken()]

    def faults(self) -> dict[int, str]:
        """See Stack; of updates that are done."""
        return {row: cause for row, one in enumerate(self._members) for cause in one.faults().values()}

    def metrics(self) -> list[dict[str, float]]:
        """See Stack."""
        return [one.metrics()[0] for one in self._now()]

    def recorded(self, tickets: Sequence[int]) -> None:
        """See Stack."""
        members = self._now()
        for ticket in tickets:
            members[ticket].recorded([0])

    def validate(self, go_on: Callable[[], bool]) -> list[dict[str, float]]:
        """See Stack."""
        return [one.validate(go_on)[0] for one in self._now()]

    def evaluate(self, rows: Sequence[int], go_on: Callable[[], bool]) -> list[dict[str, float]]:
        """See Stack."""
        members = self._now()
        return [members[row].evaluate([0], go_on)[0] for row in rows]

    def forget(self, ticket: int) -> None:
        """See Stack."""
        self._now()[ticket].forget(0)

    def narrow(self, ticket: int, mask: Mask) -> None:
        """See Stack."""
        self._now()[ticket].narrow(0, mask)

    def gradient(self, ticket: int) -> Weights:
        """See Stack."""
        return self._now()[ticket].gradient(0)

    @property
    def done(self) -> npt.NDArray[np.float64]:
        """See Stack: by updates, however long an epoch is."""
        share: npt.NDArray[np.float64] = self.trained / ((self.last - self.first) * self.steps_per_unit)
        return share

    def keep(self, tickets: Sequence[int]) -> None:
        """See Stack."""
        members = self._now()
        self._members = [members[row] for row in tickets]
        self.first, self.last = self.first[list(tickets)], self.last[list(tickets)]

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """See Stack. One ticket's is its own, since a resumed stack may hold only that one."""
        found = [one.state() for one in self._now()]
        if len(found) == 1:
            return found[0]
        arrays = {f"{row}/{name}": array for row, (own, _) in enumerate(found) for name, array in own.items()}
        return arrays, {"trained": self.trained, "tickets": [values for _, values in found]}

    def restore(self, arrays: Arrays, values: dict[str, Any]) -> None:
        """See Stack."""
        self.trained, self._owed = values["trained"], 0
        if len(self._members) == 1:
            self._members[0].restore(arrays, values)
            return
        for row, (one, own) in enumerate(zip(self._members, values["tickets"], strict=True)):
            one.restore(under(arrays, f"{row}/"), own)
