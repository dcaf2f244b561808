"""A forked worker is what a started one is to whoever started it."""

import os
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest

from lth_core.batches.exit_codes import ENGINE_GONE
from lth_core.batches.link import Link
from lth_core.batches.processes import command, variables
from tests.warm.warm import SERVER

pytestmark = pytest.mark.processes
KINDS = pytest.mark.parametrize("kind", ["forked", "started"])


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asked:
        return asked.connect_ex(path) == 0


@pytest.fixture
def link(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Link:
    """To a worker of a workspace in the test's folder, which knows this folder only from its start."""
    if kind == "started":
        monkeypatch.delenv(SERVER, raising=False)
    elif SERVER not in os.environ:
        pytest.skip("coverage is measured in processes that are started")
    elif not _listens(f"{os.environ[SERVER]}-1"):
        pytest.skip("the process of pytest that had the server has run out of tests and ended")
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "log").open("ab") as log:
        made = Link(command("lth_core.worker.worker", "workspace", "cpu"), {**variables(1), "MINE": "yes"}, log)
    assert (getattr(made.process, "_keeper", None) is not None) == (kind == "forked")
    return made


@KINDS
def test_a_worker_is_known_by_its_words_has_its_folder_and_session_and_leaves_when_told(
    link: Link, tmp_path: Path
) -> None:
    seen = psutil.Process(link.process.pid)
    while not seen.cmdline():  # for a moment at its start
        time.sleep(0.01)
    assert [word for word in seen.cmdline() if word][-3:] == ["lth_core.worker.worker", "workspace", "cpu"]
    assert Path(seen.cwd()) == tmp_path and os.getsid(seen.pid) == seen.pid
    assert link.process.poll() is None
    link.leave()
    assert link.process.wait(120) == link.process.poll() == ENGINE_GONE
    assert not psutil.pid_exists(seen.pid) and (tmp_path / "log").read_text() == ""


@KINDS
def test_a_worker_that_is_killed_ends_as_of_the_signal(link: Link) -> None:
    link.process.kill()
    assert link.process.wait(120) == -signal.SIGKILL
