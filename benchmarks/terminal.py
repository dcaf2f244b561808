"""`lth-tui` on a pseudo-terminal, as a benchmark sees it: bytes in, bytes out, seconds between."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time


class Terminal:
    """A workbench of a size; `arguments` are those of `lth-tui`."""

    def __init__(self, arguments: list[str], columns: int, rows: int) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLORTERM")}
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lth_tui", *arguments], stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, env={**environment, "TERM": "xterm-256color"},
        )  # fmt: skip
        os.close(slave)

    def read(self, seconds: float) -> bytes:
        """What comes within a time."""
        end, found = time.perf_counter() + seconds, b""
        while (left := end - time.perf_counter()) > 0:
            if select.select([self._master], [], [], left)[0]:
                found += os.read(self._master, 65536)
        return found

    def until(self, words: str, seconds: float = 60) -> float:
        """Seconds until the words have come."""
        begin, found = time.perf_counter(), b""
        while words.encode() not in found:
            if time.perf_counter() > begin + seconds:
                raise TimeoutError(f"{words!r} did not come; the last was {found[-300:]!r}")
            if select.select([self._master], [], [], 0.05)[0]:
                found += os.read(self._master, 65536)
        return time.perf_counter() - begin

    def press(self, keys: str) -> None:
        """Send keys."""
        os.write(self._master, keys.encode())

    def close(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait()
        os.close(self._master)
