"""The devices: what is told of slots, GPUs and machine, with NVIDIA's library imitated at its boundary."""

import os
import socket
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest
from tui_helpers import Open, until
from workspace_fixture import Writer

from lth_core.experiment.plan import TrialKey
from lth_core.store.views import EngineView, SlotView
from lth_tui.content.device_rows import device_rows, trials_in_words
from lth_tui.reading.machine import Gpu, Machine, Meter, Process
from lth_tui.reading.past import Past
from lth_tui.reading.snapshot import Snapshot
from lth_tui.screens.ask import Ask
from lth_tui.screens.devices import DevicesPage
from lth_tui.strips import text_of
from lth_tui.widgets.lines import Lines
from lth_tui.widgets.list_pane import ListPane


class NVMLError(Exception):
    """What the library raises."""


def driver(**changes: Any) -> SimpleNamespace:
    """Two GPUs as `pynvml` tells of them: a whole one, and one of which half is not told."""
    lacking = changes.pop("lacking", {1: ("use", "temperature", "power")})

    def told(what: str, value: Any) -> Any:
        def ask(handle: int, *_: Any) -> Any:
            if what in lacking.get(handle, ()):
                raise NVMLError(f"{what} not supported")
            return value

        return ask

    made = SimpleNamespace(
        NVMLError=NVMLError, NVML_TEMPERATURE_GPU=0,
        nvmlInit=lambda: None, nvmlDeviceGetCount=lambda: 2, nvmlDeviceGetHandleByIndex=lambda number: number,
        nvmlDeviceGetName=lambda handle: (b"NVIDIA H100 80GB HBM3", "A share\x1b[31m of a GPU")[handle],
        nvmlDeviceGetUtilizationRates=told("use", SimpleNamespace(gpu=87, memory=40)),
        nvmlDeviceGetMemoryInfo=told("memory", SimpleNamespace(total=80 * 2**30, used=20 * 2**30, free=60 * 2**30)),
        nvmlDeviceGetTemperature=told("temperature", 61),
        nvmlDeviceGetPowerUsage=told("power", 320_000), nvmlDeviceGetEnforcedPowerLimit=told("power", 700_000),
        nvmlDeviceGetComputeRunningProcesses=told("processes", [
            SimpleNamespace(pid=os.getpid(), usedGpuMemory=3 * 10**9), SimpleNamespace(pid=7, usedGpuMemory=None)]),
    )  # fmt: skip
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", driver())  # type: ignore[arg-type]


@pytest.mark.usefixtures("gpus")
def test_a_gpu_is_read_and_what_is_not_told_is_none() -> None:
    whole, share = Meter().read([os.getpid()]).gpus
    assert (whole.name, whole.busy, whole.temperature, whole.watts, whole.limit) == (
        "NVIDIA H100 80GB HBM3", 0.87, 61, 320.0, 700.0)  # fmt: skip
    assert (whole.used, whole.total, whole.by_process) == (20 * 2**30, 80 * 2**30, {os.getpid(): 3 * 10**9})
    assert share.name == "A share of a GPU" and share.total == 80 * 2**30
    assert share.busy is share.temperature is share.watts is None


def test_a_gpu_that_falls_off_the_bus_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def handle(number: int) -> int:
        if number == 0:
            raise NVMLError("GPU is lost")
        return number

    monkeypatch.setitem(sys.modules, "pynvml", driver(nvmlDeviceGetHandleByIndex=handle))  # type: ignore[arg-type]
    assert [gpu.name for gpu in Meter().read().gpus] == ["A share of a GPU"]


def test_without_library_or_driver_there_are_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_driver() -> None:
        raise NVMLError("Driver Not Loaded")

    for library in (None, driver(nvmlInit=no_driver)):
        monkeypatch.setitem(sys.modules, "pynvml", library)  # type: ignore[arg-type]
        meter = Meter()
        assert not meter.has_gpus and meter.read().gpus == () and meter.read().total > 0


