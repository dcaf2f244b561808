"""Runs code of environments' packages so that its changes to the process do not affect this program."""

import contextlib
import ctypes
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)


@contextlib.contextmanager
def contained(*, keep_variables: bool = False) -> Iterator[None]:
    """Within the block, output goes to standard error, and deprecation warnings are hidden.

    Afterwards the process is as before (see Surroundings), except for environment variables with `keep_variables`.
    """
    before = Surroundings()
    alone = threading.current_thread() is threading.main_thread()
    try:
        elsewhere = _printed_elsewhere() if alone else contextlib.redirect_stdout(sys.stderr)
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning), elsewhere:
            yield
    finally:
        before.restore(keep_variables=keep_variables)


class Surroundings:
    """Working folder, environment variables, global generators and reactions, as they are."""

    def __init__(self) -> None:
        self._folder, self._variables, self._generators = _folder(), _variables(), _Generators()
        self._reactions = Reactions()

    def restore(self, *, keep_variables: bool = False) -> None:
        """Make them so again; signal handlers where this thread may set them."""
        self.enter(keep_variables=keep_variables)
        self._reactions.restore()

    def enter(self, *, keep_variables: bool = False, generators: bool = True) -> None:
        """Restore only folder, variables and generators, which an environment may have for itself."""
        if self._folder is not None and self._folder != _folder():
            with contextlib.suppress(OSError):  # it was removed
                os.chdir(self._folder)
        now = self._variables if keep_variables else _variables()
        if now != self._variables:
            for name in now.keys() - self._variables.keys():
                del os.environb[name]
            os.environb.update({name: value for name, value in self._variables.items() if now.get(name) != value})
        if generators:
            self._generators.enter()


class Reactions:
    """Signal handlers and warning filters, as they are."""

    def __init__(self) -> None:
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        self._filters = warnings.filters[:]

    def restore(self) -> None:
        """Make them so again; signal handlers where this thread may set them."""
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._handlers.items():
                if handler is not None and handler is not signal.getsignal(number):
                    signal.signal(number, handler)
        if warnings.filters != self._filters:
            warnings.filters[:] = self._filters  # type: ignore[index]


class _Generators:
    """The states of the global generators of random, and of numpy and torch where they are loaded."""

    def __init__(self) -> None:
        numpy, torch = _numpy(), _torch()
        self._random = random.getstate()
        self._numpy: Any = None if numpy is None else numpy.get_state()
        self._torch: Any = None if torch is None else torch.get_rng_state()

    def enter(self) -> None:
        """Make them so."""
        random.setstate(self._random)
        if self._numpy is not None:
            _numpy().set_state(self._numpy)
        if self._torch is not None:
            _torch().set_rng_state(self._torch)


def seed_generators(seed: int) -> None:
    """Seed the global generators of random, and of numpy and torch where they are loaded."""
    numpy, torch = _numpy(), _torch()
    random.seed(seed)
    if numpy is not None:
        numpy.seed(seed % 2**32)
    if torch is not None:
        torch.default_generator.manual_seed(seed % 2**63)


def mark() -> tuple[Any, ...]:
    """A value that changes with folder, variables and global generators. Cheap, because every step needs it."""
    numpy, torch = _numpy(), _torch()
    drawn: list[Any] = [random.getstate()]
    if numpy is not None:  # its own way of giving its state takes 60 microseconds
        generator = numpy.get_bit_generator()
        size = 2500 if type(generator).__name__ == "MT19937" else 16
        drawn.append(ctypes.string_at(generator.ctypes.state_address, size))
    if torch is not None:
        drawn.append(torch.get_rng_state().numpy().tobytes())
    return _folder(), _variables(), drawn


def _numpy() -> Any:
    return getattr(sys.modules.get("numpy"), "random", None)


def _torch() -> Any:
    found = sys.modules.get("torch")
    return found if hasattr(found, "default_generator") else None


def output_apart() -> TextIO:
    """Standard output for this program alone: what others write from now on, in any thread, goes to standard error."""
    first = sys.__stdout__
    if first is None or sys.stdout is not first:
        return sys.stdout  # replaced by who called us in this process
    first.flush()
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return own


@contextlib.contextmanager
def _printed_elsewhere() -> Iterator[None]:
    """Within the block, standard output is standard error, also for code that writes to descriptor 1."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 this is done at every step
    except OSError:  # it was removed
        return None


def _variables() -> dict[bytes, bytes]:
    held: Any = getattr(os.environ, "_data", os.environb)  # without a call for each, as os.environ has it
    return dict(held)
