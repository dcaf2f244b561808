"""Processes of ours that import torch, forked from one that has imported it: two seconds less for each.

`install` makes `subprocess.Popen` ask the server of `LTH_TEST_WARM` for these; whatever else is started, or is started
with another PYTHONPATH, is started as ever, and so is everything where the variable is empty.
"""

import array
import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

SERVER = "LTH_TEST_WARM"
"""The variable that says at which socket the server listens."""
THREADS = "OMP_NUM_THREADS"
"""A server for each number of threads: told later, a process does not compute the same bits."""
FOLDER = str(Path(__file__).parent)
ROOT = Path(__file__).parent.parent.parent
PATHS = os.pathsep.join([FOLDER, str(ROOT)])
"""PYTHONPATH of processes that tests start: what they run is of the folder that the tests are of."""
INJECTED = os.pathsep.join([str(ROOT / "tests" / "faults" / "injected"), str(ROOT)])
"""PYTHONPATH of processes that are hurt as tests/faults/injected says."""
LARGEST = 200_000
"""Bytes of a request at most."""


class Popen(subprocess.Popen):
    """A process that may be a fork of the server; its keeper, at the other end of a socket, says how it has ended."""

    _keeper: socket.socket | None = None

    def _execute_child(self, args: Any, executable: Any, preexec_fn: Any, close_fds: Any, pass_fds: Any, cwd: Any,
                       env: Any, startupinfo: Any, creationflags: Any, shell: Any, *rest: Any) -> None:  # fmt: skip
        pipes, start_new_session = rest[:6], rest[11]
        if not shell and not preexec_fn and not pass_fds and executable is None and _ours(args, env or os.environ):
            with contextlib.suppress(OSError, ValueError):
                self._fork(list(args), cwd, dict(env or os.environ), pipes, bool(start_new_session))
                self._close_pipe_fds(*pipes)
                return
        super()._execute_child(args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags,
                               shell, *rest)  # fmt: skip

    def _fork(self, words: list[str], cwd: Any, env: dict[str, str], pipes: tuple[int, ...], session: bool) -> None:
        wanted = [pipe if pipe != -1 else number for number, pipe in enumerate((pipes[0], pipes[3], pipes[5]))]
        request = {"words": words, "cwd": os.fspath(cwd or Path.cwd()), "env": env, "session": session}
        keeper = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            keeper.connect(f"{env[SERVER]}-{env[THREADS]}")
            keeper.sendmsg([json.dumps(request).encode()],
                           [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", wanted))])  # fmt: skip
            self.pid = int(keeper.recv(100))
        except BaseException:
            keeper.close()
            raise
        sys.audit("subprocess.Popen", words[0], words, cwd, env)
        self._child_created, self._keeper = True, keeper

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if self._keeper is None:
            return super()._try_wait(wait_flags)  # type: ignore[misc]
        if self._keeper.fileno() < 0:  # collected with this object, which subprocess keeps to ask it once more
            return self.pid, signal.SIGKILL
        if wait_flags and not select.select([self._keeper], [], [], 0)[0]:
            return 0, 0
        said = self._keeper.recv(100)
        self._keeper.close()
        return self.pid, int(said.split()[1] if said else signal.SIGKILL)

    def _internal_poll(self, *more: Any, **named: Any) -> int | None:
        if self._keeper is None:
            return super()._internal_poll(*more, **named)  # type: ignore[misc]
        if self.returncode is None and self._waitpid_lock.acquire(False):
            try:
                if self.returncode is None:
                    pid, status = self._try_wait(os.WNOHANG)
                    if pid == self.pid:
                        self._handle_exitstatus(status)
            finally:
                self._waitpid_lock.release()
        return self.returncode


def _ours(words: Any, env: Any) -> bool:
    """Whether it is one of the worker's side, run by this Python from this folder with the tests' variables."""
    return (
        isinstance(words, list | tuple)
        and list(words[:3]) == [sys.executable, "-P", "-m"]
        and str(words[3]).startswith("lth_core.worker.")
        and bool(env.get(SERVER))
        and THREADS in env
        and (env.get("PYTHONPATH") == PATHS or (env.get("PYTHONPATH") == INJECTED and _may_be_late(env)))
    )


def _may_be_late(env: Mapping[str, str]) -> bool:
    """Whether its faults do the same after all is imported as before; of the others some change what is imported."""
    return {"kill", "hold", "clock", "environment"}.issuperset(json.loads(env.get("LTH_TEST_FAULT", "{}")))


def install() -> None:
    """From now on."""
    if os.environ.get(SERVER):
        subprocess.Popen = Popen  # type: ignore[misc]


@contextlib.contextmanager
def served(folder: Path, variables: Callable[[int], Mapping[str, str]]) -> Iterator[None]:
    """Have servers with sockets in this folder, or use those that another process has there.

    variables: of a process with so many threads.
    """
    path = folder / "warm"
    with (folder / "warm.lock").open("w") as lock, contextlib.ExitStack() as stack:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for threads in {1, len(os.sched_getaffinity(0))}:
            if not Path(f"{path}-{threads}").exists():
                stack.enter_context(_server(f"{path}-{threads}", {**variables(threads), "PYTHONPATH": PATHS}))
        lock.close()
        os.environ |= {SERVER: str(path), "PYTHONPATH": PATHS}
        install()
        yield


@contextlib.contextmanager
def _server(path: str, variables: Mapping[str, str]) -> Iterator[None]:
    words = [sys.executable, "-P", f"{FOLDER}/server.py", path, "x" * 2000]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables) as server:
        server.stdout.readline()
        yield
        server.stdin.close()
