"""The store under load: many jobs and trials in the queue, eight workers' records taken over at once, a reader beside.

First an engine of its own answers commands for as many jobs, one by one, is killed in the middle, and started again.

Eight processes append records as workers do, one engine side takes them over as the engine does, and a reader asks
five times a second for what a screen shows. At the end every point is counted. Run: python -m benchmarks.store_load
"""

import argparse
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from lth_core.engine.disk import Space
from lth_core.engine.dispatch import Dispatcher
from lth_core.engine.intake import Intake, Patience
from lth_core.engine.launchers.both import Launchers
from lth_core.engine.slots import find_slots
from lth_core.experiment.file import resolve
from lth_core.settings.launcher import launcher_from
from lth_core.store import commands, metrics, views
from lth_core.store.batches import add_batch, begin_batch
from lth_core.store.database import Database
from lth_core.store.jobs import add_job
from lth_core.store.records import RecordWriter
from lth_core.store.workspace import Workspace

NAMES = ("return/train", "loss/policy", "loss/value", "entropy", "games")


def experiment(number, trials):
    """An experiment with `trials` trials: one dense run and rounds of one arm, for one seed."""
    fields = {"name": f"load-{number}", "seeds": [number], "arms": ["winning"], "pruning": {"rounds": trials - 1}}
    return resolve(fields, "load")


def fill_queue(database, jobs, trials):
    """Seconds of each submission, in a transaction of its own as the engine does it."""
    seconds = []
    for number in range(jobs):
        one = experiment(number, trials)
        start = time.perf_counter()
        with database.transaction() as connection:
            add_job(connection, one, "load.toml", {})
        seconds.append(time.perf_counter() - start)
    return seconds


def write_records(path, trials, steps, started):
    """What a worker does: one record per trial and step, with all its values."""
    started.wait()
    writer = RecordWriter(path)
    for step in range(steps):
        for trial in trials:
            values = {name: step * 0.5 + place for place, name in enumerate(NAMES)}
            writer.append({"kind": "metrics", "trial": trial, "step": step, "values": values})
    writer.close()


class Reader(threading.Thread):
    """An interface in the same process: the queue and the tails of eight curves, five times a second."""

    def __init__(self, workspace, trials):
        super().__init__(daemon=True)
        self.workspace, self.trials = workspace, trials
        self.queue, self.tails, self.ended = [], [], threading.Event()

    def run(self):
        database = Database(self.workspace.database, writer=False)
        last = -1
        while not self.ended.wait(0.2):
            start = time.perf_counter()
            views.jobs(database)
            self.queue.append(time.perf_counter() - start)
            start = time.perf_counter()
            found = metrics.curves(database, self.trials, "return/train", last)
            self.tails.append(time.perf_counter() - start)
            last = min((int(curve.steps[-1]) for curve in found.values()), default=last)
        database.close()


def _size(workspace, batch):
    path = workspace.batch(batch) / "attempt-1" / "records.jsonl"
    return path.stat().st_size if path.exists() else 0


def take_over(workspace, database, batches, writers):
    """Take over records until all are in; seconds of each turn."""
    engine = Intake(workspace, database, Space(workspace.folder))
    turns, quiet = [], 0
    while quiet < 2:
        alive = any(writer.is_alive() for writer in writers)
        start = time.perf_counter()
        for batch in batches:
            engine.ingest(batch, some=True)
        turns.append(time.perf_counter() - start)
        behind = database.rows("SELECT id, records_read FROM batches WHERE records_read > 0")
        left = sum(_size(workspace, batch) for batch in batches) - sum(row["records_read"] for row in behind)
        quiet = 0 if alive or left else quiet + 1
    return turns


ENGINE = "import sys; from pathlib import Path; from lth_core.engine.engine import Engine; " \
    "from lth_core.store.workspace import Workspace; e = Engine(Workspace(Path(sys.argv[1])), 'cpu', 1); " \
    "e.start(); e.join()"  # fmt: skip


