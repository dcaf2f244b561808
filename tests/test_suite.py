"""A suite file: expanded to its members, each validated, and refused with file, member, field and value."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import resolve
from lth_core.experiment.suite import Suite, expand, load, merge
from lth_core.settings.control import ControlTask
from lth_core.settings.imitation import ImitationTask

ROOT = Path(__file__).parents[1]
SUITES = sorted((ROOT / "configs" / "suites").glob("*.toml"))

BASE = """
seeds = 2
[suite]
name = "two"
[[suite.member]]
name = "a"
task.environment = "CartPole-v0"
[[suite.member]]
name = "b"
pruning.rounds = 3
[pruning]
rounds = 5
fraction = 0.3
"""


def expanded(text: str, *overrides: str) -> Suite:
    return expand(tomllib.loads(text), "two.toml", "two", overrides)


def test_a_member_is_the_experiment_that_its_fields_laid_on_the_base_make() -> None:
    suite = expanded(BASE)
    assert suite.name == "two"
    base: dict[str, Any] = {"seeds": 2, "pruning": {"rounds": 5, "fraction": 0.3}}
    assert suite.experiments == (
        resolve({**base, "name": "two-a", "task": {"environment": "CartPole-v0"}}, ""),
        resolve({**base, "name": "two-b", "pruning": {"rounds": 3, "fraction": 0.3}}, ""),
    )


def test_tables_are_merged_and_all_else_replaced_and_nothing_changed() -> None:
    base = {"a": {"x": 1, "y": [1, 2]}, "b": 1}
    over = {"a": {"y": [3]}, "b": {"z": 1}, "c": {"n": 1}}
    assert merge(base, over) == {"a": {"x": 1, "y": [3]}, "b": {"z": 1}, "c": {"n": 1}}
    assert base == {"a": {"x": 1, "y": [1, 2]}, "b": 1}
    assert over["a"] == {"y": [3]}


def test_overrides_win_over_base_and_members() -> None:
    assert [e.pruning.rounds for e in expanded(BASE, "pruning.rounds=1").experiments] == [1, 1]


def test_the_file_names_a_suite_that_has_no_name(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(BASE.replace('name = "two"\n', ""))
    suite = load(tmp_path / "mine.toml")
    assert isinstance(suite, Suite)
    assert [e.name for e in suite.experiments] == ["mine-a", "mine-b"]


def test_a_plain_file_is_the_experiment_it_was(tmp_path: Path) -> None:
    (tmp_path / "plain.toml").write_text("seeds = 3\n")
    found = load(tmp_path / "plain.toml", ["pruning.rounds=2"])
    assert isinstance(found, Experiment)
    assert (found.name, found.seeds, found.pruning.rounds) == ("plain", (0, 1, 2), 2)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("pruning.rounds = 3", "pruning.rounds = 0", "two.toml: member b: pruning.rounds = 0: expected"),
        ("pruning.rounds = 3", "pruning.rouds = 3", 'two.toml: member b: pruning.rouds is not a field: .*"rounds"'),
        ("CartPole-v0", "CartPol-v0", 'two.toml: member a: task.environment = "CartPol-v0": .*did you mean'),
        ("pruning.rounds = 3", 'task.environment = "CartPole-v0"\npruning.rounds = 5', "b: is the same .* as member a"),
        ('name = "b"', 'name = "a"', 'member 2: name = "a": every member'),
        ('name = "b"', 'name = "../b"', r'member 2: name = "../b": expected'),
        ('name = "b"', "name = 3", r"member 2: name = 3: expected"),
        ('name = "b"\n', "", "member 2: name is missing"),
        ('name = "two"', 'name = "-x"', 'suite.name = "-x": expected'),
        ('name = "two"', 'members = "x"', 'suite.members is not a field: .*did you mean "member"'),
        ("seeds = 2", 'seeds = 2\nname = "x"', 'name = "x": a suite has its name in'),
        ("seeds = 2", "", "member a: seeds is missing"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_member_field_and_value(old: str, new: str, expected: str) -> None:
    assert old in BASE
    with pytest.raises(InputError, match=expected) as raised:
        expanded(BASE.replace(old, new))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text", ["suite = 3", "[suite]", "suite.member = []", "suite.member = 3", "suite.member = [1]"]
)
def test_a_suite_without_members_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected"):
        expanded(text)


def test_an_override_of_the_name_is_refused() -> None:
    with pytest.raises(InputError, match="named after its members"):
        expanded(BASE, "name=x")


@pytest.mark.parametrize("content", [b"[suite", b"\xff", b"x" * 1_000_001])
def test_files_that_cannot_be_read_are_a_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_bytes(content)
    with pytest.raises(InputError, match=r"bad.toml"):
        load(tmp_path / "bad.toml")
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "absent.toml")


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_the_suites_that_come_with_the_program_are_accepted(path: Path) -> None:
    suite = load(path)
    assert isinstance(suite, Suite) and suite.name == path.stem and len(suite.experiments) > 1


CLONED = """
seeds = 2
model.hidden = [8]
[suite]
name = "both"
[[suite.member]]
name = "cloned"
task = { kind = "imitation", teacher.member = "control" }
[[suite.member]]
name = "control"
task.environment = "Acrobot-v1"
training = { algorithm = "a2c", length = 4096 }
"""


def test_a_member_may_be_taught_by_what_another_trains() -> None:
    cloned, control = expanded(CLONED).experiments
    assert isinstance(cloned.task, ImitationTask) and isinstance(control.task, ControlTask)
    assert cloned.task.environment == "Acrobot-v1" and cloned.task.environment_alone == control.task
    assert (cloned.task.teacher.training, cloned.task.teacher.model) == (control.training, control.model)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"control" }', '"contrl" }', 'task.teacher.member = "contrl": expected another member of.*"control"'),
        ('"control" }', '"cloned" }', 'task.teacher.member = "cloned": expected another member'),
        ('teacher.member', 'environment = "CartPole-v1", teacher.member', 'has task.environment = "Acrobot-v1"'),
        ('task.environment = "Acrobot-v1"', 'task.kind = "images"', 'task.kind "images": expected a member of control'),
    ],
)  # fmt: skip
def test_a_teacher_that_no_member_trains_is_refused(old: str, new: str, sentence: str) -> None:
    text = CLONED.replace(old, new)
    text = text.replace('training = { algorithm = "a2c", length = 4096 }', "") if "images" in new else text
    text = text.replace("model.hidden = [8]", "") if "images" in new else text
    with pytest.raises(InputError, match=sentence):
        expanded(text)
