"""Has imported all that a worker imports, and forks for each request (`warm`): python -P server.py SOCKET, padding.

Each fork runs the module as `python -m` does, with the words, variables, folder and standard streams of the request.
The end of standard input ends the server, not its forks.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from warm import INJECTED, LARGEST

ARGUMENTS = slice(45, 47)
"""The words of /proc/self/stat, after the name, that say where in memory the process's arguments stand."""


def serve(path: str) -> None:
    """Until standard input ends; returns in each fork, with what it is to run set up."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(64)
    print("listening", flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers end by themselves
    while listener in select.select([listener, 0], [], [])[0]:
        asked, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            return keep(asked)
        asked.close()
    os._exit(0)


def keep(asked: socket.socket) -> None:
    """Fork once more, and stay to say how that has ended; returns in the fork."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, streams, *_ = socket.recv_fds(asked, LARGEST, 3)
    pid = os.fork()
    if pid == 0:
        return become(json.loads(message), streams, asked)
    for stream in streams:
        os.close(stream)
    status = os.waitpid(pid, 0)[1]
    with contextlib.suppress(OSError):  # nobody waits for it any more
        asked.send(b"ended %d" % status)
    os._exit(0)


def become(request: dict[str, Any], streams: list[int], asked: socket.socket) -> None:
    """Be the process that was asked for, and say its number."""
    if request["session"]:
        os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    words = request["words"]
    sys.orig_argv[:], sys.argv[:] = words, ["-m", *words[4:]]
    call_itself(words)
    gc.enable()
    if request["env"].get("PYTHONPATH") == INJECTED:
        sys.path[:0] = INJECTED.split(os.pathsep)
        runpy.run_path(str(Path(sys.path[0]) / "sitecustomize.py"), run_name="sitecustomize")
    asked.send(b"%d" % os.getpid())
    asked.close()
    os.closerange(3, 1024)


def call_itself(words: list[str]) -> None:
    """Write these words where others look for the arguments of this process."""
    first, last = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[ARGUMENTS])
    content = b"\0".join(os.fsencode(word) for word in words)[: last - first - 1]
    ctypes.memset(first, 0, last - first)
    ctypes.memmove(first, content, len(content))


def main() -> None:
    """Import, serve, and run what was asked for."""
    gc.disable()
    import lth_core.worker

    for found in pkgutil.iter_modules(lth_core.worker.__path__):
        if found.name != "worker":  # it holds signals back as it is imported
            importlib.import_module(f"lth_core.worker.{found.name}")
    gc.freeze()
    serve(sys.argv[1])
    runpy.run_module(sys.orig_argv[3], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
