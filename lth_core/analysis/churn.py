"""How masks that move have moved: the share of each layer's living weights that each change replaced. No torch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from lth_core.bits import Bits, unpack
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.store.database import Database
from lth_core.store.tensors import DamagedFile, load_tensors
from lth_core.store.trials import stored_files
from lth_core.store.workspace import Workspace

Changes = dict[str, npt.NDArray[np.float64]]
"""By layer (n,): the share of its living weights that each change replaced; NaN where none lives."""


@dataclass(frozen=True)
class Churn:
    """One arm at one round, means over `seeds`. at: (n,) the shares of the training after which its mask changed;
    layers: see Changes; all: of the whole mask; left: the share of the first mask that the last one still has."""

    arm: str
    round: int
    seeds: int
    at: npt.NDArray[np.float64]
    layers: Mapping[str, npt.NDArray[np.float64]]
    all: npt.NDArray[np.float64]
    left: float


def churns(workspace: Workspace, database: Database, job: int, experiment: Experiment) -> Iterator[Churn]:
    """Every arm and round whose masks move, in order of rounds. Raises InputError if a file is damaged."""
    rows = [row for row in stored_files(database, job) if row["state"] == "done" and row["tensors"] is not None]
    for round in range(1, experiment.pruning.rounds + 1):
        for arm in experiment.arms:
            own = [row for row in rows if (row["arm"], row["round"]) == (arm, round)]
            if not own or not experiment.arm_named(arm).moves:
                continue
            yield _mean(arm, round, [_read(workspace, row["tensors"], row["sha256"]) for row in own])


@dataclass(frozen=True)
class _Read:
    """What one trial's file says. at: (n,) the shares of its training after which its mask changed."""

    at: npt.NDArray[np.float64]
    layers: Changes
    all: npt.NDArray[np.float64]
    left: float


def _read(workspace: Workspace, path: str, sha256: str) -> _Read:
    """The changes of a finished trial."""
    try:
        arrays, card = load_tensors(workspace.inside(path), sha256)
        shapes, trained = dict(card["mask"]), int(card["step"])
        masks = [unpack(one, shapes) for one in arrays["masks/packed"]]
        at = arrays["masks/at"][1:] / trained
    except (DamagedFile, KeyError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    layers = {name: replaced([mask[name] for mask in masks]) for name in shapes}
    whole = [np.concatenate([mask[name].ravel() for name in shapes]) for mask in masks]
    left = float((whole[0] & whole[-1]).sum() / max(1, whole[0].sum()))
    return _Read(at, layers, replaced(whole), left)


def replaced(masks: Sequence[Bits]) -> npt.NDArray[np.float64]:
    """(n,) the share of a layer's living entries that each of n changes replaced, from its n + 1 masks; see Changes."""
    living = masks[0].sum()
    new = [float((after & ~before).sum()) for before, after in pairwise(masks)]
    return np.array(new) / living if living else np.full(len(new), np.nan)


def _mean(arm: str, round: int, found: list[_Read]) -> Churn:
    """With games each seed may change at other steps: then as many changes as all of them have."""
    count = min(len(one.at) for one in found)
    layers = {name: np.mean([one.layers[name][:count] for one in found], axis=0) for name in found[0].layers}
    at = np.mean([one.at[:count] for one in found], axis=0)
    whole = np.mean([one.all[:count] for one in found], axis=0)
    return Churn(arm, round, len(found), at, layers, whole, float(np.mean([one.left for one in found])))
