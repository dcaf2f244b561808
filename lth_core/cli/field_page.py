"""Every field of an experiment file as Markdown, generated from the models: `lth fields`, docs/fields.md."""

import inspect
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from lth_core.cli.console import make_console
from lth_core.cli.shape_parts import Field, Table
from lth_core.cli.shapes import FieldTables, print_json
from lth_core.experiment.arms import Arm
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.field_words import accepted, shown
from lth_core.experiment.tables import KINDS
from lth_core.settings.base import NetworkSection, Section, TaskSection, TrainingSection
from lth_core.settings.imitation import Teacher
from lth_core.settings.pruning import Gradual, Moving, Pruning, Rewinding
from lth_core.settings.ticket import TicketSource

_NONE: frozenset[str] = frozenset()
_INTRODUCTION = """\
# Fields

Every field of an experiment file with its accepted values and default, as printed by `lth fields`. If a table comes
in several kinds, `kind` (in `[training]`: `algorithm`) selects one; without it, the task's default kind is used. Some
tasks have their own defaults in `[training]`; these are listed with the task.
[Experiments](experiments.md) has examples, [science](science.md) the built-in arms.
"""
_SINGLE: dict[str, type[Section]] = {
    "task.teacher": Teacher,
    "pruning": Pruning,
    "pruning.gradual": Gradual,
    "pruning.moving": Moving,
    "rewinding": Rewinding,
    "ticket": TicketSource,
    "arm.NAME": Arm,
}


def page() -> str:
    """All of it."""
    parts = [_INTRODUCTION, "## At the top of the file", *_top()]
    for table in ("task", "model", "training"):
        parts.append(f"## [{table}]")
        if table == "training":
            parts.append(_prose(TrainingSection))
        for kind, section in KINDS[table].items():
            parts += _kind(table, kind, section)
    for table, section in _SINGLE.items():
        parts += [f"## [{table}]", _prose(section), _rows(section)]
    parts.append("## [launcher]")
    for kind, section in KINDS["launcher"].items():
        parts += _kind("launcher", kind, section)
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def tables() -> Iterator[Table]:
    """The same fields for `--json`."""
    yield _table("", None, Experiment, without={*KINDS, *_SINGLE, "arm"})
    for table, kinds in KINDS.items():
        word = "algorithm" if table == "training" else "kind"
        for kind, section in kinds.items():
            yield _table(table, kind, section, without={word})
    for table, section in _SINGLE.items():
        yield _table(table, None, section)


def _table(table: str, kind: str | None, section: type[BaseModel], without: set[str] | frozenset[str] = _NONE) -> Table:
    return Table(table=table, kind=kind, about=inspect.getdoc(section) or "", fields=list(_fields(section, without)))


def _fields(section: type[BaseModel], without: set[str] | frozenset[str]) -> Iterator[Field]:
    for name, field in section.model_json_schema()["properties"].items():
        if name not in without:
            own = section.model_fields[name]
            value: Any = own.default if own.default_factory is None else own.default_factory()  # type: ignore[call-arg]
            needed = own.is_required()
            first: Any = None if needed else getattr(section, "of_new", {}).get(name, value)
            plain = first.model_dump(mode="json") if isinstance(first, BaseModel) else first
            yield Field(name=name, accepted=accepted(field), needed=needed, default=plain)


def show(*, as_json: bool = False) -> None:
    """Print the page: formatted on a terminal, as Markdown in a pipe."""
    if as_json:
        print_json(FieldTables(tables=list(tables())))
        return
    from rich.markdown import Markdown

    console = make_console()
    if console.is_terminal:
        console.print(Markdown(page()))
    else:
        print(page(), end="")


def _top() -> Iterator[str]:
    yield (
        "`name` defaults to the file's name. `seeds` is a list, or a count: 8 means 0 to 7.\n"
        "`ticket` may also be just the path of a folder. The tables follow."
    )
    tables = {*KINDS, "pruning", "rewinding", "ticket", "arm"}
    yield _rows(Experiment, without=tables)


def _kind(table: str, kind: str, section: type[Section]) -> Iterator[str]:
    word = "algorithm" if table == "training" else "kind"
    yield f'### {word} = "{kind}"'
    yield _prose(section)
    if issubclass(section, TaskSection):
        yield (
            f"Score: `{section.score}`. Networks, the default first: {_codes(section.networks)}. "
            f"Algorithms: {_codes(section.algorithms)}."
        )
        for algorithm, defaults in section.defaults.items():
            yield f"`[training]` of {algorithm} starts from " + ", ".join(
                f"`{name} = {shown(value)}`" for name, value in defaults.items()
            )
    if issubclass(section, NetworkSection):
        yield f"Parameter groups: {_codes(section.groups)}."
    yield _rows(section, without={word})


def _prose(section: type[Section]) -> str:
    text = inspect.getdoc(section) or ""
    return f"```text\n{text}\n```" if "\n    " in text else text


def _rows(section: type[Section], without: set[str] | frozenset[str] = _NONE) -> str:
    lines = ["| field | accepted | default |", "| --- | --- | --- |"]
    for field in _fields(section, without):
        default = "needed" if field.needed else f"`{shown(field.default)}`"
        accepted = field.accepted.replace("|", "\\|")
        lines.append(f"| `{field.name}` | {accepted} | {'' if default == '``' else default} |")
    return "\n".join(lines)


def _codes(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)
