"""Layers of which nothing is left, named where arms are compared: without its policy head no network learns."""

from collections.abc import Iterator, Sequence

from lth_core.experiment.experiment import Experiment
from lth_core.store.views import GoneLayer
from lth_core.text import plural


def gone_said(experiment: Experiment, gone: Sequence[GoneLayer], arms: Sequence[str]) -> Iterator[str]:
    """`in 8 of 8 seeds of snip policy_head.weight is gone, from round 3 on, and 2 more layers in some`.

    A clause for each arm: the layer that most seeds lost, of these the first to go.
    """
    for arm in arms:
        layers: dict[str, list[GoneLayer]] = {}
        for one in gone:
            if one.arm == arm:
                layers.setdefault(one.layer, []).append(one)
        if not layers:
            continue
        lost = {
            name: (len({one.seed for one in found}), min(one.round for one in found)) for name, found in layers.items()
        }
        layer, (seeds, first) = min(lost.items(), key=lambda item: (-item[1][0], item[1][1]))
        where = f"from round {first} on" if first < experiment.rounds_of(arm)[-1] else f"in round {first}"
        others = f", and {plural(len(lost) - 1, 'more layer')} in some" if len(lost) > 1 else ""
        yield f"in {seeds} of {len(experiment.seeds)} seeds of {arm} {layer} is gone, {where}{others}"
