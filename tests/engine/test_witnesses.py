"""One value changed in one place: `lth doctor` names it and says who agrees, `--repair` puts it back."""

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lth_core.batches.batch import BatchFolder
from lth_core.cli import app
from lth_core.experiment.experiment import Experiment
from lth_core.store import commands, soundness, views
from lth_core.store.database import Database
from lth_core.store.events_file import read_scalars
from lth_core.store.jobs import add_job
from lth_core.store.workspace import Workspace
from lth_core.upkeep import health
from lth_core.upkeep.witnesses import compare
from tests.engine.experiments import digest, forget, tiny
from tests.thorough import some


def sql(statement: str) -> Callable[[Workspace], None]:
    def change(workspace: Workspace) -> None:
        with sqlite3.connect(workspace.database) as connection:
            assert connection.execute(statement).rowcount == 1
        connection.close()

    return change


def in_a_record(kind: str, old: bytes, new: bytes) -> Callable[[Workspace], None]:
    def change(workspace: Workspace) -> None:
        path = workspace.batch(2) / "attempt-1" / "records.jsonl"
        lines = path.read_bytes().split(b"\n")
        place = next(n for n, line in enumerate(lines) if f'"kind":"{kind}"'.encode() in line and old in line)
        lines[place] = lines[place].replace(old, new, 1)
        path.write_bytes(b"\n".join(lines))

    return change


def cut_the_records(workspace: Workspace) -> None:
    path = workspace.batch(2) / "attempt-1" / "records.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    place = next(n for n, line in enumerate(lines) if b'"kind":"done"' in line)
    path.write_bytes(b"".join(lines[:place]))


def events_of(workspace: Workspace) -> Path:
    return next((workspace.folder / "tensorboard").glob("*/winning/round-01/seed-0"))


def in_tensorboard(workspace: Workspace) -> None:
    path = next(events_of(workspace).iterdir())
    content = bytearray(path.read_bytes())
    content[content.rindex(b"entropy") + 10] ^= 1
    path.write_bytes(content)


DIGEST, HOLDS = "the database's digest does not match", "the database's digest matches"
ONE = "FROM trials WHERE arm = 'winning' AND round = 1 AND seed = 0"
CHANGES: dict[str, tuple[Callable[[Workspace], None], str]] = {
    "score": (sql(f"UPDATE trials SET score = 400.5 WHERE id = (SELECT id {ONE})"), "records and TensorBoard agree"),
    "last bit of a score": (
        sql(f"UPDATE trials SET score = score * (1 + 4e-16) WHERE id = (SELECT id {ONE})"), DIGEST),
    "state": (sql(f"UPDATE trials SET state = 'failed' WHERE id = (SELECT id {ONE})"), DIGEST),
    "seed": (sql(f"UPDATE trials SET seed = 5 WHERE id = (SELECT id {ONE})"), "seed is 5 in the database, 0"),
    "checksum of a file": (
        sql(f"UPDATE trials SET sha256 = replace(sha256, substr(sha256, 1, 1), 'x') WHERE id = (SELECT id {ONE})"),
        "sha256 is x"),
    "audit row": (
        sql(f"UPDATE audits SET passed = 0 WHERE trial = (SELECT id {ONE}) AND name = (SELECT MIN(name) FROM audits "
            f"WHERE trial = (SELECT id {ONE}))"), DIGEST),
    "layer row": (
        sql(f"UPDATE layers SET kept = kept + 1 WHERE position = 0 AND trial = (SELECT id {ONE})"), "layer 0 is"),
    "shape that cannot be read": (
        sql(f"UPDATE layers SET shape = 'x' WHERE position = 0 AND trial = (SELECT id {ONE})"), "cannot be shown"),
    "point": (
        sql(f"UPDATE metrics SET value = value + 1 WHERE trial = (SELECT id {ONE}) AND (name, step) = "
            f"(SELECT name, MAX(step) FROM metrics WHERE trial = (SELECT id {ONE}) AND value NOT NULL)"),
        "records and TensorBoard agree"),
    "digest": (sql(f"UPDATE trials SET digest = 'x' || digest WHERE id = (SELECT id {ONE})"), "everything else agrees"),
    "experiment": (
        sql("UPDATE jobs SET experiment = replace(experiment, '0.003', '0.001')"), "its experiment is not what was"),
    "experiment that cannot be read": (sql("UPDATE jobs SET experiment = '{'"), "its experiment is not what was"),
    "record of a score": (in_a_record("done", b'"score":', b'"score":1'), "lines are not what was written"),
    "record of a point": (in_a_record("metrics", b'"games":', b'"games":1'), "database and TensorBoard agree"),
    "record of an audit": (in_a_record("audit", b"true", b"fals"), HOLDS),
    "record of a layer": (in_a_record("layers", b"[[", b"[]"), HOLDS),
    "records that end too soon": (cut_the_records, "state is done in the database, nothing in the records"),
    "name of a checksum": (in_a_record("done", b'"crc32"', b'"crc33"'), "lines are not what was written"),
    "facts of an attempt": (
        sql("UPDATE attempts SET facts = replace(facts, '\"threads\": ', '\"threads\": 1') WHERE batch = 2"),
        "what attempt 1 of batch 2 ran with is not what its record says; the record's checksum holds"),
    "name of a job": (sql("UPDATE jobs SET name = 'x' WHERE id = 1"), "its name or identity is not that of"),
    "TensorBoard's point": (in_tensorboard, "TensorBoard's file is damaged"),
}  # fmt: skip


