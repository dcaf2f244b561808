"""Faults planted in the running program, one at a time: the audit of a trial must see each and say what it is.

Every case is a small job of two batches, the dense run and its tickets, as a worker trains them.
"""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.models.language import Recurrent
from lth_core.tasks import one_by_one
from lth_core.tasks.translation.batches import TokenBatches
from lth_core.training.imitation import data as imitation_data
from lth_core.training.imitation.divergence import Divergence
from lth_core.training.imitation.stack import CloningStack
from lth_core.training.reinforcement import evaluation, packed, parameters, ppo, rollout
from lth_core.training.reinforcement.a2c import AdvantageActorCritic
from lth_core.training.reinforcement.algorithm import Algorithm
from lth_core.training.reinforcement.episodes import Episodes
from lth_core.training.reinforcement.minibatches import Shuffles
from lth_core.training.reinforcement.policy import Categorical, Gaussian
from lth_core.training.reinforcement.rollout import Collector
from lth_core.training.run import StackRun
from lth_core.training.supervised.averaging import Average
from lth_core.training.supervised.language import LanguageLesson
from lth_core.training.supervised.stack import SupervisedStack
from lth_core.training.supervised.translation import TranslationLesson
from lth_core.worker import attempt
from tests.small import experiment
from tests.training import test_language, test_translation
from tests.training.test_every_arm import Batches, dense

pytestmark = pytest.mark.filterwarnings("ignore:.*out of date:DeprecationWarning")
PPO = {"algorithm": "ppo", "n_steps": 8, "minibatches": 4, "epochs": 2, "environments": 4}
TEACHER = {"length": 512, "environments": 4, "n_steps": 8, "evaluation_episodes": 2}
Plant = Callable[[pytest.MonkeyPatch], None]


def of_kind(kind: str, folder: Path) -> Experiment:
    if kind == "text":
        return test_language.settings(folder, arms=["winning"], pruning={"rounds": 1})
    if kind == "translation":
        smoothed = {"label_smoothing": 0.1, "average": 3, "average_every": 2}
        return test_translation.settings(folder, arms=["winning"], pruning={"rounds": 1}, training=smoothed)
    fields: dict[str, Any] = {
        "cartpole": {"task": {"time_limit": 16}, "training": {"length": 256}},
        "training": {"task": {"time_limit": 16}, "training": {"length": 512, "score": "training"}},
        "ppo": {"training": {**PPO, "length": 128}},
        "pendulum": {"task": {"environment": "Pendulum-v1"}, "training": {**PPO, "n_steps": 64, "length": 1024}},
        "clone": {
            "task": {"kind": "imitation", "teacher": {"training": TEACHER}, "states": 1000},
            "training": {"length": 12, "record_every": 6, "checkpoint_every": 6, "evaluation_episodes": 2},
        },
        "one by one": {"task": {"environment": "FrozenLake-v1"}, "training": {"length": 128}},
    }[kind]
    if kind == "clone":
        return Experiment.from_fields(
            {
                "name": "clone", "arms": ["winning", "random"], "pruning": {"rounds": 1}, "seeds": [0],
                "model": {"hidden": [8], "activation": "tanh"}, **fields,
            }
        )  # fmt: skip
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


KINDS = ["cartpole", "ppo", "pendulum", "one by one", "training", "text", "translation", "clone"]


@pytest.mark.parametrize("kind", KINDS)
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


def other_states(patch: pytest.MonkeyPatch) -> None:
    rows = CloningStack._rows
    patch.setattr(CloningStack, "_rows", lambda self, seed, update: rows(self, seed, update + 1))


def other_teacher(patch: pytest.MonkeyPatch) -> None:
    """The same states with other probabilities, though it is said to be the same data."""
    arrays = np.load

    def plant(path: Any, **named: Any) -> Any:
        found = arrays(path, **named)
        return found[:, ::-1] if str(path).endswith("targets.npy") else found

    patch.setattr(imitation_data.np, "load", plant)
    imitation_data._load.cache_clear()


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


