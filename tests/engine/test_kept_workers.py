"""Which batches a kept worker serves."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lth_core.batches.request import Request
from lth_core.engine.dispatch import _code
from lth_core.engine.launchers.local import LocalWorkers
from lth_core.engine.slots import find_slots
from lth_core.settings.control import ControlTask
from lth_core.store.workspace import Workspace


def test_a_worker_that_has_run_code_of_others_serves_no_other_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def spawn(self: LocalWorkers, *_: Any) -> Any:
        process = SimpleNamespace(poll=lambda: None, send_signal=lambda _: None)
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
