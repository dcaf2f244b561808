"""Environments in torch against the host's: the same steps from the same states, and streams that follow from names."""

from typing import Any

import numpy as np
import pytest
import torch

from lth_core.randomness import stream_seed
from lth_core.settings.control import ControlTask
from lth_core.tasks import classic, control
from lth_core.tasks.minatar.draws import mixed, states_after
from lth_core.tasks.on_device import classic as on_device
from lth_core.tasks.on_device import draws
from lth_core.tasks.on_device.environments import DeviceStep

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

CPU = torch.device("cpu")
NAMES = ["CartPole-v1", "Acrobot-v1", "MountainCar-v0", "Pendulum-v1"]
every = pytest.mark.parametrize("environment", NAMES)


def made(environment: str, seeds: list[int], count: int, limit: int | None = None) -> on_device.DeviceClassic:
    return on_device.make(ControlTask(environment=environment, time_limit=limit), seeds, count, CPU)


def starts(one: on_device.DeviceClassic, i: int) -> torch.Tensor:
    return one.ahead(torch.tensor(i), 1)[0]


def parts(step: DeviceStep) -> list[torch.Tensor]:
    return [part for part in step if part is not None]


def test_classes_say_which_of_them_have_a_form_on_a_device() -> None:
    assert {one for one in classic.STACKED if one.on_device} == set(on_device.OF)


def test_numbers_are_splitmix64() -> None:
    keys = draws.keys([3, 4], "actions")
    theirs = np.array([stream_seed(seed, "actions", "device") for seed in (3, 4)], np.uint64)
    wanted = mixed(states_after(theirs, 7, 50))
    drawn = draws.bits(keys, torch.arange(7, 57)[:, None])
    assert draws.uniform(drawn).numpy().tobytes() == wanted.tobytes()
    single = draws.uniform_single(drawn)
    assert single.dtype == torch.float32
    np.testing.assert_array_equal(single.numpy(), np.floor(wanted * 2**24) / 2**24)
    extremes = draws.normal(torch.tensor([0, 2**63 - 1]))
    assert torch.isfinite(extremes).all()
    assert extremes[0] == -extremes[1] < -8


def test_normal_numbers_are_normal() -> None:
    drawn = draws.normal(draws.bits(draws.keys([0], "actions"), torch.arange(100_000)))
    shares = [float((drawn < z).double().mean()) for z in (-2, -1, 0, 1, 2)]
    np.testing.assert_allclose(shares, [0.02275, 0.15866, 0.5, 0.84134, 0.97725], atol=0.006)
    assert abs(float((drawn[1:] * drawn[:-1]).mean())) < 0.015


@pytest.mark.parametrize(("environment", "limit"), [(name, 20 if name == "CartPole-v1" else None) for name in NAMES])
def test_a_thousand_steps_equal_the_hosts(environment: str, limit: int | None) -> None:
    tickets, count = 2, 3
    host = control.make(ControlTask(environment=environment, time_limit=limit), [3, 4], count)
    assert isinstance(host, classic.Classic)
    seen, one, rng = host.reset(), made(environment, [3, 4], count, limit), np.random.default_rng(0)
    shape = (one.size, tickets, count)
    one.current.copy_(torch.from_numpy(host._state.astype(np.float64).reshape(shape)))
    np.testing.assert_allclose(one.observations().numpy(), seen, rtol=1e-6)
    compared: list[list[np.ndarray]] = []
    for number in range(1000):
        if one.continuous:
            actions: Any = (2 * rng.normal(size=(tickets, count, 1))).astype(np.float32)
        else:
            actions = rng.integers(0, one.actions, (tickets, count))
        if environment == "MountainCar-v0" and number > 300:  # a rule that reaches the goal
            actions = 2 * (seen[..., 1] >= 0)
        theirs = host.step(actions)
        begun = torch.from_numpy(host._state.astype(np.float64).reshape(shape))  # where an episode ended, its start
        ours, seen = one.step(torch.from_numpy(actions), begun), theirs.observations
        last = seen if theirs.last_observations is None else theirs.last_observations
        ends = (theirs.terminated, theirs.truncated)
        compared += [[*(part.numpy() for part in parts(ours)[:5]), seen, last, theirs.rewards, *ends]]
    columns = [np.stack(column) for column in zip(*compared, strict=True)]
    for found, wanted in zip(columns[:5], columns[5:], strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    reached = {"CartPole-v1": (50, 100), "Acrobot-v1": (0, 6), "MountainCar-v0": (3, 6), "Pendulum-v1": (0, 30)}
    least = reached[environment]
    assert columns[8].sum() >= least[0]
    assert columns[9].sum() >= least[1]


@every
def test_start_states_have_the_hosts_distribution(environment: str) -> None:
    host = control.make(ControlTask(environment=environment), list(range(200)), 20)
    assert isinstance(host, classic.Classic)
    theirs = np.sort(host._state.astype(np.float64), axis=1)
    ours = np.sort(made(environment, list(range(200)), 20).current.flatten(1).numpy(), axis=1)
    span = theirs[:, -1:] - theirs[:, :1] + 1e-9
    assert (np.abs(ours - theirs) / span).max() < 0.05  # quantiles of 4,000 numbers


@every
def test_a_tickets_games_are_the_same_in_every_stack(environment: str) -> None:
    whole, rng = made(environment, [5, 6, 7], 3, 4), np.random.default_rng(0)
    alone = [made(environment, [seed], 3, 4) for seed in (5, 6, 7)]
    kept, saved = made(environment, [5, 6, 7], 3, 4), None
    for i in range(10):
        shape = (3, 3, 1) if whole.continuous else (3, 3)
        actions = torch.from_numpy(rng.normal(size=shape).astype(np.float32))
        actions = actions if whole.continuous else (actions > 0).long()
        together = whole.step(actions, starts(whole, i))
        for ticket, other in enumerate(alone):
            own = other.step(actions[ticket : ticket + 1], starts(other, i))
            assert all(torch.equal(a[ticket], b[0]) for a, b in zip(parts(together), parts(own), strict=True))
        if saved is None:
            kept.step(actions, starts(kept, i))
            if i == 5:  # resumed in the middle of a game, without the first
                kept.keep([1, 2])
                saved, _ = kept.state()
                kept = made(environment, [6, 7], 3, 4)
                kept.restore(saved)
        else:
            own = kept.step(actions[1:], starts(kept, i))
            assert all(torch.equal(a[1:], b) for a, b in zip(parts(together), parts(own), strict=True))
    assert saved is not None


def test_a_block_of_start_states_is_that_of_its_steps() -> None:
    one = made("CartPole-v1", [1, 2], 3)
    block = one.ahead(torch.tensor(4), 3)
    assert torch.equal(block, torch.stack([starts(one, i) for i in (4, 5, 6)]))
    assert torch.equal(one.current, starts(one, -1))
    assert np.unique(block.numpy()).size == block.numel()
