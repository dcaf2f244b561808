"""Slots: which devices there are, and how many workers share them. Asks the driver, not torch."""

import os
import runpy
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lth_core.errors import InputError
from lth_core.experiment.tables import Tables
from lth_core.text import either, one_line

SHARES = 4
"""Slots of a GPU by default; all but the first are for networks that gain by sharing it."""


@dataclass(frozen=True)
class Slot:
    """A device, or a share of it, for one worker. extra: only for networks that gain by sharing a device."""

    name: str
    device: str
    threads: int
    extra: bool = False

    @property
    def kind(self) -> str:
        """cpu or cuda."""
        return self.device.partition(":")[0]


def find_slots(device: str = "auto", count: int | None = None) -> list[Slot]:
    """The slots of this machine.

    device: `auto` (every CUDA device that torch can use, and the CPU), `cpu`, `cuda`, or a list such as
    `cuda:0,cuda:1`. count: workers in total, on CUDA devices first; by default four per CUDA device and one per CPU
    core. Raises InputError for anything else.
    """
    if count is not None and not 1 <= count <= 1024:
        raise InputError(f"slots {count}: expected 1 to 1024")
    devices, cores = _devices(device), _cores()
    gpus = [name for name in devices if name != "cpu"]
    shared = SHARES * len(gpus) if count is None or "cpu" in devices else count
    names = [gpus[i % len(gpus)] for i in range(shared)] if gpus else []
    if "cpu" in devices:
        names += ["cpu"] * (cores if count is None else max(0, count - len(names)))
    names = names[:count]
    made = []
    for i, name in enumerate(names):
        of_kind = sum((other == "cpu") == (name == "cpu") for other in names)
        share = names[:i].count(name)
        extra = count is None and name != "cpu" and share > 0
        made.append(Slot(f"{name}/{share}", name, max(1, cores // of_kind), extra))
    return made


def usable(slots: Iterable[Slot], experiment: Tables, device: str = "auto") -> list[Slot]:
    """The slots for workers of an experiment. device: of its launcher; auto is the kind on which it trains faster.

    Raises InputError if there is no such device.
    """
    kinds = {slot.kind for slot in slots}
    kind = experiment.trains_on if device == "auto" and experiment.trains_on in kinds else device
    if device == "auto" and kind not in kinds:
        (kind,) = kinds
    if kind not in kinds:
        raise InputError(f'launcher.device "{kind}": expected {either(sorted(kinds))} on this machine')
    return [slot for slot in slots if slot.kind == kind and (experiment.model.shares_device or not slot.extra)]


def _cores() -> int:
    """Cores that this process may use; all of them on a system that restricts no process to some (macOS)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _devices(device: str) -> list[str]:
    if device == "cpu":
        return ["cpu"]
    present = [f"cuda:{i}" for i in range(_cuda_devices())]
    if device == "auto":
        return [*present, "cpu"]
    if device == "cuda" and present:
        return present
    asked = device.split(",")
    for name in asked:
        if name not in present:
            accepted = either(["auto", "cpu", *(["cuda"] if present else []), *present])
            raise InputError(f"device {one_line(name)}: expected {accepted} on this machine")
    return asked


def _cuda_devices() -> int:
    """CUDA devices that torch can use, found without importing torch, which takes seconds."""
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
