"""Masks of valid actions, if environments give them: `info["action_mask"]`, or a method `action_masks()`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lth_core.tasks.gym_spaces import Actions
from lth_core.tasks.step import Array


class ActionMasks:
    """The masks for the current states of T tickets' environments, E each.

    valid: (T, E, choices) bool, see Actions; None until an environment gives a mask.
    """

    def __init__(self, acted: Actions, tickets: int, count: int, environment: Any) -> None:
        """environment: one of them."""
        self._acted, self._shape = acted, (tickets, count, acted.choices)
        self._asked = not acted.continuous and _method(environment) is not None
        self.valid: Array | None = None

    def told(self, info: Mapping[str, Any]) -> bool:
        """Whether `see` has anything to read."""
        return self._asked or self.valid is not None or "action_mask" in info

    def see(self, ticket: int, place: int, environment: Any, info: Mapping[str, Any]) -> None:
        """Read an environment's mask for its current state; without one, or for continuous actions, all is valid.

        Raises ActionMaskError for an unusable mask.
        """
        if self._acted.continuous:
            return
        mask = info.get("action_mask")
        if mask is None and self._asked:
            mask = environment.get_wrapper_attr("action_masks")()
        if self.valid is None and mask is not None:
            self.valid = np.ones(self._shape, bool)
        if self.valid is not None:
            self.valid[ticket, place] = True
            if mask is not None:
                self.valid[ticket, place] = self._acted.valid(mask)

    def silence(self, ticket: int) -> None:
        """Make all actions valid for a ticket that has failed."""
        if self.valid is not None:
            self.valid[ticket] = True

    def keep(self, tickets: Sequence[int]) -> None:
        """Keep only these tickets."""
        self._shape = (len(tickets), *self._shape[1:])
        self.valid = None if self.valid is None else self.valid[list(tickets)]


def _method(environment: Any) -> Any:
    try:
        found = environment.get_wrapper_attr("action_masks")
    except AttributeError:
        return None
    return found if callable(found) else None
