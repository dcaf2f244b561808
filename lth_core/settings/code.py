"""Names of Python code in an experiment: from a module or from a file. Nothing is imported here."""

import json
import math
import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, WithJsonSchema

from lth_core.settings.base import Section
from lth_core.text import one_line

_ID = re.compile(r"[\w.:-]+", re.ASCII)


@dataclass(frozen=True)
class Named:
    """The two parts of MODULE:NAME or PATH.py:NAME."""

    place: str
    name: str

    @property
    def is_file(self) -> bool:
        """Whether it is in a file rather than a module."""
        return self.place.endswith(".py")

    @property
    def imports(self) -> str:
        """What is imported, in words."""
        return f"the {'file' if self.is_file else 'module'} {one_line(self.place)}"

    @property
    def short(self) -> str:
        """Without the folder of a file."""
        return f"{PurePath(self.place).name}:{self.name}" if self.is_file else f"{self.place}:{self.name}"


def named(text: str) -> Named | None:
    """The named code; None for a name without a colon, which gymnasium has registered."""
    place, colon, name = text.rpartition(":")
    return Named(place, name) if colon else None


def _is_code(text: str) -> bool:
    found = named(text)
    if found is None or not _ID.fullmatch(found.name):
        return False
    return found.is_file or all(part.isidentifier() for part in found.place.split("."))


def _environment(text: str) -> str:
    if ":" in text and not _is_code(text):
        raise ValueError(
            f"{one_line(json.dumps(text), 200)}: expected a name that gymnasium has registered, MODULE:NAME or "
            "PATH.py:NAME"
        )
    return text


def _wrapper(text: str) -> str:
    if not _is_code(text):
        raise ValueError(f"{one_line(json.dumps(text), 200)}: expected MODULE:NAME or PATH.py:NAME")
    return text


def _given(arguments: dict[str, Any]) -> dict[str, Any]:
    for name, value in arguments.items():
        if not name.isidentifier():
            raise ValueError(f"{one_line(json.dumps(name), 80)}: expected names of a constructor's arguments")
        if not _finite(value):
            raise ValueError(f"{name}: expected finite numbers")
    return arguments


def _finite(value: Any) -> bool:
    if isinstance(value, dict | list):
        return all(map(_finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


EnvironmentName = Annotated[str, AfterValidator(_environment)]
Arguments = Annotated[
    dict[str, JsonValue],
    AfterValidator(_given),
    WithJsonSchema({"type": "object"}),
]
"""Keyword arguments of a constructor: strings, numbers, booleans, lists and tables."""


class Wrapper(Section):
    """A wrapper around an environment: MODULE:NAME or PATH.py:NAME, and its further arguments."""

    name: Annotated[str, AfterValidator(_wrapper)]
    arguments: Arguments = Field(default_factory=dict)


def _as_table(value: Any) -> Any:
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict | Wrapper):
        return value
    raise ValueError(
        f"{one_line(json.dumps(value, default=str), 80)}: expected MODULE:NAME, PATH.py:NAME or a table "
        "{ name = ..., arguments = { ... } }"
    )


Wrapped = Annotated[
    Wrapper, BeforeValidator(_as_table), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}]})
]
"""A plain name is a wrapper without arguments."""
