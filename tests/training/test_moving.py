"""Masks that are sparse from the start, still or moving: by hand, in stacks, interrupted, and audited."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lth_core.analysis.churn import _read, replaced
from lth_core.experiment.plan import TrialKey
from lth_core.settings.pruning import Moving as Settings
from lth_core.settings.pruning import Pruning
from lth_core.settings.supervised import Supervised
from lth_core.store.tensors import load_tensors
from lth_core.tickets import expected_moving, mask_changes, mask_history, moving
from lth_core.tickets import mask as masks
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.moving import Moving
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.run import StackRun
from lth_core.training.supervised.masked_step import MaskedStep
from lth_tui.reading.churn import churn_cells
from tests.small import Memory, experiment
from tests.training.moving_runs import run, same_bits_alone_in_a_stack_and_interrupted, settings, trained


def test_a_change_by_hand() -> None:
    own = Moving("rigl", Settings(drop=0.5, interval=0.25, end=0.75), 0, "rigl", 1)
    assert own.steps == 2  # at a quarter and a half; at three quarters masks stand still
    assert [own.due(done) for done in (0.0, 0.24, 0.25, 0.5, 0.7, 1.0)] == [0, 0, 1, 2, 2, 2]
    assert own.share(1) == pytest.approx(0.25 * (1 + math.cos(math.pi / 3)))  # 0.375
    weights = {"a": torch.tensor([0.0, 3.0, -1.0, 2.0, 0.0, -4.0, 0.5, 0.0])}
    mask = {"a": torch.tensor([False, True, True, True, False, True, True, False])}
    gradient = {"a": torch.tensor([1.0, 9.0, 9.0, 9.0, -3.0, 9.0, 9.0, 2.0])}
    # round(0.375 x 5) = 2 go: 0.5 and -1; those with gradients -3 and 2 come, not the larger ones that were alive.
    after = own.moved(weights, gradient, mask, 1)["a"]
    assert after.tolist() == [False, True, False, True, True, True, False, True]
    # A layer without dead entries cannot move, one without living ones never comes back.
    for still in (torch.ones(8, dtype=torch.bool), torch.zeros(8, dtype=torch.bool)):
        assert torch.equal(own.moved(weights, gradient, {"a": still}, 1)["a"], still)


@pytest.mark.parametrize("distribution", ["erk", "uniform"])
def test_layers_have_whole_numbers_that_add_up_to_the_tickets_size(distribution: str) -> None:
    sizes = {"a": (7, 9), "b": (40, 31), "c": (5,)}
    mask = masks.full({name: torch.Size(size) for name, size in sizes.items()})
    for scope in ("global", "layerwise"):
        pruning = Pruning(fraction=0.3, rounds=9, scope=scope, moving=Settings(distribution=distribution))
        groups: dict[str, frozenset[str]] = {name: frozenset() for name in sizes}
        for round in (1, 4, 9):
            found = moving.layer_counts(mask, groups, pruning, round)
            total, asked = sum(found.values()), expected_moving.totals(sizes, groups, pruning, round)
            shares = expected_moving.layer_shares(sizes, pruning, total)
            assert total in asked and len(asked) <= 2  # 3.5 of c are half-way
            assert all(abs(found[name] - share) < 1 for name, share in shares.items())
            if distribution == "erk":
                assert found["a"] / 63 > found["b"] / 1240
            else:
                assert found["b"] == pytest.approx(1240 * total / 1308, abs=1)


@pytest.mark.parametrize("scope", ["global", "layerwise", "erk"])
def test_a_total_half_way_between_two_numbers_passes_the_audit(scope: Any) -> None:
    sizes, groups = {"a": (5, 5), "b": (5, 5), "c": (7, 5)}, dict.fromkeys("abc", frozenset[str]())
    mask = masks.full({name: torch.Size(size) for name, size in sizes.items()})
    pruning = Pruning(fraction=0.5, rounds=1, scope=scope)
    found = sum(moving.layer_counts(mask, groups, pruning, 1).values())
    asked = expected_moving.totals(sizes, groups, pruning, 1)
    assert found in asked and len(asked) == {"global": 2, "layerwise": 4, "erk": 1}[scope]


OWN: list[dict[str, Any]] = [
    {},
    {"training": {"unit": "games", "length": 16, "optimizer": "rmsprop"}},
    {"training": {"algorithm": "ppo", "epochs": 1, "n_steps": 8, "minibatches": 2, "max_gradient_norm": 0.5}},
]


@pytest.mark.parametrize("sections", OWN)
def test_a_ticket_has_the_same_bits_alone_in_a_stack_and_interrupted(sections: dict[str, Any]) -> None:
    same_bits_alone_in_a_stack_and_interrupted(settings(**sections))


def test_through_an_attempt_with_audits_and_its_masks_in_the_file(tmp_path: Path) -> None:
    own = settings()
    batches = trained(tmp_path, own)
    assert not batches.failures
    totals = {}
    for arm in own.arms:
        found = batches.results[TrialKey(1, arm, 0)]
        arrays, _ = load_tensors(tmp_path / found["tensors"], found["sha256"])
        totals[arm] = int(sum(bin(byte).count("1") for byte in arrays["mask"].tolist()))
        if arm in ("set", "rigl"):
            packed, at = arrays["masks/packed"], arrays["masks/at"]
            assert len(packed) == 6 and at.tolist() == sorted(set(at.tolist())) and at[0] == 0  # the start, 5 changes
            assert packed[-1].tolist() == arrays["mask"].tolist()
            assert {sum(bin(byte).count("1") for byte in row.tolist()) for row in packed} == {totals[arm]}
            read = _read(batches.workspace, found["tensors"], found["sha256"])
            assert len(read.all) == 5 and 0 < read.left < 1 and read.at.tolist() == (at[1:] / 256).tolist()
    assert len(set(totals.values())) == 1  # equal density
    assert batches.audits[TrialKey(1, "rigl", 0)]["after new_moved"]
    assert "before nested" not in batches.audits[TrialKey(1, "static", 0)]


def test_churn_by_hand() -> None:
    masks = [{"a": np.array(one, bool)} for one in ([1, 1, 1, 1, 0], [1, 1, 1, 0, 1], [1, 1, 0, 1, 1])]
    assert replaced([one["a"] for one in masks]).tolist() == [0.25, 0.25]
    cell = churn_cells([masks, [masks[0]] * 3])["a"]
    assert cell.share == 0.125 and cell.seeds == 2
    assert (
        cell.words
        == "a change replaced 12.5 % (the first 12.5 %, 2 changes) · 12.5 % of its first weights are gone at the end"
    )
    assert math.isnan(replaced([np.zeros(3, bool)] * 2)[0])


def one_too_many(patch: pytest.MonkeyPatch) -> None:
    real = Moving.moved

    def plant(self: Moving, weights: Weights, gradient: Any, mask: Mask, step: int) -> Mask:
        after = real(self, weights, gradient, mask, step)
        name = "trunk.0.weight"
        after[name].view(-1)[int((~after[name].flatten()).nonzero()[0])] = True
        return after

    patch.setattr(Moving, "moved", plant)


def a_revived_weight(patch: pytest.MonkeyPatch) -> None:
    real = Parameters.narrow

    def plant(self: Parameters, ticket: int, mask: Mask) -> None:
        before = self.mask[ticket].clone()
        real(self, ticket, mask)
        self.flat[ticket] += 0.01 * self.mask[ticket] * (1 - before)

    patch.setattr(Parameters, "narrow", plant)


def kept_entries(patch: pytest.MonkeyPatch) -> None:
    """The optimizer's entries of what is dropped stay."""
    real = Parameters.narrow

    def plant(self: Parameters, ticket: int, mask: Mask) -> None:
        entries = {entry: rows.clone() for entry, rows in self.optimizer.items()}
        real(self, ticket, mask)
        for entry, rows in entries.items():
            self.optimizer[entry].copy_(rows)

    patch.setattr(Parameters, "narrow", plant)