def nothing_carried_in_training(patch: pytest.MonkeyPatch) -> None:
    batches = SupervisedStack._batches

    def plant(self: SupervisedStack) -> Any:
        found = batches(self)
        self._carry = ()
        return found

    patch.setattr(SupervisedStack, "_batches", plant)


def nothing_carried_by_the_network(patch: pytest.MonkeyPatch) -> None:
    forward = Recurrent.forward
    patch.setattr(Recurrent, "forward", lambda self, tokens, _carry: forward(self, tokens, ()))


def half_the_loss_of_text(patch: pytest.MonkeyPatch) -> None:
    loss = LanguageLesson.loss

    def plant(self: LanguageLesson, module: Any, batch: Any, carry: Any) -> Any:
        found, after = loss(self, module, batch, carry)
        return found / 2, after

    patch.setattr(LanguageLesson, "loss", plant)


def unsmoothed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TranslationLesson, "loss", lambda self, module, batch, carry: self._loss(module, batch, carry, 0.0))


def half_the_divergence(patch: pytest.MonkeyPatch) -> None:
    gradient = Divergence.gradient
    patch.setattr(Divergence, "gradient", lambda self, *of: (gradient(self, *of)[0] / 2, None))


def advantages_as_they_are(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ppo, "standardised", lambda advantages: advantages)


def unclipped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(parameters, "clip", lambda gradient, limit, widths: None)


LOSSES: list[tuple[str, Plant, str]] = [
    ("cartpole", through_terminations, "returns: the targets of values of update"),
    ("cartpole", no_value_at_time_limits, "before a time limit"),
    ("pendulum", no_value_at_time_limits, "before a time limit"),
    ("ppo", undiscounted, "returns: the targets of values of update 1"),
    ("cartpole", entropy_reversed, "loss: gradient 1 of update 1"),
    ("cartpole", returns_for_advantages, "loss: gradient 1 of update 1"),
    ("ppo", advantages_as_they_are, "loss: gradient 1 of update 1"),
    ("ppo", unclipped, "loss: gradient"),
    ("text", nothing_carried_in_training, "loss: the state of update 2 is not what the update before it has left"),
    ("text", nothing_carried_by_the_network, "loss: the gradient of update 2"),
    ("text", half_the_loss_of_text, "loss: the gradient of update 1"),
    ("translation", unsmoothed, "loss: the gradient of update 1"),
    ("clone", half_the_divergence, "loss: the gradient of update 1"),
    ("clone", other_states, "loss: the gradient of update 1"),
]


@pytest.mark.parametrize(("kind", "plant", "sentence"), LOSSES, ids=lambda one: getattr(one, "__name__", one))
def test_other_returns_and_losses_than_stated(
    kind: str, plant: Plant, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert sentence in failures(kind, tmp_path)["dense"]


def evaluated_with(patch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]) -> None:
    found = packed.evaluate

    def plant(*arguments: Any) -> Any:
        names = ("task", "seeds", "ways", "policy", "heads", "go_on")
        named = dict(zip(names, arguments, strict=True))
        change(named)
        return found(**named)

    patch.setattr(packed, "evaluate", plant)


def fewer_episodes(patch: pytest.MonkeyPatch) -> None:
    evaluated_with(patch, lambda named: named.update(ways=dict.fromkeys(named["ways"], 1)))


def greedy_for_sampled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(evaluation, "stream", lambda *_: np.random.default_rng(0))
    for kind in (Categorical, Gaussian):
        patch.setattr(kind, "sample", lambda self, heads, _noise, valid=None: self.greedy(heads, valid))


def other_evaluation(patch: pytest.MonkeyPatch) -> None:
    evaluated_with(patch, lambda named: named.update(seeds=[seed + 1 for seed in named["seeds"]]))


def training_for_evaluation(patch: pytest.MonkeyPatch) -> None:
    record = StackRun._record

    def plant(self: StackRun, rows: Any, evaluated: Any) -> None:
        record(self, rows, evaluated)
        for trial in self.trials:
            trial.score = trial.values["return/train"]

    patch.setattr(StackRun, "_record", plant)


