"""A suite: a common base and members that override its fields, expanded to one experiment per member. Pure data."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lth_core.errors import InputError
from lth_core.experiment import presets
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import apply_override, experiment_of, read_fields, resolve, validated
from lth_core.settings.control import ControlTask
from lth_core.text import NAMES, did_you_mean, is_name, one_line

MOST_MEMBERS = 1000
_FIELDS = ("name", "member")


@dataclass(frozen=True)
class Suite:
    """A suite's name and its experiments, in the order of the file; each is named SUITE-MEMBER."""

    name: str
    experiments: tuple[Experiment, ...]


def expand(
    fields: dict[str, Any], source: str, default_name: str, overrides: Iterable[str] = (), *, runs_here: bool = True
) -> Suite:
    """The experiments of a suite file's fields (those of an experiment as the common base, and `[suite]`).

    A member's tables are merged into those of the base, everything else replaces it. `overrides`
    (`field=value`) win over base and members. `default_name` serves where `[suite]` has no name; `source`
    opens the sentence of the InputError that is raised for anything not accepted, and the member follows it.
    """
    base = {field: value for field, value in fields.items() if field != "suite"}
    table = _table(fields["suite"], source)
    name = table.get("name", default_name)
    if not isinstance(name, str) or not is_name(name):
        raise InputError(f"{source}: suite.name = {_shown(name)}: expected {NAMES}")
    if "name" in base:
        raise InputError(f"{source}: name = {_shown(base['name'])}: a suite has its name in [suite], not at the top")
    overrides = tuple(overrides)
    for override in overrides:
        if override.partition("=")[0].strip() == "name":
            raise InputError(f"--set {one_line(override)}: the experiments of a suite are named after its members")
    members: dict[str, dict[str, Any]] = {}
    for number, member in enumerate(table["member"], start=1):
        called = _member_name(member, f"{source}: member {number}")
        if called in members:
            raise InputError(f'{source}: member {number}: name = "{called}": every member\'s name may stand once')
        merged = merge(base, {field: value for field, value in member.items() if field != "name"})
        for override in overrides:
            apply_override(merged, override)
        members[called] = {**merged, "name": f"{name}-{called}"}
    experiments: dict[str, Experiment] = {}
    made = resolve if runs_here else validated
    for called in members:
        experiments[called] = made(_taught(members, called, source), f"{source}: member {called}")
    _check_distinct(experiments, source)
    return Suite(name, tuple(experiments.values()))


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`: tables field by field, everything else (lists too) replaced. Neither is changed."""
    merged = copy.deepcopy(base)
    for field, value in over.items():
        below = merged.get(field)
        both = isinstance(value, dict) and isinstance(below, dict)
        merged[field] = merge(below, value) if both else copy.deepcopy(value)  # type: ignore[arg-type]
    return merged


def _taught(members: dict[str, dict[str, Any]], called: str, source: str) -> dict[str, Any]:
    """The fields of a member; if it names the member that trains its teacher, with environment, training and network
    of that one."""
    task = members[called].get("task")
    teacher = task.get("teacher") if isinstance(task, dict) else None
    if not isinstance(task, dict) or not isinstance(teacher, dict) or "member" not in teacher:
        return members[called]
    other, shown = teacher["member"], f"{source}: member {called}: task.teacher.member = {_shown(teacher['member'])}"
    if other not in members or other == called:
        others = [one for one in members if one != called]
        raise InputError(f"{shown}: expected another member of the suite{did_you_mean(str(other), others)}")
    theirs = resolve(members[other], f"{source}: member {other}")
    if not isinstance(theirs.task, ControlTask) or theirs.task.kind != "control":
        raise InputError(f'{shown}: it has task.kind "{theirs.task.kind}": expected a member of control')
    taken = {"training": theirs.training.model_dump(mode="json"), "model": theirs.model.model_dump(mode="json")}
    own = {field: value for field, value in teacher.items() if field != "member"}
    environment = {field: value for field, value in members[other].get("task", {}).items() if field != "kind"}
    for field, value in environment.items():
        if task.get(field, value) != value:
            raise InputError(f"{shown}: it has task.{field} = {_shown(value)}: expected the same here")
    return {**members[called], "task": {**environment, **task, "teacher": {**taken, **own}}}


def _table(suite: Any, source: str) -> dict[str, Any]:
    if not isinstance(suite, dict):
        raise InputError(f"{source}: suite = {_shown(suite)}: expected a table [suite] with {', '.join(_FIELDS)}")
    for field in suite:
        if field not in _FIELDS:
            near = did_you_mean(field, _FIELDS)
            raise InputError(
                f"{source}: suite.{one_line(field, 80)} is not a field: expected one of {', '.join(_FIELDS)}{near}"
            )
    members = suite.get("member")
    if not isinstance(members, list) or not 1 <= len(members) <= MOST_MEMBERS:
        raise InputError(
            f"{source}: suite.member = {_shown(members)}: expected 1 to {MOST_MEMBERS} tables [[suite.member]]"
        )
    return suite


def _member_name(member: Any, source: str) -> str:
    if not isinstance(member, dict):
        raise InputError(f"{source}: {_shown(member)}: expected a table [[suite.member]]")
    name = member.get("name")
    if name is None:
        raise InputError(f"{source}: name is missing")
    if not isinstance(name, str) or not is_name(name):
        raise InputError(f"{source}: name = {_shown(name)}: expected {NAMES}")
    return name


def _check_distinct(experiments: dict[str, Experiment], source: str) -> None:
    """Two members that are one experiment would be one job, and count twice in the summary."""
    seen: dict[str, str] = {}
    for name, experiment in experiments.items():
        same = seen.setdefault(experiment.identity, name)
        if same != name:
            raise InputError(f"{source}: member {name}: is the same experiment as member {same}")


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "a table" if isinstance(value, dict) else f"a list of {len(value)}"
    return "nothing" if value is None else one_line(f'"{value}"' if isinstance(value, str) else value, 80)


def load(path: Path, overrides: Iterable[str] = (), *, runs_here: bool = True) -> Experiment | Suite:
    """The suite of a file with a table `[suite]`, else the experiment that the file, or the preset of this name, holds.

    `overrides` are `field=value`, for every member of a suite. Without `runs_here`, files and packages that it needs
    may be missing. Raises InputError with one sentence for anything that cannot be read or is not accepted.
    """
    path = presets.find(path)
    fields = read_fields(path)
    if "suite" in fields:
        return expand(fields, one_line(path), path.stem, overrides, runs_here=runs_here)
    return experiment_of(fields, path, overrides, runs_here=runs_here)
