"""What the interface knows of the store at one moment, and how to read it again at little cost."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from lth_core.analysis.verdict import Summary, summarise
from lth_core.arms import DENSE
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.views import AuditView, EngineView, EventView, JobView, SlotView, TrialView
from lth_core.store.workspace import Workspace
from lth_tui import readings
from lth_tui.curves import ArmCurve, RoundCurves
from lth_tui.machine import Machine, Meter
from lth_tui.overlap import Overlap, overlaps, read_mask
from lth_tui.widgets.heatmap import HeatCell, HeatRow

_SUMMARY_PAUSE = 2.0
_MEASURE_PAUSE = 2.0
_MOST_EVENTS = 1000


@dataclass(frozen=True)
class Watch:
    """Which job is looked at closely; `round` None means the newest that runs, `metric` None the score.

    `overlap` asks for the overlap of masks of an arm, `devices` for what the machine is doing.
    """

    job: int | None = None
    round: int | None = None
    metric: str | None = None
    overlap: str | None = None
    devices: bool = False


@dataclass(frozen=True, eq=False)
class LayerGrid:
    """What lives of every layer: cells by (arm, row, round); round 0 belongs to the arm `dense`."""

    rows: tuple[HeatRow, ...] = ()
    cells: Mapping[tuple[str, int, int], HeatCell] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Audit:
    """Checks of a job's audits."""

    checks: tuple[readings.CheckCount, ...] = ()
    failures: tuple[AuditView, ...] = ()

    @property
    def passed(self) -> int:
        """How many checks passed."""
        return sum(check.passed for check in self.checks)

    @property
    def failed(self) -> int:
        """How many checks failed."""
        return sum(check.failed for check in self.checks)


