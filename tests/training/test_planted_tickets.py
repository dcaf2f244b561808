"""Faults planted in how tickets are made, trained and stored, one at a time: the audit must see and name each.

Every case is a small job, from its dense runs to its second round, as a worker trains it.
"""

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lth_core import randomness
from lth_core.experiment.plan import TrialKey
from lth_core.experiment.tables import Tables
from lth_core.settings.pruning import Pruning
from lth_core.store.tensors import Arrays
from lth_core.tickets import criteria, derive, saliency, scope
from lth_core.tickets import mask as masks
from lth_core.tickets.mask import Mask, Weights
from lth_core.training.reinforcement import optimizer
from lth_core.training.reinforcement.stack import ActorCriticStack
from lth_core.training.run import RunningTrial, StackRun
from lth_core.worker import assemble, attempt
from tests.small import experiment
from tests.training.test_every_arm import Batches, dense

Plant = Callable[[pytest.MonkeyPatch], None]
FIELDS: dict[str, Any] = {
    "model": {"hidden": [24]},
    "pruning": {"rounds": 2, "scope": "layerwise", "fraction": 0.4},
    "rewinding": {"weights": 96},
    "training": {"length": 256, "evaluation_episodes": 1, "greedy_episodes": 1, "learning_rate_schedule": "linear"},
}


def failures(folder: Path, between: Callable[[], None] = lambda: None, **fields: Any) -> list[str]:
    """The trials that failed, each with its sentence; nothing is trained after the first. between: as the dense runs
    have ended."""
    settings = experiment(
        **{**FIELDS, **{n: {**FIELDS.get(n, {}), **f} if isinstance(f, dict) else f for n, f in fields.items()}}
    )
    batches = Batches(folder, settings)
    batches.run(dense(settings))
    between()
    for round in (1, 2):
        if not batches.failures:
            batches.run([TrialKey(round, arm, seed) for arm in settings.arms for seed in settings.seeds])
    return [f"{key}: {sentence}" for key, sentence in batches.failures.items()]


def borrowed(change: Callable[[Mask, str], Mask], patch: pytest.MonkeyPatch) -> None:
    """Every random mask becomes `change` of the mask that it borrows."""
    real = derive._borrowed

    def plant(family: derive.Family, name: str, mask: Mask) -> Mask:
        return change(mask, name) if family.experiment.arm_named(name).mask == "random" else real(family, name, mask)

    patch.setattr(derive, "_borrowed", plant)


def tickets_mask(patch: pytest.MonkeyPatch) -> None:
    borrowed(lambda mask, _: mask, patch)


def shifted_mask(patch: pytest.MonkeyPatch) -> None:
    borrowed(lambda mask, _: {n: m.flatten().roll(1).view(m.shape) for n, m in mask.items()}, patch)


def one_mask_for_all_seeds(patch: pytest.MonkeyPatch) -> None:
    real = randomness.stream
    patch.setattr(derive, "stream", lambda seed, *names: real(0, *names))


def seeds_that_count_for_nothing(patch: pytest.MonkeyPatch) -> None:
    """In the whole program."""
    real = randomness.stream_seed
    plant = lambda seed, *names: real(0, *names)  # noqa: E731
    for module in (randomness, derive, assemble):
        patch.setattr(module, "stream_seed", plant)


def one_stream_for_two_arms(patch: pytest.MonkeyPatch) -> None:
    real = randomness.stream
    patch.setattr(derive, "stream", lambda seed, *names: real(seed, *names[:1]))


def early_snapshot(patch: pytest.MonkeyPatch) -> None:
    """Rewind weights from before the first update."""
    real = StackRun._take_snapshots

    def plant(self: StackRun) -> None:
        real(self)
        for trial in self.trials:
            if "init" in trial.snapshots:
                trial.snapshots.setdefault("rewind", trial.snapshots["init"])

    patch.setattr(StackRun, "_take_snapshots", plant)


def late_snapshot(patch: pytest.MonkeyPatch) -> None:
    """Rewind weights from one update after the asked."""
    real, seen = StackRun._take_snapshots, []  # type: ignore[var-annotated]

    def plant(self: StackRun) -> None:
        if self.stack.counter[0] < 96 or seen:
            real(self)
        seen.extend([1] * int(self.stack.counter[0] >= 96))

    patch.setattr(StackRun, "_take_snapshots", plant)


def initial_weights_ranked(patch: pytest.MonkeyPatch) -> None:
    real = derive.pruned_run
    patch.setattr(derive, "pruned_run", lambda f, n, r: replace(real(f, n, r), ranked=f.dense.init))


