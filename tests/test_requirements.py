"""The exact versions that CI and the test on old versions install cover what the project asks for."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ASKED = [Requirement(line) for line in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"])]


def pinned(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines}


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.name)
@pytest.mark.parametrize("name", ["ci.txt", "oldest.txt"])
def test_every_dependency_has_one_version_that_is_admitted(name: str, asked: Requirement) -> None:
    version = pinned(name).get(canonicalize_name(asked.name))
    assert version is not None, f"requirements/{name} has no version of {asked.name}: make it again"
    assert asked.specifier.contains(version)