@dataclass(frozen=True, eq=False)
class JobDetail:
    """The job that is looked at closely."""

    job: JobView
    trials: tuple[TrialView, ...]
    summary: Summary | None
    grid: LayerGrid
    audit: Audit
    events: tuple[EventView, ...]
    log: tuple[str, ...]
    round: int
    curves: Mapping[str, ArmCurve]
    metric: str
    metrics: tuple[str, ...] = ()
    games: Mapping[str, ArmCurve] = field(default_factory=dict)
    overlaps: Mapping[tuple[str, int, int], HeatCell] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """The arm that the others are compared with."""
        return self.job.experiment.reference


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The store as the interface last saw it."""

    jobs: tuple[JobView, ...] = ()
    engine: EngineView | None = None
    slots: tuple[SlotView, ...] = ()
    summaries: Mapping[int, Summary] = field(default_factory=dict)
    detail: JobDetail | None = None
    machine: Machine | None = None
    newest_deleted: int | None = None
    error: str | None = None
    loaded: bool = False


class Reader:
    """Reads snapshots through a connection of its own; for one thread."""

    def __init__(self, workspace: Workspace) -> None:
        self.database = Database(workspace.database, writer=False)
        self._workspace = workspace
        self._summaries: dict[int, tuple[tuple[int, int], float, Summary]] = {}
        self._close: _Close | None = None
        self._last: tuple[int, Watch] | None = None
        self._pending = False
        self._snapshot = Snapshot()
        self._meter = Meter()
        self._machine: Machine | None = None
        self._measured_at = float("-inf")

    def read(self, watch: Watch) -> Snapshot:
        """The store now; the very same value as before where nothing has changed."""
        now = (readings.changes(self.database), watch)
        measured = watch.devices and time.monotonic() > self._measured_at + _MEASURE_PAUSE
        if now == self._last and not self._pending and not measured:
            return self._snapshot
        self._last, self._pending = now, False
        connection = self.database.connection
        connection.execute("BEGIN")  # all answers from one moment
        try:
            self._snapshot = self._read(watch)
        finally:
            connection.execute("COMMIT")
        return self._snapshot

    def _read(self, watch: Watch) -> Snapshot:
        jobs = tuple(views.jobs(self.database))
        slots = tuple(views.slots(self.database))
        return Snapshot(
            jobs=jobs,
            engine=views.engine(self.database),
            slots=slots,
            machine=self._measure(slots) if watch.devices else self._machine,
            newest_deleted=readings.newest_deleted(self.database),
            detail=self._detail(jobs, watch),
            summaries=self._all_summaries(jobs, watch),
            loaded=True,
        )

    def _measure(self, slots: tuple[SlotView, ...]) -> Machine:
        if self._machine is None or time.monotonic() > self._measured_at + _MEASURE_PAUSE:
            self._machine = self._meter.read([slot.pid for slot in slots if slot.pid is not None])
            self._measured_at = time.monotonic()
        return self._machine

    def _detail(self, jobs: tuple[JobView, ...], watch: Watch) -> JobDetail | None:
        job = next((job for job in jobs if job.id == watch.job), None)
        if job is None:
            return None
        if self._close is None or self._close.number != job.id:
            self._close = _Close(job, self._workspace)
        trials = tuple(views.trials(self.database, job.id))
        self._summarise(job, trials)
        return self._close.read(self.database, job, trials, self._summary_of(job.id), watch)

    def _all_summaries(self, jobs: tuple[JobView, ...], watch: Watch) -> Mapping[int, Summary]:
        """Summaries of all jobs; of those not looked at, one is brought up to date at a time."""
        for job in jobs:
            if job.id != watch.job and self._stale(job):
                self._summarise(job, tuple(views.trials(self.database, job.id)))
                break
        close = self._close is not None and watch.overlap is not None and self._close.pending
        self._pending = close or any(self._stale(job) for job in jobs)
        return {number: entry[2] for number, entry in self._summaries.items()}

    def _summary_of(self, job: int) -> Summary | None:
        return self._summaries[job][2] if job in self._summaries else None

    def _stale(self, job: JobView) -> bool:
        known = self._summaries.get(job.id)
        return known is None or known[0] != (job.trials_done, job.trials_failed)

    def _summarise(self, job: JobView, trials: tuple[TrialView, ...]) -> None:
        known = self._summaries.get(job.id)
        if not self._stale(job) or (known and time.monotonic() - known[1] < _SUMMARY_PAUSE):
            return
        summary = summarise(job.experiment, trials)
        self._summaries[job.id] = ((job.trials_done, job.trials_failed), time.monotonic(), summary)


class _Close:
    """What is kept of the job that is looked at closely, so that only what is new is read."""

    def __init__(self, job: JobView, workspace: Workspace) -> None:
        self.number = job.id
        self._workspace = workspace
        self._rounds: dict[tuple[int, str], RoundCurves] = {}
        self._metrics: tuple[str, ...] = ()
        self._metrics_key = -1
        self._overlaps = Overlaps(workspace)
        self._events: deque[EventView] = deque(maxlen=_MOST_EVENTS)
        self._grid, self._layers_seen = LayerGrid(), -1
        self._audit, self._audit_key = Audit(), (-1, -1, -1)

    def read(
        self,
        database: Database,
        job: JobView,
        trials: tuple[TrialView, ...],
        summary: Summary | None,
        watch: Watch,
    ) -> JobDetail:
        round = newest_round(trials) if watch.round is None else watch.round
        metric = watch.metric or job.experiment.task.curve
        curves = self._curves(database, trials, round, metric)
        if job.trials_done + job.trials_running != self._metrics_key or not self._metrics:
            self._metrics_key = job.trials_done + job.trials_running
            self._metrics = readings.metric_names(database, job.id)
        games = self._curves(database, trials, round, "games") if "games" in self._metrics else {}
        self._read_layers(database)
        self._read_audit(database, job)
        last = self._events[-1].id if self._events else 0
        self._events.extend(views.events(database, after=last, job=job.id))
        log = readings.newest_log(database, self._workspace, job.id)
        return JobDetail(
            job=job,
            trials=trials,
            summary=summary,
            grid=self._grid,
            audit=self._audit,
            events=tuple(self._events),
            log=tuple(readings.tail(log, 200)) if log else (),
            round=round,
            curves=curves,
            metric=metric,
            metrics=self._metrics,
            games=games,
            overlaps=self._overlaps.of(database, job.id, watch.overlap, self._grid) if watch.overlap else {},
        )

    def _curves(
        self, database: Database, trials: tuple[TrialView, ...], round: int, metric: str
    ) -> Mapping[str, ArmCurve]:
        """All arms of a round, and the dense network beside them."""
        found: dict[str, ArmCurve] = {}
        for one in dict.fromkeys((0, round)):
            curves = self._rounds.setdefault((one, metric), RoundCurves(metric))
            curves.update(database, [t for t in trials if t.round == one])
            found |= curves.arms
        return found

    @property
    def pending(self) -> bool:
        """Whether not everything that was asked for has been read."""
        return self._overlaps.pending

    def _read_layers(self, database: Database) -> None:
        count = readings.layer_count(database, self.number)
        if count != self._layers_seen:
            self._layers_seen = count
            self._grid = layer_grid(views.layers(database, self.number))

    def _read_audit(self, database: Database, job: JobView) -> None:
        key = (job.trials_done, job.trials_failed, job.trials_running)
        if key != self._audit_key:
            self._audit_key = key
            checks = readings.check_counts(database, self.number)
            failed = any(check.failed for check in checks)
            failures = views.audits(database, self.number, failed_only=True) if failed else []
            self._audit = Audit(checks, tuple(failures))


class Overlaps:
    """Mask overlaps of a job, one round of one arm at a time, each read once."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._known: dict[tuple[str, int], tuple[tuple[str, ...], dict[str, Overlap]]] = {}
        self.pending = False

    def of(
        self, database: Database, job: int, arm: str, grid: LayerGrid
    ) -> Mapping[tuple[str, int, int], HeatCell]:  # fmt: skip
        """Cells by (arm, row, round) of every round that two seeds have finished."""
        files = readings.mask_files(database, job, arm)
        stale = [round for round, paths in files.items() if self._known.get((arm, round), ((), {}))[0] != paths]
        for round in stale[:1]:  # the next one with the next reading, so that nobody waits for all of them
            self._known[arm, round] = (files[round], self._read(files[round]))
        self.pending = len(stale) > 1
        cells: dict[tuple[str, int, int], HeatCell] = {}
        for round in files:
            _, found = self._known.get((arm, round), ((), {}))
            for row, layer in enumerate(grid.rows):
                if layer.layer in found:
                    cells[arm, row, round] = _overlap_cell(found[layer.layer])
        return cells

    def _read(self, paths: tuple[str, ...]) -> dict[str, Overlap]:
        try:
            return overlaps([read_mask(self._workspace.inside(path)) for path in paths])
        except (OSError, ValueError):  # deleted or damaged meanwhile: nothing to show
            return {}


