"""A workspace with synthetic jobs: deterministic curves, layers, audits and events, by SQL as an engine would."""

import json
import math
import shutil
from pathlib import Path

import numpy as np

from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import resolve
from lth_core.experiment.plan import TrialKey, plan
from lth_core.store import metrics
from lth_core.store.commands import unanswered
from lth_core.store.database import Database
from lth_core.store.metrics import Point
from lth_core.store.workspace import Workspace

START = 1_790_000_000.0
LENGTH = 60_000
LAYERS = (
    ("trunk.0.weight", (64, 4)), ("trunk.0.bias", (64,)), ("trunk.1.weight", (64, 64)), ("trunk.1.bias", (64,)),
    ("policy_head.weight", (2, 64)), ("policy_head.bias", (2,)),
    ("value_head.weight", (1, 64)), ("value_head.bias", (1,)),
)  # fmt: skip
_FINAL = {"winning": 450.0, "random": 150.0, "reinit": 300.0, "one_shot": 400.0, DENSE: 470.0}


def experiment(
    name: str = "cartpole", seeds: int = 8, rounds: int = 8, arms: tuple[str, ...] | None = None
) -> Experiment:
    """The quick experiment, or a smaller one."""
    fields = {
        "name": name,
        "seeds": seeds,
        "arms": list(arms or ("winning", "random", "reinit", "one_shot")),
        "training": {"length": LENGTH, "score": "training"},
        "pruning": {"rounds": rounds, "fraction": 0.4},
    }
    return resolve(fields, "fixture")


class Writer:
    """Writes a workspace as an engine would."""

    def __init__(self, folder: Path) -> None:
        self.workspace = Workspace(folder)
        self.workspace.create()
        self.database = Database(self.workspace.database, writer=True)
        self.clock = START

    def job(self, made: Experiment, state: str, error: str | None = None) -> int:
        """Queue an experiment; returns the job's number."""
        with self.database.transaction() as connection:
            number = connection.execute(
                "INSERT INTO jobs (name, identity, experiment, provenance, source, state, position, created, started, "
                "active, error) VALUES (?, ?, ?, '{}', ?, ?, (SELECT COUNT(*) FROM jobs), ?, ?, 60, ?)",
                (made.name, made.identity, made.canonical(), f"configs/{made.name}.toml", state, START, START, error),
            ).lastrowid
            for trial in plan(made):
                key = trial.key
                connection.execute(
                    "INSERT INTO trials (job, arm, round, seed, state) VALUES (?, ?, ?, ?, 'waiting')",
                    (number, key.arm, key.round, key.seed),
                )
        assert number is not None
        self.event(number, "queued", f"{made.name} queued")
        return number

    def round(self, job: int, made: Experiment, number: int, *, share: float = 1.0, collapse_from: int = 99) -> None:
        """Train a round up to `share` of its length; 1.0 finishes it."""
        state = "done" if share >= 1 else "running"
        with self.database.transaction() as connection:
            batch = connection.execute(
                "INSERT INTO batches (job, state, attempt, slot, fraction, rate) VALUES (?, ?, 1, 'cpu:0', ?, 61200.0)",
                (job, state, share),
            ).lastrowid
            for row in connection.execute(
                "SELECT id, arm, seed FROM trials WHERE job = ? AND round = ? ORDER BY id", (job, number)
            ).fetchall():
                key = TrialKey(number, row["arm"], row["seed"])
                steps, values = curve(key, made, share)
                connection.execute(
                    "UPDATE trials SET state = ?, batch = ?, step = ?, density = ?, score = ? WHERE id = ?",
                    (state, batch, int(steps[-1]), made.pruning.density(number),
                     float(values[-5:].mean()) if share >= 1 else None, row["id"]),
                )  # fmt: skip
                metrics.write(
                    connection,
                    [Point(row["id"], "return/train", int(s), float(v)) for s, v in zip(steps, values, strict=True)],
                )  # fmt: skip
                self._layers(connection, row["id"], key, made, collapse_from)
                self._audit(connection, row["id"], state)
            if state == "running":
                connection.execute("INSERT OR REPLACE INTO slots VALUES ('cpu:0', 'cpu', 4242, ?)", (batch,))
        self.event(job, "round", f"round {number} {state}")

    def _layers(self, connection, trial: int, key: TrialKey, made: Experiment, collapse_from: int) -> None:  # type: ignore[no-untyped-def]
        for position, (layer, shape) in enumerate(LAYERS):
            size = math.prod(shape)
            kept = round(size * made.pruning.density(key.round))
            if layer.startswith("policy_head") and key.arm == "winning" and key.round >= collapse_from:
                kept = 0 if key.round > collapse_from or key.seed % 2 else kept
            connection.execute(
                "INSERT OR REPLACE INTO layers VALUES (?, ?, ?, ?, ?, ?, 1)",
                (trial, position, layer, json.dumps(shape), size, kept),
            )

    def _audit(self, connection, trial: int, state: str) -> None:  # type: ignore[no-untyped-def]
        checks = [("before", f"check {i}") for i in range(8)]
        checks += [("after", f"check {i}") for i in range(4)] if state == "done" else []
        connection.executemany(
            "INSERT OR REPLACE INTO audits VALUES (?, ?, ?, 0, 0, 1, 'as it should be')",
            [(trial, moment, name) for moment, name in checks],
        )

    def fail_audit(self, trial: int, detail: str) -> None:
        """Let a check fail."""
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO audits VALUES (?, 'after', 'masked entries stay zero', 0, 0, 0, ?)",
                (trial, detail),
            )

    def event(self, job: int | None, kind: str, text: str) -> None:
        """Note that something happened."""
        self.clock += 7
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT INTO events (at, job, kind, text) VALUES (?, ?, ?, ?)", (self.clock, job, kind, text)
            )

    def sql(self, statement: str, *parameters: object) -> None:
        """Any statement."""
        with self.database.transaction() as connection:
            connection.execute(statement, parameters)

    def asked(self) -> list[tuple[str, dict[str, object]]]:
        """The commands in the command table that nobody has answered."""
        return [(command.kind, json.loads(command.payload)) for command in unanswered(self.database)]

    def answer_all(self, reply: dict[str, object]) -> None:
        """Answer every command."""
        self.sql("UPDATE commands SET answer = ? WHERE answer IS NULL", json.dumps(reply))


