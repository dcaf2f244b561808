"""Wider networks with as many living weights as a ticket: their counts, their audit, and the bits of their training."""

from pathlib import Path
from typing import Any

import pytest

from lth_core.batches.batch import BatchFolder
from lth_core.batches.exit_codes import CHECKPOINTED, DONE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey, network_of, plan
from lth_core.settings.networks import MLP
from lth_core.tickets import derive, moving, wider
from lth_core.tickets import mask as masks
from lth_core.tickets.scope import prunable
from lth_core.training.families import living_in_tickets, make_model, wider_network
from lth_core.worker.attempt import Attempt
from tests.small import experiment, family
from tests.training.test_every_arm import Batches, dense

WIDE = TrialKey(1, "wide_sparse", 0)
WIDER = {"mask": "wider", "weights": "fresh", "schedule": "start"}


def trained(folder: Path, **sections: Any) -> Batches:
    """The dense runs of a job with a wider arm, trained."""
    short = {"length": 128, "record_every": 64, "checkpoint_every": 64, "evaluation_episodes": 1, "score_episodes": 2}
    given = {"arms": ["winning", "wide_sparse"], "seeds": [0], "pruning": {"rounds": 2, "fraction": 0.6}}
    own = experiment(**{"training": short, **given, **sections})
    batches = Batches(folder, own)
    batches.run(dense(own))
    return batches


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Batches:
    """Both seeds' dense runs of 8 units."""
    return trained(tmp_path_factory.mktemp("job"), seeds=[0, 1])


def test_widths_are_multiplied_and_what_is_not_a_width_is_kept() -> None:
    own = experiment(model={"hidden": [8, 5]})
    network: Any = wider_network(own, make_model(own), 1.5)
    assert network.settings == MLP(hidden=(12, 8), activation="tanh")


@pytest.mark.parametrize(
    ("scope", "keep", "distribution", "width"),
    [("global", [], "erk", 2), ("layerwise", ["biases"], "uniform", 3), ("erk", ["first_layer"], "erk", 1.3)],
)
def test_exactly_as_many_parameters_live_as_in_the_ticket(
    scope: str, keep: list[str], distribution: str, width: float
) -> None:
    own = experiment(
        arms=["winning"], model={"hidden": [16, 16]},
        pruning={"rounds": 3, "fraction": 0.4, "scope": scope, "keep": keep, "moving": {"distribution": distribution}},
    )  # fmt: skip
    model, of_seed = make_model(own), family(own)
    whole = sum(shape.numel() for shape in model.shapes().values())
    network = wider_network(own, model, width)
    weights = network.initialise(0)
    everything = masks.full({n: weights[n].shape for n in prunable(network.groups(), own.pruning)})
    assert sum(w.numel() for w in weights.values()) > whole
    for round in (1, 2, 3):
        kept = derive.derive(of_seed, TrialKey(round, "winning", 0)).mask
        living = living_in_tickets(own, model, round)
        assert living == whole - masks.size(kept) + masks.total(kept)
        ticket = wider.wider_ticket(weights, everything, living, own.pruning, 0, "wide_sparse")
        dead = sum(int((~m).sum()) for m in ticket.mask.values())
        assert sum(w.numel() for w in weights.values()) - dead == living
        assert sum(int((w != 0).sum()) for w in ticket.start.values()) <= living


def test_what_is_never_pruned_may_leave_no_room(tmp_path: Path) -> None:
    batches = trained(tmp_path, pruning={"rounds": 1, "fraction": 0.9, "keep": ["first_layer", "biases"]})
    batches.run([WIDE])
    assert "parameters that are never pruned" in batches.failures[WIDE]


def one_more(mask: masks.Mask, total: int, pruning: Any) -> dict[str, int]:
    return moving.spread(mask, total + 1, pruning)


def other_layers(mask: masks.Mask, total: int, pruning: Any) -> dict[str, int]:
    found = moving.spread(mask, total, pruning)
    first, other = "trunk.0.weight", "policy_head.weight"
    return {**found, first: found[first] - 3, other: found[other] + 3}