@pytest.mark.usefixtures("gpus")
def test_use_is_remembered_for_a_minute_and_an_hour() -> None:
    meter = Meter()
    for _ in range(3):
        machine = meter.read([os.getpid()])
    assert machine.gpus[0].past == ((0.87, 0.87, 0.87), (pytest.approx(0.87),)) and machine.gpus[1].past == ((), ())
    assert len(machine.past[0]) == 1, "every two seconds, however often it is read"
    process = machine.processes[os.getpid()]
    assert process.memory > 0 and process.threads > 0 and process.started > 0


def test_an_hour_is_kept_as_means_of_minutes() -> None:
    past = Past()
    for number in range(2 * 3600 // 2):
        past.add(0.5 if number % 2 else 0.0, 2.0 * number)
    minute, hour = past.values
    assert len(minute) == 30 and len(hour) == 60 and set(hour) == {0.25}


def rows_of(snapshot: Snapshot, width: int = 120) -> str:
    return "\n".join(text_of(row) for row in device_rows(snapshot, width))


def test_slots_tell_trial_rate_and_memory_on_the_gpu() -> None:
    gpu = Gpu("H100", 0.5, 2**30, 2**31, 88, by_process={11: 5_000_000_000}, past=((0.0, 0.5, 1.0), ()))
    worker = Process(11, 1.5, 1_500_000_000, 7, time.time() - 3600)
    machine = Machine(8, 0.25, 2**30, 2**32, (gpu,), {11: worker}, ((0.25,), (0.5,)), ((0.1,), ()), 2**33)
    slots = (
        SlotView("cuda:0/0", "cuda:0", 11, 1, 3, 4, 0.5, 12_300.0),
        SlotView("cuda:0/1", "cuda:0", None, None, None, 0, 0.0, None),
    )
    running = {"cuda:0/0": tuple(TrialKey(3, arm, seed) for arm in ("winning", "random") for seed in (0, 1))}
    text = rows_of(Snapshot(slots=slots, machine=machine, running=running, loaded=True))
    expected = (
        "50%     12k  1.50 GB  5.00 GB  3 : winning random, round 3, seeds 0-1", "idle", "GPU 0   H100  88 °C",
        "last minute ▁▅█ mean 50%", "50%  1.0 of 2.0 GiB", "last hour   ▅ mean 50%",
        "worker of cuda:0/0      11  1.50  1.50 GB       7  1:00:00", "25%  of 8 cores", "8.0 GiB free",
    )  # fmt: skip
    for words in expected:
        assert words in text, text


def test_an_engine_elsewhere_is_said() -> None:
    machine = Machine(2, 0.1, 1, 2)
    here = EngineView(1, socket.gethostname(), 0.0, 0.0, "running")
    away = EngineView(1, "node-17", 0.0, 0.0, "running")
    assert "the engine runs on node-17" in rows_of(Snapshot(machine=machine, engine=away))
    assert "the engine runs on" not in rows_of(Snapshot(machine=machine, engine=here))


def test_trials_in_words() -> None:
    assert trials_in_words(()) == ""
    assert trials_in_words([TrialKey(2, "random", 5)]) == "random, round 2, seed 5"
    many = [TrialKey(r, "winning", s) for r in (1, 2) for s in (0, 1, 2, 7)]
    assert trials_in_words(many) == "winning, rounds 1-2, seeds 0-2,7"


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_devices_page_shows_them_and_changes_the_slots(
    opened: Open, writer: Writer, size: tuple[int, int]
) -> None:  # fmt: skip
    async with opened(size) as (app, pilot):
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, DevicesPage))
        pane = app.screen.query_one("#devices", ListPane)
        await until(pilot, lambda: "GPU 0" in pane.text and "61 °C" in pane.text and "20.0 of 80.0 GiB" in pane.text)
        await until(pilot, lambda: "2 cartpole: winning random reinit one_shot, round 5, seeds 0-3" in pane.text)
        assert "GPU 87%" in app.screen.query_one("#header", Lines).text
        await pilot.press("plus")
        await until(pilot, lambda: ("slots", {"count": 2}) in writer.asked())
        await pilot.press("minus")  # of the single slot that there is
        await until(pilot, lambda: any("from 1 to 1024" in text for _, _, text in app.said))
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press("ctrl+u", "3", "enter")
        await until(pilot, lambda: ("slots", {"count": 3}) in writer.asked())
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, DevicesPage))
