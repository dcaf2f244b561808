"""The state of the store at one moment, as the interface sees it. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lth_core.analysis.verdict import Summary
from lth_core.experiment.plan import TrialKey
from lth_core.report.answers import JobAnswers, SuiteAnswers
from lth_core.store.glances import CheckCount
from lth_core.store.views import AuditView, EngineView, EventView, JobView, SlotView, TrialView
from lth_tui.reading.curves import ArmCurve
from lth_tui.reading.layers import HeatCell, HeatRow
from lth_tui.reading.machine import Machine


@dataclass(frozen=True)
class Watch:
    """The job that is watched in detail; `round` None means the newest running one, `metric` None the score.

    overlap: an arm whose mask overlap is wanted; devices: whether the machine's load is wanted; answers: whether the
    job's are; suite: one whose answers are wanted; metrics: others whose curves are.
    """

    job: int | None = None
    round: int | None = None
    metric: str | None = None
    overlap: str | None = None
    devices: bool = False
    answers: bool = False
    suite: str | None = None
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class LayerGrid:
    """How much of each layer is kept: cells by (arm, row, round); round 0 belongs to the arm `dense`."""

    rows: tuple[HeatRow, ...] = ()
    cells: Mapping[tuple[str, int, int], HeatCell] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Audit:
    """Checks of a job's audits."""

    checks: tuple[CheckCount, ...] = ()
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
    """The watched job in detail."""

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
    answers: JobAnswers | None = None
    others: Mapping[str, Mapping[str, ArmCurve]] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """The arm that the others are compared with."""
        return self.job.experiment.reference


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The store as last read; `running`: the trials that train on each slot, if requested."""

    jobs: tuple[JobView, ...] = ()
    engine: EngineView | None = None
    slots: tuple[SlotView, ...] = ()
    running: Mapping[str, tuple[TrialKey, ...]] = field(default_factory=dict)
    summaries: Mapping[int, Summary] = field(default_factory=dict)
    detail: JobDetail | None = None
    machine: Machine | None = None
    newest_deleted: int | None = None
    suite: SuiteAnswers | None = None
    error: str | None = None
    loaded: bool = False
