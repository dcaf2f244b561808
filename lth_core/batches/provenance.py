"""What a job and its attempts ran with: versions, machine, devices, git revision. Stored before the first step."""

import contextlib
import json
import os
import platform
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from lth_core import __version__

_PACKAGES = (
    "torch",
    "numpy",
    "gymnasium",
    "ale-py",
    "transformers",
    "tokenizers",
    "datasets",
    "safetensors",
    "pydantic",
)
_COMMIT = "# branch.oid "
RECORDED = "revision.json"
"""The file beside `lth_core/__init__.py` in which a build records its revision."""
MOMENT = 1.0
"""Seconds for which a git revision is remembered."""


def provenance(
    source: str, devices: list[str], modules: Iterable[str] = (), revisions: "Revisions | None" = None
) -> dict[str, Any]:  # fmt: skip
    """Facts as JSON values; source: the experiment's file, whose git revision is looked up.

    modules: modules that the experiment names; the versions of their packages are included.
    """
    return {
        "lth": __version__,
        "python": platform.python_version(),
        "packages": {name: version_of(name) for name in (*_PACKAGES, *_packages_of(tuple(modules)))},
        "host": socket.gethostname(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "devices": devices,
        "git": (revisions or Revisions()).of(Path(source)),
    }


@lru_cache(maxsize=8)
def attempt_facts(device: str, threads: int) -> dict[str, Any]:
    """What a worker runs an attempt with. device: its name. The git revision is this program's own.

    Looked up once in a process, because imported modules do not change.
    """
    return {
        "lth": __version__,
        "python": platform.python_version(),
        "packages": {name: version_of(name) for name in _PACKAGES},
        "threads": threads,
        "device": device,
        "host": socket.gethostname(),
        "git": own_revision(),
    }


def own_revision() -> dict[str, Any] | None:
    """This program's commit, and whether files were changed: of its checkout, else as recorded when it was built."""
    here = Path(__file__).resolve()
    if _git(here.parent, "ls-files", "--error-unmatch", here.name) is not None:
        return _git_revision(here.parent)
    try:
        recorded: dict[str, Any] = json.loads((here.parents[1] / RECORDED).read_text())
    except OSError:  # built from files without their history
        return None
    return recorded


def version_in_words() -> str:
    """The version with its revision, as `--version` prints it."""
    revision = own_revision()
    if revision is None:
        return __version__
    return f"{__version__} (revision {revision['commit'][:12]}{', with changes' if revision['changed'] else ''})"


def processor() -> str:
    """The name of this machine's processor."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@lru_cache(maxsize=64)
def version_of(name: str) -> str | None:
    """The version of an installed package; None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _packages_of(modules: tuple[str, ...]) -> list[str]:
    """The packages these modules belong to; for a module of no package, its own name."""
    known = metadata.packages_distributions() if modules else {}
    found = [package for module in modules for package in known.get(module.partition(".")[0], [module])]
    return [package for package in dict.fromkeys(found) if package not in _PACKAGES]


class Revisions:
    """Looks up git revisions, and remembers them for a moment: git takes longer than all else of queueing a job.

    They are looked up again at once if the experiment's file, or what git says of itself, has changed.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], tuple[float, dict[str, Any] | None]] = {}

    def of(self, source: Path) -> dict[str, Any] | None:
        """The revision of a file's folder; None outside a git checkout and before the first commit."""
        now, key = time.monotonic(), (source, *_signs(source))
        self._known = {other: known for other, known in self._known.items() if now - known[0] < MOMENT}
        if key not in self._known:
            self._known[key] = now, _git_revision(source.parent)
        return self._known[key][1]


def _signs(source: Path) -> Iterator[tuple[int, int] | None]:
    """Sizes and times of the files that change with the file's revision."""
    folder = next((one / ".git" for one in source.absolute().parents if (one / ".git").exists()), Path(".git"))
    for path in (source, folder / "HEAD", folder / "index", folder / "logs" / "HEAD"):
        try:
            found = path.stat()
        except OSError:
            yield None
        else:
            yield found.st_size, found.st_mtime_ns


def _git_revision(folder: Path) -> dict[str, Any] | None:
    """The commit, and whether the tree has changes; None outside a git checkout and before the first commit."""
    said = _git(folder, "status", "--porcelain=v2", "--branch", "--no-ahead-behind", "--untracked-files=no")
    lines = [] if said is None else said.splitlines()
    commit = next((line.removeprefix(_COMMIT) for line in lines if line.startswith(_COMMIT)), "(initial)")
    if commit == "(initial)":
        return None
    return {"commit": commit, "changed": not all(line.startswith("#") for line in lines)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
