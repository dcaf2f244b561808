"""One attempt at a batch: audits tickets, trains them as a stack, publishes results in its folder."""

import json
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lth_core.batches.batch import BatchFolder, BatchSpec, Superseded, TrialSpec
from lth_core.batches.exit_codes import CHECKPOINTED, DONE, NotEnoughSpace
from lth_core.errors import InputError
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey, plan
from lth_core.long_work import heard_by
from lth_core.store.log_parts import LogParts, load_parts
from lth_core.store.records import RecordWriter, begins_with, read_all
from lth_core.store.tensorboard import TrialLog
from lth_core.store.tensors import Arrays, load_newest_checkpoint, save_checkpoint, save_tensors
from lth_core.store.workspace import Workspace
from lth_core.tasks import trained_on
from lth_core.text import one_line
from lth_core.tickets import mask as masks
from lth_core.tickets.check import Check
from lth_core.tickets.mask import Mask, Weights
from lth_core.training.families import data_summary, make_model, make_stack
from lth_core.training.run import RunningTrial, StackRun
from lth_core.training.stack import Interrupted, Stack
from lth_core.training.witness import Witness
from lth_core.worker import second_score
from lth_core.worker.assemble import Assembler, DamagedParent, Prepared, pack_trained
from lth_core.worker.audits import Audits, fingerprints
from lth_core.worker.journal import Journal
from lth_core.worker.ran_with import with_versions
from lth_core.worker.sparse_rounds import densities
from lth_core.worker.stack_costs import WORTH, StackCosts

log = logging.getLogger("lth.attempt")


