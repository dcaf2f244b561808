"""The top row: workspace, engine, slots, number of jobs in each state."""

import time
from collections import Counter
from pathlib import Path

from lth_core.text import one_line, plural
from lth_tui.engine_owner import Ownership
from lth_tui.palette import BOLD, DIM, GREEN, PLAIN, SKY, VERMILLION, YELLOW, ink
from lth_tui.reading.snapshot import Snapshot
from lth_tui.strips import Span
from lth_tui.widgets.lines import Lines
from lth_tui.words import compact

SILENCE = 20.0
"""Seconds without a beat after which an engine counts as silent."""
_MOST_SLOTS = 4
_COUNTED = (
    ("running", "●", GREEN), ("queued", "○", SKY), ("paused", "‖", YELLOW), ("done", "✓", SKY),
    ("failed", "✗", VERMILLION),
)  # fmt: skip


class Header(Lines):
    """One row, docked at the top."""

    DEFAULT_CSS = "Header { height: 1; dock: top; }"

    def __init__(self) -> None:
        super().__init__("", id="header")
        self._told: tuple[Path, Ownership, Snapshot] | None = None

    def on_resize(self) -> None:
        """Fit into the new width; the first resize comes after the workspace is known."""
        if self._told is not None:
            self.tell(*self._told)

    def tell(self, folder: Path, ownership: Ownership, snapshot: Snapshot) -> None:
        """Show the state of the workspace."""
        self._told = (folder, ownership, snapshot)
        spans: list[Span] = [
            (" lth ", BOLD),
            (f"{one_line(folder.name, 30)}  ", DIM),
            engine_words(ownership, snapshot),
        ]
        room = self.size.width - _length(spans)
        counts = _counts(snapshot)
        if _length(counts) > room:
            counts = [(text.rpartition(" ")[0], style) for text, style in counts]
        spans += counts
        room -= _length(counts)
        for more in ((_gpus(snapshot),), (_slots(snapshot), _all_slots(snapshot))):
            fitting = next((one for one in more if _length(one) <= room), [])
            room -= _length(fitting)
            spans += fitting
        if snapshot.error:
            spans = [(" lth ", BOLD), (snapshot.error, ink(VERMILLION, bold=True))]
        self.put([spans])


def _length(spans: list[Span]) -> int:
    return sum(len(text) for text, _ in spans)


def _counts(snapshot: Snapshot) -> list[Span]:
    counts = Counter(job.state for job in snapshot.jobs)
    return [(f"  {glyph}{counts[state]} {state}", ink(colour)) for state, glyph, colour in _COUNTED if counts[state]]


def engine_words(ownership: Ownership, snapshot: Snapshot) -> Span:
    """Who runs the engine, in a few words."""
    engine = snapshot.engine
    if ownership.word == "here":
        return ("engine ● here", ink(GREEN))
    if ownership.word == "detached":
        return (f"engine ● detached, pid {ownership.pid}", ink(GREEN))
    if ownership.word == "failed":
        return (f"engine ✗ {ownership.error}", ink(VERMILLION, bold=True))
    if ownership.word == "elsewhere":
        return (f"engine pid {ownership.pid} on {ownership.host}", ink(SKY))
    if ownership.word == "starting":
        return ("engine starting", ink(YELLOW))
    if engine is None or engine.state == "stopped" or ownership.word == "stopped":
        return ("no engine" + (", viewing" if ownership.word == "viewing" else ""), ink(YELLOW))
    silent = time.time() - engine.beat > SILENCE
    words = f"engine pid {engine.pid} on {one_line(engine.host, 40)}" + (" (silent)" if silent else "")
    return (f"{words}, viewing", ink(YELLOW if silent else SKY))


def _gpus(snapshot: Snapshot) -> list[Span]:
    machine = snapshot.machine
    uses = [] if machine is None else [gpu.busy for gpu in machine.gpus if gpu.busy is not None]
    if not uses:
        return []
    words = " ".join(f"{use:.0%}" for use in uses[:_MOST_SLOTS]) + ("…" if len(uses) > _MOST_SLOTS else "")
    return [(f"  GPU{'s' * (len(uses) > 1)} {words}", PLAIN)]


def _slots(snapshot: Snapshot) -> list[Span]:
    """Each slot with its tickets and rate."""
    spans: list[Span] = []
    for slot in snapshot.slots[:_MOST_SLOTS]:
        name = one_line(slot.name, 12)
        if slot.batch is None:
            spans.append((f"  {name} idle", DIM))
        else:
            rate = f", {compact(slot.rate, 2)} steps/s" if slot.rate else ""
            spans.append((f"  {name} {plural(slot.trials, 'ticket')}{rate}", PLAIN))
    if len(snapshot.slots) > _MOST_SLOTS:
        spans.append((f"  +{len(snapshot.slots) - _MOST_SLOTS} slots", DIM))
    return spans


def _all_slots(snapshot: Snapshot) -> list[Span]:
    """All slots in a few words."""
    busy = sum(slot.batch is not None for slot in snapshot.slots)
    rate = sum(slot.rate or 0 for slot in snapshot.slots if slot.batch is not None)
    return [
        (f"  {busy}/{plural(len(snapshot.slots), 'slot')}" + (f", {compact(rate, 2)} steps/s" if rate else ""), PLAIN)
    ]
