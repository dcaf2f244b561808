"""Mask overlap between seeds, layer by layer, from the packed masks of finished trials; churn of those that move. No
torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean

from lth_core.analysis.anatomy import overlap
from lth_core.bits import Bits, unpack
from lth_core.store import glances
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from lth_tui.reading.churn import churn_cells, read_masks, read_packed
from lth_tui.reading.layers import HeatCell
from lth_tui.reading.snapshot import LayerGrid


@dataclass(frozen=True)
class LayerOverlap:
    """Intersection over union of a layer's masks: mean, least and most over pairs of seeds; chance: the mean of what
    random masks with the same counts would have."""

    mean: float
    least: float
    most: float
    chance: float
    pairs: int


def read_mask(path: Path) -> dict[str, Bits]:
    """The mask of a finished trial; only its bytes are read. Raises OSError or ValueError."""
    return unpack(*read_packed(path, "mask"))


def overlaps(masks: Sequence[Mapping[str, Bits]]) -> dict[str, LayerOverlap]:
    """The overlap of every layer that all masks have; empty for fewer than two masks."""
    if len(masks) < 2:
        return {}
    names = [name for name in masks[0] if all(name in mask for mask in masks)]
    return {name: _of_layer([mask[name] for mask in masks]) for name in names}


def _of_layer(masks: Sequence[Bits]) -> LayerOverlap:
    pairs = [overlap({"layer": a}, {"layer": b}) for a, b in combinations(masks, 2)]
    shares = [pair.jaccard for pair in pairs]
    chance = fmean(pair.chance for pair in pairs)
    return LayerOverlap(fmean(shares), min(shares), max(shares), chance, len(pairs))


class Overlaps:
    """Mask overlaps of a job, one round of one arm at a time, each read once."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._known: dict[tuple[str, int], tuple[tuple[str, ...], dict[str, HeatCell]]] = {}
        self.pending = False

    def of(
        self, database: Database, job: int, arm: str, grid: LayerGrid, *, moves: bool = False
    ) -> Mapping[tuple[str, int, int], HeatCell]:
        """Cells by (arm, row, round) of every round that two seeds have finished; of an arm whose masks move, how far
        they did."""
        files = glances.mask_files(database, job, arm)
        stale = [round for round, paths in files.items() if self._known.get((arm, round), ((), {}))[0] != paths]
        for round in stale[:1]:  # the next one with the next reading, so that nobody waits for all of them
            self._known[arm, round] = (files[round], self._read(files[round], moves))
        self.pending = len(stale) > 1
        cells: dict[tuple[str, int, int], HeatCell] = {}
        for round in files:
            _, found = self._known.get((arm, round), ((), {}))
            for row, layer in enumerate(grid.rows):
                if layer.layer in found:
                    cells[arm, row, round] = found[layer.layer]
        return cells

    def _read(self, paths: tuple[str, ...], moves: bool) -> dict[str, HeatCell]:
        try:
            if moves:
                return churn_cells([read_masks(self._workspace.inside(path)) for path in paths])
            found = overlaps([read_mask(self._workspace.inside(path)) for path in paths])
            return {name: _overlap_cell(one) for name, one in found.items()}
        except (OSError, ValueError):  # deleted or damaged meanwhile: nothing to show
            return {}


def _overlap_cell(one: LayerOverlap) -> HeatCell:
    words = f"overlap {100 * one.mean:.1f} % (mean of {one.pairs} pairs of seeds, {100 * one.least:.1f} to "
    words += f"{100 * one.most:.1f}) · by chance {100 * one.chance:.1f} %"
    return HeatCell(0, 0, 0, one.pairs, 0, one.mean, words)
