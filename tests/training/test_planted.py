"""Faults planted in the running program, one at a time: the audit of a trial must see each and say what it is.

Every case is a small job of two batches, the dense run and its tickets, as a worker trains them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.tasks import one_by_one
from lth_core.tasks.translation.batches import TokenBatches
from lth_core.training.reinforcement import parameters, ppo, rollout
from lth_core.training.reinforcement.a2c import AdvantageActorCritic
from lth_core.training.reinforcement.algorithm import Algorithm
from lth_core.training.reinforcement.minibatches import Shuffles
from lth_core.training.reinforcement.rollout import Collector
from lth_core.training.supervised.language import LanguageLesson
from tests.small import experiment
from tests.training import test_language, test_translation
from tests.training.test_every_arm import Batches, dense

pytestmark = pytest.mark.filterwarnings("ignore:.*out of date:DeprecationWarning")
PPO = {"algorithm": "ppo", "n_steps": 8, "minibatches": 4, "epochs": 2, "environments": 4}
Plant = Callable[[pytest.MonkeyPatch], None]


def of_kind(kind: str, folder: Path) -> Experiment:
    if kind == "text":
        return test_language.settings(folder, arms=["winning"], pruning={"rounds": 1})
    if kind == "translation":
        return test_translation.settings(folder, arms=["winning"], pruning={"rounds": 1})
    fields: dict[str, Any] = {
        "cartpole": {"task": {"time_limit": 16}, "training": {"length": 256}},
        "ppo": {"training": {**PPO, "length": 128}},
        "pendulum": {"task": {"environment": "Pendulum-v1"}, "training": {**PPO, "n_steps": 64, "length": 1024}},
        "one by one": {"task": {"environment": "FrozenLake-v1"}, "training": {"length": 128}},
    }[kind]
    return experiment(arms=["winning", "random"], pruning={"rounds": 1}, seeds=[0], **fields)


def failures(kind: str, folder: Path, between: Callable[[], None] = lambda: None) -> dict[str, str]:
    """The sentence with which each trial failed, by arm. between: called after the dense run."""
    settings = of_kind(kind, folder)
    batches = Batches(folder / "w", settings)
    batches.run(dense(settings))
    between()
    keys = [TrialKey(1, arm, 0) for arm in settings.arms]
    if not batches.failures:
        for own in [keys] if settings.task.kind == "control" else [[key] for key in keys]:
            batches.run(own)
    return {key.arm: sentence for key, sentence in batches.failures.items()}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("kind", ["cartpole", "ppo", "pendulum", "one by one", "text", "translation"])
def test_a_sound_program_passes(kind: str, tmp_path: Path) -> None:
    assert not failures(kind, tmp_path)


def other_environments(patch: pytest.MonkeyPatch) -> None:
    """Other first states for tickets than for the dense run."""
    made = Collector.__init__

    def plant(self: Collector, task: Any, settings: Any, seeds: Any, spans: Any) -> None:
        made(self, task, settings, seeds, spans)
        self._observations = self.environments.reset()

    patch.setattr(Collector, "__init__", plant)


def other_episodes(patch: pytest.MonkeyPatch) -> None:
    seed = one_by_one.stream_seed
    patch.setattr(one_by_one, "stream_seed", lambda own, *names: seed(own + 1, *names))


def other_actions(patch: pytest.MonkeyPatch) -> None:
    """Numbers for actions that are one draw ahead."""
    made = Collector.__init__

    def plant(self: Collector, task: Any, settings: Any, seeds: Any, spans: Any) -> None:
        made(self, task, settings, seeds, spans)
        for rng in self._actions:
            rng.random(1, np.float32)

    patch.setattr(Collector, "__init__", plant)


def other_minibatches(patch: pytest.MonkeyPatch) -> None:
    orders = Shuffles.orders
    patch.setattr(Shuffles, "orders", lambda self, size, epochs: orders(self, size, epochs).flip(-1))


def other_windows(patch: pytest.MonkeyPatch) -> None:
    batch = LanguageLesson.batch
    patch.setattr(LanguageLesson, "batch", lambda self, e, place: batch(self, e, (place + 1) % self.per_epoch))


def other_pairs(patch: pytest.MonkeyPatch) -> None:
    pairs = TokenBatches.pairs
    patch.setattr(TokenBatches, "pairs", lambda self, epoch, place: pairs(self, epoch + 1, place))


def through_terminations(patch: pytest.MonkeyPatch) -> None:
    found = rollout.advantages
    patch.setattr(rollout, "advantages", lambda r, ends, *more: found(r, np.zeros_like(ends), *more))


def no_value_at_time_limits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rollout._Cuts, "values", lambda self: self._found)


def undiscounted(patch: pytest.MonkeyPatch) -> None:
    found = rollout.advantages
    patch.setattr(rollout, "advantages", lambda r, e, v, b, gamma, lam: found(r, e, v, b, gamma, 1.0))


def entropy_reversed(patch: pytest.MonkeyPatch) -> None:
    found = Algorithm.of_entropy
    patch.setattr(Algorithm, "of_entropy", lambda self, heads: -found(self, heads))


def returns_for_advantages(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AdvantageActorCritic, "_counted", lambda self, heads, taken: taken.targets)


def advantages_as_they_are(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ppo, "standardised", lambda advantages: advantages)


def unclipped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(parameters, "clip", lambda gradient, limit: None)


LOSSES: list[tuple[str, Plant, str]] = [
    ("cartpole", through_terminations, "returns: the targets of values of update"),
    ("cartpole", no_value_at_time_limits, "before a time limit"),
    ("pendulum", no_value_at_time_limits, "before a time limit"),
    ("ppo", undiscounted, "returns: the targets of values of update 1"),
    ("cartpole", entropy_reversed, "loss: gradient 1 of update 1"),
    ("cartpole", returns_for_advantages, "loss: gradient 1 of update 1"),
    ("ppo", advantages_as_they_are, "loss: gradient 1 of update 1"),
    ("ppo", unclipped, "loss: gradient"),
]


@pytest.mark.parametrize(("kind", "plant", "sentence"), LOSSES, ids=lambda one: getattr(one, "__name__", one))
def test_other_returns_and_losses_than_stated(
    kind: str, plant: Plant, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert sentence in failures(kind, tmp_path)["dense"]


BETWEEN: list[tuple[str, Plant, str]] = [
    ("cartpole", other_environments, "streams: environments"),
    ("one by one", other_episodes, "streams: environments"),
    ("cartpole", other_actions, "streams: actions"),
    ("pendulum", other_actions, "streams: actions"),
    ("ppo", other_minibatches, "streams: minibatches"),
    ("text", other_windows, "streams: batch of update 0"),
    ("translation", other_pairs, "streams: batch of update 0"),
]


@pytest.mark.parametrize(("kind", "plant", "sentence"), BETWEEN, ids=lambda one: getattr(one, "__name__", one))
def test_streams_that_differ_between_arms(
    kind: str, plant: Plant, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = failures(kind, tmp_path, lambda: plant(monkeypatch))
    assert sentence in found["winning"] and "not what the dense run of this seed drew" in found["winning"]
    assert "dense" not in found
