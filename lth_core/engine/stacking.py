"""Whether the tickets of a job train together or one per slot, if only a measurement of both rates can tell.

Imports no torch: the rates come from `engine.measure`, in a process of its own.
"""

import json
import math
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from lth_core import places
from lth_core.batches.processes import command, variables
from lth_core.engine.slots import Slot
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.stack_sizes import most_tickets
from lth_core.store.database import Database
from lth_core.store.events import add_event

SIZE = 4
"""Tickets in the stack that is compared with a single one."""
PAYS = 1.1
"""How many times the rate of one ticket a stack must reach in total; smaller gains are noise."""
SECONDS = 3.0
PATIENCE = 300.0
"""Seconds after which an unfinished measurement is given up."""


@dataclass(frozen=True)
class StackSize:
    """The most tickets that train together, and a sentence why."""

    largest: int
    text: str


def stack_size(experiment: Experiment, rates: Mapping[str, float]) -> StackSize:
    """From the rates of stacks of 1 and SIZE tickets (keys "1" and str(SIZE)), in steps per second of all tickets."""
    ratio = rates[str(SIZE)] / rates["1"]
    pays = ratio >= PAYS
    largest = experiment.model.largest_stack if pays else 1
    what = f"stacks of up to {largest}" if pays else "one per slot"
    return StackSize(
        largest, f"a stack of {SIZE} trains at {ratio:.2f} times the rate of one per slot (measured): {what}"
    )


def start_measuring(
    experiment: Experiment,
    slot: Slot,
    tickets: Sequence[int],
    seconds: float,
    out: IO[bytes] | int,
    *more: str,
) -> "subprocess.Popen[bytes]":
    """Start a process that measures stacks of these sizes and writes JSON to `out`; see worker.measure.

    more: what else is asked of it.
    """
    asked = [slot.device, ",".join(map(str, tickets)), str(seconds), *more]
    process = subprocess.Popen(
        command("lth_core.worker.measure", *asked),
        stdin=subprocess.PIPE, stdout=out, stderr=subprocess.PIPE if out == subprocess.PIPE else subprocess.DEVNULL,
        env=variables(slot.threads),
    )  # fmt: skip
    assert process.stdin is not None  # noqa: S101 opened as a pipe
    process.stdin.write(json.dumps({"experiment": experiment.canonical()}).encode())
    process.stdin.close()
    process.stdin = None
    return process


class Stacking:
    """The stack sizes decided by one engine, each an event of its job; at most one measurement runs at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._decided: dict[int, int] = {}
        self._job, self._experiment = 0, Experiment(name="none", seeds=(0,))
        self._process: subprocess.Popen[bytes] | None = None
        self._out: IO[bytes] | None = None
        self._started = 0.0

    def largest(self, job: int, experiment: Experiment, slot: Slot) -> int | None:
        """The most tickets of a job that train together on such a slot; None while that is measured."""
        if not experiment.model.stack_is_measured:
            return most_tickets(experiment, slot.kind)
        if job in self._decided:
            return self._decided[job]
        if self._process is None:
            self._out = tempfile.TemporaryFile(dir=places.temporary(self._database.path.parent))  # noqa: SIM115 closed when it is read
            self._process = start_measuring(experiment, slot, (1, SIZE), SECONDS, self._out)
            self._job, self._experiment, self._started = job, experiment, time.monotonic()
        self._look()  # also for another job, which may have been deleted
        return self._decided.get(job)

    def _look(self) -> None:
        assert self._process is not None and self._out is not None  # noqa: S101 see largest
        if self._process.poll() is None:
            if time.monotonic() - self._started < PATIENCE:
                return
            self.close()
            size = StackSize(1, f"measuring a stack of {SIZE} took over {PATIENCE:.0f} s: one per slot")
        else:
            self._out.seek(0)
            size = _read(self._experiment, self._out.read())
            self.close()
        self._decided[self._job] = size.largest
        with self._database.transaction() as connection:
            add_event(connection, "stacking", size.text, self._job)

    def close(self) -> None:
        """End a measurement that still runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._out is not None:
            self._out.close()
            self._out = None


def _read(experiment: Experiment, out: bytes) -> StackSize:
    try:
        rates = json.loads(out)["rates"]
        if all(math.isfinite(rate) and rate > 0 for rate in rates.values()):
            return stack_size(experiment, rates)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return StackSize(1, f"a stack of {SIZE} could not be measured: one per slot")
