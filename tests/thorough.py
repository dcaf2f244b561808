"""Cases that `./dev quick` leaves out: the same claim again, for more kinds, sizes or settings."""

from collections.abc import Iterable
from typing import Any

import pytest


def some(cases: Iterable[Any], *quick: Any) -> list[Any]:
    """All cases, for parametrize; those that are not in `quick` have the marker `thorough`."""
    every = list(cases)
    assert all(case in every for case in quick), f"none of the cases: {quick}"
    return [case if case in quick else pytest.param(case, marks=pytest.mark.thorough) for case in every]
