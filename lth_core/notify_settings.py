"""`[notify]` in the user's settings file: how to be told that a job is done, has failed or stalled, or failed an audit.

Only the user's own file has it, never a workspace or an experiment, which may come from somebody else.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lth_core.errors import InputError
from lth_core.text import did_you_mean, one_line

KINDS = ("done", "failed", "stalled", "audit")
DESKTOP = ("both", "osc9", "osc777", "off")


@dataclass(frozen=True)
class NotifySettings:
    """on: of what one is told. command: a program and its arguments, for the engine. The others are the workbench's.

    desktop: the escape sequences by which terminals are asked for a desktop notification.
    """

    command: tuple[str, ...] = ()
    on: tuple[str, ...] = KINDS
    bell: bool = True
    title: bool = True
    desktop: str = "both"


def notify_settings(path: Path) -> NotifySettings:
    """Those of a settings file, the defaults if there is none; raises InputError with one sentence."""
    return parse(tables(path).get("notify", {}), path)


def tables(path: Path) -> dict[str, Any]:
    """The content of a settings file, empty if there is none; raises InputError with one sentence."""
    try:
        return tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{one_line(path)}: cannot be read as TOML: {one_line(error)}") from None


def parse(fields: Any, path: Path) -> NotifySettings:
    """The settings of the table; raises InputError with one sentence."""
    shown = f"{one_line(path)}: notify"
    if not isinstance(fields, dict):
        raise InputError(f"{shown}: expected a table")
    known = NotifySettings.__dataclass_fields__
    for name in fields:
        if name not in known:
            near = did_you_mean(name, known)
            raise InputError(f"{shown}: there is no {one_line(name, 40)}: expected {', '.join(known)}{near}")
    for name in ("bell", "title"):
        if not isinstance(fields.get(name, True), bool):
            raise InputError(f"{shown}.{name}: expected true or false")
    if fields.get("desktop", "both") not in DESKTOP:
        raise InputError(f"{shown}.desktop: expected one of {', '.join(DESKTOP)}")
    on = _texts(fields.get("on", list(KINDS)))
    if on is None or not set(on) <= set(KINDS):
        raise InputError(f"{shown}.on: expected a list of {', '.join(KINDS)}")
    command = _texts(fields.get("command", []))
    if command is None or any("\0" in word for word in command) or (command and not _is_program(command[0])):
        expected = 'a list such as ["notify-send", "lth"]: a program of PATH, or a path from / on, and its arguments'
        raise InputError(f"{shown}.command: expected {expected}")
    return NotifySettings(**{**fields, "on": on, "command": command})


def _texts(value: Any) -> tuple[str, ...] | None:
    """A list of texts; None if it is none."""
    whole = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return tuple(value) if whole else None


def _is_program(word: str) -> bool:
    """Not one in the folder where the engine happens to have been started."""
    return bool(word) and ("/" not in word or word.startswith("/"))