def doctor(workspace: Workspace, *words: str) -> Any:
    return CliRunner().invoke(app, ["doctor", *words, "-w", str(workspace.folder)])


def odd(workspace: Workspace) -> list[str]:
    database = Database(workspace.database, writer=False)
    found = [one.sentence for one in compare(workspace, database)]
    database.close()
    return found


@pytest.mark.parametrize("what", CHANGES)
def test_one_changed_value_is_named(workspace: Workspace, what: str) -> None:
    change, said = CHANGES[what]
    assert odd(workspace) == []
    change(workspace)
    found = doctor(workspace)
    assert found.exit_code == 1 and said in found.output, found.output
    assert "lth doctor --repair" in found.output


@pytest.mark.parametrize("what", some(CHANGES, "score", "point", "layer row", "experiment", "record of an audit"))
def test_repair_puts_it_back_with_an_event(done: Path, workspace: Workspace, what: str) -> None:
    CHANGES[what][0](workspace)
    said = doctor(workspace, "--repair")
    assert said.exit_code == 0 and "restored: " in said.output, said.output
    assert odd(workspace) == []
    assert digest(workspace.folder) == digest(done)
    with contextlib.closing(Database(workspace.database, writer=False)) as database:
        assert [event.kind for event in views.events(database)].count("repaired") >= 1
        assert read_scalars(events_of(workspace)) == read_scalars(events_of(Workspace(done)))
    forget(workspace)  # the records alone say the same, too
    health.remake_database(workspace)
    assert digest(workspace.folder) == digest(done)


def flip_a_seed(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"seed": 0', b'"seed": 1', 1))


def put_another(path: Path) -> None:
    shutil.copy(path.parent.parent / "000001" / "spec.json", path)


@pytest.mark.parametrize(("change", "said"), [
    (flip_a_seed, "has changed since it was written"), (Path.unlink, "is missing"), (put_another, "had another number"),
])  # fmt: skip
def test_a_damaged_specification_is_named_and_written_again(
    done: Path, workspace: Workspace, change: Callable[[Path], None], said: str
) -> None:
    change(workspace.batch(2) / "spec.json")
    found = doctor(workspace)
    assert found.exit_code == 1 and f"job 1: batches/000002/spec.json {said}" in found.output, found.output
    assert doctor(workspace, "--repair").exit_code == 0
    assert BatchFolder(workspace.batch(2)).spec().trials == BatchFolder(Workspace(done).batch(2)).spec().trials
    forget(workspace)
    health.remake_database(workspace)
    assert digest(workspace.folder) == digest(done)


def test_a_specification_is_not_written_from_what_is_damaged_itself(workspace: Workspace) -> None:
    for path in workspace.batches.glob("*/spec.json"):
        flip_a_seed(path)
    CHANGES["experiment"][0](workspace)
    with contextlib.closing(sqlite3.connect(workspace.database)) as connection, connection:
        connection.execute("DELETE FROM commands")
    before = (workspace.batch(2) / "spec.json").read_bytes()
    found = doctor(workspace, "--repair")
    assert found.exit_code == 1 and "nothing has the original" in found.output, found.output
    assert (workspace.batch(2) / "spec.json").read_bytes() == before


@pytest.mark.parametrize("kept", [True, False])
def test_the_experiment_of_a_job_that_has_not_begun_is_in_the_command_that_queued_it(
    workspace: Workspace, kept: bool
) -> None:
    other = tiny("other")
    with contextlib.closing(Database(workspace.database, writer=True)) as database:
        asked = commands.ask(database, commands.Submit(experiment=other.canonical() if kept else "", source="x.toml"))
        with database.transaction() as connection:
            commands.reply(connection, asked, {"job": add_job(connection, other, "x.toml", {})})
            connection.execute("UPDATE jobs SET experiment = replace(experiment, '0.003', '0.001') WHERE id = 2")
    said = "the command that queued it has the original" if kept else "nothing has the original"
    found = doctor(workspace)
    assert found.exit_code == 1 and "job 2: its experiment is not what was queued" in found.output
    assert said in found.output
    assert doctor(workspace, "--repair").exit_code == (not kept)
    with contextlib.closing(Database(workspace.database, writer=False)) as database:
        stored = Experiment.from_json(soundness.named_experiment(database, 2)["experiment"])
    assert (stored == other) == kept
