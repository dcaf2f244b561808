"""What the machine is doing: processors, memory, GPUs where there is a driver, memory of the workers. Reading only."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

from lth_core.text import one_line


@dataclass(frozen=True)
class Gpu:
    """A GPU: use of it and of its memory, bytes, degrees Celsius."""

    name: str
    busy: float
    used: int
    total: int
    temperature: int


@dataclass(frozen=True)
class Machine:
    """Use of the processors (0 to 1, of all of them), bytes of memory, GPUs, memory by process."""

    cores: int
    busy: float
    used: int
    total: int
    gpus: tuple[Gpu, ...] = ()
    resident: Mapping[int, int] = field(default_factory=dict)


class Meter:
    """Reads a Machine now and then; asks for GPUs only if a driver answered at first."""

    def __init__(self) -> None:
        self._driver = _driver()
        psutil.cpu_percent()  # the use since the last time it was asked

    def read(self, processes: Iterable[int] = ()) -> Machine:
        """The machine now; workers that are gone are left out."""
        memory = psutil.virtual_memory()
        resident: dict[int, int] = {}
        for pid in processes:
            with suppress(psutil.Error):
                resident[pid] = psutil.Process(pid).memory_info().rss
        busy = psutil.cpu_percent() / 100
        return Machine(
            psutil.cpu_count() or 1, busy, memory.total - memory.available, memory.total, self._gpus(), resident
        )

    def _gpus(self) -> tuple[Gpu, ...]:
        nvml = self._driver
        if nvml is None:
            return ()
        found: list[Gpu] = []
        with suppress(nvml.NVMLError):
            for number in range(nvml.nvmlDeviceGetCount()):
                handle = nvml.nvmlDeviceGetHandleByIndex(number)
                memory = nvml.nvmlDeviceGetMemoryInfo(handle)
                busy = nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
                heat = nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
                name = one_line(nvml.nvmlDeviceGetName(handle), 40)
                found.append(Gpu(name, busy, int(memory.used), int(memory.total), int(heat)))
        return tuple(found)


def _driver() -> Any:
    """NVIDIA's library, or None where it or the driver is missing."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no library, no driver, another version: there is nothing to show
        return None
    return pynvml
