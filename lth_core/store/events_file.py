"""Reads TensorBoard event files, as a plain loop over TFRecords; used only to rebuild a database."""

import struct
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from lth_core.store.plain import open_plain

LARGEST_EVENT = 16_000_000
"""Bytes; an event with a greater length is damaged."""

Scalars = dict[tuple[str, int], float]


def hyperparameters(folder: Path) -> list[Event]:
    """The events of a trial that hold its hyperparameters, each once."""
    events = [event for path in sorted(folder.glob("events.out.tfevents.*")) for event in _events(_content(path))]
    held = (e for e in events if any(v.metadata.plugin_data.plugin_name == "hparams" for v in e.summary.value))
    return list({event.summary.SerializeToString(): event for event in held}.values())


def is_metric(name: str) -> bool:
    """Whether a scalar of that name is a point of a curve that the database also has."""
    return name != "score" and not name.startswith("sparsity/")


def read_scalars(folder: Path) -> Scalars:
    """(name, step) to value, from all event files in a trial's folder, in the order of their names.

    A file is read up to its first damaged or incomplete event; a resumed run replaces what followed its checkpoint.
    Values have the files' single precision.
    """
    found: Scalars = {}
    for path in sorted(folder.glob("events.out.tfevents.*"), key=lambda path: path.name):
        for event in _events(_content(path)):
            if event.session_log.status == SessionLog.START:
                found = {key: value for key, value in found.items() if key[1] <= event.step}
            for value in event.summary.value:
                if value.WhichOneof("value") == "simple_value":
                    found[value.tag, event.step] = value.simple_value
    return found


def damaged_files(folder: Path) -> list[Path]:
    """Event files of a trial in which an event does not match its checksum; one cut off at the end does not count."""
    return [path for path in sorted(folder.glob("events.out.tfevents.*")) if _is_damaged(_content(path))]


def _is_damaged(content: bytes) -> bool:
    place = 0
    while place + 12 <= len(content):
        length, checksum = struct.unpack_from("<QI", content, place)
        if length > LARGEST_EVENT or masked_crc32c(content[place : place + 8]) != checksum:
            return True
        end = place + 12 + length
        if end + 4 > len(content):
            return False
        if masked_crc32c(content[place + 12 : end]) != struct.unpack_from("<I", content, end)[0]:
            return True
        place = end + 4
    return False


def _content(path: Path) -> bytes:
    """A file's content; empty if it is no regular file."""
    try:
        with open_plain(path) as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _events(content: bytes) -> Iterator[Event]:
    """Complete events; each is a length with its checksum, then that many bytes with theirs."""
    place = 0
    while place + 16 <= len(content):
        length, checksum = struct.unpack_from("<QI", content, place)
        end = place + 12 + length
        if length > LARGEST_EVENT or end + 4 > len(content) or masked_crc32c(content[place : place + 8]) != checksum:
            return
        data = content[place + 12 : end]
        if masked_crc32c(data) != struct.unpack_from("<I", content, end)[0]:
            return
        try:
            yield Event.FromString(data)
        except DecodeError:
            return
        place = end + 4
