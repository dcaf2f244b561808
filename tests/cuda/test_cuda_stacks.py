"""Stacks of actors and critics on a GPU: as on a CPU but for rounding, replayed as called, never waited for in vain."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from lth_core.experiment.experiment import Experiment
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from lth_core.training.cuda_graphs import Replayed
from lth_core.training.families import make_model, make_stack
from lth_core.training.reinforcement.stack import ActorCriticStack
from lth_core.training.stack import Start
from tests.engine.experiments import as_toml, tiny
from tests.small import experiment

PPO = {"algorithm": "ppo", "epochs": 2, "minibatches": 4, "optimizer": "adam"}
PIXELS: dict[str, Any] = {
    "task": {"kind": "atari", "game": "breakout", "size": [36, 36]}, "model": {"kind": "conv", "architecture": "small"},
}  # fmt: skip
SETTINGS = {
    "a2c": experiment(training={"length": 10_000, "max_gradient_norm": 0.5}),
    "a2c, rmsprop, relu": experiment(
        model={"hidden": [64, 64], "activation": "relu"}, training={"optimizer": "rmsprop", "length": 10_000}
    ),
    "a2c in parts": experiment(training={"minibatches": 2, "importance_clip": 1.5, "length": 10_000}),
    "ppo": experiment(training={**PPO, "length": 10_000}),
    "ppo, continuous": experiment(task={"environment": "Pendulum-v1"}, training={**PPO, "length": 10_000}),
}
all_settings = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())


def pixels(**training: Any) -> Experiment:
    fields = {
        "length": 1_000,
        "environments": 2,
        "n_steps": 8,
        "score": "training",
        "evaluation_episodes": 0,
        **training,
    }
    return Experiment.from_fields({"name": "pixels", "seeds": [0], "training": fields, **PIXELS})


def made(settings: Experiment, device: str, tickets: int = 3) -> ActorCriticStack:
    model = make_model(settings)
    generator = torch.Generator().manual_seed(0)
    starts = [
        Start(
            seed, model.initialise(seed),
            {name: torch.rand(shape, generator=generator) < 0.5 for name, shape in model.shapes().items()},
            0, settings.training.length,
        )
        for seed in range(tickets)
    ]  # fmt: skip
    one = make_stack(settings, model, starts, device)
    assert isinstance(one, ActorCriticStack)
    return one


def with_its_copy(settings: Experiment) -> tuple[ActorCriticStack, ActorCriticStack]:
    """A stack after three updates, and another that was given its state by way of JSON."""
    whole, other = made(settings, "cuda"), made(settings, "cuda")
    trained(whole, 3)
    arrays, values = whole.state()
    other.restore(arrays, json.loads(json.dumps(values)))
    return whole, other


def trained(one: ActorCriticStack, updates: int = 5) -> list[dict[str, torch.Tensor]]:
    for _ in range(updates):
        one.update()
    return [one.weights(row) for row in range(one.tickets)]


def assert_close(found: list[dict[str, torch.Tensor]], expected: list[dict[str, torch.Tensor]], off: float) -> None:
    for mine, theirs in zip(found, expected, strict=True):
        for name in mine:
            torch.testing.assert_close(mine[name], theirs[name], rtol=off, atol=off)


@all_settings
def test_a_gpu_trains_what_a_cpu_trains(settings: Experiment) -> None:
    assert_close(trained(made(settings, "cuda")), trained(made(settings, "cpu")), 1e-3)


@pytest.mark.parametrize("training", [{}, {"algorithm": "ppo", "epochs": 2, "minibatches": 2}])
def test_a_gpu_trains_convolutions_as_a_cpu_does(training: dict[str, Any]) -> None:
    settings = pixels(**training)
    assert_close(trained(made(settings, "cuda", 2), 4), trained(made(settings, "cpu", 2), 4), 1e-3)


@all_settings
def test_what_is_replayed_is_what_is_called(settings: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    replayed = trained(made(settings, "cuda"), 6)

    def call(self: Replayed, *arguments: Any) -> Any:
        self.forget()
        return real(self, *arguments)

    real = Replayed.__call__
    monkeypatch.setattr(Replayed, "__call__", call)
    assert_close(replayed, trained(made(settings, "cuda"), 6), 1e-5)


@all_settings
def test_dead_weights_stay_dead(settings: Experiment) -> None:
    one = made(settings, "cuda")
    before = [one.weights(row) for row in range(3)]
    for weights, start in zip(trained(one), before, strict=True):
        for name, w in weights.items():
            assert name == "log_std" or not w[start[name] == 0].any()  # log_std starts at zero, alive
    assert not one.parameters.flat[one.parameters.mask == 0].any()


@all_settings
def test_nothing_is_waited_for_but_the_heads_that_actions_come_from(settings: Experiment) -> None:
    one = made(settings, "cuda")
    trained(one, 3)
    torch.cuda.set_sync_debug_mode("error")  # the one wait of a step is asked of the stream, which is not counted
    try:
        one.update()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@all_settings
def test_dropped_tickets_and_restored_states_change_nothing(settings: Experiment) -> None:
    whole, other = with_its_copy(settings)
    whole.keep([0, 2])
    other.keep([0, 2])
    assert_close(trained(other, 4), trained(whole, 4), 1e-5)


def test_lower_precision_is_asked_for_and_not_the_default() -> None:
    plain, tf32 = pixels(), pixels(precision="tfloat32")
    exact = trained(made(plain, "cpu", 1), 2)
    errors = []
    for settings in (plain, tf32):
        found = trained(made(settings, "cuda", 1), 2)
        errors.append(max(float((found[0][n] - exact[0][n]).abs().max()) for n in exact[0]))
    assert errors[0] < errors[1]


def test_a_job_runs_on_a_gpu_to_its_audited_end(tmp_path: Path) -> None:
    file = tmp_path / "tiny.toml"
    file.write_text(as_toml(tiny()))
    done = subprocess.run(
        [sys.executable, "-m", "lth_core.cli", "headless", str(file), "--workspace", str(tmp_path / "w"),
         "--device", "cuda", "--slots", "2"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed" in done.stdout
    database = Database(Workspace(tmp_path / "w").database, writer=False)
    assert {trial.state for trial in views.trials(database, 1)} == {"done"}
