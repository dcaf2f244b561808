"""Slots: which devices there are, and how many workers share them. Asks the driver, not torch."""

import os
import runpy
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lth_core.errors import InputError
from lth_core.text import one_line


@dataclass(frozen=True)
class Slot:
    """A device, or a share of it, that holds one worker."""

    name: str
    device: str
    threads: int


def find_slots(device: str = "auto", count: int | None = None) -> list[Slot]:
    """The slots of this machine.

    device: `auto` (every CUDA device where torch can use one, else the CPU), `cpu`, `cuda`, or a list such as
    `cuda:0,cuda:1`. count: workers in all; by default one per CUDA device, or one per CPU core.
    Raises InputError for anything else.
    """
    devices = _devices(device)
    cores = len(os.sched_getaffinity(0))
    if count is None:
        count = cores if devices == ["cpu"] else len(devices)
    if not 1 <= count <= 1024:
        raise InputError(f"slots {count}: accepted are 1 to 1024")
    chosen = [devices[i % len(devices)] for i in range(count)]
    return [Slot(f"{name}/{chosen[:i].count(name)}", name, max(1, cores // count)) for i, name in enumerate(chosen)]


def _devices(device: str) -> list[str]:
    if device == "cpu":
        return ["cpu"]
    present = [f"cuda:{i}" for i in range(_cuda_devices())]
    if device == "auto":
        return present or ["cpu"]
    if device == "cuda" and present:
        return present
    asked = device.split(",")
    for name in asked:
        if name not in present:
            accepted = ", ".join(["auto", "cpu", *(["cuda"] if present else []), *present])
            raise InputError(f"device {one_line(name)}: accepted here are {accepted}")
    return asked


def _cuda_devices() -> int:
    """CUDA devices that torch can use, found without importing it (seconds)."""
    torch = find_spec("torch")
    if torch is None or torch.origin is None:
        return 0
    if runpy.run_path(str(Path(torch.origin).with_name("version.py"))).get("cuda") is None:
        return 0
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    present = sum(line.startswith("GPU ") for line in listing.stdout.splitlines())
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return present
    return min(present, len([part for part in visible.split(",") if part.strip() not in ("", "-1")]))
