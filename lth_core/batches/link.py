"""The connection between a worker and the process that started it: requests one way, ends of attempts the other.

A socket. Each request has a token that the answer repeats, because the code that a worker runs may end its process
with any exit code: only an answer with the token counts. It also arrives when the disk is too full for exit.json.
"""

import contextlib
import json
import os
import secrets
import select
import socket
import subprocess
from collections.abc import Mapping, Sequence
from typing import IO

from lth_core.batches.batch import Exit, exit_of
from lth_core.batches.request import Request

_LONGEST = 100_000
"""The most bytes read of an answer."""


class Link:
    """The end of the process that starts the worker; `process` is the worker."""

    def __init__(self, words: Sequence[str], variables: Mapping[str, str], output: IO[bytes] | None = None) -> None:
        """Start the worker; raises OSError if open files or processes have run out."""
        self._socket, theirs = socket.socketpair()
        try:
            with theirs:
                self.process = subprocess.Popen(
                    list(words),
                    stdin=theirs.fileno(),
                    stdout=output,
                    stderr=output,
                    env=variables,
                    start_new_session=True,
                )
        except BaseException:
            self._socket.close()
            raise
        self._socket.setblocking(False)
        self._token, self._received = "", b""

    def ask(self, request: Request) -> None:
        """Ask the worker to train an attempt. If it has just died, its process says so later."""
        self._token = secrets.token_hex(8)
        with contextlib.suppress(OSError):
            self._socket.sendall(self._token.encode() + b" " + request.line())

    def answer(self) -> Exit | None:
        """How the last attempt ended, according to the worker; None if it has not answered."""
        with contextlib.suppress(OSError):
            while len(self._received) < _LONGEST and (content := self._socket.recv(_LONGEST)):
                self._received += content
        for line in self._received.splitlines():
            token, _, said = line.decode(errors="replace").partition(" ")
            if token == self._token:
                return _exit(said)
        return None

    def leave(self) -> None:
        """Send no more requests: the worker ends when it is done. Its answer is still read."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Read nothing more."""
        self._socket.close()


class WorkerEnd:
    """The worker's end. Moves the socket away from standard input, where the code it runs might read it."""

    def __init__(self) -> None:
        self._descriptor = os.dup(0)  # which processes that are started here do not inherit
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self._received, self._token = b"", ""
        self.gone = False
        """Whether the engine is."""

    def read(self, timeout: float) -> None:
        """Read what has arrived, waiting at most this many seconds."""
        if not self.gone and select.select([self._descriptor], [], [], timeout)[0]:
            try:
                content = os.read(self._descriptor, 65536)
            except ConnectionError:  # it died with an answer unread
                content = b""
            self._received += content
            self.gone = not content

    def request(self) -> Request | None:
        """The next request, if one has arrived."""
        line, newline, rest = self._received.partition(b"\n")
        if not newline:
            return None
        self._received = rest
        token, _, asked = line.partition(b" ")
        self._token = token.decode()
        return Request.from_line(asked)

    def answer(self, ended: Exit) -> None:
        """Answer how the attempt of the last request ended; does nothing if the engine is gone."""
        said = json.dumps({"code": ended.code, "error": ended.error, "needed": ended.needed})
        with contextlib.suppress(OSError):
            os.write(self._descriptor, f"{self._token} {said}\n".encode())


def _exit(text: str) -> Exit | None:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return exit_of(said) if isinstance(said, dict) else None