@pytest.mark.parametrize(
    ("place", "planted", "said"),
    [
        ("spread", one_more, "parameters: "),
        ("spread", other_layers, "density: trunk.0.weight: "),
        ("random_scores", lambda seed, arm, mask: derive.random_scores(seed + 1, arm, mask), "mask_source: "),
        ("apply", lambda mask, weights: weights, "start_weights: "),
        ("apply", lambda mask, weights: {n: 0 * w for n, w in weights.items()}, "start_alive: "),
    ],
)
def test_the_audit_sees_a_wrong_ticket(
    place: str, planted: Any, said: str, job: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wider, place, planted)
    job.run([WIDE])
    assert said in job.failures.pop(WIDE)


def test_the_audit_sees_a_network_that_is_not_wider(job: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    from lth_core.worker import assemble

    for made, said in ((1.0, "no wider than"), (3.0, "trunk.0.weight: 24 where the experiment's network has 8")):
        with monkeypatch.context() as patched:
            patched.setattr(assemble, "wider_network", lambda own, model, _: wider_network(own, model, made))  # noqa: B023
            job.run([WIDE])
        assert f"width: {said}" in job.failures.pop(WIDE)


def test_a_ticket_has_the_same_bits_alone_in_a_stack_and_interrupted(
    job: Batches, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    job.run([WIDE])
    alone = job.results.pop(WIDE)["sha256"]
    job.run([WIDE, TrialKey(1, "wide_sparse", 1)])
    assert job.results.pop(WIDE)["sha256"] == alone
    # Again as the next batch, stopped at a checkpoint in the middle and gone on with in a second attempt.
    spec = job.specified([WIDE])
    folder, asked = BatchFolder(job.workspace.batch(spec.batch)), iter([False] * 3)
    folder.complete(spec)
    for number, stops in ((1, lambda: next(asked, True)), (2, lambda: False)):
        folder.begin(number)
        attempt = Attempt(job.workspace, spec, number, "cpu", stops)
        try:
            assert attempt.run() == (CHECKPOINTED if number == 1 else DONE)
        finally:
            attempt.close()
    assert any("resumed at step 96" in record.message for record in caplog.records)
    job.read(folder.attempt(2))
    assert job.results[WIDE]["sha256"] == alone and not job.failures


def test_the_arm_is_its_own_kind_of_network_and_no_reference() -> None:
    own = experiment(arms=["wide_sparse", "small_dense", "winning", "w3"], arm={"w3": {**WIDER, "width": 3}})
    assert [network_of(own, arm) for arm in own.arms] == ["wider 2", "smaller", "", "wider 3"]
    assert own.compared_with("wide_sparse") == "winning"
    assert own.described("w3").startswith("a network 3 times as wide, mask random (erk), as many living parameters as")
    assert {t.key.round for t in plan(own) if t.key.arm == "wide_sparse"} == {1, 2, 3}


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        ({**WIDER, "weights": "rewind"}, 'weights "rewind" are another network'),
        ({**WIDER, "width": 1}, "arm.mine.width"),
        ({**WIDER, "width": 1.001}, "width 1.001 rounds to the widths of the experiment"),
        ({"mask": "ticket", "weights": "init", "width": 3}, 'width is accepted with mask "wider"'),
        ({**WIDER, "of": "random"}, '"random", which is not among the arms'),
    ],
)
def test_bad_fields_are_refused_in_a_sentence(arm: dict[str, Any], said: str) -> None:
    from lth_core.errors import InputError
    from lth_core.experiment.file import _validated

    fields = {"name": "x", "seeds": [0], "arms": ["winning", "mine"], "arm": {"mine": arm}}
    with pytest.raises(InputError, match=said):
        _validated(fields, "x.toml")


def test_an_identity_is_as_it_was_before_the_field_came() -> None:
    own = experiment(arms=["winning", "mine"], arm={"mine": {"mask": "ticket", "weights": "init"}})
    assert "width" not in own.identifying()["arm"]["mine"]
    assert Experiment.from_json(own.canonical()) == own
