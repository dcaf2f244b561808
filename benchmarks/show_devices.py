"""`python -m benchmarks.show_devices`: what the devices page of the workbench shows of this machine, while a GPU works.

A process of its own multiplies matrices on the first GPU, as a worker of a slot would; without one, or without torch
for it, the page is printed for an idle slot.
"""

import argparse
import socket
import subprocess
import sys
import time

from lth_core.experiment.plan import TrialKey
from lth_core.store.views import EngineView, SlotView
from lth_tui.content.device_rows import device_rows
from lth_tui.reading.machine import Meter
from lth_tui.reading.snapshot import Snapshot
from lth_tui.strips import text_of

WORK = """
import time, torch
a = torch.rand(8192, 8192, device="cuda:0")
print("works", flush=True)
end = time.monotonic() + {seconds}
while time.monotonic() < end:
    a = (a @ a).clamp(0, 1)
    torch.cuda.synchronize()
"""


def main() -> None:
    """Print the page a few times."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.show_devices")
    parser.add_argument("--seconds", type=float, default=10, help="for which the GPU works (default: 10)")
    parser.add_argument("--width", type=int, default=120)
    options = parser.parse_args()
    meter = Meter()
    print(f"NVIDIA's driver answers: {meter.has_gpus}")
    worker = _worker(options.seconds) if meter.has_gpus else None
    try:
        end = time.monotonic() + options.seconds - 1
        while True:
            time.sleep(2.0)
            print(f"\n--- {time.strftime('%H:%M:%S')}")
            _show(meter, worker, options.width)
            if worker is None or time.monotonic() > end:
                break
    finally:
        if worker is not None:
            worker.kill()
            worker.wait()


def _worker(seconds: float) -> "subprocess.Popen[str] | None":
    """A process that keeps the first GPU busy, once it does; None where it cannot."""
    command = [sys.executable, "-c", WORK.format(seconds=seconds + 5)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    if process.stdout.readline().strip() == "works":
        return process
    process.kill()
    process.wait()
    print("torch cannot use a GPU here")
    return None


def _show(meter: Meter, worker: "subprocess.Popen[str] | None", width: int) -> None:
    pid = None if worker is None else worker.pid
    machine = meter.read([] if pid is None else [pid])
    batch = None if pid is None else 1
    slot = SlotView("cuda:0/0", "cuda:0", pid, batch, None, 1, 0.5, 1234.0)
    snapshot = Snapshot(
        slots=(slot,), machine=machine, running={slot.name: (TrialKey(3, "winning", 0),)}, loaded=True,
        engine=EngineView(1, socket.gethostname(), 0.0, 0.0, "running"),
    )  # fmt: skip
    for row in device_rows(snapshot, width):
        print(text_of(row))
    if pid is not None and not any(pid in gpu.by_process for gpu in machine.gpus):
        seen = [sorted(gpu.by_process) for gpu in machine.gpus]
        print(f"the driver tells no memory of process {pid} (in a container it counts otherwise); it tells of {seen}")


if __name__ == "__main__":
    main()
