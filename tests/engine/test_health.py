"""What `lth doctor` says of a machine: what is missing and needed is bad, what is only an extra is not."""

from importlib import util

import pytest

from lth_core.batches import provenance
from lth_core.upkeep import health


def state_of(what: str) -> str:
    return next(finding.state for finding in health.machine() if finding.what == what)


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    real = provenance.version_of
    monkeypatch.setattr(provenance, "version_of", lambda name: None if name in names else real(name))


def test_a_machine_without_extras_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "datasets")
    assert state_of("versions") == "good"


def test_a_machine_without_what_is_needed_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "torch")
    assert state_of("versions") == "bad"


def test_extras_are_looked_for_under_the_names_they_are_imported_by(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_for: list[str] = []
    real = util.find_spec

    def find_spec(name: str, package: str | None = None) -> object:
        looked_for.append(name)
        return real(name, package)

    monkeypatch.setattr(health.util, "find_spec", find_spec)
    list(health.machine())
    assert {"Box2D", "mujoco", "datasets"} <= set(looked_for)
