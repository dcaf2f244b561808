"""The audit of masks that shrink: every fault planted once is named; records of files and checkpoints say the same."""

from collections.abc import Callable
from typing import Any

import pytest

from lth_core.experiment.plan import TrialKey
from lth_core.settings.pruning import Gradual, Pruning
from lth_core.tickets import audit_shrinking, expected_shrinking
from lth_core.tickets import mask as masks
from lth_core.tickets.gradual import Narrowing
from lth_core.tickets.mask import Mask, Weights
from lth_core.training.families import make_model, make_stack
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.run import RunningTrial, StackRun
from lth_core.training.stack import Start
from tests.small import Memory, experiment

Plant = Callable[[pytest.MonkeyPatch], None]
NAME = "trunk.0.weight"


def settings(scope: str = "global") -> Any:
    """Ten updates of 32 steps; steps of pruning after the third, fifth and seventh."""
    training = {"length": 320, "record_every": 320, "checkpoint_every": 32, "evaluation_episodes": 1}
    pruning = {"rounds": 1, "fraction": 0.5, "scope": scope, "gradual": {"start": 0.1, "end": 0.7, "steps": 3}}
    return experiment(arms=["winning", "gmp"], seeds=[0], training=training, pruning=pruning, model={"hidden": [4]})


def run(own: Any, sink: Memory) -> StackRun:
    model = make_model(own)
    whole = masks.full(model.shapes())
    start = Start(0, model.initialise(0), whole, *own.span("gmp"))
    trial = RunningTrial(0, TrialKey(1, "gmp", 0), whole, narrowing=Narrowing(model.groups(), own.pruning, 1))
    return StackRun(own, make_stack(own, model, [start], "cpu"), [trial], sink)


def wrong(own: Any, trial: RunningTrial) -> dict[str, str]:
    """The checks that an ended training fails."""
    record = trial.snapshots.get(audit_shrinking.PART, {})
    assert trial.seen is not None
    found = audit_shrinking.checks(own, trial.mask, trial.seen.moves, record)
    return {check.name: check.detail for check in found if not check.passed}


def trained(own: Any) -> RunningTrial:
    one = run(own, Memory())
    (trial,) = one.trials
    assert one.run()
    return trial


def due(change: Callable[[Narrowing, float, int], int]) -> Plant:
    """Another number of steps of pruning is due after a share of the training."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        real = Narrowing.due
        patch.setattr(Narrowing, "due", lambda self, passed: change(self, passed, real(self, passed)))

    return plant


def an_update_late(patch: pytest.MonkeyPatch) -> None:
    real = Narrowing.due
    patch.setattr(Narrowing, "due", lambda self, passed: real(self, passed - 0.1))


def an_update_early(patch: pytest.MonkeyPatch) -> None:
    real = Narrowing.due
    patch.setattr(Narrowing, "due", lambda self, passed: real(self, passed + 0.1))


def twice(patch: pytest.MonkeyPatch) -> None:
    """A step is made again at the next update, to the same number of entries."""
    real = StackRun._narrow

    def plant(self: StackRun) -> None:
        if self.stack.trained == 4 * 32:
            self.trials[0].changed = 0
        real(self)

    patch.setattr(StackRun, "_narrow", plant)


def masked(change: Callable[[Weights, Mask, Mask], Mask]) -> Plant:
    """A step's mask is this of the weights, the mask before, and the right one."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        real = Narrowing.mask
        patch.setattr(Narrowing, "mask", lambda self, w, m, step: change(w, m, real(self, w, m, step)))

    return plant


def one_comes_back(weights: Weights, was: Mask, now: Mask) -> Mask:
    """In place of a living entry, so that the number is right."""
    if not all(bool(m.all()) for m in was.values()):
        came, went = ((was[NAME] == alive).flatten().nonzero()[0] for alive in (False, True))
        now[NAME].view(-1)[came], now[NAME].view(-1)[went] = True, False
    return now


def largest_go(weights: Weights, was: Mask, now: Mask) -> Mask:
    """The right number of each layer, of the wrong ones."""
    return {n: masks.keep_largest(-weights[n].abs().flatten(), was[n].flatten(), int(m.sum())).view(m.shape)
            for n, m in now.items()}  # fmt: skip


def one_more_goes(weights: Weights, was: Mask, now: Mask) -> Mask:
    """In the first step."""
    if all(bool(m.all()) for m in was.values()):
        now[NAME].view(-1)[now[NAME].flatten().nonzero()[0]] = False
    return now


def applied(change: Callable[[Parameters, int, Mask, Callable[[Parameters, int, Mask], None]], None]) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        real = Parameters.narrow
        patch.setattr(Parameters, "narrow", lambda self, ticket, mask: change(self, ticket, mask, real))

    return plant


def weights_are_cut_once(self: Parameters, ticket: int, mask: Mask, real: Any) -> None:
    """But can learn on."""
    before = self.mask[ticket].clone()
    real(self, ticket, mask)
    self.mask[ticket] = before


