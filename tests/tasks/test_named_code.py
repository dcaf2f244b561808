"""Environments and wrappers of other packages and of files of one's own, as an experiment names them."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from lth_core.batches.provenance import provenance
from lth_core.cli.fields import experiment_fields, lines
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import load_experiment, resolve
from lth_core.settings.control import ControlTask
from lth_core.tasks import contents, control
from lth_core.tasks.maker import Maker
from lth_core.tasks.one_by_one import OneByOne
from tests.command import lth
from tests.tasks import named_package

WALK = {"environment": "some_walks:PackagedWalk-v0", "leave_out": ["mission"]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where we stand: a package that can be imported, a file of one's own, and a copy of gymnasium's registry."""
    named_package.write(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    registered = dict(gymnasium.registry)
    yield tmp_path
    gymnasium.registry.clear()
    gymnasium.registry.update(registered)
    for name in [name for name in sys.modules if name == "some_walks" or name.startswith("lth_named_")]:
        del sys.modules[name]


def task(**fields: Any) -> ControlTask:
    return experiment(**fields).task


def experiment(**fields: Any) -> Experiment:
    return resolve({"name": "a", "seeds": [0], "task": fields}, "a.toml")


def test_an_environment_of_a_package_is_made_with_its_arguments_inside_its_wrappers(folder: Path) -> None:
    wrappers = ["some_walks:Doubled", {"name": "some_walks:Doubled", "arguments": {"by": 5.0}}]
    maker = Maker(task(**WALK, arguments={"length": 3}, wrappers=wrappers))
    made = maker.make()
    assert (made.unwrapped.length, made.spec.max_episode_steps, made.by, made.env.by) == (3, 20, 5.0, 2.0)
    one = control.make(maker.task, [0], 2)
    assert isinstance(one, OneByOne) and (one.inputs, one.actions, one.limit) == (1, 2, 20)
    one.reset()
    rewards = [one.step(np.ones((1, 2), np.int64)).rewards for _ in range(3)]
    assert {float(r) for r in np.ravel(rewards)} == {0.0, 10.0}


def test_a_class_of_a_module_is_an_environment_too(folder: Path) -> None:
    assert Maker(task(environment="some_walks:Walk", leave_out=["mission"])).make().unwrapped.length == 6


def test_a_file_of_ones_own_needs_no_installing_and_what_it_prints_is_no_output(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    own = task(environment="still.py:Still")
    assert own.environment == f"{folder}/still.py:Still" and own.subject == "still.py:Still"
    assert capfd.readouterr() == ("", "")  # nothing was imported by reading
    one = control.make(own, [0], 1)
    assert capfd.readouterr() == ("", f"imported {folder}/still.py\n")
    one.reset()
    assert [bool(one.step(np.ones((1, 1), np.int64)).truncated[0, 0]) for _ in range(5)] == [False] * 4 + [True]


def test_arguments_of_a_registered_environment_are_its_own() -> None:
    pytest.importorskip("Box2D", reason="needs the extra box2d")
    windy = task(environment="LunarLander-v3", arguments={"enable_wind": True, "continuous": True})
    made = Maker(windy).make()
    assert made.unwrapped.enable_wind and made.unwrapped.continuous
    one = control.make(windy, [0], 1)
    assert one.continuous and type(one._environments[0][0]) is not type(
        control.make(task(environment="LunarLander-v3"), [0], 1)._environments[0][0]
    )
    assert "(enable_wind=true, continuous=true)" in windy.subject  # no reference score is known of it


@pytest.mark.parametrize(("fields", "said"), [
    ({"environment": "no_such_package:X-v0"}, "no module no_such_package is installed: expected a module of a pack"),
    ({"environment": "some_walks.part:X-v0"}, "no module some_walks.part is installed"),
    ({"environment": "some_walks:Packaged-v0"}, "module some_walks registers no Packaged-v0"),
    ({"environment": "some_walks:Wlak"}, 'has no Wlak, did you mean "Walk"'),
    ({"environment": "some_walks:no_class"}, "no_class is not a subclass of gymnasium.Env: expected one of Walk"),
    ({"environment": "some_walks:Doubled"}, "Doubled is not a subclass of gymnasium.Env: expected one of Walk"),
    ({"environment": "missing.py:X"}, r"environment = missing.py: No such file .*; expected a Python file"),
    ({"environment": "ends.py:X"}, r"importing the file .*ends.py raised SystemExit: 3"),
    ({"environment": "odd.py:X"}, r"importing the file .*odd.py raised Odd: of its own kind"),
    ({"environment": "needs.py:X"}, r"the file .*needs.py needs a module that is not installed: not_there"),
    ({"environment": "wrong.py:X"}, r"importing the file .*wrong.py raised SyntaxError"),
    ({**WALK, "arguments": {"lenght": 3}}, r"arguments: Walk: .*'lenght': expected one of length, render_mode, did"),
    ({**WALK, "arguments": {"length": 0}}, r"cannot be made: no way to walk"),
    ({**WALK, "leave_out": []}, r'cannot see mission = Text.* task.leave_out = \["mission"\]'),
    ({**WALK, "wrappers": ["some_walks:Walk"]}, "task.wrappers.0 = .*Walk is not a subclass of gymnasium.Wrapper: exp"),
    ({**WALK, "wrappers": ["some_walks:no_class"]}, "no_class is not a subclass of gymnasium.Wrapper: .* Doubled"),
    ({**WALK, "wrappers": ["some_walks:Doubled", {"name": "some_walks:Doubled", "arguments": {"times": 2}}]},
     r"task.wrappers.1.arguments: Doubled: .*'times': expected one of by"),
    ({**WALK, "wrappers": ["gymnasium.wrappers:FrameStackObservation"]}, "missing a required argument: 'stack_size'"),
    ({**WALK, "wrappers": [{"name": "gymnasium.wrappers:FrameStackObservation", "arguments": {"stack_size": -1}}]},
     "task.wrappers.0 = .*: creating it raised"),
    ({**WALK, "wrappers": ["some_walks:Doubled", "gymnasium.wrappers:NormalizeReward"]},
     r"task.wrappers.1 = .*NormalizeReward.: it remembers earlier episodes, .*: expected wrappers that reset"),
    ({"environment": "subprocess:Popen", "arguments": {"args": ["true"]}}, "Popen is not a subclass of gymnasium.Env"),
])  # fmt: skip
def test_what_cannot_be_made_is_said_in_a_sentence(folder: Path, fields: dict[str, Any], said: str) -> None:
    (folder / "ends.py").write_text("import sys; sys.exit(3)")
    (folder / "odd.py").write_text("class Odd(BaseException): pass\nraise Odd('of its own kind')")
    (folder / "needs.py").write_text("import not_there")
    (folder / "wrong.py").write_text("class X(:")
    with pytest.raises(InputError, match=said) as caught:
        control.check(task(**fields))
    assert "\n" not in str(caught.value) and str(caught.value).removeprefix("a.toml: ").startswith("task.")


@pytest.mark.parametrize("named", ["a b:C", ":C", "some_walks:", "some_walks:A B", "1x:C", "walks/:C"])
def test_names_that_are_none_are_refused_when_the_file_is_read(named: str) -> None:
    with pytest.raises(InputError, match=r"a.toml: task.environment: .*: expected .* MODULE:NAME or PATH.py:NAME"):
        task(environment=named)


def test_reading_checking_and_showing_import_nothing_and_say_what_would_be_imported(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from lth_tui.experiment_files import preview

    (folder / "trap.py").write_text("raise SystemExit('imported')")
    text = 'seeds = 1\ntask.environment = "trap.py:X"\ntask.wrappers = ["no_such_module:Y"]\n'
    (folder / "mine.toml").write_text(text)
    done = lth("check", "mine.toml", "--no-measure", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert f"task.environment: the file {folder}/trap.py will be imported, which runs its code, when" in done.stdout
    assert "task.wrappers.0: the module no_such_module will be imported" in done.stdout
    said = preview(folder / "mine.toml").lines
    assert f"imports the file {folder}/trap.py when it is queued or measured" in said
    for command in (("headless", "mine.toml", "-w", "ws"), ("check", "mine.toml")):
        done = lth(*command, cwd=folder)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("lth: mine.toml: task.environment = ") and "raised SystemExit" in done.stderr
    assert not (folder / "ws").exists()


def test_what_a_file_holds_is_part_of_the_experiment_and_where_it_lies_is_not(folder: Path) -> None:
    wrapped = {"environment": "CartPole-v1", "wrappers": [{"name": "still.py:Still", "arguments": {"by": 2}}]}
    before = [experiment(environment="still.py:Still"), experiment(**wrapped)]
    (folder / "moved").mkdir()
    (folder / "moved" / "other.py").write_text((folder / "still.py").read_text())
    wrapped["wrappers"][0]["name"] = "moved/other.py:Still"
    moved = [experiment(environment="moved/other.py:Still"), experiment(**wrapped)]
    assert [one.identity for one in moved] == [one.identity for one in before]
    wrapped["wrappers"][0]["arguments"] = {"by": 3}
    assert experiment(**wrapped).identity != moved[1].identity
    assert experiment(environment="still.py:Other").identity != before[0].identity
    (folder / "still.py").write_text(named_package.OWN_FILE + "# changed\n")
    assert experiment(environment="still.py:Still").identity != before[0].identity
    for check in (contents.check, control.check):  # queued before: refused, and not run
        with pytest.raises(InputError, match=r"task.environment = .*still.py: changed since the job was queued"):
            check(before[0].task)


def test_the_printed_experiment_is_a_file_that_gives_it_back(folder: Path) -> None:
    one = experiment(**WALK, arguments={"length": 3, "more": {"a b": [1, {"c": "d"}]}}, wrappers=["some_walks:Doubled"])
    (folder / "again.toml").write_text(lines(experiment_fields(one)))
    assert load_experiment(folder / "again.toml").identity == one.identity


def test_the_package_and_its_version_are_in_the_record(folder: Path) -> None:
    modules = experiment(**WALK, wrappers=["gymnasium.wrappers:ClipReward"]).task.modules
    assert modules == ("some_walks", "gymnasium.wrappers")
    facts = provenance("", [], modules)
    assert facts["packages"]["walks"] == "1.2"
    assert list(facts["packages"]).count("gymnasium") == 1
    assert provenance("", [], ["of_no_package"])["packages"]["of_no_package"] is None
