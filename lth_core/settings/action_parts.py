"""The parts of an action, as environments define them and networks and policies use them."""

from typing import Literal

Parts = tuple[int, ...] | Literal["bits"] | None
"""Several choices with the given numbers of values, or bits; None for one choice, or for continuous actions."""
