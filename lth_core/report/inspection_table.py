"""The analysis of tickets as rich tables."""

import math
from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table

from lth_core.analysis.anatomy import Overlap
from lth_core.analysis.churn import Churn
from lth_core.analysis.connectivity import STABLE, Barrier, Instability
from lth_core.analysis.inspection import Inspected
from lth_core.experiment.experiment import Experiment
from lth_core.report.table import interval, number
from lth_core.text import one_line


def inspection_table(found: Sequence[Inspected]) -> Table:
    """A line per round and arm."""
    groups = list(found[0].groups) if found else []
    groups = [group for group in groups if group not in ("weights", "biases")]
    table = _table(
        ("round", "arm", "kept", "effective", "dead units", "overlap, seeds", "chance", "overlap, arm", "chance",
         "signs kept", "from dense", "moved", *groups, "biases")
    )  # fmt: skip
    before = -1
    for one in found:
        table.add_row(
            str(one.round) if one.round != before else "", one.arm, f"{one.density:.1%}",
            _percent(one.effective_density), "-" if one.dead_units is None else f"{one.dead_units:.1f}/{one.units}",
            *_overlap(one.across), *_overlap(one.with_reference), _percent(one.signs), number(one.to_dense, 3),
            number(one.moved, 3), *(f"{one.groups.get(group, math.nan):.1%}" for group in groups),
            _percent(one.groups.get("biases")),
        )  # fmt: skip
        before = one.round
    return table


def explained() -> Iterator[str]:
    """Explanations of the columns."""
    yield (
        "Means over seeds. kept: of the prunable parameters; effective: of these on a path from an input to an output. "
        "overlap: intersection over union of two masks, between seeds and with the reference arm of the same seed; "
        "chance: the same for masks drawn at random with each layer's count."
    )
    yield (
        "signs kept: living weights that end with the sign of the dense run's initialisation; from dense: distance of "
        "the trained ticket from the trained dense network over its mask, relative to that; moved: from the rewind "
        "point, likewise."
    )


def barrier_table(experiment: Experiment, found: Sequence[Barrier]) -> Table:
    """A line per pair of successive rounds."""
    table = _table(("between rounds", "arm", "score at the ends", "worst on the line", "barrier", "n"))
    for one in found:
        ends = " and ".join(number(end) for end in one.ends)
        table.add_row(
            f"{one.round} and {one.following}", one.arm, ends, number(one.lowest), interval(one.height),
            str(one.height.n),
        )  # fmt: skip
    metric = found[0].metric if found else "score"
    table.caption = f"{metric} of networks on the line between trained tickets; {experiment.reference}"
    return table


SHOWN = 8
"""How many changes a table of churn shows at most, spread evenly from the first to the last."""


def churn_table(found: Sequence[Churn]) -> Table:
    """A line per round, arm and layer, a column per change."""
    least = min(len(one.at) for one in found)
    places = [round(k * (least - 1) / max(1, SHOWN - 1)) for k in range(SHOWN)] if least > SHOWN else range(least)
    at = [f"at {found[0].at[place]:.0%}" for place in places]
    table = _table(("round", "arm", "layer", *at, "first mask left"))
    before = (-1, "")
    for one in found:
        for layer, shares in {"all": one.all, **one.layers}.items():
            new = (one.round, one.arm) != before
            table.add_row(
                str(one.round) if one.round != before[0] else "", one.arm if new else "", one_line(layer),
                *(_percent(float(shares[place])) for place in places), f"{one.left:.1%}" if new else "",
            )  # fmt: skip
            before = (one.round, one.arm)
    table.caption = (
        "share of a layer's living weights that a change replaced, by the share of the training before it; "
        f"{least} changes, means over seeds; first mask left: share of the first mask that the last one still has"
    )
    return table


def instability_table(experiment: Experiment, found: Sequence[Instability]) -> Table:
    """A line per round and rewind point."""
    unit = experiment.training.unit
    table = _table(
        ("round", f"from ({unit})", "score at the ends", "worst between", "instability", "of the score", "n")
    )
    before = -1
    for one in found:
        share = f"{one.share.value:.1%}" if one.share.n else "-"
        share += f" [{one.share.low:.1%}, {one.share.high:.1%}]" if one.share.n > 1 else ""
        table.add_row(
            str(one.round) if one.round != before else "", f"{one.point:,}", number(one.ends), number(one.worst),
            interval(one.height), share + (" stable" if one.stable else ""), str(one.height.n),
        )  # fmt: skip
        before = one.round
    metric = found[0].metric if found else "score"
    table.caption = (
        f"{metric} on the line between two trainings that differ in noise alone (data order, environments, actions, "
        f"dropout): worst point minus mean of the ends (Frankle et al. 2020); stable: certainly below {STABLE:.0%} of "
        "the score; round 0 is the dense network"
    )
    return table


def _overlap(found: Overlap | None) -> tuple[str, str]:
    return ("", "") if found is None else (f"{found.jaccard:.3f}", f"{found.chance:.3f}")


def _percent(share: float | None) -> str:
    return "-" if share is None or math.isnan(share) else f"{share:.1%}"


def _table(headings: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="left" if heading in ("arm", "between rounds", "layer") else "right")
    return table
