"""What checksums and digests cost of all that the engine does to store what workers record.

Both sides take over the same records in turn, one with checksums and digests and one without. By default they are made
as jobs write them: control with 60 records of 5 points a trial, text and pictures with 3 of 3; named workspaces are
taken over as they were recorded. Run: python -m benchmarks.ingestion [WORKSPACE ...] [--turns 9]
"""

import argparse
import itertools
import json
import statistics
import tempfile
import time
from pathlib import Path
from unittest import mock

from lth_core.engine import intake
from lth_core.engine.disk import Space
from lth_core.engine.intake import SOME, Intake
from lth_core.engine.launchers.base import Ended
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import resolve
from lth_core.store import digests
from lth_core.store.batches import add_batch, begin_batch
from lth_core.store.database import Database
from lth_core.store.jobs import add_job
from lth_core.store.plain import read_plain
from lth_core.store.record_lines import content_of
from lth_core.store.records import LARGEST_READ, RecordReader, body, read_all
from lth_core.store.workspace import Workspace

NAMES = ("return/train", "loss/policy", "loss/value", "entropy", "games")


def made(trials, records, names):
    """What a worker records of a stack, a list for each of its steps; all numbers as long as real ones."""
    layers = [[f"layer.{n}", [64, 64], 4096, 4096 - n, True] for n in range(8)]
    checks = [[f"check {n}", True, "0 entries alive outside the mask"] for n in range(10)]
    audit = {"kind": "audit", "batch": 1, "attempt": 1, "checks": checks}
    begin = {"kind": "layers", "layers": layers, "density": 0.512, "model_density": 0.52}
    yield [one for trial in trials for one in (begin | {"trial": trial}, audit | {"trial": trial, "moment": "before"})]
    for step in range(1, records + 1):
        values = {name: step / 7 + place for place, name in enumerate(NAMES[:names])}
        yield [{"kind": "metrics", "trial": trial, "step": step * 512, "values": values} for trial in trials]
    end = {"kind": "done", "step": records * 512, "score": 7 / 3, "tensors": "x", "sha256": "y"}
    yield [one for trial in trials for one in (audit | {"trial": trial, "moment": "after"}, end | {"trial": trial})]


def made_job(records, names, stacks=5, tickets=8):
    """An experiment and its batches, each (trials, steps)."""
    fields = {"name": "made", "seeds": [0], "arms": ["winning"], "pruning": {"rounds": stacks * tickets - 1}}
    numbers = [list(range(n * tickets + 1, (n + 1) * tickets + 1)) for n in range(stacks)]
    return resolve(fields, "made"), [(trials, list(made(trials, records, names))) for trials in numbers]


def recorded_jobs(folder):
    """(name, experiment, batches) of each job of a workspace, of attempts that a batch began and ended with."""
    workspace = Workspace(folder)
    database = Database(workspace.database, writer=False)
    for job in database.rows("SELECT id, name, experiment FROM jobs WHERE state = 'done'"):
        numbers = {row["id"]: n for n, row in enumerate(
            database.rows("SELECT id FROM trials WHERE job = ? ORDER BY id", job["id"]), 1)}  # fmt: skip
        batches = []
        for batch in database.rows("SELECT id FROM batches WHERE job = ? AND attempt = 1 ORDER BY id", job["id"]):
            found = list(read_all(workspace.batch(batch["id"]) / "attempt-1" / "records.jsonl"))
            known = [one | {"trial": numbers[one["trial"]]} for one in found if one.get("trial") in numbers]
            steps = [list(group) for _, group in itertools.groupby(known, lambda one: one.get("step", one["kind"]))]
            batches.append((sorted({one["trial"] for one in known}), steps))
        yield job["name"], Experiment.from_json(job["experiment"]), [one for one in batches if one[0]]
    database.close()