def initial_weights_read_as_final(patch: pytest.MonkeyPatch) -> None:
    real = assemble.unpack_trained

    def plant(*arguments: Any) -> derive.Trained:
        found = real(*arguments)
        return replace(found, ranked=found.init or found.ranked)

    patch.setattr(assemble, "unpack_trained", plant)


def other_criterion(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(criteria.BY_NAME, "movement", lambda w, w0: criteria.magnitude(w))


def other_saliency(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(saliency, "snip", lambda weights, gradient, mask: {n: gradient[n].abs() for n in mask})


def other_derivative(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(saliency.DERIVATIVES, "snip", "hessian_gradient")


def synflow_in_one_step(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(saliency.synflow, "__defaults__", (1,))


def synflow_with(code: str, instead: str) -> Plant:
    """SynFlow with some other words in its program."""
    source = inspect.getsource(saliency.synflow)
    assert code in source

    def plant(patch: pytest.MonkeyPatch) -> None:
        words = dict(vars(saliency))
        exec(source.replace(code, instead), words)  # noqa: S102 a line of our own program, changed
        patch.setattr(saliency, "synflow", words["synflow"])

    plant.__name__ = f"synflow with {instead}"
    return plant


def heads_left_out(patch: pytest.MonkeyPatch) -> None:
    real = scope.prunable
    for module in (scope, derive, assemble):
        patch.setattr(
            module, "prunable", lambda groups, pruning: tuple(n for n in real(groups, pruning) if "head" not in n)
        )


def kept_groups_pruned(patch: pytest.MonkeyPatch) -> None:
    for module in (scope, derive, assemble):
        patch.setattr(module, "prunable", lambda groups, pruning: tuple(groups))


def density_off(patch: pytest.MonkeyPatch) -> None:
    real = Pruning.density
    patch.setattr(Pruning, "density", lambda self, *more: 1.05 * real(self, *more))


def no_learning_rate(patch: pytest.MonkeyPatch) -> None:
    real = ActorCriticStack._rate
    patch.setattr(ActorCriticStack, "_rate", lambda self: real(self) * float(self.collector.drawn is None))


def optimizer_without_a_rate(patch: pytest.MonkeyPatch) -> None:
    """The rate is lost on its way to the optimizer."""
    real = optimizer.step
    patch.setattr(optimizer, "step", lambda s, flat, g, state, rate: real(s, flat, g, state, rate * 0))


def schedule_from_elsewhere(patch: pytest.MonkeyPatch) -> None:
    """The learning rate of another place in the schedule."""
    patch.setattr(ActorCriticStack, "position", property(lambda self: self.counter * 0))


def half_as_long(patch: pytest.MonkeyPatch) -> None:
    real = Tables.span
    patch.setattr(
        Tables, "span", lambda self, arm: (real(self, arm)[0], real(self, arm)[1] // (1 if arm == "dense" else 2))
    )


def trained_as_dense(patch: pytest.MonkeyPatch) -> None:
    real = Tables.span
    patch.setattr(Tables, "span", lambda self, arm: real(self, "dense"))


def ended_early(patch: pytest.MonkeyPatch) -> None:
    made = ActorCriticStack.__init__

    def plant(self: ActorCriticStack, *arguments: Any) -> None:
        made(self, *arguments)
        self.last = self.last - 64

    patch.setattr(ActorCriticStack, "__init__", plant)


def learning_skipped(patch: pytest.MonkeyPatch) -> None:
    """Later rollouts are not learnt from."""
    real = ActorCriticStack._learn
    patch.setattr(ActorCriticStack, "_learn", lambda self, *a: real(self, *a) if self.parameters.watch else [])


def start_weights_stored(patch: pytest.MonkeyPatch) -> None:
    real = assemble.pack_trained
    patch.setattr(attempt, "pack_trained", lambda trial, final: real(trial, trial.snapshots.get("init", final)))


def rounded_weights_stored(patch: pytest.MonkeyPatch) -> None:
    real = assemble.pack_trained

    def plant(trial: RunningTrial, final: Weights) -> Arrays:
        return real(trial, {n: w.half().float() for n, w in final.items()})

    patch.setattr(attempt, "pack_trained", plant)


def other_mask_stored(patch: pytest.MonkeyPatch) -> None:
    real = masks.pack
    patch.setattr(masks, "pack", lambda mask: ~real(mask))


SYNFLOW = {"arms": ["winning", "synflow"], "pruning": {"rounds": 1}, "seeds": [0]}
RANDOM = {"arms": ["winning", "random", "random_global"]}
SNAPSHOT = "dense round 0 seed 0: audit: snapshot_rewind: not the weights of 96, the first update that reaches 96"
PLANTED: list[tuple[Plant, dict[str, Any], str]] = [
    (tickets_mask, RANDOM, "independent: keeps 117 entries that winning of the same seed keeps too, 70 +- "),
    (shifted_mask, RANDOM, "entries differ from the mask that this arm and seed draw"),
    (one_mask_for_all_seeds, RANDOM, "independent: keeps 117 entries that random round 1 seed 0 keeps too"),
    (seeds_that_count_for_nothing, RANDOM, "entries differ from the mask that this arm and seed draw"),
    (one_stream_for_two_arms, RANDOM, "independent: keeps 113 entries that random round 1 seed 0 keeps too"),
    (early_snapshot, {}, SNAPSHOT),
    (late_snapshot, {}, SNAPSHOT),
    (initial_weights_ranked, {}, "pruned scores exceed the smallest that was kept"),
    (other_criterion, {"pruning": {"criterion": "movement"}}, "pruned scores exceed the smallest that was kept"),
    (other_saliency, {"arms": ["winning", "snip"]}, "kept scores are not among the largest"),
    (other_derivative, {"arms": ["winning", "snip"]}, "kept scores are not among the largest"),
    (synflow_in_one_step, SYNFLOW, "pruned scores exceed the smallest that was kept"),
    (synflow_with("w.abs()", "w"), SYNFLOW, "pruned scores exceed the smallest that was kept"),
    (synflow_with("flow(left)", "flow(magnitudes)"), SYNFLOW, "pruned scores exceed the smallest that was kept"),
    (heads_left_out, {}, "policy_head.bias, value_head.bias: out of scope, though not kept"),
    (kept_groups_pruned, {"pruning": {"keep": ["policy_head"]}}, "policy_head.bias: in scope, though kept"),
    (density_off, {}, "density: trunk.0.weight: 60 of 96 kept, expected 57.6"),
    (density_off, {"arms": ["gmp"]}, "density: trunk.0.weight: 60 of 96 kept, expected 57.6"),
    (schedule_from_elsewhere, {}, "learning_rate: 0.003 on average over 8 updates, its schedule has 0.001819"),
    (half_as_long, {}, "winning round 1 seed 0: audit: length: trained 128 steps, its schedule asks for 256"),
    (trained_as_dense, {"rewinding": {"schedule": "rewind"}}, "trained 256 steps, its schedule asks for 160"),
    (ended_early, {}, "dense round 0 seed 0: audit: length: trained 192 steps, its schedule asks for 256"),
    (learning_skipped, {}, " steps in 8 updates, expected 8"),
    (start_weights_stored, {}, "dense round 0 seed 0: audit: stored: other than trained: final, ranked"),
    (rounded_weights_stored, {}, "dense round 0 seed 0: audit: stored: other than trained: final, ranked"),
    (other_mask_stored, {}, "dense round 0 seed 0: audit: stored: other than trained: mask"),
]
OF_TICKETS: list[tuple[Plant, str]] = [
    (
        no_learning_rate,
        "winning round 1 seed 0: audit: learning_rate: 0 on average over 8 updates, its schedule has 0.001",
    ),
    (
        optimizer_without_a_rate,
        "winning round 1 seed 0: audit: moved: 0 of 117 live weights moved; none in trunk.0.weight",
    ),
    (initial_weights_read_as_final, "parents: read other than stored: ranked of dense round 0 seed 0"),
]


@pytest.mark.parametrize(("plant", "fields", "sentence"), PLANTED, ids=lambda one: getattr(one, "__name__", ""))
def test_a_planted_fault_fails_its_trials_in_a_sentence(
    plant: Plant, fields: dict[str, Any], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    found = failures(tmp_path, **fields)
    assert any(sentence in one for one in found), found[:3]


@pytest.mark.parametrize(("plant", "sentence"), OF_TICKETS, ids=lambda one: getattr(one, "__name__", ""))
def test_a_fault_in_tickets_alone_fails_them(
    plant: Plant, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = failures(tmp_path, lambda: plant(monkeypatch))
    assert any(sentence in one for one in found), found[:3]
    assert not any(one.startswith("dense") for one in found)


def test_a_sound_program_passes(tmp_path: Path) -> None:
    assert not failures(tmp_path, arms=["winning", "random", "snip", "synflow"], seeds=[0])
