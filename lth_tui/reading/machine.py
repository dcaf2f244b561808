"""The machine's load: processors, memory, disk, GPUs if there is a driver, memory of the workers. Read only."""

import shutil
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from lth_core.text import one_line

KEPT = 120
"""Measurements that are remembered for the small curves."""


@dataclass(frozen=True)
class Gpu:
    """A GPU: its use from 0 to 1, bytes of memory, degrees Celsius, watts; None if its driver does not tell.

    `by_process` is memory in bytes by process number, `past` the newest uses, the latest last.
    """

    name: str
    busy: float | None
    used: int | None
    total: int | None
    temperature: int | None
    watts: float | None = None
    limit: float | None = None
    by_process: Mapping[int, int] = field(default_factory=dict)
    past: tuple[float, ...] = ()


@dataclass(frozen=True)
class Machine:
    """Use of the processors (0 to 1, of all of them), bytes of memory and disk, GPUs, memory by process."""

    cores: int
    busy: float
    used: int
    total: int
    gpus: tuple[Gpu, ...] = ()
    resident: Mapping[int, int] = field(default_factory=dict)
    past: tuple[float, ...] = ()
    disk_free: int | None = None


class Meter:
    """Reads a Machine from time to time; queries GPUs only if a driver answered at first."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._driver = _driver()
        self._past: deque[float] = deque(maxlen=KEPT)
        self._past_of_gpu: dict[int, deque[float]] = {}
        psutil.cpu_percent()  # the use since the last query

    @property
    def has_gpus(self) -> bool:
        """Whether a driver answered."""
        return self._driver is not None

    def read(self, processes: Iterable[int] = ()) -> Machine:
        """The machine now, without workers that have ended."""
        memory = psutil.virtual_memory()
        resident: dict[int, int] = {}
        for pid in processes:
            with suppress(psutil.Error):
                resident[pid] = psutil.Process(pid).memory_info().rss
        busy = psutil.cpu_percent() / 100
        self._past.append(busy)
        free = None
        with suppress(OSError):
            free = None if self._folder is None else shutil.disk_usage(self._folder).free
        return Machine(
            psutil.cpu_count() or 1, busy, memory.total - memory.available, memory.total, self._gpus(), resident,
            tuple(self._past), free,
        )  # fmt: skip

    def _gpus(self) -> tuple[Gpu, ...]:
        nvml = self._driver
        if nvml is None:
            return ()
        count = _told(nvml, nvml.nvmlDeviceGetCount) or 0
        found = (_told(nvml, partial(self._gpu, nvml, number)) for number in range(count))
        return tuple(gpu for gpu in found if gpu is not None)

    def _gpu(self, nvml: Any, number: int) -> Gpu:
        handle = nvml.nvmlDeviceGetHandleByIndex(number)
        name = _told(nvml, lambda: nvml.nvmlDeviceGetName(handle)) or "GPU"
        use = _told(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        memory = _told(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
        heat = _told(nvml, lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
        draw = _told(nvml, lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        limit = _told(nvml, lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))
        running = _told(nvml, lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle)) or ()
        busy = None if use is None else use / 100
        past = self._past_of_gpu.setdefault(number, deque(maxlen=KEPT))
        if busy is not None:
            past.append(busy)
        return Gpu(
            name=one_line(name.decode() if isinstance(name, bytes) else name, 40),
            busy=busy,
            used=None if memory is None else int(memory.used),
            total=None if memory is None else int(memory.total),
            temperature=None if heat is None else int(heat),
            watts=None if draw is None else draw / 1000,
            limit=None if limit is None else limit / 1000,
            by_process={int(p.pid): int(p.usedGpuMemory) for p in running if p.usedGpuMemory is not None},
            past=tuple(past),
        )


def _told(nvml: Any, ask: Callable[[], Any]) -> Any:
    """The driver's answer; None where it cannot tell (a share of a GPU has no use, some have no temperature)."""
    with suppress(nvml.NVMLError):
        return ask()
    return None


def _driver() -> Any:
    """NVIDIA's library, or None if it or the driver is missing."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no library, no driver, another version: there is nothing to show
        return None
    return pynvml
