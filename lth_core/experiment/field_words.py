"""A field of an experiment in words: what it is, which values are accepted, its default."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

from lth_core.experiment.arms import Arm
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.tables import KINDS
from lth_core.settings.base import Section
from lth_core.toml_text import toml_value


@dataclass(frozen=True)
class FieldWords:
    """accepted and default as in `lth fields`; about: what its table says of it, or what the table is."""

    accepted: str
    default: str
    about: str


def words_of(name: str, fields: Mapping[str, Any]) -> FieldWords | None:
    """What is known of a field such as `training.length` in these fields of an experiment; None of an unknown one."""
    *tables, last = name.split(".")
    section: type[BaseModel] | None = Experiment
    if tables:
        kind = fields.get(tables[0], {})
        word = "algorithm" if tables[0] == "training" else "kind"
        kinds = KINDS.get(tables[0], {})
        named = kind.get(word) if isinstance(kind, Mapping) else None
        section = kinds.get(str(named)) if kinds else Arm if tables[0] == "arm" else _table(Experiment, tables[0])
        for inner in () if tables[0] == "arm" else tables[1:]:
            section = None if section is None else _table(section, inner)
    if section is None or last not in section.model_fields:
        return None
    own, schema = section.model_fields[last], _schema(section)["properties"][last]
    first: Any = None if own.is_required() else own.get_default(call_default_factory=True, validated_data={})
    first = getattr(section, "of_new", {}).get(last, first)
    plain = first.model_dump(mode="json") if isinstance(first, BaseModel) else first
    return FieldWords(accepted(schema).replace("`", ""), "needed" if own.is_required() else shown(plain),
                      about(section, last))  # fmt: skip


@cache
def _schema(section: type[BaseModel]) -> dict[str, Any]:
    """Its JSON schema, which takes pydantic as long as a key may take in all."""
    return section.model_json_schema()


def _table(section: type[BaseModel], name: str) -> type[BaseModel] | None:
    """The model of an inner table."""
    field = section.model_fields.get(name)
    found = () if field is None else (field.annotation, *getattr(field.annotation, "__args__", ()))
    return next((one for one in found if isinstance(one, type) and issubclass(one, BaseModel)), None)


def about(section: type[BaseModel], name: str) -> str:
    """What the description of a table says of a field: each sentence with its name; else what the table is."""
    bases = [base for base in section.__mro__ if issubclass(base, BaseModel) and base.__doc__ and base is not Section]
    texts = [" ".join((inspect.getdoc(base) or "").split()) for base in bases if base is not BaseModel]
    for text in texts if name not in ("kind", "algorithm") else ():
        parts = re.split(r"(?<=[.;])\s+", re.sub(r"^Base of [^.]*\. ", "", text))
        found = [part.removeprefix(f"{name}: ") for part in parts if re.search(rf"\b{name}\b", part)]
        if found:
            return " ".join(found)
    return texts[0].partition(". ")[0] if texts and section is not Experiment else ""


def shown(value: Any) -> str:
    """As the file has it; nothing for what is left out there."""
    return "" if value is None else toml_value(value)


def accepted(field: Mapping[str, Any]) -> str:
    """One field of a JSON schema in words."""
    if "$ref" in field:
        return f"a table: [{field['$ref'].rsplit('/', 1)[-1].lower()}]"
    if "anyOf" in field or "oneOf" in field:
        return " or ".join(accepted(one) for one in field.get("anyOf", field.get("oneOf")) if one.get("type") != "null")
    if "const" in field:
        return f"`{toml_value(field['const'])}`"
    if "enum" in field:
        return ", ".join(f"`{toml_value(one)}`" for one in field["enum"])
    if field.get("type") == "array":
        inner = field.get("prefixItems", [field["items"]] if "items" in field else [])
        return "a list of " + " and ".join(dict.fromkeys(_several(accepted(one)) for one in inner))
    if field.get("type") == "object":
        inner = field.get("additionalProperties")
        return "a table" if inner is None else f"a table of names, each with {accepted(inner)}"
    word = {"integer": "a whole number", "number": "a number", "string": "text", "boolean": "true or false"}
    return word.get(field.get("type", ""), "anything") + _bounds(field)


_PLURALS = {
    "a whole number": "whole numbers", "a number": "numbers", "text": "texts", "a list": "lists", "a table": "tables",
}  # fmt: skip


def _several(words: str) -> str:
    """What several of such a value are: `whole numbers at least 1`."""
    for one, more in _PLURALS.items():
        words = re.sub(rf"\b{one}\b", more, words)
    return words


def _bounds(field: Mapping[str, Any]) -> str:
    signs = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    found = [f"{word} {_number(field[name])}" for name, word in signs.items() if name in field]
    return " " + ", ".join(found) if found else ""


def _number(value: float) -> str:
    """The same for 1 and 1.0, of which versions of pydantic write one or the other."""
    return f"{int(value) if value == int(value) else value:,}"
