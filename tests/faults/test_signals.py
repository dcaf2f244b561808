"""Being asked to leave, losing the terminal, being frozen, and meeting another engine."""

import re
import signal
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from tests.faults.runs import HANG, Run, assert_whole, short

LONGER = short(training={"length": 150_000})


@pytest.mark.slow
@pytest.mark.fault("asked to leave by")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda n: n.name)
def test_asked_to_leave_it_saves_in_a_moment(
    make_run: Callable[..., Run], left_alone: Any, seen: Any, number: signal.Signals
) -> None:
    whole = left_alone(LONGER)
    run = make_run(LONGER)
    process = run.start()
    run.until(lambda: bool(list(run.workspace.rglob("step-*.safetensors"))) or run.ended())
    process.send_signal(number)
    took = run.leaves()
    assert process.returncode == 130 and took < 10
    assert list(run.workspace.rglob("step-*.safetensors"))
    run.finish()
    assert_whole(run, whole)
    seen(f"checkpointed and left within {took:.1f} s of CPU time with exit code 130; same bits after going on")


@pytest.mark.slow
@pytest.mark.fault("SIGTERM or SIGUSR2 to a worker")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2], ids=lambda n: n.name)
def test_a_worker_that_is_asked_to_leave_checkpoints_and_goes_on(
    make_run: Callable[..., Run], left_alone: Any, seen: Any, number: signal.Signals
) -> None:
    whole = left_alone(LONGER)
    run = make_run(LONGER)
    run.start()
    run.until(lambda: run.training() == 2)  # one that has not trained a step yet gets no further, which is counted
    for worker in run.workers():
        worker.send_signal(number)
    run.finish()
    assert_whole(run, whole)
    with run.database() as database:
        assert database.row("SELECT MAX(attempt), MAX(failures) FROM batches")[:] == (2, 0)
    seen("exit code 85 at the next step boundary, no failure counted; same bits")


@pytest.mark.slow
@pytest.mark.fault("SIGHUP under nohup")
def test_nohup_survives_the_terminal(make_run: Callable[..., Run], seen: Any) -> None:
    run = make_run()
    process = run.start("nohup")
    assert run.moved_on()
    process.send_signal(signal.SIGHUP)
    run.finish()
    seen("ignored, as nohup asks; done")


@pytest.mark.slow
@pytest.mark.fault("a second engine; the first frozen and thawed")
def test_a_frozen_engine_keeps_its_lease_and_nothing_runs_twice(
    make_run: Callable[..., Run], left_alone: Any, seen: Any
) -> None:
    whole = left_alone(LONGER)
    run = make_run(LONGER)
    first = run.start()
    assert run.moved_on()
    first.send_signal(signal.SIGSTOP)
    run.until(lambda: psutil.Process(first.pid).status() == psutil.STATUS_STOPPED)
    workers = {worker.pid for worker in run.workers()}
    second = run.start()
    run.until(lambda: run.said("following it"))
    owner = re.search(r"process (\d+) on ([\w.-]+)", run.output.read_text())
    assert owner is not None and int(owner[1]) == first.pid
    time.sleep(4)
    assert {worker.pid for worker in run.workers()} <= workers, "the second engine must start nothing"
    first.send_signal(signal.SIGCONT)
    assert first.wait(timeout=HANG) == 0
    assert second.wait(timeout=HANG) == 0
    assert_whole(run, whole)
    with run.database() as database:
        assert database.row("SELECT MAX(attempt) FROM batches")[0] == 1, "nothing was started twice"
    seen("refused with pid and host, followed it; thawed, it went on; every batch one attempt, same bits")


@pytest.mark.slow
@pytest.mark.fault("a worker that stops reporting (SIGSTOP)")
def test_a_silent_worker_is_warned_of_and_replaced(make_run: Callable[..., Run], left_alone: Any, seen: Any) -> None:
    whole = left_alone(LONGER)
    run = make_run(LONGER, environment={"LTH_SILENCE": "60"})  # no other is silent for so long
    run.start()
    assert run.moved_on()
    frozen = run.workers()[0]
    frozen.suspend()
    run.finish()
    assert_whole(run, whole)
    events = run.events()
    assert any(re.search(r"cpu/\d has shown no sign of life", text) for text in events)
    assert any("showed no sign of life for 60 s" in text and "trying again" in text for text in events)
    seen("a warning, killed after LTH_SILENCE (300 s by default), tried again from its checkpoint; same bits")
