"""Tiny experiments and helpers that the engine's tests share."""

import hashlib
import json
from pathlib import Path
from typing import Any

from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import resolve
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.record_lines import body_of, content_of
from lth_core.store.schema import NEWEST_AUDITS
from lth_core.store.tensors import load_tensors
from lth_core.store.workspace import Workspace


def tiny(name: str = "tiny", **sections: Any) -> Experiment:
    """A few seconds of CartPole: two seeds, two rounds, two arms; tables are merged over the defaults."""
    fields: dict[str, Any] = {
        "name": name,
        "seeds": sections.pop("seeds", 2),
        "arms": sections.pop("arms", ["winning", "random"]),
        "model": {"hidden": [8]},
        "training": {
            "length": 2_000, "environments": 4, "n_steps": 8, "optimizer": "adam", "learning_rate": 3e-3,
            "record_every": 500, "checkpoint_every": 500,
        },
        "pruning": {"rounds": 2, "fraction": 0.3},
    }  # fmt: skip
    for section, values in sections.items():
        fields[section] = {**fields.get(section, {}), **values}
    return resolve(fields, name)


def write_command(database: Database, kind: str, payload: Any) -> int:
    """Write a command as an interface of any version, or a faulty one, might; returns its number."""
    with database.transaction() as connection:
        row = connection.execute(
            "INSERT INTO commands (at, kind, payload) VALUES (0, ?, ?)", (kind, json.dumps(payload))
        )
    return int(row.lastrowid or 0)


def as_toml(experiment: Experiment) -> str:
    """The experiment as a file that `lth` reads."""
    from lth_core.cli.fields import experiment_fields, lines

    return lines(experiment_fields(experiment)).replace("null", '"unset"')


def suite_of_two() -> str:
    """A suite file of two tiny experiments, `two` by the name of its file."""
    base = "\n".join(line for line in as_toml(tiny()).splitlines() if not line.startswith("name ="))
    members = '[[suite.member]]\nname = "v1"\n[[suite.member]]\nname = "v0"\ntask.environment = "CartPole-v0"\n'
    return f"{base}\n{members}"


def forget(workspace: Workspace) -> None:
    """Lose the database."""
    for path in workspace.folder.glob("workspace.sqlite*"):
        path.unlink()


def change_records(path: Path, words: dict[str, str]) -> None:
    """Write the records of a file as if they had always said one word for the other."""
    text = path.read_text()
    for old, new in words.items():
        text = text.replace(old, new)
    path.write_bytes(content_of(body_of(line.encode()) for line in text.splitlines()))


def digest(folder: Path, job: int = 1) -> dict[str, Any]:
    """Everything that a job has produced, exactly: tensors, scores, metrics, layers and audits of each trial.

    Not the words of checks that say which others of the stack they looked at.
    """
    workspace = Workspace(folder)
    database = Database(workspace.database, writer=False)
    found: dict[str, Any] = {}
    for trial in views.trials(database, job):
        row = database.row("SELECT tensors, sha256 FROM trials WHERE id = ?", trial.id)
        assert row is not None
        tensors = None
        if row["tensors"] is not None:
            arrays, _ = load_tensors(workspace.inside(row["tensors"]), row["sha256"])
            tensors = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in sorted(arrays.items())}
        key = f"{trial.arm}/{trial.round}/{trial.seed}"
        found[key] = {
            "state": trial.state,
            "score": trial.score,
            "step": trial.step,
            "tensors": tensors,
            "metrics": [tuple(r) for r in database.rows(
                "SELECT n.name, m.step, m.value FROM metrics m JOIN metric_names n ON n.id = m.name "
                "WHERE m.trial = ? ORDER BY 1, 2", trial.id)],
            "layers": [tuple(r) for r in database.rows("SELECT layer, kept FROM layers WHERE trial = ?", trial.id)],
            "audits": [tuple(r) for r in database.rows(
                "SELECT moment, name, passed, CASE WHEN name IN ('loss', 'independent') THEN '' ELSE detail END "
                f"FROM {NEWEST_AUDITS} WHERE trial = ? ORDER BY 1, 2", trial.id)],
        }  # fmt: skip
    database.close()
    return found
