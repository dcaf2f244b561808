"""Runs a stack to its end: records, snapshots, checkpoints, tickets that finish or diverge.

Everything happens at steps that the experiment fixes, never at a time, so that an interrupted and resumed run is the
same run. Knows no files: results go to a `Sink`.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.tickets import audit_shrinking, mask_history
from lth_core.tickets import mask as masks
from lth_core.tickets.audit_schedule import Seen
from lth_core.tickets.check import Check
from lth_core.tickets.gradual import Narrowing
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.moving import Moving
from lth_core.training.stack import Arrays, Interrupted, Stack, under
from lth_core.training.witness import Witness


@dataclass
class RunningTrial:
    """A trial of the stack, with its weights by name of the snapshot, and its last score.

    values: its last record. narrowing, moving: how its mask shrinks or moves, if it does; changed: the number of the
    last step of that which is done.
    drawn, checks: see Stack, at its end; seen: see Witness, at its end.
    """

    id: int
    key: TrialKey
    mask: Mask
    narrowing: Narrowing | None = None
    moving: Moving | None = None
    changed: int = 0
    score: float = math.nan
    values: dict[str, float] = field(default_factory=dict)
    snapshots: dict[str, Weights] = field(default_factory=dict)
    drawn: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    seen: Seen | None = None


class Sink(Protocol):
    """Receives a run's results. Any method may raise to end the run."""

    def metrics(self, trial: RunningTrial, step: int, values: dict[str, float]) -> None:
        """Record values at a step."""

    def finished(self, trial: RunningTrial, step: int, final: Weights, optimizer: dict[str, Weights]) -> None:
        """The trial has ended, with its final score."""

    def failed(self, trial: RunningTrial, error: str) -> None:
        """The trial cannot continue; the rest of the stack does."""

    def checkpoint(self, step: int, arrays: Arrays, values: dict[str, Any]) -> None:
        """Save this, so that the run can continue from here."""

    def beat(self, fraction: float, rate: float, whole: float | None) -> None:
        """A sign of life: fraction done of the stack's training, steps per second of all its tickets.

        whole: seconds of the whole training at the rate so far; None before anything is trained.
        """

    def must_stop(self) -> bool:
        """Whether to checkpoint and stop."""


