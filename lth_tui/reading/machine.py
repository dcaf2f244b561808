"""The machine's load: processors, memory, disk, GPUs if there is a driver, memory of the workers. Read only."""

import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from lth_core.text import one_line
from lth_tui.reading.past import PAUSE, Past

Histories = tuple[tuple[float, ...], tuple[float, ...]]
"""Shares from 0 to 1 of the last minute and of the last hour, the newest last."""


@dataclass(frozen=True)
class Process:
    """A process of this workspace: cores in use, bytes of memory, threads, unix time of its start."""

    pid: int
    cores: float
    memory: int
    threads: int
    started: float


@dataclass(frozen=True)
class Gpu:
    """A GPU: its use from 0 to 1, bytes of memory, degrees Celsius, watts; None if its driver does not tell.

    `by_process` is memory in bytes by process number, `past` its use over time.
    """

    name: str
    busy: float | None
    used: int | None
    total: int | None
    temperature: int | None
    watts: float | None = None
    limit: float | None = None
    by_process: Mapping[int, int] = field(default_factory=dict)
    past: Histories = ((), ())


@dataclass(frozen=True)
class Machine:
    """Use of the processors (0 to 1, of all of them), bytes of memory and disk, GPUs, processes by number."""

    cores: int
    busy: float
    used: int
    total: int
    gpus: tuple[Gpu, ...] = ()
    processes: Mapping[int, Process] = field(default_factory=dict)
    past: Histories = ((), ())
    memory_past: Histories = ((), ())
    disk_free: int | None = None


class Meter:
    """Reads a Machine from time to time; queries GPUs only if a driver answered at first."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._driver = _driver()
        self._past, self._memory_past = Past(), Past()
        self._past_of_gpu: dict[int, Past] = {}
        self._known: dict[int, psutil.Process] = {}
        self._busy, self._sampled = 0.0, float("-inf")
        psutil.cpu_percent()  # the use since the last query

    @property
    def has_gpus(self) -> bool:
        """Whether a driver answered."""
        return self._driver is not None

    def sample(self) -> None:
        """Note the use of processors and memory, if the last time is a while ago; cheap, also while nobody looks."""
        now = time.monotonic()
        if now < self._sampled + PAUSE:
            return
        self._sampled = now
        memory = psutil.virtual_memory()
        self._busy = psutil.cpu_percent() / 100
        self._past.add(self._busy, now)
        self._memory_past.add((memory.total - memory.available) / memory.total, now)

    def read(self, processes: Iterable[int] = ()) -> Machine:
        """The machine now, without workers that have ended."""
        self.sample()
        memory = psutil.virtual_memory()
        wanted = list(processes)
        self._known = {pid: process for pid, process in self._known.items() if pid in wanted}
        found = {pid: process for pid in wanted if (process := self._process(pid)) is not None}
        free = None
        with suppress(OSError):
            free = None if self._folder is None else shutil.disk_usage(self._folder).free
        return Machine(
            psutil.cpu_count() or 1, self._busy, memory.total - memory.available, memory.total, self._gpus(), found,
            self._past.values, self._memory_past.values, free,
        )  # fmt: skip

    def _process(self, pid: int) -> Process | None:
        with suppress(psutil.Error):
            process = self._known.setdefault(pid, psutil.Process(pid))
            with process.oneshot():
                return Process(pid, process.cpu_percent() / 100, process.memory_info().rss, process.num_threads(),
                               process.create_time())  # fmt: skip
        self._known.pop(pid, None)
        return None

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
        past = self._past_of_gpu.setdefault(number, Past())
        if busy is not None:
            past.add(busy, time.monotonic())
        return Gpu(
            name=one_line(name.decode() if isinstance(name, bytes) else name, 40),
            busy=busy,
            used=None if memory is None else int(memory.used),
            total=None if memory is None else int(memory.total),
            temperature=None if heat is None else int(heat),
            watts=None if draw is None else draw / 1000,
            limit=None if limit is None else limit / 1000,
            by_process={int(p.pid): int(p.usedGpuMemory) for p in running if p.usedGpuMemory is not None},
            past=past.values,
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
