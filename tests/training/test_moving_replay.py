"""Masks that move under replay buffers: with target networks masked alike, by each network's own loss, and audited."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.models.flat import flatten
from lth_core.store.tensors import load_tensors
from lth_core.tickets import mask_history
from lth_core.tickets.mask import Mask
from lth_core.training.reinforcement.packed import PackedStack
from lth_core.training.run import StackRun
from lth_core.training.values.replay_stack import ReplayStack
from tests.small import Memory
from tests.training.moving_runs import QUICK, run, same_bits_alone_in_a_stack_and_interrupted, trained

TRAINING = {
    "length": 256, "environments": 2, "train_every": 8, "gradient_steps": 2, "batch": 16, "replay": 150,
    "learning_starts": 64, "record_every": 32, "checkpoint_every": 32, "evaluation_episodes": 1, "greedy_episodes": 0,
    "score_episodes": 10, "learning_rate": 3e-3,
}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "dqn": {"training": {"algorithm": "dqn", "target_every": 40, "plasticity": True}},
    "dqn, averaged": {"training": {"algorithm": "dqn", "target": "average", "tau": 0.1}},
    "sac": {"training": {"algorithm": "sac"}, "task": {"environment": "Pendulum-v1", "time_limit": 12}},
}
NUMBERS = [3, 4, 5, 6]
"""The changes of such a training: those that are due before it has learnt are left out."""


def of(kind: str, arms: tuple[str, ...] = ("winning", "static", "set", "rigl"), **training: Any) -> Experiment:
    """The settings of one."""
    fields = {"name": kind[:3], "seeds": [0], "arms": list(arms), "model": {"hidden": [8]}, **KINDS[kind]}
    pruning = {"rounds": 1, "fraction": 0.6, "moving": QUICK}
    return Experiment.from_fields(
        {**fields, "pruning": pruning, "training": {**TRAINING, **fields["training"], **training}}
    )


@pytest.mark.parametrize("kind", ["dqn", "sac"])
def test_a_ticket_has_the_same_bits_alone_in_a_stack_and_interrupted(kind: str) -> None:
    same_bits_alone_in_a_stack_and_interrupted(of(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_targets_have_the_mask_of_their_network_through_all_changes(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = ReplayStack.narrow, list[tuple[int, int]]()

    def narrow(self: ReplayStack, ticket: int, mask: Mask) -> None:
        was, (target,) = self.parameters.mask[ticket].clone(), self.target[ticket : ticket + 1].clone()
        real(self, ticket, mask)
        now = self.parameters.mask[ticket]
        for row in (self.parameters.flat, self.target, *(self.parameters.optimizer[e] for e in ("mean", "square"))):
            assert not row[ticket][(was == 0) | (now == 0)].any()
        assert torch.equal(self.target[ticket], target * now)
        seen.append((int(((was == 0) & (now == 1)).sum()), int(((was == 1) & (now == 0)).sum())))

    monkeypatch.setattr(ReplayStack, "narrow", narrow)
    whole = Memory()
    one = run(of(kind), whole)
    trials = list(one.trials)
    one.run()
    assert not whole.failures and len(seen) == 2 * len(NUMBERS)
    assert seen[0][0] > 0 and all(new == gone for new, gone in seen)
    for trial in (0, 1):
        assert whole.snapshots[trial][mask_history.PART]["step"].tolist() == [0, *NUMBERS]
        assert all(check.passed for check in trials[trial].checks), trials[trial].checks


@pytest.mark.parametrize("kind", ["dqn", "sac"])
def test_a_dead_weights_gradient_is_that_of_the_loss_of_its_own_network(kind: str) -> None:
    own = run(of(kind, max_gradient_norm=0.01), Memory(), ("rigl", "rigl")).stack
    assert isinstance(own, ReplayStack)
    own.warm_up()
    drawn, before = own.experience(), own.model.unpacked(own.parameters.flat).double().requires_grad_()
    with torch.enable_grad():
        (wanted,) = torch.autograd.grad(own.loss(before, drawn) * 2, before)  # the mean of two tickets
    own.learn(drawn, torch.full((2, 1), 1e-3))
    for ticket in (0, 1):
        found = flatten(own.gradient(ticket), own.model.shapes())
        torch.testing.assert_close(found.double(), wanted[ticket], rtol=1e-3, atol=1e-5)
        dead = own.model.unpacked(own.parameters.mask)[ticket] == 0
        assert (found[dead] != 0).any()


def test_through_an_attempt_with_audits_and_its_masks_in_the_file(tmp_path: Path) -> None:
    own = of("sac")
    batches = trained(tmp_path, own)
    assert not batches.failures
    for arm in ("set", "rigl"):
        audits = batches.audits[TrialKey(1, arm, 0)]
        assert audits["after moved_target"] and audits["after changes"] and audits["after new_entries"]
        found = batches.results[TrialKey(1, arm, 0)]
        arrays, _ = load_tensors(tmp_path / found["tensors"], found["sha256"])
        assert arrays["masks/step"].tolist() == [0, *NUMBERS]
    assert "after moved_target" not in batches.audits[TrialKey(1, "static", 0)]


def an_unmasked_target(patch: pytest.MonkeyPatch) -> None:
    """What is dropped stays in the target network."""
    patch.setattr(ReplayStack, "narrow", PackedStack.narrow)


def a_target_that_has_what_is_new(patch: pytest.MonkeyPatch) -> None:
    real = ReplayStack.narrow

    def plant(self: ReplayStack, ticket: int, mask: Mask) -> None:
        was = self.parameters.mask[ticket].clone()
        real(self, ticket, mask)
        self.target[ticket] += 0.01 * self.parameters.mask[ticket] * (1 - was)

    patch.setattr(ReplayStack, "narrow", plant)


def a_copied_target(patch: pytest.MonkeyPatch) -> None:
    """A change makes the target network a copy of its network."""
    real = ReplayStack.narrow

    def plant(self: ReplayStack, ticket: int, mask: Mask) -> None:
        real(self, ticket, mask)
        self.target[ticket] = self.parameters.flat[ticket]

    patch.setattr(ReplayStack, "narrow", plant)


def changes_before_it_learns(patch: pytest.MonkeyPatch) -> None:
    real = StackRun._move

    def move(self: StackRun) -> None:
        with pytest.MonkeyPatch.context() as now:
            now.setattr(ReplayStack, "learns", True)
            real(self)

    patch.setattr(StackRun, "_move", move)
    patch.setattr(ReplayStack, "gradient", ReplayStack.weights)


PLANTED: list[tuple[Any, str, str, str]] = [
    (an_unmasked_target, "sac", "rigl", "moved_target: change 3: "),
    (a_target_that_has_what_is_new, "dqn", "set", "new or dropped weights of the target network are not zero"),
    (a_copied_target, "sac", "set", "weights that the target network kept have changed"),
    (changes_before_it_learns, "dqn", "set", "changes: 6 changes, its schedule asks for 4"),
]


@pytest.mark.parametrize(("plant", "kind", "arm", "sentence"), PLANTED, ids=lambda one: getattr(one, "__name__", None))
def test_a_planted_fault_fails_its_trial_in_a_sentence(
    plant: Any, kind: str, arm: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    batches = trained(tmp_path, of(kind, (arm,)))
    found = batches.failures.get(TrialKey(1, arm, 0), "it passed")
    assert sentence in found, found


def test_a_training_whose_masks_would_stand_still_before_it_learns_is_refused() -> None:
    of("dqn", learning_starts=175)
    with pytest.raises(
        ValueError, match=r"learning_starts 176: the first update that learns ends at step 192: expected"
    ):
        of("dqn", learning_starts=176)
