"""How far masks that move have moved, layer by layer, from the packed masks of finished trials. No torch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from lth_core.analysis.churn import replaced
from lth_core.bits import Bits, unpack
from lth_core.store.tensors import mask_shapes
from lth_tui.reading.layers import HeatCell


def read_masks(path: Path) -> list[dict[str, Bits]]:
    """The masks of a finished trial at its start and after each change. Raises OSError or ValueError."""
    packed, shapes = read_packed(path, "masks/packed")
    return [unpack(one, shapes) for one in packed]


def read_packed(path: Path, name: str) -> tuple[npt.NDArray[np.uint8], dict[str, tuple[int, ...]]]:
    """A finished trial's mask or masks as they are packed, and the layers' shapes; only their bytes are read. Raises
    OSError or ValueError."""
    try:
        with safe_open(path, framework="numpy") as file:
            return file.get_tensor(name), mask_shapes(file.metadata())
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"{path.name}: no {name} of a trial ({type(error).__name__})") from None


def churn_cells(trials: Sequence[Sequence[dict[str, Bits]]]) -> dict[str, HeatCell]:
    """Of each layer the share of its living weights that a change replaced, mean over changes and trials."""
    return {name: _cell([[mask[name] for mask in masks] for masks in trials]) for name in trials[0][0]}


def _cell(trials: Sequence[Sequence[Bits]]) -> HeatCell:
    shares = [np.nan_to_num(replaced(masks)) for masks in trials]
    gone = float(np.mean([np.nan_to_num(replaced([masks[0], masks[-1]])) for masks in trials]))
    every, first = np.concatenate(shares), [one[0] for one in shares if len(one)]
    mean, at_first = (float(np.mean(one)) if len(one) else 0.0 for one in (every, first))
    words = f"a change replaced {100 * mean:.1f} % (the first {100 * at_first:.1f} %, {len(shares[0])} changes) · "
    words += f"{100 * gone:.1f} % of its first weights are gone at the end"
    return HeatCell(0, 0, 0, len(trials), 0, mean, words)
