"""The environments of a stack, whatever the task: what a training may ask of them."""

from collections.abc import Sequence
from typing import Any, Protocol

from lth_core.settings.action_parts import Parts
from lth_core.tasks.step import Array, Step


class Environments(Protocol):
    """The environments of a stack."""

    inputs: int
    actions: int
    continuous: bool
    """Whether actions are numbers, as many as `actions`, or one of so many choices."""
    parts: Parts
    """Of what an action consists, where it is several choices or bits."""
    limit: int
    """Steps after which an episode is truncated; UNLIMITED where none is."""

    @property
    def valid(self) -> Array | None:
        """(T, E, choices) bool: which actions may be taken now (see spaces.Actions); None where nothing says so."""

    def reset(self) -> Array:
        """Start a first episode everywhere; observations (T, E, D)."""

    def step(self, actions: Array) -> Step:
        """Act; actions (T, E) int64, (T, E, parts) int64, or (T, E, actions) float32 where [-1, 1] is the whole box.

        See spaces.Actions.
        """

    def faults(self) -> dict[int, str]:
        """Tickets (their places) whose environments cannot go on, and why in a sentence; none of it is undone."""

    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these."""

    def state(self) -> tuple[dict[str, Array], dict[str, Any]] | None:
        """Everything that the future depends on, as arrays and JSON values; None where that cannot be had."""

    def restore(self, arrays: dict[str, Array], values: dict[str, Any]) -> Array:
        """The inverse of `state`; returns the current observations."""

    def restart(self, step: int) -> Array:
        """New episodes from a seed derived from `step`, for environments whose state cannot be saved."""
