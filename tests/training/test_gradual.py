"""Gradual magnitude pruning: the cubic schedule by hand, masks that only shrink, exact densities, exact resumption."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from lth_core.experiment.arms import DENSE
from lth_core.experiment.plan import TrialKey
from lth_core.settings.pruning import Gradual, Pruning
from lth_core.store.tensors import load_tensors
from lth_core.tickets import audit, audit_masks, audit_shrinking
from lth_core.tickets import mask as masks
from lth_core.tickets.gradual import Narrowing
from lth_core.tickets.mask import Mask, Weights
from lth_core.training.families import make_model, make_stack
from lth_core.training.run import RunningTrial, StackRun
from lth_core.training.stack import Stack, Start
from lth_core.training.supervised.averaging import Average
from tests.small import Memory, experiment, is_nested
from tests.training import test_language, test_turns
from tests.training.test_every_arm import Batches, dense

NO_GROUPS = {"a": frozenset[str](), "b": frozenset[str]()}


def test_the_cubic_schedule_by_hand() -> None:
    # 100 entries to 50 in 4 steps: 100 - 50 (1 - (1 - k / 4)^3) = 71.1, 56.25, 50.8, 50.
    own = Narrowing(NO_GROUPS, Pruning(fraction=0.5, rounds=1, gradual=Gradual(start=0.2, end=0.8, steps=4)), 1)
    weights = {"a": torch.arange(60.0) - 30.5, "b": torch.arange(40.0)}
    mask = {name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}
    assert [masks.total(own.mask(weights, mask, step)) for step in (0, 1, 2, 3, 4)] == [100, 71, 56, 51, 50]
    kept = own.mask(weights, mask, 4)
    cut = max(float(w.abs()[~kept[name]].max()) for name, w in weights.items())
    assert cut <= min(float(w.abs()[kept[name]].min()) for name, w in weights.items())
    assert [own.due(passed) for passed in (0.0, 0.2, 0.34, 0.35, 0.5, 0.79, 0.8, 1.0)] == [0, 0, 0, 1, 2, 3, 4, 4]


def test_layers_that_are_ranked_apart_shrink_each_to_its_own_count() -> None:
    pruning = Pruning(fraction=0.5, rounds=2, scope="layerwise", fractions={"gentle": 0.1}, gradual=Gradual(steps=2))
    groups = {"a": frozenset[str](), "b": frozenset({"gentle"})}
    weights = {"a": torch.randn(64), "b": torch.randn(100)}
    mask = {name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}
    own = Narrowing(groups, pruning, 2)
    # Half-way 7 of 8 of what is to go has gone: of 48 and of 19.
    assert masks.counts(own.mask(weights, mask, 1)) == {"a": 64 - 42, "b": 100 - 17}
    assert masks.counts(own.mask(weights, mask, 2)) == {"a": 16, "b": 81}


def test_start_must_lie_before_end() -> None:
    with pytest.raises(ValueError, match=r"start 0.8: expected less than end, 0.5"):
        experiment(pruning={"gradual": {"start": 0.8, "end": 0.5}})


def settings(**sections: Any) -> Any:
    pruning = {"rounds": 2, "fraction": 0.5, "gradual": {"start": 0.1, "end": 0.7, "steps": 7}}
    return experiment(arms=["winning", "gmp"], pruning={**pruning, **sections.pop("pruning", {})}, **sections)


class Watching(Memory):
    """Remembers the mask at every record too."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__(stop_at)
        self.masks: dict[int, list[Mask]] = {}

    def metrics(self, trial: RunningTrial, step: int, values: dict[str, float]) -> None:
        super().metrics(trial, step, values)
        self.masks.setdefault(trial.id, []).append(trial.mask)


def run(own: Any, sink: Memory, device: str = "cpu") -> StackRun:
    """Two tickets that shrink to the densities of rounds 1 and 2, and a dense one beside them."""
    model = make_model(own)
    whole = masks.full(model.shapes())
    starts = [Start(seed, model.initialise(seed), whole, *own.span("gmp")) for seed in (0, 1, 2)]
    trials = [RunningTrial(0, TrialKey(0, DENSE, 0), whole)] + [
        RunningTrial(k, TrialKey(k, "gmp", k), whole, narrowing=Narrowing(model.groups(), own.pruning, k))
        for k in (1, 2)
    ]
    return StackRun(own, make_stack(own, model, starts, device), trials, sink)


