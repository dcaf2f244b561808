"""A clock that is set back and forward, and memory that runs out: by a limit of the process, and by a cgroup's."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lth_core.store import views
from tests.faults.runs import Run, assert_whole, short


@pytest.mark.slow
@pytest.mark.fault("clock set 2 h back, then 4 h forward")
def test_the_clock_may_jump(make_run: Callable[..., Run], left_alone: Any, seen: Any, tmp_path: Path) -> None:
    longer = short(training={"length": 150_000})
    whole = left_alone(longer)
    clock = tmp_path / "offset"
    clock.write_text("0")
    run = make_run(longer, fault={"clock": str(clock)})
    estimates: list[float] = []
    run.start()
    for offset in (-7200, 7200, -7200):
        assert run.moved_on()
        with run.database() as database:
            estimates += [job.seconds_left for job in views.jobs(database) if job.seconds_left is not None]
        run.kill()
        clock.write_text(str(offset))
        run.start()
    run.finish()
    assert_whole(run, whole)
    with run.database() as database:
        trials = views.trials(database, 1)
        assert all(t.finished >= t.started for t in trials if t.finished and t.started)
        jobs = views.jobs(database)
        assert jobs[0].finished is not None and jobs[0].started is not None and jobs[0].finished >= jobs[0].started
        ids = [event.id for event in views.events(database)]
        assert ids == sorted(ids)
    assert all(0 <= estimate < 3600 for estimate in estimates), estimates
    for folder in run.workspace.glob("tensorboard/*/*/*/*"):
        files = sorted(folder.iterdir(), key=lambda path: path.name)
        assert files == sorted(files, key=lambda path: path.stat().st_mtime_ns), "TensorBoard reads them as written"
    seen("events and event files keep their order; no negative duration or estimate; same bits")


@pytest.mark.slow
@pytest.mark.fault("memory limit of the process")
def test_a_stack_that_does_not_fit_is_split(make_run: Callable[..., Run], left_alone: Any, seen: Any) -> None:
    experiment = short(
        seeds=16, arms=["winning"], model={"hidden": [512, 512]}, rewinding={"weights": 0, "optimizer": "fresh"},
        training={"length": 600, "environments": 4, "checkpoint_every": 1_000_000, "score": "training",
                  "evaluation_episodes": 0},
    )  # fmt: skip
    whole = left_alone(experiment)
    run = make_run(experiment, slots=1, fault={"memory": 260})
    run.finish()
    assert_whole(run, whole)
    said = [text for text in run.events() if "trying again with stacks of 8 and 8 tickets" in text]
    assert said and "out of memory" in said[0], run.events()
    with run.database() as database:
        sizes = [row[0] for row in database.rows("SELECT COUNT(*) FROM trials GROUP BY batch ORDER BY batch")]
        failed = database.row("SELECT COUNT(*) FROM batches WHERE state = 'failed'")[0]
    assert max(sizes) <= 8
    assert "engine: out of memory" in run.logs()
    seen(f"{said[0]}; {failed} stacks were too large, later rounds no larger than what fits; same bits")


@pytest.mark.fault("device memory (torch's exception, raised without a GPU)")
def test_a_stack_with_no_room_on_a_device_is_split(make_run: Callable[..., Run], left_alone: Any, seen: Any) -> None:
    length = {"length": 10_000, "checkpoint_every": 4_000, "record_every": 2_000}
    experiment = short(seeds=4, arms=["winning"], rewinding={"weights": 0, "optimizer": "fresh"}, training=length)
    whole = left_alone(experiment)
    run = make_run(experiment, slots=1, fault={"as_on_device": 3})
    run.finish()
    assert_whole(run, whole)
    said = [text for text in run.events() if "trying again with stacks of 2 and 2 tickets" in text]
    assert said and said[0].startswith("out of memory: CUDA out of memory"), run.events()
    assert "engine: out of memory" in run.logs() and "Traceback" in run.logs()
    seen(f"{said[0]}; later rounds no larger; same bits")


@pytest.mark.slow
@pytest.mark.fault("device memory (torch's exception, raised without a GPU)")
def test_a_ticket_with_no_room_on_a_device_is_tried_alone_and_fails(make_run: Callable[..., Run], seen: Any) -> None:
    run = make_run(short(seeds=1), fault={"as_on_device": 1})
    run.finish(1)
    assert any("trying again once with no other worker beside it" in text for text in run.events())
    assert run.errors() and all("one ticket does not fit, even alone" in error for error in run.errors())
    seen("tried once more with no other worker beside it, then failed: one ticket does not fit, even alone")


@pytest.mark.slow
@pytest.mark.fault("one ticket does not fit")
def test_a_single_ticket_that_does_not_fit_is_tried_alone_and_fails(make_run: Callable[..., Run], seen: Any) -> None:
    experiment = short(
        seeds=2, arms=["winning"], model={"hidden": [2048, 2048]}, rewinding={"weights": 0, "optimizer": "fresh"},
        training={"length": 600, "environments": 4},
    )  # fmt: skip
    run = make_run(experiment, fault={"memory": 40})
    run.finish(1)
    assert any("trying again once with no other worker beside it" in text for text in run.events())
    assert run.errors() and all("one ticket does not fit, even alone" in error for error in run.errors())
    seen("tried once more with no other worker beside it, then failed: one ticket does not fit, even alone")


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A memory cgroup of our own; skips where none can be made."""
    name = f"lth-test-{os.getpid()}"
    version_1 = Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
    for folder, limit in (version_1, (Path("/sys/fs/cgroup"), "memory.max")):
        made = folder / name
        try:
            made.mkdir()
        except OSError:
            continue
        if (made / limit).exists():
            yield made
            for _ in range(100):
                try:
                    made.rmdir()
                except OSError:
                    time.sleep(0.05)
                else:
                    break
            return
        made.rmdir()
    pytest.skip("no memory cgroup can be made here")


@pytest.mark.slow
@pytest.mark.fault("memory limit of a cgroup")
def test_a_worker_killed_by_the_memory_limit_is_told_from_one_that_was_killed(
    make_run: Callable[..., Run], left_alone: Any, seen: Any, cgroup: Path
) -> None:
    # Arrays so large that each is memory anew: what a worker holds already is not counted.
    longer = short(model={"hidden": [256, 256]})
    whole = left_alone(longer)
    run = make_run(longer, slots=1)
    run.start()
    assert run.moved_on()
    worker = run.workers()[0]
    limit = "memory.limit_in_bytes" if (cgroup / "memory.limit_in_bytes").exists() else "memory.max"
    worker.send_signal(signal.SIGSTOP)
    (cgroup / "cgroup.procs").write_text(str(worker.pid))
    (cgroup / limit).write_text("65536")  # what it allocates from now on
    worker.send_signal(signal.SIGCONT)
    run.finish()
    assert_whole(run, whole)
    assert any("the worker was killed by the memory limit; trying again with stacks" in t for t in run.events()), (
        run.events()
    )
    seen("killed by the memory limit, said so; tried again with smaller stacks; same bits")
