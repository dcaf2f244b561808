"""`lth-tui` on a pseudo-terminal, its screen kept by pyte."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable

import pyte
import pytest

_OPENED: list["subprocess.Popen[bytes]"] = []


def kill_all() -> None:
    """End what tests have left running."""
    while _OPENED:
        process = _OPENED.pop()
        process.kill()
        process.wait()


class Terminal:
    """`lth-tui --view` on a pseudo-terminal, its screen kept by pyte."""

    def __init__(
        self, folder: str, columns: int = 80, lines: int = 24, before: str = "", **environment: str
    ) -> None:  # fmt: skip
        """`before`: Python lines that run before the workbench, in its process."""
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.bytes = b""
        self.started = time.monotonic()
        kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLORTERM", "COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{before}\nfrom lth_tui.__main__ import main; main()", folder, "--view"],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**kept, "TERM": "xterm-256color", **environment},
        )  # fmt: skip
        os.close(slave)
        _OPENED.append(self.process)

    def pump(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                try:
                    new = os.read(self.master, 65536)
                except OSError:
                    return
                self.bytes += new
                self._stream.feed(re.sub(rb"\x1b\[[<>=?][0-9;]*[a-zA-Z$]*", b"", new))

    def until(self, true: Callable[[str], bool], seconds: float = 120) -> float:
        end = time.monotonic() + seconds
        while not true("\n".join(self.screen.display)):
            assert time.monotonic() < end, "\n".join(self.screen.display)
            self.pump(0.02)
        return time.monotonic() - self.started

    def settle(self) -> None:
        """Wait until nothing more comes."""
        known = -1
        while known != len(self.bytes):
            known = len(self.bytes)
            self.pump(0.5)

    def end(self, seconds: float = 120) -> int:
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.pump(0.02)
        if self.process.poll() is None:
            self.process.kill()
            pytest.fail("did not exit")
        return self.process.returncode