def what_stays_is_scaled(self: Parameters, ticket: int, mask: Mask, real: Any) -> None:
    real(self, ticket, mask)
    self.flat[ticket] *= 1.01


def mask_is_lost(patch: pytest.MonkeyPatch) -> None:
    """Between two steps, as if it were not in a checkpoint."""
    real = StackRun._narrow

    def plant(self: StackRun) -> None:
        real(self)
        if self.stack.trained == 4 * 32:
            self.trials[0].mask = masks.full({n: m.shape for n, m in self.trials[0].mask.items()})

    patch.setattr(StackRun, "_narrow", plant)


PLANTED: list[tuple[str, Plant, str, str]] = [
    ("late", an_update_late, "changes",
     "step 1 came after 128 training steps, though step 1 was due an update earlier"),
    ("early", an_update_early, "changes",
     "step 1 came after 64 training steps, where its schedule is at step 0 of 3"),
    ("twice", twice, "changes", "step 1 came again after 128 training steps"),
    ("skipped", due(lambda own, passed, right: 0 if right == 1 else right), "changes",
     "step 2 came after 160 training steps, though step 1 was due an update earlier"),
    ("last skipped", due(lambda own, passed, right: min(2, right)), "changes", "the last step was 2 of 3"),
    ("revived", masked(one_comes_back), "revived", f"step 2: {NAME}: 1 pruned weights are alive again"),
    ("largest", masked(largest_go), "dropped", "step 1: dropped "),
    ("one more", masked(one_more_goes), "counts", "step 1: 22 alive, expected 23.0"),
    ("not applied", applied(lambda self, ticket, mask, real: None), "new_weights", "dropped weights are not zero"),
    ("learn on", applied(weights_are_cut_once), "dead_between", "before step 2: "),
    ("scaled", applied(what_stays_is_scaled), "kept_weights", "weights that it kept have changed"),
    ("lost", mask_is_lost, "revived", f"before step 2: {NAME}: "),
]  # fmt: skip


@pytest.mark.parametrize(("plant", "name", "sentence"), [one[1:] for one in PLANTED], ids=[one[0] for one in PLANTED])
def test_a_planted_fault_is_named(plant: Plant, name: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    own = settings()
    found = wrong(own, trained(own))
    assert sentence in found.get(name, ""), found


def test_layers_that_are_ranked_apart_are_judged_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings("layerwise")
    assert not wrong(own, trained(own))
    masked(largest_go)(monkeypatch)
    assert wrong(own, trained(own))["dropped"].startswith(f"step 1: {NAME}: dropped ")


def test_the_record_holds_when_and_how_much_of_each_layer() -> None:
    own = settings()
    trial = trained(own)
    record = trial.snapshots[audit_shrinking.PART]
    assert not wrong(own, trial)
    assert record["at"].tolist() == [96, 160, 224] and record["step"].tolist() == [1, 2, 3]
    # 35 entries to 18: 35 - 17 (1 - (1 - k / 3)^3) = 23.04, 18.63, 18.
    assert record["kept"].sum(1).tolist() == [23, 19, 18]
    assert record["kept"][-1].tolist() == [int(m.sum()) for m in trial.mask.values()]
    assert (record["gone"].amax(1) <= record["least"].amin(1)).all()


def test_a_record_with_other_columns_is_refused() -> None:
    own = settings()
    trial = trained(own)
    record = trial.snapshots[audit_shrinking.PART]
    for columns in (
        *({n: one for n, one in record.items() if n != name} for name in record),
        *({**record, name: one[:1]} for name, one in record.items()),
        *({**record, name: one[..., 0]} for name, one in record.items() if one.dim() > 1),
        {name: one[:0] for name, one in record.items()},
    ):
        with pytest.raises(ValueError, match="other columns"):
            audit_shrinking.recorded(own.pruning, trial.mask, columns)


def test_a_checkpoint_of_an_earlier_version_leaves_the_steps_unknown() -> None:
    own, stopped = settings(), Memory(stop_at=4)
    run(own, stopped).run()
    arrays, values = stopped.newest()
    del values["witness"]["moves"], values["snapshots"]["0"]
    resumed = run(own, Memory())
    (trial,) = resumed.trials
    resumed.restore({n: a for n, a in arrays.items() if not n.startswith("snapshot/")}, values)
    assert resumed.run() and trial.changed == 3
    assert trial.seen is not None and trial.seen.moves is None and audit_shrinking.PART not in trial.snapshots
    assert not wrong(own, trial)


def test_a_step_is_due_where_the_schedule_of_the_training_has_it() -> None:
    for start, end, steps in ((0.2, 0.8, 100), (0.0, 1.0, 7), (0.1, 0.35, 1000)):
        gradual = Gradual(start=start, end=end, steps=steps)
        own = Narrowing({}, Pruning(gradual=gradual), 1)
        for share in (*(k / 40 for k in range(41)), end):
            assert expected_shrinking.number_of(gradual, share) == own.due(share)
