"""Reads one job in detail, rereading only what is new."""

from collections import deque
from collections.abc import Mapping

from lth_core.analysis.verdict import Summary
from lth_core.experiment.arms import DENSE
from lth_core.store import glances, logs, views
from lth_core.store.database import Database
from lth_core.store.views import EventView, JobView, TrialView
from lth_core.store.workspace import Workspace
from lth_tui.reading.curves import ArmCurve, RoundCurves
from lth_tui.reading.layers import HeatCell, HeatRow
from lth_tui.reading.overlap import Overlaps
from lth_tui.reading.snapshot import Audit, JobDetail, LayerGrid, Watch

_MOST_EVENTS = 1000
_MOST_LINES = 500
"""Of one worker's log."""


class JobReader:
    """The cached data of the watched job."""

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
            self._metrics = glances.metric_names(database, job.id)
        games = self._curves(database, trials, round, "games") if "games" in self._metrics else {}
        self._read_layers(database)
        self._read_audit(database, job)
        last = self._events[-1].id if self._events else 0
        self._events.extend(views.events(database, after=last, job=job.id))
        found = [logs.tail(path, _MOST_LINES) for path in logs.newest_logs(database, self._workspace, job.id)]
        return JobDetail(
            job=job,
            trials=trials,
            summary=summary,
            grid=self._grid,
            audit=self._audit,
            events=tuple(self._events),
            log=tuple(logs.merged(found) if len(found) > 1 else found[0] if found else ()),
            round=round,
            curves=curves,
            metric=metric,
            metrics=self._metrics,
            games=games,
            others={name: self._curves(database, trials, round, name) for name in watch.metrics},
            overlaps=self._read_overlaps(database, job, watch.overlap) if watch.overlap else {},
        )

    def _read_overlaps(
        self, database: Database, job: JobView, arm: str
    ) -> Mapping[tuple[str, int, int], HeatCell]:  # fmt: skip
        moves = arm in job.experiment.arms and job.experiment.arm_named(arm).moves
        return self._overlaps.of(database, job.id, arm, self._grid, moves=moves)

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
        """Whether something requested has not been read yet."""
        return self._overlaps.pending

    def _read_layers(self, database: Database) -> None:
        count = glances.layer_count(database, self.number)
        if count != self._layers_seen:
            self._layers_seen = count
            self._grid = layer_grid(views.layers(database, self.number))

    def _read_audit(self, database: Database, job: JobView) -> None:
        key = (job.trials_done, job.trials_failed, job.trials_running)
        if key != self._audit_key:
            self._audit_key = key
            checks = glances.check_counts(database, self.number)
            failed = any(check.failed for check in checks)
            failures = views.audits(database, self.number, failed_only=True) if failed else []
            self._audit = Audit(checks, tuple(failures))


def newest_round(trials: tuple[TrialView, ...]) -> int:
    """The newest running round, or else the newest one that has ended."""
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