OWN: list[dict[str, Any]] = [
    {},
    {"training": {"optimizer": "rmsprop", "max_gradient_norm": 0.5}, "pruning": {"scope": "layerwise"}},
    {"training": {"unit": "games", "length": 24}},
    {"training": {"algorithm": "ppo", "n_steps": 8, "minibatches": 2, "epochs": 2}},
]


@pytest.mark.parametrize("sections", OWN)
def test_a_mask_only_shrinks_ends_with_its_rounds_density_and_what_is_dead_stays_dead(sections: dict[str, Any]) -> None:
    own, sink = settings(**sections), Watching()
    made = run(own, sink)
    trials = list(made.trials)
    assert made.run()
    for trial in trials[1:]:
        assert trial.narrowing is not None
        shapes, groups = {n: m.shape for n, m in trial.mask.items()}, trial.narrowing.groups
        assert audit_masks.density(shapes, groups, own.pruning, trial.key.round, trial.mask).passed
        _, final, optimizer, _ = sink.results[trial.id]
        entries = {entry: weights for entry, weights in optimizer.items() if entry != "count"}
        assert all(check.passed for check in audit.after_training(trial.mask, final, entries))
        assert trial.seen is not None and trial.seen.moves is not None
        record = sink.snapshots[trial.id][audit_shrinking.PART]
        assert all(check.passed for check in audit_shrinking.checks(own, trial.mask, trial.seen.moves, record))
        seen = [*sink.masks[trial.id]]
        assert all(is_nested(later, earlier) for earlier, later in pairwise(seen))
        densities = [v["density"] for id, _, v in sink.records if id == trial.id]
        assert densities == sorted(densities, reverse=True) and densities[-1] == masks.density(trial.mask)
    assert masks.density(trials[0].mask) == 1.0 and "density" not in sink.records[0][2]


@pytest.mark.parametrize("sections", OWN)
def test_a_training_that_is_interrupted_while_its_mask_shrinks_ends_with_the_same_bits(
    sections: dict[str, Any],
) -> None:
    own, whole = settings(**sections), Memory()
    run(own, whole).run()
    for stop in (5, 9, 12):
        stopped, rest = Memory(stop_at=stop), Memory()
        assert not run(own, stopped).run()
        _, arrays, values = stopped.checkpoints[-1]
        resumed = run(own, rest)
        resumed.restore(arrays, values)
        assert resumed.run()
        assert all(rest.same_results(whole, trial) for trial in (0, 1, 2))


def test_a_resumption_without_the_mask_is_another_training() -> None:
    own, whole, stopped, rest = settings(), Memory(), Memory(stop_at=13), Memory()
    run(own, whole).run()
    run(own, stopped).run()
    _, arrays, values = stopped.checkpoints[-1]
    resumed = run(own, rest)
    narrow = resumed.stack.narrow
    resumed.stack.narrow = lambda ticket, mask: None  # type: ignore[method-assign]
    resumed.restore(arrays, values)
    resumed.stack.narrow = narrow  # type: ignore[method-assign]
    resumed.run()
    assert rest.same_results(whole, 0)
    assert not any(rest.same_results(whole, trial) for trial in (1, 2))


@pytest.mark.parametrize("criterion", ["magnitude", "movement"])
def test_through_an_attempt_with_its_audits_and_its_final_mask_in_the_record(criterion: str, tmp_path: Path) -> None:
    own = settings(seeds=[0], pruning={"criterion": criterion})
    batches = Batches(tmp_path, own)
    batches.run(dense(own))
    for number in (1, 2):
        batches.run([TrialKey(number, arm, 0) for arm in own.arms])
    assert not batches.failures
    passed = batches.audits[TrialKey(2, "gmp", 0)]
    assert passed["before density"] and passed["after density"] and passed["after dead_weights"]
    assert passed["after changes"] and passed["after counts"] and passed["after dropped"] and passed["after revived"]

    def alive(arm: str) -> Mask:
        found = batches.results[TrialKey(2, arm, 0)]
        stored, card = load_tensors(tmp_path / found["tensors"], found["sha256"])
        return masks.unpack(stored["mask"], {name: torch.Size(shape) for name, shape in card["mask"]})

    assert masks.total(alive("gmp")) == masks.total(alive("winning"))
    assert masks.density(alive("gmp")) == pytest.approx(0.25, abs=1e-2)


