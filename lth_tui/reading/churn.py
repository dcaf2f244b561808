"""How far masks that move have moved, layer by layer, from the packed masks of finished trials. No torch."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from lth_core.bits import Bits, unpack
from lth_core.store.tensors import mask_shapes
from lth_tui.reading.layers import HeatCell


def read_masks(path: Path) -> list[dict[str, Bits]]:
    """The masks of a finished trial at its start and after each change. Raises OSError or ValueError."""
    try:
        with safe_open(path, framework="numpy") as file:
            shapes = mask_shapes(file.metadata())
            return [unpack(packed, shapes) for packed in file.get_tensor("masks/packed")]
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"{path.name}: no masks of a trial ({type(error).__name__})") from None


def churn_cells(trials: Sequence[Sequence[dict[str, Bits]]]) -> dict[str, HeatCell]:
    """Of each layer the share of its living weights that a change replaced, mean over changes and trials."""
    return {name: _cell([[mask[name] for mask in masks] for masks in trials]) for name in trials[0][0]}


def _cell(trials: Sequence[Sequence[Bits]]) -> HeatCell:
    replaced = [[_share(after & ~before, before) for before, after in pairwise(masks)] for masks in trials]
    gone = float(np.mean([_share(masks[0] & ~masks[-1], masks[0]) for masks in trials]))
    every, first = [share for one in replaced for share in one], [one[0] for one in replaced if one]
    mean, at_first = (float(np.mean(shares)) if shares else 0.0 for shares in (every, first))
    words = f"a change replaced {100 * mean:.1f} % (the first {100 * at_first:.1f} %, {len(replaced[0])} changes) · "
    words += f"{100 * gone:.1f} % of its first weights are gone at the end"
    return HeatCell(0, 0, 0, len(trials), 0, mean, words)


def _share(part: Bits, whole: Bits) -> float:
    return float(part.sum() / max(1, whole.sum()))
