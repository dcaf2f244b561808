"""Of what an action consists, as environments say it and networks and policies are told."""

from typing import Literal

Parts = tuple[int, ...] | Literal["bits"] | None
"""Several choices with so many values each, bits, or (None) one choice, or numbers."""
