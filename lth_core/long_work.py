"""Work before a training that may take long, such as training a teacher: whoever waits hears of it and may end it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Listener = Callable[[str, float | None], None]
"""Receives what is being done and the share that is done, if known. An exception that it raises ends the work."""
Item = TypeVar("Item")

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Within this context, `tell` calls the listener."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(what: str, share: float | None = None) -> None:
    """Called often by long work: say what is being done and, if known, the share that is done."""
    listener = _listener.get()
    if listener is not None:
        listener(what, share)


def telling(items: Iterable[Item], what: str) -> Iterator[Item]:
    """The items, with a `tell` at each."""
    for item in items:
        tell(what)
        yield item