class BareReader:
    """The fastest way to read lines that have no checksums."""

    def __init__(self, path):
        self._path = path

    def read(self, offset, most=None):
        """As RecordReader.read."""
        content = read_plain(self._path, offset, most or LARGEST_READ)
        end = content.rfind(b"\n") + 1
        return json.loads(b"[" + b",".join(content[:end].split(b"\n")[:-1]) + b"]"), offset + end


def taken_over(experiment, batches, checked, at_once):
    """CPU seconds of all that the engine does to take over each batch, look by look, with or without checksums and
    digests.

    at_once: their records are there when it first looks, as after a kill; else it looks after each step.
    """
    reader = RecordReader if checked else BareReader
    part, add = (digests.part, digests.add) if checked else (lambda *_: 0, lambda *_: None)
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.multiple(digests, part=part, add=add),
        mock.patch.object(intake, "RecordReader", reader),
    ):
        workspace = Workspace(Path(folder))
        workspace.create()
        database = Database(workspace.database, writer=True)
        engine, seconds = Intake(workspace, database, Space(workspace.folder)), []
        with database.transaction() as connection:
            job = add_job(connection, experiment, "made.toml", {})
        for trials, steps in batches:
            with database.transaction() as connection:
                begin_batch(connection, batch := add_batch(connection, job, trials), "cpu/0")
            attempt = workspace.batch(batch) / "attempt-1"
            attempt.mkdir(parents=True)
            (attempt / "beat.json").write_text(json.dumps({"fraction": 0.5, "rate": 1e5, "whole": 60.0, "before": 2.0}))
            bodies = [body(record) for step in steps for record in step]
            lines = content_of(bodies) if checked else b"".join(one + b"}\n" for one in bodies)
            ends = list(itertools.accumulate(map(len, lines.splitlines(keepends=True))))
            seen = [ends[place - 1] for place in itertools.accumulate(map(len, steps))]
            for end in [len(lines)] * (len(lines) // SOME + 1) if at_once else seen:
                with (attempt / "records.jsonl").open("ab") as file:
                    file.write(lines[file.tell() : end])
                start = time.thread_time()
                engine.ingest(batch, some=True)
                seconds.append(time.thread_time() - start)
            start = time.thread_time()
            engine.end(Ended(batch, 0, ""))
            seconds.append(time.thread_time() - start)
        done = database.rows("SELECT COUNT(*) FROM trials WHERE state = 'done'")[0][0]
        assert done == sum(len(trials) for trials, _ in batches), "some trial was not taken over"
        database.close()
    return seconds


def compare(name, experiment, batches, turns):
    """Print what checksums and digests add to a job: of each look the fastest turn counts, and the median."""
    trials = sum(len(own) for own, _ in batches)
    points = sum(len(one.get("values", ())) for _, steps in batches for step in steps for one in step) / trials
    for at_once in (False, True):
        found = {True: [], False: []}
        for _, (checked, seconds) in itertools.product(range(turns), found.items()):
            seconds.append(taken_over(experiment, batches, checked, at_once))
        fastest, middle = (
            [sum(map(of, zip(*found[checked], strict=True))) for checked in (True, False)]
            for of in (min, statistics.median)
        )
        how = "all there at once" if at_once else "step by step"
        print(f"{name:24} {points:6.0f} points a trial, {how:18} {fastest[0] / fastest[1]:.3f} times the CPU time of "
              f"the fastest turns, {middle[0] / middle[1]:.3f} of the median ones; "
              f"{(fastest[0] - fastest[1]) / trials * 1e6:.0f} us a trial", flush=True)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspaces", nargs="*", type=Path)
    parser.add_argument("--turns", type=int, default=9)
    options = parser.parse_args()
    for folder in options.workspaces:
        for name, experiment, batches in recorded_jobs(folder):
            compare(name, experiment, batches, options.turns)
    if not options.workspaces:
        for name, records, names in (("control", 60, 5), ("text, pictures", 3, 3)):
            compare(name, *made_job(records, names), options.turns)


if __name__ == "__main__":
    main()
