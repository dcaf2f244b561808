"""What tickets are made of, as plain rows for files."""

from collections.abc import Sequence

from lth_core.analysis.anatomy import Overlap
from lth_core.analysis.connectivity import Barrier, Instability
from lth_core.analysis.inspection import Inspected

Row = dict[str, str | int | float | bool | None]


def inspection_rows(found: Sequence[Inspected]) -> list[Row]:
    """For files."""
    rows: list[Row] = []
    for one in found:
        rows.append({
            "arm": one.arm, "round": one.round, "seeds": one.seeds, "density": one.density,
            "effective_density": one.effective_density, "dead_units": one.dead_units, "units": one.units,
            **_overlap("overlap_seeds", one.across), **_overlap("overlap_reference", one.with_reference),
            "signs_of_init": one.signs,
            "signs_of_rewind": one.signs_start, "distance_to_dense": one.to_dense, "distance_moved": one.moved,
            **{f"kept_{group}": share for group, share in one.groups.items()},
        })  # fmt: skip
    return rows


def barrier_rows(found: Sequence[Barrier]) -> list[Row]:
    """For files."""
    return [
        {
            "arm": one.arm, "round": one.round, "following": one.following, "barrier": one.height.value,
            "barrier_low": one.height.low, "barrier_high": one.height.high, "seeds": one.height.n,
            "metric": one.metric, "score": one.ends[0], "score_following": one.ends[1], "score_worst": one.lowest,
        }
        for one in found
    ]  # fmt: skip


def instability_rows(found: Sequence[Instability]) -> list[Row]:
    """For files."""
    return [
        {
            "round": one.round, "point": one.point, "metric": one.metric, "instability": one.height.value,
            "instability_low": one.height.low, "instability_high": one.height.high, "share": one.share.value,
            "share_low": one.share.low, "share_high": one.share.high, "stable": one.stable, "seeds": one.height.n,
            "score": one.ends, "score_worst": one.worst,
        }
        for one in found
    ]  # fmt: skip


def _overlap(name: str, found: Overlap | None) -> Row:
    if found is None:
        return {name: None, f"{name}_chance": None, f"{name}_z": None}
    return {name: found.jaccard, f"{name}_chance": found.chance, f"{name}_z": found.z}
