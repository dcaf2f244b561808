"""Anything at all, where names, paths, TOML, records, commands, logs and event files are read: refused or harmless.

Fuzzed with hypothesis. Harmless means: nothing outside of the workspace, nothing that a terminal obeys, no exception
that would stop the queue.
"""

import contextlib
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lth_core.batches.batch import BatchSpec, read_exit
from lth_core.cli.progress import PlainProgress
from lth_core.engine.commands import Commands
from lth_core.engine.disk import Space
from lth_core.engine.failures import decide
from lth_core.engine.intake import Intake
from lth_core.engine.launchers import local
from lth_core.errors import InputError
from lth_core.experiment.file import load_experiment, resolve
from lth_core.experiment.suite import load
from lth_core.store import views
from lth_core.store.batches import add_batch, begin_batch
from lth_core.store.commands import KINDS as COMMANDS
from lth_core.store.database import Database
from lth_core.store.events_file import read_scalars
from lth_core.store.jobs import add_job
from lth_core.store.records import RecordReader
from lth_core.store.tensors import load_newest_checkpoint, read_card
from lth_core.store.workspace import Workspace
from lth_core.text import is_name
from tests.engine.experiments import tiny

EVIL = [
    "../../x", "/etc/passwd", "a/../../b", "-rf", "$(touch x)", "`id`", "a\x00b", "\x1b]52;c;eA==\x07", "\x1b[2J",
    "\u202eexe.txt", "\u2066x\u2069", "a\nb", "a\rb", "\x9b31m", "\ud800", "\U000e0041", "x" * 5000, ".", "..", "",
    "CON", "a\u0301" * 50, "\ufeffx", "\u2028",
]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(EVIL), st.text(max_size=200), st.text(alphabet="./\\-_a\x00\x1b", max_size=40))
NUMBERS = st.one_of(st.integers(), st.sampled_from([2**63, -(2**63) - 1, 10**400]), st.floats())
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)


def assert_harmless(text: str) -> None:
    """Nothing in it that a terminal obeys or that hides."""
    for character in text:
        kept = character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
        assert kept, f"{character!r} in {text!r}"


@given(TEXTS)
def test_a_name_that_is_accepted_stays_in_its_folder(name: str) -> None:
    workspace = Workspace(Path("/somewhere/w"))
    if is_name(name):
        assert workspace.tensorboard(1, name).parent == Path("/somewhere/w/tensorboard")
        assert_harmless(name)
    else:
        with pytest.raises(ValueError, match="not a name"):
            workspace.tensorboard(1, name)


