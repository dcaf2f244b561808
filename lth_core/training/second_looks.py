"""What a second look at updates notes, of every kind of training, and how a checkpoint has it."""

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from lth_core.tickets.check import Check

Left = TypeVar("Left")


@dataclass(kw_only=True)
class Noted(Generic[Left]):
    """left: what is still to be looked at. seen: updates that were; largest: the largest difference of their gradients.

    sentence: what is wrong, if anything.
    """

    left: Left
    seen: list[str] = field(default_factory=list)
    largest: float = 0.0
    sentence: str = ""

    def state(self) -> list[Any]:
        """The state as JSON values."""
        return [self.left, self.seen, self.largest]

    def restore(self, values: list[Any] | None) -> None:
        """The inverse of `state`; earlier versions stored none, and look again."""
        if values is not None:
            self.left, self.seen, self.largest = values[0], list(values[1]), values[2]

    def check(self) -> list[Check]:
        """A passed check, if anything was looked at."""
        if not self.seen:
            return []
        where = ", ".join(self.seen)
        return [Check("loss", True, f"computed again in {where}: gradients differ by at most {self.largest:.1e}")]
