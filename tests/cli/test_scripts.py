"""The commands for scripts: what stands in docs/scripts.md is what they print."""

import json
import math
import re
import shlex
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lth_core.cli.shapes import ANSWERS
from lth_core.cli.sql import _print_text
from lth_core.engine.lease import Lease
from lth_core.store import sql, views
from lth_core.store.batches import add_batch, begin_batch
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from tests import shapes
from tests.command import lth
from tests.engine.experiments import as_toml, tiny

DOCS = Path(__file__).parent.parent.parent / "docs" / "scripts.md"


@pytest.mark.processes
def test_the_session_in_the_docs_runs_a_study_to_its_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "lth").mkdir()
    (tmp_path / "lth" / "workbench.toml").write_text(f"[notify]\ncommand = ['tee', '{tmp_path / 'told'}']")
    (tmp_path / "tiny.toml").write_text(as_toml(tiny()))
    session = re.search(r"```sh\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert session
    printed = []
    for line in session[1].splitlines():
        done = lth(*shlex.split(line)[1:], cwd=tmp_path)
        assert done.returncode == 0, (line, done.stderr)
        printed.append(done.stdout)
    waited, shown = json.loads(printed[5]), json.loads(printed[7])
    assert [job["state"] for job in waited["jobs"]] == ["done"]
    assert json.loads((tmp_path / "told").read_text())["event"] == "done"
    assert shown["answers"][0]["question"] == "Winning or random?"
    assert shown["audits"]["failed"] == 0 < shown["audits"]["passed"]
    assert printed[8].splitlines()[0] == "arm,round,n,mean"
    assert len(printed[8].splitlines()) == 6
    assert lth("wait", 2, cwd=tmp_path).returncode == 1  # it was cancelled
    assert lth("retry", 2, cwd=tmp_path).stdout == "retry: job 2 tiny: now queued\n"


@pytest.mark.parametrize(
    ("command", "shape"),
    [
        ("jobs", "jobs"), ("show 1", "show JOB"), ("show tiny.toml", "show FILE"), ("inspect 1", "inspect"),
        ("show suites/classic-quick", "show FILE"), ("doctor", "doctor"), ("diff 1 tiny.toml", "diff"),
        ("diff 1 quick/acrobot", "diff"), ("presets", "presets"), ("fields", "fields"), ("wait 1", "wait"),
        ("check tiny.toml --no-measure", "check"), ("sql 'SELECT * FROM audits'", "sql"),
    ],
)  # fmt: skip
def test_json_has_the_documented_shape(trained: Path, command: str, shape: str) -> None:
    done = lth(*shlex.split(command), "--json", cwd=trained)
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout.count("\n") == 1
    ANSWERS[shape].model_validate(_numbers(json.loads(done.stdout)))


def test_the_page_has_the_shapes_and_the_views(trained: Path) -> None:
    assert shapes.page() == DOCS.read_text(), "run ./dev docs"
    for name, columns in sql.columns(Workspace(trained / "workspace").database).items():
        assert f"| `{name}` | {', '.join(f'`{column}`' for column in columns)} |" in DOCS.read_text()


def _numbers(value: Any) -> Any:
    """With NaN for null where a number is not finite: of estimates alone."""
    if isinstance(value, list):
        return [_numbers(one) for one in value]
    if not isinstance(value, dict):
        return value
    known = {"value", "low", "high", "floor", "density", "mean"}
    return {name: math.nan if one is None and name in known else _numbers(one) for name, one in value.items()}


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM jobs", "SELECT * FROM main.jobs", "SELECT * FROM commands", "SELECT count(*) FROM engine",
        "PRAGMA query_only = 0", "ATTACH 'x' AS y", "DROP VIEW jobs", "SELECT 1; DROP TABLE jobs", "BEGIN", "VACUUM",
        "", "SELECT randomblob(1000000000)", "SELECT * FROM pragma_table_info('jobs')", "SELECT load_extension('x')",
        "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a) SELECT COUNT(*) FROM a", "SELECT 'a\0b'",
    ],
)  # fmt: skip
def test_sql_only_reads_the_views_and_within_its_limits(trained: Path, statement: str) -> None:
    done = lth("sql", statement, "--seconds", 0.1, cwd=trained)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("lth: sql: ")
    assert done.stderr.count("\n") == 1


