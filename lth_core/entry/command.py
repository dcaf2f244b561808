"""Start and end of every command: streams, folders, and one sentence for an error."""

import contextlib
import importlib.util
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from lth_core import places
from lth_core.entry import streams
from lth_core.errors import RAN_OUT, InputError
from lth_core.text import clean, one_line

INTERRUPTED = 130
_RAN_OUT = "this machine's open files, processes or memory have run out"


class Interrupted(BaseException):
    """Ctrl-C, or a signal that asks the process to end."""


def enter(name: str, act: Callable[[], None]) -> NoReturn:
    """Run a command and end the process. Bad input: one sentence on standard error and exit code 2."""
    if lacks := _lacks():
        print(f"{name}: {lacks}", file=sys.stderr, flush=True)
        sys.exit(2)
    streams.settle()
    places.settle()
    if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, signal.SIG_DFL):
        interrupt_on(signal.SIGINT)
    code = _code(name, act)
    try:
        sys.stderr.flush()
    except OSError:  # nothing can be said: the exit code stays
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.exit(code)


def _lacks() -> str | None:
    """What keeps the program from running on this system, in a sentence. Windows has no module fcntl."""
    if importlib.util.find_spec("fcntl") is not None:
        return None
    return (
        f"{sys.platform} has no POSIX file locks and signals (Python's module fcntl), which the engine needs: expected "
        "Linux or macOS; on Windows, run it in WSL, the Windows Subsystem for Linux"
    )


def interrupt_on(*numbers: int) -> None:
    """Raise Interrupted at the first of these signals; later ones, such as a second Ctrl-C, are ignored."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in {signal.SIGINT, *numbers}:
            signal.signal(number, signal.SIG_IGN)
        raise Interrupted

    for number in numbers:
        signal.signal(number, interrupt)


def _code(name: str, act: Callable[[], None]) -> int | str | None:
    try:
        return _acted(act)
    except Interrupted:
        return INTERRUPTED
    except streams.OutputLost as lost:
        if not lost.quiet:
            _say(name, str(lost))
        return lost.code
    except InputError as error:
        _say(name, str(error))
    except sqlite3.DatabaseError as error:
        _say(name, f"the workspace's database: {error}; `lth doctor` says what can be done")
    except OSError as error:
        if error.filename is None and error.errno not in RAN_OUT:
            raise
        _say(name, f"{one_line(error.filename) if error.filename is not None else _RAN_OUT}: {error.strerror}")
    except RuntimeError as error:
        if "can't start new thread" not in str(error):  # Python has no class of its own for it
            raise
        _say(name, f"{_RAN_OUT}: {error}")
    return 2


def _acted(act: Callable[[], None]) -> int | str | None:
    code: int | str | None = 0
    try:
        act()
    except SystemExit as done:
        code = done.code
    sys.stdout.flush()  # what is lost is to be told, not ignored by Python as it ends
    return code


def _say(name: str, sentence: str) -> None:
    """Print on standard error, without control characters: content of a workspace may come from anywhere."""
    with contextlib.suppress(OSError):
        print(f"{name}: {clean(sentence)}", file=sys.stderr, flush=True)
