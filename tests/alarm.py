"""A limit of time for what may hang, so that its test fails instead."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail the test if the block takes longer, whatever exceptions it catches."""

    def late(_number: int, _frame: FrameType | None) -> None:
        pytest.fail(f"not over within {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
