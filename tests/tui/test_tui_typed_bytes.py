"""Bytes that are no UTF-8, as a terminal in Latin-1 or a pasted file sends them."""

import pytest
from textual.drivers import linux_driver

from lth_tui import typed_bytes


@pytest.mark.parametrize(("encoding", "read"), [("utf-8", "n\ufffdx"), ("latin-1", "nüx"), ("ascii", "n\ufffdx")])
def test_bytes_in_another_encoding_are_read(encoding: str, read: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stream:
        pass

    stream = Stream()
    stream.encoding = encoding  # type: ignore[attr-defined]
    monkeypatch.setattr("sys.__stderr__", stream)
    typed_bytes.apply()
    decode = linux_driver.getincrementaldecoder("utf-8")().decode  # type: ignore[attr-defined]
    assert decode(b"n\xfcx", final=False) == read
