"""What is tried again, how often and how: the answer to each way in which an attempt can end. Decides, does nothing.

the end of an attempt                  what follows
done, or nothing left to train         the batch is over
checkpointed, engine gone, superseded  it goes on from its checkpoint
disk full                              all jobs are paused until there is room, then go on from their checkpoints
too little disk, found at its start    its job alone is paused until there is room for it
out of memory, several tickets         two smaller stacks, from their start
out of memory, one ticket              once more with no other worker beside it, then failed
died, silent, lost device or network   again from its checkpoint after 1 s, then after 10 s, then failed
anything else                          failed: it would fail again
"""

from dataclasses import dataclass
from typing import Literal

from lth_core.engine.batch import CHECKPOINTED, DISK_FULL, DONE, ENGINE_GONE, OUT_OF_MEMORY, SUPERSEDED, TRANSIENT

DELAYS = (1.0, 10.0)
"""Seconds before the second and the third attempt at a batch whose worker was lost; there is no fourth."""

Step = Literal["over", "go on", "again", "split", "alone", "disk full", "failed"]


@dataclass(frozen=True)
class Decision:
    """What follows the end of an attempt; `delay` in seconds; `why` is said in the job's events, if anything is."""

    step: Step
    why: str = ""
    delay: float = 0.0


def decide(code: int | None, error: str, *, failures: int, tickets: int) -> Decision:
    """The answer to an attempt's end. failures: faults of this batch so far; tickets: those that are not done."""
    if code == DONE or not tickets:
        return Decision("over")
    if code in (CHECKPOINTED, ENGINE_GONE, SUPERSEDED):
        return Decision("go on")
    if code == DISK_FULL:
        return Decision("disk full", error)
    if code == OUT_OF_MEMORY:
        return _out_of_memory(error, failures, tickets)
    if code is None or code == TRANSIENT:
        if failures < len(DELAYS):
            delay = DELAYS[failures]
            return Decision("again", f"{error}; trying again from its checkpoint in {delay:.0f} s", delay)
        return Decision("failed", f"{error}; given up after {failures + 1} attempts")
    return Decision("failed", error or "failed without saying why")


def _out_of_memory(error: str, failures: int, tickets: int) -> Decision:
    if tickets > 1:
        half = tickets // 2
        return Decision("split", f"{error}; trying again with stacks of {tickets - half} and {half} tickets")
    if not failures:
        return Decision("alone", f"{error}; trying again once with no other worker beside it")
    return Decision("failed", f"{error}; one ticket does not fit, even alone")
