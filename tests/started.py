"""Tests that start Python processes carry the marker `processes`; one that starts any without it fails.

A second or three go into each such process, so `./dev quick` leaves these tests out. Workspaces that are made once for
all who read them (`tests.once`) do not count, nor do other programs, such as git.
"""

import contextlib
import multiprocessing.util
import shlex
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

FIXTURES = {"make_run", "left_alone"}
"""Who asks for these starts processes, and is marked without being asked."""
MARKERS = ("processes", "slow", "slurm", "cuda")
"""Tests with one of these may start processes; `./dev quick` leaves them out."""
_started: list[str] = []
_uncounted = 0


@contextlib.contextmanager
def uncounted() -> Iterator[None]:
    """What is started meanwhile is no test's own."""
    global _uncounted
    _uncounted += 1
    try:
        yield
    finally:
        _uncounted -= 1


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if _uncounted or event not in ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn"):
        return
    words = [str(word) for word in arguments[1]] if event in ("subprocess.Popen", "os.posix_spawn") else [event]
    ours = sys.executable in " ".join(words) or Path(words[0]).name in ("lth", "lth-tui")
    if ours or event.startswith("os.fork"):
        _started.append(shlex.join(words)[:200])


def _spawned(path: Any, arguments: Any, descriptors: Any) -> int:
    """multiprocessing starts its own without an audit event."""
    _heard("os.posix_spawn", (path, [path, *arguments]))
    return _spawn(path, arguments, descriptors)


_spawn = multiprocessing.util.spawnv_passfds


def pytest_configure() -> None:
    """Listen to this process from now on."""
    sys.addaudithook(_heard)
    multiprocessing.util.spawnv_passfds = _spawned


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark those that ask for such a fixture."""
    for item in items:
        if FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.processes)


def fault(marked: bool) -> str | None:
    """What is wrong with what was started since the last call."""
    started, _started[:] = list(_started), []
    return f"starts a process and lacks @pytest.mark.processes: {started[0]}" if started and not marked else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[None]") -> Generator[None, Any, Any]:
    """Fail a test at its end that has started a process and is not marked."""
    report = yield
    if call.when == "teardown":
        found = fault(any(item.get_closest_marker(name) for name in MARKERS))
        if found and report.passed:
            report.outcome, report.longrepr = "failed", f"{item.nodeid} {found}"
    return report
