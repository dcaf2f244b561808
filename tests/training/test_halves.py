"""Atari games in two halves, for a network on a GPU: the same games, and what one half waits for is not the other."""

from typing import Any

import numpy as np
import pytest
import torch

from lth_core.experiment.experiment import Experiment
from lth_core.tasks.atari_halves import AtariHalves
from lth_core.training.families import make_model, make_stack
from lth_core.training.reinforcement.halves import HalvesStack
from lth_core.training.reinforcement.stack import ActorCriticStack
from lth_core.training.stack import Start

TASK: dict[str, Any] = {"kind": "atari", "game": "breakout", "size": [36, 36], "max_frames": 40, "noop_max": 1}


def _experiment(**training: Any) -> Experiment:
    fields = {"length": 128, "environments": 2, "n_steps": 8, "score": "training", "evaluation_episodes": 0, **training}
    return Experiment.from_fields(
        {"name": "atari", "seeds": [0], "training": fields, "task": TASK, "model": {"architecture": "small"}}
    )


def _made(kind: type[ActorCriticStack], settings: Experiment) -> ActorCriticStack:
    model: Any = make_model(settings)
    return kind(settings, model, [Start(0, model.initialise(0), {}, 0, settings.training.length)], "cpu")


def _assert_alike(one: ActorCriticStack, other: ActorCriticStack) -> int:
    """Games and actions are the same to the bit, what the network computed but for rounding. Returns the number of
    steps in which time limits were reached."""
    one.collector.watched = other.collector.watched = True
    found, expected = one.experience(), other.experience()
    mine, theirs = one.collector.found, other.collector.found
    assert mine is not None
    assert theirs is not None
    for own, step in zip(mine.steps, theirs.steps, strict=True):
        for part, same in zip(own, step, strict=True):
            if part is None or same is None:
                assert part is same
            else:
                assert np.array_equal(part, same)
    assert torch.equal(found.activations[0], expected.activations[0])
    assert torch.equal(found.actions, expected.actions)
    for name in ("values", "targets", "advantages"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-4, atol=1e-5)
    return len(theirs.cut)


def test_halves_play_and_learn_what_whole_stacks_do() -> None:
    """Time limits, lost lives, two updates and a restart included."""
    settings = _experiment()
    whole, halves = _made(ActorCriticStack, settings), _made(HalvesStack, settings)
    for cuts in (0, 1):  # in the second, values of last states are part of what is compared
        assert _assert_alike(halves, whole) == cuts
        whole.update()
        halves.update()
    for one in (whole, halves):
        one.restart()
    _assert_alike(halves, whole)
    assert halves.collector.environments.origins() == whole.collector.environments.origins()
    assert halves.episodes.state()[1] == whole.episodes.state()[1]
    for name, weight in whole.weights(0).items():
        torch.testing.assert_close(halves.weights(0)[name], weight, rtol=1e-4, atol=1e-6)


def test_one_half_is_stepped_while_actions_of_the_other_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    one, log = _made(HalvesStack, _experiment(n_steps=3)), list[str]()

    def noted(owner: Any, method: str, word: str) -> None:
        real = getattr(owner, method)

        def call(*arguments: Any) -> Any:
            log.append(word if method == "act" else f"{word} {arguments[0]}")
            return real(*arguments)

        monkeypatch.setattr(owner, method, call)

    noted(one.collector.environments, "send", "send")
    noted(one.collector.environments, "receive", "receive")
    noted(one._actor, "act", "act")
    one.experience()
    first = ["act", "send 0", "act", "send 1"]
    later = ["receive 0", "act", "send 0", "receive 1", "act", "send 1"]
    assert log == [*first, *later, *later, "receive 0", "receive 1"]


def test_a_fault_in_one_half_is_its_tickets_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    task: Any = _experiment().task
    games = AtariHalves(task, [0, 1], 2)
    games.reset()

    def fails(actions: Any) -> None:
        raise RuntimeError("the emulator gave up")

    monkeypatch.setattr(games._games[1]._games[0], "send", fails)
    games.step(np.zeros((2, 2), np.int64))
    assert list(games.faults()) == [0]
    assert "the emulator gave up" in games.faults()[0]
    assert games.step(np.zeros((2, 2), np.int64)).observations[1].any()
    games.keep([1])
    assert games.faults() == {}


@pytest.mark.parametrize(
    ("device", "environments", "kind"),
    [("cpu", 4, ActorCriticStack), ("meta", 4, HalvesStack), ("meta", 3, ActorCriticStack)],
)
def test_games_are_halved_where_the_network_is_on_a_gpu(
    device: str, environments: int, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ActorCriticStack, "__init__", lambda self, *arguments: None)
    settings = _experiment(environments=environments)
    assert type(make_stack(settings, make_model(settings), [], device)) is kind
