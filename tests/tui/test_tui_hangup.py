"""A terminal that hangs up is not waited for."""

import errno
import io
import threading

from textual.drivers._writer_thread import MAX_QUEUED_WRITES, WriterThread

from lth_tui import hangup


class Gone(io.StringIO):
    """A terminal that has hung up."""

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, text)


def test_nobody_waits_for_a_terminal_that_is_gone() -> None:
    hangup.apply()
    writer = WriterThread(Gone())
    writer.start()

    def close() -> None:
        for _ in range(3 * MAX_QUEUED_WRITES):
            writer.write("x")
        writer.stop()

    closing = threading.Thread(target=close, daemon=True)
    closing.start()
    closing.join(60)
    assert not closing.is_alive() and not writer.is_alive()