class Attempt:
    """One attempt; the Sink of its run."""

    def __init__(
        self, workspace: Workspace, spec: BatchSpec, attempt: int, device: str, must_stop: Callable[[], bool],
        coming: int = 0,
    ) -> None:  # fmt: skip
        """coming: tickets in the stacks of the next round, whose cost is to be measured; 0: measure nothing.

        Prepares the data, if nobody has. Raises Interrupted if it must stop meanwhile.
        """
        self._workspace, self._attempt, self._device = workspace, attempt, device
        self.must_stop = must_stop
        self._batch = BatchFolder(workspace.batch(spec.batch))
        self.folder = self._batch.attempt(attempt)
        self._spec = spec
        self._experiment: Experiment = spec.experiment
        self._again = second_score.chosen(self._experiment)
        self._records = RecordWriter(self.folder / "records.jsonl")
        self._went_on_from: dict[str, list[int]] = {}  # records of earlier attempts, as `checkpoint` has them
        self._parts = LogParts(self.folder)
        self._logs: dict[int, TrialLog] = {}
        self._journal = Journal(spec.experiment)
        self._coming, self._costs = coming, None  # type: tuple[int, StackCosts | None]
        self._made, self._before = time.monotonic(), 0.0  # seconds until the training began
        self._heard = self._made
        whole = make_model(self._experiment)
        self._assembler = Assembler(workspace, self._spec, whole, device)
        self._model = self._assembler.network(self._spec.trials[0].key)
        with heard_by(self._prepares):
            self._data = data_summary(self._experiment)
        task, model = self._experiment.task, self._experiment.model
        self._audits = Audits(self._experiment, self._assembler, self._model, self._data)
        self._trained_on = trained_on.found(task, model) | ({} if self._data is None else {"data": self._data})
        trained_on.compare(dict(spec.trained_on), self._trained_on, task)

    def ran_with(self, facts: dict[str, Any]) -> None:
        """Record versions, threads, device and data of this attempt."""
        whole = with_versions(facts, self._experiment) | {"trained_on": self._trained_on}
        self._append(kind="ran", batch=self._spec.batch, attempt=self._attempt, facts=whole)

    def run(self) -> int:
        """Train the batch; returns DONE or CHECKPOINTED. Raises Superseded, or the fault that ended it."""
        prepared = [p for trial in self._spec.trials if (p := self._prepare(trial)) is not None]
        if not prepared:
            return DONE
        stack = make_stack(self._experiment, self._model, [p.start for p in prepared], self._device)
        trials = [RunningTrial(p.trial.id, p.trial.key, p.start.mask, p.narrowing, p.moving) for p in prepared]
        run = StackRun(self._experiment, stack, trials, self)
        run.keep([row for row, p in enumerate(prepared) if self._audit_start(p, stack, row)])
        folders = [*self._batch.attempts().values()]
        checkpoint = load_newest_checkpoint(
            folders, {trial.id for trial in trials}, self._has_its_records,
            lambda values: load_parts(folders, values.get("parts", [])),
        )  # fmt: skip
        if checkpoint is not None:
            self._check_data(checkpoint[1])
            self._went_on_from = checkpoint[1].get("records", {})
            self._parts.goes_on(checkpoint[1].get("parts", []))
            run.restore(*checkpoint)
            log.info("resumed at step %d with %d tickets", stack.trained, stack.tickets)
        ended = self._ended_before()
        run.keep([row for row, trial in enumerate(run.trials) if trial.id not in ended])
        self._check_space(stack, len(run.trials))
        for trial in run.trials:
            self._open_log(trial, stack.trained, resumed=checkpoint is not None)
        if form := stack.form():
            self._append(kind="note", text=f"batch {self._spec.batch}: {form}")
        self._before = time.monotonic() - self._made
        keys = [trial.key for trial in run.trials]
        self._journal.begins(self._spec.batch, self._attempt, self._device, keys, stack.trained)
        return DONE if run.run() else CHECKPOINTED

    def rehearse(self) -> Stack:
        """Do for a dense run all that is done besides training and judging it, for a measurement; its new stack."""
        (trial,) = self._spec.trials
        prepared = self._assembler.prepare(trial)
        stack = make_stack(self._experiment, self._model, [prepared.start], self._device)
        running = RunningTrial(trial.id, trial.key, prepared.start.mask)
        self._audit_start(prepared, stack, 0)
        self._open_log(running, 0, resumed=False)
        running.snapshots = {name: stack.weights(0) for name in ("init", "rewind")}
        self._audits.after(running, stack.weights(0), stack.optimizer_state(0))
        running.seen = Witness(self._experiment, stack, [running]).seen(stack, 0, running)
        path = self.folder / f"trial-{trial.id}.safetensors"
        self._audits.stored(running, path, self._store(path, running, 0, stack.weights(0)))
        self._records.sync()
        return stack

    def _has_its_records(self, step: int, values: dict[str, Any]) -> bool:
        """Whether the records from before a checkpoint are complete; earlier versions did not store their checksum."""
        for number, (size, crc) in values.get("records", {}).items():
            if not begins_with(self._batch.attempt(int(number)) / "records.jsonl", size, crc):
                text = (
                    f"batch {self._spec.batch} does not go on from its checkpoint at step {step}: the records of "
                    f"attempt {int(number)} before it are no longer what was written; what they held is trained again"
                )
                log.warning(text)
                self._append(kind="note", text=text)
                return False
        return True

    def _check_data(self, values: dict[str, Any]) -> None:
        """Raise InputError if a checkpoint was made with other data; earlier versions did not store that."""
        was = values.get("data")
        if was is not None and was != self._data:
            raise InputError(
                f"the checkpoint was trained on other data ({one_line(was, 400)}) than there is now "
                f"({one_line(self._data, 400)}): expected the data as it was"
            )

    def _ended_before(self) -> set[int]:
        """Trials whose result an earlier attempt published; they are not trained again."""
        records = (one for folder in self._batch.attempts().values() for one in read_all(folder / "records.jsonl"))
        return {record.get("trial", 0) for record in records if record.get("kind") in ("done", "failed")}

    def _check_space(self, stack: Stack, tickets: int) -> None:
        """Raise NotEnoughSpace if the disk lacks space for what will be written; at its start, by the whole job."""
        arrays, _ = stack.state()
        checkpoints = 3 * sum(array.nbytes for array in arrays.values())  # two kept while one is written
        checkpoints += 0 if stack.log is None else 2 * stack.log.bytes  # the older one's oldest part may have its own
        parameters = 4 * sum(shape.numel() for shape in self._model.shapes().values())
        first = any(trial.key.arm == DENSE for trial in self._spec.trials)
        trials = len(plan(self._experiment)) + 3 * len(self._experiment.seeds) if first else tickets
        needed = checkpoints + trials * (parameters + parameters // 32 + 10_000)
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise NotEnoughSpace(needed, free)

    def close(self) -> None:
        """Make what was recorded durable."""
        self._journal.flush()
        if self._costs is not None:
            self._costs.close()
        self._records.close()
        for trial_log in self._logs.values():
            trial_log.close()

    def _prepare(self, trial: TrialSpec) -> Prepared | None:
        try:
            return self._assembler.prepare(trial)
        except DamagedParent as error:
            self._check_current()  # a moved workspace is not damaged
            self._fail(trial.id, f"a trial it builds on is damaged: {error}", damaged=[error.parent.id])
            return None
        except Exception as error:
            log.exception("%s cannot be derived", trial.key)
            self._check_current()
            self._fail(trial.id, f"its ticket cannot be derived: {error}")
            return None

    def _audit_start(self, p: Prepared, stack: Stack, row: int) -> bool:
        checks = self._audits.before(p, stack, row)
        self._publish_layers(p.trial.id, p.start.mask)
        return self._passed(p.trial.id, "before", checks)

    def _passed(self, trial: int, moment: str, checks: list[Check]) -> bool:
        self._append(
            kind="audit", trial=trial, moment=moment, batch=self._spec.batch, attempt=self._attempt,
            checks=[[c.name, c.passed, c.detail] for c in checks],
        )  # fmt: skip
        failed = [c for c in checks if not c.passed]
        if failed:
            self._fail(trial, "audit: " + "; ".join(f"{c.name}: {c.detail}" for c in failed))
        return not failed

    def _publish_layers(self, trial: int, mask: Mask) -> None:
        rows: list[tuple[str, list[int], int, int, bool]] = []
        for name, shape in self._model.shapes().items():
            kept = int(mask[name].sum()) if name in mask else shape.numel()
            rows.append((name, list(shape), shape.numel(), kept, name in mask))
        prunable, whole = self._assembler.sizes  # of the experiment's network, also where this is a narrower one
        self._append(
            kind="layers", trial=trial, layers=rows, density=masks.total(mask) / prunable if prunable else 1.0,
            model_density=sum(row[3] for row in rows) / whole,
        )  # fmt: skip

    def _open_log(self, trial: RunningTrial, step: int, *, resumed: bool) -> None:
        self._check_current()  # never create the folder of a workspace that was moved
        job_folder = self._workspace.inside(self._spec.tensorboard)
        trial_log = self._logs[trial.id] = TrialLog(job_folder, trial.key, step, resumed=resumed)
        trial_log.hparams({**_hyperparameters(self._experiment, trial.key), "density": self._density(trial)})
        if resumed:
            return  # its start is in an earlier file
        sparsity = {f"sparsity/{name}": 1 - float(m.float().mean()) for name, m in trial.mask.items()}
        trial_log.scalars(sparsity, step)

    def _density(self, trial: RunningTrial) -> float:
        """The density of the mask; of a mask that shrinks, its density at the end."""
        if trial.narrowing is not None:
            model = self._model
            return densities(model, self._experiment.pruning)[trial.key.round - 1]
        prunable, _ = self._assembler.sizes  # of the experiment's network, also where this is a narrower one
        return masks.total(trial.mask) / prunable if prunable else 1.0

    def metrics(self, trial: RunningTrial, step: int, values: dict[str, float]) -> None:
        """See Sink."""
        self._append(kind="metrics", trial=trial.id, step=step, values=values)
        self._logs[trial.id].scalars(values, step)
        self._journal.record(trial.key, step, values)

    def finished(self, trial: RunningTrial, step: int, final: Weights, optimizer: dict[str, Weights]) -> None:
        """See Sink. The audit after training, then the tensors, then the record of the result."""
        checks = self._audits.after(trial, final, optimizer)
        if trial.narrowing is not None:
            self._publish_layers(trial.id, trial.mask)
        path, sha256 = self.folder / f"trial-{trial.id}.safetensors", ""
        if all(check.passed for check in checks):
            sha256 = self._store(path, trial, step, final)
            checks.append(self._audits.stored(trial, path, sha256))
        if not self._passed(trial.id, "after", checks):
            path.unlink(missing_ok=True)
            return
        if trial.key in self._again:
            again = second_score.check(
                self._experiment, self._assembler.network(trial.key), trial, path, sha256, self._device,
                lambda: not self.must_stop(),
            )  # fmt: skip
            if again and not self._passed(trial.id, "after", again):
                path.unlink(missing_ok=True)
                return
        relative = str(path.relative_to(self._workspace.folder))
        self._logs[trial.id].scalars({"score": trial.score}, step)
        self._check_current()  # again: the disk may have taken a while
        self._append(kind="done", trial=trial.id, step=step, score=trial.score, tensors=relative, sha256=sha256)
        self._records.sync()
        self._journal.finished(trial.key, step, trial.score)

    def _store(self, path: Path, trial: RunningTrial, step: int, final: Weights) -> str:
        """Write a trial's tensors; returns the file's SHA-256."""
        card = {
            "arm": trial.key.arm, "round": trial.key.round, "seed": trial.key.seed, "step": step,
            "experiment": self._experiment.identity, "data": self._data, "trained_on": self._trained_on,
            "mask": [[name, list(m.shape)] for name, m in trial.mask.items()], "drawn": trial.drawn,
            "fingerprints": fingerprints(trial),
        }  # fmt: skip
        self._check_current()
        return save_tensors(path, pack_trained(trial, final), card)

    def failed(self, trial: RunningTrial, error: str) -> None:
        """See Sink."""
        self._fail(trial.id, error)

    def checkpoint(self, step: int, arrays: Arrays, values: dict[str, Any]) -> None:
        """See Sink. Records are flushed first, so that a checkpoint never follows records that were lost.

        The checkpoint stores the length and CRC-32 of the records, by attempt.
        """
        self._check_current()
        self._records.sync()
        records = {**self._went_on_from, str(self._attempt): self._records.written}
        said = {"trained_on": self._trained_on, "records": records}
        said |= {} if self._data is None else {"data": self._data}
        begun = time.monotonic()
        size = sum(array.nbytes for array in arrays.values()) / 1e6
        if (log := values.get("log")) is not None:
            arrays, said["parts"] = self._parts.save(arrays, log["first"], log["total"])
        save_checkpoint(self.folder, step, arrays, {**values, **said})
        self._parts.clear()
        self._journal.checkpoint(step, size, time.monotonic() - begun)

    def beat(self, fraction: float, rate: float, whole: float | None) -> None:
        """See Sink. Not synced to disk: a beat may be lost."""
        self._check_current()
        self._journal.speed(rate)
        if self._costs is None and self._coming and whole is not None and whole >= WORTH:
            self._costs = StackCosts(self._experiment, self._model, {len(self._spec.trials), self._coming})
        said: dict[str, Any] = {"fraction": fraction, "rate": rate, "whole": whole, "before": self._before}
        if self._costs is not None and (found := self._costs.found()):
            said["costs"] = found
        self._publish_beat(said)

    def _prepares(self, what: str, share: float | None) -> None:
        """A sign of life of work before the training; ends it with Interrupted if it must stop."""
        if time.monotonic() - self._heard < 1.0:
            return
        self._heard = time.monotonic()
        self._check_current()
        if self.must_stop():
            raise Interrupted
        self._journal.prepares(what, share)
        self._publish_beat({"doing": what, "share": share})

    def _publish_beat(self, said: dict[str, Any]) -> None:
        temporary = self.folder / ".beat.tmp"
        try:
            temporary.write_text(json.dumps(said))
        except OSError:  # a full disk leaves a part of it
            temporary.unlink(missing_ok=True)
            raise
        temporary.replace(self.folder / "beat.json")

    def _fail(self, trial: int, error: str, **more: Any) -> None:
        self._journal.flush()
        log.error("trial %d failed: %s", trial, error)
        self._append(kind="failed", trial=trial, error=error, **more)

    def _append(self, **record: Any) -> None:
        self._records.append(record)

    def _check_current(self) -> None:
        """Raise Superseded if another attempt is current, OSError if the folder is gone."""
        if not self._batch.is_current(self._attempt):
            raise Superseded(f"attempt {self._attempt} was superseded")


def _hyperparameters(experiment: Experiment, key: TrialKey) -> dict[str, str | int | float | bool]:
    found: dict[str, str | int | float | bool] = {
        "arm": key.arm, "round": key.round, "seed": key.seed,
    }  # fmt: skip
    for section in ("task", "model", "training", "pruning", "rewinding"):
        for name, value in getattr(experiment, section):
            if isinstance(value, (str, int, float, bool)):
                found[f"{section}.{name}"] = value
    return found
