"""Short digests of what tickets drew from their random streams and data: arms of one seed must draw the same."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lth_core.training.stack import Array

DIGITS = 5
"""Decimals of numbers: the last bits may differ between processors."""


def digest(*parts: Array | str) -> str:
    """16 hexadecimal digits of arrays and texts, by value and shape."""
    found = hashlib.blake2b(digest_size=8)
    for part in parts:
        if isinstance(part, str):
            found.update(part.encode())
            continue
        values = np.round(part, DIGITS) + 0.0 if np.issubdtype(part.dtype, np.floating) else part  # no -0.0
        found.update(f"{values.dtype.kind}{values.shape}".encode())
        found.update(np.ascontiguousarray(values).data)
    return found.hexdigest()


class Drawn:
    """Digests of T tickets by name. What is noted a second time under a name is left out."""

    def __init__(self, tickets: int) -> None:
        self._found: list[dict[str, str]] = [{} for _ in range(tickets)]
        self._complete = True

    def wants(self, name: str) -> bool:
        """Whether nothing is noted under this name yet."""
        return self._complete and name not in self._found[0]

    def note(self, name: str, rows: Iterable[Sequence[Array | str]]) -> None:
        """Note what each ticket drew."""
        if self.wants(name):
            for found, parts in zip(self._found, rows, strict=True):
                found[name] = digest(*parts)

    def note_one(self, ticket: int, name: str, parts: Sequence[Array | str]) -> None:
        """Note what one ticket drew."""
        if self._complete and name not in self._found[ticket]:
            self._found[ticket][name] = digest(*parts)

    def of(self, ticket: int) -> dict[str, str]:
        """One ticket's digests; none if it goes on from a checkpoint of an earlier version."""
        return dict(self._found[ticket]) if self._complete else {}

    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these."""
        self._found = [self._found[t] for t in tickets]

    def state(self) -> list[dict[str, str]] | None:
        """The state as JSON values."""
        return self._found if self._complete else None

    def restore(self, values: Any) -> None:
        """The inverse of `state`. Earlier versions stored nothing, and what was drawn first is unknown."""
        self._complete = values is not None
        if values is not None:
            self._found = [dict(found) for found in values]
