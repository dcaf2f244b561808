"""Code of environments' packages, run so that what it does to the process stays without effect on ours."""

import contextlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def contained() -> Iterator[None]:
    """What is printed goes to standard error, what is deprecated is its authors' to know.

    Working folder, environment variables, warning filters and signal handlers are afterwards as they were.
    """
    folder, variables = _folder(), dict(os.environ)
    alone = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in _SIGNALS} if alone else {}
    try:
        elsewhere = _printed_elsewhere() if alone else contextlib.redirect_stdout(sys.stderr)
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning), elsewhere:
            yield
    finally:
        if folder is not None and folder != _folder():
            os.chdir(folder)
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        os.environ.update({name: value for name, value in variables.items() if os.environ.get(name) != value})
        for number, handler in handlers.items():
            if handler is not None and handler is not signal.getsignal(number):
                signal.signal(number, handler)


@contextlib.contextmanager
def _printed_elsewhere() -> Iterator[None]:
    """Standard output is standard error, also for code that writes to the file itself (descriptor 1)."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it was removed
        return None
