"""The audit of the statistics, of observations and returns, that a ticket of PPO starts with."""

from dataclasses import replace
from pathlib import Path

from lth_core.batches.batch import BatchSpec, ParentSpec, TrialSpec
from lth_core.experiment.arms import DENSE
from lth_core.experiment.plan import TrialKey
from lth_core.store.tensors import save_tensors
from lth_core.store.workspace import Workspace
from lth_core.training.families import make_model
from lth_core.training.stack import Start
from lth_core.worker.assemble import Assembler, Prepared, pack_trained
from lth_core.worker.audits import Audits
from tests.small import Memory, experiment, stack, stack_run

SETTINGS = experiment(
    training={"algorithm": "ppo", "minibatches": 1, "epochs": 1, "normalise_observations": True,
              "normalise_returns": True, "length": 128},
    rewinding={"weights": 64},
)  # fmt: skip


def test_a_ticket_starts_with_the_statistics_of_its_weights_or_with_none_or_fails_its_audit(tmp_path: Path) -> None:
    model, sink, dense = make_model(SETTINGS), Memory(), TrialKey(0, DENSE, 0)
    first = Assembler(Workspace(tmp_path), BatchSpec(1, 1, SETTINGS, (), (), ""), model)
    run = stack_run(SETTINGS, [first.prepare(TrialSpec(0, dense)).start], sink)
    (kept,) = run.trials
    assert run.run()
    sha256 = save_tensors(tmp_path / "d.safetensors", pack_trained(kept, sink.results[0][1]), {})
    spec = BatchSpec(1, 1, SETTINGS, (), (ParentSpec(0, dense, "d.safetensors", sha256),), "")
    assembler = Assembler(Workspace(tmp_path), spec, model)
    audits = Audits(SETTINGS, assembler, model, None)

    def passes(prepared: Prepared, start: Start) -> bool:
        """Whether the audit lets this start pass for what was prepared; of no check but this one it is failed."""
        checks = audits.before(prepared, stack(SETTINGS, [start]), 0)
        assert all(check.passed for check in checks if check.name != "buffers"), checks
        (found,) = (check for check in checks if check.name == "buffers")
        return found.passed

    winning, random = (assembler.prepare(TrialSpec(1, TrialKey(1, arm, 0))) for arm in ("winning", "random"))
    known = winning.start.statistics
    assert known is not None and known["count"] == 64 and random.start.statistics is None
    assert passes(winning, winning.start) and passes(random, random.start)
    assert not passes(winning, replace(winning.start, statistics=None))
    assert not passes(random, replace(random.start, statistics=known))
    assert not passes(winning, replace(winning.start, statistics=known | {"earned_variance": known["variance"][:1]}))
