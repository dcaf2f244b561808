"""Plain values as TOML writes them: on one line, and tables as one line for each field."""

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_value(value: Any) -> str:
    """Texts, numbers, truth values, lists, and tables as inline tables."""
    if isinstance(value, dict):
        inner = ", ".join(f"{toml_key(name)} = {toml_value(one)}" for name, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    return json.dumps(value, ensure_ascii=False)


def toml_key(name: str) -> str:
    """The name of a field, in quotes if it needs them."""
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted field names with their values as TOML, in the order of `values`, without None and empty tables."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{toml_key(name)}.")
        elif value is not None and value != {}:
            flat[prefix + toml_key(name)] = toml_value(value)
    return flat
