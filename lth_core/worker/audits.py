"""The audits of one batch: of each ticket before it is trained, of its training, and of its file once it is stored."""

from collections.abc import Mapping
from pathlib import Path

from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.store.tensors import load_tensors
from lth_core.tickets import audit, audit_masks, audit_schedule, audit_shrinking, audit_wider
from lth_core.tickets.audit_masks import Drawn
from lth_core.tickets.check import Check
from lth_core.tickets.derive import Ticket
from lth_core.tickets.fingerprint import fingerprint
from lth_core.tickets.mask import Weights
from lth_core.tickets.network import Network
from lth_core.training.run import RunningTrial
from lth_core.training.stack import Stack
from lth_core.worker import assemble
from lth_core.worker.assemble import Assembler, Prepared


class Audits:
    """Audits of one batch, of the network that it trains. data: what it is trained on, if it is data."""

    def __init__(self, experiment: Experiment, assembler: Assembler, model: Network, data: str | None) -> None:
        self._experiment, self._assembler, self._model, self._data = experiment, assembler, model, data
        self._drawn: list[tuple[Drawn, tuple[str, int]]] = []
        self._prepared: dict[int, Prepared] = {}

    def before(self, p: Prepared, stack: Stack, row: int) -> list[Check]:
        """Checks of a trial in a row of the stack, before anything is trained."""
        key, assembler, start = p.trial.key, self._assembler, stack.weights(row)
        self._prepared[p.trial.id] = p
        if p.ticket is None:
            checks = audit.before_dense(start, assembler.initial(key.seed))
            checks.append(audit_masks.layers(p.start.mask, self._model.groups(), self._experiment.pruning))
        elif p.made_for is not None:
            checks = self._of_other_network(p, p.ticket, p.made_for, start)
        else:
            checks = audit.before_training(assembler.family(key.seed), key, p.ticket, start, p.compared)
            checks += self._independent(p)
        running = stack.statistics(row)
        if buffers := assembler.buffers(p):
            checks.append(audit.same_buffers(running, buffers))
        elif getattr(self._experiment.training, "normalised", ()):
            checks.append(audit.same_buffers(running, audit.known_at_start(p.start.statistics, running)))
        if self._data is not None:
            checks.append(audit.same_data(self._data, assembler.data))
        if key.arm != DENSE:
            checks.append(audit.read_as_stored(assembler.misread.get(key.seed, {})))
        return checks

    def _of_other_network(self, p: Prepared, ticket: Ticket, made_for: int, start: Weights) -> list[Check]:
        """Checks of a trial whose network has other widths than the experiment's."""
        key, assembler = p.trial.key, self._assembler
        family, compared = assembler.family(key.seed), p.compared.mask if p.compared else {}
        if self._experiment.arm_named(key.arm).mask == "smaller":
            return audit.before_smaller(start, assembler.drawn(key), made_for, family.dense.final, compared)
        return [*audit_wider.checks(family, key, ticket, start, self._model, compared), *self._independent(p)]

    def _independent(self, p: Prepared) -> list[Check]:
        """A drawn mask against the ticket it controls for, and against those drawn before it in this batch."""
        key, arm = p.trial.key, self._experiment.arm_named(p.trial.key.arm)
        drawn = arm.from_start or arm.mask in (*audit_masks.RANDOM, "wider")
        if not drawn or p.ticket is None or p.compared is None:
            return []
        own = Drawn.of(str(key), p.ticket.mask, arm.mask == "random_global")
        others = [one for one, place in self._drawn if place != (key.arm, key.seed)]
        if arm.shares_network:
            name = f"{self._experiment.compared_with(key.arm)} of the same seed"
            others.insert(0, Drawn.of(name, p.compared.mask, True))
        self._drawn.append((own, (key.arm, key.seed)))
        return [audit_masks.independent(own, others)]

    def after(self, trial: RunningTrial, final: Weights, optimizer: dict[str, Weights]) -> list[Check]:
        """Checks of a trial that has been trained to its end."""
        entries = {entry: weights for entry, weights in optimizer.items() if entry != "count"}
        checks = [*audit.after_training(trial.mask, final, entries), *trial.checks]
        if trial.key.arm != DENSE:
            checks.append(audit.same_streams(trial.drawn, self._assembler.dense_drew.get(trial.key.seed, {})))
        if trial.narrowing is not None:
            model, pruning = self._model, self._experiment.pruning
            checks.append(audit_masks.density(model.shapes(), model.groups(), pruning, trial.key.round, trial.mask))
            moves = None if trial.seen is None else trial.seen.moves
            record = trial.snapshots.get(audit_shrinking.PART, {})
            checks += audit_shrinking.checks(self._experiment, trial.mask, moves, record)
        if trial.seen is not None:
            start = self._prepared[trial.id].start
            checks += audit_schedule.checks(
                self._experiment, trial.key, trial.seen, trial.mask, start.weights, final, optimizer, start.optimizer,
                trial.snapshots,
            )  # fmt: skip
        return checks

    def stored(self, trial: RunningTrial, path: Path, sha256: str) -> Check:
        """The file of a trial, read back, against what was trained."""
        arrays, _ = load_tensors(path, sha256)
        found = assemble.unpack_trained(arrays, self._experiment, self._assembler.network(trial.key))
        wrong = assemble.differing(fingerprints(trial), assemble.fingerprints_of(found))
        detail = f"other than trained: {', '.join(wrong)}" if wrong else "the file has what was trained"
        return Check("stored", not wrong, detail)


def fingerprints(trial: RunningTrial) -> dict[str, str]:
    """Of a trial that has ended, by part of its file."""
    parts: Mapping[str, Weights] = {"mask": trial.mask, **trial.snapshots}
    found = {name: fingerprint(weights) for name, weights in parts.items()}
    return found if trial.seen is None else {**found, "final": trial.seen.final}
