"""Many commands one by one, the engine killed between them; and jobs that go on with other versions and slots."""

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from lth_core.store import commands, views
from lth_core.store.database import Database
from tests.faults.runs import Run, assert_whole, short

JOBS = 100


@pytest.mark.slow
@pytest.mark.fault("jobs added one by one, everything killed between them")
def test_many_jobs_are_queued_once_and_every_command_is_answered(make_run: Callable[..., Run], seen: Any) -> None:
    run = make_run(short("first", training={"length": 10_000_000}))
    run.start()
    assert run.moved_on()
    database = Database(run.workspace / "workspace.sqlite", writer=True)
    kills = sorted(random.SystemRandom().sample(range(JOBS), 2))
    asked, took = [], []
    for number in range(JOBS):
        experiment = short(f"job{number}", seeds=1, training={"length": 20_000 + number})
        asked.append(commands.ask(database, commands.Submit(experiment=experiment.canonical(), source="x")))
        if number in kills:
            run.kill()
            run.start()
        elif not commands.unanswered(database)[:-1]:  # an engine is there and has kept up
            began = time.monotonic()
            run.until(lambda: commands.answer(database, asked[-1]) is not None)
            took.append(time.monotonic() - began)
    run.until(lambda: not commands.unanswered(database))
    answers = [commands.answer(database, one) for one in asked]
    run.kill()
    names = [job.name for job in views.jobs(database) if job.name != "first"]
    database.close()
    assert all(answer is not None and "job" in answer for answer in answers)
    assert sorted(names) == sorted(f"job{number}" for number in range(JOBS)), "each is there, once"
    middle = sorted(took)[len(took) // 2]
    seen(f"{JOBS} commands, {len(kills)} kills: each answered, each job there once; {1000 * middle:.0f} ms an answer")


@pytest.mark.slow
@pytest.mark.fault("goes on with another version of torch and other slots")
def test_other_versions_are_told_and_other_slots_change_no_bit(
    make_run: Callable[..., Run], left_alone: Any, seen: Any
) -> None:
    longer = short(training={"length": 150_000})
    whole = left_alone(longer)
    run = make_run(longer)
    run.start()
    assert run.moved_on()
    run.kill()
    run.slots = 1
    run.set_fault({"version": "99.1"})
    run.output.write_text("")
    run.finish()
    assert_whole(run, whole)
    told = [text for text in run.events() if text.startswith("goes on with torch 99.1 (before: ")]
    assert len(told) == 1, run.events()
    shown = run.tool("show", "1").stdout
    note = next(line.strip() for line in shown.splitlines() if "with torch 99.1" in line)
    seen(f"{told[0]}; the table says: {note}; threads stay the job's; same bits")
