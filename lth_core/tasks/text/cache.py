"""The user's cache folder: files made once from a source and read by every run. Made completely or not at all."""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from lth_core import places
from lth_core.errors import InputError
from lth_core.long_work import tell
from lth_core.text import is_name, one_line

_CARD = "card.json"
_LOOK = 0.2
"""Seconds between two looks at a folder that another process is making."""


def folder() -> Path:
    """LTH_CACHE, or `lth` in the user's cache folder."""
    own = os.environ.get("LTH_CACHE")
    return Path(own) if own else places.caches() / "lth"


def key(facts: dict[str, Any]) -> str:
    """A name for the files that follow from these facts."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def name_for(kind: str, facts: dict[str, Any], revision: str | None) -> str:
    """The name of the files that follow from these facts, at this revision of a download if it is known.

    The first revision is named by the facts alone, because it is unknown before the download.
    """
    name = key(facts)
    try:
        made_of = json.loads((folder() / kind / name / _CARD).read_text()).get("revision")
    except (OSError, ValueError, AttributeError, RecursionError):
        return name
    return name if revision is None or made_of in (None, revision) else key({**facts, "revision": revision})


def has(kind: str, name: str) -> bool:
    """Whether `prepared` has made this folder before; does not check its files."""
    try:
        return (folder() / kind / name).is_dir()
    except OSError:  # a cache that cannot be read; `prepared` says so
        return False


def prepared(kind: str, name: str, make: Callable[[Path], dict[str, Any]]) -> tuple[Path, dict[str, Any]]:
    """The folder that `make` has filled, now or earlier, and the card that it returned.

    make receives an empty folder. Of several processes one makes it and the others wait. A folder with a file that does
    not match its checksum is set aside and made again. Raises InputError if the cache cannot be written.
    """
    if not (is_name(kind) and is_name(name)):
        raise ValueError(f"not a name: {kind!r} or {name!r}")
    parent = folder() / kind
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with (parent / f".{name}.lock").open("w") as lock:
            _lock(lock)
            done = parent / name
            card = _card(done)
            if card is None:
                card = _make(done, make)
            return done, card
    except OSError as error:
        raise InputError(
            f"cache folder {one_line(parent)}: {error.strerror or one_line(error)}; LTH_CACHE sets another folder"
        ) from None


def _lock(file: IO[str]) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            tell("waiting for another process, which prepares the same data")
            time.sleep(_LOOK)


def _make(done: Path, make: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    temporary = done.with_name(f".{done.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        card = make(temporary)
        card = {**card, "files": {path.name: sha256_of(path) for path in sorted(temporary.iterdir())}}
        (temporary / _CARD).write_text(json.dumps(card, indent=1, sort_keys=True))
        for path in temporary.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        if done.exists():
            shutil.rmtree(done.with_name(f".{done.name}.damaged"), ignore_errors=True)
            done.rename(done.with_name(f".{done.name}.damaged"))
        temporary.rename(done)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return card


def _card(done: Path) -> dict[str, Any] | None:
    """The card of a folder whose files are undamaged; None for any other."""
    try:
        card: dict[str, Any] = json.loads((done / _CARD).read_text())
        whole = all(sha256_of(done / name) == sha256 for name, sha256 in card["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return card if whole else None


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
