"""Checks that a stack on a device drew from its chains' streams, whose numbers numpy computes again."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from lth_core.randomness import stream_seed
from lth_core.tasks.minatar.draws import mixed, states_after
from lth_core.tickets.check import Check
from lth_core.training.reinforcement.second_look import Looked


def differ(looked: Looked, seed: int, clock: int, update: int) -> str:
    """A sentence if the actions of an update, from step `clock` on, are not those that the network as it was before the
    update takes at the numbers of the chain's stream."""
    played = looked.played
    outputs, _ = looked.network.heads(looked.before, played.flat(played.inputs))
    taken = played.flat(played.actions)
    uniform = _uniform(seed, clock * taken[: played.actions.shape[1]].numel(), taken.numel()).view(taken.shape)
    if "log_std" in looked.before:
        normal = torch.special.ndtri(uniform.clamp(2.0**-53, 1 - 2.0**-53))
        off = (taken - (outputs + looked.before["log_std"].exp() * normal)).abs()
    else:
        above = outputs.softmax(-1).cumsum(-1)
        below = above - outputs.softmax(-1)
        low, high = (one.gather(1, taken[:, None])[:, 0] for one in (below, above))
        off = torch.maximum(low - uniform, uniform - high)
    # Rounding decides between two actions where a number is on their border.
    if bool((off <= looked.accepted * (1 + outputs.abs().max())).all()):
        return ""
    return f"actions: those of update {update:,} are not what its network takes at the numbers that the seed gives"


def _uniform(seed: int, first: int, count: int) -> Tensor:
    key = np.array([stream_seed(seed, "actions", "device")], np.uint64)
    return torch.from_numpy(mixed(states_after(key, first, count))[:, 0])


def check(keys: Mapping[str, int], clock: int, seed: int, steps: int, updates: int) -> Check:
    """Whether a ticket's streams, by name, have the keys of its chain, and are where as many updates leave them."""
    same = clock == steps and all(key == stream_seed(seed, name, "device") for name, key in keys.items())
    return Check("actions", same, f"{updates:,} updates drew {'what' if same else 'other numbers than'} the seed gives")