def a_mask_that_is_not_applied(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Parameters, "narrow", lambda self, ticket, mask: None)


def a_mask_that_only_loses(patch: pytest.MonkeyPatch) -> None:
    """What is to grow stays dead in the stack."""
    real = Parameters.narrow

    def plant(self: Parameters, ticket: int, mask: Mask) -> None:
        before = self.mask[ticket].clone()
        real(self, ticket, mask)
        self.mask[ticket] *= before

    patch.setattr(Parameters, "narrow", plant)


def growth_in_a_dead_layer(patch: pytest.MonkeyPatch) -> None:
    """A layer that has nothing gets a weight from another one."""
    real = Moving.moved

    def plant(self: Moving, weights: Weights, gradient: Any, mask: Mask, step: int) -> Mask:
        after = real(self, weights, gradient, mask, step)
        empty = next(name for name, m in mask.items() if not m.any())
        full = max(mask, key=lambda name: int(mask[name].sum()))
        after[empty].view(-1)[0] = True
        after[full].view(-1)[int(after[full].flatten().nonzero()[0])] = False
        return after

    patch.setattr(Moving, "moved", plant)


def nothing_moves(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StackRun, "_move", lambda self: [t.snapshots.setdefault(mask_history.PART, mask_history.added(
        {}, t.mask, 0, 0)) for t in self.trials if t.moving])  # fmt: skip


