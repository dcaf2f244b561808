"""A test that starts a process and is not marked is found."""

import multiprocessing
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests import started


def _spawned() -> None:
    process = multiprocessing.get_context("spawn").Process(target=str)
    process.start()
    process.join()


STARTS: dict[str, Callable[[], object]] = {
    "subprocess": lambda: subprocess.run([sys.executable, "-SEc", ""], check=True),
    "shell": lambda: subprocess.run(f"'{sys.executable}' -SEc ''", shell=True, check=True),  # noqa: S602
    "multiprocessing": _spawned,
}


@pytest.mark.processes
@pytest.mark.parametrize("how", STARTS)
def test_what_starts_a_process_lacks_its_marker(how: str) -> None:
    started.fault(marked=True)
    STARTS[how]()
    assert "lacks @pytest.mark.processes" in str(started.fault(marked=False))
    STARTS[how]()
    assert started.fault(marked=True) is None


def test_other_programs_and_what_is_made_once_do_not_count() -> None:
    subprocess.run(["git", "--version"], check=True, capture_output=True)
    with started.uncounted():
        subprocess.run([sys.executable, "-SEc", ""], check=True)
    assert started.fault(marked=False) is None
