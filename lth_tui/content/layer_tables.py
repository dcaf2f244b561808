"""Tables of layers against rounds: the share kept, and mask overlap between seeds. Pure functions."""

from lth_core.experiment.arms import DENSE
from lth_core.text import one_line, plural
from lth_tui.reading.layers import HeatTable
from lth_tui.reading.snapshot import JobDetail


def overlap_table(detail: JobDetail, arm: str) -> HeatTable:
    """Layers against rounds of one arm: overlap of the masks of two seeds, mean over pairs of seeds; of an arm whose
    masks move, the share of living weights that a change replaced."""
    cells = {(row, round): cell for (owner, row, round), cell in detail.overlaps.items() if owner == arm}
    moves = arm in detail.job.experiment.arms and detail.job.experiment.arm_named(arm).moves
    shown = "% of living weights that a change replaced" if moves else ""
    title = f"{one_line(arm, 30)} · {shown or 'mask overlap between seeds (intersection over union, %)'}"
    empty = "fewer than two seeds have finished a round" if len(detail.job.experiment.seeds) > 1 else "one seed only"
    return HeatTable(title, detail.grid.rows if cells else (), cells, detail.job.rounds, empty)


def heat_table(detail: JobDetail, arm: str) -> HeatTable:
    """Layers against rounds of one arm, over all seeds."""
    cells = {
        (row, round): cell
        for (owner, row, round), cell in detail.grid.cells.items()
        if owner == (DENSE if round == 0 else arm)
    }
    large = [row for row, layer in enumerate(detail.grid.rows) if layer.is_news]
    dead = sum(1 for row in large if any(c.dead for (r, _), c in cells.items() if r == row))
    warning = f"! {plural(dead, 'layer')} collapsed · " if dead else ""
    title = f"{one_line(arm, 30)} · {warning}% kept of each layer after each round"
    return HeatTable(title, detail.grid.rows, cells, detail.job.rounds)
