"""Ends the workbench on signals, and when its terminal goes away without one. The engine is not affected."""

import asyncio
import os
import select
import signal
import threading
from contextlib import suppress
from functools import partial

from textual.app import App
from textual.drivers._writer_thread import WriterThread


def apply() -> None:
    """Use this module's writer for every terminal of this process."""
    WriterThread.run = write  # type: ignore[method-assign,assignment]


def write(thread: WriterThread) -> None:
    """Like Textual's, but what comes once the terminal is gone is dropped.

    Textual's thread ends then, its queue fills, and the app would wait for room in it for ever: a terminal that hangs
    up sends SIGCONT too, upon which Textual starts its screen anew.
    """
    gone = False
    while (text := thread._queue.get()) is not None:
        try:
            if not gone:
                thread._file.write(text)
                if thread._queue.empty():
                    thread._file.flush()
        except OSError:
            gone = True
    with suppress(OSError):
        thread._file.flush()


def catch(app: App[int]) -> None:
    """Let the app exit in order; Textual itself would die at once."""
    if threading.current_thread() is not threading.main_thread() or app.is_headless:
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGHUP, signal.SIGTERM):
        loop.add_signal_handler(number, partial(_end, app, number))
    # Without a controlling terminal there is no signal when it goes away, and reading from it would loop for ever.
    app.set_interval(1.0, lambda: _end(app, signal.SIGHUP) if _hung_up(0) else None)


def _end(app: App[int], number: int) -> None:
    """Exit in order, without waiting for a terminal that is gone or stalled."""
    if number == signal.SIGHUP or not _writable(2):
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
    app.exit(128 + number)


def _hung_up(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))


def _writable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return any(events & select.POLLOUT and not events & select.POLLHUP for _, events in poll.poll(0))
