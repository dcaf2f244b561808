"""Gives each environment its own process state: working folder, environment variables, global random generators.

Environments of one process share these. If one changed the folder or drew from a global generator, others would be
affected, and a ticket's result would depend on its neighbours. Until that happens, one check per step of all of them
is enough; from the first change on, each environment is called with its own state.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from lth_core.foreign import Reactions, Surroundings, mark, seed_generators

Place = tuple[int, int]
_R = TypeVar("_R")


class OwnProcess:
    """The process states of environments, by ticket and index; `apart` once they have to be separate.

    trusted: environments known not to change the process.
    """

    def __init__(self, *, trusted: bool) -> None:
        self._trusted, self.apart = trusted, False
        self._ours, self._mark = Surroundings(), mark()
        self._own: dict[Place, Surroundings] = {}
        # Seeds of the global generators, for environments that have not used them since.
        self._fresh: dict[Place, int] = {}

    @contextmanager
    def visit(self) -> Iterator[None]:
        """Wraps calls of environments and restores the process afterwards."""
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
        """Within a visit, call in this environment's own process state.

        seed: seeds its global generators first.
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
        """Keep only these tickets."""
        rows = {t: row for row, t in enumerate(tickets)}
        self._own = {(rows[t], e): one for (t, e), one in self._own.items() if t in rows}
        self._fresh = {(rows[t], e): one for (t, e), one in self._fresh.items() if t in rows}