def largest_dropped(patch: pytest.MonkeyPatch) -> None:
    real = Moving.moved
    patch.setattr(Moving, "moved", lambda self, w, *more: real(self, {n: 1 / x.abs() for n, x in w.items()}, *more))


def masked_gradients(patch: pytest.MonkeyPatch) -> None:
    """RigL grows by the gradients of something else."""
    real = Moving.moved
    patch.setattr(Moving, "moved", lambda self, w, g, *more: real(self, w, {n: 1 / x for n, x in g.items()}, *more))


def one_stream(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(moving, "stream", lambda seed, *names: np.random.default_rng(seed))


def not_erk(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(moving, "erk_densities", lambda sizes, density: dict.fromkeys(sizes, density))


PLANTED: list[tuple[Any, str, str]] = [
    (one_too_many, "rigl", "counts: change 1: trunk.0.weight: 9 of 32 alive, expected 8"),
    (a_revived_weight, "set", "new or dropped weights are not zero"),
    (kept_entries, "rigl", "new or dropped weights keep an entry of square"),
    (a_mask_that_is_not_applied, "set", "new or dropped weights are not zero"),
    (a_mask_that_only_loses, "rigl", "new weights that a gradient reached has moved"),
    (growth_in_a_dead_layer, "rigl", "replaced 1 of 0 weights, expected 0.0"),
    (nothing_moves, "rigl", "changes: 0 changes, its schedule asks for 5"),
    (largest_dropped, "set", "dropped a larger magnitude than the smallest that it kept"),
    (masked_gradients, "rigl", "new weights are not those with the largest gradients"),
    (one_stream, "set", "new weights are not those drawn by this arm and seed"),
    (not_erk, "static", "density: trunk.0.weight: "),
]


@pytest.mark.parametrize(("plant", "arm", "sentence"), PLANTED, ids=lambda one: getattr(one, "__name__", None))
def test_a_planted_fault_fails_its_trial_in_a_sentence(
    plant: Any, arm: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    fraction = 0.99 if plant is growth_in_a_dead_layer else 0.6  # so that a layer has nothing
    hidden = 16 if plant is a_mask_that_only_loses else 8  # so that enough is new
    own = settings(arms=[arm], model={"hidden": [hidden]}, pruning={"fraction": fraction})
    batches = trained(tmp_path, own)
    found = batches.failures.get(TrialKey(1, arm, 0), "it passed")
    assert sentence in found, found


def test_what_a_change_grew_is_watched_across_a_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    a_mask_that_only_loses(monkeypatch)
    own, stopped = settings(arms=["rigl"], model={"hidden": [16]}), Memory(stop_at=1)
    first = run(own, stopped, ("rigl",))
    first.run()
    assert len(first.trials[0].snapshots[mask_history.PART]["packed"]) == 2  # one change
    resumed = run(own, Memory(), ("rigl",))
    (trial,) = resumed.trials
    resumed.restore(*stopped.newest())
    assert resumed.run() and trial.seen is not None and trial.seen.moves is not None
    assert trial.seen.moves.wrong["new_moved"].startswith("before change 2: none of the ")


def test_a_change_an_update_late_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    own, seen = settings(arms=["set"], pruning={"moving": {"interval": 0.25, "end": 0.75}}), []
    for late in (0.0, 0.125):
        real = Moving.due
        monkeypatch.setattr(Moving, "due", lambda self, passed, late=late, real=real: real(self, passed - late))
        one = run(own, Memory(), ("set",))
        (trial,) = one.trials
        assert one.run() and trial.seen is not None and trial.seen.moves is not None
        seen.append(trial.seen.moves.wrong)
    assert seen == [{}, {"changes": "change 1 came after 96 training steps, though it was due before"}]


def test_the_dense_gradient_stays_where_cuda_graphs_write_it() -> None:
    parameters = run(settings(), Memory()).stack.parameters  # type: ignore[attr-defined]
    places = []
    for size in (1.0, 2.0):
        parameters.step(torch.full_like(parameters.flat, size), torch.full((3, 1), 0.01))
        assert (parameters.dense == size).all()
        places.append(parameters.dense.data_ptr())
    assert places[0] == places[1]
    weight = torch.nn.Parameter(torch.ones(3))
    step = MaskedStep(Supervised(optimizer="adam"), {"a": weight}, {"a": torch.tensor([True, False, True])})
    step.keeps_dense = True
    for size in (1.0, 2.0):
        weight.grad = torch.full((3,), size)
        step()
        assert step.dense["a"].tolist() == [size] * 3
        places.append(step.dense["a"].data_ptr())
    assert places[2] == places[3]


@pytest.mark.parametrize("plant", [lambda _: None, a_mask_that_only_loses])
def test_layers_are_checked_in_pools_of_any_size(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    own, seen = settings(arms=["set", "rigl"], model={"hidden": [16]}), []
    for pooled in (1, 50, 2**20):
        monkeypatch.setattr(mask_changes, "POOLED", pooled)
        one = run(own, Memory(), ("set", "rigl"))
        trials = list(one.trials)
        one.run()
        seen.append([trial.seen.moves for trial in trials if trial.seen is not None])
    states = [[(moves.state(), moves.new.tolist()) for moves in own if moves is not None] for own in seen]
    assert states[0] == states[1] == states[2] and states[0][0][0]["replaced"] > 10
    assert bool(states[0][1][0]["wrong"]) == (plant is a_mask_that_only_loses)


def test_what_does_not_go_together_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"interval 0.8: expected less than end, 0.75"):
        settings(pruning={"moving": {"interval": 0.8}})
    with pytest.raises(ValueError, match='mask "set" with weights "final": expected init, rewind or fresh'):
        experiment(arms=["winning", "mine"], arm={"mine": {"mask": "set", "weights": "final"}})
    with pytest.raises(ValueError, match='of = "rigl" has no mask of its own before it is trained'):
        experiment(arms=["winning", "rigl", "mine"], arm={"mine": {"mask": "ticket", "weights": "init", "of": "rigl"}})