def curve(key: TrialKey, made: Experiment, share: float) -> tuple[np.ndarray, np.ndarray]:
    """A learning curve of a trial: a rise to its arm's level, less high where less is left, with noise of its seed."""
    steps = np.arange(2000, LENGTH * share + 1, 2000)
    level = _FINAL.get(key.arm, 200.0) * (1 - 0.06 * key.round)
    noise = np.random.default_rng(1000 * key.seed + 10 * key.round + len(key.arm)).normal(0, 18, len(steps) + 1)
    values = level * (1 - np.exp(-steps / 15_000)) + noise[1:] + noise[0]
    return steps, np.clip(values, 9, 500)


def fill(folder: Path, *, seeds: int = 8, live: float = 0.6) -> Writer:
    """A done job, a running one whose policy head collapses, a failed one, a queued one."""
    writer = Writer(folder)
    done = experiment("cartpole-done", seeds, 4, ("winning", "random"))
    number = writer.job(done, "done")
    for round in range(5):
        writer.round(number, done, round)
    running = experiment("cartpole", seeds)
    number = writer.job(running, "running")
    for round in range(5):
        writer.round(number, running, round, collapse_from=3)
    writer.round(number, running, 5, share=live, collapse_from=3)
    failed = experiment("cartpole-nan", 2, 2, ("winning", "random"))
    number = writer.job(failed, "failed", "seed 1: loss is not a number at step 12,000")
    writer.round(number, failed, 0)
    writer.sql("UPDATE trials SET state = 'failed', error = 'nan at step 12,000' WHERE job = ? AND round = 1", number)
    writer.job(experiment("cartpole-next", 2, 3), "queued")
    writer.sql("INSERT OR REPLACE INTO engine VALUES (1, 4321, 'gpu-07', ?, ?, 'running')", START, START + 1e9)
    return writer


def copy_of(closed: Writer, folder: Path) -> Writer:
    """A copy of a workspace whose database is closed: a tenth of a second less than writing it."""
    made = Writer(shutil.copytree(closed.workspace.folder, folder))
    made.clock = closed.clock
    return made


if __name__ == "__main__":
    import sys

    fill(Path(sys.argv[1]))
