"""Derives the tickets of a bundle again, in a process of its own (it imports torch), for `lth verify`.

python -m lth_core.worker.tickets_again WORKSPACE < {"spec": ..., "masks": {"7": "PATH"}, "weights": false}

Without weights: each mask has its layers, density and parent; those that follow from the seed, or from the mask of
another arm, are derived. With weights all are, and each file has the parts that it was written with.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load

from lth_core.batches.batch import BatchSpec, TrialSpec
from lth_core.batches.processes import answer
from lth_core.errors import InputError
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey, shares_network
from lth_core.store.workspace import Workspace
from lth_core.tasks import contents
from lth_core.tickets import audit_masks, audit_shrinking, audit_wider, criteria, expected_masks
from lth_core.tickets import mask as masks
from lth_core.tickets.check import Check
from lth_core.tickets.derive import Family, Ticket, Trained, derive_mask, nests
from lth_core.tickets.mask import Mask
from lth_core.tickets.network import Network
from lth_core.training.families import make_model
from lth_core.worker.assemble import Assembler
from lth_core.worker.imported_tickets import check_ticket

FROM_SEED = ("magnitude_init", criteria.RANDOM)
"""Criteria that read no trained weights."""
_DRAWN = "the mask that its seed draws"


def act(message: dict[str, Any]) -> dict[str, Any]:
    """The checks that failed, by trial, and how many tickets were derived again."""
    torch.set_num_threads(1)
    spec = BatchSpec.from_json(message["spec"])
    contents.check(spec.experiment.task)
    contents.check(spec.experiment.model)
    if message["weights"]:
        check_ticket(spec.experiment)
    assembler = Assembler(Workspace(Path(sys.argv[1])), spec, make_model(spec.experiment))
    own = Own(spec, assembler, {trial.id: Path(message["masks"][str(trial.id)]) for trial in spec.trials})
    wrong, derived = {}, 0
    for trial in spec.trials:
        checks = list(own.checks(trial))
        again = list(own.again(trial) if message["weights"] else own.from_seed(trial))
        derived += bool(again)
        said = [f"{check.name}: {check.detail}" for check in (*checks, *again) if not check.passed]
        if said:
            wrong[trial.id] = said
    return {"wrong": wrong, "derived": derived}


class Own:
    """The masks of a bundle, by trial."""

    def __init__(self, spec: BatchSpec, assembler: Assembler, places: Mapping[int, Path]) -> None:
        self._experiment: Experiment = spec.experiment
        self._assembler = assembler
        self._masks = {trial.key: self._read(places[trial.id], trial.key) for trial in spec.trials}
        self._families: dict[int, Family] = {}

    def _network(self, key: TrialKey) -> Network:
        return self._assembler.network(key)

    def _read(self, path: Path, key: TrialKey) -> Mask | None:
        whole = self._assembler.everything_of(self._network(key))
        try:
            return masks.unpack(load(path.read_bytes())["mask"].numpy(), {name: m.shape for name, m in whole.items()})
        except (OSError, SafetensorError, KeyError, ValueError):
            return None

    def checks(self, trial: TrialSpec) -> Iterator[Check]:
        """Layers, density and nesting of a mask."""
        key, mask = trial.key, self._masks[trial.key]
        if mask is None:
            yield Check("mask", False, "does not fit the network of its experiment")
            return
        network, pruning = self._network(key), self._experiment.pruning
        arm = None if key.arm == DENSE else self._experiment.arm_named(key.arm)
        if arm is None or arm.mask in ("full", "smaller"):
            off = masks.size(mask) - masks.total(mask)
            yield Check("density", off == 0, f"{off} entries are pruned, expected none")
            return
        family = self._family(key.seed)
        compared = self._masks.get(TrialKey(key.round, str(self._experiment.compared_with(key.arm)), key.seed))
        if arm.mask == "wider":
            if compared is not None:
                whole = self._network(TrialKey(0, DENSE, key.seed)).shapes()
                yield audit_wider.parameters(network.shapes(), mask, whole, compared)
            yield audit_masks.spread(mask, pruning, [])
            return
        if arm.mask == "gradual":
            yield audit_masks.density(network.shapes(), network.groups(), pruning, key.round, mask)
            return
        of = self._experiment.arm_named(arm.of) if arm.borrows_mask else arm
        if of.mask != "imported":
            yield audit_masks.density_of(family, key, mask, None if compared is None else _ticket(compared))
        parent = self._masks.get(TrialKey(key.round - 1, key.arm, key.seed))
        if parent is not None and nests(self._experiment, key.arm):
            outside = sum(int((m & ~parent[name]).sum()) for name, m in mask.items())
            yield Check("nested", outside == 0, f"{outside} kept entries were pruned a round earlier")

    def from_seed(self, trial: TrialSpec) -> Iterator[Check]:
        """A mask against the one that follows from the seed, or from another arm's mask; nothing if none does."""
        key, mask = trial.key, self._masks[trial.key]
        if mask is None:
            return
        if key.arm == DENSE or self._experiment.arm_named(key.arm).mask in ("full", "smaller"):
            yield Check("derived", True, "nothing is pruned")
            return
        arm, family = self._experiment.arm_named(key.arm), self._family(key.seed)
        criterion = self._experiment.criterion_of(key.arm)
        other = self._masks.get(TrialKey(key.round, str(arm.of), key.seed)) if arm.borrows_mask else None
        if arm.mask == "wider":
            yield _same(mask, self._assembler.of_other_network(key)[0].mask, _DRAWN)
        elif other is not None:
            drawn = other if arm.mask == "ticket" else expected_masks.random_mask(family, key.arm, other)
            yield _same(mask, drawn, f"the mask of {arm.of}" if arm.mask == "ticket" else _DRAWN)
        elif arm.mask == "static":
            yield _same(mask, derive_mask(family, key.arm, key.round), _DRAWN)
        elif arm.prunes and (criterion in FROM_SEED or (arm.at == "init" and criterion in criteria.BY_NAME)):
            chain = arm.mask == "iterative" and key.round > 1
            if not chain or (key.arm, key.round - 1) in family.trained:
                yield _same(mask, derive_mask(family, key.arm, key.round), "the mask that follows from its seed")

    def again(self, trial: TrialSpec) -> Iterator[Check]:
        """A mask against the one that follows from the weights of the trials before it."""
        key, mask = trial.key, self._masks[trial.key]
        try:
            prepared = self._assembler.prepare(trial)
            family = self._assembler.family(key.seed)
        except (InputError, ValueError) as error:
            yield Check("derived", False, f"its ticket cannot be derived: {error}")
            return
        stored = family.trained.get((key.arm, key.round))
        if mask is not None and stored is not None:
            yield _same(mask, stored.mask, "the mask in the file of its weights")
        if mask is not None and prepared.ticket is not None and prepared.settled:
            yield _same(mask, prepared.ticket.mask, "the mask that follows from the weights before it")
        if prepared.ticket is not None and prepared.moving is not None:
            history = None if stored is None else stored.masks
            wanted = masks.pack(prepared.ticket.mask)
            same = history is not None and np.array_equal(history["packed"][0].numpy(), wanted)
            yield Check("derived", same, "its first mask differs from the one that its seed draws")
        if mask is not None and prepared.narrowing is not None and stored is not None and stored.prunings is not None:
            try:
                yield from audit_shrinking.recorded(self._experiment.pruning, mask, stored.prunings)
            except ValueError as error:
                yield Check("changes", False, f"the record of its prunings cannot be read: {error}")
        if key.arm == DENSE and family.dense.init is not None:
            drawn = self._assembler.initial(key.seed)
            off = [name for name, one in family.dense.init.items() if not torch.equal(one, drawn[name])]
            yield Check("initialisation", not off, f"{', '.join(off) or 'nothing'} is not what its seed draws")
        changed = self._assembler.misread.get(key.seed, {}).get(str(key), [])
        yield Check("stored", not changed, f"other than trained: {', '.join(changed)}")

    def _family(self, seed: int) -> Family:
        """The runs of a seed with their masks; in place of trained weights the initialisation that the seed draws."""
        if seed not in self._families:
            model, init = self._assembler.network(TrialKey(0, DENSE, seed)), self._assembler.initial(seed)
            own = {(k.arm, k.round): m for k, m in self._masks.items() if k.seed == seed and m is not None}
            own = {place: m for place, m in own.items() if shares_network(self._experiment, place[0])}
            trained = {place: Trained(m, init, init, init, init) for place, m in own.items()}
            trained.setdefault((DENSE, 0), Trained(self._assembler.everything(), init, init, init, init))
            self._families[seed] = Family(self._experiment, seed, model.groups(), trained, model.initialise)
        return self._families[seed]


def _ticket(mask: Mask) -> Ticket:
    return Ticket(mask, {}, {}, mask)


def _same(mask: Mask, other: Mask, what: str) -> Check:
    off = masks.distance(mask, other) if mask.keys() == other.keys() else -1
    return Check("derived", off == 0, f"{off if off >= 0 else 'all'} entries differ from {what}")


if __name__ == "__main__":
    sys.exit(answer(act))