def test_texts_shrink_too_with_their_mean_of_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))
    own = test_language.settings(
        tmp_path, arms=["winning", "gmp"], training={"length": 12, "batch": 4, "average": 6, "average_every": 1},
        pruning={"rounds": 1, "fraction": 0.7, "gradual": {"start": 0.2, "end": 1.0, "steps": 5}},
    )  # fmt: skip
    model = make_model(own)
    whole = masks.full(model.shapes())
    narrowing = Narrowing(model.groups(), own.pruning, 1)

    def one(sink: Memory) -> tuple[StackRun, Stack]:
        stack = make_stack(own, model, [Start(0, model.initialise(0), whole, 0, 12)], "cpu")
        return StackRun(own, stack, [RunningTrial(1, TrialKey(1, "gmp", 0), whole, narrowing=narrowing)], sink), stack

    sink = Memory()
    made, stack = one(sink)
    (trial,) = made.trials
    assert made.run() and masks.density(trial.mask) == pytest.approx(0.3, abs=1e-3)
    average: Average = stack._average  # type: ignore[attr-defined]
    with average.shown():
        shown: Weights = stack.weights(0)
    assert all(not bool((shown[name][~m] != 0).any()) for name, m in trial.mask.items())
    stopped, rest = Memory(stop_at=7), Memory()
    one(stopped)[0].run()
    resumed, _ = one(rest)
    resumed.restore(*stopped.checkpoints[-1][1:])
    resumed.run()
    assert rest.same_results(sink, 1)


def test_a_training_in_epochs_shrinks_within_them_and_goes_on_after_its_last_mask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))
    own = test_turns.experiment(tmp_path, unit="epochs", length=1, batch=4, record_every=1)
    model, sink = make_model(own), Memory()
    whole = masks.full(model.shapes())
    narrowing = Narrowing(model.groups(), Pruning(fraction=0.5, gradual=Gradual(start=0.2, end=0.8, steps=10)), 1)
    stack = make_stack(own, model, [Start(0, model.initialise(0), whole, 0, 1)], "cpu")
    trial = RunningTrial(0, TrialKey(1, "gmp", 0), whole, narrowing=narrowing)
    StackRun(own, stack, [trial], sink).run()
    densities = {step / stack.trained: values["density"] for _, step, values in sink.records}
    record = sink.snapshots[0][audit_shrinking.PART]
    assert all(check.passed for check in audit_shrinking.recorded(narrowing.pruning, trial.mask, record))
    assert all(one == 1.0 for at, one in densities.items() if at < 0.2)
    assert all(one == pytest.approx(0.5, abs=1e-3) for at, one in densities.items() if at >= 0.8)
    assert len(set(densities.values())) > 4


def test_a_training_that_diverges_while_it_shrinks_fails_alone() -> None:
    own, sink = settings(), Memory()
    made = run(own, sink)
    update = made.stack.update

    def broken() -> None:
        update()
        if made.stack.tickets == 3:
            made.stack.parameters.flat[1] = float("nan")  # type: ignore[attr-defined]

    made.stack.update = broken  # type: ignore[method-assign]
    assert made.run()
    assert set(sink.failures) == {1} and "not a number" in sink.failures[1]
    assert set(sink.results) == {0, 2}


def test_a_mask_that_shrinks_lends_itself_to_no_other_arm() -> None:
    arm = {"mask": "ticket", "weights": "fresh", "of": "gmp"}
    with pytest.raises(ValueError, match='of = "gmp" has no mask of its own before it is trained'):
        experiment(arms=["winning", "gmp", "mine"], arm={"mine": arm})
    with pytest.raises(ValueError, match="expected init, rewind, fresh"):
        experiment(arms=["winning", "mine"], arm={"mine": {"mask": "gradual", "weights": "shuffled"}})


def test_the_score_counts_episodes_of_the_final_mask_only() -> None:
    own, sink = settings(), Memory()
    made = run(own, sink)
    forget, seen = made.stack.forget, list[tuple[int, int]]()

    def noted(row: int) -> None:
        forget(row)
        seen.append((row, len(made.stack.episodes._windows[row])))  # type: ignore[attr-defined]

    made.stack.forget = noted  # type: ignore[method-assign]
    assert made.run()
    assert seen == [(1, 0), (2, 0)]  # once each, when the mask has its last size; the dense one's score stays whole
