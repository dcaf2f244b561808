"""What the database knows of a running job's time: its batches, remaining trials, and slots for them."""

import json
import math
from typing import Any

from lth_core.coming_stacks import Place
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.stack_sizes import most_tickets
from lth_core.round_costs import relative
from lth_core.settings.launcher import LocalLauncher
from lth_core.store.batches import largest_stack
from lth_core.store.database import Database
from lth_core.time_left import BatchTime, JobTime

_ONE_BY_ONE = {1: 1.0, 2: 2.0}
"""Relative costs of stacks whose tickets are computed one after another: convolutions on a CPU."""


def job_time(database: Database, job: int, experiment: Experiment) -> JobTime:
    """The input of `seconds_left` for a job with this number and experiment."""
    rows = database.rows(
        "SELECT b.*, MIN(t.round) AS round, COUNT(t.id) AS size FROM batches b JOIN trials t ON t.batch = b.id "
        "WHERE b.job = ? AND b.state IN ('running', 'done') AND b.started IS NOT NULL GROUP BY b.id ORDER BY b.id",
        job,
    )
    places = _running(database, job)
    lengths = {0: _length(experiment, DENSE)}
    of_arms = sum(_length(experiment, arm) for arm in experiment.arms) / len(experiment.arms)
    trials = database.rows(
        "SELECT round, COUNT(*) AS trials FROM trials WHERE job = ? AND state IN ('waiting', 'running', 'done') "
        "GROUP BY round", job
    )  # fmt: skip
    rounds = _rounds(rows)
    lengths |= {row["round"]: of_arms * relative(rounds, row["round"]) for row in trials if row["round"] > 0}
    waiting = database.rows(
        "SELECT round, seed, COUNT(*) AS trials FROM trials WHERE job = ? AND state = 'waiting' GROUP BY round, seed",
        job,
    )
    devices = _devices(database, job, experiment)
    return JobTime(
        batches=[
            BatchTime(
                row["size"], lengths[row["round"]], row["started"], row["finished"], row["fraction"],
                _positive(row["whole"]), _positive(row["before"]), row["attempt"] > 1, places.get(row["id"], ()),
            )
            for row in rows
        ],
        waiting={(row["round"], row["seed"]): row["trials"] for row in waiting},
        trials={row["round"]: row["trials"] for row in trials},
        lengths=lengths,
        slots=len(devices),
        largest=_largest(database, job, experiment, devices, [row["size"] for row in rows if row["round"] > 0]),
        costs=_costs(experiment, rows, devices),
    )  # fmt: skip


def _running(database: Database, job: int) -> dict[int, tuple[Place, ...]]:
    """By batch, the round and seed of its running trials."""
    found: dict[int, tuple[Place, ...]] = {}
    for row in database.rows("SELECT batch, round, seed FROM trials WHERE job = ? AND state = 'running'", job):
        found[row["batch"]] = (*found.get(row["batch"], ()), (row["round"], row["seed"]))
    return found


def _length(experiment: Experiment, arm: str) -> float:
    first, last = experiment.span(arm)
    return float(last - first)


def _devices(database: Database, job: int, experiment: Experiment) -> list[str]:
    """Devices of the slots that the job uses, or could use beside other running jobs, of the kind it runs on."""
    rows = database.rows(
        "SELECT s.name, s.device, b.job FROM slots s LEFT JOIN batches b ON b.slot = s.name AND b.state = 'running' "
        "WHERE b.job IS NULL OR b.job = ? ORDER BY s.name", job
    )  # fmt: skip
    own = [row["device"] for row in rows if row["job"] == job]
    if not isinstance(experiment.launcher, LocalLauncher):
        return own
    asked = experiment.launcher.device
    kinds = [device.partition(":")[0] for device in own or [row["device"] for row in rows]]
    kind: str = experiment.model.device if asked == "auto" else asked
    if kinds and kind not in kinds:
        kind = kinds[0]
    devices = [row["device"] for row in rows if row["device"].partition(":")[0] == kind]
    return devices if kind == "cpu" or experiment.model.shares_device else list(dict.fromkeys(devices))


def _largest(database: Database, job: int, experiment: Experiment, devices: list[str], run: list[int]) -> int:
    """The most tickets in a stack; if that was measured, from the stacks that ran."""
    if run and experiment.model.stack_is_measured:
        largest = max(run)
    else:
        largest = most_tickets(experiment, devices[0].partition(":")[0] if devices else "cpu")
    return min(largest, largest_stack(database.connection, job) or largest)


def _costs(experiment: Experiment, rows: list[Any], devices: list[str]) -> dict[int, float]:
    if experiment.model.stack_is_measured:
        return _ONE_BY_ONE if "cpu" in devices else {}
    return _numbers({name: cost for name, cost in _told(rows).items() if name != "rounds"})


def _rounds(rows: list[Any]) -> dict[int, float]:
    """Costs of some rounds as a share of those of whole tickets."""
    return _numbers(_told(rows).get("rounds", {}))


def _told(rows: list[Any]) -> dict[str, Any]:
    """What the first worker that measured has told."""
    try:
        found: Any = next((json.loads(row["costs"]) for row in rows if row["costs"]), {})
    except (ValueError, TypeError, RecursionError):  # not what a worker wrote
        return {}
    return found if isinstance(found, dict) else {}


def _numbers(costs: Any) -> dict[int, float]:
    try:
        found = {int(name): float(cost) for name, cost in costs.items()}
    except (ValueError, TypeError, AttributeError):
        return {}
    return found if all(name > 0 and _positive(cost) for name, cost in found.items()) else {}


def _positive(seconds: float | None) -> float | None:
    return seconds if seconds is not None and seconds > 0 and math.isfinite(seconds) else None