def test_sql_prints_clean_rows_up_to_a_limit(trained: Path) -> None:
    query = "SELECT round, char(27) || ']0;x' || char(7) || 'red' AS \"a\nb\" FROM trials ORDER BY round"
    done = lth("sql", query, "--limit", 2, "--csv", cwd=trained)
    assert done.stdout == 'round,"a\nb"\n0,red\n0,red\n'
    assert done.stderr == "lth: sql: only the first 2 rows; --limit allows more\n"
    for view in sql.VIEWS:
        done = lth("sql", f"SELECT COUNT(*) AS n, 1e999 AS big FROM {view}", "--json", cwd=trained)
        assert json.loads(done.stdout)["rows"][0][0] > 0, view
        assert json.loads(done.stdout)["rows"][0][1] is None


def test_sql_prints_a_line_for_each_row_or_each_value_and_cuts_no_number(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lth_core.cli.sql.make_console", lambda: Console(width=40))
    found = sql.Answer(["name", "score", "text"], [("a", 0.123456789012, "x" * 99), ("b", None, "y")], False)
    _print_text(found, long=False)
    out, said = capsys.readouterr()
    assert len(out.rstrip().splitlines()) == 5 and "0.123456789012" in out and "xx…" in out and "--long" in said
    _print_text(found, long=True)
    out, said = capsys.readouterr()
    assert out.replace("\n", "").replace(" ", "").count("x") == 99 + 2 and "row 2" in out and not said
    wide = sql.Answer([f"c{n}" for n in range(9)], [tuple(range(10_000, 10_009))], False)
    _print_text(wide, long=False)
    out, said = capsys.readouterr()
    assert [line.split() for line in out.splitlines()[1:]] == [
        [f"c{n}", str(10_000 + n)] for n in range(9)
    ] and not said


def test_commands_for_jobs_are_refused_in_a_sentence(tmp_path: Path) -> None:
    assert "no workspace here yet" in lth("pause", 1, cwd=tmp_path).stderr
    (tmp_path / "tiny.toml").write_text(as_toml(tiny()))
    assert lth("add", "tiny.toml", "nothing.toml", cwd=tmp_path).returncode == 2
    assert not (tmp_path / "workspace").exists()
    assert lth("add", "tiny.toml", cwd=tmp_path).stdout == "job 1 tiny: queued\n"
    assert "already has this" in lth("add", "tiny.toml", cwd=tmp_path).stdout
    for words, expected in {
        "pause 7": "there is no job or suite 7; jobs: 1; suites: none",
        "pause \x1b[31mx": "there is no job or suite x",
        "pause tinny": 'did you mean "tiny"',
        "resume 1": "job 1 is queued: resume is for jobs that are paused",
        "resume tiny": "job 1 is queued: resume is for jobs that are paused",
        "move 1": "expected one of --up N",
        "move 1 --up 1 --last": "expected one of --up N",
        "sql x --csv --json": "not both",
        "wait --give-up -1": "",
    }.items():
        done = lth(*words.split(" "), cwd=tmp_path)
        assert done.returncode == 2, words
        assert expected in done.stderr
    waited = lth("wait", "--give-up", 0, "--json", cwd=tmp_path)
    assert waited.returncode == 3
    assert json.loads(waited.stdout)["given_up"]
    assert "nothing works on this workspace" in waited.stderr


def test_a_command_is_stored_if_batches_of_an_engine_that_is_gone_may_run(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(as_toml(tiny()))
    lth("add", "tiny.toml", cwd=tmp_path)
    workspace = Workspace(tmp_path / "workspace")
    database = Database(workspace.database, writer=True)
    with database.transaction() as connection:
        begin_batch(connection, add_batch(connection, 1, [1]), "cpu-0")
    done = lth("cancel", 1, "--json", cwd=tmp_path)
    assert not json.loads(done.stdout)["jobs"][0]["carried_out"]
    job = views.job(database, 1)
    assert job is not None
    assert job.state == "queued"
    assert "stored" in lth("pause", 1, cwd=tmp_path).stdout
    database.close()
    Lease(workspace.lease).release()  # it was let go


def test_a_query_cannot_write_even_by_a_way_that_nobody_thought_of(trained: Path) -> None:
    with sql._opened(Workspace(trained / "workspace").database) as connection:
        connection.set_authorizer(None)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM main.jobs")
