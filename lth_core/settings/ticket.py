"""An imported ticket of another job or program that an experiment uses: `[ticket]`, or `ticket = "FOLDER"`."""

from typing import Annotated, Literal

from pydantic import Field

from lth_core.settings.base import WHOLE, Section


class TicketSource(Section):
    """Where the ticket is, and which parts of it to use.

    path: a folder written by `lth ticket export` or `import`, relative to the working folder; {round} and {seed} in it
    stand for numbers. weights: those before or after its training. fresh: parameter groups that keep this experiment's
    own initialisation and are not masked (heads for another task). dense: start the dense run of each seed from its
    weights. digest and rounds: filled in when the file is read, with the SHA-256 of the tickets' cards and the rounds
    that have tickets.
    """

    path: Annotated[str, Field(min_length=1, max_length=4096)]
    weights: Literal["start", "trained"] = "start"
    fresh: tuple[str, ...] = ()
    dense: bool = False
    digest: str = ""
    rounds: tuple[Annotated[int, Field(ge=1), WHOLE], ...] = ()
