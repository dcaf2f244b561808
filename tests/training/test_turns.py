"""Tickets of ordinary modules that take turns: each as if it were alone, to the bit, and resumed anywhere."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.tickets import audit_schedule
from lth_core.training.families import make_lesson, make_model, make_stack
from lth_core.training.run import RunningTrial, StackRun
from lth_core.training.stack import Stack, Start
from lth_core.training.supervised import perceptron_gradients
from lth_core.training.supervised.stack import SupervisedStack
from lth_core.training.supervised.turns import Turns
from tests.small import Memory, stack_run
from tests.tasks.images.pictures import idx

ADAM = {"label_smoothing": 0.1, "average": 2, "average_every": 3, "max_gradient_norm": 1.0, "weight_decay": 0.01}
SGD = {
    "optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.1, "learning_rate_schedule": "milestones",
    "milestones": [3, 6], "warmup": 2,
}  # fmt: skip
UPDATES = 9


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))


def experiment(folder: Path, model: dict[str, Any] | None = None, **training: Any) -> Experiment:
    task = {"kind": "images", "source": "files", "folder": str(idx(folder / "data")), "validation": 0.2}
    fields = {"length": UPDATES, "batch": 8, **training}
    own = {"kind": "lenet", "hidden": [13, 7]} if model is None else model
    return Experiment.from_fields({"name": "own", "seeds": [0], "task": task, "model": own, "training": fields})


def starts(own: Experiment) -> list[Start]:
    """Five tickets of three seeds with masks of their own; the last goes on at update 4."""
    model, generator, found = make_model(own), torch.Generator().manual_seed(1), []
    for number in range(5):
        mask = {name: torch.rand(shape, generator=generator) < 0.6 for name, shape in model.shapes().items()}
        mask = {} if number == 3 else mask
        found.append(Start(number // 2, model.initialise(number), mask, 4 if number == 4 else 0, UPDATES))
    return found


def trained(own: Experiment, of: list[Start], updates: int) -> Stack:
    stack = make_stack(own, make_model(own), of, "cpu")
    for _ in range(updates):
        stack.update()
    return stack


def everything(stack: Stack, row: int) -> list[bytes]:
    """Weights, optimizer, scored weights and what was drawn, then what is recorded of a ticket."""
    entries = [stack.weights(row), *dict(sorted(stack.optimizer_state(row).items())).values(), stack.scored(row)]
    numbers = [w.numpy().tobytes() for weights in entries for w in weights.values()]
    scores = stack.evaluate([row], lambda: True)[0] | stack.validate(lambda: True)[row]
    return [*numbers, repr([scores, stack.drawn(row), stack.checks(row, 0, 0.0), float(stack.rates[row])]).encode()]


def test_the_audit_of_averages_knows_how_long_each_ticket_of_a_stack_is_trained(tmp_path: Path) -> None:
    fields = json.loads(experiment(tmp_path, average=3, average_every=2, checkpoint_every=3).canonical())
    arms = {"winning": 4, "winning_init": 0}  # where they start
    own = Experiment.from_fields({**fields, "arms": list(arms), "rewinding": {"weights": 4, "schedule": "rewind"}})

    def run(sink: Memory) -> tuple[StackRun, list[RunningTrial]]:
        weights = make_model(own).initialise(0)
        of = [Start(0, weights, {}, begins, UPDATES) for begins in arms.values()]
        stack = make_stack(own, make_model(own), of, "cpu")
        trials = [RunningTrial(number, TrialKey(1, arm, 0), {}) for number, arm in enumerate(arms)]
        return StackRun(own, stack, trials, sink), trials

    first, trials = run(sink := Memory())
    assert first.run()
    _, arrays, values = sink.checkpoints[0]
    second, again = run(Memory())
    second.restore(arrays, json.loads(json.dumps(values)))
    assert second.run()
    for one in (*trials, *again):
        assert one.seen is not None and one.seen.points == 3
        (check,) = audit_schedule.average(own, one.key.arm, one.seen, one.snapshots)
        assert check.passed, check.detail


@pytest.mark.parametrize("training", [ADAM, SGD], ids=["adam", "sgd"])
def test_a_ticket_has_the_bits_that_it_has_alone_and_stacks_may_shrink_and_resume(
    training: dict[str, Any], tmp_path: Path
) -> None:
    own = experiment(tmp_path, **training)
    of = starts(own)
    together = trained(own, of, 5)
    assert isinstance(together, Turns) and together.counter.tolist() == [5, 5, 5, 5, 9]
    alone = [trained(own, [one], 5) for one in of]
    assert all(isinstance(one, SupervisedStack) for one in alone)
    losses = together.metrics()
    assert losses == [one.metrics()[0] for one in alone]
    assert [everything(together, row) for row in range(5)] == [everything(one, 0) for one in alone]
    assert everything(together, 0) != everything(together, 1)
    together.keep([1, 2])
    resumed = trained(own, of[1:3], 0)
    resumed.restore(*together.state())
    resumed.rates = together.rates  # as the run's witness does
    for _ in range(3):
        together.update()
        resumed.update()
    resumed.keep([1])
    last = trained(own, [of[2]], 0)  # the other one's result is in: it is left out of the next attempt
    last.restore(*resumed.state())
    last.rates = resumed.rates.copy()
    for stack in (together, resumed, last):
        stack.update()
    for _ in range(4):
        alone[2].update()
    wanted, loss = everything(alone[2], 0), alone[2].metrics()
    for stack, row in ((together, 1), (resumed, 0), (last, 0)):
        assert (everything(stack, row), [stack.metrics()[row]]) == (wanted, loss)


def test_what_is_recorded_of_a_ticket_is_as_alone_where_another_ends_between_records(tmp_path: Path) -> None:
    own = experiment(tmp_path, record_every=3)
    of, losses = starts(own), []
    for tickets in ([of[0]], [of[0], of[4]]):  # the other one ends after 5 updates
        sink = Memory()
        assert stack_run(own, tickets, sink).run()
        losses.append([values["loss/train"] for trial, _, values in sink.records if trial == 0])
    assert len(losses[0]) == 3 and losses[0] == losses[1]


def test_what_is_owed_is_done_when_a_turn_is_over_or_a_mask_shrinks(tmp_path: Path) -> None:
    own = experiment(tmp_path)
    of = starts(own)[:2]
    stack = trained(own, of, 4)
    assert isinstance(stack, Turns)
    stack.length = 5
    members = stack._members
    assert [one.trained for one in members] == [1, 1] and stack.trained == 4  # the first is looked at again
    stack.narrow(1, {name: alive & (torch.rand(alive.shape) < 0.5) for name, alive in of[1].mask.items()})
    assert [one.trained for one in members] == [4, 4]
    for _ in range(5):
        stack.update()
    assert [one.trained for one in members] == [9, 9]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradients_by_hand_are_those_of_autograd(smoothing: float, tmp_path: Path) -> None:
    own = experiment(tmp_path, label_smoothing=smoothing)
    lesson, model = make_lesson(own, 0), make_model(own)
    module, batch = model.module(), make_lesson(own, 0).batch(0, 1)  # type: ignore[attr-defined]
    loss, _ = lesson.loss(module, batch, ())
    wanted = torch.autograd.grad(loss / 8, list(module.parameters()))
    found = lesson.gradients(module)(batch, 1 / 8)  # type: ignore[attr-defined]
    torch.testing.assert_close(found, loss.detach())
    for parameter, gradient in zip(module.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_another_loss_than_stated_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = perceptron_gradients._loss
    monkeypatch.setattr(perceptron_gradients, "_loss", lambda scores, labels, _smoothing: loss(scores, labels, 0.0))
    own = experiment(tmp_path, label_smoothing=0.1)
    stack = trained(own, starts(own)[:2], 1)
    assert all("the gradient of update 1 is not that of the stated loss" in stack.faults()[row] for row in (0, 1))


def test_networks_with_autograd_take_turns_too(tmp_path: Path) -> None:
    own = experiment(tmp_path, {"kind": "conv_small", "width": 0.05}, accumulate=2)
    of = [dataclasses.replace(one, mask={}) for one in starts(own)[:2]]
    together = trained(own, of, 3)
    assert [everything(together, row) for row in (0, 1)] == [everything(trained(own, [one], 3), 0) for one in of]
