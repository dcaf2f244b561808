"""Analysis of a job's tickets: masks and weights read from the store, round by round, without torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from lth_core import bits
from lth_core.analysis import anatomy
from lth_core.analysis.anatomy import Effective, Overlap
from lth_core.analysis.network_graphs import Graph, graph_of
from lth_core.errors import InputError
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import shares_network
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.tensors import Arrays, DamagedFile, load_tensors
from lth_core.store.trials import stored_files
from lth_core.store.workspace import Workspace

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Inspected:
    """One arm at one round, means over `seeds`.

    across: overlap of the masks of different seeds; with_reference: of this arm's mask with the reference arm's, seed
    by seed. signs, signs_start: share of living weights that end with the sign of the dense run's initialisation, of
    the rewind point. to_dense: distance of the trained ticket from the trained dense network over the ticket's mask;
    moved: from its own rewind point. inputs: share per input of the first layer's weights that are kept and on a path
    (kept alone where paths are not known). None or NaN where not known.
    """

    arm: str
    round: int
    seeds: int
    density: float
    groups: dict[str, float]
    across: Overlap | None
    with_reference: Overlap | None
    effective_density: float | None
    dead_units: float | None
    units: int | None
    signs: float
    signs_start: float
    to_dense: float
    moved: float
    inputs: npt.NDArray[np.float64] | None


@dataclass(frozen=True)
class _Stored:
    mask: dict[str, npt.NDArray[np.bool_]]
    parts: dict[str, dict[str, npt.NDArray[np.float32]]]


def inspect(workspace: Workspace, database: Database, job: int, experiment: Experiment) -> Iterator[Inspected]:
    """Every arm and round with finished trials, in order of rounds. Raises InputError if a file is damaged."""
    shapes: Shapes = {}
    for entry in views.layers(database, job):
        shapes.setdefault(entry.layer, entry.shape)
    graph = graph_of(experiment.model.kind, shapes, heads=getattr(experiment.model, "heads", 1))
    paths = {
        (row["arm"], row["round"], row["seed"]): (row["tensors"], row["sha256"])
        for row in stored_files(database, job)
        if row["state"] == "done" and row["tensors"] is not None
    }
    dense = {seed: _read(workspace, *found) for (arm, _, seed), found in paths.items() if arm == DENSE}
    others = [a for a in experiment.arms if a != experiment.reference and shares_network(experiment, a)]
    arms = [experiment.reference, *others]
    for round in range(1, experiment.pruning.rounds + 1):
        reference: dict[int, _Stored] = {}
        for arm in arms:
            seeds = [s for s in experiment.seeds if (arm, round, s) in paths and s in dense]
            if seeds:
                own = {seed: _read(workspace, *paths[arm, round, seed]) for seed in seeds}
                reference = reference or (own if arm == experiment.reference else {})
                yield _inspected(experiment, arm, round, own, dense, reference, (shapes, graph))


def _read(workspace: Workspace, path: str, sha256: str) -> _Stored:
    try:
        arrays, card = load_tensors(workspace.inside(path), sha256)
        mask = bits.unpack(arrays["mask"], dict(card["mask"]))
    except (DamagedFile, KeyError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    return _Stored(mask, {part: _part(arrays, part) for part in ("init", "rewind", "final")})


def _part(arrays: Arrays, part: str) -> dict[str, npt.NDArray[np.float32]]:
    return {key.removeprefix(f"{part}/"): array for key, array in arrays.items() if key.startswith(f"{part}/")}


def _inspected(
    experiment: Experiment, arm: str, round: int, own: dict[int, _Stored], dense: dict[int, _Stored],
    reference: dict[int, _Stored], network: tuple[Shapes, Graph | None],
) -> Inspected:  # fmt: skip
    masks = {seed: stored.mask for seed, stored in own.items()}
    first = next(iter(masks.values()))
    pairs = [anatomy.overlap(masks[a], masks[b]) for a, b in combinations(masks, 2)]
    both = [anatomy.overlap(masks[s], reference[s].mask) for s in masks if s in reference]
    shapes, graph = network
    looked = [anatomy.effective(mask, shapes, graph) for mask in masks.values()] if graph is not None else []
    whole, alive = [e for e, _ in looked], [m for _, m in looked] or list(masks.values())
    kept = [k for mask in alive if (k := anatomy.inputs_kept(mask, shapes)) is not None]
    size = sum(m.size for m in first.values())

    def mean(part: str, function: str, of: str = "final") -> float:
        values = [
            getattr(anatomy, function)(stored.mask, stored.parts[of], dense[seed].parts[part])
            for seed, stored in own.items()
            if dense[seed].parts[part]
        ]
        return float(np.mean(values)) if values else float("nan")

    return Inspected(
        arm=arm,
        round=round,
        seeds=len(own),
        density=float(np.mean([sum(int(m.sum()) for m in mask.values()) / size for mask in masks.values()])),
        groups=_groups(list(masks.values())),
        across=_mean_overlap(pairs),
        with_reference=_mean_overlap(both) if arm != experiment.reference else None,
        effective_density=float(np.mean([e.effective for e in whole])) / size if whole else None,
        dead_units=float(np.mean([e.dead_units for e in whole])) if whole else None,
        units=_units(whole),
        signs=mean("init", "sign_agreement"),
        signs_start=mean("rewind", "sign_agreement"),
        to_dense=mean("final", "distance"),
        moved=mean("rewind", "distance"),
        inputs=np.mean(kept, axis=0) if kept else None,
    )


def _units(whole: Sequence[Effective]) -> int | None:
    return whole[0].units if whole else None


def _mean_overlap(found: Sequence[Overlap]) -> Overlap | None:
    if not found:
        return None
    return Overlap(*(float(np.mean([getattr(one, field) for one in found])) for field in ("jaccard", "chance", "z")))


def _groups(masks: Sequence[dict[str, npt.NDArray[np.bool_]]]) -> dict[str, float]:
    """Share kept of each part of the model (the name before the first dot), and of all weights and biases."""
    members: dict[str, list[str]] = {}
    for name in masks[0]:
        members.setdefault(name.split(".")[0], []).append(name)
        members.setdefault("biases" if name.endswith("bias") else "weights", []).append(name)
    return {
        group: float(np.mean([sum(m[n].sum() for n in names) / sum(m[n].size for n in names) for m in masks]))
        for group, names in members.items()
    }
