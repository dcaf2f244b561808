"""A ticket of another job, or of another program, that an experiment builds on: `[ticket]`, or `ticket = "FOLDER"`."""

from typing import Annotated, Literal

from pydantic import Field

from lth_core.settings.base import WHOLE, Section


class TicketSource(Section):
    """Where the ticket is, and what is taken of it.

    path: a folder that `lth ticket export` or `import` wrote, as seen from where the program was started; {round} and
    {seed} in it stand for numbers. weights: those its training started from, or those after it. fresh: parameter groups
    that are left as this experiment starts them, and whole (heads of another task). dense: the dense run of each seed
    starts from its weights. digest and rounds are filled in when the file is read: the SHA-256 of the tickets' cards,
    and the rounds that there are tickets for.
    """

    path: Annotated[str, Field(min_length=1, max_length=4096)]
    weights: Literal["start", "trained"] = "start"
    fresh: tuple[str, ...] = ()
    dense: bool = False
    digest: str = ""
    rounds: tuple[Annotated[int, Field(ge=1), WHOLE], ...] = ()
