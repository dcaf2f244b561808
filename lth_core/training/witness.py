"""The witness of a run: counts updates and notes weights by itself, for the audit of schedules and snapshots.

It uses neither the run's snapshots nor, where updates can be counted, the stack's counters.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.tickets import audit_average, audit_moving, audit_shrinking, expected_moving, expected_schedule
from lth_core.tickets.audit_average import Projected
from lth_core.tickets.audit_schedule import Seen
from lth_core.tickets.fingerprint import fingerprint
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.mask_changes import After, Before, Moves
from lth_core.training.stack import Arrays, Stack


class Watched(Protocol):
    """A trial of the stack."""

    id: int
    key: TrialKey


class Witness:
    """What is seen of the trials of one run, each a row of the stack."""

    def __init__(self, experiment: Experiment, stack: Stack, trials: Sequence[Watched]) -> None:
        self._experiment = experiment
        self._updates: int | None = 0
        self._before, self._trained = stack.counter - stack.first, trials
        self._due = {one.id: expected_schedule.points(experiment, one.key.arm) for one in trials}
        self._noted: dict[int, dict[str, tuple[int, str]]] = {one.id: {} for one in trials}
        self._averaging = {one.key.arm for one in trials if expected_schedule.averages(experiment, one.key.arm)}
        self._points: dict[int, int] | None = {one.id: 0 for one in trials}
        self._averaged: dict[int, Projected] = {one.id: {} for one in trials}
        arms = {one.id: experiment.arm_named(one.key.arm) for one in trials if one.key.arm != DENSE}
        changing = [id for id, arm in arms.items() if arm.moves or arm.mask == "gradual"]
        self._moves: dict[int, Moves | None] = {id: Moves() for id in changing}
        self._note(stack, trials)

    def update(self, stack: Stack, trials: Sequence[Watched]) -> None:
        """Train the stack once."""
        self._before, self._trained = stack.counter - stack.first, trials
        stack.update()
        if self._updates is not None:
            self._updates += 1
            self._note(stack, trials)
            self._add(stack, trials)

    def before_change(self, stack: Stack, row: int, mask: Mask) -> Before:
        """What a ticket with this mask has just before it moves."""
        before, entries = self.before_shrinking(stack, row, mask), _entries(stack, row)
        return replace(before, entries=entries, gradient=stack.gradient(row))

    def before_shrinking(self, stack: Stack, row: int, mask: Mask) -> Before:
        """What a ticket with this mask has just before it shrinks, without the optimizer's entries: those of weights
        that stay at zero change nothing, and are looked at when the training has ended."""
        return Before(mask, stack.weights(row), {}, stack.followers(row))

    def changed(self, stack: Stack, row: int, trial: Watched, before: Before, mask: Mask) -> None:
        """Check a mask that has just moved."""
        moves, shares = self._moves[trial.id], self._done(stack, row, trial)
        if moves is not None:
            earlier, number = (expected_moving.number_of(self._experiment, done) for done in shares)
            learnt_before = (self._updates or 0) > expected_schedule.first_learning(self._experiment)
            if earlier >= number and learnt_before:
                said = f"change {number} came after {stack.trained:,} training steps, though it was due before"
                moves.note("changes", said)
            after = After(mask, stack.weights(row), _entries(stack, row), stack.followers(row))
            audit_moving.see(moves, self._experiment, trial.key, number, before, after)

    def shrank(
        self, stack: Stack, row: int, trial: Watched, before: Before, mask: Mask, step: int, record: Weights
    ) -> Weights:  # fmt: skip
        """Look at a mask that has just shrunk, in this step of pruning. Returns its record with that (see
        audit_shrinking), or nothing if an earlier version saw its first steps."""
        if (moves := self._moves[trial.id]) is None:
            return {}
        done, after = self._done(stack, row, trial), After(mask, stack.weights(row), {}, stack.followers(row))
        return audit_shrinking.see(moves, stack.trained, done, step, before, after, record)

    def _done(self, stack: Stack, row: int, trial: Watched) -> tuple[float, float]:
        """The shares of a training that are done before and after the last update, by its own count where updates can
        be counted."""
        if expected_schedule.passed(self._experiment, 1, stack.steps_per_unit) is None:
            was, now = (games / int(stack.last[row] - stack.first[row]) for games in self._games(stack, row, trial))
            return was, now
        arm, updates = trial.key.arm, self._updates or 0
        was, now = (
            expected_moving.done_after(self._experiment, arm, count, stack.steps_per_unit)
            for count in (updates - 1, updates)
        )
        return was, now

    def _games(self, stack: Stack, row: int, trial: Watched) -> tuple[int, int]:
        """How much of its training the stack has counted before and after the last update."""
        row_then = [one.id for one in self._trained].index(trial.id)
        return int(self._before[row_then]), int(stack.counter[row] - stack.first[row])

    def _note(self, stack: Stack, trials: Sequence[Watched]) -> None:
        """Note the weights of trials that have reached a point where a snapshot is due."""
        for row, one in enumerate(trials):
            if not (due := self._due[one.id]):
                continue
            passed = expected_schedule.passed(self._experiment, self._updates or 0, stack.steps_per_unit)
            passed = int(stack.counter[row] - stack.first[row]) if passed is None else passed
            at = expected_schedule.start(self._experiment, one.key.arm) + passed
            for name in [name for name, point in due.items() if point <= at]:
                self._noted[one.id][name] = at, fingerprint(stack.weights(row))
                del due[name]

    def _add(self, stack: Stack, trials: Sequence[Watched]) -> None:
        """Add weights and running statistics to the sums, where they are due for the mean that is scored: arms of one
        stack may be trained for different times."""
        if not self._averaging or self._points is None:
            return
        arms, updates = self._averaging & {one.key.arm for one in trials}, self._updates or 0
        unit = stack.steps_per_unit
        due = {arm for arm in arms if expected_schedule.is_averaged(self._experiment, arm, updates, unit)}
        for row, one in enumerate(trials) if due else ():
            if one.key.arm in due:
                self._points[one.id] += 1
                point = audit_average.projected({**stack.weights(row), **stack.statistics(row)})
                self._averaged[one.id] = audit_average.added(self._averaged[one.id], point)

    def seen(self, stack: Stack, row: int, trial: Watched) -> Seen:
        """What was seen of a trial in a row of the stack that has ended."""
        games = self._games(stack, row, trial)
        final, points = fingerprint(stack.weights(row)), None if self._points is None else self._points[trial.id]
        return Seen(
            self._updates, stack.steps_per_unit, games, float(stack.rates[row]), self._noted[trial.id], final,
            points, self._averaged[trial.id], self._moves.get(trial.id),
        )  # fmt: skip

    def state(self, stack: Stack) -> dict[str, Any] | None:
        """What was seen so far as JSON values, with the learning rates that the stack used."""
        if self._updates is None:
            return None
        noted = {str(id): found for id, found in self._noted.items()}
        averaged = {str(id): found for id, found in self._averaged.items()}
        points = None if self._points is None else {str(id): count for id, count in self._points.items()}
        return {
            "updates": self._updates, "rates": stack.rates.tolist(), "noted": noted,
            "points": points, "averaged": averaged,
            "moves": {str(id): one.state() for id, one in self._moves.items() if one is not None},
        }  # fmt: skip

    def arrays(self) -> Arrays:
        """What the last changes of masks grew, packed to bits, by trial."""
        moved = {id: one.new for id, one in self._moves.items() if one is not None and len(one.new)}
        return {f"grown/{id}": np.packbits(new) for id, new in moved.items()}

    def restore(self, stack: Stack, values: Any, arrays: Arrays) -> None:
        """The inverse of `state` and `arrays`. Earlier versions stored nothing, and what came before is unknown."""
        if values is None:
            self._updates = self._points = None
            self._moves = dict.fromkeys(self._moves)
            return
        self._points = self._points_of(values.get("points"))
        for id, sums in values.get("averaged", {}).items():
            self._averaged[int(id)] = {name: (total, norms) for name, (total, norms) in sums.items()}
        self._moves = dict.fromkeys(self._moves)
        for id, seen in values.get("moves", {}).items():
            new = np.unpackbits(arrays.get(f"grown/{id}", np.zeros(0, np.uint8))).astype(bool)
            self._moves[int(id)] = Moves(**seen, new=new)
        self._updates, stack.rates = values["updates"], np.array(values["rates"])
        for id in self._noted:
            found = values["noted"].get(str(id), {})
            self._noted[id] = {name: (int(at), str(digest)) for name, (at, digest) in found.items()}
            self._due[id] = {name: point for name, point in self._due[id].items() if name not in found}

    def _points_of(self, stored: Any) -> dict[int, int] | None:
        """Stored points by trial. Earlier versions counted those of a stack together, which says something of a stack
        of one."""
        if isinstance(stored, dict):
            return dict.fromkeys(self._noted, 0) | {int(id): int(count) for id, count in stored.items()}
        return {id: int(stored) for id in self._noted} if stored is not None and len(self._noted) == 1 else None


def _entries(stack: Stack, row: int) -> dict[str, Weights]:
    """A ticket's optimizer entries that belong to weights."""
    return {entry: weights for entry, weights in stack.optimizer_state(row).items() if entry != "count"}
