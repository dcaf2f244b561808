"""Faults planted in how tickets are made, trained and stored, one at a time: the audit must see and name each.

Every case is a small job, from its dense runs to its second round, as a worker trains it.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lth_core import randomness
from lth_core.experiment.plan import TrialKey
from lth_core.settings.pruning import Pruning
from lth_core.tickets import criteria, derive, saliency, scope
from lth_core.tickets.mask import Mask
from lth_core.worker import assemble
from tests.small import experiment
from tests.training.test_every_arm import Batches, dense

Plant = Callable[[pytest.MonkeyPatch], None]
FIELDS: dict[str, Any] = {
    "model": {"hidden": [24]},
    "pruning": {"rounds": 2, "scope": "layerwise", "fraction": 0.4},
    "rewinding": {"weights": 96},
    "training": {"length": 256, "evaluation_episodes": 1, "greedy_episodes": 1, "learning_rate_schedule": "linear"},
}


def failures(folder: Path, **fields: Any) -> dict[str, str]:
    """The sentence with which each trial failed, by trial. Nothing is trained after the first failure."""
    settings = experiment(
        **{**FIELDS, **{n: {**FIELDS.get(n, {}), **f} if isinstance(f, dict) else f for n, f in fields.items()}}
    )
    batches = Batches(folder, settings)
    batches.run(dense(settings))
    for round in (1, 2):
        if not batches.failures:
            batches.run([TrialKey(round, arm, seed) for arm in settings.arms for seed in settings.seeds])
    return {str(key): sentence for key, sentence in batches.failures.items()}


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
    real = derive.stream
    patch.setattr(derive, "stream", lambda seed, *names: real(0, *names))


def seeds_that_count_for_nothing(patch: pytest.MonkeyPatch) -> None:
    """In the whole program."""
    real = randomness.stream_seed
    plant = lambda seed, *names: real(0, *names)  # noqa: E731
    for module in (randomness, derive, assemble):
        patch.setattr(module, "stream_seed", plant)


def one_stream_for_two_arms(patch: pytest.MonkeyPatch) -> None:
    real = derive.stream
    patch.setattr(derive, "stream", lambda seed, *names: real(seed, *names[:1]))


def initial_weights_ranked(patch: pytest.MonkeyPatch) -> None:
    real = derive.pruned_run
    patch.setattr(derive, "pruned_run", lambda f, n, r: replace(real(f, n, r), ranked=f.dense.init))


def other_criterion(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(criteria.BY_NAME, "movement", lambda w, w0: criteria.magnitude(w))  # type: ignore[arg-type]


def other_saliency(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(saliency, "snip", lambda weights, gradient, mask: {n: gradient[n].abs() for n in mask})


def other_derivative(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(saliency.DERIVATIVES, "snip", "hessian_gradient")  # type: ignore[arg-type]


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


RANDOM = {"arms": ["winning", "random", "random_global"]}
PLANTED: list[tuple[Plant, dict[str, Any], str]] = [
    (tickets_mask, RANDOM, "independent: keeps 117 entries that winning of the same seed keeps too, 70 +- "),
    (shifted_mask, RANDOM, "entries differ from the mask that this arm and seed draw"),
    (one_mask_for_all_seeds, RANDOM, "independent: keeps 117 entries that random round 1 seed 0 keeps too"),
    (seeds_that_count_for_nothing, RANDOM, "entries differ from the mask that this arm and seed draw"),
    (one_stream_for_two_arms, RANDOM, "independent: keeps 113 entries that random round 1 seed 0 keeps too"),
    (initial_weights_ranked, {}, "pruned scores exceed the smallest that was kept"),
    (
        other_criterion,
        {"pruning": {"criterion": "movement"}},
        "pruned scores exceed the smallest that was kept",
    ),
    (other_saliency, {"arms": ["winning", "snip"]}, "kept scores are not among the largest"),
    (other_derivative, {"arms": ["winning", "snip"]}, "kept scores are not among the largest"),
    (
        heads_left_out,
        {},
        "policy_head.bias, value_head.bias: out of scope, though not kept",
    ),
    (
        kept_groups_pruned,
        {"pruning": {"keep": ["policy_head"]}},
        "policy_head.weight, policy_head.bias: in scope, though kept",
    ),
    (density_off, {}, "density: trunk.0.weight: 60 of 96 kept, expected 57.6"),
    (density_off, {"arms": ["gmp"]}, "density: trunk.0.weight: 60 of 96 kept, expected 57.6"),
]


@pytest.mark.parametrize(("plant", "fields", "sentence"), PLANTED, ids=lambda one: getattr(one, "__name__", ""))
def test_a_planted_fault_fails_its_trials_in_a_sentence(
    plant: Plant, fields: dict[str, Any], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    found = failures(tmp_path, **fields)
    assert any(sentence in one for one in found.values()), list(found.items())[:3]


def test_a_sound_program_passes(tmp_path: Path) -> None:
    assert not failures(tmp_path, arms=["winning", "random", "snip"], seeds=[0])
