"""Cases that not every run of the tests needs: the same claim again, for more kinds, sizes or settings.

`./dev quick` leaves out those with the marker `thorough`, and `./dev test` those with the marker `crossed`.
"""

from collections.abc import Iterable
from typing import Any

import pytest


def some(cases: Iterable[Any], *quick: Any) -> list[Any]:
    """All cases, for parametrize; those that are not in `quick` have the marker `thorough`."""
    every = list(cases)
    assert all(case in every for case in quick), f"none of the cases: {quick}"
    return [case if case in quick else pytest.param(case, marks=pytest.mark.thorough) for case in every]


def pairs(first: Iterable[Any], second: Iterable[Any], *quick: tuple[Any, Any]) -> list[Any]:
    """All pairs of two settings, for parametrize.

    `./dev quick` has those in `quick`, `./dev test` also as many as bring in every value of each; the others have the
    marker `crossed`.
    """
    every, other = list(first), list(second)
    assert all(one in every and two in other for one, two in quick), f"none of the pairs: {quick}"
    longer = max(len(every), len(other))
    tried = {(place % len(every), place % len(other)) for place in range(longer)}
    made = []
    for row, one in enumerate(every):
        for column, two in enumerate(other):
            left_out = [pytest.mark.thorough] + [pytest.mark.crossed] * ((row, column) not in tried)
            made.append(pytest.param(one, two, marks=[] if (one, two) in quick else left_out))
    return made
