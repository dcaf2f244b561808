"""Small trainings whose masks are sparse from the start and move, and what holds of all of them."""

from pathlib import Path
from typing import Any

import torch

from lth_core.experiment.plan import TrialKey
from lth_core.tickets import mask as masks
from lth_core.tickets import mask_history, moving
from lth_core.tickets.mask import Mask
from lth_core.tickets.moving import Moving
from lth_core.training.families import make_model, make_stack
from lth_core.training.run import RunningTrial, StackRun
from lth_core.training.stack import Start
from tests.small import Memory, experiment
from tests.training.test_every_arm import Batches, dense

QUICK = {"interval": 0.1, "end": 0.75}


def settings(**sections: Any) -> Any:
    """A tiny experiment with these arms, whose masks change five times."""
    pruning = {"rounds": 1, "fraction": 0.6, "moving": QUICK}
    sections["pruning"] = {**pruning, **sections.get("pruning", {})}
    training = {"length": 256, "record_every": 32, "evaluation_episodes": 1, "greedy_episodes": 0}
    sections["training"] = {**training, **sections.get("training", {})}
    sections = {"seeds": [0], "arms": ["winning", "static", "set", "rigl"], **sections}
    return experiment(**sections)


def run(own: Any, sink: Memory, arms: tuple[str, ...] = ("set", "rigl", "static")) -> StackRun:
    """Tickets of seeds 0, 1, ... of these arms in one stack."""
    model = make_model(own)
    everything, starts, trials = masks.full(model.shapes()), [], []
    kept = moving.layer_counts(everything, model.groups(), own.pruning, 1)
    for seed, arm in enumerate(arms):
        generator = torch.Generator().manual_seed(seed)
        mask: Mask = {
            n: masks.keep_largest(torch.rand(m.numel(), generator=generator), m.flatten(), kept[n]).view(m.shape)
            for n, m in everything.items()
        }
        moves = "" if arm == "static" else arm
        starts.append(Start(seed, masks.apply(mask, model.initialise(seed)), mask, 0, own.training.length, moves=moves))
        how = Moving(moves, own.pruning.moving, seed, arm, 1) if moves else None
        trials.append(RunningTrial(seed, TrialKey(1, arm, seed), mask, moving=how))
    return StackRun(own, make_stack(own, model, starts, "cpu"), trials, sink)


def trained(folder: Path, own: Any) -> Batches:
    """The dense run and all arms through attempts, with their audits."""
    batches = Batches(folder, own)
    batches.run(dense(own))
    batches.run([TrialKey(1, arm, 0) for arm in own.arms])
    return batches


def same_bits_alone_in_a_stack_and_interrupted(own: Any) -> None:
    """Of `set` and `rigl` beside `static`."""
    whole = Memory()
    run(own, whole).run()
    packed = [whole.snapshots[trial][mask_history.PART]["packed"] for trial in (0, 1)]
    assert all(len(one.unique(dim=0)) > 3 for one in packed) and mask_history.PART not in whole.snapshots[2]
    assert max(values["churn"] for trial, _, values in whole.records if trial == 1) > 0.1
    alone = Memory()
    single = run(own, alone)
    single.keep([1])
    single.run()
    assert alone.same_results(whole, 1)
    stopped, rest = Memory(stop_at=4), Memory()
    run(own, stopped).run()
    resumed = run(own, rest)
    resumed.restore(*stopped.newest())
    assert resumed.run()
    assert all(rest.same_results(whole, trial) for trial in (0, 1, 2))
