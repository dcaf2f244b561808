"""Small JSON files that carry a checksum of themselves, so that a bit that changed on the disk is noticed."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_NAME = "checksum"


class Unsound(ValueError):
    """A file's content is not what its checksum says."""


def checksum(fields: Mapping[str, Any]) -> str:
    """SHA-256 of the fields as canonical JSON, the checksum itself left out."""
    rest = {name: value for name, value in fields.items() if name != _NAME}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def sealed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with their checksum."""
    return {**fields, _NAME: checksum(fields)}


def unsealed(fields: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """The fields without their checksum; files of earlier versions have none.

    Raises Unsound where the checksum does not hold, or there is a field other than `names`: the checksum's own name may
    have changed.
    """
    if odd := sorted(fields.keys() - names - {_NAME}):
        raise Unsound(f"holds {odd[0]!r}, which does not belong there")
    if _NAME in fields and fields[_NAME] != checksum(fields):
        raise Unsound("has changed since it was written: its checksum does not hold")
    return {name: value for name, value in fields.items() if name != _NAME}


def is_sealed(fields: Mapping[str, Any]) -> bool:
    """Whether there is a checksum; earlier versions wrote none."""
    return _NAME in fields