def ask_an_engine(jobs, trials):
    """Seconds until each command was answered; how many were left at the kill; seconds until those were."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        workspace.create()
        database = Database(workspace.database, writer=True)
        texts = [experiment(number, trials).canonical() for number in range(jobs)]
        engine = subprocess.Popen([sys.executable, "-c", ENGINE, folder])
        seconds, asked = [], []
        for place, text in enumerate(texts):
            start = time.perf_counter()
            asked.append(commands.ask(database, commands.Submit(experiment=text, source="load.toml")))
            while place < jobs // 2 and commands.answer(database, asked[-1]) is None:
                time.sleep(0.001)
            if place < jobs // 2:
                seconds.append(time.perf_counter() - start)
        engine.kill()
        engine.wait()
        left = len(commands.unanswered(database))
        start = time.perf_counter()
        engine = subprocess.Popen([sys.executable, "-c", ENGINE, folder])
        while commands.unanswered(database):
            time.sleep(0.01)
        again = time.perf_counter() - start
        engine.kill()
        engine.wait()
        assert {commands.answer(database, one)["job"] for one in asked} == set(range(1, jobs + 1))
        database.close()
    return seconds, left, again


def spread(seconds):
    """Median and largest, in milliseconds."""
    return f"median {statistics.median(seconds) * 1e3:,.1f} ms, longest {max(seconds) * 1e3:,.0f} ms"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--trials", type=int, default=10_000, help="in all jobs together")
    parser.add_argument("--points", type=int, default=5_000_000)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--commands", type=int, default=300, help="jobs that an engine is asked for")
    options = parser.parse_args()
    seconds, left, again = ask_an_engine(options.commands, 20)
    print(f"{len(seconds)} jobs asked of an engine, one by one: {spread(seconds)}")
    print(f"killed with {left} commands unanswered, started again: all answered after {again:.1f} s")
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        workspace.create()
        database = Database(workspace.database, writer=True)
        per_job = options.trials // options.jobs
        seconds = fill_queue(database, options.jobs, per_job)
        print(f"submitting {options.jobs} jobs of {per_job} trials each, one by one: {spread(seconds)}")

        start = time.perf_counter()
        dispatcher = Dispatcher(workspace, database, Launchers(workspace, find_slots("cpu", 1)), Patience())
        ids = [row["id"] for row in database.rows("SELECT id FROM jobs ORDER BY position")]
        next(filter(None, (dispatcher._next_batches(job, 1, launcher_from(None)) for job in ids)))
        print(f"finding the next batch among {len(ids)} jobs: {(time.perf_counter() - start) * 1e3:.1f} ms")

        started, writers, batches, all_trials = multiprocessing.Event(), [], [], []
        each, per_batch = options.points // options.writers, 8
        steps = each // (per_batch * len(NAMES))
        rows = iter(database.rows("SELECT id, job FROM trials WHERE batch IS NULL ORDER BY id"))
        for _ in range(options.writers):
            trials = [next(rows)["id"] for _ in range(per_batch)]
            with database.transaction() as connection:
                batch = add_batch(connection, ids[0], trials)
                begin_batch(connection, batch, "cpu/0")
            attempt = workspace.batch(batch) / "attempt-1"
            attempt.mkdir(parents=True)
            batches.append(batch)
            all_trials += trials
            target = (attempt / "records.jsonl", trials, steps, started)
            writers.append(multiprocessing.Process(target=write_records, args=target))
        reader = Reader(workspace, all_trials[:8])
        for writer in writers:
            writer.start()
        reader.start()
        start = time.perf_counter()
        started.set()
        cpu = time.thread_time()
        turns = take_over(workspace, database, batches, writers)
        cpu = time.thread_time() - cpu
        seconds = time.perf_counter() - start
        reader.ended.set()
        reader.join()
        wanted = options.writers * steps * per_batch * len(NAMES)
        there = database.rows("SELECT COUNT(*) FROM metrics")[0][0]
        lines = sum(1 for path in workspace.batches.rglob("records.jsonl") for _ in path.open("rb"))
        database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        size = workspace.database.stat().st_size
        print(f"{wanted:,} points in {lines:,} records from {options.writers} writers at once: {seconds:.0f} s")
        print(f"{there / seconds:,.0f} points/s, {there / cpu:,.0f} per CPU second of the engine's thread")
        print(f"{size / there:.0f} bytes a point; a turn of all batches {spread(turns)}")
        print(f"a reader meanwhile: queue of {len(ids)} jobs {spread(reader.queue)}")
        print(f"a reader meanwhile: what is new of 8 curves {spread(reader.tails)}")
        print(f"points lost: {wanted - there:,}")
        assert wanted == there
        database.close()


if __name__ == "__main__":
    main()
