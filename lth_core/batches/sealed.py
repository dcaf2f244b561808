"""Small JSON files with a checksum of their own content, so that a bit that changed on the disk is noticed."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_NAME = "checksum"


class Unsound(ValueError):
    """A file's content does not match its checksum."""


def checksum(fields: Mapping[str, Any]) -> str:
    """SHA-256 of the fields as canonical JSON, without the checksum itself."""
    rest = {name: value for name, value in fields.items() if name != _NAME}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def sealed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with their checksum."""
    return {**fields, _NAME: checksum(fields)}


def unsealed(fields: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """The fields without their checksum; files of earlier versions have none.

    Raises Unsound if the checksum does not match, or if there is a field not in `names` (the checksum's name may have
    changed).
    """
    if odd := sorted(fields.keys() - names - {_NAME}):
        raise Unsound(f"has changed since it was written: it holds {odd[0]!r}, which is no field of it")
    if _NAME in fields and fields[_NAME] != checksum(fields):
        raise Unsound("has changed since it was written: its checksum does not match")
    return {name: value for name, value in fields.items() if name != _NAME}


def is_sealed(fields: Mapping[str, Any]) -> bool:
    """Whether the fields have a checksum; earlier versions wrote none."""
    return _NAME in fields
