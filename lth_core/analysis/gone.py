"""Layers of which nothing is left, named where arms are compared: without its policy head no network learns."""

from collections.abc import Iterator, Sequence

from lth_core.experiment.experiment import Experiment
from lth_core.store.views import GoneLayer

_MOST_NAMED = 3


def gone_said(experiment: Experiment, gone: Sequence[GoneLayer], arms: Sequence[str]) -> Iterator[str]:
    """`in 8 of 8 seeds of snip policy_head.weight is gone, from round 3 on`; of each arm the layers most seeds lost."""
    for arm in arms:
        layers: dict[str, list[GoneLayer]] = {}
        for one in gone:
            if one.arm == arm:
                layers.setdefault(one.layer, []).append(one)
        ranked = sorted(layers.items(), key=lambda item: -len({one.seed for one in item[1]}))
        for layer, found in ranked[:_MOST_NAMED]:
            seeds, first = len({one.seed for one in found}), min(one.round for one in found)
            where = f"from round {first} on" if first < experiment.rounds_of(arm)[-1] else f"in round {first}"
            yield f"in {seeds} of {len(experiment.seeds)} seeds of {arm} {layer} is gone, {where}"
        if len(ranked) > _MOST_NAMED:
            yield f"and {len(ranked) - _MOST_NAMED} more layers of {arm}"
