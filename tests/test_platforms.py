"""Systems other than Linux: what is missing there is told in a sentence, or done without."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lth_core.batches.exit_codes import memory_kills
from lth_core.batches.patience import Since
from lth_core.batches.provenance import processor
from lth_core.engine import slots

WINDOWS = """
import os, signal, sys
for name in ("fcntl", "termios", "tty", "pty", "pwd", "grp", "resource", "curses"):
    sys.modules[name] = None
for name in ("fork", "getuid", "geteuid", "setsid", "killpg", "getpgid", "nice", "sched_getaffinity", "O_NOFOLLOW"):
    delattr(os, name)
for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGKILL", "SIGPIPE", "SIGALRM", "pthread_sigmask", "alarm"):
    delattr(signal, name)
sys.argv = ["lth", "jobs"]
from lth_core.entry.start import {command}
{command}()
"""


@pytest.mark.processes
@pytest.mark.parametrize("command", ["lth", "lth_tui"])
def test_without_posix_a_command_ends_with_a_sentence(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WINDOWS.format(command=command)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(command.replace("_", "-") + ": ") and "expected Linux or macOS" in line


@pytest.fixture
def no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing below /proc can be read."""
    opened = Path.open

    def without(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.is_relative_to("/proc"):
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", without)


@pytest.mark.usefixtures("no_proc")
def test_without_proc_nothing_is_counted_and_time_is_wall_time() -> None:
    assert memory_kills() == 0
    assert processor()
    since = Since.now(os.getpid())
    assert since.queued == 0.0 and since.had() <= since.clock()


def test_without_affinity_all_cores_are_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert [slot.device for slot in slots.find_slots("cpu")] == ["cpu"] * 3
