"""Environments that cannot be had are refused in a sentence that says what to do."""

import gymnasium
import pytest
from gymnasium.envs.registration import EnvSpec

from lth_core.errors import InputError
from lth_core.settings.control import ControlTask
from lth_core.tasks import control


def test_an_environment_that_gymnasium_cannot_make_is_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match=r'task.environment = "NoSuchThing-v1"'):
        control.make(ControlTask(environment="NoSuchThing-v1"), [0], 1)


def test_an_environment_whose_package_is_missing_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = EnvSpec("Missing-v0", entry_point="a_package_that_is_not_installed:Environment")
    monkeypatch.setitem(gymnasium.registry, "Missing-v0", spec)
    with pytest.raises(InputError, match="Missing-v0"):
        control.make(ControlTask(environment="Missing-v0"), [0], 1)


@pytest.mark.parametrize(("package", "extra"), [("box2d", "box2d"), ("mujoco", "mujoco")])
def test_a_missing_extra_is_named(package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "Missing-v1"
    spec = EnvSpec(name, entry_point=f"gymnasium.envs.{package}:NoSuchEnvironment")
    monkeypatch.setitem(gymnasium.registry, name, spec)

    def missing(*_: object, **__: object) -> None:
        raise gymnasium.error.DependencyNotInstalled("some package is not installed, run `pip install some`")

    monkeypatch.setattr(gymnasium, "make", missing)
    with pytest.raises(InputError) as caught:
        control.make(ControlTask(environment=name), [0], 1)
    assert str(caught.value).endswith(f"its package is not installed: pip install 'lth-workbench[{extra}]'")
