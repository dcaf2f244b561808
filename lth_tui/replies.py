"""Messages about commands that were carried out, refused, or not answered. Pure functions."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lth_core.store.commands import Priority, Submit
from lth_core.text import plural
from lth_tui.reading.feed import Reply


class Told(NamedTuple):
    """A message. queued: the job that the command has queued, if that is what it did."""

    words: str
    severity: str = "information"
    queued: int | None = None


def told(found: Sequence[Reply]) -> Iterator[Told]:
    """A message for each reply, but one for a command on several jobs."""
    alike: dict[str, list[Reply]] = {}
    for reply in found:
        if reply.error is not None or reply.answer is None or isinstance(reply.asked.command, Submit):
            yield _one(reply)
        else:
            alike.setdefault(reply.asked.command.kind, []).append(reply)
    for kind, replies in alike.items():
        yield _one(replies[0]) if len(replies) == 1 else _several(kind, replies)


def _several(kind: str, replies: Sequence[Reply]) -> Told:
    first, jobs = replies[0].asked.command, plural(len(replies), "job")
    if isinstance(first, Priority):
        return Told(f"priority {'raised' if first.by > 0 else 'lowered'} by 1: {jobs}")
    return Told(f"{kind} {jobs}")


def _one(reply: Reply) -> Told:
    label, command, answer = reply.asked.label, reply.asked.command, reply.answer
    if reply.error is not None:
        return Told(f"{label}: {reply.error}", "error")
    if answer is None:
        return Told(f"{label}: no engine has answered yet; the next engine will do it", "warning")
    if isinstance(command, Priority) and isinstance(answer.get("priority"), int):
        return Told(f"job {command.job}: priority {answer['priority']:+}")
    if isinstance(command, Submit):
        job = answer.get("job")
        queued = job if isinstance(job, int) else None
        if answer.get("known"):
            return Told(f"this experiment is already in the queue (^n adds a copy): job {job}", queued=queued)
        old = command.replaces
        return Told(f"job {job} queued" if old is None else f"the edited job {old} is now job {job}", queued=queued)
    return Told(label)
