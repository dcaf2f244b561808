"""Environments on a GPU: a whole update as one graph that waits for nothing, and as on a CPU but for rounding."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lth_core.experiment.experiment import Experiment
from lth_core.settings.control import ControlTask
from lth_core.settings.minatar import MinAtarTask
from lth_core.settings.networks import Board
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from lth_core.tasks.on_device import classic, draws
from lth_core.tasks.on_device import made as made_on
from lth_core.tasks.on_device.minatar.environments import GAMES
from lth_core.training.cuda_graphs import Replayed
from lth_core.training.reinforcement.on_device.stack import DeviceStack
from tests.command import lth
from tests.cuda.test_cuda_stacks import PPO, assert_close, made, trained, with_its_copy
from tests.engine.experiments import as_toml, tiny
from tests.small import experiment
from tests.tasks.minatar.played import EAGER

NAMES = ["CartPole-v1", "Acrobot-v1", "MountainCar-v0", "Pendulum-v1"]


def _settings(environment: str, **training: Any) -> Experiment:
    own = {"length": 10_000, "environments_on": "device", "max_gradient_norm": 0.5, **training}
    return experiment(task={"environment": environment, "time_limit": 20}, training=own)


def _game(game: str, **training: Any) -> Experiment:
    """A small network over boards."""
    own = {"length": 10_000, "environments_on": "device", "max_gradient_norm": 0.5, "greedy_episodes": 0, **training}
    found = experiment(task={"kind": "minatar", "game": game}, model={"kind": "mlp"}, training=own)
    return found.model_copy(update={"model": Board(filters=4, hidden=(16,))})


SETTINGS = {
    "a2c": _settings("CartPole-v1"),
    "a2c, rmsprop": _settings("Acrobot-v1", optimizer="rmsprop"),
    "ppo": _settings("MountainCar-v0", **PPO),
    "ppo, continuous": _settings("Pendulum-v1", **PPO),
    "a2c, breakout": _game("breakout"),
    "ppo, seaquest": _game("seaquest", **PPO),
}
all_settings = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())


def test_numbers_have_the_bits_of_a_cpu() -> None:
    keys, places = draws.keys([1, 2], "actions"), torch.arange(10_000)
    found = draws.bits(keys[:, None].cuda(), places.cuda())
    assert torch.equal(found.cpu(), draws.bits(keys[:, None], places))
    torch.testing.assert_close(draws.normal(found).cpu(), draws.normal(found.cpu()))


@pytest.mark.parametrize("environment", NAMES)
def test_steps_are_those_of_a_cpu(environment: str) -> None:
    task, rng = ControlTask(environment=environment, time_limit=50), np.random.default_rng(0)
    sides = [classic.make(task, [1, 2], 3, torch.device(name)) for name in ("cpu", "cuda")]
    for i in range(200):
        numbers = rng.normal(size=(2, 3, 1)).astype(np.float32)
        actions = numbers if sides[0].continuous else (numbers[..., 0] > 0).astype(np.int64)
        found = []
        for side in sides:
            given = torch.from_numpy(actions).to(side.current.device)
            found.append(side.step(given, side.ahead(torch.tensor(i, device=given.device), 1)[0]))
        for mine, theirs in zip(*found, strict=True):
            torch.testing.assert_close(theirs.cpu(), mine, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("game", GAMES)
def test_games_are_those_of_a_cpu_bit_for_bit(game: str) -> None:
    task, rng = MinAtarTask(game=game, time_limit=50), np.random.default_rng(0)
    sides = [made_on.make(task, [1, 2], 30, torch.device(name)) for name in ("cpu", "cuda")]
    for i in range(300):
        actions = torch.from_numpy(rng.choice(6, (2, 30), p=EAGER))
        found = []
        for side in sides:
            device = side.keys.device
            found.append(side.step(actions.to(device), side.ahead(torch.tensor(i, device=device), 1)[0]))
        for mine, theirs in zip(*found, strict=True):
            assert torch.equal(theirs.cpu(), mine)


@all_settings
def test_a_gpu_trains_what_a_cpu_trains(settings: Experiment) -> None:
    assert_close(trained(made(settings, "cuda")), trained(made(settings, "cpu")), 1e-3)


@all_settings
def test_an_update_is_one_graph_that_waits_for_nothing_and_is_what_is_called(
    settings: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = made(settings, "cuda")
    assert isinstance(one, DeviceStack)
    trained(one, 4)
    assert one._whole._graph is not None
    one._look.left = []
    torch.cuda.set_sync_debug_mode("error")
    try:
        one.update()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    replayed = trained(one, 1)
    monkeypatch.setattr(Replayed, "__call__", lambda self, rate: self._function(rate.cuda()))
    assert_close(replayed, trained(made(settings, "cuda"), 6), 1e-5)


@all_settings
def test_dropped_tickets_and_restored_states_change_nothing(settings: Experiment) -> None:
    whole, other = with_its_copy(settings)
    other.keep([0, 2])
    left, all_of = trained(other, 3), trained(whole, 3)
    assert_close(left, [all_of[0], all_of[2]], 1e-4)
    for mine, theirs in ((0, 0), (1, 2)):
        assert other.episodes.window(mine) == whole.episodes.window(theirs)


def test_a_job_runs_on_a_gpu_to_its_audited_end(tmp_path: Path) -> None:
    file = tmp_path / "tiny.toml"
    file.write_text(as_toml(tiny()))
    done = lth(
        "headless", str(file), "--workspace", str(tmp_path / "w"), "--device", "cuda", "--slots", "1",
        "--set", 'training.environments_on="device"',
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    database = Database(Workspace(tmp_path / "w").database, writer=False)
    assert {trial.state for trial in views.trials(database, 1)} == {"done"}
