"""Between a worker and whoever started it: requests one way, how each attempt has ended the other way.

A socket, and a token with each request that the answer repeats: what a worker runs may end its process with any exit
code, but only the worker's own code can say how an attempt has ended. It is heard where the disk took no last word.
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
"""Bytes of an answer that are read at most."""


class Link:
    """The end of whoever starts the worker; `process` is the worker."""

    def __init__(self, words: Sequence[str], variables: Mapping[str, str], output: IO[bytes] | None = None) -> None:
        """Start the worker; raises OSError where open files or processes have run out."""
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
        """Have the worker train an attempt; one that has just died is found out by its process."""
        self._token = secrets.token_hex(8)
        with contextlib.suppress(OSError):
            self._socket.sendall(self._token.encode() + b" " + request.line())

    def answer(self) -> Exit | None:
        """How the worker says that the attempt it was last asked for has ended, if it has said so."""
        with contextlib.suppress(OSError):
            while len(self._received) < _LONGEST and (content := self._socket.recv(_LONGEST)):
                self._received += content
        for line in self._received.splitlines():
            token, _, said = line.decode(errors="replace").partition(" ")
            if token == self._token:
                return _exit(said)
        return None

    def leave(self) -> None:
        """There will be no other request: the worker ends when it is done. What it says is heard still."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Nothing is heard any more."""
        self._socket.close()


class WorkerEnd:
    """The worker's end: takes the socket away from standard input, where what it runs might read or write."""

    def __init__(self) -> None:
        self._descriptor = os.dup(0)  # which processes that are started here do not inherit
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self._received, self._token = b"", ""
        self.gone = False
        """Whether the engine is."""

    def read(self, timeout: float) -> None:
        """Take in what has come, waiting for it at most so many seconds."""
        if not self.gone and select.select([self._descriptor], [], [], timeout)[0]:
            try:
                content = os.read(self._descriptor, 65536)
            except ConnectionError:  # it died with an answer unread
                content = b""
            self._received += content
            self.gone = not content

    def request(self) -> Request | None:
        """The next request that has come, if there is one."""
        line, newline, rest = self._received.partition(b"\n")
        if not newline:
            return None
        self._received = rest
        token, _, asked = line.partition(b" ")
        self._token = token.decode()
        return Request.from_line(asked)

    def answer(self, ended: Exit) -> None:
        """Say how the attempt of the last request has ended; an engine that is gone does not hear it."""
        said = json.dumps({"code": ended.code, "error": ended.error, "needed": ended.needed})
        with contextlib.suppress(OSError):
            os.write(self._descriptor, f"{self._token} {said}\n".encode())


def _exit(text: str) -> Exit | None:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return exit_of(said) if isinstance(said, dict) else None
