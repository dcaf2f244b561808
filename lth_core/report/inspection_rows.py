"""The analysis of tickets as plain rows for files."""

import math
from collections.abc import Sequence

from lth_core.analysis.anatomy import Overlap
from lth_core.analysis.churn import Churn
from lth_core.analysis.connectivity import Barrier, Instability
from lth_core.analysis.inspection import Inspected
from lth_core.report.rows import Row, interval_fields


def inspection_rows(found: Sequence[Inspected]) -> list[Row]:
    """A row per round and arm."""
    rows: list[Row] = []
    for one in found:
        rows.append({
            "arm": one.arm, "round": one.round, "seeds": one.seeds, "density": one.density,
            "effective_density": one.effective_density, "dead_units": one.dead_units, "units": one.units,
            **_overlap("overlap_seeds", one.across), **_overlap("overlap_reference", one.with_reference),
            "signs_of_init": one.signs, "signs_of_rewind": one.signs_start, "distance_to_dense": one.to_dense,
            "distance_moved": one.moved,
            **{f"kept_{group}": share for group, share in one.groups.items()},
        })  # fmt: skip
    return rows


def barrier_rows(found: Sequence[Barrier]) -> list[Row]:
    """A row per pair of successive rounds."""
    return [
        {
            "arm": one.arm, "round": one.round, "following": one.following,
            **interval_fields("barrier", one.height), "seeds": one.height.n,
            "metric": one.metric, "score": one.ends[0], "score_following": one.ends[1], "score_worst": one.lowest,
        }
        for one in found
    ]  # fmt: skip


def instability_rows(found: Sequence[Instability]) -> list[Row]:
    """A row per round and rewind point."""
    return [
        {
            "round": one.round, "point": one.point, "metric": one.metric, **interval_fields("instability", one.height),
            **interval_fields("share", one.share), "stable": one.stable, "seeds": one.height.n,
            "score": one.ends, "score_worst": one.worst,
        }
        for one in found
    ]  # fmt: skip


def churn_rows(found: Sequence[Churn]) -> list[Row]:
    """A row per round, arm, layer and change; the layer "all" is the whole mask. No share where nothing lives."""
    return [
        {
            "arm": one.arm, "round": one.round, "seeds": one.seeds, "layer": layer, "change": number + 1,
            "at": float(one.at[number]), "replaced": None if math.isnan(share) else float(share),
        }
        for one in found
        for layer, shares in {"all": one.all, **one.layers}.items()
        for number, share in enumerate(shares)
    ]  # fmt: skip


def _overlap(name: str, found: Overlap | None) -> Row:
    if found is None:
        return {name: None, f"{name}_chance": None, f"{name}_z": None}
    return {name: found.jaccard, f"{name}_chance": found.chance, f"{name}_z": found.z}
