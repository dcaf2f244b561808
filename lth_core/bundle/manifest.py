"""The manifest of a bundle: what it is of, what it was made with, and size and SHA-256 of each file."""

import hashlib
import json
import platform
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy
from pydantic import Field, ValidationError

from lth_core import __version__
from lth_core.batches.provenance import processor
from lth_core.bundle.archive import Archive, Refused
from lth_core.invalid import reason
from lth_core.settings.base import Section

NAME = "manifest.json"
LARGEST = 64_000_000
"""Bytes of a manifest that is read."""
Sha256 = Annotated[str, Field(pattern="[0-9a-f]{64}")]
Count = Annotated[int, Field(ge=0, lt=2**62)]


class Listed(Section):
    """A file of the bundle."""

    bytes: Count
    sha256: Sha256


class MadeWith(Section):
    """What the tables and answers were computed with: their last digits may depend on it."""

    lth: str
    python: str
    numpy: str
    processor: str

    @classmethod
    def here(cls) -> "MadeWith":
        """This program, on this machine."""
        return cls(
            lth=__version__, python=platform.python_version(), numpy=numpy.__version__, processor=processor()
        )  # fmt: skip


class Manifest(Section):
    """`manifest.json`. suite: null for a job; weights: whether trained weights are in it; jobs: their numbers."""

    format: Literal[1] = 1
    name: str
    suite: str | None
    jobs: Annotated[tuple[Annotated[int, Field(ge=1, lt=2**62)], ...], Field(min_length=1, max_length=1000)]
    weights: bool
    made_with: MadeWith
    files: dict[str, Listed]

    def content(self) -> bytes:
        """The file's content: the same manifest gives the same bytes."""
        return (json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_manifest(archive: Archive) -> tuple[Manifest, str]:
    """The manifest of an archive, and its SHA-256; raises Refused if it is none."""
    if archive.sizes.get(NAME, 0) > LARGEST:
        raise Refused(f"{NAME} has {archive.sizes[NAME]:,} bytes: expected at most {LARGEST:,}")
    content = archive.read(NAME)
    try:
        return Manifest.model_validate_json(content), hashlib.sha256(content).hexdigest()
    except ValidationError as error:
        raise Refused(f"{NAME}: {reason(error)}") from None
    except RecursionError:
        raise Refused(f"{NAME}: its content is nested too deep") from None


def differences(manifest: Manifest, sizes: Mapping[str, int], digests: Mapping[str, str]) -> list[str]:
    """A sentence for each file that is not as the manifest lists it. digests: SHA-256 of the files that are listed."""
    found = [f"{name} is not in the bundle" for name in sorted(manifest.files.keys() - sizes.keys())]
    found += [f"{name} is not in the manifest" for name in sorted(sizes.keys() - manifest.files.keys() - {NAME})]
    for name in sorted(manifest.files.keys() & sizes.keys()):
        listed = manifest.files[name]
        if listed.bytes != sizes[name]:
            found.append(f"{name} has {sizes[name]:,} bytes, the manifest says {listed.bytes:,}")
        elif listed.sha256 != digests[name]:
            found.append(f"{name} has SHA-256 {digests[name][:12]}..., the manifest says {listed.sha256[:12]}...")
    return found
