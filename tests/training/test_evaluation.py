"""Evaluation at the end: the same alone and in a stack, whole episodes, no trace in the training."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv

from lth_core.experiment.experiment import Experiment
from lth_core.randomness import stream_seed
from lth_core.settings.control import ControlTask
from lth_core.tasks import control
from lth_core.training.reinforcement.stack import ActorCriticStack
from lth_core.training.stack import Interrupted
from tests.small import Memory, digest, experiment, stack, stack_run, starts

pytestmark = pytest.mark.filterwarnings("ignore:.*out of date:DeprecationWarning")

SETTINGS = {
    "CartPole": experiment(training={"length": 10_000, "evaluation_episodes": 5, "greedy_episodes": 5}),
    "one by one": experiment(task={"environment": "FrozenLake-v1"}, training={"length": 10_000}),
    "Pendulum, ppo": experiment(
        task={"environment": "Pendulum-v1"}, training={"algorithm": "ppo", "minibatches": 4, "evaluation_episodes": 3}
    ),
}
all_settings = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())


def trained(settings: Experiment, tickets: list[int], updates: int = 8) -> ActorCriticStack:
    _, own = starts(settings, max(tickets) + 1)
    one = stack(settings, [own[t] for t in tickets])
    for _ in range(updates):
        one.update()
    return one


def evaluated(one: ActorCriticStack, rows: list[int]) -> dict[str, list[float]]:
    found = one.evaluate(rows, lambda: True)
    return {name: [means[name] for means in found] for name in found[0]}


@all_settings
def test_a_ticket_scores_the_same_alone_in_a_stack_and_again(settings: Experiment) -> None:
    together = trained(settings, list(range(7)))
    found = evaluated(together, [1, 5, 6])
    assert set(found) == {"return/eval-sampled", "return/eval-greedy"}
    assert found == evaluated(together, [1, 5, 6])
    for place, ticket in enumerate((1, 5, 6)):
        alone = evaluated(trained(settings, [ticket]), [0])
        assert {name: [means[place]] for name, means in found.items()} == alone
    assert found["return/eval-sampled"] != found["return/eval-greedy"] or settings is SETTINGS["one by one"]


@all_settings
def test_it_leaves_no_trace_in_the_training(settings: Experiment) -> None:
    one, other = trained(settings, [0, 1]), trained(settings, [0, 1])
    evaluated(one, [0, 1])
    one.update()
    other.update()
    assert [digest(one, t) for t in (0, 1)] == [digest(other, t) for t in (0, 1)]


def test_a_greedy_score_is_the_mean_of_first_episodes_played_one_after_the_other() -> None:
    settings = SETTINGS["CartPole"]
    one = trained(settings, [3])
    layers = one.parameters.of_some([0]).layers()
    envs = control.make(ControlTask(environment="CartPole-v1"), [stream_seed(3, "evaluation", "greedy")], 5)
    seen, returns = envs.reset(), np.zeros(5)
    over = np.zeros(5, bool)
    while not over.all():
        actions = one.model.forward(layers, torch.from_numpy(seen))[-1][..., :-1].argmax(-1).numpy()
        step = envs.step(actions)
        returns[~over] += step.rewards[0, ~over]
        over |= (step.terminated | step.truncated)[0]
        seen = step.observations
    assert evaluated(one, [0])["return/eval-greedy"] == [returns.mean()]


def test_an_environment_stepped_by_itself_plays_one_episode_only(monkeypatch: pytest.MonkeyPatch) -> None:
    one, step, steps = trained(SETTINGS["one by one"], [0, 1]), FrozenLakeEnv.step, dict[FrozenLakeEnv, list[bool]]()

    def watched(env: FrozenLakeEnv, action: int) -> Any:
        found = step(env, action)
        steps.setdefault(env, []).append(bool(found[2]))
        return found

    monkeypatch.setattr(FrozenLakeEnv, "step", watched)
    evaluated(one, [0, 1])
    assert len({len(own) for own in steps.values()}) > 1
    assert all(not any(own[:-1]) for own in steps.values())


def test_observations_are_normalised_as_at_the_end_of_training() -> None:
    settings = SETTINGS["Pendulum, ppo"]
    one = trained(settings, [0, 1])
    before = evaluated(one, [1])
    assert one.collector._seen is not None
    one.collector._seen.mean[1] += 0.5
    assert evaluated(one, [1]) != before
    one.collector._seen.mean[1] -= 0.5
    one.collector._seen.mean[0] += 0.5
    assert evaluated(one, [1]) == before


def test_no_episodes_no_evaluation() -> None:
    settings = experiment(training={"score": "training", "evaluation_episodes": 0, "greedy_episodes": 0})
    _, own = starts(settings, 1)
    sink = Memory()
    assert stack_run(settings, own, sink).run()
    assert not any("eval" in name for _, _, values in sink.records for name in values)


def test_a_stop_during_it_ends_the_run_without_a_result() -> None:
    settings = experiment(training={"length": 64})
    _, own = starts(settings, 1)
    sink = Memory(stop_at=4)  # two updates, two steps of the evaluation
    assert not stack_run(settings, own, sink).run()
    assert not sink.results
    assert not sink.records
    with pytest.raises(Interrupted):
        stack(settings, own).evaluate([0], lambda: False)
