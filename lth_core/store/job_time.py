"""What the database knows of a running job's time: its batches, remaining trials, and slots for them."""

import json
import math
from collections import Counter, defaultdict
from typing import Any

from lth_core.coming_stacks import Place
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import network_of
from lth_core.experiment.stack_sizes import most_in_a_cluster_job, most_tickets
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
        "SELECT b.*, MIN(t.round) AS round, MIN(t.arm) AS arm, COUNT(t.id) AS size FROM batches b "
        "JOIN trials t ON t.batch = b.id WHERE b.job = ? AND b.state IN ('running', 'done') AND b.started IS NOT NULL "
        "GROUP BY b.id ORDER BY b.id",
        job,
    )
    networks = {arm: network_of(experiment, arm) for arm in (DENSE, *experiment.arms)}
    trials = database.rows(
        "SELECT round, COUNT(*) AS trials FROM trials WHERE job = ? AND state IN ('waiting', 'running', 'done') "
        "GROUP BY round", job
    )  # fmt: skip
    running = defaultdict[int | None, list[Place]](list)
    for round, seed, arm, batch in database.rows(
        "SELECT round, seed, arm, CASE state WHEN 'running' THEN batch END FROM trials "
        "WHERE job = ? AND state IN ('waiting', 'running')", job
    ):  # fmt: skip
        running[batch].append(Place(round, seed, networks[arm]))
    waiting = Counter(running.pop(None, ()))
    lengths, devices = _lengths(experiment, rows), _devices(database, job, experiment)
    return JobTime(
        batches=[
            BatchTime(
                row["size"], lengths[row["round"], networks[row["arm"]]], row["started"], row["finished"],
                row["fraction"], _positive(row["whole"]), _positive(row["before"]), row["attempt"] > 1,
                tuple(running[row["id"]]), networks[row["arm"]],
            )
            for row in rows
        ],
        waiting=waiting,
        trials={row["round"]: row["trials"] for row in trials},
        lengths=lengths,
        slots=len(devices),
        largest=_largest(database, job, experiment, devices, [row["size"] for row in rows if row["round"] > 0]),
        costs=_costs(experiment, rows, devices),
    )  # fmt: skip


def _lengths(experiment: Experiment, rows: list[Any]) -> dict[tuple[int, str], float]:
    """The mean length of trainings by round and network, in units that cost what those of whole tickets do."""
    told, spans = _told(rows), defaultdict[tuple[int, str], list[float]](list)
    shares = {"": _numbers(told.get("rounds", {}))}
    others = told.get("networks", {})
    if isinstance(others, dict):
        shares |= {name: _numbers(own) for name, own in others.items()}
    spans[0, ""].append(_length(experiment, DENSE))
    for arm in experiment.arms:
        for round in experiment.rounds_of(arm):
            spans[round, network_of(experiment, arm)].append(_length(experiment, arm))
    return {
        (round, network): sum(own) / len(own) * relative(shares.get(network, {}), round)
        for (round, network), own in spans.items()
    }


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
    kind: str = experiment.trains_on if asked == "auto" else asked
    if kinds and kind not in kinds:
        kind = kinds[0]
    devices = [row["device"] for row in rows if row["device"].partition(":")[0] == kind]
    return devices if kind == "cpu" or experiment.model.shares_device else list(dict.fromkeys(devices))


def _largest(database: Database, job: int, experiment: Experiment, devices: list[str], run: list[int]) -> int:
    """The most tickets in a stack; if that was measured, from the stacks that ran."""
    launcher = experiment.launcher
    if run and experiment.model.stack_is_measured:
        largest = max(run)
    elif isinstance(launcher, LocalLauncher):
        largest = most_tickets(experiment, devices[0].partition(":")[0] if devices else "cpu")
    else:
        largest = most_in_a_cluster_job(experiment, launcher.trains_on)
    return min(largest, largest_stack(database.connection, job) or largest)


def _costs(experiment: Experiment, rows: list[Any], devices: list[str]) -> dict[int, float]:
    if experiment.model.stack_is_measured:
        return _ONE_BY_ONE if "cpu" in devices else {}
    return _numbers({name: cost for name, cost in _told(rows).items() if name not in ("rounds", "networks")})


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
