"""Learning curves of one round, grown point by point, and joined over seeds into a line with bands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from lth_core.analysis.statistics import Floats, interquartile_mean
from lth_core.store.database import Database
from lth_core.store.metrics import Curve, curves
from lth_core.store.views import TrialView

MOST_POINTS = 512
"""Longer curves are averaged into at most this many steps before they are joined."""
_RESAMPLES = 400
_FINISHED = ("done", "failed", "blocked", "cancelled")


@dataclass(frozen=True, eq=False)
class ArmCurve:
    """One arm over its seeds, per step: interquartile mean, its 95 % bootstrap interval, extremes, standard
    deviation."""

    steps: Floats
    value: Floats
    low: Floats
    high: Floats
    least: Floats
    most: Floats
    spread: Floats
    seeds: int


class RoundCurves:
    """The curves of one round's trials. `update` reads only points later than those it has."""

    def __init__(self, metric: str) -> None:
        self._metric = metric
        self._points: dict[int, Curve] = {}
        self._complete: set[int] = set()
        self._joined: dict[str, _Joined] = {}
        self.arms: Mapping[str, ArmCurve] = {}

    def update(self, database: Database, trials: Iterable[TrialView]) -> bool:
        """Read new points of these trials; True if there were any."""
        trials = [t for t in trials if t.state not in ("waiting", "blocked")]
        behind: dict[int, list[TrialView]] = {}
        for trial in trials:
            seen = self._last_step(trial.id)
            if trial.step < seen:  # trained again from an earlier point
                self._points.pop(trial.id, None)
                self._complete.discard(trial.id)
                seen = -1
            if trial.state not in _FINISHED:  # one that had ended may continue too
                self._complete.discard(trial.id)
            if trial.id not in self._complete:
                behind.setdefault(seen, []).append(trial)
        grown: set[str] = set()
        ended: set[str] = set()
        for seen, group in behind.items():
            found = curves(database, [t.id for t in group], self._metric, seen)
            for trial in group:
                if trial.id in found:
                    self._append(trial.id, found[trial.id])
                    grown.add(trial.arm)
                elif trial.state in _FINISHED:
                    self._complete.add(trial.id)
                    if trial.id in self._points:
                        ended.add(trial.arm)  # the others no longer wait for it
        if grown or ended:
            self._join(trials, grown | ended)
        return bool(grown)

    def _last_step(self, trial: int) -> int:
        return int(self._points[trial].steps[-1]) if trial in self._points else -1

    def _append(self, trial: int, new: Curve) -> None:
        old = self._points.get(trial)
        if old is not None:
            new = Curve(np.append(old.steps, new.steps), np.append(old.values, new.values))
        self._points[trial] = new

    def _join(self, trials: list[TrialView], arms: set[str]) -> None:
        joined = dict(self.arms)
        for arm in arms:
            own = [t for t in trials if t.arm == arm and t.id in self._points]
            live = [self._last_step(t.id) for t in own if t.state not in _FINISHED]
            frontier = min(live) if live else None
            pieces = [self._points[t.id] for t in own]
            joined[arm] = self._joined.setdefault(arm, _Joined()).over(pieces, frontier)
        self.arms = joined


class _Joined:
    """Statistics per step of one arm, computed once per step as its column fills."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, bytes], tuple[float, float, float]] = {}

    def over(self, pieces: list[Curve], frontier: int | None) -> ArmCurve:
        steps, table = _aligned(pieces, frontier)
        keys = [(int(step), column.tobytes()) for step, column in zip(steps, table.T, strict=True)]
        fresh = [i for i, key in enumerate(keys) if key not in self._known]
        if fresh:
            for i, triple in zip(fresh, _column_statistics(table[:, fresh]), strict=True):
                self._known[keys[i]] = triple
        self._known = {key: self._known[key] for key in keys}
        value, low, high = np.array([self._known[key] for key in keys], np.float64).reshape(-1, 3).T
        some = np.isfinite(table).any(axis=0)
        least, most = np.full(len(steps), np.nan), np.full(len(steps), np.nan)
        if some.any():
            least[some], most[some] = np.nanmin(table[:, some], axis=0), np.nanmax(table[:, some], axis=0)
        several = np.isfinite(table).sum(axis=0) > 1
        spread = np.full(len(steps), np.nan)
        if several.any():
            spread[several] = np.nanstd(table[:, several], axis=0, ddof=1)
        return ArmCurve(steps.astype(np.float64), value, low, high, least, most, spread, len(pieces))


def _aligned(pieces: list[Curve], frontier: int | None) -> tuple[Floats, Floats]:
    """All curves on the steps that any of them has, up to `frontier`: (steps, one row per curve)."""
    steps = np.unique(np.concatenate([piece.steps for piece in pieces]))
    if frontier is not None:
        steps = steps[steps <= frontier]
    table = np.full((len(pieces), len(steps)), np.nan)
    for row, piece in zip(table, pieces, strict=True):
        known = piece.steps <= steps[-1] if len(steps) else np.zeros(len(piece.steps), np.bool_)
        row[np.searchsorted(steps, piece.steps[known])] = piece.values[known]
    stride = 1
    while len(steps) > MOST_POINTS * stride:
        stride *= 2  # a power of two: buckets keep their borders while the curve grows
    return (steps.astype(np.float64), table) if stride == 1 else _thinned(steps, table, stride)


def _thinned(steps: Floats, table: Floats, stride: int) -> tuple[Floats, Floats]:
    starts = np.arange(0, len(steps) - len(steps) % stride, stride)
    good = np.isfinite(table)
    sums = np.add.reduceat(np.where(good, table, 0.0), starts, axis=1)
    counts = np.add.reduceat(good.astype(np.int64), starts, axis=1)
    with np.errstate(invalid="ignore"):
        means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return steps[starts + stride - 1].astype(np.float64), means


def _column_statistics(table: Floats) -> list[tuple[float, float, float]]:
    """Interquartile mean with its 95 % percentile bootstrap interval, for each column, NaN left out."""
    result = [(np.nan, np.nan, np.nan)] * table.shape[1]
    counts = np.isfinite(table).sum(axis=0)
    for count in np.unique(counts[counts > 0]):
        where = np.flatnonzero(counts == count)
        values = np.sort(table[:, where].T, axis=1)[:, :count]  # NaN sorts last
        middle = interquartile_mean(values)
        low = high = np.full(len(where), np.nan)
        if count > 1:
            draws = np.random.default_rng(20200426).integers(0, count, (_RESAMPLES, count))
            low, high = np.quantile(interquartile_mean(values[:, draws]), (0.025, 0.975), axis=1)
        for i, triple in zip(where, zip(middle, low, high, strict=True), strict=True):
            result[i] = (float(triple[0]), float(triple[1]), float(triple[2]))
    return result
