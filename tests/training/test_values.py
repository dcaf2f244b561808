"""DQN: stacks and resumed runs to the last bit, the replay buffer, how episodes end, bad input."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import resolve
from lth_core.models.board import BoardActorCritic
from lth_core.models.convolutional import ConvolutionalActorCritic
from lth_core.models.mlp import Perceptron
from lth_core.settings.networks import MLP, Board, Convolutional
from lth_core.settings.values import DQN
from lth_core.tasks.step import Step
from lth_core.training.families import make_model
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.stack import Start
from lth_core.training.values import learning
from lth_core.training.values.learning import Drawn
from lth_core.training.values.replay import CUT, GOES_ON, Replay
from lth_core.training.values.stack import ValueStack
from tests.small import Memory, experiment, stack_run, starts
from tests.training.replay_runs import in_a_stack_and_alone, stopped_and_resumed

TRAINING = {
    "algorithm": "dqn", "length": 512, "environments": 2, "train_every": 8, "gradient_steps": 3, "batch": 16,
    "replay": 150, "learning_starts": 64, "target_every": 40, "record_every": 128, "checkpoint_every": 64,
    "evaluation_episodes": 2, "score_episodes": 10,
}  # fmt: skip


def settings(training: dict[str, Any] | None = None, **more: Any) -> Experiment:
    fields = {"seeds": [0, 1], "name": "small", "model": {"hidden": [8, 8]}, "pruning": {"rounds": 3}, **more}
    return Experiment.from_fields({**fields, "training": {**TRAINING, **(training or {})}})


KINDS: dict[str, Experiment] = {
    "dqn": settings(),
    "dueling, averaged, three steps": settings(
        {"target": "average", "n_steps": 3, "double": False, "environments": 1, "replay": 100},
        model={"hidden": [8, 8], "dueling": True},
    ),
    "dueling on boards": settings(
        {"environments": 4, "train_every": 4, "length": 320, "record_every": 64},
        task={"kind": "minatar", "time_limit": 9},
        model={"kind": "board", "filters": 2, "hidden": [4], "dueling": True},
    ),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_tickets_bits_do_not_depend_on_its_stack(kind: str) -> None:
    in_a_stack_and_alone(KINDS[kind], updates=6)


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_run_stopped_and_resumed_ends_with_the_same_bits(kind: str) -> None:
    stopped_and_resumed(KINDS[kind], stop_at=13)


NETWORKS: dict[str, Any] = {
    "perceptron": Perceptron(MLP(hidden=(6, 5), dueling=True), 4, 3, heads="dueling"),
    "board": BoardActorCritic(Board(filters=3, hidden=(5,)), (2, 5, 5), 3, heads="values"),
    "convolutions": ConvolutionalActorCritic(
        Convolutional(architecture="small", width=0.1), (1, 40, 40), 3, heads="dueling"
    ),
}


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("name", list(NETWORKS))
def test_a_step_follows_the_gradient_of_the_loss(name: str, double: bool) -> None:
    network, generator = NETWORKS[name], torch.Generator().manual_seed(0)
    shape = {"perceptron": (4,), "board": (2, 5, 5), "convolutions": (1, 40, 40)}[name]
    own = settings({"double": double, "max_gradient_norm": None}).training
    assert isinstance(own, DQN)
    begun = [Start(seed, network.initialise(seed), {}, 0, 1) for seed in (0, 1)]
    parameters = Parameters.of(own, network, begun, torch.device("cpu"))
    seen = [torch.randint(0, 256, (2, 6, *shape), generator=generator, dtype=torch.uint8) for _ in range(2)]
    seen = [one.float() if name == "perceptron" else one for one in seen]
    taken = torch.randint(0, 3, (2, 6), generator=generator)
    batch = Drawn(
        seen[0],
        taken,
        torch.randn(2, 6, generator=generator),
        seen[1],
        torch.full((2, 6), 0.9),
        torch.randn(2, 6, 3, generator=generator),
    )
    flat = network.unpacked(parameters.flat).clone().requires_grad_()
    (wanted,) = torch.autograd.grad(learning.loss(own, network, flat, batch) * 2, flat)  # a mean over two tickets
    found: list[torch.Tensor] = []
    parameters.watch = lambda _, gradient: found.append(network.unpacked(gradient).clone())
    with torch.no_grad():
        learning.step(own, parameters, batch, torch.full((2, 1), 1e-3))
    torch.testing.assert_close(found[0], wanted, rtol=1e-4, atol=1e-5)


def _step(rewards: list[float], terminated: list[bool], truncated: list[bool], number: int) -> Step:
    """Of one ticket with two environments; observations tell their number, last ones are 100 more."""
    seen = np.full((1, 2, 1), number + 1, np.float32)
    ends = [np.array([flags]) for flags in (terminated, truncated)]
    return Step(seen, seen + 100, np.array([rewards], np.float32), *ends)


def test_targets_end_with_the_episode_and_go_on_behind_a_time_limit() -> None:
    replay = Replay(1, 4, 2, np.zeros(1, np.float32))
    no = [False, False]
    ends_and_cuts = [(no, no), ([True, False], [False, True]), ([False, True], no), (no, no), (no, no)]
    for number, (ends, cuts) in enumerate(ends_and_cuts):
        one = _step([1.0, 10.0], ends, cuts, number)
        replay.add(np.full((1, 2, 1), number, np.float32), np.array([[0, 1]]), one)
    assert (replay.total, replay.first, replay.count(1), replay.count(3)) == (5, 1, 8, 4)
    # From step 1: the first environment's episode ends there, the second's is cut there by a time limit.
    batch = replay.batch(np.array([[0, 1, 2, 3]]), 3, 0.5, 2.0)
    assert batch.seen[0, :, 0].tolist() == [1, 1, 2, 2]
    assert batch.actions.tolist() == [[0, 1, 0, 1]]
    assert batch.earned.tolist() == [[2.0, 20.0, 2.0 + 1.0 + 0.5, 20.0]]
    assert batch.factor.tolist() == [[0.0, 0.5, 0.125, 0.0]]
    assert batch.following[0, [1, 2], 0].tolist() == [102, 5]


def test_a_restart_of_the_environments_cuts_what_goes_on() -> None:
    replay = Replay(1, 4, 2, np.zeros(1, np.float32))
    replay.add(np.zeros((1, 2, 1), np.float32), np.array([[0, 1]]), _step([1, 1], [True, False], [False, False], 0))
    replay.cut()
    replay.add(np.ones((1, 2, 1), np.float32), np.array([[0, 1]]), _step([1, 1], [False, False], [False, False], 1))
    batch = replay.batch(np.array([[0, 1]]), 2, 0.5, 1.0)
    assert batch.earned.tolist() == [[1, 1]]
    assert batch.factor.tolist() == [[0, 0.5]]


@pytest.mark.parametrize(("replay", "full"), [(100_000, False), (150, True)])
def test_a_short_training_is_counted_with_what_it_stores(replay: int, full: bool) -> None:
    own = settings({"length": 200, "replay": replay, "batch": 8})
    stack = stack_run(own, starts(own, 2)[1], Memory()).stack
    assert isinstance(stack, ValueStack)
    one = stack.replay.bytes_of_step * stack.tickets
    while (stack.counter < stack.last).any():
        stack.update()
    stored = (stack.replay.total - stack.replay.first) * one
    assert stored == stack.replay.bytes if full else stored <= stack.replay.bytes <= 1.2 * stored


def test_a_stack_that_is_restarted_has_cut_its_episodes_in_the_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings()
    model, begun = starts(own, 2)
    stack = ValueStack(own, model, begun, "cpu")
    stack.update()
    monkeypatch.setattr(stack.player, "restart", lambda step: None)  # these environments can be saved
    for end in (GOES_ON, CUT):
        assert [stack.replay.entry(ticket, stack.replay.total - 1, 0)["end"] for ticket in (0, 1)] == [end, end]
        stack.restart()


def test_large_buffers_are_a_file_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    small = Replay(2, 8, 2, np.zeros(3, np.float32))
    monkeypatch.setattr("lth_core.training.values.replay.LIMIT", 100)
    large = Replay(2, 8, 2, np.zeros(3, np.float32))
    assert isinstance(large._array, np.memmap)
    assert not isinstance(small._array, np.memmap)
    rng = np.random.default_rng(0)
    for _ in range(11):
        seen, rewards = rng.normal(size=(2, 2, 3)).astype(np.float32), rng.normal(size=(2, 2)).astype(np.float32)
        ends = rng.random((2, 2)) < 0.3
        for one in (small, large):
            one.add(seen, np.zeros((2, 2), np.int64), Step(seen + 1, seen + 2, rewards, ends, ~ends))
    assert (small.since(small.first) == large.since(large.first)).all()
    other = Replay(2, 8, 2, np.zeros(3, np.float32))
    other.fill(small.first, small.since(small.first))
    assert other.total == small.total
    assert (other.entries(np.arange(16)[None].repeat(2, 0)) == small.entries(np.arange(16)[None].repeat(2, 0))).all()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"replay": 10}, "replay 10: expected at least batch = 16"),
        ({"train_every": 100}, "replay 150: expected at least 200, environments * max(n_steps, train_every)"),
        ({"learning_starts": 8}, "learning_starts 8: expected at least 16, so that a batch can be drawn"),
        ({"learning_starts": 512}, "learning_starts 512: expected less than length = 512, or nothing is learnt"),
    ],
)
def test_bad_fields_are_named(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(fields)
    assert said in str(caught.value)


def test_continuous_actions_are_named() -> None:
    with pytest.raises(InputError, match="Pendulum-v1 has continuous actions: expected an environment with one choice"):
        make_model(settings(task={"environment": "Pendulum-v1"}))


def test_dueling_without_dqn_is_named() -> None:
    with pytest.raises(ValidationError, match="dueling true: expected false, or"):
        experiment(model={"dueling": True})


LOOKED = settings({"gradient_steps": 2}, task={"time_limit": 12})


def _failures(own: Experiment = LOOKED) -> set[str]:
    sink = Memory()
    _, begun = starts(own, 2)
    run = stack_run(own, begun, sink)
    trials = list(run.trials)
    run.run()
    return {*sink.failures.values(), *(one.detail for trial in trials for one in trial.checks if not one.passed)}


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_second_look_sees_each_kind_of_end_and_finds_nothing_wrong(kind: str) -> None:
    own = KINDS[kind]
    own = own.model_copy(update={"task": LOOKED.task}) if own.task.kind == "control" else own
    sink = Memory()
    _, begun = starts(own, 2)
    run = stack_run(own, begun, sink)
    stack, trials = run.stack, list(run.trials)
    assert run.run()
    assert isinstance(stack, ValueStack)
    assert stack._look.left == []
    assert [one.name for one in trials[0].checks] == ["loss", "target", "actions", "draws"]
    assert all(one.passed for one in trials[0].checks)


def _no_cut(patch: pytest.MonkeyPatch) -> None:
    real = Replay.batch

    def batch(self: Replay, places: Any, n: int, gamma: float, scale: float) -> Any:
        found = real(self, places, n, gamma, scale)
        return found._replace(factor=np.full_like(found.factor, gamma))

    patch.setattr(Replay, "batch", batch)


def _limit_as_termination(patch: pytest.MonkeyPatch) -> None:
    real = Replay.add
    patch.setattr(
        Replay, "add",
        lambda self, seen, actions, step: real(
            self, seen, actions, step._replace(terminated=step.terminated | step.truncated)
        ),
    )  # fmt: skip


def _reset_as_last(patch: pytest.MonkeyPatch) -> None:
    real = Replay.add
    patch.setattr(
        Replay,
        "add",
        lambda self, seen, actions, step: real(self, seen, actions, step._replace(last_observations=None)),
    )


def _unclipped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(learning, "of_error", lambda settings, error: error * 2)


def _never_copied(patch: pytest.MonkeyPatch) -> None:
    real = ValueStack._learn

    def learn(self: ValueStack, rate: Any) -> None:
        kept = self.target.clone()
        real(self, rate)
        self.target.copy_(kept)

    patch.setattr(ValueStack, "_learn", learn)


def _revived(patch: pytest.MonkeyPatch) -> None:
    real = ValueStack._learn

    def learn(self: ValueStack, rate: Any) -> None:
        real(self, rate)
        self.target += 0.1 * (self.parameters.mask == 0)

    patch.setattr(ValueStack, "_learn", learn)


def _other_draws(patch: pytest.MonkeyPatch) -> None:
    real = ValueStack._places
    patch.setattr(ValueStack, "_places", lambda self, batches: real(self, batches + 1)[:, 1:])


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (_no_cut, "targets: those of update"),
        (_limit_as_termination, "replay: the end that update"),
        (_reset_as_last, "replay: the next observation that update"),
        (_unclipped, "loss: a gradient of update"),
        (_never_copied, "target: the target network is not a copy of its network"),
        (_revived, "pruned weights of the target network are not zero: trunk.0.weight"),
        (_other_draws, "drew other places than the seed gives"),
    ],
)
def test_a_planted_bug_fails_the_trial_in_a_sentence(
    plant: Callable[[pytest.MonkeyPatch], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    monkeypatch.setattr("lth_core.training.values.replay_stack.EVERY", 4)
    found = _failures()
    assert found
    assert all(said in one for one in found), found


def test_an_average_with_another_rate_fails_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ValueStack._step

    def step(self: ValueStack, *rest: Any) -> None:
        real(self, *rest)
        self.target.lerp_(self.parameters.flat, 0.005)

    monkeypatch.setattr(ValueStack, "_step", step)
    found = _failures(KINDS["dueling, averaged, three steps"])
    assert found
    assert all("the target network is not an average of its network" in one for one in found), found


def test_continuous_actions_are_refused_before_a_job_is_queued() -> None:
    fields = {"name": "x", "seeds": 2, "task": {"environment": "Pendulum-v1"}, "training": {"algorithm": "dqn"}}
    with pytest.raises(InputError, match=r"^x\.toml: training\.algorithm .dqn. learns the value of each action"):
        resolve(fields, "x.toml")
