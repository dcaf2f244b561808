"""What each environment has of the process for its own: working folder, environment variables, global generators.

Environments of one process share these. One that changes a folder, or draws from a global generator, would change what
others see, and a ticket's result would depend on its neighbours. As long as none does, all there is to do is to look,
once a step of all of them. From the first change on, each is called in surroundings of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from lth_core.foreign import Reactions, Surroundings, mark, seed_generators

Place = tuple[int, int]
_R = TypeVar("_R")


class OwnProcess:
    """The surroundings of environments, by ticket and place; `apart` once they have to be told from each other.

    trusted: environments that are known to leave the process alone.
    """

    def __init__(self, *, trusted: bool) -> None:
        self._trusted, self.apart = trusted, False
        self._ours, self._mark = Surroundings(), mark()
        self._own: dict[Place, Surroundings] = {}
        # Seeds of the global generators of environments that have not drawn from them since.
        self._fresh: dict[Place, int] = {}

    @contextmanager
    def visit(self) -> Iterator[None]:
        """Around calls of environments: afterwards the process is as it was."""
        if self._trusted:
            yield
            return
        now, reactions = mark(), Reactions()
        if now != self._mark:
            self._ours, self._mark = Surroundings(), now
        try:
            yield
        finally:
            if mark() != self._mark:
                self._ours.enter()
                self.apart = True
            reactions.restore()

    def call(self, place: Place, act: Callable[[], _R], seed: int | None = None) -> _R:
        """Within a visit, call in this environment's own surroundings.

        seed: of its global generators, from here on.
        """
        if self._trusted:
            return act()
        if seed is not None:
            self._fresh[place] = seed
        fresh = self._fresh.get(place)
        self._own.get(place, self._ours).enter(generators=fresh is None)
        if fresh is not None:
            seed_generators(fresh)
        before = mark()
        try:
            return act()
        finally:
            if mark() != before:
                self.apart = True
                self._own[place] = Surroundings()
                self._fresh.pop(place, None)
            self._ours.enter()

    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these."""
        rows = {t: row for row, t in enumerate(tickets)}
        self._own = {(rows[t], e): one for (t, e), one in self._own.items() if t in rows}
        self._fresh = {(rows[t], e): one for (t, e), one in self._fresh.items() if t in rows}