class StackRun:
    """One stack of trials from its start, or from a checkpoint, to the end of each."""

    def __init__(self, experiment: Experiment, stack: Stack, trials: Sequence[RunningTrial], sink: Sink) -> None:
        self.experiment, self.stack, self.sink = experiment, stack, sink
        self.trials = list(trials)
        self._witness = Witness(experiment, stack, self.trials)
        self._beat_at, self._beat_steps = time.monotonic(), 0
        self._begun, self._share_before = self._beat_at, 0.0
        self._logged = 0  # entries of the stack's log that checkpoints hold

    def run(self) -> bool:
        """Train until every trial has ended (True) or `must_stop` (False, with a checkpoint if possible)."""
        self._drop(self.stack.faults())
        self._take_snapshots()
        if self.trials:
            self._begun, self._share_before = time.monotonic(), float(self._passed_share().mean())
        while self.trials:
            if self.sink.must_stop():
                if self.stack.can_save:
                    self._checkpoint()
                return False
            before, training = self.stack.trained, self.stack.tickets
            self._witness.update(self.stack, self.trials)
            self._drop(self.stack.faults())
            if not self.trials:
                break
            self._take_snapshots()
            self._narrow()
            self._move()
            at_end = self.stack.counter >= self.stack.last
            everyone = self._passed(before, self.experiment.training.record_every)
            if everyone or at_end.any():
                rows = [row for row in range(len(self.trials)) if everyone or at_end[row]]
                try:
                    validated = self.stack.validate(self._go_on)
                    evaluated = self._evaluate(np.flatnonzero(at_end).tolist())
                except Interrupted:  # keep the last checkpoint: what follows it is trained again
                    return False
                self._record(rows, {row: validated[row] | evaluated.get(row, {}) for row in rows})
                self._drop(self._unscored() | self._broken() | self.stack.faults())
                self._finish_those_at_their_end()
            if self.trials and self._passed(before, self.experiment.training.checkpoint_every):
                if not self.stack.can_save:
                    self.stack.restart()
                self._checkpoint()
            self._beat(training * (self.stack.trained - before))
        return True

    def restore(self, arrays: Arrays, values: dict[str, Any]) -> None:
        """Continue from a checkpoint: the trials that were running then, at their step."""
        ids = [trial.id for trial in self.trials]
        rows = [ids.index(id) for id in values["trials"]]
        self.keep(rows)
        for trial in self.trials:
            for name in values["snapshots"].get(str(trial.id), []):
                found = under(arrays, f"snapshot/{trial.id}/{name}/")
                trial.snapshots[name] = {key: torch.from_numpy(array.copy()) for key, array in found.items()}
        self.stack.restore(arrays, values["stack"])
        self._restore_log(arrays, values)
        self._witness.restore(self.stack, values.get("witness"), arrays)
        for row, trial in enumerate(self.trials):
            trial.changed = values.get("narrowed", {}).get(str(trial.id), 0)
            if trial.changed:
                sizes = {name: m.shape for name, m in trial.mask.items()}
                trial.mask = masks.unpack(arrays[f"narrowed/{trial.id}"], sizes)
                self.stack.narrow(row, trial.mask)

    def _restore_log(self, arrays: Arrays, values: dict[str, Any]) -> None:
        """Put together what checkpoints have added to the stack's log, each from its own number on."""
        log = self.stack.log
        if log is None or not values["log"]["total"]:
            return
        whole = []
        for trial in self.trials:
            parts = under(arrays, f"log/{trial.id}/")
            whole.append(np.concatenate([parts[number] for number in sorted(parts, key=int)]))
            first = min(map(int, parts))
        self._logged = values["log"]["total"]
        needed = values["log"]["first"] - first
        log.fill(values["log"]["first"], np.stack(whole)[:, needed:])

    def _added(self) -> Arrays:
        """What was added to the stack's log since the last checkpoint, by trial and number."""
        log = self.stack.log
        if log is None or log.total == self._logged:
            return {}
        number = max(self._logged, log.first)
        self._logged = log.total
        entries = log.since(number)
        return {f"log/{trial.id}/{number}": own for trial, own in zip(self.trials, entries, strict=True)}

    def _checkpoint(self) -> None:
        arrays, values = self.stack.state()
        if (log := self.stack.log) is not None:
            arrays |= self._added()
        for trial in self.trials:
            for name, weights in trial.snapshots.items():
                arrays |= {f"snapshot/{trial.id}/{name}/{key}": w.numpy() for key, w in weights.items()}
        narrowed = [trial for trial in self.trials if trial.changed]
        arrays |= {f"narrowed/{trial.id}": masks.pack(trial.mask) for trial in narrowed}
        arrays |= self._witness.arrays()
        state = {
            "stack": values, "trials": [trial.id for trial in self.trials],
            "snapshots": {str(trial.id): list(trial.snapshots) for trial in self.trials},
            "narrowed": {str(trial.id): trial.changed for trial in narrowed},
            "witness": self._witness.state(self.stack),
        }  # fmt: skip
        if log is not None:
            state["log"] = {"first": log.first, "total": log.total}
        self.sink.checkpoint(self.stack.trained, arrays, state)

    def _passed(self, before: int, every: int) -> bool:
        return self.stack.trained // every > before // every

    def _take_snapshots(self) -> None:
        """Weights at the rewind point (of dense runs, with the optimizer's if wanted) and at `prune_from`."""
        rewinding, counter = self.experiment.rewinding, self.stack.counter
        for row, trial in enumerate(self.trials):
            if trial.key.arm == DENSE:
                if "init" not in trial.snapshots:
                    trial.snapshots["init"] = self.stack.weights(row)
                if "rewind" not in trial.snapshots and counter[row] >= rewinding.weights:
                    trial.snapshots["rewind"] = self.stack.weights(row)
                    if statistics := self.stack.statistics(row):
                        trial.snapshots["rewind_statistics"] = statistics
                    if rewinding.optimizer == "rewind":
                        for entry, weights in self.stack.optimizer_state(row).items():
                            trial.snapshots[f"optimizer.{entry}"] = weights
            point = rewinding.prune_from
            if point != "final" and "ranked" not in trial.snapshots and self.stack.first[row] < point <= counter[row]:
                trial.snapshots["ranked"] = self.stack.weights(row)
                if statistics := self.stack.statistics(row):
                    trial.snapshots["ranked_statistics"] = statistics

    def _narrow(self) -> None:
        """Shrink the masks that are due, and keep a record of each; a diverged training is left for the next record."""
        for row, trial in enumerate(self.trials):
            if trial.narrowing is None:
                continue
            due = trial.narrowing.due(float(self.stack.done[row]))
            if due <= trial.changed:
                continue
            before = self._witness.before_shrinking(self.stack, row, trial.mask)
            if not _finite(before.weights):
                continue
            trial.mask, trial.changed = trial.narrowing.mask(before.weights, trial.mask, due), due
            self.stack.narrow(row, trial.mask)
            record = trial.snapshots.get(audit_shrinking.PART, {})
            if record := self._witness.shrank(self.stack, row, trial, before, trial.mask, due, record):
                trial.snapshots[audit_shrinking.PART] = record
            if due == trial.narrowing.steps:
                self.stack.forget(row)

    def _move(self) -> None:
        """Move the masks that are due, and keep each; a diverged training is left for the next record."""
        for row, trial in enumerate(self.trials):
            if trial.moving is None:
                continue
            if mask_history.PART not in trial.snapshots:
                trial.snapshots[mask_history.PART] = mask_history.added({}, trial.mask, 0, 0)
            done = float(self.stack.done[row])
            due = trial.moving.due(done)
            if due <= trial.changed or not self.stack.learns:
                continue
            if trial.moving.moves(done):
                before = self._witness.before_change(self.stack, row, trial.mask)
                if not _finite(before.weights) or not _finite(before.gradient):
                    continue
                trial.mask = trial.moving.moved(before.weights, before.gradient, trial.mask, due)
                self.stack.narrow(row, trial.mask)
                self._witness.changed(self.stack, row, trial, before, trial.mask)
                history = trial.snapshots[mask_history.PART]
                trial.snapshots[mask_history.PART] = mask_history.added(history, trial.mask, self.stack.trained, due)
            trial.changed = due
            if due == trial.moving.steps:
                self.stack.forget(row)

    def _passed_share(self) -> npt.NDArray[np.float64]:
        """(T,) the share of each training that is done."""
        share: npt.NDArray[np.float64] = (self.stack.counter - self.stack.first) / (self.stack.last - self.stack.first)
        return share

    def _evaluate(self, rows: Sequence[int]) -> dict[int, dict[str, float]]:
        """Evaluation scores of the ended tickets in these rows, without those that diverged."""
        broken = self.stack.broken()
        rows = [row for row in rows if row not in broken]
        return dict(zip(rows, self.stack.evaluate(rows, self._go_on), strict=True)) if rows else {}

    def _go_on(self) -> bool:
        self._beat(0)
        return not self.sink.must_stop()

    def _record(self, rows: Sequence[int], evaluated: dict[int, dict[str, float]]) -> None:
        metrics = self.stack.metrics()
        for row in rows:
            values = metrics[row] | evaluated[row]
            if self.trials[row].narrowing is not None:
                values["density"] = masks.density(self.trials[row].mask)
            if self.trials[row].moving is not None:
                values["churn"] = mask_history.churn(self.trials[row].snapshots[mask_history.PART])
            self.trials[row].score = values.get(self.experiment.score, math.nan)
            self.trials[row].values = values
            self.sink.metrics(self.trials[row], self.stack.trained, values)
        self.stack.recorded(rows)

    def _broken(self) -> dict[int, str]:
        return dict.fromkeys(self.stack.broken(), "not a number: the training diverged")

    def _unscored(self) -> dict[int, str]:
        """Ended trials whose score is not a number, and why."""
        at_end = np.flatnonzero(self.stack.counter >= self.stack.last).tolist()
        return {row: self.stack.unscored(row) for row in at_end if not math.isfinite(self.trials[row].score)}

    def _drop(self, causes: dict[int, str]) -> None:
        """Fail the trials in these rows, with the cause of each."""
        if causes:
            for row, cause in causes.items():
                self.sink.failed(self.trials[row], f"{cause} (training step {self.stack.trained})")
            self.keep([row for row in range(len(self.trials)) if row not in causes])

    def _finish_those_at_their_end(self) -> None:
        at_end = [row for row in range(len(self.trials)) if self.stack.counter[row] >= self.stack.last[row]]
        for row in at_end:
            if statistics := self.stack.statistics(row):
                self.trials[row].snapshots["statistics"] = statistics
            if scored := self.stack.scored(row):
                self.trials[row].snapshots["scored"] = scored
            self.trials[row].seen = self._witness.seen(self.stack, row, self.trials[row])
            self.trials[row].drawn = self.stack.drawn(row)
            self.trials[row].checks = self.stack.checks(row, self.trials[row].key.seed, self.trials[row].score)
            self.sink.finished(
                self.trials[row], self.stack.trained, self.stack.weights(row), self.stack.optimizer_state(row)
            )  # fmt: skip
        self.keep([row for row in range(len(self.trials)) if row not in at_end])

    def keep(self, rows: list[int]) -> None:
        """Continue with these trials only; with none, the run is over and the stack unchanged."""
        if rows and len(rows) < len(self.trials):
            self.stack.keep(rows)
        self.trials = [self.trials[row] for row in rows]

    def _beat(self, steps: int) -> None:
        now = time.monotonic()
        self._beat_steps += steps
        if now - self._beat_at >= 1.0 and self.trials:
            share = float(self._passed_share().mean())
            trained = share - self._share_before
            whole = (now - self._begun) / trained if trained > 0 else None
            self.sink.beat(share, self._beat_steps / (now - self._beat_at), whole)
            self._beat_at, self._beat_steps = now, 0


def _finite(weights: Weights) -> bool:
    return all(bool(np.isfinite(weight.numpy()).all()) for weight in weights.values())
