"""Stacks whose environments run on their device: what the host would do, nothing waited for, whatever the stack."""

import json
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import resolve
from lth_core.settings.minatar import MinAtarTask
from lth_core.settings.networks import Board
from lth_core.tasks.classic import Classic
from lth_core.tasks.minatar.environments import MinAtar
from lth_core.tasks.on_device import draws
from lth_core.tasks.on_device.classic import DeviceClassic
from lth_core.tasks.on_device.made import make
from lth_core.tasks.on_device.minatar.environments import GAMES
from lth_core.training.families import make_stack
from lth_core.training.reinforcement.episodes import Episodes
from lth_core.training.reinforcement.on_device import rollout
from lth_core.training.reinforcement.on_device.episodes import Tally
from lth_core.training.reinforcement.on_device.sampling import Numbers
from lth_core.training.reinforcement.on_device.stack import DeviceStack
from lth_core.training.reinforcement.stack import ActorCriticStack
from lth_core.training.stack import Start
from tests.small import Memory, digest, experiment, stack_run, starts
from tests.tasks.minatar.given import follow

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

PPO = {"algorithm": "ppo", "epochs": 2, "minibatches": 4, "entropy_weight": 0.1}


def _settings(environment: str, limit: int | None, on: str = "device", **training: Any) -> Experiment:
    """environment: also a game, with a small network over boards or, after a "/", over their cells."""
    own = {"length": 10_000, "max_gradient_norm": 0.5, "environments_on": on, "record_every": 64, **training}
    if "-" in environment:
        return experiment(task={"environment": environment, "time_limit": limit}, training=own)
    game, _, flat = environment.partition("/")
    task = {"kind": "minatar", "game": game, "time_limit": limit, "sticky_action_prob": 0.25}
    found = experiment(task=task, model={"kind": "mlp"}, training={**own, "greedy_episodes": 0})
    return found if flat else found.model_copy(update={"model": Board(filters=2, hidden=(4,))})


Own = tuple[str, int | None, dict[str, Any]]
SETTINGS: dict[str, Own] = {
    # An episode reaches its limit of 5 more than once in a rollout of 8 steps.
    "a2c": ("CartPole-v1", 5, {"environments": 3}),
    "ppo, continuous": ("Pendulum-v1", 12, PPO),
    "ppo, boards": ("breakout", 5, {**PPO, "environments": 2, "minibatches": 2}),
}
OTHERS: dict[str, Own] = {"ppo": ("CartPole-v1", 12, PPO), "a2c, cells of boards": ("breakout/flat", None, {})}
all_settings = pytest.mark.parametrize("own", SETTINGS.values(), ids=SETTINGS.keys())


def _stack(own: Own, tickets: list[Start], device: str = "cpu") -> DeviceStack:
    environment, limit, training = own
    found = make_stack(settings := _settings(environment, limit, **training), _model(settings), tickets, device)
    assert isinstance(found, DeviceStack)
    return found


def _model(settings: Experiment) -> Any:
    return starts(settings, 1)[0]


def _starts(own: Own, count: int = 3) -> list[Start]:
    environment, limit, training = own
    return starts(_settings(environment, limit, **training), count)[1]


def _trained(one: DeviceStack, updates: int = 6) -> DeviceStack:
    for _ in range(updates):
        one.update()
    return one


