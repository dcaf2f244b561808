"""Which batches a kept worker serves, and how long it may take to stop."""

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lth_core.batches import patience
from lth_core.batches.request import Request
from lth_core.engine.dispatch import _code
from lth_core.engine.launchers.local import GRACE, LONGEST, LocalWorkers
from lth_core.engine.slots import find_slots
from lth_core.settings.control import ControlTask
from lth_core.store.workspace import Workspace


def test_a_worker_that_has_run_code_of_others_serves_no_other_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def spawn(self: LocalWorkers, *_: Any) -> Any:
        process = SimpleNamespace(pid=0, poll=lambda: None, send_signal=lambda _: None)
        started.append(SimpleNamespace(process=process, ask=lambda _: None, close=lambda: None))
        return started[-1]

    monkeypatch.setattr(LocalWorkers, "_spawn", spawn)
    launcher = LocalWorkers(Workspace(tmp_path), find_slots("cpu", 1))
    own = ControlTask(environment="/a/b.py:C", contents=(("environment", "0" * 64),))
    changed = own.model_copy(update={"contents": (("environment", "1" * 64),)})
    workers = []
    for number, task in enumerate([ControlTask(), own, own, changed, ControlTask(), ControlTask()], 1):
        launcher.prepare("cpu/0")  # as the engine does beforehand
        launcher.submit("cpu/0", Request(number, 1, "", launcher.slots["cpu/0"].threads, _code(task)))
        launcher._running.clear()
        workers.append(len(started))
    assert workers == [1, 1, 1, 2, 3, 3]


@pytest.mark.parametrize(
    ("seconds", "queued", "killed"),
    [(GRACE - 1, 0.0, False), (GRACE + 1, 0.0, True), (GRACE + 30, 31.0, False), (LONGEST + 1, LONGEST, True)],
)
def test_a_worker_has_its_time_to_stop_even_when_others_have_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, queued: float, killed: bool
) -> None:
    sent: list[int] = []
    process = SimpleNamespace(pid=0, poll=lambda: None, send_signal=sent.append)
    worker = SimpleNamespace(process=process, ask=lambda _: None, close=lambda: None)
    monkeypatch.setattr(LocalWorkers, "_spawn", lambda *_: worker)
    clock = {"now": 0.0, "queued": 0.0}
    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: clock["now"]))
    monkeypatch.setattr(patience, "_queued", lambda _: clock["queued"])
    launcher = LocalWorkers(Workspace(tmp_path), find_slots("cpu", 1))
    launcher.submit("cpu/0", Request(1, 1, "", 1, ""))
    launcher.stop(1)
    clock |= {"now": seconds, "queued": queued}
    assert launcher.poll() == []
    assert sent == [signal.SIGTERM] + [signal.SIGKILL] * killed
