"""The interface of a stack's environments, the same for all tasks; `on_device.environments` has another way to step."""

from collections.abc import Sequence
from typing import Any, Protocol

from lth_core.settings.action_parts import Parts
from lth_core.tasks.step import Array, Step


class Described(Protocol):
    """What is known of a stack's environments, wherever they are stepped."""

    inputs: int
    actions: int
    continuous: bool
    """Whether actions are vectors of `actions` numbers rather than one of `actions` choices."""
    bounded: bool
    """Whether all numbers of continuous actions have bounds."""
    parts: Parts
    """The parts of a composite action (several choices or bits); None for one choice or continuous actions."""
    limit: int
    """Steps after which an episode is truncated; UNLIMITED if never."""

    def origins(self) -> list[str]:
        """Of each ticket, right after `reset`, what its start states are drawn from: seeds, or a stream's state."""

    def faults(self) -> dict[int, str]:
        """Tickets (by index) whose environments have failed for good, each with a sentence that says why."""

    def keep(self, tickets: Sequence[int]) -> None:
        """Keep only these tickets."""

    def state(self) -> tuple[dict[str, Array], dict[str, Any]] | None:
        """The full state, as arrays and JSON values; None if it cannot be saved."""


class Environments(Described, Protocol):
    """The environments of a stack, stepped on the host."""

    @property
    def valid(self) -> Array | None:
        """Valid actions now, (T, E, choices) bool (see gym_spaces.Actions); None if unknown."""

    def play_once(self) -> None:
        """Only the first episode of every environment counts: it need not be stepped after that."""

    def reset(self) -> Array:
        """Start the first episode in every environment; returns observations (T, E, D)."""

    def step(self, actions: Array) -> Step:
        """Step all environments; actions (T, E) int64, (T, E, parts) int64, or (T, E, actions) float32, [-1, 1] scaled.

        See gym_spaces.Actions.
        """

    def restore(self, arrays: dict[str, Array], values: dict[str, Any]) -> Array:
        """The inverse of `state`; returns the current observations."""

    def restart(self, step: int) -> Array:
        """New episodes from a seed derived from `step`, for environments whose state cannot be saved."""