class _Given:
    """A random generator that gives what the device's stream gives."""

    def __init__(self, noise: Callable[[], torch.Tensor]) -> None:
        self._noise = noise

    def random(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        found = self._noise().numpy()
        assert (found.shape, found.dtype) == (shape, dtype)
        return found

    standard_normal = random


def _follow(host: ActorCriticStack, one: DeviceStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a stack on the host begin with the device's states, draw its numbers and its start states."""
    for row in range(one.tickets):
        own: Any = _Given(lambda row=row: one._own.noise()[row])  # type: ignore[misc]
        host.collector._actions[row] = own
    monkeypatch.setattr(host, "_orders", lambda _: one._own.orders(one.algorithm.epochs))
    if isinstance(host.environments, MinAtar):
        host.collector.observations = follow(host.environments, one._own.environments)
        return
    theirs, ours, played = cast(Classic, host.environments), cast(DeviceClassic, one._own.environments), [-1]
    theirs._state = ours.current.flatten(1).numpy().copy()
    host.collector.observations = ours.observations().numpy().copy()
    real = theirs.step

    def step(actions: np.ndarray) -> Any:
        played[0] += 1
        return real(actions)

    def begun(places: Any) -> np.ndarray:
        return ours.ahead(torch.tensor(played[0]), 1)[0].flatten(1).numpy()[:, list(places)]

    monkeypatch.setattr(theirs, "step", step)
    monkeypatch.setattr(theirs, "_starts", begun)


@pytest.mark.parametrize("own", [*SETTINGS.values(), *OTHERS.values()], ids=[*SETTINGS, *OTHERS])
def test_a_device_learns_what_the_host_learns_from_the_same_numbers(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    environment, limit, training = own
    tickets, settings = _starts(own), _settings(environment, limit, "host", **training)
    one, host = _stack(own, tickets), make_stack(settings, _model(settings), tickets, "cpu")
    assert isinstance(host, ActorCriticStack)
    monkeypatch.setattr(host.collector, "note_drawn", lambda _: None)
    _follow(host, one, monkeypatch)
    for _ in range(6):
        host.update()  # first: it draws what the other's next update will
        one.update()
    for row in range(3):
        ours, theirs = one.weights(row), host.weights(row)
        for name in ours:
            torch.testing.assert_close(ours[name], theirs[name], rtol=1e-4, atol=1e-6)
        found, wanted = one.episodes.window(row), host.episodes.window(row)
        np.testing.assert_allclose(found[0], wanted[0], rtol=1e-6)
        assert found[1:] == wanted[1:]
        assert wanted[2] > 3
        for name, statistics in one.statistics(row).items():
            torch.testing.assert_close(statistics, host.statistics(row)[name], rtol=1e-6, atol=1e-9)
    assert one.metrics()[0].keys() == host.metrics()[0].keys()
    assert one._look.sentence == ""
    assert not {"first", "time limit" if limit else "termination"} & set(one._look.left)


@all_settings
def test_a_ticket_has_the_bits_that_it_has_alone_and_when_resumed(own: Own) -> None:
    tickets = _starts(own)
    together = _trained(_stack(own, tickets))
    for chosen in ([1], [2, 0]):
        other = _trained(_stack(own, [tickets[i] for i in chosen]))
        assert [digest(other, place) for place in range(len(chosen))] == [digest(together, i) for i in chosen]
    arrays, values = _trained(_stack(own, tickets), 3).state()  # in the middle of games
    resumed = _stack(own, tickets)
    resumed.restore({n: a.copy() for n, a in arrays.items()}, json.loads(json.dumps(values)))
    _trained(resumed, 2)
    resumed.keep([0, 2])
    _trained(resumed, 1)
    assert [digest(resumed, t) for t in range(2)] == [digest(together, t) for t in (0, 2)]
    assert resumed.drawn(1) == together.drawn(2) != together.drawn(1)
    assert not together.parameters.flat[together.parameters.mask == 0].any()


class _NoWaiting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Raises where an operation reads or makes a tensor on the host: a graph could not be captured."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it without types

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        tensors = [one for one in pytree.tree_leaves((args, kwargs, found)) if isinstance(one, torch.Tensor)]
        if any(one.device.type == "cpu" for one in tensors):
            raise AssertionError(f"{func} has a tensor on the host")
        return found


WAITING: list[Own] = [
    ("Acrobot-v1", 5, {"plasticity": True, "optimizer": "rmsprop"}),
    ("breakout/flat", None, {}),
]


@pytest.mark.parametrize("own", [*SETTINGS.values(), *WAITING])
def test_a_whole_update_waits_for_nothing(own: Own) -> None:
    # Tensors of this device have no values: reading one raises, as does a shape that depends on values.
    environment, limit, training = own
    small = (environment, limit and 2, {**training, "environments": 2, "n_steps": 3, "minibatches": 2})
    one = _stack(small, _starts(small, 2), "meta")
    rate = torch.full((2, 1), 0.1, device="meta")
    with torch.no_grad(), _NoWaiting():
        learnt, seen = one.whole(rate)
    assert len(learnt) == (4 if "algorithm" in training else 2)
    assert (seen is not None) == ("plasticity" in training)


@pytest.mark.parametrize("game", GAMES)
def test_a_step_of_a_game_waits_for_nothing(game: Any) -> None:
    device = torch.device("meta")
    one = make(MinAtarTask(game=game, time_limit=5), [0, 1], 2, device)
    actions, clock = torch.zeros((2, 2), dtype=torch.int64, device=device), torch.zeros((), device=device).long()
    with _NoWaiting():
        step = one.step(actions, one.ahead(clock, 1)[0])
    assert step.observations.shape == (2, 2, *MinAtarTask(game=game).shape)


@pytest.mark.parametrize(
    ("waits", "error", "said"),
    [
        (lambda one: one.sum().item(), RuntimeError, "cannot be called on meta"),
        (lambda one: one[one], RuntimeError, "nonzero"),
        (lambda one: one.cpu(), RuntimeError, "Cannot copy out of meta"),
        (lambda one: one & torch.tensor(True), AssertionError, "has a tensor on the host"),
    ],
    ids=["a value is read", "a shape depends on values", "copied to the host", "a tensor of the host"],
)
def test_what_waits_is_seen(waits: Callable[[torch.Tensor], Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said), _NoWaiting():
        waits(torch.ones(2, device="meta", dtype=torch.bool))


def test_episodes_are_counted_as_on_the_host() -> None:
    rng, shape = np.random.default_rng(0), (2, 3)
    wanted = Episodes(2, 3, 4, [30.0, 50.0])
    own = Tally(Episodes(2, 3, 4, [30.0, 50.0]), 2, 3, 4, torch.device("cpu"))
    for update in range(20):
        rewards, ends = rng.random((5, *shape)), rng.random((5, *shape)) < 0.3
        for reward, ended in zip(rewards, ends, strict=True):
            wanted.add(reward, ended)
        own.add(torch.from_numpy(rewards).unbind(), torch.from_numpy(ends.swapaxes(0, 1)), torch.tensor(5 * update))
        if update % 7 == 6:
            for row in range(2):
                assert own.read().window(row) == wanted.window(row)
                assert own.read().score(row) == wanted.score(row)
            own.read().forget(0)
            wanted.forget(0)
    assert [own.read().window(row) for row in range(2)] == [wanted.window(row) for row in range(2)]


@pytest.mark.parametrize("arm", ["dense", "rigl"])
def test_a_run_is_recorded_narrowed_and_resumed_at_the_same_steps(arm: str) -> None:
    settings = _settings("CartPole-v1", None, length=512, record_every=128, checkpoint_every=256)
    settings = settings if arm == "dense" else settings.model_copy(update={"arms": (arm,)})
    own = starts(settings, 2)[1]
    whole, stopped = Memory(), Memory(stop_at=9)
    assert stack_run(settings, own, whole, arm).run()
    assert not stack_run(settings, own, stopped, arm).run()
    arrays, values = stopped.newest()
    again = stack_run(settings, own, sink := Memory(), arm)
    again.restore(arrays, values)
    assert again.run()
    assert all(sink.same_results(whole, trial) for trial in range(2))
    assert sorted({step for _, step, _ in whole.records}) == [128, 256, 384, 512]


def _of_the_next_step(self: Numbers, clock: torch.Tensor, *shape: Any) -> torch.Tensor:
    return REAL_NOISE(self, clock + 1, *shape)


def _of_one_ticket(seeds: list[int], *names: str) -> torch.Tensor:
    return REAL_KEYS([seeds[0]] * len(seeds), *names)


REAL_NOISE, REAL_KEYS = Numbers.noise, draws.keys
PLANTED: dict[str, tuple[str, Any, str, Any]] = {
    "likeliest actions": ("a2c", rollout, "chosen", lambda logits, _: logits.argmax(-1)),
    "numbers of another step": ("a2c", Numbers, "noise", _of_the_next_step),
    "normal numbers of another step": ("ppo, continuous", Numbers, "noise", _of_the_next_step),
    "no value at time limits": ("a2c", rollout, "values_at_cuts", lambda cut, *_: torch.zeros(cut.shape)),
    "streams shared by two tickets": ("a2c", draws, "keys", _of_one_ticket),
    "one stream of a ticket": ("a2c", draws, "keys", lambda seeds, *_: REAL_KEYS(seeds, "actions")),
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED.keys())
def test_what_is_planted_in_an_update_is_found(
    planted: tuple[str, Any, str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, where, name, wrong = planted
    monkeypatch.setattr(where, name, wrong)
    one = _trained(_stack(SETTINGS[own], _starts(SETTINGS[own])))
    assert bool(one._look.sentence) == (name != "keys")
    assert one.check_of_actions(1, one.seeds[1], 6).passed == (name != "keys")


def test_an_update_as_it_should_be_passes() -> None:
    for own in SETTINGS.values():
        one = _trained(_stack(own, _starts(own)))
        assert one._look.seen
        assert not one._look.sentence
        assert one.check_of_actions(1, one.seeds[1], 6).passed
        assert not one.check_of_actions(1, one.seeds[0], 6).passed
        assert not one.check_of_actions(1, one.seeds[1], 7).passed


@pytest.mark.parametrize(
    "own",
    [("breakout/flat", None, {}), ("Pendulum-v1", 12, {**PPO, "n_steps": 16})],
    ids=["no time limit", "nothing terminates"],
)
def test_the_audit_waits_for_nothing_that_never_comes(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    environment, limit, training = own
    own = (environment, limit, {**training, "record_every": 1})
    one, watched = _stack(own, _starts(own)), [0]
    real = one._watched

    def counted(rate: torch.Tensor) -> Any:
        watched[0] += 1
        return real(rate)

    monkeypatch.setattr(one, "_watched", counted)
    _trained(one, 40)
    assert one._look.left == ["time limit" if limit is None else "termination"]
    assert 0 < watched[0] < 40


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"task": {"environment": "LunarLander-v3"}}, "LunarLander-v3 is stepped on the host only"),
        ({"task": {"environment": "MountainCarContinuous-v0"}}, "is stepped on the host only"),
        ({"task": {"environment": "gymnasium:CartPole-v1"}}, "environments and wrappers of other packages and files"),
        ({"task": {"kind": "atari"}}, 'expected "host" with task.kind "atari"'),
        ({"training": {"sparse": "auto"}}, 'with training.sparse "auto", or sparse "never"'),
        ({"training": {"unit": "games"}}, 'with training.unit "games", or unit "steps"'),
        ({"training": {"score_episodes": 10_001}}, "training.score_episodes of at most 10,000"),
    ],
)
def test_what_a_device_does_not_have_is_refused(fields: dict[str, Any], said: str) -> None:
    training = {"environments_on": "device", **fields.get("training", {})}
    with pytest.raises(InputError, match=r'^x.toml: training.environments_on "device": ') as refused:
        resolve({"name": "x", "seeds": 1, "task": {}, **fields, "training": training}, "x.toml")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_field_is_part_of_an_experiments_identity_where_it_is_used() -> None:
    host, device = (_settings("CartPole-v1", None, on).training.identifying() for on in ("host", "device"))
    assert "environments_on" not in host
    assert device["environments_on"] == "device"
