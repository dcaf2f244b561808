"""Folders for a user's files, on a machine where the user may have no writable home."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from lth_core.errors import InputError
from lth_core.text import one_line


def home() -> Path | None:
    """The user's home; None if there is none, as in a container with a numeric user."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def caches() -> Path:
    """Folder for caches: the user's own, or a private temporary one."""
    return _named("XDG_CACHE_HOME", ".cache")


def settings() -> Path:
    """Folder of the user's settings; it need not exist."""
    return _named("XDG_CONFIG_HOME", ".config", written=False)


def settings_file() -> Path:
    """The user's settings: `lth/workbench.toml` in that folder."""
    return settings() / "lth" / "workbench.toml"


def temporary(otherwise: Path) -> Path:
    """The system's folder for temporary files, or `otherwise` if none is writable."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return otherwise


def settle() -> None:
    """Set existing folders for libraries that look for a home, so that they print no warnings."""
    with contextlib.suppress(InputError):
        if home() is None:
            os.environ["HOME"] = str(_private())
        for_matplotlib = (_named(name, word, written=False) for name, word in _FOLDERS.items())
        if "MPLCONFIGDIR" not in os.environ and not all(_writable(path / "matplotlib") for path in for_matplotlib):
            os.environ["MPLCONFIGDIR"] = str(caches() / "lth" / "matplotlib")


_FOLDERS = {"XDG_CACHE_HOME": ".cache", "XDG_CONFIG_HOME": ".config"}


def _named(variable: str, word: str, *, written: bool = True) -> Path:
    own, base = os.environ.get(variable), home()
    if own:
        return Path(own)
    if base is not None and (not written or _writable(base / word)):
        return base / word
    return _private()


def _writable(path: Path) -> bool:
    """Whether a folder is writable, or can be created."""
    there = next((one for one in (path, *path.parents) if one.exists()), path)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _private() -> Path:
    """A folder of this user alone; raises InputError if it cannot be created."""
    wanted = "expected a folder that can be written, as TMPDIR"
    try:
        path = Path(tempfile.gettempdir()) / f"lth-{os.getuid()}"
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise InputError(f"no place for temporary files: {error.strerror or one_line(error)}: {wanted}") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise InputError(f"{one_line(path)}: belongs to somebody else: {wanted}")
    return path
