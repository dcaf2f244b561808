"""What a job and its attempts ran with: versions, machine, devices, git revision. Stored before the first step."""

import contextlib
import os
import platform
import socket
import subprocess
from collections.abc import Callable, Iterable
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


def provenance(
    source: str, devices: list[str], modules: Iterable[str] = (),
    revision: Callable[[Path], dict[str, Any] | None] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Facts as JSON values; source: the experiment's file, whose git revision is looked up.

    modules: modules that the experiment names; the versions of their packages are included. revision: `git_revision`,
    or one that remembers what it found.
    """
    return {
        "lth": __version__,
        "python": platform.python_version(),
        "packages": {name: version_of(name) for name in (*_PACKAGES, *_packages_of(tuple(modules)))},
        "host": socket.gethostname(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "devices": devices,
        "git": (revision or git_revision)(Path(source).parent),
    }


@lru_cache(maxsize=8)
def attempt_facts(device: str, threads: int) -> dict[str, Any]:
    """What a worker runs an attempt with. device: its name. The git revision is this program's own, if it has one.

    Looked up once in a process, because imported modules do not change.
    """
    own = Path(__file__).resolve().parent
    tracked = _git(own, "ls-files", "--error-unmatch", Path(__file__).name) is not None
    return {
        "lth": __version__,
        "python": platform.python_version(),
        "packages": {name: version_of(name) for name in _PACKAGES},
        "threads": threads,
        "device": device,
        "host": socket.gethostname(),
        "git": git_revision(own) if tracked else None,
    }


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


def git_revision(folder: Path) -> dict[str, Any] | None:
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
            ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
