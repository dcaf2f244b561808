"""SIGKILL of a worker, the engine, or everything, at named points of a save and at random moments."""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth_core.store import views
from tests.faults.runs import Run, assert_whole

POINTS = ["before write", "half a write", "after write", "before fsync", "before rename", "before folder sync"]
FILES = {"checkpoint": "step-", "tensors": "trial-", "exit": "exit.json"}
NAMED = [
    pytest.param(point, file, passes, id=f"{point}, {file}, pass {passes}",
                 marks=() if (point, file, passes) == ("half a write", "checkpoint", 3) else pytest.mark.slow)
    for point in POINTS for file in FILES for passes in ((1, 3) if file == "checkpoint" else (1,))
]  # fmt: skip


@pytest.mark.fault("SIGKILL of the worker")
@pytest.mark.parametrize(("point", "file", "passes"), NAMED)
def test_a_worker_killed_inside_a_save_loses_one_interval_at_most(
    make_run: Callable[..., Run], left_alone: Any, seen: Any, point: str, file: str, passes: int
) -> None:
    whole = left_alone()
    run = make_run(name=f"{point}-{file}")
    marker = run.folder / "died"
    kill = {"point": point, "file": FILES[file], "passes": passes, "marker": str(marker)}
    run = make_run(name=f"{point}-{file}", fault={"kill": kill})
    run.finish()
    assert marker.exists(), "the point was never reached"
    assert_whole(run, whole)
    if file == "exit":  # every trial has its result: nothing is left to try again
        seen("the batch is over all the same, its results counted; same bits; no temporary file left")
        return
    assert any("the worker was killed by SIGKILL" in text for text in run.events())
    assert "engine: the worker was killed by SIGKILL" in run.logs()
    seen("tried again from its checkpoint after 1 s; same bits; no temporary file left")


@pytest.mark.fault("SIGKILL of the worker")
@pytest.mark.parametrize(("point", "kind"), [
    pytest.param("half a record", "metrics", id="half a record", marks=pytest.mark.slow),
    pytest.param("before a record", "done", id="before done", marks=pytest.mark.slow),
    pytest.param("half a record", "done", id="half of done", marks=pytest.mark.slow),
])  # fmt: skip
def test_a_worker_killed_inside_a_record_leaves_no_half_of_it(
    make_run: Callable[..., Run], left_alone: Any, seen: Any, point: str, kind: str
) -> None:
    whole = left_alone()
    run = make_run(name="record")
    marker = run.folder / "died"
    run = make_run(name="record", fault={"kill": {"point": point, "file": kind, "passes": 2, "marker": str(marker)}})
    run.finish()
    assert marker.exists()
    assert_whole(run, whole)
    seen("the torn line is left out; same bits")


@pytest.mark.slow
@pytest.mark.fault("SIGKILL of a worker of sparse tickets")
def test_sparse_tickets_go_on_as_they_began_whatever_is_measured_by_then(
    make_run: Callable[..., Run], tmp_path: Path, seen: Any
) -> None:
    from tests.faults.runs import short

    own = short(
        training={"sparse": "auto", "length": 16_000, "checkpoint_every": 3_000}, rewinding={"weights": 4_000},
        model={"hidden": [16, 16]}, pruning={"rounds": 1, "fraction": 0.8},
    )  # fmt: skip
    marker = tmp_path / "died"
    switch = {"below": 0.5, "file": str(marker)}
    whole = make_run(own, name="alone", slots=1, fault={"switch": switch})
    whole.finish()
    sparse = "000002/attempt-1/step-"
    kill = {"point": "before rename", "file": sparse, "passes": 3, "marker": str(marker)}
    run = make_run(own, name="killed", slots=1, fault={"switch": switch, "kill": kill})
    run.finish()
    assert marker.exists()
    assert_whole(run, whole.digest())
    said = [text for text in run.events() if "training.sparse" in text]
    assert any("4 of 4" in text for text in said), said
    dense = make_run(own, name="dense", slots=1, fault={"switch": {**switch, "below": 0.0}})
    dense.finish()
    assert dense.digest() != whole.digest(), "the form leaves no trace"
    seen("tried again in the form in which it began; same bits")


@pytest.mark.slow
@pytest.mark.fault("SIGKILL of everything at 20 random moments")
def test_everything_killed_at_twenty_random_moments(make_run: Callable[..., Run], left_alone: Any, seen: Any) -> None:
    from tests.faults.runs import short

    longer = short(training={"length": 400_000, "checkpoint_every": 8_000})
    whole = left_alone(longer)
    run = make_run(longer)
    moments, kills = random.Random(os.getpid()), 0
    for _ in range(20):
        run.start()
        if run.moved_on(moments.randint(100, 4_000)):
            time.sleep(moments.random() * 0.1)
            run.kill()
            kills += 1
    assert kills >= 15, kills
    run.finish()
    assert_whole(run, whole)
    seen(f"{kills} kills: same bits, every trial once")


@pytest.mark.slow
@pytest.mark.fault("SIGKILL of the engine, workers alive")
def test_an_engine_killed_alone_is_replaced(make_run: Callable[..., Run], left_alone: Any, seen: Any) -> None:
    whole = left_alone()
    run = make_run()
    process = run.start()
    assert run.moved_on()
    process.kill()
    process.wait()
    killed = time.monotonic()
    run.until(lambda: not run.workers())
    left_in = time.monotonic() - killed
    run.finish()
    assert_whole(run, whole)
    assert any("taken over" in text for text in run.events())
    seen(f"workers left after {left_in:.1f} s; the next engine took over; same bits")


@pytest.mark.slow
@pytest.mark.fault("a worker that always dies")
def test_a_batch_whose_worker_always_dies_is_given_up_with_growing_delays(
    make_run: Callable[..., Run], seen: Any
) -> None:
    run = make_run()
    started = time.monotonic()
    run.start()
    while not run.ended():
        for worker in run.workers():
            worker.kill()
        time.sleep(0.2)
    assert time.monotonic() - started > 11, "1 s, then 10 s"
    assert run.process is not None and run.process.returncode == 1
    assert all("given up after 3 attempts" in error for error in run.errors()) and run.errors()
    with run.database() as database:
        assert {t.state for t in views.trials(database, 1)} == {"failed", "blocked"}
    seen("three attempts, 1 s and 10 s apart, then failed with the cause; what waits for it is blocked")