@given(TEXTS)
def test_a_stored_path_leads_into_the_workspace_or_is_refused(tmp_path_factory: Any, path: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        found = Workspace(folder / "w").inside(path)
    except ValueError:
        return
    assert found.is_relative_to((folder / "w").resolve())


@given(
    st.sampled_from(["name", "seeds", "arms", "task", "model", "training", "pruning", "rewinding", "arm", "evil"]), JSON
)
@example("arm", {"../x": {"mask": "ticket"}})
def test_any_value_of_any_field_is_taken_or_refused_in_one_harmless_sentence(field: str, value: Any) -> None:
    fields: dict[str, Any] = {"name": "n", "seeds": 1, field: value}
    try:
        experiment = resolve(fields, "file.toml")
    except InputError as error:
        said = str(error)
        assert said and "\n" not in said and len(said) < 5000
        assert_harmless(said)
    else:
        assert all(is_name(name) for name in (experiment.name, *experiment.arms))


@given(st.one_of(st.binary(max_size=300), TEXTS.map(lambda t: t.encode(errors="surrogatepass"))), TEXTS)
def test_any_file_is_read_or_refused_in_one_harmless_sentence(tmp_path_factory: Any, content: bytes, set_: str) -> None:
    path = tmp_path_factory.mktemp("toml") / "any.toml"
    path.write_bytes(content)
    for read in (load_experiment, load):
        with pytest.raises(InputError) as refused:
            read(path, [set_])
        assert "\n" not in str(refused.value)
        assert_harmless(str(refused.value))


@pytest.fixture(scope="module")
def queued(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Database]:
    """A workspace with a job whose first batch runs."""
    workspace = Workspace(tmp_path_factory.mktemp("queued"))
    workspace.create()
    database = Database(workspace.database, writer=True)
    with database.transaction() as connection:
        job = add_job(connection, tiny(), "source", {})
        batch = add_batch(connection, job, [1, 2])
        begin_batch(connection, batch, "cpu/0")
    (workspace.batch(1) / "attempt-1").mkdir(parents=True)
    return workspace, database


KINDS = st.sampled_from(["metrics", "layers", "audit", "done", "failed", "evil", None])
RECORDS = st.fixed_dictionaries(
    {"kind": KINDS, "trial": st.one_of(st.sampled_from([1, 2, 99]), JSON)},
    optional={
        "step": JSON, "values": st.one_of(JSON, st.dictionaries(TEXTS, NUMBERS, max_size=3)), "layers": JSON,
        "density": JSON, "model_density": JSON, "moment": JSON, "checks": JSON, "score": JSON, "tensors": JSON,
        "sha256": JSON, "error": JSON, "damaged": JSON,
    },
)  # fmt: skip


@settings(max_examples=100)
@given(st.lists(RECORDS, max_size=3), st.binary(max_size=60))
@example([{"kind": "done", "trial": 1, "score": [1], "tensors": {}, "sha256": "x", "step": 1}], b"")
@example([{"kind": "audit", "trial": 1, "moment": "before", "checks": [["n", True, ["\ud800"]]]}], b"[" * 50_000)
@pytest.mark.thorough
def test_any_record_is_taken_over_or_left_out_and_the_queue_goes_on(
    queued: tuple[Workspace, Database], records: list[Any], rest: bytes
) -> None:
    workspace, database = queued
    path = workspace.batch(1) / "attempt-1" / "records.jsonl"
    with path.open("ab") as file:
        for record in records:
            with contextlib.suppress(ValueError):  # a number that Python does not spell out
                file.write(json.dumps(record).encode() + b"\n")
        file.write(rest + b"\n")
    Intake(workspace, database, Space(workspace.folder)).ingest(1)
    read = database.row("SELECT records_read FROM batches WHERE id = 1")
    assert read is not None and read[0] == path.stat().st_size, "nothing is read twice or waited for"
    assert not database.connection.in_transaction
    for event in views.events(database):
        assert "\n" not in event.text
        assert_harmless(event.text)
    assert_readable(database)


def assert_readable(database: Database) -> None:
    """What an interface reads is still there."""
    assert [job.id for job in views.jobs(database)]
    views.trials(database, 1)
    views.layers(database, 1)
    views.audits(database, 1)


@given(st.sampled_from([*COMMANDS, "evil", "__init__"]), st.one_of(
    JSON, st.fixed_dictionaries({"job": JSON}, optional={"by": JSON, "launcher": JSON, "after_round": JSON}),
    st.fixed_dictionaries({"count": JSON}),
    st.fixed_dictionaries({"experiment": TEXTS, "source": JSON}, optional={"again": JSON, "suite": JSON}),
))  # fmt: skip
def test_any_command_is_answered(queued: tuple[Workspace, Database], kind: str, payload: Any) -> None:
    _, database = queued
    try:
        text = json.dumps(payload)
    except ValueError:
        return
    with database.transaction() as connection:
        connection.execute("INSERT INTO commands (at, kind, payload) VALUES (0, ?, ?)", (kind, text))
    Commands(database, ["cpu"], lambda *_: None, lambda *_: None).obey()
    row = database.row("SELECT answer FROM commands ORDER BY id DESC LIMIT 1")
    assert row is not None and isinstance(json.loads(row["answer"]), dict)
    assert_readable(database)


@given(st.one_of(st.binary(max_size=100), JSON.map(lambda value: repr(value).encode(errors="replace"))))
@example(b'{"code": "x"}')
@example(b'{"code": 1, "error": ["\\u001b[2J"], "needed": "much"}')
@example(b"[" * 100_000)
def test_any_last_word_of_a_worker_is_understood_or_ignored(tmp_path_factory: Any, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("attempt")
    (folder / "exit.json").write_bytes(content)
    said = read_exit(folder)
    if said is not None:
        assert decide(said.code, said.error, failures=0, tickets=1).step


@given(st.one_of(st.binary(max_size=200), JSON.map(lambda value: json.dumps(repr(value)).encode())))
def test_any_specification_is_refused_without_harm(content: bytes) -> None:
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        BatchSpec.from_json(content.decode(errors="replace"))


@given(st.binary(max_size=400))
@example((2**63).to_bytes(8, "little") + b"\x00" * 40)
def test_any_event_file_is_read_as_far_as_it_makes_sense(tmp_path_factory: Any, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("events")
    (folder / "events.out.tfevents.1.host").write_bytes(content)
    assert read_scalars(folder) == {}


@given(st.binary(max_size=300), st.binary(max_size=20))
def test_any_file_named_as_a_checkpoint_is_set_aside(tmp_path_factory: Any, content: bytes, other: bytes) -> None:
    folder = tmp_path_factory.mktemp("checkpoints")
    path = folder / f"step-{7:012d}.{'0' * 64}.safetensors"
    path.write_bytes(content)
    (folder / "step-1.safetensors").write_bytes(other)
    assert load_newest_checkpoint([folder], set()) is None
    assert read_card(folder / "step-1.safetensors") is None
    assert sorted(p.name for p in folder.iterdir()) == sorted([path.name + ".damaged", "step-1.safetensors"])


@given(st.one_of(st.binary(max_size=400), TEXTS.map(lambda t: t.encode(errors="surrogatepass"))))
def test_any_log_line_is_shown_harmlessly(tmp_path_factory: Any, content: bytes) -> None:
    path = tmp_path_factory.mktemp("log") / "log.txt"
    path.write_bytes(content)
    said = local._cause(1, "", path)
    assert "\n" not in said.strip()
    assert_harmless(said)


@given(TEXTS, TEXTS)
def test_any_text_of_the_store_is_printed_harmlessly(kind: str, text: str) -> None:
    import io

    from rich.console import Console

    out = io.StringIO()
    event = views.EventView(1, 0.0, 1, None, kind, text)
    progress = PlainProgress(Console(file=out, width=200, color_system=None))
    progress.update([], [event])
    progress.say(text)
    assert_harmless(out.getvalue())


@given(st.binary(max_size=300))
def test_any_records_file_is_read_to_its_last_line(tmp_path_factory: Any, content: bytes) -> None:
    path = tmp_path_factory.mktemp("records") / "r"
    path.write_bytes(content)
    found, end = RecordReader(path).read(0)
    assert end == content.rfind(b"\n") + 1
    assert all(isinstance(record, dict) for record in found)
