"""Only regular files are opened: a pipe, a folder, a socket or a link in their place is no file, and nothing hangs."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from lth_core.store.events_file import read_scalars
from lth_core.store.plain import append_plain, open_plain
from lth_core.store.tensors import DamagedFile, file_sha256, load_newest_checkpoint, load_tensors, read_card
from tests.alarm import within


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


ODD: dict[str, Callable[[Path], None]] = {"pipe": os.mkfifo, "folder": os.mkdir, "socket": _socket}


@pytest.fixture(params=ODD)
def odd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Something that is no regular file, by a name that is short enough for a socket."""
    monkeypatch.chdir(tmp_path)
    ODD[request.param](Path("odd"))
    return tmp_path / "odd"


def test_what_is_no_regular_file_is_not_opened(odd: Path) -> None:
    for opened in (open_plain, append_plain):
        with within(5), pytest.raises(FileNotFoundError, match="not a regular file"):
            opened(odd)


def test_a_pipe_with_a_reader_is_not_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with within(5), pytest.raises(FileNotFoundError):
        append_plain(tmp_path / "pipe")
    assert os.read(reader, 10) == b""
    os.close(reader)


def test_a_link_is_read_only_where_it_may_be_and_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with open_plain(tmp_path / "link") as file:
        assert file.read() == b"mine"
    with pytest.raises(FileNotFoundError, match="not a regular file"):
        open_plain(tmp_path / "link", follow=False)
    with pytest.raises(FileNotFoundError, match="not a regular file"):
        append_plain(tmp_path / "link")
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_appending_makes_a_file_and_adds_to_it(tmp_path: Path) -> None:
    for word in (b"one\n", b"two\n"):
        with append_plain(tmp_path / "log") as file:
            file.write(word)
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
    assert not (tmp_path / "log").stat().st_mode & 0o111


def test_tensors_that_are_no_regular_file_are_damaged_and_hold_nothing_up(odd: Path) -> None:
    with within(5):
        with pytest.raises(DamagedFile, match="odd: "):
            load_tensors(odd, "0" * 64)
        with pytest.raises(OSError):
            file_sha256(odd)
        assert read_card(odd) is None
        checkpoint = odd.rename(odd.with_name(f"step-{7:012d}.{'0' * 64}.safetensors"))
        assert load_newest_checkpoint([odd.parent], set()) is None
    assert not checkpoint.exists(), "it is set aside"


def test_an_event_file_that_is_no_regular_file_is_passed_over(odd: Path) -> None:
    odd.rename(odd.with_name("events.out.tfevents.1.host"))
    with within(5):
        assert read_scalars(odd.parent) == {}
