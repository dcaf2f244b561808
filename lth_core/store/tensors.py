"""Files that must never be half written or silently wrong: safetensors with a checksum, written atomically.

Neither safetensors nor any filesystem here notices a flipped bit, so every read compares a SHA-256. numpy only.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from lth_core.store.plain import open_plain
from lth_core.text import one_line

Arrays = dict[str, npt.NDArray[Any]]
_CHECKPOINT = re.compile(r"step-(\d{12})\.([0-9a-f]{64})\.safetensors")
_LARGEST_HEADER = 100_000_000


class DamagedFile(Exception):
    """A file is missing, truncated, or does not match its checksum."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path`: even after a crash there is either the old file or the complete new one.

    Raises OSError (ENOSPC on a full disk, also where the system writes short without an error).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        with temporary.open("xb", buffering=0) as file:  # never through an existing link
            view = memoryview(content)
            while view:
                written = file.write(view)
                if not written:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
                view = view[written:]
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is not None:
            error.filename = str(path)  # the other name is gone, and means nothing to who reads of it
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_tensors(path: Path, arrays: Mapping[str, npt.NDArray[Any]], values: Mapping[str, Any]) -> str:
    """Write arrays, and JSON values as the metadata entry `values`; returns the file's SHA-256."""
    content = serialised(arrays, values)
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def load_tensors(path: Path, sha256: str) -> tuple[Arrays, dict[str, Any]]:
    """Arrays and JSON values of a file; DamagedFile if it is missing or its checksum differs."""
    try:
        with open_plain(path) as file:
            content = file.read()
    except OSError as error:
        raise DamagedFile(f"{one_line(path.name)}: {error.strerror}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DamagedFile(f"{one_line(path.name)}: its checksum is {found[:12]}..., {sha256[:12]}... was recorded")
    return _parse(path, content)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file."""
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_card(path: Path) -> dict[str, Any] | None:
    """The JSON values of a tensor file, without its arrays; None if it is no such file."""
    try:
        with open_plain(path) as file:
            length = int.from_bytes(file.read(8), "little")
            found = json.loads(json.loads(file.read(min(length, _LARGEST_HEADER)))["__metadata__"]["values"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def mask_shapes(metadata: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the layers in a finished trial's packed mask, from its file's metadata."""
    layers = json.loads(metadata["values"])["mask"]
    return {str(name): tuple(int(length) for length in shape) for name, shape in layers}


def save_checkpoint(folder: Path, step: int, arrays: Mapping[str, npt.NDArray[Any]], values: Mapping[str, Any]) -> Path:
    """Write a checkpoint whose name carries its checksum, and delete all but the two newest."""
    path = save_hashed(folder, f"step-{step:012d}", arrays, values)
    for old in _checkpoints(folder)[2:]:
        old.unlink(missing_ok=True)
    return path


def save_hashed(
    folder: Path, name: str, arrays: Mapping[str, npt.NDArray[Any]], values: Mapping[str, Any] | None = None
) -> Path:
    """Write a tensor file whose name, NAME.SHA256.safetensors, carries its checksum."""
    content = serialised(arrays, values or {})
    path = folder / f"{name}.{hashlib.sha256(content).hexdigest()}.safetensors"
    write_atomically(path, content)
    return path


def load_newest_checkpoint(
    folders: list[Path], trials: Collection[int], fits: Callable[[int, dict[str, Any]], bool] = lambda *_: True,
    more: Callable[[dict[str, Any]], Arrays] = lambda _: {},
) -> tuple[Arrays, dict[str, Any]] | None:  # fmt: skip
    """The undamaged checkpoint of the highest step that holds only these trials and fits.

    Damaged ones are renamed to `.damaged`, and those that do not fit to `.unfit`. One with more trials is skipped: a
    parent of those trials was damaged since, and a stack cannot continue in part.
    fits: called with the step and the JSON values of a checkpoint. more: arrays of other files that belong to a
    checkpoint with these values; raises DamagedFile.
    """
    found = [path for folder in folders for path in _checkpoints(folder)]
    for path in sorted(found, key=lambda p: p.name, reverse=True):
        match = _CHECKPOINT.fullmatch(path.name)
        try:
            arrays, values = load_tensors(path, match[2] if match else "")
            if set(values["trials"]) <= set(trials):
                if fits(int(path.name[5:17]), values):
                    return {**arrays, **more(values)}, values
                path.rename(path.with_name(path.name + ".unfit"))
        except DamagedFile:
            path.rename(path.with_name(path.name + ".damaged"))
    return None


def newest_step(folder: Path) -> int:
    """The step of a folder's newest checkpoint, damaged or not; 0 if there is none."""
    return next((int(path.name[5:17]) for path in _checkpoints(folder)), 0)


def _checkpoints(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted((p for p in folder.iterdir() if _CHECKPOINT.fullmatch(p.name)), reverse=True)


def serialised(arrays: Mapping[str, npt.NDArray[Any]], values: Mapping[str, Any]) -> bytes:
    """A tensor file's content, see `save_tensors`."""
    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    return bytes(save(whole, metadata={"values": json.dumps(values, sort_keys=True)}))


def _parse(path: Path, content: bytes) -> tuple[Arrays, dict[str, Any]]:
    try:
        arrays = load(content)
        length = int.from_bytes(content[:8], "little")
        values = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["values"])
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        kind = type(error).__name__
        raise DamagedFile(f"{one_line(path.name)}: not a tensor file of this program ({kind})") from None
    return {name: array.copy() for name, array in arrays.items()}, values