def _overlap_cell(one: Overlap) -> HeatCell:
    words = f"overlap {100 * one.mean:.1f} % (mean of {one.pairs} pairs of seeds, {100 * one.least:.1f} to "
    words += f"{100 * one.most:.1f}) · by chance {100 * one.chance:.1f} %"
    return HeatCell(0, 0, 0, one.pairs, 0, one.mean, words)


def newest_round(trials: tuple[TrialView, ...]) -> int:
    """The newest round that runs, or else the newest that has ended."""
    running = [t.round for t in trials if t.state == "running"]
    ended = [t.round for t in trials if t.state in ("done", "failed")]
    return max(running or ended, default=0)


def layer_grid(layers: list[views.LayerView]) -> LayerGrid:
    """Layers of all tickets, joined over seeds."""
    positions = sorted({layer.position for layer in layers})
    place = {position: row for row, position in enumerate(positions)}
    rows: dict[int, HeatRow] = {}
    kept: dict[tuple[str, int, int], list[int]] = {}
    for layer in layers:
        row = place[layer.position]
        rows[row] = HeatRow(layer.layer, layer.shape, layer.size, layer.prunable)
        kept.setdefault((layer.arm if layer.round else DENSE, row, layer.round), []).append(layer.kept)
    cells = {
        key: HeatCell(sum(counts) / len(counts), min(counts), max(counts), len(counts), counts.count(0))
        for key, counts in kept.items()
    }
    return LayerGrid(tuple(rows[row] for row in sorted(rows)), cells)