def fewer_training_episodes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Episodes, "score", lambda self, ticket: self._windows[ticket][-1])


def shorter_window(patch: pytest.MonkeyPatch) -> None:
    made = Episodes.__init__
    patch.setattr(Episodes, "__init__", lambda self, t, n, window, *more, **named: made(self, t, n, 2, *more, **named))


def weights_of_the_start(patch: pytest.MonkeyPatch) -> None:
    packed = attempt.pack_trained
    patch.setattr(attempt, "pack_trained", lambda trial, final: packed(trial, trial.snapshots.get("init", final)))


def later_numbers(patch: pytest.MonkeyPatch) -> None:
    collect = Collector.collect

    def plant(self: Collector, *arguments: Any) -> Any:
        found = collect(self, *arguments)
        self._actions[0].random(1, np.float32)
        return found

    patch.setattr(Collector, "collect", plant)


def valid_text_for_test(patch: pytest.MonkeyPatch) -> None:
    found = LanguageLesson._perplexity
    patch.setattr(
        LanguageLesson, "_perplexity",
        lambda self, part, _tokens, *more: found(self, part, self._corpus.valid, *more),
    )  # fmt: skip


def nothing_carried_in_evaluation(patch: pytest.MonkeyPatch) -> None:
    loss = LanguageLesson._loss
    patch.setattr(
        LanguageLesson, "_loss",
        lambda self, module, batch, carry, *more: loss(self, module, batch, carry if module.training else (), *more),
    )  # fmt: skip


def valid_pairs_for_test(patch: pytest.MonkeyPatch) -> None:
    test = TranslationLesson.test
    patch.setattr(
        TranslationLesson, "test",
        lambda self, *of: {n: v for n, v in test(self, *of).items() if n.endswith("/valid")}
        | {n.replace("/valid", "/test"): v for n, v in test(self, *of).items() if n.endswith("/valid")},
    )  # fmt: skip


def fewer_points_averaged(patch: pytest.MonkeyPatch) -> None:
    take = Average.take
    patch.setattr(Average, "take", lambda self, left: None if left > 2 else take(self, left))


def earlier_points_averaged(patch: pytest.MonkeyPatch) -> None:
    take = Average.take
    patch.setattr(Average, "take", lambda self, left: take(self, left - 1) if left else None)


def last_point_scored(patch: pytest.MonkeyPatch) -> None:
    """The mean is stored, and the weights at the end are scored."""
    patch.setattr(Average, "shown", lambda self: nullcontext())


SCORES: list[tuple[str, Plant, str]] = [
    ("cartpole", fewer_episodes, "score: return/eval-sampled is"),
    ("pendulum", fewer_episodes, "score: return/eval-sampled is"),
    ("cartpole", greedy_for_sampled, "score: return/eval-sampled is"),
    ("pendulum", other_evaluation, "score: return/eval-sampled is"),
    ("cartpole", training_for_evaluation, "score: return/eval-sampled is"),
    ("training", fewer_training_episodes, "score: "),
    ("training", shorter_window, "score: 2 training episodes are kept, expected 10"),
    ("clone", other_evaluation, "score: return/eval-sampled is"),
    ("pendulum", weights_of_the_start, "stored: other than trained: final"),
    ("cartpole", later_numbers, "actions: 8 updates drew other numbers than the seed gives"),
    ("text", valid_text_for_test, "of the stored weights"),
    ("text", nothing_carried_in_evaluation, "of the stored weights"),
    ("translation", valid_pairs_for_test, "of the stored weights"),
    ("translation", fewer_points_averaged, "tensors are not the mean of the 3 points asked for"),
    ("translation", earlier_points_averaged, "tensors are not the mean of the 3 points asked for"),
    ("translation", last_point_scored, "of the stored weights"),
]


@pytest.mark.parametrize(("kind", "plant", "sentence"), SCORES, ids=lambda one: getattr(one, "__name__", one))
def test_scores_of_something_else_than_stated(
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
    ("clone", other_teacher, "streams: batch of update 0"),
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
