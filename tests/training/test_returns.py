"""Advantages, time limits, learning-rate schedules and clipping, against references written the slow way."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth_core.tasks import control
from lth_core.tasks.step import Step
from lth_core.training.cuda_graphs import Replayed
from lth_core.training.reinforcement import parameters
from lth_core.training.reinforcement.episodes import Episodes
from lth_core.training.reinforcement.learning import Learnt
from lth_core.training.reinforcement.parameters import clip
from lth_core.training.reinforcement.rollout import Rollout, advantages
from lth_core.training.stack import Start
from tests.small import experiment, stack, starts

pytestmark = pytest.mark.filterwarnings("ignore:.*out of date:DeprecationWarning")


def _slowly(
    rewards: np.ndarray, ends: np.ndarray, values: np.ndarray, bootstrap: np.ndarray, gamma: float, lam: float
) -> np.ndarray:
    """Advantages by the definition: a sum of discounted temporal differences up to the end of the episode."""
    tickets, steps, environments = rewards.shape
    found = np.zeros(rewards.shape)
    for t in range(tickets):
        for e in range(environments):
            for start in range(steps):
                factor = 1.0
                for i in range(start, steps):
                    following = 0.0 if ends[t, i, e] else (values[t, i + 1, e] if i + 1 < steps else bootstrap[t, e])
                    found[t, start, e] += factor * (rewards[t, i, e] + gamma * following - values[t, i, e])
                    if ends[t, i, e]:
                        break
                    factor *= gamma * lam
    return found


def _drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = (2, 7, 3)
    return (
        rng.normal(size=shape).astype(np.float32),
        rng.random(shape) < 0.25,
        rng.normal(size=shape).astype(np.float32),
        rng.normal(size=(2, 3)).astype(np.float32),
    )


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.5, 0.99, 1.0]), st.sampled_from([0.0, 0.3, 0.95, 1.0]))
def test_advantages_equal_the_definition(seed: int, gamma: float, lam: float) -> None:
    rewards, ends, values, bootstrap = _drawn(seed)
    found = advantages(rewards, ends, values, bootstrap, gamma, lam)
    np.testing.assert_allclose(found, _slowly(rewards, ends, values, bootstrap, gamma, lam), rtol=1e-4, atol=1e-5)


def test_with_lambda_one_targets_are_n_step_returns() -> None:
    rewards, _, values, bootstrap = _drawn(1)
    ends = np.zeros(rewards.shape, bool)
    ends[0, 3, 0] = True
    targets = advantages(rewards, ends, values, bootstrap, 0.9, 1.0) + values
    rest = [rewards[0, i, 0] for i in range(4)]
    assert targets[0, 0, 0] == pytest.approx(sum(0.9**i * r for i, r in enumerate(rest)), rel=1e-5)
    rest = [rewards[1, i, 2] for i in range(7)]
    assert targets[1, 0, 2] == pytest.approx(
        sum(0.9**i * r for i, r in enumerate(rest)) + 0.9**7 * bootstrap[1, 2], rel=1e-4
    )


def test_with_lambda_zero_advantages_are_temporal_differences() -> None:
    rewards, ends, values, bootstrap = _drawn(2)
    following = np.concatenate([values[:, 1:], bootstrap[:, None]], axis=1)
    expected = rewards + 0.9 * following * ~ends - values
    np.testing.assert_allclose(advantages(rewards, ends, values, bootstrap, 0.9, 0.0), expected, rtol=1e-5, atol=1e-6)


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.7, 1.0]))
def test_nothing_leaks_across_the_end_of_an_episode(seed: int, lam: float) -> None:
    rewards, ends, values, bootstrap = _drawn(seed)
    ends[:, 3] = True
    before = advantages(rewards, ends, values, bootstrap, 0.99, lam)[:, :4]
    rewards[:, 4:], values[:, 4:], bootstrap[:] = 1e6, -1e6, 1e6
    np.testing.assert_array_equal(advantages(rewards, ends, values, bootstrap, 0.99, lam)[:, :4], before)


class Scripted:
    """Two environments of one ticket: at step 2 the first is terminated, the second cut by a time limit."""

    inputs, actions, limit, valid = 4, 2, 100, None

    def __init__(self, cut: bool) -> None:
        self._cut, self._steps = cut, 0

    def reset(self) -> np.ndarray:
        return np.full((1, 2, 4), 0.1, np.float32)

    def step(self, actions: np.ndarray) -> Step:
        self._steps += 1
        now = self._steps == 2
        terminated, truncated = np.array([[now, False]]), np.array([[False, now and self._cut]])
        fresh = np.full((1, 2, 4), 0.5 if now else 0.2, np.float32)
        last = np.array([[[3.0, 1, 2, 1], [-1.0, 2, 1, 0]]], np.float32) if now else None
        return Step(fresh, last, np.ones((1, 2), np.float32), terminated, truncated)

    def state(self) -> None:
        return None

    def origins(self) -> list[str]:
        return [""]


def _targets(cut: bool, monkeypatch: pytest.MonkeyPatch, **training: float) -> tuple[np.ndarray, np.ndarray]:
    """Targets (n, E) of one rollout, and the value of the observation that was cut off."""
    settings = experiment(training={"environments": 2, "n_steps": 4, **training})
    model, own = starts(settings, 1, density=1.1)
    monkeypatch.setattr(control, "make", lambda *_: Scripted(cut))
    one = stack(settings, own, model)
    layers = one.parameters.layers()

    def value(observation: list[float]) -> float:
        return float(model.forward(layers, torch.tensor([[observation]]))[-1][0, 0, -1])

    rollout = one._collect()
    fresh, cut_off = value([0.2] * 4), value([-1.0, 2, 1, 0])
    return rollout.targets.view(4, 2).numpy(), np.array([fresh, cut_off])


def test_a_time_limit_bootstraps_from_the_cut_state_and_a_termination_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    targets, (fresh, cut_off) = _targets(True, monkeypatch, gamma=0.9, reward_scale=0.5)
    # After the end both play two more steps of a new episode, then its last state's value.
    after = 0.5 + 0.9 * 0.5 + 0.81 * fresh
    assert targets[2] == pytest.approx([after, after], rel=1e-5)
    assert targets[0, 0] == pytest.approx(0.5 + 0.9 * 0.5, rel=1e-5)
    assert targets[0, 1] == pytest.approx(0.5 + 0.9 * 0.5 + 0.81 * cut_off, rel=1e-5)
    assert targets[1] == pytest.approx([0.5, 0.5 + 0.9 * cut_off], rel=1e-5)


def test_without_a_cut_the_same_environment_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    targets, (fresh, _) = _targets(False, monkeypatch, gamma=0.9)
    assert targets[0, 1] == pytest.approx(sum(0.9**i for i in range(4)) + 0.9**4 * fresh, rel=1e-5)


class CutEveryThree(Scripted):
    """One ticket, two environments: the first is cut at steps 3, 6 ..., the second at 2, 5 ...; states count up."""

    def __init__(self) -> None:
        super().__init__(False)

    def step(self, actions: np.ndarray) -> Step:
        self._steps += 1
        truncated = np.array([[self._steps % 3 == 0, self._steps % 3 == 2]])
        seen = np.full((1, 2, 4), 0.01 * self._steps, np.float32)
        last = -10 * seen if truncated.any() else None
        return Step(seen, last, np.ones((1, 2), np.float32), np.zeros((1, 2), bool), truncated)


def test_every_one_of_several_cuts_in_a_rollout_bootstraps_from_its_own_state(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = experiment(training={"environments": 2, "n_steps": 8, "gamma": 0.9, "gae_lambda": 0.0})
    model, own = starts(settings, 1, density=1.1)
    monkeypatch.setattr(control, "make", lambda *_: CutEveryThree())
    one = stack(settings, own, model)
    layers = one.parameters.layers()
    targets = one._collect().targets.view(8, 2)
    for i in range(8):
        for e, cut in enumerate(((i + 1) % 3 == 0, (i + 1) % 3 == 2)):
            following = torch.full((1, 2, 4), (-0.1 if cut else 0.01) * (i + 1))
            value = float(model.forward(layers, following)[-1][0, 0, -1])
            assert float(targets[i, e]) == pytest.approx(1 + 0.9 * value, rel=1e-5)


def test_the_linear_schedule_falls_to_its_end_and_each_ticket_stands_where_it_stands() -> None:
    settings = experiment(
        training={
            "length": 320, "learning_rate": 0.1, "learning_rate_schedule": "linear", "learning_rate_end": 0.2,
        }
    )  # fmt: skip
    model, own = starts(settings, 1)
    one = stack(
        settings,
        [
            Start(0, own[0].weights, own[0].mask, first, last)
            for first, last in ((0, 320), (160, 320), (320, 640), (0, 10**6))
        ],
        model,
    )
    one.trained = 160
    assert one._rate().flatten().tolist() == pytest.approx([0.06, 0.02, 0.02, 0.06])
    one.trained = 0
    assert one._rate().flatten().tolist() == pytest.approx([0.1, 0.06, 0.02, 0.1])


@pytest.mark.parametrize("algorithm", ["a2c", "ppo"])
def test_the_first_update_has_the_whole_rate_and_the_last_one_step_more_than_the_end(algorithm: str) -> None:
    settings = experiment(
        training={
            "algorithm": algorithm, "length": 96, "learning_rate": 0.1, "learning_rate_schedule": "linear",
            "learning_rate_end": 0.1, "minibatches": 1,
        }
    )  # fmt: skip
    model, own = starts(settings, 1)
    one = stack(settings, own, model)
    rates, learn = [], one._learn

    def seen(rollout: Rollout, rate: torch.Tensor, orders: torch.Tensor | None = None) -> list[Learnt]:
        rates.append(float(rate))
        return learn(rollout, rate, orders)

    one._learning = Replayed(seen, one.device)
    for _ in range(3):
        one.update()
    assert rates == pytest.approx([0.1, 0.07, 0.04])


def test_the_constant_schedule_is_constant() -> None:
    settings = experiment(training={"learning_rate": 0.25})
    model, own = starts(settings, 2)
    one = stack(settings, own, model)
    one.trained = 400
    assert one._rate().flatten().tolist() == [0.25, 0.25]


def test_clipping_limits_each_tickets_norm_by_itself() -> None:
    gradient = torch.zeros(2, 50)
    gradient[0, :4], gradient[1, :4] = 3.0, 0.1
    clip(gradient, 0.5)
    assert float(gradient[0].norm()) == pytest.approx(0.5, rel=1e-5)
    assert gradient[1, :4].tolist() == [pytest.approx(0.1)] * 4


def test_gradients_are_masked_before_they_are_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = experiment(training={"max_gradient_norm": 1e-3})
    model, own = starts(settings, 2, density=0.3)
    one = stack(settings, own, model)
    seen: list[torch.Tensor] = []

    def watched(gradient: torch.Tensor, limit: float, widths: Sequence[int]) -> None:
        seen.append(gradient.clone())
        clip(gradient, limit, widths)
        seen.append(gradient.clone())

    monkeypatch.setattr(parameters, "clip", watched)
    one.update()
    before, after = seen
    dead = one.parameters.mask == 0
    assert dead.any()
    assert not before[dead].any()
    assert before[~dead].any()
    assert after.norm(dim=1).tolist() == pytest.approx([1e-3, 1e-3], rel=1e-3)


def test_the_score_is_the_mean_of_the_last_finished_episodes() -> None:
    episodes = Episodes(2, 2, 3)
    assert repr(episodes.score(0)) == "nan"
    ended = np.array([[True, False], [False, False]])
    for reward in (1.0, 2.0, 3.0, 4.0):
        episodes.add(np.array([[reward, 1.0], [1.0, 1.0]]), ended)
    assert episodes.score(0) == 3.0
    episodes.add(np.array([[0.0, 1.0], [1.0, 1.0]]), np.array([[False, True], [False, True]]))
    assert episodes.score(0) == pytest.approx((3 + 4 + 5) / 3)
    assert episodes.score(1) == 5.0
    assert episodes.finished.tolist() == [5, 1]
    episodes.keep([1])
    assert episodes.score(0) == 5.0


def test_a_window_reaches_back_no_further_than_it_may_and_holds_the_last_episode_in_any_case() -> None:
    episodes = Episodes(1, 2, 100, [8])
    for reward in (1.0, 2.0, 3.0):  # each step two of the environments' steps, of which the last eight count
        episodes.add(np.array([[reward, 0.0]]), np.array([[True, False]]))
    assert episodes.score(0) == 2.0
    for _ in range(2):
        episodes.add(np.zeros((1, 2)), np.zeros((1, 2), bool))
    assert episodes.score(0) == 2.5
    again = Episodes(1, 2, 100, [8])
    again.restore(*episodes.state())
    for one in (episodes, again):
        for _ in range(9):
            one.add(np.zeros((1, 2)), np.zeros((1, 2), bool))
        assert one.score(0) == 3.0
    of_games = Episodes(1, 1, 100, [2], in_games=True)
    for reward in (1.0, 2.0, 3.0):
        of_games.add(np.array([[reward]]), np.array([[True]]))
    assert of_games.score(0) == 2.5


def test_windows_of_earlier_versions_are_read() -> None:
    episodes = Episodes(1, 1, 3)
    episodes.restore({"running": np.zeros((1, 1)), "finished": np.array([2])}, {"windows": [[1.0, 2.0]]})
    assert episodes.score(0) == 1.5
